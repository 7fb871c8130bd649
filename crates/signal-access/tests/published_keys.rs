//! Keys of providers, which anyone can read.

#![cfg(feature = "tokens")]

use std::sync::Arc;

use serde_json::{Value, json};
use signal_access::{
    Access, Algorithm, Claims, KeyError, KeyProblem, NewKey, PublicKey, PublicKeys, Refusal,
    TokenSigner, TokenVerifier, UnixTime, UpgradeParts,
};

const SEED: [u8; 32] = *b"a test seed, never to be used!!!";

fn private(algorithm: Algorithm) -> Value {
    let key = NewKey::from_seed(algorithm, None, SEED).private_jwk();
    serde_json::from_str(&key).expect("JSON")
}

/// What libraries of others publish; see `vectors/libraries`.
fn published() -> Vec<Value> {
    let file: Value =
        serde_json::from_str(include_str!("../vectors/libraries.json")).expect("JSON");
    file["keys"].as_array().expect("keys").clone()
}

/// RSA and P-256 keys are judged here, whatever verifies with them.
#[test]
fn keys_of_providers_are_judged_before_they_are_used() {
    use KeyProblem as P;
    let keys = published();
    let judge = |key: &Value| match TokenVerifier::with_public_keys(&key.to_string(), &Nobody) {
        Err(KeyError::Key(1, problem)) => Err(problem),
        other => Ok(other.expect("a key").key_count()),
    };
    let with = |at: usize, name: &str, value: Value| {
        let mut key = keys[at].clone();
        key[name] = value;
        judge(&key)
    };
    let (rsa, p256) = (0, 1);
    assert_eq!((judge(&keys[rsa]), judge(&keys[p256])), (Ok(1), Ok(1)));
    let modulus = keys[rsa]["n"].as_str().expect("a modulus").to_owned();
    for (judged, problem) in [
        (with(rsa, "alg", json!("HS256")), P::Type),
        (with(rsa, "alg", json!("RS512")), P::Algorithm),
        (with(rsa, "alg", json!("PS256")), P::Algorithm),
        (with(rsa, "alg", json!("ES256")), P::Type),
        (with(rsa, "kty", json!("oct")), P::Type),
        (with(rsa, "n", json!("AQAB")), P::RsaShort),
        (with(rsa, "n", json!("")), P::RsaShort),
        (
            with(rsa, "n", json!("AAAA".to_owned() + &modulus[..8])),
            P::RsaShort,
        ),
        (with(rsa, "n", json!(modulus.repeat(3))), P::RsaLong),
        (with(rsa, "n", json!(7)), P::Missing("n")),
        (with(rsa, "e", Value::Null), P::Missing("e")),
        (with(rsa, "e", json!("AQ")), P::NotPublic),
        (with(rsa, "e", json!("Ag")), P::NotPublic),
        (with(rsa, "e", json!("")), P::NotPublic),
        (with(rsa, "e", json!("AQAAAAE")), P::NotPublic),
        (judge(&keys[4]), P::RsaShort),
        (judge(&keys[5]), P::Use),
        (judge(&keys[6]), P::EcCurve),
        (with(p256, "crv", json!("secp256k1")), P::EcCurve),
        (with(p256, "crv", Value::Null), P::EcCurve),
        (with(p256, "alg", json!("HS256")), P::Type),
        (with(p256, "x", json!("AAAA")), P::Length("x")),
        (with(p256, "y", json!("AAAA".repeat(20))), P::Length("y")),
    ] {
        assert_eq!(judged, Err(problem));
    }
    // In the other base64, with its padding.
    let other = |at: usize, name: &str| {
        let text = keys[at][name].as_str().expect("a text");
        let padding = "=".repeat(text.len().wrapping_neg() % 4);
        json!(text.replace('-', "+").replace('_', "/") + &padding)
    };
    for (at, name) in [(rsa, "n"), (rsa, "e"), (p256, "x"), (p256, "y")] {
        assert_eq!(with(at, name, other(at, name)), Ok(1), "{name}");
    }
    let alone = TokenVerifier::new(&keys[rsa].to_string());
    assert_eq!(alone.err(), Some(KeyError::Key(1, P::NotVerified)));
}

/// Anyone can read a published set, so that a key in it that signs is anyone's.
#[test]
fn nothing_that_signs_counts_where_anyone_can_read_it() {
    let secret = private(Algorithm::Hs256);
    let edwards = private(Algorithm::EdDsa);
    let rsa = published()[0].clone();
    let mut private_rsa = rsa.clone();
    private_rsa["d"] = "AQAB".into();
    let policy = TokenVerifier::without_keys().with_issuer("https://id.example.org");
    let publish = |keys: &[&Value]| {
        let set = json!({ "keys": keys }).to_string();
        policy.with_published_keys(&set, &Nobody)
    };
    for key in [&secret, &edwards, &private_rsa] {
        let problem = KeyError::Key(1, KeyProblem::Published);
        assert_eq!(publish(&[key]).err(), Some(problem), "{key}");
        let verifier = publish(&[key, &rsa]).expect("one is left");
        assert_eq!(verifier.key_count(), 1);
        assert_eq!(verifier.issuer(), Some("https://id.example.org"));
        let claims = Claims::until(UnixTime::from_secs(2_000_000_000));
        if let Ok(signer) = TokenSigner::new(&key.to_string()) {
            let token = signer.sign(&claims).expect("claims");
            let now = UnixTime::from_secs(1_800_000_000);
            assert!(verifier.verify(&token, now).is_err(), "{key}");
        }
    }
}

#[test]
fn before_the_keys_are_fetched_every_token_is_refused_and_it_is_not_the_clients_fault() {
    let signer = TokenSigner::new(&private(Algorithm::Hs256).to_string()).expect("a key");
    let token = signer
        .sign(&Claims::until(UnixTime::from_secs(2_000_000_000)))
        .expect("claims");
    let access = Access {
        tokens: Some(TokenVerifier::without_keys()),
        ..Access::default()
    };
    let query = format!("token={token}");
    let request = UpgradeParts {
        query: Some(&query),
        ..UpgradeParts::default()
    };
    let denied = access
        .judge(&request, UnixTime::from_secs(1_800_000_000))
        .expect_err("there are no keys");
    assert_eq!((denied.name(), denied.status()), ("no_keys", 503));
    let refusal = Refusal::from(denied);
    assert!(refusal.retry_after_seconds().is_some() && !refusal.is_denial());
}

/// Takes every key, and has signed nothing.
struct Nobody;

impl PublicKeys for Nobody {
    fn rs256(&self, _modulus: &[u8], _exponent: &[u8]) -> Option<Arc<dyn PublicKey>> {
        Some(Arc::new(Self))
    }

    fn es256(&self, _point: &[u8; 65]) -> Option<Arc<dyn PublicKey>> {
        Some(Arc::new(Self))
    }
}

impl PublicKey for Nobody {
    fn has_signed(&self, _message: &[u8], _signature: &[u8]) -> bool {
        false
    }
}
