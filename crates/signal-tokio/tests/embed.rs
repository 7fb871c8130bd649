//! The relay inside another server.

mod common;

use std::time::Duration;

use common::relay;
use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use signal_tokio::tungstenite::protocol::Role;
use signal_tokio::tungstenite::{Message, Utf8Bytes};
use signal_tokio::{Ending, Grant, RefusalCause, Relay, TopicSet};
use tokio::io::DuplexStream;
use tokio_tungstenite::WebSocketStream;

/// A connection whose frames tokio-tungstenite reads and writes on both ends.
async fn open_messages(relay: &Relay, grant: Grant) -> WebSocketStream<DuplexStream> {
    let (client, server) = tokio::io::duplex(64 * 1024);
    let admission = relay.admit(grant, None).expect("room");
    let relay = relay.clone();
    tokio::spawn(async move {
        let server = WebSocketStream::from_raw_socket(server, Role::Server, None).await;
        relay.accept_messages(server, admission).await;
    });
    WebSocketStream::from_raw_socket(client, Role::Client, None).await
}

async fn send(socket: &mut WebSocketStream<DuplexStream>, text: &'static str) {
    socket
        .send(Message::Text(Utf8Bytes::from_static(text)))
        .await
        .expect("the relay reads");
}

async fn next_json(socket: &mut WebSocketStream<DuplexStream>) -> serde_json::Value {
    let message = socket
        .next()
        .await
        .expect("not the end")
        .expect("a message");
    serde_json::from_str(message.to_text().expect("text")).expect("JSON")
}

