use std::time::Duration;

use signal_access::{Algorithm, Claims, NewKey, TokenSigner};
use signal_core::PeerId;
use signal_wasm::{
    Answer, Host, NoAnswer, Page, Question, Queues, Relay, Request, Settings, SettingsError,
};

use crate::host::{
    UNIX_NOW, ask, at, receive, refused, relay, start, start_without_a_place, tick, upgrade,
};

const SEED: [u8; 32] = [7; 32];

fn token(algorithm: Algorithm, topic: &str, seconds: u64) -> String {
    let key = NewKey::from_seed(algorithm, Some("test"), SEED).private_jwk();
    let mut claims = Claims::until(UNIX_NOW.saturating_add(Duration::from_secs(seconds)));
    claims.subscribe = signal_core::TopicSet::none().exact(topic);
    let token = TokenSigner::new(&key).map(|signer| signer.sign(&claims));
    token.expect("a key").expect("claims")
}

fn with_tokens(algorithm: Algorithm) -> Relay {
    let key = NewKey::from_seed(algorithm, Some("test"), SEED).private_jwk();
    relay(&[("token_keys", &key)])
}

fn asked(relay: &mut Relay, request: &Request<'_>) -> (PeerId, Question) {
    match ask(relay, 0, request) {
        Answer::Ask { peer, question } => (peer, question),
        other @ (Answer::Page(_) | Answer::Upgrade { .. }) => panic!("{other:?}"),
    }
}

/// The text of a signature, as it stands in a token.
fn signature(question: &Question) -> (usize, String, String) {
    let Question::Signatures(signatures) = question else {
        panic!("{question:?}");
    };
    let [one] = signatures.as_slice() else {
        panic!("{signatures:?}");
    };
    let message = String::from_utf8(one.message.clone()).expect("UTF-8");
    let key = NewKey::from_seed(Algorithm::EdDsa, None, SEED).private_jwk();
    let expected = TokenSigner::new(&key).expect("a key").signature(&message);
    (one.key, message, expected)
}

fn page(answer: Answer) -> Page {
    match answer {
        Answer::Page(page) => page,
        other @ (Answer::Upgrade { .. } | Answer::Ask { .. }) => panic!("{other:?}"),
    }
}

