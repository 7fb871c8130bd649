//! Tokens, judged before an object is woken.

use std::time::Duration;

use signal_access::{Claims, TokenSigner, UnixTime};
use signal_core::TopicSet;
use signal_testwire::until;

use crate::client::Client;
use crate::front::upgrade;
use crate::server::{Workerd, get};
use crate::workerd;

/// Known to everybody who reads this.
const SECRET: &str = r#"{"kty":"oct","alg":"HS256","kid":"a","k":"dGhpcyBrZXkgaXMgZm9yIHRlc3RzIGFuZCBkb2NzIG9ubHk"}"#;
/// The first key of RFC 8032 7.1, and its public half.
const PRIVATE: &str = r#"{"kty":"OKP","crv":"Ed25519","alg":"EdDSA","kid":"b","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"}"#;
const PUBLIC: &str = r#"{"kty":"OKP","crv":"Ed25519","alg":"EdDSA","kid":"b","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_comes_in_without_a_token() {
    let Some(server) = workerd("token-none", &[("TOKEN_KEYS", SECRET)]).await else {
        return;
    };
    let answer = upgrade(&server, "/", &[]).await;
    assert_eq!(answer.status, 401, "{answer:?}");
    assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    assert_eq!(
        answer.body,
        "this relay needs a token: add ?token=… to its address, offer the subprotocols signal-token and \
         the token, or send Authorization: Bearer"
    );

    let answer = upgrade(&server, "/?token=nonsense", &[]).await;
    assert_eq!(answer.status, 401, "{answer:?}");
    let lines: Vec<_> = server.log().lines().map(str::to_owned).collect();
    assert_eq!(
        lines,
        [
            r#"{"event":"start","who_may_come_in":"tokens of 1 key, without an audience"}"#,
            r#"{"event":"refuse","cause":"unauthorized","status":401,"token":"missing"}"#,
            r#"{"event":"refuse","cause":"unauthorized","status":401,"token":"malformed"}"#,
        ],
        "and no object was woken"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_of_either_key_opens_the_door_and_is_seen_no_further() {
    let keys = format!(r#"{{"keys":[{SECRET},{PUBLIC}]}}"#);
    let Some(server) = workerd("token-carriers", &[("TOKEN_KEYS", &keys)]).await else {
        return;
    };
    for key in [SECRET, PRIVATE] {
        let token = sign(key, &claims(&server, 60));
        let query = format!("/?a=1&t%6Fken={token}&b=2");
        let (bearer, offered) = (format!("Bearer {token}"), format!("signal-token, {token}"));
        let carriers: [(&str, &[(&str, &str)]); 3] = [
            (&query, &[]),
            ("/", &[("Authorization", &bearer)]),
            ("/", &[("Sec-WebSocket-Protocol", &offered)]),
        ];
        for (path, headers) in carriers {
            let answer = upgrade(&server, path, headers).await;
            assert_eq!(answer.status, 101, "{path} {answer:?}");
            assert!(!answer.head.contains(&token), "{answer:?}");
            let is_marked = answer.header("sec-websocket-protocol") == Some("signal-token");
            assert_eq!(
                is_marked,
                !headers.is_empty() && headers[0].0.starts_with("Sec"),
                "{answer:?}"
            );

            let told = upgrade(&server, path, &[headers, &[("X-Test-Tell", "1")]].concat()).await;
            let told = told.body;
            assert!(
                told.contains("x-signal-peer"),
                "the object was reached: {told}"
            );
            let (_, _, signature) = parts(&token);
            assert!(!told.contains(signature), "{told}");
        }
        let twice = [
            ("Authorization", bearer.as_str()),
            ("Authorization", bearer.as_str()),
        ];
        assert_eq!(upgrade(&server, "/", &twice).await.status, 400);
        assert_eq!(upgrade(&server, &query, &twice[..1]).await.status, 400);
        let (header, body, signature) = parts(&token);
        for part in [header, body, signature] {
            assert!(!server.log().contains(part), "{}", server.log());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_gives_what_it_says_and_no_more() {
    let Some(server) = workerd("token-grant", &[("TOKEN_KEYS", SECRET)]).await else {
        return;
    };
    let mut only = claims(&server, 60);
    only.subscribe = TopicSet::none().exact("garden").prefix("team-");
    only.publish = TopicSet::none().exact("garden");
    let mut ann = Client::connect_with_token(&server, &sign(SECRET, &only)).await;
    let mut bob = Client::connect_with_token(&server, &sign(SECRET, &claims(&server, 60))).await;
    for topic in ["garden", "team-1", "kitchen"] {
        ann.subscribe(topic).await;
        bob.subscribe(topic).await;
    }
    server.evict("global").await.unwrap();
    for (topic, clients) in [("kitchen", 1), ("team-1", 2), ("garden", 2)] {
        bob.publish(topic, "x").await;
        assert_eq!(bob.receive_publish(topic, "x").await, clients);
    }
    for topic in ["team-1", "garden"] {
        assert_eq!(ann.receive_publish(topic, "x").await, 2);
        ann.publish(topic, "y").await;
    }
    assert_eq!(bob.receive_publish("garden", "y").await, 2);
    assert_eq!(ann.receive_publish("garden", "y").await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subject_has_as_many_connections_as_its_token_allows() {
    let Some(server) = workerd("token-subject", &[("TOKEN_KEYS", SECRET)]).await else {
        return;
    };
    let token = |name: &str, peers_max| {
        let mut claims = claims(&server, 60);
        claims.subject = Some(name.to_owned());
        claims.peers_max = peers_max;
        sign(SECRET, &claims)
    };
    let name = "ann ❤ ".repeat(20);
    let path = format!("/?token={}", token(&name, Some(2)));
    let one = Client::connect(&server, &path).await;
    let _two = Client::connect(&server, &path).await;
    let answer = upgrade(&server, &path, &[]).await;
    assert_eq!(answer.status, 429, "{answer:?}");
    assert_eq!(answer.header("retry-after"), Some("30"));
    assert!(
        server
            .log()
            .contains(r#"{"event":"refuse","cause":"peers_per_subject","status":429}"#)
    );
    assert!(!server.log().contains("ann"), "{}", server.log());

    // The count outlasts a sleep. It is of the subject, whatever its tokens allow, and of nobody
    // else.
    server.evict("global").await.unwrap();
    assert_eq!(upgrade(&server, &path, &[]).await.status, 429);
    let wider = format!("/?token={}", token(&name, Some(3)));
    let third = Client::connect(&server, &wider).await;
    assert_eq!(upgrade(&server, &wider, &[]).await.status, 429);
    let other = format!("/?token={}", token("bob", Some(1)));
    assert_eq!(upgrade(&server, &other, &[]).await.status, 101);

    // A token without a cap is let in, and counts for those with one.
    let uncapped = format!("/?token={}", token(&name, None));
    let fourth = Client::connect(&server, &uncapped).await;
    let widest = format!("/?token={}", token(&name, Some(4)));
    assert_eq!(upgrade(&server, &widest, &[]).await.status, 429);

    drop((one, third, fourth));
    until("room for one", || async {
        upgrade(&server, &path, &[]).await.status == 101
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_tokens_do_not_use_up_the_connects_of_good_ones() {
    let variables = [
        ("TOKEN_KEYS", SECRET),
        ("SIGNAL_CONNECTS_PER_MINUTE_PER_IP", "6"),
    ];
    let Some(server) = workerd("token-garbage", &variables).await else {
        return;
    };
    let from = [("CF-Connecting-IP", "203.0.113.7")];
    let good = format!("/?token={}", sign(SECRET, &claims(&server, 60)));
    for round in 0..6 {
        let bad = upgrade(&server, "/?token=bad", &from).await;
        assert_eq!(bad.status, 401, "round {round}");
        let good = upgrade(&server, &good, &from).await;
        assert_eq!(good.status, 101, "round {round}");
    }
    assert_eq!(upgrade(&server, &good, &from).await.status, 429);

    // They have a budget of their own, which is larger where somebody behaves.
    let stranger = [("CF-Connecting-IP", "203.0.113.8")];
    for round in 0..6 {
        let bad = upgrade(&server, "/?token=bad", &stranger).await;
        assert_eq!(bad.status, 401, "round {round}");
    }
    let answer = upgrade(&server, "/?token=bad", &stranger).await;
    assert_eq!(answer.status, 429, "{answer:?}");
    let refused = r#"{"event":"refuse","cause":"denied_before","status":429}"#;
    assert!(server.log().contains(refused), "{}", server.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_ends_by_the_alarm_though_the_object_sleeps() {
    let Some(server) = workerd("token-end", &[("TOKEN_KEYS", SECRET)]).await else {
        return;
    };
    let mut soon = claims(&server, 0);
    // All until the sleep is done in a tenth of a second, and on a busy machine in more.
    soon.expires = now(&server).saturating_add(Duration::from_secs(6));
    let soon = sign(SECRET, &soon);
    let mut ann = Client::connect_with_token(&server, &soon).await;
    let mut bob = Client::connect_with_token(&server, &sign(SECRET, &claims(&server, 60))).await;
    ann.subscribe("garden").await;
    bob.subscribe("garden").await;
    let wakes = server.wakes();

    server.evict("global").await.unwrap();

    let (code, reason) = ann.closed().await;
    assert_eq!(
        (code, reason.as_str()),
        (4401, "the access token has expired")
    );
    assert_eq!(
        server.wakes(),
        wakes + 1,
        "only the alarm woke it: {}",
        server.log()
    );
    assert!(
        server
            .log()
            .contains(r#"{"event":"close","reason":"grant_expired","code":4401}"#)
    );
    bob.publish("garden", "alone").await;
    assert_eq!(bob.receive_publish("garden", "alone").await, 1);

    // A stock client comes back at once, and is told so before the upgrade.
    let answer = upgrade(&server, &format!("/?token={soon}"), &[]).await;
    assert_eq!(answer.status, 401, "{answer:?}");
    assert_eq!(answer.body, "the token has expired");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_audience_is_asked_for_if_the_relay_has_one() {
    let variables = [("TOKEN_KEYS", SECRET), ("TOKEN_AUDIENCE", "garden.example")];
    let Some(server) = workerd("token-audience", &variables).await else {
        return;
    };
    for (audience, status) in [("garden.example", 101), ("kitchen.example", 401)] {
        let mut claims = claims(&server, 60);
        claims.audience = vec![audience.to_owned()];
        let path = format!("/?token={}", sign(SECRET, &claims));
        assert_eq!(
            upgrade(&server, &path, &[]).await.status,
            status,
            "{audience}"
        );
    }
}

/// As wrangler passes on a variable that is a table in wrangler.toml, and a secret of the Secrets
/// Store. Both counted as not there once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_that_are_json_or_in_the_secrets_store_shut_the_door_too() {
    for (name, variable) in [("json", "JSON TOKEN_KEYS"), ("store", "STORE_TOKEN_KEYS")] {
        let Some(server) = workerd(&format!("token-{name}"), &[(variable, SECRET)]).await else {
            return;
        };
        assert_eq!(upgrade(&server, "/", &[]).await.status, 401, "{variable}");
        let path = format!("/?token={}", sign(SECRET, &claims(&server, 60)));
        assert_eq!(upgrade(&server, &path, &[]).await.status, 101, "{variable}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secrets_store_is_asked_now_and_then_and_may_fail() {
    let Some(server) = workerd("token-store-fails", &[("STORE_TOKEN_KEYS", "FAIL")]).await else {
        return;
    };
    let store = async |query: &str| {
        let path = format!("/test/store?name=STORE_TOKEN_KEYS{query}");
        get(server.relay_port, &path, &[]).await.unwrap().body
    };
    assert_eq!(upgrade(&server, "/", &[]).await.status, 500);
    let log = server.log();
    assert!(
        log.contains("TOKEN_KEYS cannot be read from the Secrets Store: as asked"),
        "{log}"
    );

    let encoded = SECRET
        .replace('{', "%7B")
        .replace('}', "%7D")
        .replace('"', "%22");
    store(&format!("&value={encoded}")).await;
    let asked = store("").await;
    let path = format!("/?token={}", sign(SECRET, &claims(&server, 600)));
    for _ in 0..3 {
        assert_eq!(upgrade(&server, "/", &[]).await.status, 401);
        assert_eq!(upgrade(&server, &path, &[]).await.status, 101);
    }
    let (before, after) = (gets(&asked), gets(&store("").await));
    assert_eq!(after, before + 1, "it is asked once a minute");

    // The last keys still keep out whom they kept out.
    store("&value=FAIL&later=61000").await;
    assert_eq!(upgrade(&server, "/", &[]).await.status, 401);
    assert_eq!(upgrade(&server, &path, &[]).await.status, 101);
    assert!(gets(&store("").await) > after);
}

fn gets(answer: &str) -> u32 {
    let (_, number) = answer.rsplit_once("gets: ").expect("a number");
    number.parse().expect("a number")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_that_cannot_be_read_let_nobody_in_and_stay_secret() {
    let broken = r#"{"kty":"oct","alg":"HS256","k":"aHVzaA"}"#;
    let Some(server) = workerd("token-broken", &[("TOKEN_KEYS", broken)]).await else {
        return;
    };
    assert_eq!(upgrade(&server, "/", &[]).await.status, 500);
    let log = server.log();
    assert!(log.contains("TOKEN_KEYS cannot be used"), "{log}");
    assert!(!log.contains("aHVzaA") && !log.contains("hush"), "{log}");
}

/// The longest token there may be, all of whose topics the object must know after a sleep.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_with_a_hundred_topics_outlasts_sleep() {
    let Some(server) = workerd("token-long", &[("TOKEN_KEYS", SECRET)]).await else {
        return;
    };
    let topics: Vec<String> = (0..100).map(|number| format!("{number:0>24}")).collect();
    let set = || {
        topics
            .iter()
            .fold(TopicSet::none(), |set, topic| set.exact(topic))
    };
    let mut claims = claims(&server, 60);
    (claims.subscribe, claims.publish) = (set(), set());
    let token = sign(SECRET, &claims);
    assert!(
        (3_000..=signal_access::TOKEN_BYTES_MAX).contains(&token.len()),
        "{}",
        token.len()
    );
    let mut ann = Client::connect_with_token(&server, &token).await;
    for topic in &topics {
        ann.send(&format!(r#"{{"type":"subscribe","topics":["{topic}"]}}"#))
            .await;
    }
    ann.settle().await;
    server.evict("global").await.unwrap();
    for topic in &topics {
        ann.publish(topic, "x").await;
        assert_eq!(ann.receive_publish(topic, "x").await, 1);
    }
}

/// Claims to everything, for so many seconds.
fn claims(server: &Workerd, seconds: u64) -> Claims {
    let mut claims = Claims::until(now(server).saturating_add(Duration::from_secs(seconds)));
    (claims.subscribe, claims.publish) = (TopicSet::All, TopicSet::All);
    claims
}

fn now(server: &Workerd) -> UnixTime {
    UnixTime::from_millis(server.now().as_millis())
}

fn sign(key: &str, claims: &Claims) -> String {
    TokenSigner::new(key).unwrap().sign(claims).unwrap()
}

/// Header, claims and signature.
fn parts(token: &str) -> (&str, &str, &str) {
    let (header, rest) = token.split_once('.').unwrap();
    let (claims, signature) = rest.split_once('.').unwrap();
    (header, claims, signature)
}
