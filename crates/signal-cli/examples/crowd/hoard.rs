//! A crowd that makes the relay hold as much as it may: each has as many topics as it may have,
//! with names as long as all may be together, does not read what its neighbour publishes to it, and
//! ends with a message of the greatest length of which the last byte does not come. One that is
//! ended comes back.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use signal_testwire::{MASK, TEXT, UPGRADE, frame, frame_header};
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::{CONNECTIONS, Error, NEW_PER_SECOND, connect};

/// What a peer may send at most by default, and have.
const MESSAGE_BYTES: usize = 64 * 1024;
const TOPICS: usize = 1_000;
const TOPIC_BYTES: usize = 62;
/// What its budget of bytes lets it publish at once, beside the rest.
const PUBLISHES: usize = 8;
/// For how long it says nothing after its end: what it may do in a minute is bounded by address.
const REST: Duration = Duration::from_secs(3);

/// What became of the crowd.
#[derive(Default)]
pub(super) struct Hoard {
    pub(super) opened: usize,
    /// How many of these the relay has ended or refused.
    pub(super) ended: usize,
}

/// Keeps the crowd up for as long as it lasts.
pub(super) async fn keep_up(address: SocketAddr, addresses: u32, lasts: Duration) -> Hoard {
    let end = Instant::now() + lasts;
    let payload: Arc<[u8]> = vec![b' '; MESSAGE_BYTES].into();
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / NEW_PER_SECOND);
    let mut holders = JoinSet::new();
    for number in 0..CONNECTIONS {
        ticks.tick().await;
        let payload = Arc::clone(&payload);
        holders.spawn(async move {
            let mut hoard = Hoard::default();
            while Instant::now() + REST < end {
                hoard.opened += 1;
                if hold(address, number, addresses, &payload, end)
                    .await
                    .is_err()
                {
                    hoard.ended += 1;
                    tokio::time::sleep(REST).await;
                }
            }
            hoard
        });
    }
    let mut all = Hoard::default();
    for hoard in holders.join_all().await {
        all.opened += hoard.opened;
        all.ended += hoard.ended;
    }
    all
}

/// Holds as much as one may until the end; an error if it is ended before.
async fn hold(
    address: SocketAddr,
    number: usize,
    addresses: u32,
    payload: &[u8],
    end: Instant,
) -> Result<(), Error> {
    let mut stream = connect(address, number as u32 % addresses).await?;
    let until = tokio::time::Instant::from_std(end);
    let all = async {
        stream.write_all(UPGRADE.as_bytes()).await?;
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await?;
        if &answer != b"HTTP/1.1 101" {
            return Err("not upgraded".into());
        }
        let topics: Vec<String> = (0..TOPICS)
            .map(|topic| format!("\"{:x<TOPIC_BYTES$}\"", name(number, topic)))
            .collect();
        let subscribe = format!(r#"{{"type":"subscribe","topics":[{}]}}"#, topics.join(","));
        stream.write_all(&frame(TEXT, subscribe.as_bytes())).await?;
        let publish = publish(number ^ 1);
        for _ in 0..PUBLISHES {
            stream.write_all(&publish).await?;
        }
        let header = frame_header(MASK, TEXT, payload.len() as u64);
        stream.write_all(&header).await?;
        stream.write_all(&payload[1..]).await?;
        ended(&stream).await
    };
    match tokio::time::timeout_at(until, all).await {
        Ok(ended) => ended,
        Err(_) => Ok(()),
    }
}

/// A message of the greatest length to the first topic of one of the crowd.
fn publish(number: usize) -> Vec<u8> {
    let topic = format!("{:x<TOPIC_BYTES$}", name(number, 0));
    let start = format!(r#"{{"type":"publish","topic":"{topic}","data":""#);
    let data = "x".repeat(MESSAGE_BYTES - start.len() - 2);
    frame(TEXT, format!(r#"{start}{data}"}}"#).as_bytes())
}

fn name(number: usize, topic: usize) -> String {
    format!("{number}-{topic}-")
}

/// Waits for the relay to end a connection of which nothing is read.
async fn ended(stream: &TcpStream) -> Result<(), Error> {
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        if stream.ready(Interest::READABLE).await?.is_read_closed() {
            return Err("ended".into());
        }
    }
}
