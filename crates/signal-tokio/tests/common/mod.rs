//! A WebSocket client that can also do what a client should not.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses a part of it"
)]

use std::time::Duration;

use signal_tokio::{Config, Relay, Stats};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream};
use tokio::net::{TcpListener, TcpStream};

/// Waits on the network end with a failed test after this.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub const TEXT: u8 = 0x81;
pub const BINARY: u8 = 0x82;
pub const CLOSE: u8 = 0x88;
pub const PING: u8 = 0x89;
pub const PONG: u8 = 0x8a;

/// The head of an upgrade request as browsers send it.
pub const UPGRADE: &str = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// A client's end of a connection, over TCP or in memory.
pub struct Wire<Io> {
    pub io: Io,
    input: Vec<u8>,
}

/// One frame from the relay.
#[derive(Debug, Eq, PartialEq)]
pub struct Frame {
    pub first_byte: u8,
    pub payload: Vec<u8>,
}

impl Frame {
    pub fn text(&self) -> String {
        assert_eq!(self.first_byte, TEXT, "not a text frame: {self:?}");
        String::from_utf8(self.payload.clone()).expect("text is UTF-8")
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.text()).expect("JSON")
    }

    /// The code of a close frame.
    pub fn close_code(&self) -> u16 {
        assert_eq!(self.first_byte, CLOSE, "not a close frame: {self:?}");
        u16::from_be_bytes([self.payload[0], self.payload[1]])
    }
}

/// The seconds of the `Retry-After` in this head.
pub fn retry_after(head: &str) -> u64 {
    let line = head
        .lines()
        .find_map(|line| line.strip_prefix("retry-after: "));
    line.unwrap_or_else(|| panic!("no Retry-After: {head}"))
        .parse()
        .expect("a number of seconds")
}

/// A masked client frame.
pub fn frame(first_byte: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [0x5a, 0x01, 0xc3, 0x7e];
    let mut frame = vec![first_byte];
    match payload.len() {
        length @ 0..=125 => frame.push(0x80 | length as u8),
        length @ 126..=0xffff => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            frame.push(0x80 | 127);
            frame.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&mask);
    frame.extend(
        payload
            .iter()
            .zip(mask.iter().cycle())
            .map(|(byte, key)| byte ^ key),
    );
    frame
}

impl<Io: AsyncRead + AsyncWrite + Unpin> Wire<Io> {
    /// A connection on which nothing has been said.
    pub fn start(io: Io) -> Self {
        Self {
            io,
            input: Vec::new(),
        }
    }

    /// Sends a request and returns the head of the answer.
    pub async fn request(io: Io, request: &str) -> (Self, String) {
        let mut wire = Self::start(io);
        wire.io
            .write_all(request.as_bytes())
            .await
            .expect("the relay reads");
        let head = wire.head().await;
        (wire, head)
    }

    /// Opens a connection.
    pub async fn open(io: Io) -> Self {
        let (wire, head) = Self::request(io, UPGRADE).await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        wire
    }

    /// The head of an answer; everything behind it stays to be read.
    pub async fn head(&mut self) -> String {
        loop {
            if let Some(end) = self
                .input
                .windows(4)
                .position(|window| window == b"\r\n\r\n")
            {
                let rest = self.input.split_off(end + 4);
                let head = std::mem::replace(&mut self.input, rest);
                return String::from_utf8(head).expect("a head is text");
            }
            assert!(
                self.fill().await,
                "the connection ended inside a head: {:?}",
                self.input
            );
        }
    }

    /// Everything up to the end of the connection.
    pub async fn rest(&mut self) -> String {
        while self.fill().await {}
        String::from_utf8_lossy(&self.input).into_owned()
    }

    pub async fn send_raw(&mut self, bytes: &[u8]) {
        self.io.write_all(bytes).await.expect("the relay reads");
    }

    pub async fn send_frame(&mut self, first_byte: u8, payload: &[u8]) {
        self.send_raw(&frame(first_byte, payload)).await;
    }

    pub async fn send(&mut self, text: &str) {
        self.send_frame(TEXT, text.as_bytes()).await;
    }

