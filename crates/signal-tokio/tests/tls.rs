//! Listeners that speak TLS.

#![cfg(feature = "tls")]

mod common;

use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use common::{PATIENCE, TEXT, UPGRADE, Wire, relay, until};
use rcgen::KeyPair;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use signal_tokio::{
    Client, ClientConfig, Event, Ignored, RefusalCause, Relay, TrustedProxies, rustls,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector, client};

/// A certificate for localhost that signs itself, as both sides need it.
struct Tls {
    certificate: CertificateDer<'static>,
    pem: String,
    server: Arc<rustls::ServerConfig>,
}

impl Tls {
    fn new() -> Self {
        let key = KeyPair::generate().expect("a key");
        let params = rcgen::CertificateParams::new(["localhost".to_owned()]).expect("parameters");
        let certificate = params.self_signed(&key).expect("a certificate");
        let private = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut server = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], private)
            .expect("a configuration");
        server.alpn_protocols = vec![b"http/1.1".to_vec()];
        Self {
            certificate: certificate.der().clone(),
            pem: certificate.pem(),
            server: Arc::new(server),
        }
    }

    /// Serves the relay on a free port.
    async fn listen(&self, relay: &Relay) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let (relay, server) = (relay.clone(), Arc::clone(&self.server));
        tokio::spawn(async move { relay.serve_tls(listener, server).await });
        address
    }

    /// The client's side of a handshake.
    async fn connect<Io>(
        &self,
        io: Io,
        protocols: &[&[u8]],
    ) -> std::io::Result<client::TlsStream<Io>>
    where
        Io: AsyncRead + AsyncWrite + Unpin,
    {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.certificate.clone()).expect("a certificate");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        let host = ServerName::try_from("localhost").expect("a name");
        TlsConnector::from(Arc::new(config)).connect(host, io).await
    }
}

fn refused(relay: &Relay, cause: RefusalCause) -> u64 {
    let stats = relay.stats();
    let count = stats.refusals.iter().find(|(counted, _)| *counted == cause);
    count.map_or(0, |(_, count)| *count)
}

#[tokio::test]
async fn peers_on_both_transports_meet() {
    let (tls, relay) = (Tls::new(), relay(|_| {}));
    let address = tls.listen(&relay).await;
    let stream = TcpStream::connect(address).await.expect("it listens");
    let stream = tls.connect(stream, &[b"http/1.1"]).await.expect("TLS");
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    let mut ann = Wire::open(stream).await;
    let mut bob = common::open(&relay).await;
    ann.subscribe("room").await;
    ann.settle().await;
    // More than one TLS record, and more than one read.
    let data = "x".repeat(60_000);
    bob.publish("room", format_args!("{data:?}")).await;
    assert_eq!(ann.next_json().await["data"], data);
}

#[tokio::test]
async fn http_2_is_not_agreed_on() {
    let (tls, relay) = (Tls::new(), relay(|_| {}));
    let address = tls.listen(&relay).await;
    let stream = TcpStream::connect(address).await.expect("it listens");
    let error = tls.connect(stream, &[b"h2"]).await.expect_err("no h2");
    assert!(
        error.to_string().contains("NoApplicationProtocol"),
        "{error}"
    );
    until(&relay, "a refusal", |_| {
        refused(&relay, RefusalCause::Tls) == 1
    })
    .await;
}

#[tokio::test]
async fn plain_http_is_told_to_use_tls() {
    let (tls, relay) = (Tls::new(), relay(|_| {}));
    let address = tls.listen(&relay).await;
    let stream = TcpStream::connect(address).await.expect("it listens");
    let (mut wire, head) = Wire::request(stream, UPGRADE).await;
    assert!(head.starts_with("HTTP/1.1 400 "), "{head}");
    let body = wire.rest().await;
    assert_eq!(
        body,
        "this port speaks TLS: connect with wss:// or https://"
    );
    until(&relay, "a refusal", |_| {
        refused(&relay, RefusalCause::Tls) == 1
    })
    .await;
    until(&relay, "its place is free", |stats| stats.handshakes == 0).await;
}

