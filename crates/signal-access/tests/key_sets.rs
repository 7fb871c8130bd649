//! Sets of many keys, keys of one name, and keys that are written in another way.

#![cfg(feature = "tokens")]

use base64ct::{Base64, Base64Unpadded, Base64Url, Base64UrlUnpadded, Encoding as _};
use serde_json::{Value, json};
use signal_access::{
    Algorithm, Claims, KEYS_MAX, KEYS_TRIED_MAX, KeyError, KeyProblem, NewKey, TokenError,
    TokenSigner, TokenVerifier, UnixTime,
};

const SEED: [u8; 32] = *b"a test seed, never to be used!!!";

/// The private key of a seed, by this name, and what it signs for an hour.
fn signing(algorithm: Algorithm, id: &str, seed: usize) -> (Value, String) {
    let mut bytes = SEED;
    bytes[..8].copy_from_slice(&seed.to_be_bytes());
    let key = NewKey::from_seed(algorithm, Some(id), bytes).private_jwk();
    let signer = TokenSigner::new(&key).expect("a key");
    let claims = Claims::until(UnixTime::from_secs(1_800_003_600));
    let token = signer.sign(&claims).expect("claims");
    (serde_json::from_str(&key).expect("JSON"), token)
}

/// Google's and Entra's sets, or those of several issuers in one.
#[test]
fn of_a_large_set_the_first_keys_are_used_and_the_others_named() {
    let (keys, tokens): (Vec<Value>, Vec<String>) = (0..KEYS_MAX + 2)
        .map(|seed| signing(Algorithm::Hs256, &format!("k{seed}"), seed))
        .unzip();
    let of = |count: usize| {
        let set = json!({ "keys": keys[..count] }).to_string();
        TokenVerifier::new(&set).expect("keys")
    };
    let now = UnixTime::from_secs(1_800_000_000);
    for count in [17, 33, KEYS_MAX] {
        let verifier = of(count);
        assert_eq!(verifier.key_count(), count);
        for token in &tokens[..count] {
            assert!(verifier.verify(token, now).is_ok());
        }
    }
    let verifier = of(KEYS_MAX + 2);
    assert_eq!(verifier.key_count(), KEYS_MAX);
    assert!(verifier.verify(&tokens[KEYS_MAX - 1], now).is_ok());
    let refused = verifier.verify(&tokens[KEYS_MAX], now);
    assert_eq!(refused, Err(TokenError::UnknownKey));

    let notices: Vec<String> = verifier.notices().iter().map(ToString::to_string).collect();
    let past = |number: usize| {
        let name = number - 1;
        format!(
            "key {number} (\"k{name}\") is not used: {}",
            KeyProblem::TooMany
        )
    };
    assert_eq!(notices, [past(KEYS_MAX + 1), past(KEYS_MAX + 2)]);
}

/// RFC 7517, 4.5: a `kid` need not be unique, as when one is used again for the next key.
#[test]
fn keys_of_one_name_are_all_tried_up_to_the_bound() {
    let (keys, tokens): (Vec<Value>, Vec<String>) = (0..KEYS_TRIED_MAX + 1)
        .map(|seed| signing(Algorithm::EdDsa, "same", seed))
        .unzip();
    let (secret, by_secret) = signing(Algorithm::Hs256, "same", 99);
    let (mut nameless, mut without_name) = (keys[0].clone(), Vec::new());
    nameless.as_object_mut().expect("an object").remove("kid");
    for seed in 200..204 {
        let (mut key, token) = signing(Algorithm::EdDsa, "", seed);
        key.as_object_mut().expect("an object").remove("kid");
        without_name.push((key, token));
    }
    let verifier =
        |keys: Vec<&Value>| TokenVerifier::new(&json!({ "keys": keys }).to_string()).expect("keys");
    let now = UnixTime::from_secs(1_800_000_000);

    // Those of another algorithm are beside the point.
    let all = verifier(keys.iter().chain([&secret]).collect());
    assert_eq!(all.key_count(), KEYS_TRIED_MAX + 1);
    for token in tokens[..KEYS_TRIED_MAX].iter().chain([&by_secret]) {
        assert!(all.verify(token, now).is_ok());
    }
    assert_eq!(
        all.verify(&tokens[KEYS_TRIED_MAX], now),
        Err(TokenError::Signature)
    );
    let past = KeyProblem::SameId.to_string();
    let skipped = all.notices().iter().map(ToString::to_string);
    let skipped: Vec<String> = skipped.filter(|said| said.ends_with(&past)).collect();
    let number = KEYS_TRIED_MAX + 1;
    assert_eq!(
        skipped,
        [format!("key {number} (\"same\") is not used: {past}")]
    );

    // Keys without a name come after those of the token's name, however they stand in the set.
    let nameless = without_name.iter().map(|(key, _)| key);
    let behind = verifier(nameless.chain(&keys[..2]).collect());
    for (token, judged) in [
        (&tokens[1], true),
        (&without_name[1].1, true),
        (&tokens[3], false),
    ] {
        assert_eq!(behind.verify(token, now).is_ok(), judged);
    }
}

/// Programs that make JWKs by hand write base64 as their library does.
#[test]
fn keys_in_the_other_base64_are_the_same_keys() {
    let now = UnixTime::from_secs(1_800_000_000);
    for (algorithm, names) in [
        (Algorithm::Hs256, &["k"][..]),
        (Algorithm::EdDsa, &["x", "d"]),
    ] {
        // One whose numbers have letters in which the two alphabets differ.
        let (key, token) = (0..)
            .map(|seed| signing(algorithm, "same", seed))
            .find(|(key, _)| {
                let text = key[names[0]].as_str().expect("a text");
                text.contains('-') && text.contains('_')
            })
            .expect("one of many");
        let write = |encode: fn(&[u8]) -> String| {
            let mut key = key.clone();
            for name in names {
                let text = key[*name].as_str().expect("a text");
                key[*name] = encode(&Base64UrlUnpadded::decode_vec(text).expect("bytes")).into();
            }
            key.to_string()
        };
        for written in [
            write(Base64::encode_string),
            write(Base64Unpadded::encode_string),
            write(Base64Url::encode_string),
        ] {
            assert_ne!(written, key.to_string());
            let verifier = TokenVerifier::new(&written).expect("a key");
            assert!(verifier.verify(&token, now).is_ok(), "{written}");
            let host = |key: &str| {
                let verifier = TokenVerifier::with_host_keys(key).expect("a key");
                verifier.host_keys().map(str::to_owned).collect::<Vec<_>>()
            };
            assert_eq!(host(&written), host(&key.to_string()));
        }
    }
    for wrong in ["AAAA AAAA", "AAAA\nAAAA", "=AAA", "AA=A", "A", "Ä"] {
        let key = json!({ "kty": "oct", "alg": "HS256", "k": wrong }).to_string();
        let problem = KeyError::Key(1, KeyProblem::Base64("k"));
        assert_eq!(TokenVerifier::new(&key).err(), Some(problem), "{wrong}");
    }
}
