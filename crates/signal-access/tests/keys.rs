//! Keys that are refused, and what is never shown of one.

#![cfg(feature = "tokens")]

use serde_json::{Value, json};
use signal_access::{
    Access, Algorithm, ClaimError, Claims, KEY_TEXT_BYTES_MAX, KeyError, KeyProblem, NewKey,
    SignError, TokenSigner, TokenVerifier, UnixTime, UpgradeParts,
};
use signal_core::{TopicPattern, TopicSet};

const SEED: [u8; 32] = *b"a test seed, never to be used!!!";

fn private(algorithm: Algorithm) -> Value {
    let key = NewKey::from_seed(algorithm, Some("test"), SEED).private_jwk();
    serde_json::from_str(&key).expect("JSON")
}

fn problem(key: &Value) -> KeyProblem {
    match TokenVerifier::new(&key.to_string()) {
        Err(KeyError::Key(1, problem)) => problem,
        other => panic!("{key}: {other:?}"),
    }
}

/// The key with one member changed, or without it.
fn with(algorithm: Algorithm, name: &str, value: Value) -> Value {
    let mut key = private(algorithm);
    let members = key.as_object_mut().expect("an object");
    if value.is_null() {
        members.remove(name);
    } else {
        members.insert(name.to_owned(), value);
    }
    key
}

#[test]
fn the_mark_of_windows_programs_before_a_key_is_no_part_of_it() {
    let key = private(Algorithm::Hs256).to_string();
    let marked = format!("\u{feff}{key}");
    assert!(TokenVerifier::new(&marked).is_ok());
    assert!(TokenSigner::new(&marked).is_ok());
    assert!(
        TokenVerifier::new(&format!("\u{feff}{marked}")).is_err(),
        "one is enough"
    );
}

#[test]
fn a_broken_key_is_refused_with_what_is_wrong() {
    use Algorithm::{EdDsa, Hs256};
    use KeyProblem as P;
    let zeros = "A".repeat(43);
    for (algorithm, name, value, expected) in [
        (Hs256, "alg", Value::Null, P::Algorithm),
        (Hs256, "alg", json!("none"), P::Algorithm),
        (Hs256, "alg", json!("HS512"), P::Algorithm),
        (Hs256, "alg", json!("EdDSA"), P::Type),
        (Hs256, "kty", json!("OKP"), P::Type),
        (Hs256, "kty", Value::Null, P::Type),
        (Hs256, "kid", json!(7), P::Id),
        (Hs256, "use", json!("enc"), P::Use),
        (Hs256, "k", Value::Null, P::Missing("k")),
        (Hs256, "k", json!(7), P::Missing("k")),
        (Hs256, "k", json!(""), P::Short),
        (Hs256, "k", json!("c2hvcnQ"), P::Short),
        (Hs256, "k", json!("with=padding"), P::Base64("k")),
        (EdDsa, "alg", json!("HS256"), P::Type),
        (EdDsa, "crv", json!("X25519"), P::Curve),
        (EdDsa, "x", Value::Null, P::Missing("x")),
        (EdDsa, "x", json!("c2hvcnQ"), P::Length("x")),
        (EdDsa, "x", json!("%"), P::Base64("x")),
        (EdDsa, "x", json!(zeros), P::Point),
        (EdDsa, "d", json!(zeros), P::Mismatch),
        (EdDsa, "d", json!("c2hvcnQ"), P::Length("d")),
        (EdDsa, "d", json!(7), P::Missing("d")),
    ] {
        assert_eq!(
            problem(&with(algorithm, name, value)),
            expected,
            "{algorithm} {name}"
        );
    }
}

