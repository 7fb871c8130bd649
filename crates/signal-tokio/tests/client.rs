//! The client against a real relay.

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::relay;
use serde_json::json;
use signal_tokio::{
    Client, ClientConfig, ClientError, Event, Events, Received, ReceivedType, Relay,
};
use tokio::net::TcpListener;
use tokio::time::timeout;

fn quick() -> ClientConfig {
    let mut config = ClientConfig::default();
    config.backoff_min = Duration::from_millis(20);
    config.backoff_max = Duration::from_millis(100);
    config
}

async fn next(events: &mut Events) -> Event {
    timeout(common::PATIENCE, events.next())
        .await
        .expect("an event in time")
        .expect("the client lives")
}

async fn next_message(events: &mut Events) -> Received {
    loop {
        if let Event::Message(message) = next(events).await {
            return message;
        }
    }
}

async fn connected(events: &mut Events) {
    while !matches!(next(events).await, Event::Connected) {}
}

/// A client that has connected.
async fn connect(address: std::net::SocketAddr, config: ClientConfig) -> (Client, Events) {
    let (client, mut events) =
        Client::connect(&format!("ws://{address}"), config).expect("a good address");
    connected(&mut events).await;
    (client, events)
}

#[tokio::test]
async fn two_clients_hear_each_other() {
    let address = common::listen(&relay(|_| {})).await;
    let (ann, mut to_ann) = connect(address, quick()).await;
    let (ben, mut to_ben) = connect(address, quick()).await;
    ann.subscribe("t").await.expect("connected");
    ann.ping().await.expect("a pong");
    ben.subscribe("t").await.expect("connected");
    ben.publish("t", &json!({"hello": ["ann"]}))
        .await
        .expect("connected");
    for events in [&mut to_ann, &mut to_ben] {
        let message = next_message(events).await;
        assert_eq!((message.topic(), message.clients()), ("t", Some(2)));
        assert_eq!(
            message.data::<serde_json::Value>().expect("data"),
            json!({"hello": ["ann"]})
        );
    }
    ann.unsubscribe("t").await.expect("connected");
    ann.ping().await.expect("a pong");
    ben.publish("t", "again").await.expect("connected");
    assert_eq!(next_message(&mut to_ben).await.clients(), Some(1));
}

#[tokio::test]
async fn a_client_comes_back_subscribes_and_announces_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("a bound socket");
    let first = relay(|config| config.drain_seconds = 0);
    let serving = tokio::spawn({
        let relay = first.clone();
        async move { relay.serve(listener).await }
    });

    let mut config = quick();
    config.announce = Some(Arc::new(|topic| {
        Some(json!({"type": "announce", "of": topic}))
    }));
    let (client, mut events) =
        Client::connect(&format!("ws://{address}"), config).expect("a good address");
    client.subscribe("t").await.expect("taken");
    client.subscribe("u").await.expect("taken");
    assert_announced(&mut events).await;

    first.drain().await;
    serving.await.expect("no panic");
    let cause = loop {
        if let Event::Disconnected { cause, .. } = next(&mut events).await {
            break cause;
        }
    };
    assert!(cause.contains("1012"), "{cause}");
    assert!(!client.is_connected());
    assert!(matches!(
        client.publish("t", "lost").await,
        Err(ClientError::NotConnected)
    ));
    client
        .unsubscribe("u")
        .await
        .expect("taken without a connection");
    client
        .subscribe("v")
        .await
        .expect("taken without a connection");

    let second = relay(|_| {});
    serve_again(&second, address).await;
    connected(&mut events).await;
    let mut announced: Vec<_> = [
        next_message(&mut events).await,
        next_message(&mut events).await,
    ]
    .iter()
    .map(|message| message.topic().to_owned())
    .collect();
    announced.sort();
    assert_eq!(announced, ["t", "v"]);
    common::until(&second, "two subscriptions", |stats| {
        stats.subscriptions == 2
    })
    .await;
}

async fn assert_announced(events: &mut Events) {
    let mut topics = [next_message(events).await, next_message(events).await];
    topics.sort_by(|a, b| a.topic().cmp(b.topic()));
    for (message, topic) in topics.iter().zip(["t", "u"]) {
        let data: serde_json::Value = message.data().expect("an announcement");
        assert_eq!(data, json!({"type": "announce", "of": topic}));
    }
}