#[tokio::test(start_paused = true)]
async fn messages_of_another_codec_meet_those_of_our_own() {
    let relay = relay(|_| {});
    let mut ann = open_messages(&relay, Grant::open()).await;
    let mut ben = common::open(&relay).await;
    send(&mut ann, r#"{"type":"subscribe","topics":["t"]}"#).await;
    send(&mut ann, r#"{"type":"ping"}"#).await;
    assert_eq!(next_json(&mut ann).await, json!({"type": "pong"}));
    ben.subscribe("t").await;
    ben.publish("t", 1).await;
    let expected = json!({"type": "publish", "topic": "t", "data": 1, "clients": 2});
    assert_eq!(next_json(&mut ann).await, expected);
    assert_eq!(ben.next_json().await, expected);
    ann.close(None).await.expect("a close");
    while ann.next().await.is_some() {}
    common::until(&relay, "ann has gone", |stats| {
        stats.peers == 1 && stats.subscriptions == 1
    })
    .await;
    assert!(
        relay.stats().endings.contains(&(Ending::ByPeer, 1)),
        "{:?}",
        relay.stats().endings
    );
}

#[tokio::test(start_paused = true)]
async fn a_grant_given_elsewhere_is_kept_to() {
    let relay = relay(|_| {});
    let only_a = TopicSet::none().exact("a");
    let mut peer = open_messages(&relay, Grant::new(only_a.clone(), only_a)).await;
    send(&mut peer, r#"{"type":"subscribe","topics":["b","a"]}"#).await;
    send(&mut peer, r#"{"type":"publish","topic":"b"}"#).await;
    send(&mut peer, r#"{"type":"publish","topic":"a"}"#).await;
    assert_eq!(next_json(&mut peer).await["topic"], "a");
    assert_eq!((relay.stats().topics, relay.stats().topics_skipped), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_dead_peer_behind_another_codec_is_found_too() {
    let relay = relay(|_| {});
    // Never polled, so it answers no ping.
    let _silent = open_messages(&relay, Grant::open()).await;
    tokio::time::sleep(Duration::from_secs(70)).await;
    common::until(&relay, "it was closed", |stats| stats.peers == 0).await;
}

#[tokio::test(start_paused = true)]
async fn messages_close_with_a_code() {
    let relay = relay(|config| config.drain_seconds = 0);
    let mut peer = open_messages(&relay, Grant::open()).await;
    let draining = tokio::spawn({
        let relay = relay.clone();
        async move { relay.drain().await }
    });
    let Some(Ok(Message::Close(Some(close)))) = peer.next().await else {
        panic!("no close")
    };
    assert_eq!(u16::from(close.code), 1012);
    while peer.next().await.is_some() {}
    draining.await.expect("drained");
}

#[tokio::test(start_paused = true)]
async fn a_dropped_admission_gives_its_place_back() {
    let relay = relay(|config| config.peers_max = 1);
    let admission = relay.admit(Grant::open(), None).expect("room");
    let refusal = relay.admit(Grant::open(), None).expect_err("no room");
    assert_eq!(refusal.cause(), RefusalCause::PeersMax);
    drop(admission);
    relay
        .admit(Grant::open(), None)
        .map(drop)
        .expect("room again");
}

#[cfg(feature = "axum")]
mod axum {
    use super::*;
    use ::axum::Router;
    use ::axum::routing::get;
    use ::axum::serve::ListenerExt;
    use std::net::SocketAddr;

    /// An application with a route of its own and the relay under `/signal`.
    async fn listen(relay: &Relay) -> SocketAddr {
        let app = Router::new()
            .route("/", get(|| async { "mine" }))
            .nest_service("/signal", relay.router());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a free port");
        let address = listener.local_addr().expect("a bound socket");
        let app = app.into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { ::axum::serve(listener, app).await });
        address
    }

    #[tokio::test]
    async fn messages_of_an_upgraded_connection_do_not_wait_for_acknowledgements() {
        let relay = relay(|_| {});
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a free port");
        let address = listener.local_addr().expect("a bound socket");
        // A second handle to each socket, since axum and the relay own the first.
        let (handles, mut accepted) = tokio::sync::mpsc::unbounded_channel();
        let listener = listener.tap_io(move |socket| {
            let handle = socket2::SockRef::from(&*socket).try_clone();
            let _ = handles.send(handle.expect("another handle"));
        });
        tokio::spawn(async move { ::axum::serve(listener, relay.router()).await });

        let (mut peer, head) = request(address, common::UPGRADE).await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        peer.settle().await;
        let socket = accepted.recv().await.expect("it was accepted");
        assert!(socket.tcp_nodelay().expect("a live socket"));
    }

    async fn request(
        address: SocketAddr,
        request: &str,
    ) -> (common::Wire<tokio::net::TcpStream>, String) {
        let stream = tokio::net::TcpStream::connect(address)
            .await
            .expect("the server listens");
        common::Wire::request(stream, request).await
    }

    #[tokio::test]
    async fn a_relay_serves_beside_other_routes() {
        let relay = relay(|config| {
            config.addresses.limit_private_ips = true;
            config.addresses.peers_per_ip_max = 2;
        });
        let address = listen(&relay).await;
        let close = "Host: a\r\nConnection: close\r\n\r\n";
        let (mut own, _) = request(address, &format!("GET / HTTP/1.1\r\n{close}")).await;
        assert!(own.rest().await.ends_with("mine"));
        for path in ["/signal", "/signal/", "/signal/?token=x", "/signal/x"] {
            let (mut okay, _) = request(address, &format!("GET {path} HTTP/1.1\r\n{close}")).await;
            assert!(okay.rest().await.ends_with("okay"), "{path}");
        }

        let upgrade = common::UPGRADE.replace("GET /", "GET /signal?room=1");
        let (mut ann, head) = request(address, &upgrade).await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        let (mut ben, _) = request(address, &upgrade).await;
        for peer in [&mut ann, &mut ben] {
            peer.subscribe("t").await;
            peer.settle().await;
        }
        ann.publish("t", 1).await;
        assert_eq!(ann.next_json().await["clients"], 2);
        assert_eq!(ben.next_json().await["clients"], 2);
        let (_, head) = request(address, &upgrade).await;
        assert!(
            head.starts_with("HTTP/1.1 429 "),
            "the address is known: {head}"
        );
        drop((ann, ben));
        common::until(&relay, "all have gone", |stats| stats.peers == 0).await;
    }
}
