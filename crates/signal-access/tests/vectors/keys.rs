//! Keys for tests, and a signer of its own that signs whatever it is given.

use std::collections::BTreeMap;

use base64ct::{Base64UrlUnpadded, Encoding as _};
use ed25519_dalek::{Signer as _, SigningKey};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::libraries;
use crate::row::Relay;

pub(crate) const SECRET: &[u8] = b"a test secret, never to be used!";
pub(crate) const OLD_SECRET: &[u8] = b"the test secret of the last year";
pub(crate) const STRANGER: &[u8] = b"the secret of someone else......";
const SEED: &[u8; 32] = b"a test seed, never to be used!!!";

/// The end of the rows that hold at any time: 2100.
pub(crate) const FAR: u64 = 4_102_444_800;

pub(crate) fn relays() -> BTreeMap<String, Relay> {
    let relay = |keys| Relay {
        keys,
        ..Relay::default()
    };
    let hs256 = || Some(oct(SECRET, None));
    let rotation = json!({ "keys": [oct(OLD_SECRET, Some("2026")), oct(SECRET, Some("2027"))] });
    let both = json!({ "keys": [oct(SECRET, Some("shared")), okp(Some("public"))] });
    let relays = [
        ("open", relay(None)),
        ("hs256", relay(hs256())),
        ("eddsa", relay(Some(okp(None)))),
        ("ed25519", relay(Some(ed25519()))),
        ("mixed", relay(Some(mixed()))),
        ("rotation", relay(Some(rotation))),
        ("both", relay(Some(both))),
        (
            "audience",
            Relay {
                audience: Some("relay.example.org".to_owned()),
                ..relay(hs256())
            },
        ),
        (
            "in_query",
            Relay {
                token_in: Some("query".to_owned()),
                ..relay(hs256())
            },
        ),
        (
            "in_query_or_protocol",
            Relay {
                token_in: Some("query,protocol".to_owned()),
                ..relay(hs256())
            },
        ),
        (
            "origins",
            Relay {
                origins: vec![
                    "https://app.example.org".to_owned(),
                    "https://*.example.net:8443".to_owned(),
                ],
                ..relay(hs256())
            },
        ),
    ];
    relays
        .into_iter()
        .chain(libraries::relays())
        .map(|(name, relay)| (name.to_owned(), relay))
        .collect()
}

pub(crate) fn oct(secret: &[u8], id: Option<&str>) -> Value {
    let mut key = json!({ "kty": "oct", "alg": "HS256", "k": encode(secret) });
    if let Some(id) = id {
        key["kid"] = id.into();
    }
    key
}

fn okp(id: Option<&str>) -> Value {
    let mut key =
        json!({ "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "x": encode(&public_key()) });
    if let Some(id) = id {
        key["kid"] = id.into();
    }
    key
}

/// The same key as browsers write it today (RFC 9864).
fn ed25519() -> Value {
    let mut key = okp(None);
    key["alg"] = "Ed25519".into();
    key["key_ops"] = json!(["verify"]);
    key["ext"] = true.into();
    key
}

/// A set with keys that are for others before and after ours, which has no `alg`.
fn mixed() -> Value {
    let mut key = okp(Some("ours"));
    key.as_object_mut().expect("an object").remove("alg");
    let exchange = json!({ "kty": "OKP", "crv": "X25519", "kid": "ours too", "x": "AA" });
    let unknown = json!({ "kty": "AKP", "alg": "ML-DSA-44", "kid": "new", "pub": "AA" });
    let encryption =
        json!({ "kty": "oct", "alg": "A256GCM", "use": "enc", "kid": "enc", "k": encode(SECRET) });
    json!({ "keys": [exchange, unknown, key, encryption] })
}

pub(crate) fn public_key() -> [u8; 32] {
    SigningKey::from_bytes(SEED).verifying_key().to_bytes()
}

/// Claims that let in at any time, to every topic.
pub(crate) fn everything() -> Value {
    json!({ "sub": "ann", "exp": FAR, "topics": ["*"] })
}

/// A good token.
pub(crate) fn good() -> String {
    hs256(
        r#"{"alg":"HS256","typ":"JWT"}"#,
        &everything().to_string(),
        SECRET,
    )
}

/// A token of these claims under the plain header.
pub(crate) fn claiming(claims: &Value) -> String {
    claiming_text(&claims.to_string())
}

pub(crate) fn claiming_text(claims: &str) -> String {
    hs256(r#"{"alg":"HS256"}"#, claims, SECRET)
}

/// A token whose header is this, signed with HS256 whatever the header says.
pub(crate) fn hs256(header: &str, claims: &str, secret: &[u8]) -> String {
    let signed = signed(header, claims);
    let mac = Hmac::<Sha256>::new_from_slice(secret)
        .expect("any length")
        .chain_update(&signed);
    format!("{signed}.{}", encode(&mac.finalize().into_bytes()))
}

pub(crate) fn eddsa(header: &str, claims: &str) -> String {
    let signed = signed(header, claims);
    let signature = SigningKey::from_bytes(SEED).sign(signed.as_bytes());
    format!("{signed}.{}", encode(&signature.to_bytes()))
}

pub(crate) fn signed(header: &str, claims: &str) -> String {
    format!(
        "{}.{}",
        encode(header.as_bytes()),
        encode(claims.as_bytes())
    )
}

pub(crate) fn encode(bytes: &[u8]) -> String {
    Base64UrlUnpadded::encode_string(bytes)
}

pub(crate) fn decode(text: &str) -> Vec<u8> {
    Base64UrlUnpadded::decode_vec(text).expect("base64url")
}