/// Serves another relay where one has just ended.
async fn serve_again(relay: &Relay, address: std::net::SocketAddr) {
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket.set_reuseaddr(true).expect("an option");
    socket.bind(address).expect("the port is free again");
    let listener = socket.listen(64).expect("a listener");
    let relay = relay.clone();
    tokio::spawn(async move { relay.serve(listener).await });
}

#[tokio::test]
async fn a_refused_client_waits_as_long_as_it_is_told() {
    let relay = relay(|config| config.peers_max = 1);
    let address = common::listen(&relay).await;
    let _only = common::open_tcp(address).await;
    let (_client, mut events) =
        Client::connect(&format!("ws://{address}"), quick()).expect("a good address");
    let Event::Disconnected { cause, retry_in } = next(&mut events).await else {
        panic!("not refused")
    };
    assert!(cause.contains("503") && cause.contains("full"), "{cause}");
    let told = Duration::from_secs(10)..=Duration::from_secs(20);
    assert!(told.contains(&retry_in), "{retry_in:?}");
}

#[tokio::test]
async fn a_silent_relay_is_left() {
    // Accepts and says nothing ever after the upgrade.
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("a bound socket");
    let silent = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("a client");
        let _socket = tokio_tungstenite::accept_async(stream)
            .await
            .expect("an upgrade");
        std::future::pending::<()>().await;
    });
    let mut config = quick();
    config.ping_interval = Duration::from_millis(100);
    let (_client, mut events) = connect(address, config).await;
    let Event::Disconnected { cause, .. } = next(&mut events).await else {
        panic!("not left")
    };
    assert!(cause.contains("silent"), "{cause}");
    silent.abort();
}

#[tokio::test]
async fn a_quiet_connection_is_kept_by_pings() {
    let relay = relay(|_| {});
    let address = common::listen(&relay).await;
    let mut config = quick();
    config.ping_interval = Duration::from_secs(1);
    let (client, mut events) = connect(address, config).await;
    let three_pings = common::until(&relay, "three pings", |stats| {
        stats.received(ReceivedType::Ping).count >= 3
    });
    tokio::select! {
        event = events.next() => panic!("{event:?}"),
        () = three_pings => {}
    }
    assert!(client.is_connected());
}

#[tokio::test]
async fn publishing_without_reading_events_does_not_lock_up() {
    let relay = relay(common::lift_budgets);
    let address = common::listen(&relay).await;
    let mut config = quick();
    config.events_max = 4;
    config.commands_max = 4;
    let (client, mut events) = connect(address, config).await;
    client.subscribe("t").await.expect("connected");
    for number in 0..500 {
        let publish = client.publish("t", &number);
        timeout(common::PATIENCE, publish)
            .await
            .expect("no lock-up")
            .expect("connected");
    }
    for number in 0..500 {
        assert_eq!(
            next_message(&mut events)
                .await
                .data::<u32>()
                .expect("a number"),
            number
        );
    }
}

#[tokio::test]
async fn the_connection_ends_with_its_handles() {
    let relay = relay(|_| {});
    let address = common::listen(&relay).await;
    let (client, events) = connect(address, quick()).await;
    drop(client);
    common::until(&relay, "no handle, no connection", |stats| stats.peers == 0).await;
    drop(events);
    let (client, events) = connect(address, quick()).await;
    drop(events);
    common::until(&relay, "no events, no connection", |stats| stats.peers == 0).await;
    assert!(matches!(
        client.subscribe("t").await,
        Err(ClientError::Closed)
    ));
}

#[tokio::test]
async fn a_bad_address_is_an_error_at_once() {
    for url in [
        "http://localhost",
        "localhost:4444",
        "ws://",
        "not an address",
        "",
    ] {
        let error = Client::connect(url, quick()).expect_err(url);
        assert!(
            matches!(&error, ClientError::Address { url: named, .. } if named == url),
            "{error}"
        );
    }
    if cfg!(not(feature = "tls")) {
        let error = Client::connect("wss://localhost", quick()).expect_err("no TLS");
        assert!(error.to_string().contains("feature `tls`"), "{error}");
    }
}

#[tokio::test]
async fn an_error_shows_no_token() {
    let url = "http://localhost/room?token=tellnobody";
    let error = Client::connect(url, quick()).expect_err("no WebSocket address");
    let printed = format!("{error} {error:?}");
    assert!(printed.contains("/room?token=***"), "{printed}");
    assert!(!printed.contains("tellnobody"), "{printed}");
}
