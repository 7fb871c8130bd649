//! What the Worker answers itself, and whom it refuses before an object is woken.

use std::time::Duration;

use signal_testwire::{Answer, Wire, retry_after, until};
use tokio::net::TcpStream;

use crate::client::Client;
use crate::server::{Workerd, get, request};
use crate::workerd;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plain_requests_are_answered_without_an_object() {
    let Some(server) = workerd("front-plain", &[]).await else {
        return;
    };
    let health = get(server.relay_port, "/healthz", &[]).await.unwrap();
    assert_eq!(
        (health.status, health.body.as_str()),
        (200, r#"{"status":"ok"}"#)
    );
    let limits = get(server.relay_port, "/limits", &[]).await.unwrap();
    let topics_max = r#""topics_per_peer_max":1000"#;
    assert!(limits.body.contains(topics_max), "{limits:?}");
    for method in ["GET", "POST", "DELETE"] {
        let okay = request(server.relay_port, method, "/any?x=1", &[])
            .await
            .unwrap();
        assert_eq!((okay.status, okay.body.as_str()), (200, "okay"), "{method}");
        assert_eq!(okay.header("access-control-allow-origin"), Some("*"));
    }
    let asks = [
        ("Origin", "https://app.example"),
        ("Access-Control-Request-Method", "GET"),
    ];
    let preflight = request(server.relay_port, "OPTIONS", "/healthz", &asks)
        .await
        .unwrap();
    assert_eq!(preflight.status, 204, "{preflight:?}");
    let start = r#"{"event":"start","who_may_come_in":"anyone, to every topic"}"#;
    assert_eq!(
        server.log().trim(),
        start,
        "nothing else of it is worth a line"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_of_other_origins_are_refused_with_403() {
    let origins = ("SIGNAL_ORIGINS", "https://app.example, https://two.example");
    let Some(server) = workerd("front-origin", &[origins]).await else {
        return;
    };
    for (origin, status) in [
        ("https://app.example", 101),
        ("https://two.example", 101),
        ("https://evil.example", 403),
    ] {
        assert_eq!(
            upgrade(&server, "/", &[("Origin", origin)]).await.status,
            status,
            "{origin}"
        );
    }
    assert_eq!(
        upgrade(&server, "/", &[]).await.status,
        101,
        "a program that is not a browser sends none"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_has_so_many_connections_and_no_more() {
    let Some(server) = workerd("front-address", &[("SIGNAL_PEERS_PER_IP_MAX", "2")]).await else {
        return;
    };
    let from = |ip: &'static str| [("CF-Connecting-IP", ip)];
    let one = Client::connect_from(&server, "203.0.113.7").await;
    let _two = Client::connect_from(&server, "203.0.113.7").await;
    let answer = upgrade(&server, "/", &from("203.0.113.7")).await;
    assert_eq!(answer.status, 429, "{answer:?}");
    assert_eq!(answer.header("retry-after"), Some("30"));
    assert_eq!(
        upgrade(&server, "/", &from("203.0.113.8")).await.status,
        101,
        "another address"
    );
    let forged = [
        ("X-Forwarded-For", "203.0.113.9"),
        ("CF-Connecting-IP", "203.0.113.7"),
    ];
    assert_eq!(
        upgrade(&server, "/", &forged).await.status,
        429,
        "no other header is believed"
    );

    // The count outlasts a sleep, and one that leaves makes room.
    server.evict("global").await.unwrap();
    assert_eq!(
        upgrade(&server, "/", &from("203.0.113.7")).await.status,
        429
    );
    drop(one);
    until("room for one", || async {
        upgrade(&server, "/", &from("203.0.113.7")).await.status == 101
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_object_refuses_with_503() {
    let Some(server) = workerd("front-full", &[("SIGNAL_PEERS_MAX", "1")]).await else {
        return;
    };
    let mut ann = Client::connect(&server, "/").await;
    let answer = upgrade(&server, "/", &[]).await;
    assert_eq!(answer.status, 503, "{answer:?}");
    let wait = retry_after(&answer.head);
    assert!((10..=20).contains(&wait), "{answer:?}");
    ann.close(Some(1000)).await;
    assert_eq!(upgrade(&server, "/", &[]).await.status, 101);
}

/// Comes in, and is closed for what it sends.
async fn offend(server: &Workerd, ip: &str) {
    let mut eve = Client::connect_from(server, ip).await;
    for _ in 0..11 {
        eve.send("no json").await;
    }
    assert_eq!(eve.closed().await.0, 1007);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_whose_peers_break_limits_again_and_again_is_refused_for_a_while() {
    let variables = [
        ("SIGNAL_CLOSE_HOLD", "0.1"),
        ("SIGNAL_REFUSE_AFTER_CLOSE", "3"),
        ("SIGNAL_OFFENCES_PER_MINUTE_PER_IP", "2"),
    ];
    let Some(server) = workerd("front-refused", &variables).await else {
        return;
    };
    for _ in 0..3 {
        offend(&server, "203.0.113.7").await;
    }
    let answer = upgrade(&server, "/", &[("CF-Connecting-IP", "203.0.113.7")]).await;
    assert_eq!(answer.status, 429, "{answer:?}");
    assert!(
        answer.body.contains("were closed for breaking"),
        "{answer:?}"
    );
    assert_eq!(
        upgrade(&server, "/", &[("CF-Connecting-IP", "203.0.113.8")])
            .await
            .status,
        101
    );
    until("the end of it", || async {
        upgrade(&server, "/", &[("CF-Connecting-IP", "203.0.113.7")])
            .await
            .status
            == 101
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_one_behaves_its_neighbours_are_let_in_whatever_another_does() {
    let variables = [
        ("SIGNAL_CLOSE_HOLD", "0.05"),
        ("SIGNAL_OFFENCES_PER_MINUTE_PER_IP", "1"),
    ];
    let Some(server) = workerd("front-neighbours", &variables).await else {
        return;
    };
    let mut ann = Client::connect_from(&server, "203.0.113.7").await;
    server
        .advance("global", Duration::from_secs(20))
        .await
        .unwrap();
    for _ in 0..3 {
        offend(&server, "203.0.113.7").await;
    }
    // And so after a sleep, in which what they did was forgotten.
    server.evict("global").await.unwrap();
    for _ in 0..3 {
        offend(&server, "203.0.113.7").await;
    }
    let _ben = Client::connect_from(&server, "203.0.113.7").await;
    ann.settle().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_networks_of_one_ipv6_site_share_a_limit_and_all_workers_have_one() {
    let variables = [
        ("SIGNAL_PEERS_PER_IP_MAX", "1"),
        ("SIGNAL_PEERS_PER_SITE_MAX", "2"),
    ];
    let Some(server) = workerd("front-site", &variables).await else {
        return;
    };
    let from = |ip: &'static str| [("CF-Connecting-IP", ip)];
    let _one = Client::connect_from(&server, "2001:db8:1:1::1").await;
    let _two = Client::connect_from(&server, "2001:db8:1:2::1").await;
    let answer = upgrade(&server, "/", &from("2001:db8:1:3::1")).await;
    assert_eq!(answer.status, 429, "{answer:?}");
    assert!(answer.body.contains("your network"), "{answer:?}");
    assert_eq!(
        upgrade(&server, "/", &from("2001:db8:2::1")).await.status,
        101
    );

    // Requests of all Workers have one address.
    let _three = Client::connect_from(&server, "2a06:98c0:3600::103").await;
    let _four = Client::connect_from(&server, "2a06:98c0:3600::103").await;
    let answer = upgrade(&server, "/", &from("2a06:98c0:3600::103")).await;
    assert!(answer.body.contains("your network"), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subprotocol_is_answered_if_one_is_offered() {
    let Some(server) = workerd("front-subprotocol", &[]).await else {
        return;
    };
    for (offered, answered) in [
        (None, None),
        (Some(""), None),
        (Some(" , "), None),
        (Some("chat, v2"), Some("chat")),
        (Some(", chat"), Some("chat")),
        (Some("a.b.c, signal-token"), Some("signal-token")),
    ] {
        let headers = offered.map(|offered| ("Sec-WebSocket-Protocol", offered));
        let answer = upgrade(&server, "/", headers.as_slice()).await;
        assert_eq!(answer.status, 101, "{offered:?}");
        let header = answer.header("sec-websocket-protocol");
        assert_eq!(header, answered, "{offered:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rooms_are_apart_and_have_a_name() {
    let Some(server) = workerd("front-rooms", &[("SIGNAL_ROOMS", "by-name")]).await else {
        return;
    };
    let mut one = Client::connect(&server, "/room/one").await;
    let mut same = Client::connect(&server, "/?room=one").await;
    let mut two = Client::connect(&server, "/room/two").await;
    for client in [&mut one, &mut same, &mut two] {
        client.subscribe("garden").await;
    }
    one.publish("garden", "x").await;
    assert_eq!(one.receive_publish("garden", "x").await, 2);
    assert_eq!(same.receive_publish("garden", "x").await, 2);
    two.receive_nothing().await;
    assert_eq!(upgrade(&server, "/", &[]).await.status, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn origins_may_be_a_list_and_the_log_says_who_may_come_in() {
    let variables = [("JSON SIGNAL_ORIGINS", r#"["https://a.example"]"#)];
    let Some(server) = workerd("front-origins", &variables).await else {
        return;
    };
    for (origin, status) in [
        ("https://a.example", 101),
        ("https://a.example/", 101),
        // The `Host` of these requests.
        ("http://localhost", 101),
        ("https://b.example", 403),
        ("null", 403),
        ("http://127.0.0.1:1", 403),
    ] {
        let asked = upgrade(&server, "/", &[("Origin", origin)]).await;
        assert_eq!(asked.status, status, "{origin}");
    }
    let start = r#"{"event":"start","who_may_come_in":"anyone, to every topic; origins https://a.example"}"#;
    assert_eq!(server.log().matches(start).count(), 1, "{}", server.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_setting_that_cannot_be_used_is_named_in_the_log_and_nobody_is_let_in() {
    for (number, (variable, value, named)) in [
        (
            "SIGNAL_PEERS_MAX",
            "many",
            "SIGNAL_PEERS_MAX is many, but must be a whole number",
        ),
        (
            "JSON SIGNAL_PEERS_MAX",
            "[5]",
            "SIGNAL_PEERS_MAX is a list of something else than texts, but must be",
        ),
        (
            "SIGNAL_PEER_MAX",
            "5",
            "SIGNAL_PEER_MAX is not a variable of this relay",
        ),
        (
            "ALLOWED_ORIGINS",
            "https://a.example",
            "ALLOWED_ORIGINS is not read; write SIGNAL_ORIGINS",
        ),
        ("SIGNAL_ORIGINS", "", "SIGNAL_ORIGINS is empty"),
        ("JSON SIGNAL_ORIGINS", "[]", "SIGNAL_ORIGINS is empty"),
        (
            "JSON SIGNAL_ORIGINS",
            "[5]",
            "SIGNAL_ORIGINS is a list of something else than texts",
        ),
        ("JSON SIGNAL_ORIGINS", "null", "SIGNAL_ORIGINS is null"),
        ("JSON TOKEN_KEYS", "null", "TOKEN_KEYS is null"),
        ("JSON TOKEN_KEYS", "{}", "TOKEN_KEYS cannot be used"),
        (
            "JSON TOKEN_KEYS",
            "false",
            "TOKEN_KEYS is a number or a boolean",
        ),
        (
            "TOKEN_AUDIENCE",
            "",
            "TOKEN_AUDIENCE is set, but the secret TOKEN_KEYS is not set",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("front-settings-{number}");
        let Some(server) = workerd(&name, &[(variable, value)]).await else {
            return;
        };
        assert_eq!(
            upgrade(&server, "/", &[]).await.status,
            500,
            "{variable} = {value}"
        );
        assert!(server.log().contains(named), "{}", server.log());
    }
}

/// The Worker has refused everyone already. Should a request reach an object all the same, it must
/// not be served by limits that nobody has set.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_with_a_setting_that_cannot_be_used_serves_nobody() {
    let variables = [("OBJECT_SIGNAL_DEPTH_MAX", "deep")];
    let Some(server) = workerd("front-object", &variables).await else {
        return;
    };
    let answer = upgrade(&server, "/", &[]).await;
    assert_eq!(answer.status, 500, "{answer:?}");
    assert!(
        answer
            .body
            .ends_with("this relay is misconfigured; its log says how"),
        "{answer:?}"
    );
    let log = server.log();
    assert!(
        log.contains("SIGNAL_DEPTH_MAX is deep, but must be a whole number"),
        "{log}"
    );
}

/// Attempts an upgrade.
pub(crate) async fn upgrade(server: &Workerd, path: &str, headers: &[(&str, &str)]) -> Answer {
    let stream = TcpStream::connect(("127.0.0.1", server.relay_port)).await;
    let request = signal_testwire::upgrade(path, headers);
    Wire::ask(stream.expect("the Worker listens"), &request).await
}
