//! Keys that are refused, and what is never shown of one.

#![cfg(feature = "tokens")]

use serde_json::{Value, json};
use signal_access::{
    Access, Algorithm, ClaimError, Claims, KEY_TEXT_BYTES_MAX, KeyError, KeyNotice, KeyProblem,
    NewKey, SignError, TokenError, TokenSigner, TokenVerifier, UnixTime, UpgradeParts,
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
fn a_byte_order_mark_before_a_key_is_not_part_of_it() {
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
        (Hs256, "alg", Value::Null, P::NoAlgorithm),
        (Hs256, "alg", json!(7), P::Algorithm),
        (Hs256, "alg", json!("none"), P::Algorithm),
        (Hs256, "alg", json!("HS512"), P::Algorithm),
        (Hs256, "alg", json!("EdDSA"), P::Type),
        (Hs256, "kty", json!("OKP"), P::Type),
        (Hs256, "kty", Value::Null, P::Type),
        (Hs256, "kid", json!(7), P::Id),
        (Hs256, "use", json!("enc"), P::Use),
        (Hs256, "key_ops", json!(["encrypt"]), P::Operations),
        (Hs256, "key_ops", json!([]), P::Operations),
        (Hs256, "key_ops", json!("verify"), P::Operations),
        (Hs256, "k", Value::Null, P::Missing("k")),
        (Hs256, "k", json!(7), P::Missing("k")),
        (Hs256, "k", json!(""), P::Short),
        (Hs256, "k", json!("c2hvcnQ"), P::Short),
        (Hs256, "k", json!("with=padding"), P::Base64("k")),
        (EdDsa, "alg", json!("HS256"), P::Type),
        (EdDsa, "alg", json!("ES512"), P::Algorithm),
        (EdDsa, "alg", json!("ES256"), P::Type),
        (EdDsa, "kty", json!("EC"), P::EcCurve),
        (EdDsa, "crv", json!("X25519"), P::Curve),
        (EdDsa, "crv", json!("Ed448"), P::Curve),
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

/// What Node, Bun and browsers export says `Ed25519` (RFC 9864), and what others do says nothing.
#[test]
fn an_ed25519_key_is_one_whatever_it_calls_its_algorithm() {
    let claims = Claims::until(UnixTime::from_secs(2_000_000_000));
    for alg in [json!("EdDSA"), json!("Ed25519"), Value::Null] {
        let key = with(Algorithm::EdDsa, "alg", alg).to_string();
        let signer = TokenSigner::new(&key).expect("a key");
        let token = signer.sign(&claims).expect("claims");
        let verifier = TokenVerifier::new(&key).expect("a key");
        let now = UnixTime::from_secs(1_800_000_000);
        assert_eq!(verifier.verify(&token, now), Ok(claims.clone()), "{key}");
    }
    let other = json!({"kty": "OKP", "crv": "Ed448", "alg": "Ed448", "x": "AA"});
    assert_eq!(problem(&other), KeyProblem::Curve);
    assert!(KeyProblem::Curve.to_string().contains("Ed25519"));
}

#[test]
fn members_of_a_key_that_mean_nothing_here_are_ignored() {
    for (name, value) in [
        ("use", json!("sig")),
        ("key_ops", json!(["verify"])),
        ("key_ops", json!(["sign", "verify"])),
        ("ext", json!(true)),
        ("x5c", json!(["MIIB"])),
        ("x5t#S256", json!("AAAA")),
        ("iat", json!(1_700_000_000)),
    ] {
        let key = with(Algorithm::EdDsa, name, value);
        assert!(TokenVerifier::new(&key.to_string()).is_ok(), "{key}");
    }
}

/// RFC 7517, 5: a set may have keys for others in it.
#[test]
fn keys_of_a_set_that_cannot_be_used_are_passed_over_and_named() {
    let ours = private(Algorithm::Hs256);
    let set = json!({"keys": [
        {"kty": "future", "alg": "XX1"},
        {"kty": "OKP", "crv": "X25519", "kid": "x", "x": "AA"},
        ours,
        {"kty": "oct", "alg": "HS256", "use": "enc", "kid": "enc", "k": "AA"},
        7,
        {"kty": "OKP", "crv": "Ed25519", "kid": "broken", "x": "AA"},
        {"kid": "k".repeat(100)},
    ]});
    let verifier = TokenVerifier::new(&set.to_string()).expect("one is left");
    assert_eq!(verifier.key_count(), 1);
    let notices: Vec<String> = verifier.notices().iter().map(ToString::to_string).collect();
    let not_used = |name: &str, problem: KeyProblem| format!("key {name} is not used: {problem}");
    let expected = [
        not_used("1", KeyProblem::Algorithm),
        not_used("2 (\"x\")", KeyProblem::Curve),
        not_used("4 (\"enc\")", KeyProblem::Use),
        not_used("5", KeyProblem::NotObject),
        not_used("6 (\"broken\")", KeyProblem::Length("x")),
        not_used(&format!("7 (\"{}\")", "k".repeat(64)), KeyProblem::Type),
    ];
    assert_eq!(notices, expected);
    let token = TokenSigner::new(&set.to_string())
        .expect("one is left")
        .sign(&Claims::until(UnixTime::from_secs(2_000_000_000)));
    let now = UnixTime::from_secs(1_800_000_000);
    assert!(verifier.verify(&token.expect("claims"), now).is_ok());
}

#[test]
fn a_set_of_which_no_key_is_left_says_why_for_each() {
    let set = r#"{"keys":[{"kty":"OKP","crv":"X25519"},{"kty":"oct","kid":"b","k":"AA"}]}"#;
    let error = TokenVerifier::new(set).expect_err("none is left");
    assert_eq!(
        error.to_string(),
        format!(
            "none of the 2 keys of the JWK Set can be used: key 1: {}. key 2 (\"b\"): {}",
            KeyProblem::Curve,
            KeyProblem::NoAlgorithm
        )
    );
    let many = format!(r#"{{"keys":[{}]}}"#, vec!["{}"; 5_000].join(","));
    let error = TokenVerifier::new(&many).expect_err("none is left");
    let text = error.to_string();
    assert!(
        text.len() < 4_000 && text.ends_with("And 4984 more"),
        "{text}"
    );
}

/// A token that names no key is not tried with a whole set.
#[test]
fn one_token_is_verified_with_a_few_keys_at_most() {
    let keys: Vec<Value> = (0..5)
        .map(|seed: u8| {
            let id = seed.to_string();
            let key = NewKey::from_seed(Algorithm::EdDsa, Some(&id), [seed; 32]).private_jwk();
            serde_json::from_str(&key).expect("JSON")
        })
        .collect();
    let verifier = TokenVerifier::new(&json!({ "keys": keys }).to_string()).expect("keys");
    let now = UnixTime::from_secs(1_800_000_000);
    let claims = Claims::until(UnixTime::from_secs(2_000_000_000));
    let mut unnamed = keys[3].clone();
    unnamed.as_object_mut().expect("an object").remove("kid");
    for (key, judged) in [
        (&keys[3], Ok(claims.clone())),
        (&unnamed, Err(TokenError::UnknownKey)),
    ] {
        let signer = TokenSigner::new(&key.to_string()).expect("a key");
        let token = signer.sign(&claims).expect("claims");
        assert_eq!(verifier.verify(&token, now), judged);
    }
}

#[test]
fn a_private_key_is_used_and_said_to_be_one() {
    let key = private(Algorithm::EdDsa).to_string();
    let verifier = TokenVerifier::new(&key).expect("a key");
    let [KeyNotice::Private(name)] = verifier.notices() else {
        panic!("{:?}", verifier.notices());
    };
    assert_eq!((name.number, name.id.as_deref()), (1, Some("test")));
    let secret = private(Algorithm::Hs256).to_string();
    let verifier = TokenVerifier::new(&secret).expect("a key");
    assert!(verifier.notices().is_empty(), "it has no other half");
}

#[test]
fn a_text_without_keys_is_refused() {
    let key = |id: &str| NewKey::from_seed(Algorithm::Hs256, Some(id), SEED).private_jwk();
    let set = |ids: &[&str]| {
        let keys: Vec<String> = ids.iter().map(|id| key(id)).collect();
        format!(r#"{{"keys":[{}]}}"#, keys.join(","))
    };
    for (text, expected) in [
        ("my-secret".to_owned(), KeyError::NotJwk),
        ("[]".to_owned(), KeyError::NotJwk),
        (
            r#"{"issuer":"https://id.example","jwks_uri":"https://id.example/keys"}"#.to_owned(),
            KeyError::Discovery,
        ),
        (
            "\n-----BEGIN PUBLIC KEY-----\nMCow\n".to_owned(),
            KeyError::Pem,
        ),
        (
            r#"{"1e9gdk7":"-----BEGIN CERTIFICATE-----\nMIID\n"}"#.to_owned(),
            KeyError::Pem,
        ),
        (r#"{"keys":{}}"#.to_owned(), KeyError::NotJwk),
        (r#"{"keys":[]}"#.to_owned(), KeyError::NoKeys),
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
    let some = |numbers: &[(TopicSet, u32)]| {
        let numbers = numbers.to_vec();
        claim(&move |claims| claims.clients_max = numbers.clone())
    };
    for numbers in [
        [(TopicSet::All, 0)],
        [(TopicSet::none().exact("a"), 0)],
        [(TopicSet::none(), 4)],
    ] {
        assert_eq!(some(&numbers), ClaimError::ClientsMax);
    }
    let one = || TopicSet::none().exact("a");
    let many = vec![(one(), 4); 257];
    assert_eq!(some(&many), ClaimError::TooManyTopics);
    assert_eq!(
        some(&[(TopicSet::none().exact("a*"), 4)]),
        ClaimError::Pattern
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
    let long = TopicSet::none().exact(&"t".repeat(10_000));
    assert!(matches!(
        refused(&|claims| claims.publish = long.clone()),
        SignError::TooLong(_)
    ));
}
