//! The relay by what a host hands in and reads out.

use std::time::Duration;

use signal_access::{Algorithm, Claims, NewKey, TokenSigner, UnixTime};
use signal_core::{Instant, PeerId};
use signal_wasm::output::Output;
use signal_wasm::{
    Answer, Host, NoAnswer, Page, Question, Queues, Relay, Request, Settings, SettingsError,
};

const UNIX_NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

fn relay(settings: &[(&str, &str)]) -> Relay {
    let settings = Settings::read(settings.iter().copied());
    Relay::new(settings.expect("settings"), Host::default()).expect("a relay")
}

fn get(target: &str) -> Request<'_> {
    Request {
        method: "GET",
        target,
        ..Request::default()
    }
}

fn upgrade() -> Request<'static> {
    Request {
        remote: Some("203.0.113.7"),
        upgrade: Some("WebSocket"),
        version: Some("13"),
        key: Some("dGhlIHNhbXBsZSBub25jZQ=="),
        ..get("/")
    }
}

fn ask(relay: &mut Relay, now: u64, request: &Request<'_>) -> Answer {
    relay.request(at(now), UNIX_NOW, 7, request)
}

fn refused(relay: &mut Relay, now: u64, request: &Request<'_>) -> Page {
    match ask(relay, now, request) {
        Answer::Page(page) => page,
        other @ (Answer::Upgrade { .. } | Answer::Ask { .. }) => panic!("{other:?}"),
    }
}

fn admit(relay: &mut Relay, now: u64, request: &Request<'_>) -> PeerId {
    match ask(relay, now, request) {
        Answer::Upgrade { peer, .. } => peer,
        other @ (Answer::Page(_) | Answer::Ask { .. }) => panic!("{other:?}"),
    }
}

fn connect(relay: &mut Relay, now: u64) -> PeerId {
    let peer = admit(relay, now, &upgrade());
    start(relay, now, peer);
    peer
}

fn start(relay: &mut Relay, now: u64, peer: PeerId) {
    let mut output = Output::default();
    relay.connect(at(now), peer, &mut output);
    assert_eq!(records(&output), []);
}

/// A record of the output: its numbers, and its text if it has one.
#[derive(Debug, PartialEq)]
enum Record {
    Send(Vec<u64>, String),
    Ping(u64),
    Close(u64, u16, bool),
    Hold(u64),
    Notice(String),
}

fn records(output: &Output) -> Vec<Record> {
    let (mut rest, mut records) = (output.bytes(), Vec::new());
    let number = |rest: &mut &[u8]| {
        let (number, after) = rest.split_first_chunk().expect("four bytes");
        *rest = after;
        u32::from_le_bytes(*number)
    };
    let text = |rest: &mut &[u8], len: u32| {
        let (text, after) = rest.split_at((len as usize).next_multiple_of(4));
        *rest = after;
        String::from_utf8(text[..len as usize].to_vec()).expect("UTF-8")
    };
    while !rest.is_empty() {
        records.push(match number(&mut rest) {
            1 => {
                let (count, len) = (number(&mut rest), number(&mut rest));
                let to = (0..count).map(|_| number(&mut rest).into()).collect();
                Record::Send(to, text(&mut rest, len))
            }
            2 => Record::Ping(number(&mut rest).into()),
            3 => {
                let (peer, code) = (number(&mut rest), number(&mut rest));
                let (drops, len) = (number(&mut rest), number(&mut rest));
                text(&mut rest, len);
                Record::Close(peer.into(), code as u16, drops != 0)
            }
            4 => Record::Hold(number(&mut rest).into()),
            10 => {
                let len = number(&mut rest);
                Record::Notice(text(&mut rest, len))
            }
            other => panic!("record {other}"),
        });
    }
    records
}

fn receive(relay: &mut Relay, now: u64, peer: PeerId, text: &str) -> Vec<Record> {
    let mut output = Output::default();
    relay.receive(at(now), peer, text.as_bytes(), &mut output);
    records(&output)
}

fn tick(relay: &mut Relay, now: u64) -> Vec<Record> {
    let mut output = Output::default();
    relay.tick(at(now), &mut output);
    records(&output)
}

#[test]
fn a_publish_goes_to_all_subscribers_as_one_text() {
    let mut relay = relay(&[]);
    let peers = [(); 3].map(|()| connect(&mut relay, 0));
    for peer in peers {
        receive(
            &mut relay,
            1,
            peer,
            r#"{"type":"subscribe","topics":["garden"]}"#,
        );
    }
    let sent = receive(
        &mut relay,
        2,
        peers[0],
        r#"{"type":"publish","topic":"garden","data":"hi"}"#,
    );
    let text = r#"{"type":"publish","topic":"garden","data":"hi","clients":3}"#;
    let to = peers.map(PeerId::as_u64).to_vec();
    assert_eq!(sent, [Record::Send(to, text.to_owned())]);
}

