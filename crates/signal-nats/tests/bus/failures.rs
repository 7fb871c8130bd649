//! Servers that come late, end, fall silent, or lose each other.

use std::net::SocketAddr;

use signal_nats::Nats;
use signal_testwire::NatsServer;

use crate::node::{ANN, BOB, Node, config, meet, until};
use crate::proxy::Proxy;
use crate::servers::{freeze, in_cluster, make_lame};

#[tokio::test]
async fn a_node_starts_without_a_server_and_connects_when_there_is_one() {
    let proxy = Proxy::to(None).await;
    let mut ann = Node::start(ANN, config(&[&proxy.url()]));
    ann.counts(|stats| stats.failures >= 3).await;
    assert!(!ann.handle.status().is_connected());
    let Some(server) = NatsServer::start("") else {
        return;
    };
    proxy.lead_to(Some(server.clients));
    ann.is_connected().await;
    let mut bob = Node::connected(BOB, config(&[&server.url()])).await;
    meet(&mut ann, &mut bob, BOB).await;
    let status = ann.handle.status();
    assert_eq!(status.server, Some(proxy.url()));
    assert!(status.problem.is_none());
}

#[tokio::test]
async fn a_server_that_starts_again_is_found_again() {
    let Some(server) = NatsServer::start("") else {
        return;
    };
    let proxy = Proxy::to(Some(server.clients)).await;
    let mut ann = Node::connected(ANN, config(&[&proxy.url()])).await;
    let mut bob = Node::connected(BOB, config(&[&proxy.url()])).await;
    meet(&mut ann, &mut bob, BOB).await;
    drop(server);
    until(
        || !ann.handle.status().is_connected(),
        || "it goes on".to_owned(),
    )
    .await;
    ann.bus.to(BOB, b"lost");
    assert_eq!(ann.stats().dropped.unconnected, 1);
    let Some(server) = NatsServer::start("") else {
        return;
    };
    proxy.lead_to(Some(server.clients));
    ann.is_connected().await;
    meet(&mut ann, &mut bob, BOB).await;
    meet(&mut bob, &mut ann, ANN).await;
    assert_eq!((ann.stats().connects, ann.stats().disconnects), (2, 1));
}

/// Three servers that know each other, and nodes at the first and the second.
struct Cluster {
    servers: Vec<Option<NatsServer>>,
    ann: Node,
    bob: Node,
}

impl Cluster {
    async fn start() -> Option<Self> {
        let first = in_cluster(&[], LAME_DUCK)?;
        let routes = first.routes.expect("a port for routes");
        let mut servers = vec![Some(first)];
        for _ in 0..2 {
            servers.push(Some(in_cluster(&[routes], LAME_DUCK)?));
        }
        let urls: Vec<_> = servers.iter().flatten().map(NatsServer::url).collect();
        let urls: Vec<_> = urls.iter().map(String::as_str).collect();
        let mut ann = Node::connected(ANN, config(&urls)).await;
        let mut bob = Node::connected(BOB, config(&urls)).await;
        meet(&mut ann, &mut bob, BOB).await;
        meet(&mut bob, &mut ann, ANN).await;
        Some(Self { servers, ann, bob })
    }

    /// The server that a node uses.
    fn server_of(&mut self, node: impl Fn(&Self) -> &Node) -> &mut Option<NatsServer> {
        let url = node(self).handle.status().server.expect("a server");
        let mut servers = self.servers.iter_mut();
        servers
            .find(|server| server.as_ref().is_some_and(|server| server.url() == url))
            .expect("one of them")
    }
}

const LAME_DUCK: &str = "lame_duck_duration: \"30s\"\nlame_duck_grace_period: \"20s\"";

#[tokio::test]
async fn of_three_servers_each_may_be_killed_while_another_is_left() {
    let Some(mut cluster) = Cluster::start().await else {
        return;
    };
    for _ in 0..2 {
        let before = cluster.ann.stats().connects;
        *cluster.server_of(|cluster| &cluster.ann) = None;
        cluster.ann.counts(|stats| stats.connects > before).await;
        let Cluster { ann, bob, .. } = &mut cluster;
        meet(ann, bob, BOB).await;
        meet(bob, ann, ANN).await;
    }
}