#[tokio::test]
async fn a_proxy_names_its_client_before_the_tls_handshake() {
    let tls = Tls::new();
    let relay = relay(|config| {
        config.proxy_protocol = true;
        config.addresses.peers_per_ip_max = 1;
        config.trusted_proxies = TrustedProxies::new(["127.0.0.1"]).expect("an address");
    });
    let address = tls.listen(&relay).await;
    let v1 = &b"PROXY TCP4 203.0.113.7 10.0.0.1 1 443\r\n"[..];
    let v2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xcb\0\x71\x08\x0a\0\0\x01\x12\x67\x11\x5c";
    for header in [v1, v2] {
        let open = async || {
            let mut stream = TcpStream::connect(address).await.expect("it listens");
            stream.write_all(header).await.expect("it reads");
            tls.connect(stream, &[b"http/1.1"]).await.expect("TLS")
        };
        let mut peer = Wire::open(open().await).await;
        peer.settle().await;
        let (_, head) = Wire::request(open().await, UPGRADE).await;
        assert_eq!(common::status(&head), 429, "the limit is the client's");
    }
    let stream = TcpStream::connect(address).await.expect("it listens");
    let without = tls.connect(stream, &[b"http/1.1"]).await;
    without.expect_err("it is closed");
    until(&relay, "a refusal", |_| {
        refused(&relay, RefusalCause::BadHead) == 1
    })
    .await;
    until(&relay, "its place is free", |stats| stats.handshakes == 0).await;
}

#[tokio::test]
async fn a_handshake_that_does_not_come_to_its_end_gives_its_place_back() {
    let tls = Tls::new();
    let relay = relay(|config| {
        // Also that of the last one, which is to come to its end on a busy machine.
        config.handshake_timeout = Duration::from_secs(2);
    });
    let address = tls.listen(&relay).await;
    // One says nothing, one begins as TLS does, and then nothing.
    let mut silent = TcpStream::connect(address).await.expect("it listens");
    let mut slow = TcpStream::connect(address).await.expect("it listens");
    slow.write_all(&[0x16, 0x03, 0x01]).await.expect("it reads");
    for stream in [&mut silent, &mut slow] {
        let mut rest = Vec::new();
        let end = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest));
        // A reset is an end too.
        let _ = end.await.expect("the relay ends it");
    }
    // Who says nothing is not refused: balancers look so whether somebody listens.
    until(&relay, "one refusal, and both places", |stats| {
        refused(&relay, RefusalCause::Tls) == 1 && stats.handshakes == 0
    })
    .await;
    let stream = TcpStream::connect(address).await.expect("it listens");
    let stream = tls
        .connect(stream, &[])
        .await
        .expect("there is a place again");
    Wire::open(stream).await.settle().await;
}