#[test]
fn the_runtime_is_asked_whether_a_signature_is_right_and_without_a_yes_nobody_comes_in() {
    let mut relay = with_tokens(Algorithm::EdDsa);
    assert_eq!(refused(&mut relay, 0, &upgrade()).status, 401);
    let token = token(Algorithm::EdDsa, "garden", 60);
    let target = format!("/?token={token}");
    let request = Request {
        target: &target,
        ..upgrade()
    };
    let (peer, question) = asked(&mut relay, &request);
    let (key, message, expected) = signature(&question);
    assert_eq!((key, format!("{message}.{expected}")), (0, token.clone()));
    let keys: serde_json::Value = serde_json::from_str(&relay.keys()).expect("JSON");
    assert_eq!(keys[0]["crv"], "Ed25519");
    assert!(!relay.keys().contains(r#""d""#), "the private half stays");

    let answer = relay.verified(at(1), UNIX_NOW, 7, peer, 0);
    assert_eq!(page(answer).body, "the signature of the token is wrong");
    let answer = relay.verified(at(1), UNIX_NOW, 7, peer, 1);
    assert_eq!(page(answer).status, 400, "a question has one answer");

    let (peer, _) = asked(&mut relay, &request);
    let Answer::Upgrade { peer, .. } = relay.verified(at(1), UNIX_NOW, 7, peer, 1) else {
        panic!("it is refused");
    };
    start(&mut relay, 1, peer);
    let subscribe = r#"{"type":"subscribe","topics":["garden","house"]}"#;
    receive(&mut relay, 1, peer, subscribe);
    assert!(relay.stats().contains(r#""topics":1"#), "{}", relay.stats());
    assert!(!relay.stats().contains(&token));
}

#[test]
fn a_token_is_judged_by_the_time_at_which_its_signature_is_known() {
    let mut relay = with_tokens(Algorithm::Hs256);
    let target = format!("/?token={}", token(Algorithm::Hs256, "garden", 3));
    let request = Request {
        target: &target,
        ..upgrade()
    };
    let (peer, _) = asked(&mut relay, &request);
    let later = UNIX_NOW.saturating_add(Duration::from_secs(4));
    let answer = relay.verified(at(4_000), later, 7, peer, 1);
    assert_eq!(page(answer).body, "the token has expired");
}

#[test]
fn a_signature_that_nobody_verifies_keeps_the_door_shut() {
    let mut relay = with_tokens(Algorithm::Hs256);
    let target = format!("/?token={}", token(Algorithm::Hs256, "garden", 60));
    let request = Request {
        target: &target,
        ..upgrade()
    };
    for (why, status) in [(NoAnswer::Failed, 500), (NoAnswer::Late, 503)] {
        let (peer, _) = asked(&mut relay, &request);
        assert_eq!(page(relay.not_judged(at(1), 7, peer, why)).status, status);
        let answer = relay.verified(at(1), UNIX_NOW, 7, peer, u32::MAX);
        assert_eq!(page(answer).status, 400);
        start_without_a_place(&mut relay, 1, peer);
    }
    assert!(relay.stats().contains(r#""peers":0"#), "{}", relay.stats());
}

#[test]
fn a_client_that_is_being_judged_has_a_place_and_gives_it_back() {
    let mut relay = authorizing(&[("peers_max", "1")]);
    let (peer, question) = asked(&mut relay, &upgrade());
    assert_eq!(question, Question::Authorizer);
    assert_eq!(refused(&mut relay, 0, &upgrade()).status, 503);
    relay.leave(at(0), peer);
    let (late, problem) = relay.authorized(at(0), UNIX_NOW, 7, peer, r#"{"topics":["*"]}"#);
    assert_eq!((page(late).status, problem), (400, None));
    let (peer, _) = asked(&mut relay, &upgrade());
    let (answer, _) = relay.authorized(at(0), UNIX_NOW, 7, peer, r#"{"status":403}"#);
    assert_eq!(page(answer).status, 403);
    asked(&mut relay, &upgrade());
}

fn authorizing(settings: &[(&str, &str)]) -> Relay {
    let settings = Settings::read(settings.iter().copied()).expect("settings");
    let host = Host {
        authorizes: true,
        ..Host::default()
    };
    Relay::new(settings, host).expect("a relay")
}

/// What becomes of a client of which the authorizer says this.
fn authorized(relay: &mut Relay, request: &Request<'_>, said: &str) -> (Answer, Option<String>) {
    let (peer, _) = asked(relay, request);
    relay.authorized(at(0), UNIX_NOW, 7, peer, said)
}

#[test]
fn an_authorizer_gives_topics_an_end_and_a_number_of_connections() {
    let mut relay = authorizing(&[("ping_interval", "0"), ("keepalive_interval", "0")]);
    let said = r#"{"subscribe":["garden","team-*"],"publish":[],"sub":"ann","peers_max":1,"exp":1800000060}"#;
    let (answer, problem) = authorized(&mut relay, &upgrade(), said);
    let (Answer::Upgrade { peer, .. }, None) = (answer, problem) else {
        panic!("it is refused");
    };
    start(&mut relay, 0, peer);
    let subscribe = r#"{"type":"subscribe","topics":["garden","team-7","house"]}"#;
    receive(&mut relay, 0, peer, subscribe);
    let publish = r#"{"type":"publish","topic":"garden"}"#;
    assert_eq!(receive(&mut relay, 0, peer, publish), []);
    let metrics = relay.metrics(Queues::default());
    assert!(metrics.contains("\nsignal_topics 2\n"), "{metrics}");
    assert!(metrics.contains("\nsignal_ignored_total{cause=\"not_granted\"} 1\n"));

    let (answer, _) = authorized(&mut relay, &upgrade(), said);
    assert_eq!(page(answer).status, 429, "ann has a connection");
    assert_eq!(tick(&mut relay, 59_999), []);
    tick(&mut relay, 60_000);
    tick(&mut relay, 65_000);
    let stats = relay.stats();
    assert!(stats.contains(r#""closes":{"grant_expired":1}"#), "{stats}");
}

#[test]
fn an_authorizer_says_how_many_clients_a_topic_may_have() {
    let mut relay = authorizing(&[]);
    for (number, numbers) in (1..).zip([r#"{"gar*":2,"house":9}"#, "2", "3"]) {
        let said = format!(r#"{{"topics":["*"],"clients_max":{numbers}}}"#);
        let (answer, problem) = authorized(&mut relay, &upgrade(), &said);
        let (Answer::Upgrade { peer, .. }, None) = (answer, problem) else {
            panic!("it is refused");
        };
        start(&mut relay, 0, peer);
        let subscribe = r#"{"type":"subscribe","topics":["garden","house"]}"#;
        let out = receive(&mut relay, 0, peer, subscribe);
        let metrics = relay.metrics(Queues::default());
        let subscriptions = format!("\nsignal_subscriptions {}\n", 2 * number);
        assert!(metrics.contains(&subscriptions), "{out:?}: {metrics}");
    }
    let said = r#"{"topics":["*"],"clients_max":3}"#;
    let (answer, _) = authorized(&mut relay, &upgrade(), said);
    let Answer::Upgrade { peer, .. } = answer else {
        panic!("it is refused");
    };
    start(&mut relay, 0, peer);
    let subscribe = r#"{"type":"subscribe","topics":["garden","shed"]}"#;
    let out = receive(&mut relay, 0, peer, subscribe);
    let said = format!("{out:?}");
    assert!(
        said.contains("past the clients_max of its token or grant"),
        "{said}"
    );
}

#[test]
fn an_authorizer_refuses_in_its_own_words() {
    let mut relay = authorizing(&[]);
    let said = r#"{"status":401,"body":"please log in","retry_after":1.5,"challenge":"Basic"}"#;
    let (answer, problem) = authorized(&mut relay, &upgrade(), said);
    let page = page(answer);
    assert_eq!(
        (page.status, page.body.as_str(), problem),
        (401, "please log in", None)
    );
    assert!(
        page.headers.contains(&("retry-after", "2".into())),
        "{page:?}"
    );
    assert!(
        page.headers.contains(&("www-authenticate", "Basic".into())),
        "{page:?}"
    );
    assert!(
        relay.stats().contains(r#""auth":{"refused":1}"#),
        "{}",
        relay.stats()
    );
}

#[test]
fn an_answer_of_an_authorizer_that_makes_no_sense_lets_nobody_in() {
    let mut relay = authorizing(&[]);
    for (said, expected) in [
        ("", "it is not JSON"),
        ("null", "neither a grant nor a refusal"),
        ("true", "neither a grant nor a refusal"),
        (r#"["*"]"#, "neither a grant nor a refusal"),
        ("{}", "it opens no topics; write topics: ['*'] for all"),
        (r#"{"sub":"ann"}"#, "it opens no topics"),
        (
            r#"{"topic":["*"]}"#,
            r#"there is no "topic"; write topics, "#,
        ),
        (
            r#"{"topics":"*"}"#,
            r#"its "topics" is not a list of topics"#,
        ),
        (
            r#"{"topics":[1]}"#,
            r#"its "topics" is not a list of topics"#,
        ),
        (r#"{"topics":["a*b"]}"#, r#"its "topics": "#),
        (r#"{"topics":[],"publish":["a"]}"#, r#"it has "topics" and"#),
        (
            r#"{"topics":[],"peers_max":1}"#,
            r#"it has "peers_max" without "sub""#,
        ),
        (
            r#"{"topics":[],"sub":"a","peers_max":0}"#,
            r#"its "peers_max" is not"#,
        ),
        (
            r#"{"topics":[],"sub":"a","peers_max":"1"}"#,
            r#"its "peers_max" is not"#,
        ),
        (
            r#"{"topics":[],"clients_max":0}"#,
            r#"its "clients_max" is neither a number from 1 on nor"#,
        ),
        (
            r#"{"topics":[],"clients_max":{}}"#,
            r#"its "clients_max" is neither"#,
        ),
        (
            r#"{"topics":[],"clients_max":{"a":4,"b":null}}"#,
            r#"its "clients_max" is neither"#,
        ),
        (
            r#"{"topics":[],"clients_max":{"a*b":4}}"#,
            r#"its "clients_max": a topic is empty, or has a *"#,
        ),
        (r#"{"topics":[],"sub":""}"#, r#"its "sub" is not"#),
        (r#"{"topics":[],"sub":7}"#, r#"its "sub" is not"#),
        (r#"{"topics":[],"exp":null}"#, r#"its "exp" is not"#),
        (r#"{"topics":[],"exp":"2027"}"#, r#"its "exp" is not"#),
        (
            r#"{"topics":[],"exp":1800000000000}"#,
            r#"its "exp" is not a time in seconds"#,
        ),
        (
            r#"{"topics":[],"protocol":"mine"}"#,
            "the client does not offer the protocol",
        ),
        (
            r#"{"status":200}"#,
            r#"its "status" is not one from 400 to 599"#,
        ),
        (
            r#"{"status":"401"}"#,
            r#"its "status" is not one from 400 to 599"#,
        ),
        (
            r#"{"status":403,"topics":["*"]}"#,
            r#"there is no "topics""#,
        ),
        (
            r#"{"status":403,"retry_after":-1}"#,
            r#"its "retry_after" is not"#,
        ),
    ] {
        let (answer, problem) = authorized(&mut relay, &upgrade(), said);
        let page = page(answer);
        assert_eq!(
            (page.status, page.body.as_str()),
            (500, "your access could not be checked")
        );
        let problem = problem.unwrap_or_default();
        assert!(problem.contains(expected), "{said}: {problem}");
    }
    let (answer, problem) = authorized(&mut relay, &upgrade(), r#"{"topics":["*"],"exp":1}"#);
    assert_eq!(
        (page(answer).status, problem),
        (401, None),
        "it has ended already"
    );
    assert!(relay.stats().contains(r#""peers":0"#));
}

#[test]
fn origins_are_judged_before_an_authorizer_is_asked() {
    let mut relay = authorizing(&[("origins", "https://app.example")]);
    assert_eq!(
        relay.access(),
        "those whom authorize lets in; origins https://app.example"
    );
    let foreign = Request {
        origin: Some("https://evil.example"),
        ..upgrade()
    };
    assert_eq!(refused(&mut relay, 0, &foreign).status, 403);
    let own = Request {
        origin: Some("https://app.example"),
        ..upgrade()
    };
    asked(&mut relay, &own);
}

#[test]
fn tokens_and_an_authorizer_do_not_both_say_who_may_come_in() {
    let key = NewKey::from_seed(Algorithm::Hs256, None, SEED).private_jwk();
    let settings = Settings::read([("token_keys", key.as_str())]).expect("settings");
    let host = Host {
        authorizes: true,
        ..Host::default()
    };
    let error = Relay::new(settings, host).err();
    assert_eq!(error, Some(SettingsError::TokensAndAuthorizer));
}

#[test]
fn wrong_signatures_of_key_pairs_are_verified_up_to_the_budget_of_their_address() {
    for (algorithm, is_bounded) in [(Algorithm::EdDsa, true), (Algorithm::Hs256, false)] {
        let key = NewKey::from_seed(algorithm, Some("test"), SEED).private_jwk();
        let mut relay = relay(&[("token_keys", &key), ("connects_per_minute_per_ip", "5")]);
        let target = format!("/?token={}", token(algorithm, "garden", 60));
        let bad = Request {
            target: &target,
            ..upgrade()
        };
        for _ in 0..5 {
            let (peer, _) = asked(&mut relay, &bad);
            assert_eq!(
                page(relay.verified(at(0), UNIX_NOW, 7, peer, 0)).status,
                401
            );
        }
        match ask(&mut relay, 0, &bad) {
            Answer::Page(page) => assert!(is_bounded && page.status == 429, "{page:?}"),
            Answer::Ask { peer, .. } => {
                assert!(!is_bounded, "it is verified past the budget");
                // Only what it is told is another thing.
                assert_eq!(
                    page(relay.verified(at(0), UNIX_NOW, 7, peer, 0)).status,
                    429
                );
            }
            Answer::Upgrade { .. } => panic!("it came in"),
        }
        // Others are judged as before, and so is this address a moment later.
        let other = Request {
            remote: Some("203.0.113.8"),
            ..bad
        };
        asked(&mut relay, &other);
        let answer = ask(&mut relay, 13_000, &bad);
        assert!(matches!(answer, Answer::Ask { .. }), "{answer:?}");
    }
}
