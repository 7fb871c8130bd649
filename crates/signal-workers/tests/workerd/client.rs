//! A client for tests of one behaviour.

use std::time::Duration;

use http::header::HeaderName;
use signal_conformance::{Backend, ConnectOptions, Connection, Event, Grant, UrlBackend};
use signal_testwire::PATIENCE;

use crate::server::Workerd;

/// How long nothing must come for, where no later message can show it.
const SILENCE: Duration = Duration::from_millis(300);

/// One connection to the relay.
pub(crate) struct Client {
    connection: Box<dyn Connection>,
}

impl Client {
    /// Connects to a path of the relay.
    pub(crate) async fn connect(server: &Workerd, path: &str) -> Self {
        let url = format!("ws://127.0.0.1:{}{path}", server.relay_port);
        let backend = UrlBackend::new(&url).unwrap();
        let connection = backend.connect(ConnectOptions::default()).await.unwrap();
        Self { connection }
    }

    /// Connects twice.
    pub(crate) async fn two(server: &Workerd) -> [Self; 2] {
        [
            Self::connect(server, "/").await,
            Self::connect(server, "/").await,
        ]
    }

    /// Connects as if Cloudflare's edge had seen this address.
    pub(crate) async fn connect_from(server: &Workerd, ip: &str) -> Self {
        let url = format!("ws://127.0.0.1:{}/", server.relay_port);
        let header = HeaderName::from_static("cf-connecting-ip");
        let backend = UrlBackend::new(&url)
            .unwrap()
            .header(header, ip.parse().unwrap());
        let connection = backend.connect(ConnectOptions::default()).await.unwrap();
        Self { connection }
    }

    /// Connects with a token in the query.
    pub(crate) async fn connect_with_token(server: &Workerd, token: &str) -> Self {
        Self::connect(server, &format!("/?token={token}")).await
    }

    /// Connects with a grant.
    pub(crate) async fn connect_with(backend: &impl Backend, grant: Grant) -> Self {
        let mut options = ConnectOptions::default();
        options.grant = Some(grant);
        let connection = backend.connect(options).await.unwrap();
        Self { connection }
    }

    pub(crate) async fn send(&mut self, text: &str) {
        self.connection.send_text(text).await;
    }

    pub(crate) async fn subscribe(&mut self, topic: &str) {
        self.send(&format!(r#"{{"type":"subscribe","topics":["{topic}"]}}"#))
            .await;
        self.settle().await;
    }

    pub(crate) async fn publish(&mut self, topic: &str, data: &str) {
        self.send(&format!(
            r#"{{"type":"publish","topic":"{topic}","data":"{data}"}}"#
        ))
        .await;
    }

    /// Waits until what was sent has been handled: this spelling of a ping is answered by the
    /// object and not by the runtime.
    pub(crate) async fn settle(&mut self) {
        self.send(r#"{"type": "ping"}"#).await;
        assert_eq!(self.receive().await, r#"{"type":"pong"}"#);
    }

    /// The next message.
    pub(crate) async fn receive(&mut self) -> String {
        match self.connection.receive(PATIENCE).await {
            Event::Text(text) => text,
            other => panic!("a message, not {other:?}"),
        }
    }

    /// Receives a publish of this topic with this data, and says how many clients it names.
    pub(crate) async fn receive_publish(&mut self, topic: &str, data: &str) -> usize {
        let text = self.receive().await;
        let start = format!(r#"{{"type":"publish","topic":"{topic}","data":"{data}","clients":"#);
        let count = text
            .strip_prefix(&start)
            .and_then(|rest| rest.strip_suffix('}'));
        count
            .and_then(|count| count.parse().ok())
            .unwrap_or_else(|| panic!("{start}.., not {text}"))
    }

    pub(crate) async fn receive_nothing(&mut self) {
        assert_eq!(self.connection.receive(SILENCE).await, Event::Nothing);
    }

    /// Closes the connection and returns the code of the answer.
    pub(crate) async fn close(&mut self, code: Option<u16>) -> u16 {
        self.connection.close(code, "").await;
        self.closed().await.0
    }

    /// Waits for the end of the connection: its code and its reason.
    pub(crate) async fn closed(&mut self) -> (u16, String) {
        match self.connection.receive(PATIENCE).await {
            Event::Closed { code, reason } => (code, reason),
            other => panic!("a close, not {other:?}"),
        }
    }

    pub(crate) async fn abort(&mut self) {
        self.connection.abort().await;
    }
}