#[tokio::test]
async fn a_newcomer_is_served_while_others_do_not_come_to_the_end_of_their_handshake() {
    let tls = Tls::new();
    let relay = relay(|config| {
        config.handshake_timeout = Duration::from_secs(120);
        config.handshakes_max = 16;
    });
    let address = tls.listen(&relay).await;
    let mut silent = TcpStream::connect(address).await.expect("it listens");
    until(&relay, "one is silent", |stats| stats.handshakes == 1).await;
    let mut slow = TcpStream::connect(address).await.expect("it listens");
    slow.write_all(&[0x16, 0x03, 0x01]).await.expect("it reads");
    until(&relay, "one is slow", |stats| stats.handshakes == 2).await;
    let idle = TcpStream::connect(address).await.expect("it listens");
    let mut idle = tls.connect(idle, &[]).await.expect("TLS");
    let mut others = Vec::new();
    for count in 4..=16 {
        others.push(TcpStream::connect(address).await.expect("it listens"));
        until(&relay, "another", |stats| stats.handshakes == count).await;
    }
    for waiting in [&mut silent, &mut slow] {
        let come = async {
            let stream = TcpStream::connect(address).await.expect("it listens");
            let stream = tls.connect(stream, &[]).await.expect("TLS");
            Wire::open(stream).await.settle().await;
            // It keeps its place until the next one comes.
            let stream = TcpStream::connect(address).await.expect("it listens");
            tls.connect(stream, &[]).await.expect("TLS")
        };
        let newcomer = tokio::time::timeout(Duration::from_secs(20), come).await;
        let newcomer = newcomer.expect("a newcomer waits for those that say nothing");
        let mut rest = Vec::new();
        let end = tokio::time::timeout(PATIENCE, waiting.read_to_end(&mut rest));
        // A reset is an end too.
        let _ = end.await.expect("the relay ends it");
        std::mem::forget(newcomer);
    }
    idle.write_all(UPGRADE.as_bytes()).await.expect("it reads");
    Wire::start(idle).head().await;
    let mut evicted = refused(&relay, RefusalCause::HandshakesMax);
    evicted += refused(&relay, RefusalCause::Tls);
    assert_eq!(evicted, 2);
}

/// TLS keeps what the socket below does not take, so its writes succeed where those of a plain
/// connection would not.
#[tokio::test(start_paused = true)]
async fn a_peer_that_reads_nothing_is_ended_by_the_write_deadline() {
    let tls = Tls::new();
    let relay = relay(|config| config.write_deadline = Duration::from_secs(3));
    let (near, far) = tokio::io::duplex(4 * 1024);
    let (server, acceptor) = (relay.clone(), TlsAcceptor::from(Arc::clone(&tls.server)));
    let ended = tokio::spawn(async move {
        let stream = acceptor.accept(far).await.expect("TLS");
        server.serve_stream(stream, None).await;
    });
    let mut deaf = Wire::open(tls.connect(near, &[]).await.expect("TLS")).await;
    deaf.subscribe("room").await;
    deaf.settle().await;
    let mut other = common::open(&relay).await;
    let data = "x".repeat(20_000);
    other.publish("room", format_args!("{data:?}")).await;
    let start = tokio::time::Instant::now();
    let served = tokio::time::timeout(Duration::from_secs(20), ended).await;
    served
        .expect("before the pings could notice")
        .expect("it ran");
    assert!(
        start.elapsed() >= Duration::from_secs(3),
        "{:?}",
        start.elapsed()
    );
    drop(deaf);
}

/// A peer over TLS, and its stream to write below TLS.
async fn upgraded(tls: &Tls, address: SocketAddr) -> client::TlsStream<TcpStream> {
    let stream = TcpStream::connect(address).await.expect("it listens");
    let mut stream = tls.connect(stream, &[]).await.expect("TLS");
    let request = UPGRADE.as_bytes();
    stream.write_all(request).await.expect("it reads");
    stream.flush().await.expect("it reads");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.expect("an answer"));
    }
    stream
}