#[tokio::test]
async fn a_server_that_announces_its_end_is_left_before_it_ends_and_nothing_is_lost() {
    let Some(mut cluster) = Cluster::start().await else {
        return;
    };
    let lame = cluster.ann.handle.status().server;
    let server = cluster.server_of(|cluster| &cluster.ann);
    make_lame(server.as_ref().expect("it runs"));
    let is_at_both = cluster.bob.handle.status().server == lame;
    let Cluster { ann, bob, .. } = &mut cluster;
    let mut sent = 0_u32;
    while ann.stats().connects < 2 || (is_at_both && bob.stats().connects < 2) {
        bob.bus.to(ANN, &sent.to_be_bytes());
        sent += 1;
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    bob.bus.to(ANN, b"end");
    let mut numbers = ann.receive_until(b"end").await;
    assert_eq!((ann.stats().lame_ducks, ann.stats().disconnects), (1, 0));
    assert_ne!(ann.handle.status().server, lame);
    // In the overlap a message may come by both connections, which is the machine's to notice.
    numbers.sort();
    numbers.dedup();
    assert_eq!(numbers.len(), sent as usize);
}

#[tokio::test]
async fn a_node_never_hears_itself_while_it_moves_from_one_server_to_another() {
    const OWN: [&[u8]; 2] = [b"a beat of my own", b"the last of my own"];
    let Some(mut cluster) = Cluster::start().await else {
        return;
    };
    let server = cluster.server_of(|cluster| &cluster.ann);
    make_lame(server.as_ref().expect("it runs"));
    let Cluster { ann, bob, .. } = &mut cluster;
    while ann.stats().connects < 2 {
        ann.bus.to_all(OWN[0]);
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    ann.bus.to_all(OWN[1]);
    bob.receive_until(OWN[1]).await;
    bob.bus.to(ANN, b"end");
    // In the overlap bob's may come twice, and ann's own never.
    let bobs = ann.receive_until(b"end").await;
    assert!(
        !bobs.iter().any(|message| OWN.contains(&&message[..])),
        "{bobs:?}"
    );
}

/// The node sends all the time: a client that asks whether its server lives only when it has been
/// silent itself would never notice.
#[tokio::test]
async fn a_server_that_falls_silent_is_left_even_by_a_node_that_sends_all_the_time() {
    let (Some(first), Some(second)) = (NatsServer::start(""), NatsServer::start("")) else {
        return;
    };
    let mut ann = Node::connected(ANN, config(&[&first.url(), &second.url()])).await;
    let is_first = ann.handle.status().server == Some(first.url());
    let (silent, other) = if is_first {
        (&first, &second)
    } else {
        (&second, &first)
    };
    freeze(silent);
    let handle = ann.handle.clone();
    let sends = async {
        loop {
            ann.bus.to_all(b"beat");
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    };
    tokio::select! {
        () = sends => {}
        () = until(|| handle.status().server == Some(other.url()), || format!("{handle:?}")) => {}
    }
}

#[tokio::test]
async fn after_a_route_was_cut_messages_cross_it_again() {
    let Some(first) = in_cluster(&[], "") else {
        return;
    };
    let route = Proxy::to(first.routes).await;
    let Some(second) = in_cluster(&[route.address], "") else {
        return;
    };
    let mut ann = Node::connected(ANN, config(&[&first.url()])).await;
    let mut bob = Node::connected(BOB, config(&[&second.url()])).await;
    meet(&mut ann, &mut bob, BOB).await;
    route.lead_to(None);
    route.cut();
    // Neither node sees it: their own servers live.
    ann.bus.to(BOB, b"perhaps lost");
    route.lead_to(first.routes);
    meet(&mut ann, &mut bob, BOB).await;
    meet(&mut bob, &mut ann, ANN).await;
    assert_eq!(ann.stats().connects + bob.stats().connects, 2);
}

#[tokio::test]
async fn a_flood_to_a_server_that_takes_nothing_is_bounded_and_counted() {
    let Some(server) = NatsServer::start("") else {
        return;
    };
    let mut small = config(&[&server.url()]);
    small.cluster_queue_bytes_max = 1 << 20;
    let mut ann = Node::connected(ANN, small).await;
    freeze(&server);
    for _ in 0..2_000 {
        ann.bus.to(BOB, &[0; 100_000]);
        tokio::task::yield_now().await;
    }
    let dropped = ann.stats().dropped;
    assert!(dropped.unsent + dropped.unconnected > 1_000, "{dropped:?}");
}

#[tokio::test]
async fn names_of_servers_are_looked_up_and_other_services_are_told_apart() {
    let Some(server) = NatsServer::start("") else {
        return;
    };
    let url = format!("nats://localhost:{}", server.clients.port());
    Node::connected(ANN, config(&[&url])).await;
    let http = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let address: SocketAddr = http.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = http.accept().await {
            let answer = b"HTTP/1.1 400 Bad Request\r\n\r\n";
            let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, answer).await;
        }
    });
    let node = Node::start(ANN, config(&[&format!("nats://{address}")]));
    node.has_problem().await;
    let unknown = Node::start(ANN, config(&["nats://no-such-host.invalid"]));
    unknown.has_problem().await;
}

#[tokio::test]
async fn settings_that_cannot_be_used_are_an_error_at_once() {
    let error = Nats::start(ANN, config(&[])).expect_err("no server");
    assert_eq!(error.to_string(), "cluster_nats names no server");
    let missing = |set: fn(&mut signal_nats::Config)| {
        let mut config = config(&["nats://127.0.0.1:1"]);
        set(&mut config);
        Nats::start(ANN, config).expect_err("no file").to_string()
    };
    for (setting, error) in [
        (
            "cluster_creds_file",
            missing(|config| config.cluster_creds_file = Some("none".into())),
        ),
        (
            "cluster_ca_file",
            missing(|config| config.cluster_ca_file = Some("none".into())),
        ),
        (
            "cluster_key_file",
            missing(|config| config.cluster_key_file = Some("none".into())),
        ),
    ] {
        assert!(
            error.starts_with(&format!("{setting}: none cannot be read: ")),
            "{error}"
        );
    }
}
