//! Two nginx in a row before a relay, and clients that lie about where they come from.
//!
//! Everybody has an address of 127.0.0.0/8, which is loopback as a whole on Linux only; the relay
//! is told to hold such addresses to their limits.

use serde_json::json;
use tokio::net::TcpSocket;
use tokio_tungstenite::MaybeTlsStream;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::common::certificate::Certificate;
use crate::common::{PATIENCE, Peer, Relay};
use crate::process::{Proxy, nginx};

const EDGE: &str = "127.0.0.11";
const INNER: &str = "127.0.0.12";
const LIAR: &str = "127.0.0.21";
const HONEST: &str = "127.0.0.22";
const STRANGER: &str = "127.0.0.23";

/// What the example does with the header, and what others do: append to what the client wrote.
const SET: &str = "X-Forwarded-For $remote_addr;";
const APPENDED: &str = "X-Forwarded-For $proxy_add_x_forwarded_for;";

const LIES: [&str; 6] = [
    "203.0.113.9",
    HONEST,
    "203.0.113.10, 127.0.0.11, 127.0.0.12",
    "unknown, 203.0.113.11:99",
    "[2001:db8::1]:5, , 127.0.0.22",
    "\"; 127.0.0.22",
];

/// A relay behind two proxies that it knows.
struct Chain {
    relay: Relay,
    edge: Proxy,
    _inner: Proxy,
    _certificate: Certificate,
}

impl Chain {
    /// None if there is no nginx here.
    fn start(at_edge: &str, peers_per_ip_max: u32) -> Option<Self> {
        let peers = peers_per_ip_max.to_string();
        let proxies = format!("{EDGE}, {INNER}");
        let relay = Relay::start(&[
            "--trusted-proxies",
            &proxies,
            "--limit-private-ips",
            "--peers-per-ip-max",
            &peers,
        ]);
        // TLS would show nothing more here.
        let plain = (" ssl;", ";");
        let forwarded = |by: &str, header: &str| format!("{header}\n        proxy_bind {by};");
        let certificate = Certificate::new();
        let inner = nginx(
            &certificate,
            relay.address(),
            &[plain, (SET, &forwarded(INNER, APPENDED))],
        )?;
        let edge = nginx(
            &certificate,
            &format!("127.0.0.1:{}", inner.port),
            &[plain, (SET, &forwarded(EDGE, at_edge))],
        )?;
        Some(Self {
            relay,
            edge,
            _inner: inner,
            _certificate: certificate,
        })
    }

    /// Connects through both proxies.
    async fn connect(&self, from: &str, lie: Option<&str>) -> Result<Peer, u16> {
        connect(from, self.edge.port, lie).await
    }

    /// Connects past them.
    async fn connect_directly(&self, from: &str, lie: Option<&str>) -> Result<Peer, u16> {
        let port = self.relay.address().rsplit(':').next().expect("a port");
        connect(from, port.parse().expect("a port"), lie).await
    }
}

/// A peer that connects from an address; the status if it is refused.
async fn connect(from: &str, port: u16, lie: Option<&str>) -> Result<Peer, u16> {
    let socket = TcpSocket::new_v4().expect("a socket");
    let from = format!("{from}:0").parse().expect("an address");
    socket.bind(from).expect("an address of loopback");
    let stream = socket.connect(([127, 0, 0, 1], port).into()).await;
    let stream = MaybeTlsStream::Plain(stream.expect("somebody listens"));
    let mut request = format!("ws://localhost:{port}/")
        .into_client_request()
        .expect("a request");
    if let Some(lie) = lie {
        let value = lie.parse().expect("a value");
        request.headers_mut().insert("X-Forwarded-For", value);
    }
    let connect = tokio_tungstenite::client_async(request, stream);
    match tokio::time::timeout(PATIENCE, connect)
        .await
        .expect("an answer in time")
    {
        Ok((socket, _)) => Ok(Peer(socket)),
        Err(Error::Http(response)) => Err(response.status().as_u16()),
        Err(error) => panic!("neither an upgrade nor a refusal: {error}"),
    }
}

#[tokio::test]
async fn limits_hit_the_client_behind_two_proxies_that_append() {
    limits_hit_the_client(APPENDED).await;
}

#[tokio::test]
async fn limits_hit_the_client_behind_the_proxy_of_the_example() {
    limits_hit_the_client(SET).await;
}

async fn limits_hit_the_client(at_edge: &str) {
    let Some(chain) = Chain::start(at_edge, 2) else {
        return;
    };
    let mut liar = Vec::new();
    for lie in LIES {
        match chain.connect(LIAR, Some(lie)).await {
            Ok(peer) => liar.push(peer),
            Err(status) => assert_eq!(status, 429, "{lie}"),
        }
    }
    assert_eq!(liar.len(), 2, "whatever it says, it is one client");

    // Nobody else has paid for that, and messages go through both ways.
    let mut ann = chain.connect(HONEST, None).await.expect("a place");
    let mut ben = chain.connect(HONEST, None).await.expect("a place");
    assert_eq!(chain.connect(HONEST, None).await.err(), Some(429));
    ann.subscribe("room").await;
    ben.publish("room", json!("hello")).await;
    let message = json!({"type": "publish", "topic": "room", "data": "hello", "clients": 1});
    assert_eq!(ann.receive().await, message);

    // A place that is given back is the same client's again.
    drop(liar.pop());
    let start = std::time::Instant::now();
    while chain.connect(LIAR, Some(HONEST)).await.is_err() {
        assert!(start.elapsed() < PATIENCE, "the place does not come back");
    }
}

/// Who reaches the relay past the proxies may say what it likes.
#[tokio::test]
async fn a_client_that_is_not_a_proxy_is_not_believed() {
    let Some(chain) = Chain::start(APPENDED, 1) else {
        return;
    };
    let first = chain.connect_directly(STRANGER, Some(HONEST)).await;
    let _first = first.expect("a place");
    for lie in LIES {
        let again = chain.connect_directly(STRANGER, Some(lie)).await;
        assert_eq!(again.err(), Some(429), "{lie}");
    }
    chain
        .connect(HONEST, None)
        .await
        .expect("the place of the one it named");
}
