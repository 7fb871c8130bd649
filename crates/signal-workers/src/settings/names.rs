//! Names that are nearly those of variables that keep people out.

use super::ORIGINS;

/// How many letters may be wrong.
const SLIPS_MAX: usize = 2;
/// The variables, and whether one that is only nearly of that name is one of them: a short name may
/// be another's.
const GUARDS: [(&str, bool); 8] = [
    ("TOKEN_KEYS", true),
    ("TOKEN_JWKS_URL", true),
    ("TOKEN_ISSUER", true),
    ("TOKEN_AUDIENCE", true),
    ("TOKEN_TOPICS_CLAIM", true),
    ("TOKEN_TOPICS_DEFAULT", true),
    ("TOKEN_IN", false),
    (ORIGINS, true),
];

/// The variable that is meant by a name that is not one of them.
pub(super) fn meant(name: &str) -> Option<&'static str> {
    let letters = letters(name);
    let is_meant = |(guard, is_long): &(&str, bool)| {
        let wanted = self::letters(guard);
        name != *guard
            && (letters == wanted || *is_long && signal_core::slips(&letters, &wanted) <= SLIPS_MAX)
    };
    if GUARDS.iter().any(|(guard, _)| *guard == name) {
        return None;
    }
    let guard = GUARDS.iter().find(|guard| is_meant(guard));
    guard.map(|(guard, _)| *guard)
}

/// The letters alone, as capitals: `tokenKeys` and `TOKEN-KEYS` have those of `TOKEN_KEYS`.
fn letters(name: &str) -> Vec<u8> {
    let letters = name.bytes().filter(u8::is_ascii_alphanumeric);
    letters.map(|letter| letter.to_ascii_uppercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_nearly_that_of_a_guard_is_taken_for_it() {
        for (name, wanted) in [
            ("TOKEN_KEY", "TOKEN_KEYS"),
            ("TOKENS_KEYS", "TOKEN_KEYS"),
            ("TOKEN-KEYS", "TOKEN_KEYS"),
            ("tokenKeys", "TOKEN_KEYS"),
            ("TOKEN_KEYS ", "TOKEN_KEYS"),
            ("TOEKN_KEYS", "TOKEN_KEYS"),
            ("TOKEN_JWKS_URI", "TOKEN_JWKS_URL"),
            ("TOKEN_JWK_URL", "TOKEN_JWKS_URL"),
            ("TOKEN_ISSUERS", "TOKEN_ISSUER"),
            ("TOKEN_ISUER", "TOKEN_ISSUER"),
            ("TOKEN_AUDIENCES", "TOKEN_AUDIENCE"),
            ("token_in", "TOKEN_IN"),
            ("signal_origins", "SIGNAL_ORIGINS"),
            ("SINGAL_ORIGINS", "SIGNAL_ORIGINS"),
        ] {
            assert_eq!(meant(name), Some(wanted), "{name}");
        }
    }

    #[test]
    fn a_guard_itself_and_what_others_may_have_is_not() {
        let guards = GUARDS.map(|(guard, _)| guard);
        let others = [
            "TOKEN",
            "TOKEN_ID",
            "TOKEN_TTL",
            "TOKEN_SECRET",
            "ORIGIN",
            "API_TOKEN",
            "ROOMS",
            "CONNECTS",
            "TURN_SECRET",
            "",
        ];
        for name in guards.into_iter().chain(others) {
            assert_eq!(meant(name), None, "{name}");
        }
    }
}
