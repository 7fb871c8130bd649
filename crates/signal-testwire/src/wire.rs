use std::fmt::Display;
use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::input::Input;
use crate::{Answer, CLOSE, Frame, PING, PONG, TEXT, UPGRADE, frame};

/// How long a client waits for bytes: past the deadlines and intervals of a relay, for tests in
/// which the clock of tokio is moved.
const SILENCE_MAX: Duration = Duration::from_secs(90);

/// A client's end of a connection, over TCP or in memory.
#[derive(Debug)]
pub struct Wire<Io> {
    /// The socket, for what a test does to it directly.
    pub io: Io,
    input: Input,
}

impl<Io: AsyncRead + AsyncWrite + Unpin> Wire<Io> {
    /// A connection on which nothing has been said.
    pub fn start(io: Io) -> Self {
        let input = Input::default();
        Self { io, input }
    }

    /// Sends a request and returns the head of the answer.
    pub async fn request(io: Io, request: &str) -> (Self, String) {
        let mut wire = Self::start(io);
        wire.send_raw(request.as_bytes()).await;
        let head = wire.head().await;
        (wire, head)
    }

    /// Sends a request and returns the whole answer.
    pub async fn ask(io: Io, request: &str) -> Answer {
        let answer = Self::try_ask(io, request).await;
        answer.unwrap_or_else(|error| panic!("no answer: {error}"))
    }

    /// Sends a request and returns the whole answer.
    ///
    /// # Errors
    ///
    /// The connection has ended before.
    pub async fn try_ask(io: Io, request: &str) -> io::Result<Answer> {
        let mut wire = Self::start(io);
        wire.io.write_all(request.as_bytes()).await?;
        let mut is_end = false;
        loop {
            if let Some(answer) = Answer::take(&mut wire.input, request, is_end) {
                return Ok(answer);
            }
            if is_end {
                let half = format!("half an answer: {:?}", wire.input);
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, half));
            }
            is_end = !wire.fill().await;
        }
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
            if let Some(length) = self.input.head_len() {
                return self.input.take_text(length);
            }
            let is_more = self.fill().await;
            assert!(
                is_more,
                "the connection ended inside a head: {:?}",
                self.input
            );
        }
    }

    /// Everything up to the end of the connection.
    pub async fn rest(&mut self) -> String {
        String::from_utf8_lossy(&self.rest_bytes().await).into_owned()
    }

    /// Everything up to the end of the connection.
    pub async fn rest_bytes(&mut self) -> Vec<u8> {
        while self.fill().await {}
        std::mem::take(self.input.buffer())
    }

    /// Sends bytes as they are.
    pub async fn send_raw(&mut self, bytes: &[u8]) {
        self.io.write_all(bytes).await.expect("the relay reads");
    }

    /// Sends a frame.
    pub async fn send_frame(&mut self, first_byte: u8, payload: &[u8]) {
        self.send_raw(&frame(first_byte, payload)).await;
    }

    /// Sends a text.
    pub async fn send(&mut self, text: &str) {
        self.send_frame(TEXT, text.as_bytes()).await;
    }

    /// Asks for a topic.
    pub async fn subscribe(&mut self, topic: &str) {
        self.send(&format!(r#"{{"type":"subscribe","topics":["{topic}"]}}"#))
            .await;
    }

    /// Publishes to a topic; `data` is JSON.
    pub async fn publish(&mut self, topic: &str, data: impl Display) {
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
            if let Some((frame, length)) = Frame::parse(self.input.bytes()) {
                self.input.skip(length);
                return Some(frame);
            }
            if !self.fill().await {
                return None;
            }
        }
    }

    /// The next frame that is not a ping; pings are answered.
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

    /// The code of the close frame that comes, after which the connection must end.
    pub async fn closed(&mut self) -> u16 {
        loop {
            let frame = self.next().await.expect("a close, not the end");
            if frame.first_byte == CLOSE {
                assert_eq!(self.next().await, None, "something follows the close");
                return frame.close_code();
            }
        }
    }

    /// Reads more; false at the end of the connection.
    async fn fill(&mut self) -> bool {
        let read = self.io.read_buf(self.input.buffer());
        match tokio::time::timeout(SILENCE_MAX, read).await {
            Ok(Ok(bytes)) => bytes > 0,
            // A reset is an end too.
            Ok(Err(_)) => false,
            Err(_) => panic!("nothing came in time; so far: {:?}", self.input),
        }
    }
}