    pub async fn subscribe(&mut self, topic: &str) {
        self.send(&format!(r#"{{"type":"subscribe","topics":["{topic}"]}}"#))
            .await;
    }

    pub async fn publish(&mut self, topic: &str, data: impl std::fmt::Display) {
        self.send(&format!(
            r#"{{"type":"publish","topic":"{topic}","data":{data}}}"#
        ))
        .await;
    }

    /// Returns once everything sent so far has been carried out.
    pub async fn settle(&mut self) {
        self.send_frame(PING, b"settle").await;
        let pong = self.next().await.expect("a pong");
        assert_eq!(
            (pong.first_byte, pong.payload.as_slice()),
            (PONG, b"settle".as_slice())
        );
    }

    /// As [`settle`](Self::settle), where others publish meanwhile.
    pub async fn settle_among_others(&mut self) {
        self.send_frame(PING, b"settle").await;
        while self.next().await.expect("a pong").first_byte != PONG {}
    }

    /// The next frame; `None` at the end of the connection.
    pub async fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = self.take_frame() {
                return Some(frame);
            }
            if !self.fill().await {
                return None;
            }
        }
    }

    /// The next frame that is no ping; pings are answered.
    pub async fn next_answering_pings(&mut self) -> Option<Frame> {
        loop {
            let frame = self.next().await?;
            if frame.first_byte != PING {
                return Some(frame);
            }
            self.send_frame(PONG, &frame.payload).await;
        }
    }

    /// The next frame, which must be a text.
    pub async fn next_text(&mut self) -> String {
        self.next().await.expect("a message, not the end").text()
    }

    /// The next frame as JSON, which must be a text.
    pub async fn next_json(&mut self) -> serde_json::Value {
        self.next().await.expect("a message, not the end").json()
    }

    /// Reads more; false at the end of the connection.
    async fn fill(&mut self) -> bool {
        let read = tokio::time::timeout(
            PATIENCE.max(Duration::from_secs(90)),
            self.io.read_buf(&mut self.input),
        );
        match read.await {
            Ok(Ok(bytes)) => bytes > 0,
            // A reset is an end too.
            Ok(Err(_)) => false,
            Err(_) => panic!("nothing came in time; so far: {:?}", self.input),
        }
    }

    fn take_frame(&mut self) -> Option<Frame> {
        let (&first_byte, &length) = (self.input.first()?, self.input.get(1)?);
        let (header, length) = match length {
            126 => (
                4,
                u16::from_be_bytes(self.input.get(2..4)?.try_into().expect("two bytes")).into(),
            ),
            127 => (
                10,
                u64::from_be_bytes(self.input.get(2..10)?.try_into().expect("eight bytes"))
                    as usize,
            ),
            length => (2, length.into()),
        };
        let payload = self.input.get(header..header + length)?.to_vec();
        self.input.drain(..header + length);
        Some(Frame {
            first_byte,
            payload,
        })
    }
}

/// The default settings with a change.
pub fn config(change: impl FnOnce(&mut Config)) -> Config {
    let mut config = Config::default();
    change(&mut config);
    config
}

/// A relay with these settings and everybody let in.
pub fn relay(change: impl FnOnce(&mut Config)) -> Relay {
    Relay::new(config(change)).expect("valid settings")
}

/// The client's end of a fresh in-memory connection to the relay.
pub fn dial(relay: &Relay) -> DuplexStream {
    let (client, server) = tokio::io::duplex(64 * 1024);
    let relay = relay.clone();
    tokio::spawn(async move { relay.serve_stream(server, None).await });
    client
}

/// Opens an in-memory connection to the relay.
pub async fn open(relay: &Relay) -> Wire<DuplexStream> {
    Wire::open(dial(relay)).await
}

/// Serves the relay on a free port.
pub async fn listen(relay: &Relay) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("a bound socket");
    let relay = relay.clone();
    tokio::spawn(async move { relay.serve(listener).await });
    address
}

/// Opens a TCP connection to a relay.
pub async fn open_tcp(address: std::net::SocketAddr) -> Wire<TcpStream> {
    let stream = TcpStream::connect(address)
        .await
        .expect("the relay listens");
    stream.set_nodelay(true).expect("a live socket");
    Wire::open(stream).await
}

/// Waits until the relay's numbers are as wanted.
pub async fn until(relay: &Relay, what: &str, mut is_so: impl FnMut(&Stats) -> bool) {
    let start = std::time::Instant::now();
    while !is_so(&relay.stats()) {
        assert!(
            start.elapsed() < PATIENCE,
            "not in time: {what}; {:?}",
            relay.stats()
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
