//! Keys that an identity provider publishes.

use std::time::Duration;

use signal_access::{Algorithm, Claims, KeySchedule, NewKey, TokenSigner};
use signal_core::{PeerId, TopicSet};
use signal_wasm::output::Output;
use signal_wasm::{Answer, NoAnswer, Page, Question, Relay, Request, Settings, SettingsError};

use crate::host::{Record, UNIX_NOW, ask, at, get, records, relay, upgrade};

const URL: &str = "https://id.example/keys?api=hush";

fn key(id: &str) -> NewKey {
    NewKey::from_seed(Algorithm::EdDsa, Some(id), [id.as_bytes()[0]; 32])
}

/// The set that a provider publishes.
fn set(ids: &[&str]) -> String {
    let keys = ids.iter().filter_map(|id| key(id).public_jwk());
    format!(r#"{{"keys":[{}]}}"#, keys.collect::<Vec<_>>().join(","))
}

/// A request with a token that a key of this name has signed.
fn target(id: &str) -> String {
    let mut claims = Claims::until(UNIX_NOW.saturating_add(Duration::from_secs(3_600)));
    claims.subscribe = TopicSet::All;
    let signer = TokenSigner::new(&key(id).private_jwk()).expect("a key");
    format!("/?token={}", signer.sign(&claims).expect("claims"))
}

fn shown(relay: &mut Relay, now: u64, target: &str) -> Answer {
    ask(
        relay,
        now,
        &Request {
            target,
            ..upgrade()
        },
    )
}

/// Who waits for keys.
fn waiting(answer: Answer) -> PeerId {
    match answer {
        Answer::Ask {
            peer,
            question: Question::Keys,
        } => peer,
        other @ (Answer::Page(_) | Answer::Upgrade { .. } | Answer::Ask { .. }) => {
            panic!("{other:?}")
        }
    }
}

/// Whose signature is asked about, and with which keys that are told.
fn verifying(answer: Answer) -> PeerId {
    match answer {
        Answer::Ask {
            peer,
            question: Question::Signatures(_),
        } => peer,
        other @ (Answer::Page(_) | Answer::Upgrade { .. } | Answer::Ask { .. }) => {
            panic!("{other:?}")
        }
    }
}

fn page(answer: Answer) -> Page {
    match answer {
        Answer::Page(page) => page,
        other @ (Answer::Upgrade { .. } | Answer::Ask { .. }) => panic!("{other:?}"),
    }
}

fn resumed(relay: &mut Relay, now: u64, peer: PeerId) -> Answer {
    relay.resumed(at(now), UNIX_NOW, 7, peer)
}

/// What the host is told after a fetch: the keys, if they are others, and sentences.
fn fetched(relay: &mut Relay, now: u64, fetched: Result<&str, &str>) -> Vec<Record> {
    let mut output = Output::default();
    relay.fetched(at(now), fetched, &mut output);
    records(&output)
}

fn with_keys(ids: &[&str]) -> Relay {
    let mut relay = relay(&[
        ("token_jwks_url", URL),
        ("token_issuer", "https://id.example/"),
    ]);
    assert!(relay.begin_fetch(at(0)));
    fetched(&mut relay, 0, Ok(&set(ids)));
    relay
}

#[test]
fn until_keys_are_fetched_tokens_wait_and_then_no_one_comes_in() {
    let mut relay = relay(&[("token_jwks_url", URL)]);
    assert!(relay.published().contains(r#""bytes_max":262144"#));
    assert_eq!(relay.poll_timeout(), Some(at(0)), "it is fetched at once");
    assert_eq!(page(ask(&mut relay, 0, &get("/readyz"))).status, 503);
    let ann = waiting(shown(&mut relay, 0, &target("a")));
    assert!(relay.begin_fetch(at(0)) && !relay.begin_fetch(at(0)));
    let ben = waiting(shown(&mut relay, 10, &target("a")));

    let told = fetched(&mut relay, 20, Err("it answers with 500"));
    let [Record::Notice(sentence)] = told.as_slice() else {
        panic!("{told:?}");
    };
    assert_eq!(
        sentence,
        "the keys of tokens could not be fetched from https://id.example/keys: it answers with \
         500; every token is refused until they are"
    );
    for peer in [ann, ben] {
        assert_eq!(page(resumed(&mut relay, 20, peer)).status, 503);
    }
    assert_eq!(relay.poll_timeout(), Some(at(1_020)), "it is tried again");
    assert!(!relay.begin_fetch(at(1_019)) && relay.begin_fetch(at(1_020)));
    fetched(&mut relay, 1_020, Ok(&set(&["a"])));
    assert_eq!(page(ask(&mut relay, 1_020, &get("/readyz"))).status, 200);
    verifying(shown(&mut relay, 1_020, &target("a")));
}

#[test]
fn a_new_key_of_the_provider_is_fetched_for_the_first_token_that_names_it() {
    let mut relay = with_keys(&["a"]);
    verifying(shown(&mut relay, 1, &target("a")));
    let early = page(shown(&mut relay, 9_999, &target("b")));
    assert_eq!(early.status, 401, "they have just been fetched");
    assert!(!relay.begin_fetch(at(9_999)));
    let peers = [(); 3].map(|()| waiting(shown(&mut relay, 10_000, &target("b"))));
    assert!(relay.begin_fetch(at(10_000)) && !relay.begin_fetch(at(10_000)));
    let told = fetched(&mut relay, 10_100, Ok(&set(&["a", "b"])));
    let [Record::Text(keys)] = told.as_slice() else {
        panic!("{told:?}");
    };
    assert_eq!(keys, &relay.keys());
    for peer in peers {
        verifying(resumed(&mut relay, 10_100, peer));
    }
    // One that nobody has is answered once the next fetch has not brought it.
    assert_eq!(page(shown(&mut relay, 10_100, &target("c"))).status, 401);
    let peer = waiting(shown(&mut relay, 20_100, &target("c")));
    assert!(relay.begin_fetch(at(20_100)));
    assert_eq!(fetched(&mut relay, 20_200, Ok(&set(&["a", "b"]))), []);
    assert_eq!(page(resumed(&mut relay, 20_200, peer)).status, 401);
}

#[test]
fn keys_that_were_fetched_stay_in_use_while_no_others_can_be_had() {
    let mut relay = with_keys(&["a"]);
    assert_eq!(relay.poll_timeout(), Some(at(600_000)));
    for (now, text) in [
        (600_000, Err("it answers with 500")),
        (601_000, Ok("<html>")),
        (603_000, Ok(r#"{"keys":[]}"#)),
    ] {
        assert!(relay.begin_fetch(at(now)));
        let told = fetched(&mut relay, now, text);
        let [Record::Notice(sentence)] = told.as_slice() else {
            panic!("{told:?}");
        };
        assert!(sentence.ends_with("those fetched last stay in use"));
        assert!(!sentence.contains("hush"), "{sentence}");
        verifying(shown(&mut relay, now, &target("a")));
    }
}

#[test]
fn what_was_verified_with_a_key_that_is_withdrawn_meanwhile_says_nothing() {
    let mut relay = with_keys(&["a"]);
    let ann = verifying(shown(&mut relay, 1, &target("a")));
    let ben = verifying(shown(&mut relay, 1, &target("a")));
    assert!(relay.begin_fetch(at(600_000)));
    fetched(&mut relay, 600_000, Ok(&set(&["b", "a"])));
    let again = relay.verified(at(600_000), UNIX_NOW, 7, ann, 1);
    assert_eq!(verifying(again), ann, "its key has another position");
    assert!(relay.begin_fetch(at(1_200_000)));
    fetched(&mut relay, 1_200_000, Ok(&set(&["b"])));
    for peer in [ann, ben] {
        let answer = relay.verified(at(1_200_000), UNIX_NOW, 7, peer, 1);
        assert_eq!(page(answer).status, 401);
    }
}

#[test]
fn so_many_wait_for_keys_and_no_more_and_who_goes_away_makes_room() {
    let mut relay = relay(&[
        ("token_jwks_url", URL),
        ("peers_per_ip_max", "1000"),
        ("connects_per_minute_per_ip", "10000"),
    ]);
    let target = target("a");
    let first = waiting(shown(&mut relay, 0, &target));
    for _ in 1..KeySchedule::WAITING_MAX {
        waiting(shown(&mut relay, 0, &target));
    }
    let refused = page(shown(&mut relay, 0, &target));
    assert_eq!(refused.status, 503);
    assert!(
        refused
            .headers
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case("retry-after"))
    );
    relay.leave(at(0), first);
    let second = waiting(shown(&mut relay, 0, &target));
    assert_eq!(page(shown(&mut relay, 0, &target)).status, 503);
    // One whose host gave up makes room, too.
    let late = relay.not_judged(at(0), 7, second, NoAnswer::Late);
    assert_eq!(page(late).status, 503);
    waiting(shown(&mut relay, 0, &target));
}

#[test]
fn a_host_that_slept_fetches_before_it_judges_and_a_fetch_that_is_lost_is_made_again() {
    let mut relay = with_keys(&["a"]);
    let late = 700_000;
    let peer = waiting(shown(&mut relay, late, &target("a")));
    assert!(relay.begin_fetch(at(late)));
    // Whoever fetched was put to sleep with it.
    let lost = late + KeySchedule::FETCH_TIMEOUT.as_millis() as u64 + 1_000;
    assert_eq!(relay.poll_timeout(), Some(at(lost)));
    assert!(relay.begin_fetch(at(lost)));
    fetched(&mut relay, lost, Ok(&set(&["a"])));
    verifying(resumed(&mut relay, lost, peer));
}

#[test]
fn a_relay_that_ends_fetches_nothing() {
    let mut relay = with_keys(&["a"]);
    relay.drain(at(1), &mut Output::default());
    assert_eq!(relay.poll_timeout(), None);
    assert!(!relay.begin_fetch(at(600_000)));
}

#[test]
fn where_any_issuers_tokens_are_good_and_which_keys_are_passed_over_is_said() {
    let mut relay = relay(&[("token_jwks_url", URL)]);
    let notices: Vec<String> = relay.notices().collect();
    assert!(notices[0].contains("set token_issuer"), "{notices:?}");
    relay.begin_fetch(at(0));
    let secret = NewKey::from_seed(Algorithm::Hs256, Some("s"), [1; 32]).private_jwk();
    let both = set(&["a"]).replace("]}", &format!(",{secret}]}}"));
    let told = fetched(&mut relay, 0, Ok(&both));
    let [Record::Text(keys), Record::Notice(notice)] = told.as_slice() else {
        panic!("{told:?}");
    };
    assert!(!keys.contains("oct"), "anyone can read a secret there");
    assert!(notice.starts_with("token_jwks_url: "), "{notice}");
}

#[test]
fn an_address_that_others_could_answer_for_is_an_error_and_so_are_two_sources() {
    let read = |pairs: &[(&str, &str)]| {
        let settings = Settings::read(pairs.iter().copied());
        settings.expect_err("an error").to_string()
    };
    for (url, says) in [
        ("http://id.example/keys", "http is for this machine alone"),
        ("https://a:hush@id.example/", "a name or password"),
        ("id.example/hush", "https://HOST/PATH"),
        (" ", "token_jwks_url is empty"),
    ] {
        let error = read(&[("token_jwks_url", url)]);
        assert!(error.contains(says) && !error.contains("hush"), "{error}");
    }
    let key = key("a").private_jwk();
    let both = [("token_jwks_url", URL), ("token_keys", key.as_str())];
    assert_eq!(read(&both), SettingsError::TwoSources.to_string());
    relay(&[("token_jwks_url", "http://localhost:8080/certs")]);
}