#[tokio::test]
async fn a_record_without_its_end_counts_and_whoever_hoards_them_is_ended() {
    const MEMORY_MAX: usize = 1024 * 1024;
    let tls = Tls::new();
    let relay = relay(|config| config.memory_max = MEMORY_MAX);
    let address = tls.listen(&relay).await;
    let mut record = vec![23, 3, 3, 0x40, 0x00];
    record.resize(16_000, 0);
    let mut hoarders = Vec::new();
    for _ in 0..10 {
        hoarders.push(upgraded(&tls, address).await);
    }
    until(&relay, "all are there", |stats| stats.peers == 10).await;
    assert_eq!(relay.stats().memory_bytes, 0, "at rest they hold nothing");
    for hoarder in &mut hoarders {
        let below = hoarder.get_mut().0;
        below.write_all(&record).await.expect("it reads");
    }
    let counts = |stats: &signal_tokio::Stats| stats.memory_bytes >= 10 * 16_000;
    until(&relay, "the records count", counts).await;
    for _ in 0..60 {
        let mut hoarder = upgraded(&tls, address).await;
        let below = hoarder.get_mut().0;
        // It may be ended as soon as some of it is there.
        let _ = below.write_all(&record).await;
        hoarders.push(hoarder);
    }
    until(&relay, "some are ended", |stats| stats.peers < 70).await;
    let is_below = |stats: &signal_tokio::Stats| stats.memory_bytes <= MEMORY_MAX as u64;
    until(&relay, "it is below the ceiling", is_below).await;
    assert!(relay.stats().peers > 35, "{}", relay.stats().peers);
    drop(hoarders);
    until(&relay, "nothing is left", |stats| stats.memory_bytes == 0).await;
}

#[tokio::test]
async fn what_tls_keeps_for_a_peer_that_reads_nothing_counts() {
    let tls = Tls::new();
    let relay = relay(|config| config.send_buffer_bytes_max = 4_096);
    let address = tls.listen(&relay).await;
    let mut deaf = Vec::new();
    for _ in 0..60 {
        let mut peer = Wire::start(upgraded(&tls, address).await);
        peer.subscribe("room").await;
        peer.settle().await;
        deaf.push(peer);
    }
    let mut publisher = common::open(&relay).await;
    let data = "x".repeat(60_000);
    for _ in 0..12 {
        publisher.publish("room", format_args!("{data:?}")).await;
    }
    // More than the messages, which are kept once.
    let counts = |stats: &signal_tokio::Stats| stats.memory_bytes > 1_000_000;
    until(&relay, "what is written counts", counts).await;
    drop((deaf, publisher));
    until(&relay, "nothing is left", |stats| stats.memory_bytes == 0).await;
}

/// How many strikes there were for bytes.
fn strikes(stats: &signal_tokio::Stats) -> u64 {
    let of_bytes = |(why, _): &&(Ignored, u64)| *why == Ignored::ByteRate;
    stats
        .ignored
        .iter()
        .find(of_bytes)
        .map_or(0, |(_, count)| *count)
}

#[tokio::test]
async fn records_that_no_frame_needs_cost_budget() {
    let tls = Tls::new();
    let relay = relay(|config| {
        config.core.bytes_burst = 16 * 1024;
        config.core.bytes_per_second = 1_024;
        config.core.strikes_burst = 20;
        config.core.close_hold = Duration::ZERO;
    });
    let address = tls.listen(&relay).await;
    let frame = common::frame(TEXT, &[b'x'; 8_000]);
    let mut changes_keys = upgraded(&tls, address).await;
    let mut sends_bytes = upgraded(&tls, address).await;
    until(&relay, "both are there", |stats| stats.peers == 2).await;
    for byte in frame[..4_000].chunks(1) {
        for _ in 0..30 {
            let changed = changes_keys.get_mut().1.refresh_traffic_keys();
            changed.expect("a key");
        }
        // Until they are ended.
        for peer in [&mut changes_keys, &mut sends_bytes] {
            let _ = peer.write_all(byte).await;
            let _ = peer.flush().await;
        }
    }
    until(&relay, "it is refused", |stats| stats.peers < 2).await;
    assert!(strikes(&relay.stats()) > 20);
}

