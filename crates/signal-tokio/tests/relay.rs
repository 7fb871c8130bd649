//! What many peers see of each other.

mod common;

use std::time::Duration;

use common::{open, open_tcp, relay};
use signal_tokio::{CloseReason, Ending, ReceivedType, SentType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[tokio::test(start_paused = true)]
async fn a_publish_goes_to_all_subscribers_with_their_count() {
    let relay = relay(|_| {});
    let (mut ann, mut ben, mut other) =
        (open(&relay).await, open(&relay).await, open(&relay).await);
    ann.subscribe("t").await;
    ann.settle().await;
    ben.subscribe("t").await;
    ben.settle().await;
    other.subscribe("another").await;
    other.publish("t", r#"{"x":1.0}"#).await;
    let expected = r#"{"type":"publish","topic":"t","data":{"x":1.0},"clients":2}"#;
    assert_eq!(ann.next_text().await, expected);
    assert_eq!(ben.next_text().await, expected);
    other.publish("another", 0).await;
    assert_eq!(
        other.next_json().await["topic"],
        "another",
        "it got nothing of t"
    );
}

#[tokio::test(start_paused = true)]
async fn after_an_unsubscribe_nothing_comes() {
    let relay = relay(|_| {});
    let mut peer = open(&relay).await;
    peer.subscribe("t").await;
    peer.subscribe("u").await;
    peer.send(r#"{"type":"unsubscribe","topics":["t"]}"#).await;
    peer.publish("t", 1).await;
    peer.publish("u", 2).await;
    assert_eq!(peer.next_json().await["data"], 2);
    assert_eq!(relay.stats().topics, 1);
}

#[tokio::test(start_paused = true)]
async fn messages_of_one_publisher_keep_their_order_over_many_topics() {
    let relay = relay(|_| {});
    let (mut ann, mut ben) = (open(&relay).await, open(&relay).await);
    for topic in 0..7 {
        ben.subscribe(&format!("t{topic}")).await;
    }
    ben.settle().await;
    let publisher = tokio::spawn(async move {
        for number in 0..1_000 {
            ann.publish(&format!("t{}", number % 7), number).await;
        }
        ann
    });
    for number in 0..1_000 {
        assert_eq!(ben.next_json().await["data"], number);
    }
    publisher.await.expect("the publisher ends");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn all_subscribers_see_one_order_of_many_publishers() {
    const PUBLISHERS: usize = 4;
    const SUBSCRIBERS: usize = 6;
    const MESSAGES: usize = 200;
    let relay = relay(|_| {});
    let address = common::listen(&relay).await;
    let mut subscribers = Vec::new();
    for _ in 0..SUBSCRIBERS {
        let mut subscriber = open_tcp(address).await;
        subscriber.subscribe("t").await;
        subscriber.settle().await;
        subscribers.push(tokio::spawn(async move {
            let mut seen = Vec::new();
            while seen.len() < PUBLISHERS * MESSAGES {
                let message = subscriber.next_json().await;
                assert_eq!(message["clients"], SUBSCRIBERS);
                seen.push(message["data"].as_u64().expect("a number"));
            }
            seen
        }));
    }
    let mut publishers = Vec::new();
    for publisher in 0..PUBLISHERS {
        let mut peer = open_tcp(address).await;
        publishers.push(tokio::spawn(async move {
            for number in 0..MESSAGES {
                peer.publish("t", publisher * MESSAGES + number).await;
            }
            peer.settle().await;
        }));
    }
    for publisher in publishers {
        publisher.await.expect("a publisher ends");
    }
    let mut orders = Vec::new();
    for subscriber in subscribers {
        orders.push(subscriber.await.expect("a subscriber sees everything"));
    }
    assert!(
        orders.windows(2).all(|pair| pair[0] == pair[1]),
        "two subscribers saw different orders"
    );
    for publisher in 0..PUBLISHERS {
        let own = orders[0]
            .iter()
            .filter(|number| **number as usize / MESSAGES == publisher);
        assert!(own.is_sorted(), "publisher {publisher} was reordered");
    }
}

#[tokio::test]
async fn a_slow_reader_is_ended_alone() {
    let relay = relay(|config| {
        config.outbound_bytes_max = 128 * 1024;
        // Its queue tells, long before the deadline would.
        config.write_deadline = Duration::from_secs(600);
        config.close_timeout = Duration::from_millis(500);
        common::lift_budgets(config);
    });
    let address = common::listen(&relay).await;
    let (mut ann, mut ben) = (open_tcp(address).await, open_tcp(address).await);
    let mut slow = open_tcp(address).await;
    for peer in [&mut ann, &mut ben, &mut slow] {
        peer.subscribe("t").await;
        peer.settle().await;
    }
    // More than the queue and any socket buffer hold; the slow one reads nothing of it.
    let data = format!("\"{}\"", "x".repeat(60_000));
    let mut clients = 3;
    let mut count = 0;
    while clients == 3 {
        ann.publish("t", &data).await;
        clients = ann.next_json().await["clients"].as_u64().expect("a count");
        assert_eq!(ben.next_json().await["clients"], clients);
        count += 1;
        assert!(
            count < 2_000,
            "120 MB were buffered for a peer that reads nothing"
        );
    }
    assert_eq!(clients, 2);
    common::until(&relay, "the slow one is gone", |stats| stats.peers == 2).await;
    let endings = relay.stats().endings;
    assert!(
        endings.contains(&(Ending::ByRelay(CloseReason::SlowConsumer), 1)),
        "{endings:?}"
    );
    ben.publish("t", 1).await;
    assert_eq!(ann.next_json().await["data"], 1);
    // It was reset: what it had not read is lost, and its socket says so.
    let mut rest = Vec::new();
    let _ = tokio::time::timeout(common::PATIENCE, slow.io.read_to_end(&mut rest))
        .await
        .expect("an end");
}

#[tokio::test]
async fn a_socket_that_takes_nothing_is_reset_at_the_deadline() {
    let relay = relay(|config| config.write_deadline = Duration::from_millis(300));
    let (client, server) = tokio::io::duplex(1_024);
    let serving = tokio::spawn({
        let relay = relay.clone();
        async move { relay.serve_stream(server, None).await }
    });
    let mut stuck = common::Wire::open(client).await;
    stuck.subscribe("t").await;
    stuck.settle().await;
    let mut ann = open(&relay).await;
    ann.publish("t", format!("\"{}\"", "x".repeat(5_000))).await;
    tokio::time::timeout(common::PATIENCE, serving)
        .await
        .expect("ended")
        .expect("no panic");
    assert!(relay.stats().endings.contains(&(Ending::WriteDeadline, 1)));
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_vanishes_leaves_every_topic_at_once() {
    let relay = relay(|_| {});
    let (mut ann, mut ben) = (open(&relay).await, open(&relay).await);
    ann.subscribe("t").await;
    ann.settle().await;
    ben.subscribe("t").await;
    ben.subscribe("u").await;
    ben.settle().await;
    drop(ben);
    common::until(&relay, "ben has gone", |stats| stats.peers == 1).await;
    ann.publish("t", 1).await;
    assert_eq!(ann.next_json().await["clients"], 1);
    assert_eq!(relay.stats().topics, 1);
}

#[tokio::test]
async fn a_tcp_reset_leaves_no_trace_either() {
    let relay = relay(|_| {});
    let address = common::listen(&relay).await;
    let mut peer = open_tcp(address).await;
    peer.subscribe("t").await;
    peer.settle().await;
    peer.io.set_zero_linger().expect("a live socket");
    drop(peer);
    common::until(&relay, "the peer has gone", |stats| {
        stats.peers == 0 && stats.topics == 0
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn churn_leaves_nothing_behind() {
    let relay = relay(|_| {});
    for round in 0..50 {
        let mut peers = Vec::new();
        for number in 0..20 {
            let mut peer = open(&relay).await;
            peer.subscribe(&format!("room-{}", (round + number) % 7))
                .await;
            peer.subscribe(&format!("own-{round}-{number}")).await;
            if number % 3 == 0 {
                peer.send_frame(common::CLOSE, b"").await;
            }
            peers.push(peer);
        }
    }
    common::until(&relay, "all have gone", |stats| stats.peers == 0).await;
    let stats = relay.stats();
    assert_eq!(
        (stats.topics, stats.subscriptions, stats.upgrades),
        (0, 0, 1_000)
    );
    let ended: u64 = stats.endings.iter().map(|(_, count)| count).sum();
    assert_eq!(ended, 1_000);
}

#[tokio::test(start_paused = true)]
async fn a_peer_over_its_rate_is_held_and_closed_and_others_are_served() {
    let relay = relay(|config| {
        config.core.messages_burst = 10;
        config.core.messages_per_second = 1;
        config.core.strikes_burst = 10;
    });
    let (mut ann, mut bad) = (open(&relay).await, open(&relay).await);
    ann.subscribe("t").await;
    ann.settle().await;
    for number in 0..30 {
        bad.publish("t", number).await;
    }
    for number in 0..10 {
        assert_eq!(ann.next_json().await["data"], number);
    }
    assert_eq!(bad.next().await.expect("a close").close_code(), 4429);
    ann.publish("t", "\"still here\"").await;
    assert_eq!(ann.next_json().await["data"], "still here");
}

#[tokio::test(start_paused = true)]
async fn the_numbers_add_up() {
    let relay = relay(|_| {});
    let (mut ann, mut ben) = (open(&relay).await, open(&relay).await);
    for peer in [&mut ann, &mut ben] {
        peer.subscribe("t").await;
        peer.settle().await;
    }
    ann.publish("t", 1).await;
    ann.publish("nobody", 1).await;
    ann.send("not json").await;
    ann.next_text().await;
    let got = ben.next_text().await;
    ann.settle().await;
    let stats = relay.stats();
    assert_eq!(
        (
            stats.peers,
            stats.topics,
            stats.subscriptions,
            stats.upgrades
        ),
        (2, 1, 2, 2)
    );
    assert_eq!(
        [
            ReceivedType::Subscribe,
            ReceivedType::Publish,
            ReceivedType::PingFrame,
            ReceivedType::Other
        ]
        .map(|what| stats.received(what).count),
        [2, 2, 3, 1]
    );
    let publishes = stats.sent(SentType::Publish);
    assert_eq!(
        (publishes.count, publishes.bytes),
        (2, 2 * (got.len() as u64 + 2))
    );
    assert_eq!((stats.fan_out.count(), stats.fan_out.sum), (2, 2));
    assert!(
        stats.ignored.contains(&(signal_tokio::Ignored::NotJson, 1)),
        "{:?}",
        stats.ignored
    );
}

/// In memory, so that what the relay takes is what it has read, but for the room of the pipe.
#[tokio::test(start_paused = true)]
async fn what_comes_behind_our_close_frame_is_read_up_to_a_burst() {
    const PIPE: usize = 64 * 1024;
    let relay = relay(|config| config.close_timeout = Duration::from_secs(60));
    let burst = signal_tokio::Limits::default().bytes_burst as usize;
    let mut flooder = common::open(&relay).await;
    // A frame of a kind that does not exist.
    flooder.send_frame(0x83, b"").await;
    assert_eq!(flooder.closed().await, CloseReason::Protocol.code());
    let start = tokio::time::Instant::now();
    let mut taken = 0;
    while taken < 16 * burst {
        match flooder.io.write(&[0; 16 * 1024]).await {
            Ok(bytes) => taken += bytes,
            Err(_) => break,
        }
    }
    assert!((burst..burst + 2 * PIPE).contains(&taken), "{taken} bytes");
    assert_eq!(start.elapsed(), Duration::from_secs(60), "it had its time");
    common::until(&relay, "it is gone", |stats| stats.peers == 0).await;
}

#[tokio::test(start_paused = true)]
async fn whoever_has_sent_a_burst_and_answers_the_close_is_gone_at_once() {
    let relay = relay(|_| {});
    let mut peer = common::open(&relay).await;
    let start = tokio::time::Instant::now();
    peer.send_frame(0x83, b"").await;
    peer.send_raw(&[0; 700_000]).await;
    assert_eq!(peer.closed().await, CloseReason::Protocol.code());
    peer.io.shutdown().await.expect("the relay reads");
    assert_eq!(peer.rest().await, "");
    assert_eq!(start.elapsed(), Duration::ZERO);
}
