//! Keys with which the host verifies.

#![cfg(feature = "tokens")]

use serde_json::Value;
use signal_access::{
    Algorithm, Claims, KeyError, KeyNotice, KeyProblem, NewKey, SignatureCheck, TokenError,
    TokenSigner, TokenVerifier, UnixTime,
};

const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);
const SEED: [u8; 32] = *b"a test seed, never to be used!!!";

fn key(algorithm: Algorithm, id: Option<&str>) -> String {
    NewKey::from_seed(algorithm, id, SEED).private_jwk()
}

fn token(key: &str) -> String {
    let claims = Claims::until(UnixTime::from_secs(1_900_000_000));
    let signer = TokenSigner::new(key).expect("a key");
    signer.sign(&claims).expect("claims")
}

/// What the host is asked, and what comes of its answer.
fn verify(verifier: &TokenVerifier, token: &str, right: usize) -> (Vec<usize>, bool) {
    let mut asked = Vec::new();
    let verified = verifier.verify_with(token, NOW, &mut |check| {
        let SignatureCheck { key, message, .. } = check;
        assert!(token.as_bytes().starts_with(message));
        asked.push(key);
        key == right
    });
    if let Err(error) = &verified {
        assert_eq!(*error, TokenError::Signature);
    }
    (asked, verified.is_ok())
}

#[test]
fn the_host_is_asked_with_the_keys_that_may_have_signed_until_one_has() {
    let (ours, theirs) = (Algorithm::EdDsa, Algorithm::Hs256);
    let keys = [
        key(theirs, None),
        key(ours, Some("a")),
        key(ours, Some("b")),
    ]
    .join(",");
    let keys = format!(r#"{{"keys":[{keys}]}}"#);
    let verifier = TokenVerifier::with_host_keys(&keys).expect("keys");
    let named = token(&key(ours, Some("b")));
    assert_eq!(verify(&verifier, &named, 2), (vec![2], true));
    assert_eq!(verify(&verifier, &named, 1), (vec![2], false));
    let nameless = token(&key(ours, None));
    assert_eq!(verify(&verifier, &nameless, 2), (vec![1, 2], true));
    assert_eq!(verify(&verifier, &nameless, 1), (vec![1], true));
    assert_eq!(verify(&verifier, &nameless, 9), (vec![1, 2], false));
}

#[test]
fn without_a_word_of_the_host_no_signature_is_right() {
    for algorithm in Algorithm::ALL {
        let key = key(algorithm, None);
        let verifier = TokenVerifier::with_host_keys(&key).expect("a key");
        let token = token(&key);
        assert_eq!(verifier.verify(&token, NOW), Err(TokenError::Signature));
        assert_eq!(verifier.read(&token), Err(TokenError::Signature));
    }
}

#[test]
fn a_signature_of_a_wrong_length_is_wrong_without_a_word_of_the_host() {
    for algorithm in Algorithm::ALL {
        let key = key(algorithm, None);
        let verifier = TokenVerifier::with_host_keys(&key).expect("a key");
        let token = token(&key);
        let (signed, _) = token.rsplit_once('.').expect("a signature");
        for wrong in ["", "AAAA", &"A".repeat(1_000)] {
            let (asked, is_right) = verify(&verifier, &format!("{signed}.{wrong}"), 0);
            assert_eq!((asked, is_right), (vec![], false), "{wrong}");
        }
    }
}

#[test]
fn the_host_gets_what_verifies_and_nothing_else() {
    let verifier = TokenVerifier::with_host_keys(&key(Algorithm::EdDsa, Some("a"))).expect("a key");
    let jwk: Vec<&str> = verifier.host_keys().collect();
    let jwk: Value = serde_json::from_str(jwk[0]).expect("JSON");
    let names: Vec<&String> = jwk.as_object().expect("an object").keys().collect();
    assert_eq!(names, ["crv", "kty", "x"]);
    assert!(matches!(verifier.notices(), [KeyNotice::Private(_)]));
    let own = TokenVerifier::new(&key(Algorithm::EdDsa, None)).expect("a key");
    assert_eq!(own.host_keys().count(), 0);
}

#[test]
fn a_key_is_judged_as_far_as_that_takes_no_cryptography() {
    let p256 = r#"{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}"#;
    assert!(TokenVerifier::with_host_keys(p256).is_ok());
    let zeros = "A".repeat(43);
    for (key, expected) in [
        (
            format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{zeros}"}}"#),
            KeyProblem::Point,
        ),
        (
            r#"{"kty":"OKP","crv":"Ed25519","x":"AAAA"}"#.to_owned(),
            KeyProblem::Length("x"),
        ),
        (
            r#"{"kty":"oct","alg":"HS256","k":"AAAA"}"#.to_owned(),
            KeyProblem::Short,
        ),
        (
            r#"{"kty":"RSA","n":"AQAB","e":"AQAB"}"#.to_owned(),
            KeyProblem::RsaShort,
        ),
        (p256.replace("P-256", "P-384"), KeyProblem::EcCurve),
    ] {
        let error = TokenVerifier::with_host_keys(&key).expect_err("a problem");
        assert_eq!(error, KeyError::Key(1, expected), "{key}");
    }
}