/// Whoever sends a record for each byte of its request is held to a number of them; a client that
/// sends its request in a few hundred is not.
#[tokio::test]
async fn a_request_may_come_in_a_few_hundred_records_and_not_in_thousands() {
    let (tls, relay) = (Tls::new(), relay(|_| {}));
    let address = tls.listen(&relay).await;
    for (filler, is_served) in [(500, true), (4_000, false)] {
        let stream = TcpStream::connect(address).await.expect("it listens");
        let mut client = tls.connect(stream, &[]).await.expect("TLS");
        let head = UPGRADE.replacen("\r\n", &format!("\r\nX: {}\r\n", "x".repeat(filler)), 1);
        for byte in head.as_bytes() {
            let sent = client.write_all(&[*byte]).await;
            if sent.is_err() || client.flush().await.is_err() {
                // It was ended meanwhile.
                break;
            }
        }
        let mut status = [0; 12];
        let answer = tokio::time::timeout(PATIENCE, client.read_exact(&mut status));
        let answer = answer.await.expect("an answer or an end");
        assert_eq!(answer.is_ok(), is_served, "{answer:?}");
        assert!(!is_served || &status == b"HTTP/1.1 101");
    }
    until(&relay, "its place is free", |stats| stats.handshakes == 0).await;
    assert_eq!(refused(&relay, RefusalCause::BadHead), 1);
}

#[tokio::test]
async fn records_of_their_own_for_each_frame_and_each_kilobyte_cost_nothing() {
    let tls = Tls::new();
    let (short, long) = ([b' '; 100], [b' '; 60_000]);
    let relay = relay(|config| {
        // So that the last frame is let through if none before it has cost a byte more.
        config.core.bytes_burst = 100 * (100 + 32) + 1;
        config.core.bytes_per_second = 1;
        config.core.invalid_messages_max = 1_000;
    });
    let address = tls.listen(&relay).await;
    let mut peer = upgraded(&tls, address).await;
    for _ in 0..100 {
        let frame = common::frame(TEXT, &short);
        for part in [&frame[..6], &frame[6..]] {
            peer.write_all(part).await.expect("it reads");
            peer.flush().await.expect("it reads");
        }
    }
    for part in common::frame(TEXT, &long).chunks(1_100) {
        peer.write_all(part).await.expect("it reads");
        peer.flush().await.expect("it reads");
    }
    let ping = common::frame(TEXT, br#"{"type":"ping"}"#);
    peer.write_all(&ping).await.expect("it reads");
    peer.flush().await.expect("it reads");
    Wire::start(peer).next().await.expect("a pong");
    assert_eq!(strikes(&relay.stats()), 0);
}

const URL: &str = "SIGNAL_TEST_WSS_URL";

/// The client trusts what the system trusts. That is read from the environment, so it runs in a
/// process of its own.
#[tokio::test(flavor = "multi_thread")]
async fn the_client_of_this_crate_connects_over_wss() {
    let (tls, relay) = (Tls::new(), relay(|_| {}));
    let address = tls.listen(&relay).await;
    let folder = signal_testwire::Folder::new("roots");
    let mut command = Command::new(std::env::current_exe().expect("this test"));
    command
        .args(["--exact", "a_client_in_another_process", "--nocapture"])
        .env(URL, format!("wss://localhost:{}", address.port()))
        .env("SSL_CERT_FILE", folder.write("roots.pem", &tls.pem))
        .env_remove("SSL_CERT_DIR");
    let output = tokio::task::spawn_blocking(move || command.output()).await;
    let output = output.expect("it ran").expect("it ran");
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    assert_eq!(relay.stats().upgrades, 1, "{text}");
}

#[tokio::test]
async fn a_client_in_another_process() {
    // Does its work for the test above.
    let Ok(url) = std::env::var(URL) else { return };
    let (client, mut events) = Client::connect(&url, ClientConfig::default()).expect("an address");
    client.subscribe("room").await.expect("it runs");
    loop {
        let next = tokio::time::timeout(PATIENCE, events.next()).await;
        match next.expect("an event in time").expect("it runs") {
            Event::Connected => client.publish("room", "hello").await.expect("connected"),
            Event::Message(received) => return assert_eq!(received.topic(), "room"),
            Event::Disconnected { cause, .. } => panic!("{cause}"),
        }
    }
}
