//! Algorithms, keys and signatures.

use crate::keys::{
    OLD_SECRET, SECRET, STRANGER, decode, eddsa, encode, everything, good, hs256, public_key,
    relays, signed,
};
use crate::row::Row;

pub(crate) fn rows() -> Vec<Row> {
    let mut rows = algorithms();
    rows.extend(signatures());
    rows.extend(keys());
    rows
}

fn refused(name: &str, relay: &str, token: &str, error: &str) -> Row {
    Row::new(name, relay).token(token).refused(error)
}

fn upgraded(name: &str, relay: &str, token: &str) -> Row {
    let mut row = Row::new(name, relay).token(token).upgraded("query");
    row.expected.subject = Some("ann".to_owned());
    row
}

fn algorithms() -> Vec<Row> {
    let claims = everything().to_string();
    let claims = claims.as_str();
    let hs256_with = |header: &str, secret: &[u8]| hs256(header, claims, secret);
    let unsigned = |header: &str| signed(header, claims) + ".";
    let published = relays()["eddsa"].keys.clone().expect("a key").to_string();
    let confused = hs256_with(r#"{"alg":"HS256"}"#, &public_key());
    let algorithm = |name: &str, relay: &str, token: &str| refused(name, relay, token, "algorithm");
    vec![
        upgraded("HS256", "hs256", &hs256_with(r#"{"alg":"HS256"}"#, SECRET)),
        upgraded("EdDSA", "eddsa", &eddsa(r#"{"alg":"EdDSA"}"#, claims)),
        upgraded(
            "Ed25519 is EdDSA",
            "eddsa",
            &eddsa(r#"{"alg":"Ed25519"}"#, claims),
        ),
        upgraded(
            "EdDSA at a relay whose key says Ed25519",
            "ed25519",
            &eddsa(r#"{"alg":"EdDSA"}"#, claims),
        ),
        upgraded(
            "Ed25519 at a relay whose key says Ed25519",
            "ed25519",
            &eddsa(r#"{"alg":"Ed25519"}"#, claims),
        ),
        upgraded(
            "of the one key of a set that is a relay's, which has no alg",
            "mixed",
            &eddsa(r#"{"alg":"Ed25519","kid":"ours"}"#, claims),
        ),
        refused(
            "by the name of a key of the set that is for others",
            "mixed",
            &hs256_with(r#"{"alg":"HS256","kid":"enc"}"#, SECRET),
            "unknown_key",
        ),
        algorithm(
            "HS256 with a secret of the set that is for others",
            "mixed",
            &hs256_with(r#"{"alg":"HS256"}"#, SECRET),
        ),
        algorithm(
            "Ed448 by name",
            "eddsa",
            &eddsa(r#"{"alg":"Ed448"}"#, claims),
        ),
        algorithm(
            "ed25519 in small letters",
            "eddsa",
            &eddsa(r#"{"alg":"ed25519"}"#, claims),
        ),
        algorithm("none", "hs256", &unsigned(r#"{"alg":"none"}"#)),
        algorithm(
            "none, in other letters",
            "hs256",
            &unsigned(r#"{"alg":"nOnE"}"#),
        ),
        algorithm(
            "none, at a relay with a public key",
            "eddsa",
            &unsigned(r#"{"alg":"none"}"#),
        ),
        algorithm(
            "none, with a signature",
            "hs256",
            &hs256_with(r#"{"alg":"none"}"#, SECRET),
        ),
        algorithm(
            "HS512 by name",
            "hs256",
            &hs256_with(r#"{"alg":"HS512"}"#, SECRET),
        ),
        algorithm(
            "RS256 by name",
            "hs256",
            &hs256_with(r#"{"alg":"RS256"}"#, SECRET),
        ),
        algorithm(
            "hs256 in small letters",
            "hs256",
            &hs256_with(r#"{"alg":"hs256"}"#, SECRET),
        ),
        algorithm(
            "EdDSA at a relay with a secret",
            "hs256",
            &eddsa(r#"{"alg":"EdDSA"}"#, claims),
        ),
        algorithm(
            "HS256 with the public key as its secret",
            "eddsa",
            &confused,
        ),
        algorithm(
            "HS256 with the public key's file as its secret",
            "eddsa",
            &hs256_with(r#"{"alg":"HS256"}"#, published.as_bytes()),
        ),
        algorithm(
            "HS256 with the public key as its secret, by its kid",
            "both",
            &hs256_with(r#"{"alg":"HS256","kid":"public"}"#, &public_key()),
        ),
        refused(
            "HS256 with the public key as its secret, no kid",
            "both",
            &confused,
            "signature",
        ),
        refused(
            "EdDSA by name, signed with HS256",
            "eddsa",
            &hs256_with(r#"{"alg":"EdDSA"}"#, &public_key()),
            "signature",
        ),
    ]
}

fn signatures() -> Vec<Row> {
    let good = good();
    let parts: Vec<&str> = good.split('.').collect();
    let [header, claims, signature] = parts[..] else {
        panic!("three parts")
    };
    let other_claims = encode(br#"{"exp":4102444800,"sub":"eve","topics":["*"]}"#);
    let other_header = encode(br#"{"alg":"HS256","typ":"jwt"}"#);
    let bytes = decode(signature);
    let flipped: Vec<u8> = bytes
        .iter()
        .enumerate()
        .map(|(at, byte)| byte ^ u8::from(at == 0))
        .collect();
    let wrong = |name: &str, token: String| refused(name, "hs256", &token, "signature");
    let edwards = eddsa(r#"{"alg":"EdDSA"}"#, &everything().to_string());
    let edwards_wrong = |name: &str, token: String| refused(name, "eddsa", &token, "signature");
    let (edwards_signed, edwards_signature) = edwards.rsplit_once('.').expect("three parts");
    let edwards_bytes = decode(edwards_signature);
    vec![
        wrong("no signature", format!("{header}.{claims}.")),
        wrong(
            "first bit flipped",
            format!("{header}.{claims}.{}", encode(&flipped)),
        ),
        wrong(
            "a byte too short",
            format!("{header}.{claims}.{}", encode(&bytes[..31])),
        ),
        wrong(
            "a byte too long",
            format!("{header}.{claims}.{}", encode(&[&bytes[..], &[0]].concat())),
        ),
        wrong(
            "other claims",
            format!("{header}.{other_claims}.{signature}"),
        ),
        wrong(
            "other header",
            format!("{other_header}.{claims}.{signature}"),
        ),
        wrong("no claims", format!("{header}..{signature}")),
        wrong(
            "claims that are not base64, and not signed",
            format!("{header}.@@@.{signature}"),
        ),
        wrong(
            "of somebody else",
            hs256(r#"{"alg":"HS256"}"#, &everything().to_string(), STRANGER),
        ),
        wrong(
            "of somebody else, and expired",
            hs256(r#"{"alg":"HS256"}"#, r#"{"exp":1000000000}"#, STRANGER),
        ),
        edwards_wrong("EdDSA, no signature", format!("{edwards_signed}.")),
        edwards_wrong(
            "EdDSA, zeros",
            format!("{edwards_signed}.{}", encode(&[0; 64])),
        ),
        edwards_wrong(
            "EdDSA, a byte too short",
            format!("{edwards_signed}.{}", encode(&edwards_bytes[..63])),
        ),
        edwards_wrong(
            "EdDSA, the same signature written with a larger number",
            format!(
                "{edwards_signed}.{}",
                encode(&with_order_added(&edwards_bytes))
            ),
        ),
    ]
}

/// The signature with the group's order added to its second half: lax verifiers take both.
fn with_order_added(signature: &[u8]) -> Vec<u8> {
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde,
        0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let (point, scalar) = signature.split_at(32);
    let mut carry = 0;
    let sum = scalar.iter().zip(ORDER).map(|(a, b)| {
        let sum = u16::from(*a) + u16::from(b) + carry;
        carry = sum >> 8;
        sum as u8
    });
    let sum: Vec<u8> = sum.collect();
    [point, &sum].concat()
}

fn keys() -> Vec<Row> {
    let claims = everything().to_string();
    let with = |header: &str, secret: &[u8]| hs256(header, &claims, secret);
    let (old, new) = (
        r#"{"alg":"HS256","kid":"2026"}"#,
        r#"{"alg":"HS256","kid":"2027"}"#,
    );
    let (plain, unknown) = (r#"{"alg":"HS256"}"#, r#"{"alg":"HS256","kid":"2028"}"#);
    vec![
        upgraded("of the old key", "rotation", &with(old, OLD_SECRET)),
        upgraded("of the new key", "rotation", &with(new, SECRET)),
        upgraded(
            "of the old key, not named",
            "rotation",
            &with(plain, OLD_SECRET),
        ),
        upgraded(
            "of the new key, not named",
            "rotation",
            &with(plain, SECRET),
        ),
        refused(
            "of the old key, named as the new",
            "rotation",
            &with(new, OLD_SECRET),
            "signature",
        ),
        refused(
            "of a key that is not there",
            "rotation",
            &with(unknown, SECRET),
            "unknown_key",
        ),
        refused(
            "of a stranger, not named",
            "rotation",
            &with(plain, STRANGER),
            "signature",
        ),
        refused(
            "an empty name is a name",
            "rotation",
            &with(r#"{"alg":"HS256","kid":""}"#, SECRET),
            "unknown_key",
        ),
        upgraded(
            "named, at a relay whose key has no name",
            "hs256",
            &with(unknown, SECRET),
        ),
        upgraded(
            "EdDSA among two kinds of keys",
            "both",
            &eddsa(r#"{"alg":"EdDSA","kid":"public"}"#, &claims),
        ),
        upgraded(
            "HS256 among two kinds of keys",
            "both",
            &with(plain, SECRET),
        ),
        refused(
            "EdDSA under the name of the other kind",
            "both",
            &eddsa(r#"{"alg":"EdDSA","kid":"shared"}"#, &claims),
            "algorithm",
        ),
    ]
}
