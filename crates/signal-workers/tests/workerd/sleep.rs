//! Sleeping and waking: by force, by true idleness, with long states, with deadlines.

use std::time::Duration;

use signal_conformance::Grant;
use signal_testwire::until;

use crate::backend::WorkerBackend;
use crate::client::Client;
use crate::workerd;

/// The runtime puts an object to sleep that has had no event for ten seconds, or a little later
/// where other work is done.
const IDLE: Duration = Duration::from_secs(15);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_object_falls_asleep_and_wakes_with_everything() {
    let Some(server) = workerd("idle", &[]).await else {
        return;
    };
    let [mut ann, mut bob] = Client::two(&server).await;
    ann.subscribe("garden").await;
    bob.subscribe("garden").await;
    // One message short of being refused: the count must outlast the sleep.
    for _ in 0..10 {
        bob.send("no json").await;
    }
    ann.settle().await;
    assert_eq!(
        server.wakes(),
        0,
        "nobody was there when the object was made"
    );

    tokio::time::sleep(IDLE).await;
    ann.publish("garden", "morning").await;

    assert_eq!(ann.receive_publish("garden", "morning").await, 2);
    assert_eq!(bob.receive_publish("garden", "morning").await, 2);
    assert_eq!(server.wakes(), 1, "it did not sleep: {}", server.log());
    assert!(
        server
            .log()
            .contains(r#"{"event":"wake","peers":2,"lost":0}"#),
        "{}",
        server.log()
    );
    bob.send("no json").await;
    assert_eq!(bob.closed().await.0, 1007);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stock_clients_pings_are_answered_in_its_sleep() {
    let Some(server) = workerd("pings", &[]).await else {
        return;
    };
    let mut ann = Client::connect(&server, "/").await;
    ann.subscribe("garden").await;
    server.evict("global").await.unwrap();

    for _ in 0..30 {
        ann.send(r#"{"type":"ping"}"#).await;
        assert_eq!(ann.receive().await, r#"{"type":"pong"}"#);
    }
    assert_eq!(
        server.wakes(),
        0,
        "a ping woke the object: {}",
        server.log()
    );

    // Any other spelling is answered too, by the object.
    ann.send(r#"{"type":"ping","n":1}"#).await;
    assert_eq!(ann.receive().await, r#"{"type":"pong"}"#);
    assert_eq!(server.wakes(), 1, "{}", server.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_with_128_topics_of_256_bytes_outlasts_sleep() {
    let Some(server) = workerd("long-state", &[]).await else {
        return;
    };
    let mut ann = Client::connect(&server, "/").await;
    let topics: Vec<String> = (0..128).map(|number| format!("{number:0>256}")).collect();
    for topic in &topics {
        ann.send(&format!(r#"{{"type":"subscribe","topics":["{topic}"]}}"#))
            .await;
    }
    ann.settle().await;

    for round in 0..3 {
        server.evict("global").await.unwrap();
        for topic in &topics {
            ann.publish(topic, "x").await;
            assert_eq!(ann.receive_publish(topic, "x").await, 1, "round {round}");
        }
    }
    // Its row goes with it, and a peer that comes later gets nothing of it.
    assert_eq!(ann.close(Some(1000)).await, 1000);
    let mut bob = Client::connect(&server, "/").await;
    server.evict("global").await.unwrap();
    bob.publish(&topics[0], "y").await;
    bob.settle().await;
    assert!(!server.log().contains("failure"), "{}", server.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deploy_drops_all_sockets_and_clients_come_back() {
    let Some(server) = workerd("deploy", &[]).await else {
        return;
    };
    let mut ann = Client::connect(&server, "/").await;
    for number in 0..100 {
        ann.send(&format!(
            r#"{{"type":"subscribe","topics":["{number:0>256}"]}}"#
        ))
        .await;
    }
    ann.settle().await;

    server.restart().await;

    assert_eq!(ann.closed().await.0, 1006);
    let [mut ann, mut bob] = Client::two(&server).await;
    ann.subscribe("garden").await;
    // What was stored for the first connection is not taken for the state of a later one.
    server.evict("global").await.unwrap();
    bob.publish(&format!("{:0>256}", 7), "nobody").await;
    bob.publish("garden", "back").await;
    assert_eq!(ann.receive_publish("garden", "back").await, 1);
    assert!(!server.log().contains("failure"), "{}", server.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_grant_ends_by_the_alarm_though_the_object_sleeps() {
    let Some(server) = workerd("grant", &[]).await else {
        return;
    };
    let backend = WorkerBackend::new(&server, "/", "global");
    let topics = vec!["garden".to_owned()];
    let grant = Grant {
        subscribe: topics.clone(),
        publish: topics,
        // All until the sleep is done in a tenth of a second, and on a busy machine in more.
        expires_in_ms: Some(5_000),
        ..Grant::default()
    };
    let mut ann = Client::connect_with(&backend, grant).await;
    let mut bob = Client::connect(&server, "/").await;
    ann.subscribe("garden").await;
    bob.subscribe("garden").await;

    server.evict("global").await.unwrap();

    let (code, reason) = ann.closed().await;
    assert_eq!(
        (code, reason.as_str()),
        (4401, "the access token has expired")
    );
    assert_eq!(
        server.wakes(),
        1,
        "only the alarm woke it: {}",
        server.log()
    );
    bob.publish("garden", "alone").await;
    assert_eq!(bob.receive_publish("garden", "alone").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_peer_is_closed_by_the_alarm_though_the_object_sleeps() {
    let Some(server) = workerd("hold", &[]).await else {
        return;
    };
    let [mut ann, mut eve] = Client::two(&server).await;
    ann.subscribe("garden").await;
    for _ in 0..11 {
        eve.send("no json").await;
    }
    until("the hold", || async {
        server.log().contains(r#"{"event":"hold""#)
    })
    .await;

    server.evict("global").await.unwrap();

    assert_eq!(eve.closed().await.0, 1007);
    ann.settle().await;
}

/// A client that has vanished sends no ping. Nobody says so, and the runtime pings nobody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_has_vanished_is_in_no_count_and_is_closed() {
    let Some(server) = workerd("silence", &[]).await else {
        return;
    };
    for sleeps in [false, true] {
        let (mut ann, mut bob) = (
            Client::connect(&server, "/").await,
            Client::connect(&server, "/").await,
        );
        let mut carl = Client::connect(&server, "/").await;
        for client in [&mut ann, &mut bob, &mut carl] {
            client.subscribe("garden").await;
        }
        server
            .advance("global", Duration::from_secs(60))
            .await
            .unwrap();
        // The runtime answers, and knows when.
        carl.send(r#"{"type":"ping"}"#).await;
        assert_eq!(carl.receive().await, r#"{"type":"pong"}"#);
        // In another millisecond, of the runtime's clock.
        tokio::time::sleep(Duration::from_millis(20)).await;
        server
            .advance("global", Duration::from_secs(31))
            .await
            .unwrap();
        if sleeps {
            server.evict("global").await.unwrap();
        }

        ann.publish("garden", "x").await;

        assert_eq!(ann.receive_publish("garden", "x").await, 2);
        assert_eq!(carl.receive_publish("garden", "x").await, 2);
        let gone = (4408, "no sign of life between two pings".to_owned());
        assert_eq!(bob.closed().await, gone);
        assert_eq!(ann.close(Some(1000)).await, 1000);
        assert_eq!(carl.close(Some(1000)).await, 1000);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_silence_has_no_limit_nobody_is_closed_for_it() {
    let Some(server) = workerd("silence-off", &[("SIGNAL_SILENCE_MAX", "0")]).await else {
        return;
    };
    let (mut ann, mut bob) = (
        Client::connect(&server, "/").await,
        Client::connect(&server, "/").await,
    );
    bob.subscribe("garden").await;
    server
        .advance("global", Duration::from_secs(86_400))
        .await
        .unwrap();
    ann.publish("garden", "x").await;
    assert_eq!(bob.receive_publish("garden", "x").await, 1);
}
