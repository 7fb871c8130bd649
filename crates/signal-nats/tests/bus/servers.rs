//! What is done to NATS servers.

use std::net::SocketAddr;

use rustix::process::{Pid, Signal, kill_process};
use signal_testwire::NatsServer;

/// Starts one with a port for other servers, and a route to those.
pub(crate) fn in_cluster(routes: &[SocketAddr], more: &str) -> Option<NatsServer> {
    let routes = routes.iter().map(|route| format!("nats://{route}"));
    let routes = routes.collect::<Vec<_>>().join(", ");
    NatsServer::start(&format!(
        "cluster {{ name: c, host: 127.0.0.1, port: -1, routes: [{routes}] }}\n{more}"
    ))
}

/// Stops one as SIGSTOP does: it answers nothing, and its connections stay.
pub(crate) fn freeze(server: &NatsServer) {
    signal(server, Signal::STOP);
}

/// Has one announce its end to its clients, and let them go one after another.
pub(crate) fn make_lame(server: &NatsServer) {
    signal(server, Signal::USR2);
}

fn signal(server: &NatsServer, signal: Signal) {
    let pid = Pid::from_child(&server.process);
    kill_process(pid, signal).expect("the process is there");
}