#[test]
fn a_text_that_is_no_keys_is_refused() {
    let key = |id: &str| NewKey::from_seed(Algorithm::Hs256, Some(id), SEED).private_jwk();
    let set = |ids: &[&str]| {
        let keys: Vec<String> = ids.iter().map(|id| key(id)).collect();
        format!(r#"{{"keys":[{}]}}"#, keys.join(","))
    };
    for (text, expected) in [
        ("my-secret".to_owned(), KeyError::NotJwk),
        ("[]".to_owned(), KeyError::NotJwk),
        (r#"{"keys":{}}"#.to_owned(), KeyError::NotJwk),
        (r#"{"keys":[]}"#.to_owned(), KeyError::NoKeys),
        (set(&["1", "2", "3", "4", "5"]), KeyError::TooMany(5)),
        (set(&["1", "2", "1"]), KeyError::SameId),
        (
            r#"{"keys":[7]}"#.to_owned(),
            KeyError::Key(1, KeyProblem::NotObject),
        ),
        (
            r#"{"alg":"HS256","alg":"HS256"}"#.to_owned(),
            KeyError::Key(1, KeyProblem::Duplicate),
        ),
        (" ".repeat(KEY_TEXT_BYTES_MAX + 1), KeyError::TooLong),
    ] {
        assert_eq!(TokenVerifier::new(&text).err(), Some(expected), "{text}");
    }
    assert!(TokenVerifier::new(&set(&["1", "2", "3", "4"])).is_ok());
    assert_eq!(
        TokenSigner::new(&set(&["1", "2"])).err(),
        Some(KeyError::NotOne(2))
    );
}

#[test]
fn a_public_key_verifies_and_cannot_sign() {
    let public = NewKey::from_seed(Algorithm::EdDsa, None, SEED)
        .public_jwk()
        .expect("EdDSA has one");
    assert!(!public.contains("\"d\""));
    assert!(TokenVerifier::new(&public).is_ok());
    let error = TokenSigner::new(&public).expect_err("it cannot sign");
    assert_eq!(error, KeyError::Key(1, KeyProblem::NotPrivate));
    assert_eq!(
        NewKey::from_seed(Algorithm::Hs256, None, SEED).public_jwk(),
        None
    );
}

#[test]
fn no_secret_is_ever_shown() {
    for algorithm in Algorithm::ALL {
        let key = NewKey::from_seed(algorithm, Some("test"), SEED);
        let jwk = key.private_jwk();
        let secret = private(algorithm);
        let secret = secret["k"]
            .as_str()
            .or(secret["d"].as_str())
            .expect("a secret");
        let signer = TokenSigner::new(&jwk).expect("a key");
        let verifier = TokenVerifier::new(&jwk).expect("a key");
        let token = signer
            .sign(&Claims::until(UnixTime::from_secs(2_000_000_000)))
            .expect("claims");
        let query = format!("token={token}");
        let request = UpgradeParts {
            query: Some(&query),
            authorization: Some(&token),
            protocols: Some(&token),
            host: None,
            origin: Some("https://app.example"),
        };
        let access = Access {
            tokens: Some(verifier.clone()),
            ..Access::default()
        };
        let shown = format!("{key:?} {signer:?} {verifier:?} {request:?} {access:?} {access:#?}");
        let bytes = format!("{SEED:?}");
        for hidden in [secret, &token, bytes.trim_matches(['[', ']'])] {
            assert!(!shown.contains(hidden), "{shown}");
        }
        assert!(
            shown.contains("\"test\"") && shown.contains("https://app.example"),
            "{shown}"
        );
    }
}

#[test]
fn claims_that_relays_would_refuse_are_not_signed() {
    let signer = TokenSigner::new(&private(Algorithm::Hs256).to_string()).expect("a key");
    let refused = |change: &dyn Fn(&mut Claims)| {
        let mut claims = Claims::until(UnixTime::from_secs(2_000_000_000));
        change(&mut claims);
        signer.sign(&claims).expect_err("a relay would refuse it")
    };
    let claim = |change: &dyn Fn(&mut Claims)| match refused(change) {
        SignError::Claims(error) => error,
        SignError::TooLong(length) => panic!("{length} bytes"),
        _ => panic!("another error"),
    };
    assert_eq!(
        claim(&|claims| claims.subject = Some(String::new())),
        ClaimError::Subject
    );
    assert_eq!(
        claim(&|claims| claims.peers_max = Some(1)),
        ClaimError::PeersOfNobody
    );
    let star = TopicSet::Matching(vec![TopicPattern::Exact("a*".into())]);
    assert_eq!(
        claim(&|claims| claims.publish = star.clone()),
        ClaimError::Pattern
    );
    let everything = TopicSet::Matching(vec![TopicPattern::Prefix("".into())]);
    assert_eq!(
        claim(&|claims| claims.subscribe = everything.clone()),
        ClaimError::Pattern
    );
    let long = TopicSet::none().exact(&"t".repeat(4_000));
    assert!(matches!(
        refused(&|claims| claims.publish = long.clone()),
        SignError::TooLong(_)
    ));
}
