//! What whoever runs a relay can see and do of its topics and peers.

mod common;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use common::{Wire, config, dial, lift_budgets, open, relay, until, upgrade};
use signal_tokio::{
    CloseReason, Ending, Grant, Observed, Observer, Permit, PublishError, Refusal, Relay, Subject,
    TopicQuery, UpgradeRequest,
};
use tokio::io::DuplexStream;

/// A relay that takes the path of a request for the subject.
fn relay_of_subjects() -> Relay {
    let by_path = |request: &UpgradeRequest<'_>| -> Result<Permit, Refusal> {
        Ok(Permit::from(Grant::open()).subject(Subject::uncapped(request.uri.path())))
    };
    Relay::with_authorizer(config(|_| {}), by_path).expect("valid settings")
}

async fn open_as(relay: &Relay, subject: &str) -> Wire<DuplexStream> {
    let request = upgrade(subject, &[]);
    let (wire, head) = Wire::request(dial(relay), &request).await;
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    wire
}

/// All topics of a relay, by pages of so many.
fn all(relay: &Relay, prefix: &str, limit: usize) -> Vec<(String, usize)> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let query = TopicQuery {
            prefix,
            after: after.as_deref(),
            limit,
        };
        let page = relay.topics(&query);
        assert!(page.topics.len() <= limit);
        let topics = page.topics.into_iter();
        all.extend(topics.map(|(topic, peers)| (topic.to_string(), peers)));
        after = page.next;
        if after.is_none() {
            return all;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn topics_are_listed_once_each_by_pages_of_any_size() {
    let relay = relay(lift_budgets);
    let (mut ann, mut ben) = (open(&relay).await, open(&relay).await);
    let mut expected = BTreeMap::new();
    for number in 0..300 {
        let topic = format!("{}/ü {number}", ["a", "b", "日"][number % 3]);
        ann.subscribe(&topic).await;
        if number % 2 == 0 {
            ben.subscribe(&topic).await;
        }
        expected.insert(topic, 2 - number % 2);
    }
    ann.settle().await;
    ben.settle().await;
    let expected: Vec<_> = expected.into_iter().collect();
    for limit in [1, 7, 299, 300, 301, usize::MAX] {
        assert_eq!(all(&relay, "", limit), expected, "{limit}");
        let with_prefix = expected.iter().filter(|(topic, _)| topic.starts_with("b/"));
        let with_prefix: Vec<_> = with_prefix.cloned().collect();
        assert_eq!(all(&relay, "b/", limit), with_prefix, "{limit}");
        assert_eq!(all(&relay, "c", limit), [], "{limit}");
    }
    assert_eq!(relay.subscribers("a/ü 0"), 2);
    assert_eq!(relay.subscribers("a/ü 3"), 1);
    assert_eq!(relay.subscribers("a/ü"), 0);
}

#[tokio::test(start_paused = true)]
async fn all_connections_of_a_subject_are_closed_and_no_others() {
    let relay = relay_of_subjects();
    let mut ann = [open_as(&relay, "/ann").await, open_as(&relay, "/ann").await];
    let mut others = [open_as(&relay, "/anna").await, open_as(&relay, "/").await];
    for peer in ann.iter_mut().chain(&mut others) {
        peer.settle().await;
    }
    assert_eq!(relay.close_subject("/ann"), 2);
    let reason = CloseReason::ByOperator;
    for peer in &mut ann {
        assert_eq!(peer.closed().await, reason.code());
    }
    for peer in &mut others {
        peer.settle().await;
    }
    drop(ann);
    let ending = (Ending::ByRelay(reason), 2);
    until(&relay, "two endings", |stats| {
        stats.endings.contains(&ending)
    })
    .await;
    let mut again = open_as(&relay, "/ann").await;
    again.settle().await;
    assert_eq!(relay.close_subject("/ann"), 1, "the two before have gone");
    assert_eq!(relay.close_subject("/nobody"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_subject_may_have_more_connections_than_are_looked_up_at_once() {
    let relay = relay_of_subjects();
    let mut peers = Vec::new();
    for _ in 0..2_500 {
        peers.push(open_as(&relay, "/many").await);
    }
    for peer in &mut peers {
        peer.settle().await;
    }
    assert_eq!(relay.close_subject("/many"), peers.len());
    for peer in &mut peers {
        assert_eq!(peer.closed().await, 4403);
    }
}

#[tokio::test(start_paused = true)]
async fn all_who_subscribe_to_a_topic_are_closed_and_no_others() {
    let relay = relay(|_| {});
    let (mut ann, mut ben, mut other) =
        (open(&relay).await, open(&relay).await, open(&relay).await);
    ann.subscribe("t").await;
    ben.subscribe("t").await;
    ben.subscribe("u").await;
    other.subscribe("u").await;
    for peer in [&mut ann, &mut ben, &mut other] {
        peer.settle().await;
    }
    assert_eq!(relay.close_topic("t"), 2);
    for peer in [&mut ann, &mut ben] {
        assert_eq!(peer.closed().await, 4403);
    }
    other.settle().await;
    assert_eq!((relay.subscribers("t"), relay.subscribers("u")), (0, 1));
    assert_eq!(relay.close_topic("t"), 0);
}

#[tokio::test(start_paused = true)]
async fn what_the_operator_publishes_comes_as_from_a_peer() {
    let relay = relay(|_| {});
    let mut peer = open(&relay).await;
    let topic = "\"},\\ \u{1}ü";
    let name = serde_json::to_string(topic).expect("a string");
    peer.send(&format!(r#"{{"type":"subscribe","topics":[{name}]}}"#))
        .await;
    peer.settle().await;
    assert_eq!(
        relay.publish(topic, " {\"a\": [1.0, \"\\u00fc\"]}\n"),
        Ok(1)
    );
    let message = peer.next_json().await;
    assert_eq!(message["topic"], topic);
    assert_eq!(message["data"], serde_json::json!({"a": [1.0, "ü"]}));
    assert_eq!(message["clients"], 1);
    assert_eq!(relay.publish("nobody", "null"), Ok(0));
}

#[tokio::test(start_paused = true)]
async fn what_a_peer_could_not_publish_the_operator_cannot_either() {
    let relay = relay(|config| {
        config.core.message_bytes_max = 1_000;
        config.core.topic_bytes_max = 100;
    });
    let mut peer = open(&relay).await;
    peer.subscribe("t").await;
    peer.subscribe("u").await;
    peer.settle().await;
    let deep = "[".repeat(200) + &"]".repeat(200);
    for data in [
        "",
        " ",
        "{",
        "1 2",
        r#"1,"topic":"u""#,
        r#"1},{"a":1"#,
        r#"1}"#,
        "'a'",
        "NaN",
        "undefined",
        "\"a\nb\"",
        "1 // a comment",
        deep.as_str(),
    ] {
        assert_eq!(
            relay.publish("t", data),
            Err(PublishError::NotJson),
            "{data:?}"
        );
    }
    assert_eq!(relay.publish("", "1"), Err(PublishError::NoTopic));
    let (longest, longer) = ("t".repeat(100), "t".repeat(101));
    assert_eq!(relay.publish(&longest, "1"), Ok(0));
    assert_eq!(
        relay.publish(&longer, "1"),
        Err(PublishError::TopicTooLong(100))
    );
    let fits = 1_000 - r#"{"type":"publish","topic":"t","data":""}"#.len();
    let text = |length: usize| format!("\"{}\"", "x".repeat(length));
    assert_eq!(relay.publish("t", &text(fits)), Ok(1));
    assert_eq!(
        relay.publish("t", &text(fits + 1)),
        Err(PublishError::TooLong(1_000))
    );
    assert_eq!(peer.next_json().await["topic"], "t");
    peer.settle().await;
}

/// Notes what it hears.
#[derive(Clone, Debug, Default)]
struct Notes(Arc<Mutex<Vec<String>>>);

impl Observer for Notes {
    fn observe(&self, what: Observed<'_>) {
        self.0.lock().expect("no panic").push(format!("{what:?}"));
    }
}

#[tokio::test(start_paused = true)]
async fn an_observer_hears_of_topics_and_peers_and_of_nothing_twice() {
    let notes = Notes::default();
    let by_path = |request: &UpgradeRequest<'_>| -> Result<Permit, Refusal> {
        Ok(Permit::from(Grant::open()).subject(Subject::uncapped(request.uri.path())))
    };
    let relay = Relay::builder(config(|_| {}))
        .authorizer(by_path)
        .observer(notes.clone())
        .build()
        .expect("valid settings");
    let mut ann = open_as(&relay, "/ann").await;
    ann.settle().await;
    let mut ben = open_as(&relay, "/ben").await;
    for peer in [&mut ann, &mut ben] {
        peer.subscribe("t").await;
        peer.subscribe("t").await;
        peer.settle().await;
    }
    ann.publish("t", 1).await;
    ann.send(r#"{"type":"unsubscribe","topics":["t","u"]}"#)
        .await;
    ann.settle_among_others().await;
    drop(ben);
    until(&relay, "one peer", |stats| stats.peers == 1).await;
    let heard = notes.0.lock().expect("no panic").clone();
    assert_eq!(
        heard,
        [
            "PeerIn { peer: PeerId(1), subject: Some(\"/ann\") }",
            "PeerIn { peer: PeerId(2), subject: Some(\"/ben\") }",
            "TopicOpened(\"t\")",
            "TopicEmptied(\"t\")",
            "PeerOut { peer: PeerId(2), subject: Some(\"/ben\") }",
        ]
    );
}
