//! Who reads is not ended, however much comes at once; who does not is, as far as the runtime says
//! what waits.

use signal_testwire::{TEXT, Wire, frame};
use tokio::net::TcpStream;

use crate::client::Client;
use crate::server::Workerd;
use crate::workerd;

/// What each peer publishes at once: 12 of the 13 messages of 60 KB that it may.
const MESSAGES: usize = 12;
const PUBLISHERS: usize = 40;

fn publish(topic: &str) -> Vec<u8> {
    let data = "x".repeat(60_000);
    let text = format!(r#"{{"type":"publish","topic":"{topic}","data":"{data}"}}"#);
    frame(TEXT, text.as_bytes())
}

async fn open(server: &Workerd) -> Wire<TcpStream> {
    let stream = TcpStream::connect(("127.0.0.1", server.relay_port)).await;
    Wire::open(stream.expect("the Worker listens")).await
}

/// A member that reads nothing any more.
async fn stopped(server: &Workerd, topic: &str) -> Wire<TcpStream> {
    let mut wire = open(server).await;
    wire.subscribe(topic).await;
    wire.settle().await;
    wire
}

/// How often the log has a close for this reason.
fn closes(server: &Workerd, reason: &str) -> usize {
    let entry = format!(r#""reason":"{reason}""#);
    server
        .log()
        .lines()
        .filter(|line| line.contains(&entry))
        .count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forty_bursts_at_once_reach_who_reads() {
    // This machine may be busy with other things than reading.
    let variables = [
        ("SIGNAL_OUTBOUND_GRACE", "60"),
        ("SIGNAL_MEMORY_MAX", "1000000000"),
    ];
    for readers in [1, 3] {
        let name = format!("readers-{readers}");
        let Some(server) = workerd(&name, &variables).await else {
            return;
        };
        let mut reading = tokio::task::JoinSet::new();
        for _ in 0..readers {
            let mut reader = open(&server).await;
            reader.subscribe("garden").await;
            reader.settle().await;
            reading.spawn(async move {
                for heard in 0..PUBLISHERS * MESSAGES {
                    let frame = reader.next_answering_pings().await.expect("a close first");
                    assert_eq!(frame.first_byte, TEXT, "after {heard}");
                }
            });
        }
        let burst = publish("garden").repeat(MESSAGES);
        let mut publishers = tokio::task::JoinSet::new();
        for _ in 0..PUBLISHERS {
            let mut publisher = open(&server).await;
            let burst = burst.clone();
            publishers.spawn(async move {
                publisher.send_raw(&burst).await;
                // It stays.
                publisher.next().await
            });
        }
        while let Some(reader) = reading.join_next().await {
            reader.expect("all of it arrives");
        }
        assert_eq!(
            closes(&server, "slow_consumer") + closes(&server, "memory_max"),
            0
        );
    }
}

/// Nothing but what a reader is held to.
const GENEROUS: [(&str, &str); 6] = [
    ("SIGNAL_MESSAGES_PER_SECOND", "100000"),
    ("SIGNAL_MESSAGES_BURST", "100000"),
    ("SIGNAL_BYTES_PER_SECOND", "1000000000"),
    ("SIGNAL_BYTES_BURST", "1000000000"),
    ("SIGNAL_FAN_OUT_BYTES_PER_SECOND", "100000000000"),
    ("SIGNAL_FAN_OUT_BYTES_BURST", "100000000000"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_has_stopped_reading_is_ended_and_a_pair_beside_it_goes_on() {
    let variables = [&GENEROUS[..], &[("SIGNAL_MEMORY_MAX", "1000000000")]].concat();
    let Some(server) = workerd("readers-stopped", &variables).await else {
        return;
    };
    let [mut ann, mut bob] = Client::two(&server).await;
    ann.subscribe("garden").await;
    let _deaf = stopped(&server, "garden").await;
    let mut sender = open(&server).await;
    let message = publish("garden");
    let mut heard = Vec::new();
    while closes(&server, "slow_consumer") == 0 {
        sender.send_raw(&message).await;
        heard.push(ann.receive().await.len());
        assert!(heard.len() < 20_000, "it is still there: {}", server.log());
    }
    assert_eq!(closes(&server, "slow_consumer"), 1);
    bob.subscribe("garden").await;
    bob.publish("garden", "x").await;
    assert_eq!(ann.receive_publish("garden", "x").await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_that_have_stopped_reading_do_not_take_more_than_memory_max() {
    // They are not ended for their pace.
    let own = [
        ("SIGNAL_OUTBOUND_GRACE", "60"),
        ("SIGNAL_MEMORY_MAX", "8000000"),
    ];
    let variables = [&GENEROUS[..], &own].concat();
    let Some(server) = workerd("readers-memory", &variables).await else {
        return;
    };
    let [mut ann, mut bob] = Client::two(&server).await;
    ann.subscribe("garden").await;
    bob.subscribe("house").await;
    let mut deaf = Vec::new();
    for _ in 0..12 {
        deaf.push(stopped(&server, "garden").await);
    }
    let mut sender = open(&server).await;
    let message = publish("garden");
    let mut rounds = 0;
    while closes(&server, "memory_max") < 4 {
        sender.send_raw(&message).await;
        ann.receive().await;
        rounds += 1;
        assert!(rounds < 5_000, "nobody is ended: {}", server.log());
    }
    bob.publish("house", "x").await;
    assert_eq!(bob.receive_publish("house", "x").await, 1);
}
