//! `signal check --health`: one health check for every configuration.

#![cfg(unix)]

mod common;

use std::net::TcpListener;
use std::path::Path;

use common::certificate::Certificate;
use common::folder::{Folder, new_key};
use common::{Ran, Relay, run_command, signal};
use signal_testwire::{UPGRADE, ask};
use tokio::net::TcpSocket;

/// A port that is given to nobody else while this lives, but to a relay that is told of it. Both
/// the relay and the check must know it beforehand.
#[derive(Debug)]
struct Port {
    address: String,
    _reserved: TcpSocket,
}

impl Port {
    fn reserve() -> Self {
        let reserved = TcpSocket::new_v4().expect("a socket");
        reserved.set_reuseaddr(true).expect("a port can be shared");
        let any = "0.0.0.0:0".parse().expect("an address");
        reserved.bind(any).expect("a free port");
        let port = reserved.local_addr().expect("bound").port();
        Self {
            address: format!("127.0.0.1:{port}"),
            _reserved: reserved,
        }
    }
}

type Variables<'a> = &'a [(&'a str, &'a str)];

/// Starts a relay with these variables, as a container would.
fn start(variables: Variables<'_>) -> Relay {
    let mut serve = signal(&["serve"]);
    serve.envs(variables.iter().copied());
    Relay::start_command(serve)
}

/// The health check in the same environment.
fn check(variables: Variables<'_>) -> Ran {
    let mut check = signal(&["check", "--health"]);
    run_command(check.envs(variables.iter().copied()))
}

#[track_caller]
fn assert_healthy(ran: &Ran) {
    assert_eq!(ran.code(), Some(0), "{ran:?}");
    ran.says("healthy: ");
}

fn show(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

#[test]
fn a_relay_is_healthy_whatever_it_asks_of_clients() {
    let (certificate, folder) = (Certificate::new(), Folder::new("health"));
    let (cert, key) = (certificate.path(), certificate.key_path());
    let (cert, key) = (show(&cert), show(&key));
    let jwk = new_key(&folder, "relay.jwk", &[]);
    let ports = [(); 6].map(|()| Port::reserve());
    let [plain, tls, tokens, pages, everywhere, in_file] = &ports;
    let config = folder.write("signal.toml", &format!("listen = {:?}\n", in_file.address));
    let port = everywhere.address.rsplit_once(':').expect("a port").1;
    let configurations: &[Variables<'_>] = &[
        &[("SIGNAL_LISTEN", &plain.address)],
        &[
            ("SIGNAL_LISTEN", &tls.address),
            ("SIGNAL_TLS_CERT", cert),
            ("SIGNAL_TLS_KEY", key),
        ],
        &[
            ("SIGNAL_LISTEN", &tokens.address),
            ("SIGNAL_TOKEN_KEY_FILE", &jwk),
            ("SIGNAL_TOKEN_AUDIENCE", "relay.example.org"),
        ],
        &[
            ("SIGNAL_LISTEN", &pages.address),
            ("SIGNAL_ORIGINS", "https://app.example.org"),
        ],
        // As the image has it: on every interface.
        &[("PORT", port)],
        &[("SIGNAL_CONFIG", &config)],
    ];
    for variables in configurations {
        let _relay = start(variables);
        assert_healthy(&check(variables));
    }
}

#[tokio::test]
async fn a_relay_that_is_full_is_healthy() {
    let Port { address, _reserved } = Port::reserve();
    let variables = [
        ("SIGNAL_LISTEN", address.as_str()),
        ("SIGNAL_PEERS_MAX", "1"),
    ];
    let relay = start(&variables);
    let mut only = relay.connect().await;
    only.ping().await;
    assert_eq!(ask(&address, UPGRADE).status, 503);
    assert_healthy(&check(&variables));
    only.ping().await;
}

#[tokio::test]
async fn a_relay_that_drains_is_healthy() {
    let Port { address, _reserved } = Port::reserve();
    let variables = [
        ("SIGNAL_LISTEN", address.as_str()),
        ("SIGNAL_DRAIN_SECONDS", "3600"),
    ];
    let relay = start(&variables);
    let mut peer = relay.connect().await;
    peer.ping().await;
    relay.terminate();
    relay.until_logged("\"draining\"");
    assert_eq!(ask(&address, UPGRADE).status, 503);
    assert_healthy(&check(&variables));
}

#[test]
fn without_a_relay_and_with_one_that_hangs_it_is_unhealthy() {
    let Port { address, _reserved } = Port::reserve();
    let nobody = check(&[("SIGNAL_LISTEN", &address)]);
    assert_eq!(nobody.code(), Some(1), "{nobody:?}");
    nobody.says(&format!("unhealthy: {address} did not answer"));
    nobody.says("refused");

    // The kernel accepts for it, and it never reads.
    let hangs = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = hangs.local_addr().expect("bound").to_string();
    let mut check = signal(&["check", "--health", "--timeout", "200ms"]);
    let hung = run_command(check.env("SIGNAL_LISTEN", &address));
    assert_eq!(hung.code(), Some(1), "{hung:?}");
    hung.says(&format!("unhealthy: {address} did not answer"));
    hung.says("timed out");
}

#[test]
fn settings_that_no_relay_can_have_are_unhealthy_and_named() {
    let ran = check(&[("SIGNAL_PEERS_MAX", "many")]);
    assert_eq!(ran.code(), Some(1), "{ran:?}");
    ran.says("unhealthy: no relay runs with these settings");
    ran.says("SIGNAL_PEERS_MAX");
}

/// In a container the relay is the first process. Its flags are not in the environment of a health
/// check.
#[cfg(target_os = "linux")]
#[test]
fn in_a_container_the_relays_own_flags_count() {
    let can_unshare = run_command(common::clean("unshare").args(["--pid", "--fork", "true"]));
    if can_unshare.code() != Some(0) {
        return signal_testwire::skipped("namespaces need root");
    }
    let certificate = Certificate::new();
    for init in ["", "sleep 3600 & wait $!"] {
        // The first process, or the child of a first one, as `docker run --init` has it.
        let serve = "signal=$0; init=$1; shift; \
                     if [ \"$init\" ]; then \"$signal\" serve \"$@\" & eval \"$init\"; else exec \"$signal\" serve \"$@\"; fi";
        let Port { address, _reserved } = Port::reserve();
        let mut command = common::clean("unshare");
        command.args(["--pid", "--fork", "--mount-proc", "--kill-child"]);
        command.args(["sh", "-c", serve, env!("CARGO_BIN_EXE_signal"), init]);
        command.args(["--listen", &address]);
        command.arg("--tls-cert").arg(certificate.path());
        command.arg("--tls-key").arg(certificate.key_path());
        let container = Relay::start_command(command);
        let inside = children(container.pid())[0].to_string();
        let mut check = common::clean("nsenter");
        check.args(["--target", &inside, "--pid", "--mount", "--root"]);
        check.args([env!("CARGO_BIN_EXE_signal"), "check", "--health"]);
        // What the image has, and the flags overrule.
        assert_healthy(&run_command(check.env("PORT", "4444")));
    }
}

#[cfg(target_os = "linux")]
fn children(process: u32) -> Vec<u32> {
    let file = format!("/proc/{process}/task/{process}/children");
    let text = std::fs::read_to_string(file).expect("the process lives");
    let children = text
        .split_whitespace()
        .map(|child| child.parse().expect("a number"));
    children.collect()
}
