use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use signal_core::client;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use crate::check::report::Problem;
use crate::check::stream::Socket;
use crate::show;

const NOT_A_RELAY: &str = "is this a y-webrtc signaling server? check the path";

/// One client of the server under check, as a y-webrtc app is one.
pub(crate) struct Client {
    socket: Socket,
}

impl Client {
    pub(crate) fn new(socket: Socket) -> Self {
        Self { socket }
    }

    pub(crate) async fn subscribe(&mut self, topic: &str) -> Result<(), Problem> {
        self.send(client::subscribe([topic])).await
    }

    pub(crate) async fn unsubscribe(&mut self, topic: &str) -> Result<(), Problem> {
        self.send(client::unsubscribe([topic])).await
    }

    pub(crate) async fn publish(&mut self, topic: &str, data: &Value) -> Result<(), Problem> {
        self.send(client::publish(topic, &data.to_string())).await
    }

    /// Waits for the next publish and returns it whole.
    pub(crate) async fn published(&mut self) -> Result<Value, Problem> {
        loop {
            let message = self.receive().await?;
            if message["type"] == "publish" {
                return Ok(message);
            }
        }
    }

    /// Sends a ping and waits for its pong. Everything sent before it has been handled then.
    pub(crate) async fn ping(&mut self) -> Result<Duration, Problem> {
        self.fence().await.map(|(time, _)| time)
    }

    /// The publishes that come before the pong to a ping sent now, and how long that took.
    pub(crate) async fn fence(&mut self) -> Result<(Duration, Vec<Value>), Problem> {
        let started = Instant::now();
        self.send(client::PING).await?;
        let mut before = Vec::new();
        loop {
            let message = self.receive().await?;
            if message["type"] == "pong" {
                return Ok((started.elapsed(), before));
            }
            if message["type"] == "publish" {
                before.push(message);
            }
        }
    }

    /// Closes, and waits for the server's answer to that.
    pub(crate) async fn close(&mut self) -> Result<(), Problem> {
        let frame = CloseFrame {
            code: CloseCode::Normal,
            reason: "".into(),
        };
        self.socket
            .close(Some(frame))
            .await
            .map_err(|error| broken(&error))?;
        loop {
            match self.socket.next().await {
                Some(Ok(Message::Close(_))) | None => return Ok(()),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(broken(&error)),
            }
        }
    }

    async fn send(&mut self, text: impl Into<Utf8Bytes>) -> Result<(), Problem> {
        self.socket
            .send(Message::text(text))
            .await
            .map_err(|error| broken(&error))
    }

    /// The next message, which must be a JSON object as text: a browser's client throws at anything
    /// else.
    async fn receive(&mut self) -> Result<Value, Problem> {
        loop {
            let message = match self.socket.next().await {
                Some(Ok(message)) => message,
                Some(Err(error)) => return Err(broken(&error)),
                None => return Err(closed("without a close frame")),
            };
            match message {
                Message::Text(text) => return parse(&text),
                Message::Binary(bytes) => {
                    let what = format!("the server sent {} bytes of binary data", bytes.len());
                    return Err(Problem::new(what, NOT_A_RELAY));
                }
                Message::Close(frame) => return Err(closed(&describe(frame))),
                Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
            }
        }
    }
}

fn parse(text: &str) -> Result<Value, Problem> {
    match serde_json::from_str::<Value>(text) {
        Ok(value) if value.is_object() => Ok(value),
        _ => {
            let what = format!("the server sent {}, no JSON object", show::quoted(text, 60));
            Err(Problem::new(what, NOT_A_RELAY))
        }
    }
}

fn describe(frame: Option<CloseFrame>) -> String {
    match frame {
        Some(frame) if frame.reason.is_empty() => format!("with {}", u16::from(frame.code)),
        Some(frame) => {
            format!(
                "with {}, {}",
                u16::from(frame.code),
                show::quoted(&frame.reason, 60)
            )
        }
        None => "without a code".to_owned(),
    }
}

fn closed(how: &str) -> Problem {
    Problem::new(
        format!("the server closed the connection {how}"),
        "look into the server's log; a token or origin may be judged only after the upgrade",
    )
}

fn broken(error: &impl std::fmt::Display) -> Problem {
    Problem::new(
        format!("the connection broke: {error}"),
        "did the server or a proxy in between end? look into their logs",
    )
}
