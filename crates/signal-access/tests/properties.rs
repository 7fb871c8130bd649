//! What holds of every token and every text.

#![cfg(feature = "tokens")]

use proptest::prelude::*;
use serde_json::json;
use signal_access::{
    Access, Algorithm, Claims, NewKey, TokenError, TokenSigner, TokenVerifier, UnixTime,
    UpgradeParts, read_clients_max,
};
use signal_core::TopicSet;

const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

fn key(algorithm: Algorithm) -> NewKey {
    NewKey::from_seed(
        algorithm,
        Some("test"),
        *b"a test seed, never to be used!!!",
    )
}

fn verifier(algorithm: Algorithm) -> TokenVerifier {
    TokenVerifier::new(&key(algorithm).private_jwk()).expect("a key")
}

fn sign(algorithm: Algorithm, claims: &Claims) -> String {
    let signer = TokenSigner::new(&key(algorithm).private_jwk()).expect("a key");
    signer.sign(claims).expect("claims that make sense")
}

fn algorithms() -> impl Strategy<Value = Algorithm> {
    prop::sample::select(&Algorithm::ALL)
}

/// Topics as they can be written in a claim.
fn topics() -> impl Strategy<Value = TopicSet> {
    let pattern = ("[^*\0]{1,8}", any::<bool>());
    let some = prop::collection::vec(pattern, 0..5).prop_map(|patterns| {
        let add = |set: TopicSet, (text, is_prefix): (String, bool)| {
            if is_prefix {
                set.prefix(&text)
            } else {
                set.exact(&text)
            }
        };
        patterns.into_iter().fold(TopicSet::none(), add)
    });
    prop_oneof![1 => Just(TopicSet::All), 4 => some]
}

/// Numbers of clients as they are read: those of some topics are in the order of these.
fn clients_max() -> impl Strategy<Value = Vec<(TopicSet, u32)>> {
    let number = 1..=u32::MAX;
    let some = prop::collection::btree_map("[^*\0]{1,9}[*]?", number.clone(), 1..9);
    prop_oneof![
        Just(Vec::new()),
        number.prop_map(|max| vec![(TopicSet::All, max)]),
        some.prop_map(|numbers| read_clients_max(&json!(numbers)).expect("numbers")),
    ]
}

prop_compose! {
    fn claims()(
        subject in "[^\0]{1,20}",
        expires in 1_800_000_001..4_000_000_000_u64,
        not_before in prop::option::of(0..1_800_000_031_u64),
        subscribe in topics(),
        publish in topics(),
        peers_max in prop::option::of(1..u32::MAX),
        clients_max in clients_max(),
        is_somebody in any::<bool>(),
    ) -> Claims {
        let mut claims = Claims::until(UnixTime::from_secs(expires));
        claims.not_before = not_before.map(UnixTime::from_secs);
        (claims.subscribe, claims.publish) = (subscribe, publish);
        claims.clients_max = clients_max;
        if is_somebody {
            (claims.subject, claims.peers_max) = (Some(subject), peers_max);
        }
        claims
    }
}

proptest! {
    #[test]
    fn what_is_signed_is_read_again(claims in claims(), algorithm in algorithms()) {
        let token = sign(algorithm, &claims);
        prop_assert_eq!(verifier(algorithm).verify(&token, NOW), Ok(claims));
    }

    #[test]
    fn a_token_with_one_other_character_is_refused(
        claims in claims(),
        algorithm in algorithms(),
        at in any::<prop::sample::Index>(),
        other in "[A-Za-z0-9_.=+/ \\-]",
    ) {
        let token = sign(algorithm, &claims);
        let at = at.index(token.len());
        prop_assume!(token[at..=at] != other);
        let changed = [&token[..at], &other, &token[at + 1..]].concat();
        prop_assert!(verifier(algorithm).verify(&changed, NOW).is_err(), "{}", changed);
    }

    #[test]
    fn a_token_with_a_character_more_or_less_is_refused(
        algorithm in algorithms(),
        at in any::<prop::sample::Index>(),
        more in "[A-Za-z0-9_.=\\-]?",
    ) {
        let token = sign(algorithm, &Claims::until(UnixTime::from_secs(1_900_000_000)));
        let at = at.index(token.len());
        let skipped = usize::from(more.is_empty());
        let changed = [&token[..at], &more, &token[at + skipped..]].concat();
        prop_assert!(verifier(algorithm).verify(&changed, NOW).is_err(), "{}", changed);
    }

    #[test]
    fn any_text_is_survived_and_lets_nobody_in(
        text in any::<String>(),
        parts in prop::collection::vec("[A-Za-z0-9_\\-]{0,40}", 0..5),
    ) {
        for algorithm in Algorithm::ALL {
            let verifier = verifier(algorithm);
            prop_assert!(verifier.verify(&text, NOW).is_err());
            prop_assert!(verifier.verify(&parts.join("."), NOW).is_err());
        }
    }

    #[test]
    fn any_header_and_claims_are_survived(header in any::<String>(), claims in any::<String>()) {
        use base64ct::{Base64UrlUnpadded, Encoding as _};
        let encode = |text: &str| Base64UrlUnpadded::encode_string(text.as_bytes());
        let token = [encode(&header), encode(&claims), encode("signature")].join(".");
        for algorithm in Algorithm::ALL {
            prop_assert!(verifier(algorithm).verify(&token, NOW).is_err());
        }
    }

    #[test]
    fn any_request_is_survived(
        query in prop::option::of("[a-z=&%0-9]{0,30}|.{0,30}"),
        authorization in prop::option::of("(bearer|Basic)? .{0,20}|.{0,20}"),
        protocols in prop::option::of("(signal-token|,| |x){0,8}"),
    ) {
        let access = Access { tokens: Some(verifier(Algorithm::Hs256)), ..Access::default() };
        let request = UpgradeParts {
            query: query.as_deref(),
            host: None,
            origin: None,
            authorization: authorization.as_deref(),
            protocols: protocols.as_deref(),
        };
        prop_assert!(access.judge(&request, NOW).is_err());
    }

    #[test]
    fn any_text_of_keys_is_survived(text in any::<String>()) {
        prop_assert!(TokenVerifier::new(&text).is_err());
        prop_assert!(TokenSigner::new(&text).is_err());
    }
}

#[test]
fn only_what_is_sent_in_time_is_let_in() {
    let mut claims = Claims::until(UnixTime::from_secs(1_800_000_060));
    claims.not_before = Some(NOW);
    let token = sign(Algorithm::Hs256, &claims);
    let strict = verifier(Algorithm::Hs256).with_leeway(std::time::Duration::ZERO);
    let at = |millis| strict.verify(&token, UnixTime::from_millis(millis)).err();
    assert_eq!(at(1_799_999_999_999), Some(TokenError::NotYet));
    assert_eq!(at(1_800_000_000_000), None);
    assert_eq!(at(1_800_000_059_999), None);
    assert_eq!(at(1_800_000_060_000), Some(TokenError::Expired));
}
