//! What to do about the refusals of this project's own relays, which say more than their status
//! does.

/// What they say, by its beginning, and what to do about it. The first that fits counts.
const MENDS: &[(&str, &str)] = &[
    (
        "this relay needs a token",
        "pass one that the relay's key has signed: --token-file FILE",
    ),
    (
        "more than one token",
        "send one token in one place: the address, --token and --header may each hold one",
    ),
    ("the token has expired", "sign a new one"),
    (
        "the token is not valid yet",
        "wait, or look at the clocks of both machines",
    ),
    (
        "the token",
        "ask the relay's key what is wrong with it: signal token check --key-file KEY",
    ),
    (
        "the keys of tokens",
        "wait, and look into the relay's log: it cannot reach the issuer of its tokens (token_jwks_url)",
    ),
    (
        "the signature of the token",
        "sign it with the relay's key; was it changed on its way?",
    ),
    (
        "pages of this origin",
        "add the origin to the relay's `origins`, or pass one that is there: --origin https://your.app",
    ),
    (
        "too many connections are open with your token",
        "close others of the same subject, or sign a token with a larger peers_max",
    ),
];

/// What to do, if the answer is one of those.
pub(super) fn fix(said: &str) -> Option<&'static str> {
    let (_, fix) = MENDS.iter().find(|(start, _)| said.starts_with(start))?;
    Some(fix)
}

#[cfg(test)]
mod tests {
    use signal_access::{AudienceCause, Carriers, Denied, MalformedCause, TokenError};

    use super::*;

    #[test]
    fn every_refusal_of_a_token_has_a_mend_of_its_own() {
        let errors = [
            TokenError::Missing(Carriers::default()),
            TokenError::Ambiguous,
            TokenError::TooLong,
            TokenError::Malformed(MalformedCause::Form),
            TokenError::Algorithm,
            TokenError::UnknownKey,
            TokenError::NoKeys,
            TokenError::Issuer,
            TokenError::Signature,
            TokenError::Expired,
            TokenError::NotYet,
            TokenError::Audience(AudienceCause::Other),
        ];
        for denied in errors
            .map(Denied::Token)
            .into_iter()
            .chain([Denied::Origin])
        {
            assert!(fix(&denied.body()).is_some(), "{denied}");
        }
        assert_eq!(fix("okay"), None);
    }
}
