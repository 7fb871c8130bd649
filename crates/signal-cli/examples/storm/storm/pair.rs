//! Two peers with good tokens that talk to each other all the while.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use signal_core::client;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::storm::Error;

const TOPIC: &str = "honest";
const PAUSE: Duration = Duration::from_millis(20);
/// Past it a message counts as lost.
const PATIENCE: Duration = Duration::from_secs(30);

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Two subscribed peers.
pub(crate) struct Pair {
    ann: Socket,
    ben: Socket,
}

/// How long messages took from one peer to the other, sorted.
#[derive(Debug)]
pub(crate) struct Latencies(Vec<Duration>);

impl Pair {
    pub(crate) async fn connect(url: &str) -> Result<Self, Error> {
        let mut pair = Self {
            ann: tokio_tungstenite::connect_async(url).await?.0,
            ben: tokio_tungstenite::connect_async(url).await?.0,
        };
        for socket in [&mut pair.ann, &mut pair.ben] {
            send(socket, client::subscribe([TOPIC])).await?;
            send(socket, client::PING.to_owned()).await?;
            until(socket, r#""pong""#).await?;
        }
        Ok(pair)
    }

    /// Exchanges messages until `end`. Every one must arrive, at both.
    pub(crate) async fn talk_until(&mut self, end: Instant) -> Result<Latencies, Error> {
        let mut latencies = Vec::new();
        let mut number = 0_u32;
        while Instant::now() < end {
            number += 1;
            let sent = Instant::now();
            let message = client::publish(TOPIC, &number.to_string());
            send(&mut self.ann, message).await?;
            let data = format!(r#""data":{number}"#);
            until(&mut self.ben, &data).await?;
            latencies.push(sent.elapsed());
            until(&mut self.ann, &data).await?;
            tokio::time::sleep(PAUSE).await;
        }
        latencies.sort_unstable();
        Ok(Latencies(latencies))
    }
}

impl Latencies {
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// The latency that this part of all, from 0 to 1, does not exceed.
    pub(crate) fn quantile(&self, part: f64) -> Duration {
        let last = self.0.len().saturating_sub(1);
        let index = (last as f64 * part).round() as usize;
        self.0.get(index).copied().unwrap_or_default()
    }
}

async fn send(socket: &mut Socket, text: String) -> Result<(), Error> {
    Ok(socket.send(Message::text(text)).await?)
}

/// Reads until a message contains this.
async fn until(socket: &mut Socket, needle: &str) -> Result<(), Error> {
    loop {
        let next = tokio::time::timeout(PATIENCE, socket.next()).await?;
        match next.ok_or("the relay closed an honest connection")?? {
            Message::Text(text) if text.contains(needle) => return Ok(()),
            Message::Close(frame) => {
                return Err(format!("an honest peer was closed: {frame:?}").into());
            }
            Message::Text(_)
            | Message::Binary(_)
            | Message::Ping(_)
            | Message::Pong(_)
            | Message::Frame(_) => {}
        }
    }
}