#[test]
fn a_peer_that_is_silent_is_pinged_and_then_closed() {
    let mut relay = relay(&[("ping_interval", "1s")]);
    let peer = connect(&mut relay, 0);
    assert_eq!(relay.poll_timeout(), Some(at(1_000)));
    assert_eq!(tick(&mut relay, 1_000), [Record::Ping(peer.as_u64())]);
    let mut output = Output::default();
    relay.receive_frame(at(1_500), peer, 0, &mut output);
    assert_eq!(tick(&mut relay, 2_000), [Record::Ping(peer.as_u64())]);
    let closed = [Record::Close(peer.as_u64(), 4408, false)];
    assert_eq!(tick(&mut relay, 3_000), closed);
}

#[test]
fn where_the_runtime_pings_the_relay_does_not() {
    let settings = Settings::read([("ping_interval", "1s")]).expect("settings");
    let host = Host {
        pings: true,
        ..Host::default()
    };
    let mut relay = Relay::new(settings, host).expect("a relay");
    let peer = connect(&mut relay, 0);
    // What a hidden tab needs is the relay's own, as the runtime does not send it.
    assert_eq!(relay.poll_timeout(), Some(at(20_000)));
    let pong = Record::Send(vec![peer.as_u64()], r#"{"type":"pong"}"#.to_owned());
    assert_eq!(tick(&mut relay, 20_000), [pong]);
    assert!(relay.limits().contains(r#""ping_interval":1000"#));
}

#[test]
fn a_message_that_is_too_long_is_held_and_then_closed_and_its_address_is_remembered() {
    let mut relay = relay(&[
        ("message_bytes_max", "15"),
        ("close_hold", "2s"),
        ("offences_per_minute_per_ip", "1"),
    ]);
    for now in [0, 10_000] {
        let peer = connect(&mut relay, now);
        let held = receive(&mut relay, now, peer, &"x".repeat(16));
        assert_eq!(held, [Record::Hold(peer.as_u64())]);
        let closed = [Record::Close(peer.as_u64(), 1009, false)];
        assert_eq!(tick(&mut relay, now + 2_000), closed);
        relay.leave(at(now + 2_000), peer);
    }
    let page = refused(&mut relay, 13_000, &upgrade());
    assert_eq!(page.status, 429);
    assert!(page.body.contains("closed for breaking limits"), "{page:?}");
    assert!(page.headers.contains(&("retry-after", "9".into())));
}

#[test]
fn a_connection_counts_until_it_has_ended_not_until_it_is_closed() {
    let mut relay = relay(&[("peers_per_ip_max", "1")]);
    let peer = connect(&mut relay, 0);
    assert_eq!(refused(&mut relay, 0, &upgrade()).status, 429);
    let mut output = Output::default();
    relay.overflow(peer, &mut output);
    assert_eq!(records(&output), [Record::Close(peer.as_u64(), 1013, true)]);
    assert_eq!(refused(&mut relay, 1, &upgrade()).status, 429);
    relay.leave(at(2), peer);
    connect(&mut relay, 2);
}

#[test]
fn an_upgrade_that_fails_gives_its_place_back() {
    let mut relay = relay(&[("peers_max", "1")]);
    let peer = admit(&mut relay, 0, &upgrade());
    assert_eq!(refused(&mut relay, 0, &upgrade()).status, 503);
    relay.leave(at(0), peer);
    start(&mut relay, 0, peer);
    assert!(relay.stats().contains(r#""peers":0"#), "{}", relay.stats());
    connect(&mut relay, 0);
}

#[test]
fn a_trusted_proxy_names_the_client() {
    let mut relay = relay(&[("peers_per_ip_max", "1"), ("trusted_proxies", "10.0.0.0/8")]);
    let from = |remote, forwarded| {
        let mut request = upgrade();
        request.remote = Some(remote);
        request.forwarded_for = Some(forwarded);
        request
    };
    admit(&mut relay, 0, &from("10.0.0.1", "198.51.100.1"));
    admit(&mut relay, 0, &from("10.0.0.1", "198.51.100.2"));
    let page = refused(&mut relay, 0, &from("10.0.0.1", "6.6.6.6, 198.51.100.2"));
    assert_eq!(page.status, 429);
    admit(&mut relay, 0, &from("203.0.113.9", "198.51.100.3"));
    let forged = from("203.0.113.9", "198.51.100.4");
    assert_eq!(refused(&mut relay, 0, &forged).status, 429);
}

#[test]
fn an_upgrade_that_is_not_right_is_refused_in_the_words_of_every_relay() {
    let mut relay = relay(&[]);
    let mut status = |change: fn(&mut Request<'static>)| {
        let mut request = upgrade();
        change(&mut request);
        refused(&mut relay, 0, &request).status
    };
    assert_eq!(status(|request| request.method = "POST"), 405);
    assert_eq!(status(|request| request.version = Some("8")), 426);
    assert_eq!(status(|request| request.version = None), 426);
    assert_eq!(status(|request| request.key = Some("short")), 400);
    assert_eq!(status(|request| request.key = None), 400);
    assert_eq!(status(|request| request.content_length = Some("5")), 400);
    assert_eq!(
        status(|request| request.transfer_encoding = Some("chunked")),
        400
    );
    assert_eq!(status(|request| request.upgrade = Some("h2c")), 200);
}

#[test]
fn pages_say_how_the_relay_is() {
    let mut relay = relay(&[("drain_seconds", "0"), ("origins", "https://app.example")]);
    let mut page = |target: &'static str| {
        let page = refused(&mut relay, 0, &get(target));
        (page.status, page.body)
    };
    assert_eq!(page("/"), (200, "okay".to_owned()));
    assert_eq!(
        page("/healthz?x"),
        (200, r#"{"status":"ok","peers":0}"#.to_owned())
    );
    assert_eq!(page("/readyz"), (200, r#"{"ready":true}"#.to_owned()));
    let (_, limits) = page("/limits");
    let limits: serde_json::Value = serde_json::from_str(&limits).expect("JSON");
    assert_eq!(limits["message_bytes_max"], 65_536);
    assert_eq!(limits["peers_max"], serde_json::Value::Null);
    assert_eq!(
        limits["without"],
        serde_json::json!(["strict_frames", "any_origin"])
    );
    relay.drain(at(0), &mut Output::default());
    assert_eq!(refused(&mut relay, 0, &get("/readyz")).status, 503);
    assert_eq!(refused(&mut relay, 0, &upgrade()).status, 503);
}

#[test]
fn a_drain_closes_one_after_the_other() {
    let mut relay = relay(&[("drain_seconds", "10"), ("ping_interval", "0")]);
    let peers = [(); 2].map(|()| connect(&mut relay, 0));
    let mut output = Output::default();
    relay.drain(at(100), &mut output);
    let close = |peer: PeerId| Record::Close(peer.as_u64(), 1012, false);
    assert_eq!(records(&output), [close(peers[0])]);
    assert_eq!(relay.poll_timeout(), Some(at(5_100)));
    assert_eq!(tick(&mut relay, 5_100), [close(peers[1])]);
    assert_eq!(relay.poll_timeout(), None);
}

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
        start(&mut relay, 1, peer);
    }
    assert!(relay.stats().contains(r#""peers":0"#), "{}", relay.stats());
}

#[test]
fn whoever_is_being_judged_has_a_place_and_gives_it_back() {
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
fn whoever_is_let_in_while_the_relay_drains_is_closed_at_once() {
    let mut relay = relay(&[("drain_seconds", "0")]);
    let peer = admit(&mut relay, 0, &upgrade());
    relay.drain(at(1), &mut Output::default());
    let mut output = Output::default();
    relay.connect(at(1), peer, &mut output);
    assert_eq!(
        records(&output),
        [Record::Close(peer.as_u64(), 1012, false)]
    );
}

#[test]
fn connections_on_which_nothing_is_said_are_not_connects_of_their_address() {
    let limits = [
        ("connects_per_minute_per_ip", "2"),
        ("peers_per_ip_max", "1"),
    ];
    let mut quiet = relay(&limits);
    for now in 0..20 {
        let peer = connect(&mut quiet, now);
        quiet.leave(at(now), peer);
    }
    let mut loud = relay(&limits);
    for now in 0..2 {
        let peer = connect(&mut loud, now);
        receive(&mut loud, now, peer, r#"{"type":"ping"}"#);
        loud.leave(at(now), peer);
    }
    assert_eq!(refused(&mut loud, 2, &upgrade()).status, 429);
}

#[test]
fn a_subscribe_past_a_limit_is_said_once_a_minute() {
    let mut relay = relay(&[("topics_per_peer_max", "1")]);
    let peer = connect(&mut relay, 0);
    let mut notices = |now: u64, topic: &str| {
        let mut output = Output::default();
        let subscribe = format!(r#"{{"type":"subscribe","topics":["{topic}"]}}"#);
        relay.receive(at(now), peer, subscribe.as_bytes(), &mut output);
        records(&output).len()
    };
    let said =
        [(0, "a"), (1, "b"), (2, "c"), (60_001, "d")].map(|(now, topic)| notices(now, topic));
    assert_eq!(said, [0, 1, 0, 1]);
}

#[test]
fn what_comes_for_a_peer_that_is_gone_does_nothing() {
    let mut relay = relay(&[]);
    let peer = connect(&mut relay, 0);
    relay.broke_protocol(at(1), peer);
    assert_eq!(receive(&mut relay, 1, peer, r#"{"type":"ping"}"#), []);
    relay.leave(at(1), peer);
    relay.leave(at(1), peer);
    let mut output = Output::default();
    relay.overflow(peer, &mut output);
    relay.receive_frame(at(1), peer, 0, &mut output);
    assert_eq!(records(&output), []);
}
