//! What an HTTP request is answered.

mod common;

use std::time::Duration;

use common::{UPGRADE, Wire, dial, dial_from, open, relay, retry_after, status, upgrade_with};
use signal_tokio::{Config, Grant, Refusal, RefusalCause, Relay, UpgradeRequest};
use tokio::io::AsyncWriteExt;

/// Sends one request; the head of the answer and what follows it until the end.
async fn ask(relay: &Relay, request: &str) -> (String, String) {
    let (mut wire, head) = common::ask(relay, request).await;
    let body = wire.rest().await;
    (head, body)
}

#[tokio::test(start_paused = true)]
async fn anything_but_an_upgrade_is_answered_okay() {
    let relay = relay(|_| {});
    for line in [
        "GET /",
        "GET /any/path?x=1",
        "POST /x",
        "OPTIONS *",
        "DELETE /x",
        "HEAD /",
        "GET /metrics",
    ] {
        let (head, body) = ask(
            &relay,
            &format!("{line} HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        )
        .await;
        assert_eq!(status(&head), 200, "{line}");
        assert!(head.contains("Content-Type: text/plain"), "{line}: {head}");
        let expected = if line.starts_with("HEAD") { "" } else { "okay" };
        assert_eq!(body, expected, "{line}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_with_a_body_is_answered_too() {
    let relay = relay(|_| {});
    let (head, body) = ask(
        &relay,
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
    )
    .await;
    assert_eq!((status(&head), body.as_str()), (200, "okay"));
}

#[tokio::test(start_paused = true)]
async fn health_and_readiness_are_json() {
    let relay = relay(|_| {});
    let (head, body) = ask(&relay, "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(
        (status(&head), body.as_str()),
        (200, r#"{"status":"ok","peers":0}"#)
    );
    assert!(head.contains("Content-Type: application/json"), "{head}");
    let (head, body) = ask(&relay, "GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!((status(&head), body.as_str()), (200, r#"{"ready":true}"#));
}

#[tokio::test(start_paused = true)]
async fn an_upgrade_is_answered_by_the_book() {
    let relay = relay(|_| {});
    let (_wire, head) = Wire::request(dial(&relay), UPGRADE).await;
    assert_eq!(status(&head), 101);
    // The example of RFC 6455, 1.3.
    assert!(
        head.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"),
        "{head}"
    );
    // Exactly this: there are clients that compare the whole value, and small ones the names by
    // case.
    assert!(head.contains("\r\nConnection: Upgrade\r\n"), "{head}");
    assert!(head.contains("\r\nUpgrade: websocket\r\n"), "{head}");
}

#[tokio::test(start_paused = true)]
async fn upgrades_of_many_spellings_are_accepted() {
    let relay = relay(|_| {});
    for request in [
        upgrade_with("GET /", "GET /any/path?room=1&token=x"),
        upgrade_with("Upgrade: websocket", "Upgrade: WebSocket"),
        upgrade_with("Connection: Upgrade", "Connection: keep-alive, Upgrade"),
        upgrade_with("Connection: Upgrade", "connection: upgrade"),
        upgrade_with("Upgrade: websocket", "Upgrade: h2c, websocket"),
        upgrade_with("Host: localhost", "Host: [2001:db8::7]:4444"),
        upgrade_with("Host: localhost", "Host: my_relay.internal"),
        upgrade_with("Host: localhost", "Host:"),
        // As nginx asks its backends, unless it is told otherwise.
        upgrade_with("HTTP/1.1", "HTTP/1.0"),
        upgrade_with(
            "Host: localhost\r\n",
            "Host: localhost\r\nOrigin: https://evil.example\r\n",
        ),
    ] {
        let (_wire, head) = Wire::request(dial(&relay), &request).await;
        assert_eq!(status(&head), 101, "{request}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_subprotocol_is_chosen_and_no_extension() {
    let relay = relay(|_| {});
    let offer = "Host: localhost\r\nSec-WebSocket-Protocol: a, b\r\n\
        Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n";
    let (_wire, head) =
        Wire::request(dial(&relay), &upgrade_with("Host: localhost\r\n", offer)).await;
    assert_eq!(status(&head), 101);
    assert!(head.contains("\r\nSec-WebSocket-Protocol: a\r\n"), "{head}");
    assert!(!head.contains("Sec-WebSocket-Extensions"), "{head}");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_chosen_where_no_subprotocol_is_offered() {
    let relay = relay(|_| {});
    for offer in [
        "",
        "Sec-WebSocket-Protocol:\r\n",
        "Sec-WebSocket-Protocol: ,\r\n",
    ] {
        let request = UPGRADE.replace("Host", &format!("{offer}Host"));
        let (_wire, head) = Wire::request(dial(&relay), &request).await;
        assert_eq!(status(&head), 101, "{offer}");
        assert!(!head.contains("Sec-WebSocket-Protocol"), "{offer}: {head}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_upgrade_to_something_else_is_ignored() {
    let relay = relay(|_| {});
    // As curl --http2 and Java's client ask.
    let h2c = "Host: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n";
    for (path, expected) in [("/", "okay"), ("/healthz", r#"{"status":"ok","peers":0}"#)] {
        let (head, body) = ask(&relay, &format!("GET {path} HTTP/1.1\r\n{h2c}")).await;
        assert_eq!((status(&head), body.as_str()), (200, expected));
        assert!(!head.contains("Upgrade"), "{head}");
    }
    let refusals = relay.stats().refusals;
    assert!(
        refusals.iter().all(|(_, count)| *count == 0),
        "{refusals:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_request_says_once_for_which_host_it_is() {
    let relay = relay(|_| {});
    for (expected, head) in [
        (200, "HTTP/1.1\r\nHost: relay.example:4444"),
        (200, "HTTP/1.1\r\nHost:"),
        (200, "HTTP/1.0"),
        (200, "HTTP/1.0\r\nHost: a"),
        (400, "HTTP/1.1"),
        (400, "HTTP/1.1\r\nHost: a\r\nHost: a"),
        (400, "HTTP/1.0\r\nHost: a\r\nHost: b"),
        (400, "HTTP/1.1\r\nHost: a/b"),
    ] {
        let (answer, body) = ask(&relay, &format!("GET /readyz {head}\r\n\r\n")).await;
        assert_eq!(status(&answer), expected, "{head}");
        assert!(!body.is_empty(), "{head}");
    }
    let bad = (RefusalCause::BadRequest, 4);
    assert!(relay.stats().refusals.contains(&bad));
}

#[tokio::test(start_paused = true)]
async fn cookies_of_a_whole_domain_long_paths_and_many_headers_are_accepted() {
    let relay = relay(|_| {});
    for request in [
        upgrade_with("Host", &format!("Cookie: {}\r\nHost", "x".repeat(9_000))),
        upgrade_with("GET /", &format!("GET /{}", "x".repeat(9_000))),
        upgrade_with("Host", &format!("{}Host", "X-Proxy: 1\r\n".repeat(400))),
    ] {
        let (_wire, head) = Wire::request(dial(&relay), &request).await;
        assert_eq!(status(&head), 101);
    }
}

#[tokio::test(start_paused = true)]
async fn whatever_is_refused_says_why() {
    let relay = relay(|config| {
        config.core.message_bytes_max = 1_024;
        config.header_bytes_max = 100_000;
    });
    let long = |bytes| "x".repeat(bytes);
    for (expected, request) in [
        (400, "\x16\x03\x01\x02".to_owned()),
        (400, upgrade_with("Host", "no colon\r\nHost")),
        (
            400,
            upgrade_with("Host", "Content-Length: 1\r\nContent-Length: 1\r\nHost"),
        ),
        (408, UPGRADE[..50].to_owned()),
        (
            414,
            upgrade_with("GET /", &format!("GET /{}", long(70_000))),
        ),
        (
            431,
            upgrade_with("Host", &format!("X: {}\r\nHost", long(100_000))),
        ),
        (
            431,
            upgrade_with("Host", &format!("{}Host", "X: 1\r\n".repeat(500))),
        ),
    ] {
        let (head, body) = ask(&relay, &request).await;
        assert_eq!(status(&head), expected);
        assert!(body.contains("request"), "{expected}: {body}");
        assert!(
            head.contains(&format!("Content-Length: {}\r\n", body.len())),
            "{head}"
        );
    }
    let bad = (RefusalCause::BadHead, 7);
    assert!(relay.stats().refusals.contains(&bad));
}

#[tokio::test(start_paused = true)]
async fn a_connection_without_a_byte_is_not_refused() {
    let relay = relay(|_| {});
    // One leaves, one is reset, one stays until it is told that its time is up.
    let mut left = dial(&relay);
    left.shutdown().await.expect("open");
    drop(dial(&relay));
    let mut silent = Wire::start(dial(&relay));
    assert_eq!(status(&silent.head().await), 408);
    assert_eq!(Wire::start(left).rest().await, "");
    let refusals = relay.stats().refusals;
    assert!(
        refusals.iter().all(|(_, count)| *count == 0),
        "{refusals:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn broken_upgrades_are_refused() {
    let relay = relay(|_| {});
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let cases = [
        (405, upgrade_with("GET", "POST")),
        (400, upgrade_with("Host: localhost\r\n", "")),
        (
            400,
            upgrade_with("Host: localhost", "Host: localhost\r\nHost: localhost"),
        ),
        (400, upgrade_with("Host: localhost", "Host: a, b")),
        (400, upgrade_with("Host: localhost", "Host: user@localhost")),
        (400, upgrade_with("Upgrade: websocket", "Upgrade: h2c")),
        (400, upgrade_with(key, "")),
        (400, upgrade_with(key, "Sec-WebSocket-Key: short==\r\n")),
        (
            400,
            upgrade_with(key, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZ!==\r\n"),
        ),
        (400, upgrade_with(key, &key.repeat(2))),
        (
            400,
            upgrade_with("Host: localhost", "Host: localhost\r\nContent-Length: 3"),
        ),
        (
            400,
            upgrade_with(
                "Host: localhost",
                "Host: localhost\r\nTransfer-Encoding: chunked",
            ),
        ),
        (426, upgrade_with("Version: 13", "Version: 12")),
        (426, upgrade_with("Version: 13", "Version: 8")),
        (426, upgrade_with("Sec-WebSocket-Version: 13\r\n", "")),
    ];
    for (expected, request) in &cases {
        let (head, body) = ask(&relay, request).await;
        assert_eq!(status(&head), *expected, "{request}");
        assert!(!body.is_empty(), "a person can read why: {request}");
        assert!(
            *expected != 426 || head.contains("Sec-WebSocket-Version: 13"),
            "{head}"
        );
    }
    let refused = relay.stats().refusals;
    assert!(
        refused.contains(&(RefusalCause::BadRequest, cases.len() as u64)),
        "{refused:?}"
    );
    assert_eq!(relay.stats().peers, 0);
}

#[tokio::test(start_paused = true)]
async fn a_full_relay_refuses_before_the_upgrade() {
    let relay = relay(|config| config.peers_max = 1);
    let first = open(&relay).await;
    let (head, body) = ask(&relay, UPGRADE).await;
    assert_eq!(status(&head), 503);
    let wait = retry_after(&head);
    assert!((10..=20).contains(&wait), "{head}");
    assert!(body.contains("full"), "{body}");
    let (head, _) = ask(&relay, "GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(status(&head), 503);
    drop(first);
    common::until(&relay, "the first has gone", |stats| stats.peers == 0).await;
    drop(open(&relay).await);
}

/// Sends an upgrade from an address.
async fn knock(relay: &Relay, remote: &str) -> (Wire<tokio::io::DuplexStream>, String) {
    Wire::request(dial_from(relay, remote), UPGRADE).await
}

#[tokio::test(start_paused = true)]
async fn one_address_cannot_take_all_places() {
    let relay = relay(|config| config.addresses.peers_per_ip_max = 1);
    let (_first, head) = knock(&relay, "203.0.113.7:1000").await;
    assert_eq!(status(&head), 101);
    let (mut second, head) = knock(&relay, "203.0.113.7:1001").await;
    assert_eq!(status(&head), 429);
    assert!(head.contains("Retry-After: "), "{head}");
    assert!(second.rest().await.contains("your address"));
    let (_other, head) = knock(&relay, "203.0.113.8:1000").await;
    assert_eq!(status(&head), 101);
}

#[tokio::test(start_paused = true)]
async fn an_authorizer_decides_before_the_upgrade() {
    let judge = |request: &UpgradeRequest<'_>| match request.uri.query() {
        Some("token=good") => Ok(Grant::open()),
        _ => Err(Refusal::new(401, "no such token")),
    };
    let relay = Relay::with_authorizer(Config::default(), judge).expect("valid settings");
    let (head, body) = ask(&relay, UPGRADE).await;
    assert_eq!((status(&head), body.as_str()), (401, "no such token"));
    assert_eq!(
        relay.stats().peers,
        0,
        "a refused peer gives its place back"
    );
    let (_wire, head) =
        Wire::request(dial(&relay), &upgrade_with("GET /", "GET /?token=good")).await;
    assert_eq!(status(&head), 101);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_never_ends_is_answered_408() {
    let relay = relay(|_| {});
    let mut io = dial(&relay);
    let start = tokio::time::Instant::now();
    let slowloris = async {
        io.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
            .await?;
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            io.write_all(b"X-Slow: 1\r\n").await?;
            if start.elapsed() > Duration::from_secs(60) {
                return Ok::<_, std::io::Error>(());
            }
        }
    };
    assert!(
        slowloris.await.is_err(),
        "the relay went on listening for a minute"
    );
    assert!(
        start.elapsed() < Duration::from_secs(8),
        "closed only after {:?}",
        start.elapsed()
    );

    let (mut wire, head) =
        Wire::request(dial(&relay), "GET / HTTP/1.1\r\nHost: localhost\r\n").await;
    assert_eq!(status(&head), 408);
    assert!(wire.rest().await.contains("too long"));
    let bad_heads = relay
        .stats()
        .refusals
        .into_iter()
        .find(|(cause, _)| *cause == RefusalCause::BadHead);
    assert_eq!(bad_heads.map(|(_, count)| count), Some(2));
}

#[tokio::test(start_paused = true)]
async fn a_slow_authorizer_does_not_hold_a_place_forever() {
    struct Never;
    impl signal_tokio::Authorizer for Never {
        fn authorize<'a>(&'a self, _: &'a UpgradeRequest<'a>) -> signal_tokio::Authorization<'a> {
            Box::pin(std::future::pending())
        }
    }
    let relay = Relay::with_authorizer(Config::default(), Never).expect("valid settings");
    let asking = tokio::spawn({
        let io = dial(&relay);
        async move { Wire::request(io, UPGRADE).await.1 }
    });
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(relay.stats().peers, 1);
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(relay.stats().peers, 0);
    assert_eq!(status(&asking.await.expect("an answer")), 503);
}

#[tokio::test(start_paused = true)]
async fn too_many_or_too_large_headers_are_answered_431() {
    let relay = relay(|_| {});
    let many = UPGRADE.replace("\r\n\r\n", &format!("\r\n{}\r\n", "X-A: 1\r\n".repeat(600)));
    let large = UPGRADE.replace(
        "\r\n\r\n",
        &format!("\r\nX-Large: {}\r\n\r\n", "x".repeat(17_000)),
    );
    for request in [many, large] {
        let (head, _) = ask(&relay, &request).await;
        assert_eq!(status(&head), 431);
    }
    let some = UPGRADE.replace("\r\n\r\n", &format!("\r\n{}\r\n", "X-A: 1\r\n".repeat(50)));
    let (_wire, head) = Wire::request(dial(&relay), &some).await;
    assert_eq!(status(&head), 101);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_http_is_closed() {
    let relay = relay(|_| {});
    let (head, _) = ask(&relay, "\x16\x03\x01\x02\x00\x01\x00\r\n\r\n").await;
    assert_eq!(status(&head), 400);
    assert_eq!(relay.stats().peers, 0);
}
