//! `GET /turn`: credentials for TURN servers, for those who may come in.

#![cfg(feature = "tokens")]

mod common;

use std::time::{Duration, SystemTime};

use common::{Wire, ask, config, count, dial_from, header, retry_after, status, upgrade};
use serde_json::Value;
use signal_tokio::signal_access::{
    Access, Algorithm, Claims, NewKey, Origins, TokenSigner, TokenVerifier, TurnServers, UnixTime,
};
use signal_tokio::{AccessAuthorizer, Config, RefusalCause, Relay, TopicSet};

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const HOUR: u64 = 3_600;

fn servers(secret: &str) -> TurnServers {
    let urls = "turn:turn.example.org:3478?transport=udp"
        .parse()
        .expect("an address");
    TurnServers::new(urls, secret, Duration::from_secs(HOUR)).expect("a secret")
}

fn relay(access: Access) -> Relay {
    relay_with(Config::default(), access)
}

fn relay_with(config: Config, access: Access) -> Relay {
    let relay = Relay::with_authorizer(config, AccessAuthorizer::new(access));
    let relay = relay.expect("valid settings");
    relay.set_turn_servers(servers(SECRET));
    relay
}

fn now() -> UnixTime {
    UnixTime::since_1970(SystemTime::UNIX_EPOCH.elapsed().expect("after 1970"))
}

fn get(target: &str, headers: &[(&str, &str)]) -> String {
    request("GET", target, headers)
}

fn request(method: &str, target: &str, headers: &[(&str, &str)]) -> String {
    let headers = headers.iter();
    let headers: String = headers
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    format!("{method} {target} HTTP/1.1\r\nHost: relay.example\r\n{headers}\r\n")
}

/// The head of the answer, and its body.
async fn answer(relay: &Relay, request: &str) -> (String, String) {
    let (mut wire, head) = ask(relay, request).await;
    (head, wire.rest().await)
}

/// The credentials in an answer: user name, password and how long they are good for.
#[track_caller]
fn credentials((head, body): &(String, String)) -> (String, String, u64) {
    assert_eq!(status(head), 200, "{head}{body}");
    assert_eq!(header(head, "content-type"), Some("application/json"));
    assert_eq!(header(head, "cache-control"), Some("no-store"));
    let answer: Value = serde_json::from_str(body).expect("JSON");
    let [server] = &answer["iceServers"].as_array().expect("servers")[..] else {
        panic!("{body}")
    };
    let urls = serde_json::json!(["turn:turn.example.org:3478?transport=udp"]);
    assert_eq!(server["urls"], urls);
    let text = |name: &str| server[name].as_str().expect("a text").to_owned();
    let ttl = answer["ttl"].as_u64().expect("a number");
    (text("username"), text("credential"), ttl)
}

/// The end that a user name names, and the user.
#[track_caller]
fn parts(username: &str) -> (u64, &str) {
    let (end, user) = username.split_once(':').expect("a colon");
    (end.parse().expect("a time"), user)
}

#[tokio::test]
async fn an_open_relay_gives_everyone_credentials_with_an_end() {
    let relay = relay(Access::default());
    let before = now().as_secs();
    let (username, credential, ttl) = credentials(&answer(&relay, &get("/turn", &[])).await);
    let (end, user) = parts(&username);
    assert!((before + HOUR..=now().as_secs() + HOUR).contains(&end));
    assert_eq!((user, ttl), ("guest", HOUR));
    // What the user name and the secret make, and no other secret.
    let again = |secret| {
        let ttl = Duration::from_secs(HOUR);
        let asked_at = UnixTime::from_secs(end - HOUR);
        let urls = "turn:a".parse().expect("an address");
        let servers = TurnServers::new(urls, secret, ttl).expect("a secret");
        servers.credentials(asked_at, None, None).credential
    };
    assert_eq!(credential, again(SECRET));
    assert_ne!(credential, again("another secret of some length"));
    assert_eq!(relay.stats().turn_credentials, 1);
    assert_eq!(relay.stats().peers, 0, "its place is free again");
}

#[tokio::test]
async fn who_may_not_come_in_is_given_none() {
    let key = NewKey::from_seed(Algorithm::EdDsa, None, [1; 32]);
    let signer = TokenSigner::new(&key.private_jwk()).expect("a key");
    let access = Access {
        origins: Origins::new(["https://app.example.org"]).expect("an origin"),
        tokens: Some(TokenVerifier::new(&key.public_jwk().expect("a pair")).expect("a key")),
    };
    let relay = relay(access);
    let token = |seconds| {
        let mut claims = Claims::until(now().saturating_add(Duration::from_secs(seconds)));
        claims.subject = Some("ann b".to_owned());
        claims.subscribe = TopicSet::All;
        signer.sign(&claims).expect("claims")
    };
    let good = token(600);

    let refused = answer(&relay, &get("/turn", &[])).await;
    assert_eq!(status(&refused.0), 401);
    assert_eq!(header(&refused.0, "www-authenticate"), Some("Bearer"));
    assert!(!refused.1.contains("credential"), "{}", refused.1);
    let spoilt = format!("/turn?token={good}x");
    assert_eq!(status(&answer(&relay, &get(&spoilt, &[])).await.0), 401);

    let elsewhere = [("Origin", "https://elsewhere.example.org")];
    let path = format!("/turn?token={good}");
    let (head, _) = answer(&relay, &get(&path, &elsewhere)).await;
    assert_eq!(status(&head), 403);
    assert_eq!(header(&head, "access-control-allow-origin"), None);
    assert_eq!(relay.stats().turn_credentials, 0);

    let bearer = format!("Bearer {good}");
    for (target, headers) in [
        (path.as_str(), vec![]),
        ("/turn", vec![("Authorization", bearer.as_str())]),
        (path.as_str(), vec![("Origin", "https://app.example.org")]),
    ] {
        let (username, _, ttl) = credentials(&answer(&relay, &get(target, &headers)).await);
        let (end, user) = parts(&username);
        assert_eq!(user, "ann%20b");
        assert!(ttl <= 600, "{ttl} is longer than the token");
        assert!(end <= now().as_secs() + 600);
    }
    let long = format!("/turn?token={}", token(2 * HOUR));
    let (_, _, ttl) = credentials(&answer(&relay, &get(&long, &[])).await);
    assert_eq!(ttl, HOUR);
    assert_eq!(relay.stats().turn_credentials, 4);
    assert_eq!(count(&relay, RefusalCause::Unauthorized), 2);
    assert_eq!(count(&relay, RefusalCause::Origin), 1);
}

