//! What the deployment that this project began with did wrong, each by its name.

use signal_testwire::until;

use crate::client::Client;
use crate::workerd;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_string_of_topics_is_not_split_into_its_letters() {
    let Some(server) = workerd("seed-letters", &[]).await else {
        return;
    };
    let mut ann = Client::connect(&server, "/").await;
    ann.send(r#"{"type":"subscribe","topics":"garden"}"#).await;
    for letter in ["g", "a", "r", "d", "e", "n", "garden"] {
        ann.publish(letter, "x").await;
    }
    // Nothing came before the pong.
    ann.settle().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_close_is_answered_whatever_its_code() {
    let Some(server) = workerd("seed-close", &[]).await else {
        return;
    };
    let mut bob = Client::connect(&server, "/").await;
    bob.subscribe("garden").await;
    let codes = [
        1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 4000, 4999,
    ];
    for code in codes {
        let mut ann = Client::connect(&server, "/").await;
        ann.subscribe("garden").await;
        assert_eq!(ann.close(Some(code)).await, code);
    }
    let mut ann = Client::connect(&server, "/").await;
    assert_eq!(ann.close(None).await, 1005, "a close without code");

    // In its sleep, too.
    for code in [1000, 4001] {
        let mut ann = Client::connect(&server, "/").await;
        ann.subscribe("garden").await;
        server.evict("global").await.unwrap();
        assert_eq!(ann.close(Some(code)).await, code);
    }
    bob.publish("garden", "x").await;
    assert_eq!(
        bob.receive_publish("garden", "x").await,
        1,
        "none of them is counted"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_breaks_is_not_counted() {
    let Some(server) = workerd("seed-abort", &[]).await else {
        return;
    };
    let [mut ann, mut bob] = Client::two(&server).await;
    ann.subscribe("garden").await;
    bob.subscribe("garden").await;
    server.evict("global").await.unwrap();
    bob.abort().await;
    until("the end of bob", || async {
        server.log().contains(r#"{"event":"disconnect""#)
    })
    .await;
    ann.publish("garden", "x").await;
    assert_eq!(ann.receive_publish("garden", "x").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_subscription_is_lost_past_340_topics() {
    let Some(server) = workerd("seed-340", &[("SIGNAL_TOPICS_PER_PEER_MAX", "2000")]).await else {
        return;
    };
    let mut ann = Client::connect(&server, "/").await;
    let topics: Vec<String> = (0..700).map(|number| format!("{number:0>36}")).collect();
    let list: Vec<String> = topics.iter().map(|topic| format!("\"{topic}\"")).collect();
    ann.send(&format!(
        r#"{{"type":"subscribe","topics":[{}]}}"#,
        list.join(",")
    ))
    .await;
    ann.settle().await;

    server.evict("global").await.unwrap();

    for topic in &topics {
        ann.publish(topic, "x").await;
        assert_eq!(ann.receive_publish(topic, "x").await, 1);
    }
}

/// The other half of this is in `sleep`: `a_stock_clients_pings_are_answered_in_its_sleep`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_but_messages_keeps_the_object_awake() {
    let Some(server) = workerd("seed-awake", &[]).await else {
        return;
    };
    let mut ann = Client::connect(&server, "/").await;
    ann.subscribe("garden").await;
    // Pings for longer than the runtime waits before it puts an object to sleep: no timer and no
    // alarm may be left over.
    for _ in 0..12 {
        ann.send(r#"{"type":"ping"}"#).await;
        assert_eq!(ann.receive().await, r#"{"type":"pong"}"#);
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    }
    assert_eq!(server.wakes(), 0);
    ann.publish("garden", "x").await;
    assert_eq!(ann.receive_publish("garden", "x").await, 1);
    assert_eq!(
        server.wakes(),
        1,
        "the object did not sleep between the pings: {}",
        server.log()
    );
}
