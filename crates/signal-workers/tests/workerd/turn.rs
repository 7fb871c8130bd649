//! Credentials for TURN servers, judged like an upgrade and without an object.

use signal_access::{Claims, TokenSigner, TurnServers, UnixTime};
use std::time::Duration;

use crate::front::upgrade;
use crate::server::{get, request};
use crate::workerd;

const SECRET: &str = "0123456789abcdef0123456789abcdef";
/// Known to everybody who reads this.
const KEY: &str = r#"{"kty":"oct","alg":"HS256","kid":"a","k":"dGhpcyBrZXkgaXMgZm9yIHRlc3RzIGFuZCBkb2NzIG9ubHk"}"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_who_may_come_in_are_given_turn_credentials() {
    let variables = [
        ("TURN_URLS", "turn:turn.example.org:3478"),
        ("STORE_TURN_SECRET", SECRET),
        ("TURN_TTL", "3600"),
        ("TOKEN_KEYS", KEY),
        ("SIGNAL_ORIGINS", "https://app.example"),
    ];
    let Some(server) = workerd("turn-given", &variables).await else {
        return;
    };
    let mut claims = Claims::until(UnixTime::from_millis(server.now().as_millis() + 600_000));
    claims.subject = Some("ann".to_owned());
    let token = TokenSigner::new(KEY).unwrap().sign(&claims).unwrap();
    let path = format!("/turn?token={token}");
    let page = [("Origin", "https://app.example")];
    let answer = get(server.relay_port, &path, &page).await.unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let allowed = answer.header("access-control-allow-origin");
    assert_eq!(allowed, Some("https://app.example"));
    let told: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    let given = &told["iceServers"][0];
    assert_eq!(given["urls"][0], "turn:turn.example.org:3478");
    assert!(
        told["ttl"].as_u64().unwrap() <= 600,
        "no longer than the token"
    );
    let username = given["username"].as_str().unwrap();
    assert_eq!(username, format!("{}:ann", claims.expires.as_secs()));
    let urls = "turn:a".parse().unwrap();
    let servers = TurnServers::new(urls, SECRET, Duration::ZERO).unwrap();
    let wanted = servers.credentials(claims.expires, None, Some("ann"));
    assert_eq!(given["credential"], wanted.credential);

    let evil = [("Origin", "https://evil.example")];
    for (path, headers, status) in [
        ("/turn", &page, 401),
        (&*format!("{path}x"), &page, 401),
        (&*path, &evil, 403),
    ] {
        let answer = get(server.relay_port, path, headers).await.unwrap();
        assert_eq!(answer.status, status, "{answer:?}");
        assert!(!answer.body.contains("credential"), "{answer:?}");
    }
    let answer = request(server.relay_port, "POST", &path, &[])
        .await
        .unwrap();
    assert_eq!(answer.status, 405);
    assert_eq!(server.wakes(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_turn_servers_there_is_nothing_and_half_of_them_lets_nobody_in() {
    let Some(server) = workerd("turn-none", &[]).await else {
        return;
    };
    let answer = get(server.relay_port, "/turn", &[]).await.unwrap();
    assert_eq!(answer.status, 404, "{answer:?}");
    assert_eq!(answer.body, "this relay has no TURN servers");

    let half = [("TURN_URLS", "turn:turn.example.org")];
    let Some(server) = workerd("turn-half", &half).await else {
        return;
    };
    assert_eq!(upgrade(&server, "/", &[]).await.status, 500);
    let said = "TURN_URLS is set, but TURN_SECRET is not";
    assert!(server.log().contains(said), "{}", server.log());
}