#[tokio::test]
async fn a_page_may_read_the_answer_and_why_it_is_refused() {
    let key = NewKey::from_seed(Algorithm::EdDsa, None, [1; 32]);
    let access = Access {
        tokens: Some(TokenVerifier::new(&key.public_jwk().expect("a pair")).expect("a key")),
        ..Access::default()
    };
    let page = [("Origin", "https://app.example.org")];
    let [open, closed] = [Access::default(), access].map(relay);
    for (relay, wanted) in [(&open, 200), (&closed, 401)] {
        let (head, _) = answer(relay, &get("/turn", &page)).await;
        assert_eq!(status(&head), wanted);
        let allowed = header(&head, "access-control-allow-origin");
        assert_eq!(allowed, Some("https://app.example.org"));
        assert_eq!(header(&head, "vary"), Some("Origin"));
        assert_eq!(header(&head, "cache-control"), Some("no-store"));
    }
    let asks = [
        page[0],
        ("Access-Control-Request-Method", "GET"),
        ("Access-Control-Request-Headers", "authorization"),
    ];
    let (head, body) = answer(&closed, &request("OPTIONS", "/turn", &asks)).await;
    assert_eq!((status(&head), body.as_str()), (204, ""));
    assert_eq!(header(&head, "access-control-allow-origin"), Some("*"));
    let allowed = header(&head, "access-control-allow-headers");
    assert_eq!(allowed, Some("authorization"));
    let (head, body) = answer(&open, &request("HEAD", "/turn", &[])).await;
    assert_eq!((status(&head), body.as_str()), (200, ""));
    let (head, _) = answer(&open, &request("POST", "/turn", &[])).await;
    assert_eq!(status(&head), 405);
    assert_eq!(header(&head, "allow"), Some("GET, HEAD, OPTIONS"));
}

/// Upgrades and requests for credentials have one budget, and so have those that are refused.
#[tokio::test(start_paused = true)]
async fn an_address_may_ask_as_often_as_it_may_connect() {
    let knock = async |relay: &Relay, request: &str| {
        let (_, head) = Wire::request(dial_from(relay, "203.0.113.7:1000"), request).await;
        head
    };
    let relay = relay_with(
        config(|config| config.addresses.connects_per_minute_per_ip = 3),
        Access::default(),
    );
    for _ in 0..3 {
        assert_eq!(status(&knock(&relay, &get("/turn", &[])).await), 200);
    }
    let head = knock(&relay, &get("/turn", &[])).await;
    assert_eq!((status(&head), retry_after(&head)), (429, 20));
    assert_eq!(status(&knock(&relay, &upgrade("/", &[])).await), 429);
    assert_eq!(count(&relay, RefusalCause::ConnectRate), 2);
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(status(&knock(&relay, &get("/turn", &[])).await), 200);

    let key = NewKey::from_seed(Algorithm::EdDsa, None, [1; 32]);
    let access = Access {
        tokens: Some(TokenVerifier::new(&key.public_jwk().expect("a pair")).expect("a key")),
        ..Access::default()
    };
    let relay = relay_with(
        config(|config| config.addresses.connects_per_minute_per_ip = 3),
        access,
    );
    for _ in 0..3 {
        let head = knock(&relay, &get("/turn?token=wrong", &[])).await;
        assert_eq!(status(&head), 401);
    }
    let head = knock(&relay, &get("/turn?token=wrong", &[])).await;
    assert_eq!(status(&head), 429);
    assert_eq!(count(&relay, RefusalCause::DeniedBefore), 1);
}

#[tokio::test]
async fn a_relay_without_turn_servers_says_so_and_one_that_ends_gives_nothing() {
    let relay = Relay::new(Config::default()).expect("valid settings");
    let (head, body) = answer(&relay, &get("/turn", &[])).await;
    assert_eq!(status(&head), 404);
    assert_eq!(body, "this relay has no TURN servers");
    relay.set_turn_servers(servers(SECRET));
    credentials(&answer(&relay, &get("/turn", &[])).await);
    let (head, body) = answer(&relay, &get("/turn/", &[])).await;
    assert_eq!((status(&head), body.as_str()), (200, "okay"));
    let (_wire, head) = ask(&relay, &upgrade("/turn", &[])).await;
    assert_eq!(status(&head), 101, "an upgrade is one, whatever its path");
    drop(_wire);
    let no_host = "GET /turn HTTP/1.1\r\n\r\n";
    assert_eq!(status(&answer(&relay, no_host).await.0), 400);

    relay.set_turn_servers(None);
    assert_eq!(status(&answer(&relay, &get("/turn", &[])).await.0), 404);
    relay.set_turn_servers(servers("another secret of some length"));
    credentials(&answer(&relay, &get("/turn", &[])).await);
    relay.drain().await;
    assert_eq!(status(&answer(&relay, &get("/turn", &[])).await.0), 503);
}
