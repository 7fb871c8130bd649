//! Tokens that were refused a moment ago.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::time::Duration;

use signal_access::{AddressKey, Denied, TokenError, UpgradeParts};
use signal_core::Instant;

use crate::lock::Lock;

/// How long a refusal is remembered. A stock client has tried some 45 times by then, so that nearly
/// all of its tries cost no verification; and whatever is wrong with a clock lasts no longer than
/// this.
const MEMORY: Duration = Duration::from_secs(60);
/// The most refusals remembered, times two: half a megabyte. Who shows more different tokens than
/// this is only verified again.
const GENERATION_MAX: usize = 8_192;

/// What was refused, by address and by what was shown; a second try within [`MEMORY`] has the same
/// answer without a verification.
///
/// It holds no token, only keyed hashes: with 64 bits and a key that nobody knows, that two
/// requests share one is neither chance nor in anybody's hands. There are two generations. A full
/// younger one becomes the older one, which is forgotten; so the table is bounded, and what was
/// refused last is what is remembered.
#[derive(Debug, Default)]
pub(crate) struct RefusedTokens {
    hasher: RandomState,
    generations: Lock<Generations>,
}

#[derive(Debug, Default)]
struct Generations {
    younger: HashMap<Fingerprint, Refused>,
    older: HashMap<Fingerprint, Refused>,
}

/// Stands for an address and all that is judged of its request.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Fingerprint(u64);

#[derive(Clone, Copy, Debug)]
struct Refused {
    denied: Denied,
    until: Instant,
}

impl RefusedTokens {
    pub(crate) fn fingerprint(
        &self,
        client: Option<IpAddr>,
        parts: &UpgradeParts<'_>,
    ) -> Fingerprint {
        let UpgradeParts {
            query,
            host,
            origin,
            authorization,
            protocols,
        } = *parts;
        let address = client.map(AddressKey::new);
        let all = (address, query, host, origin, authorization, protocols);
        Fingerprint(self.hasher.hash_one(all))
    }

    /// Why the same request was refused before.
    pub(crate) fn find(&self, shown: Fingerprint, now: Instant) -> Option<Denied> {
        let generations = self.generations.lock();
        let both = [&generations.younger, &generations.older];
        let refused = both.iter().find_map(|all| all.get(&shown))?;
        (refused.until > now).then_some(refused.denied)
    }

    /// Remembers a refusal, if it took a verification and will not change by itself.
    pub(crate) fn note(&self, shown: Fingerprint, denied: Denied, now: Instant) {
        if !is_final(denied) {
            return;
        }
        let mut generations = self.generations.lock();
        if generations.younger.len() >= GENERATION_MAX {
            generations.older = std::mem::take(&mut generations.younger);
        }
        let until = now.saturating_add(MEMORY);
        generations.younger.insert(shown, Refused { denied, until });
    }
}

/// Whether a signature was verified, and the answer stays the same. What is refused before that is
/// refused as cheaply again, and a token that is not valid yet becomes valid.
fn is_final(denied: Denied) -> bool {
    matches!(
        denied,
        Denied::Token(
            TokenError::Signature
                | TokenError::Claims(_)
                | TokenError::Expired
                | TokenError::Issuer
                | TokenError::Audience(_)
        )
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXPIRED: Denied = Denied::Token(TokenError::Expired);

    fn at(seconds: u64) -> Instant {
        Instant::from_millis(seconds * 1_000)
    }

    fn ip(last: u8) -> Option<IpAddr> {
        Some([203, 0, 113, last].into())
    }

    fn query(query: &str) -> UpgradeParts<'_> {
        UpgradeParts {
            query: Some(query),
            ..UpgradeParts::default()
        }
    }

    #[test]
    fn the_same_token_of_the_same_address_is_remembered_for_a_minute() {
        let refused = RefusedTokens::default();
        let shown = refused.fingerprint(ip(7), &query("token=a"));
        assert_eq!(refused.find(shown, at(0)), None);
        refused.note(shown, EXPIRED, at(0));
        assert_eq!(refused.find(shown, at(59)), Some(EXPIRED));
        assert_eq!(refused.find(shown, at(60)), None);
    }

    #[test]
    fn another_address_or_another_token_is_another_matter() {
        let refused = RefusedTokens::default();
        refused.note(
            refused.fingerprint(ip(7), &query("token=a")),
            EXPIRED,
            at(0),
        );
        let in_header = UpgradeParts {
            authorization: Some("token=a"),
            ..UpgradeParts::default()
        };
        for other in [
            refused.fingerprint(ip(8), &query("token=a")),
            refused.fingerprint(None, &query("token=a")),
            refused.fingerprint(ip(7), &query("token=b")),
            refused.fingerprint(ip(7), &in_header),
        ] {
            assert_eq!(refused.find(other, at(1)), None);
        }
    }

    #[test]
    fn only_what_took_a_verification_and_is_final_is_remembered() {
        for (denied, is_kept) in [
            (Denied::Origin, false),
            (
                Denied::Token(TokenError::Missing(signal_access::Carriers::default())),
                false,
            ),
            (Denied::Token(TokenError::Algorithm), false),
            (Denied::Token(TokenError::NotYet), false),
            (Denied::Token(TokenError::Signature), true),
            (Denied::Token(TokenError::UnknownKey), false),
            (Denied::Token(TokenError::NoKeys), false),
            (Denied::Token(TokenError::Issuer), true),
            (
                Denied::Token(TokenError::Audience(signal_access::AudienceCause::Other)),
                true,
            ),
            (EXPIRED, true),
        ] {
            let refused = RefusedTokens::default();
            let shown = refused.fingerprint(None, &query("token=a"));
            refused.note(shown, denied, at(0));
            assert_eq!(refused.find(shown, at(1)).is_some(), is_kept, "{denied}");
        }
    }

    #[test]
    fn the_table_is_bounded_and_keeps_the_youngest() {
        let refused = RefusedTokens::default();
        let shown = |number: usize| refused.fingerprint(None, &query(&number.to_string()));
        let count = 5 * GENERATION_MAX;
        for number in 0..count {
            refused.note(shown(number), EXPIRED, at(0));
        }
        let remembered = (0..count)
            .filter(|number| refused.find(shown(*number), at(1)).is_some())
            .count();
        let generations = refused.generations.lock();
        assert_eq!(
            remembered,
            generations.younger.len() + generations.older.len()
        );
        assert!((GENERATION_MAX..=2 * GENERATION_MAX).contains(&remembered));
        drop(generations);
        assert!(refused.find(shown(count - 1), at(1)).is_some());
        assert!(refused.find(shown(0), at(1)).is_none());
    }
}
