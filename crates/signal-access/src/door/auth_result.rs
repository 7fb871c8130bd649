/// What the authorizer has found, for counting.
///
/// The names of what is wrong with a token are those of `TokenError`.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum AuthResult {
    /// It let the client in.
    Granted,
    /// It refused for another reason than these.
    Refused,
    /// It did not answer in time.
    TimedOut,
    /// Pages of this origin may not connect.
    Origin,
    /// There is no token.
    Missing,
    /// There is more than one token.
    Ambiguous,
    /// The token is too long.
    TooLong,
    /// It is not a token.
    Malformed,
    /// The token is signed with another algorithm.
    Algorithm,
    /// The token names a key that is not known.
    UnknownKey,
    /// The keys of tokens have not been fetched yet.
    NoKeys,
    /// The signature of the token is wrong.
    Signature,
    /// A claim of the token makes no sense.
    Claims,
    /// The token has expired.
    Expired,
    /// The token is not valid yet.
    NotYet,
    /// The token is of another issuer.
    Issuer,
    /// The token is for another relay.
    Audience,
}

impl AuthResult {
    /// All results, for hosts that count them.
    pub const ALL: [Self; 17] = [
        Self::Granted,
        Self::Refused,
        Self::TimedOut,
        Self::Origin,
        Self::Missing,
        Self::Ambiguous,
        Self::TooLong,
        Self::Malformed,
        Self::Algorithm,
        Self::UnknownKey,
        Self::NoKeys,
        Self::Signature,
        Self::Claims,
        Self::Expired,
        Self::NotYet,
        Self::Issuer,
        Self::Audience,
    ];

    /// The name in metrics, logs and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Granted => "granted",
            Self::Refused => "refused",
            Self::TimedOut => "timed_out",
            Self::Origin => "origin",
            Self::Missing => "missing",
            Self::Ambiguous => "ambiguous",
            Self::TooLong => "too_long",
            Self::Malformed => "malformed",
            Self::Algorithm => "algorithm",
            Self::UnknownKey => "unknown_key",
            Self::NoKeys => "no_keys",
            Self::Signature => "signature",
            Self::Claims => "claims",
            Self::Expired => "expired",
            Self::NotYet => "not_yet",
            Self::Issuer => "issuer",
            Self::Audience => "audience",
        }
    }

    /// The result of this name, such as `TokenError::name` gives to what is wrong with a token;
    /// [`Refused`](Self::Refused) if there is none.
    pub fn from_name(name: &str) -> Self {
        let known = Self::ALL.into_iter().find(|result| result.name() == name);
        known.unwrap_or(Self::Refused)
    }
}

#[cfg(all(test, feature = "claims"))]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_wrong_with_a_token_has_a_result_of_its_own() {
        for name in crate::TokenError::NAMES {
            let result = AuthResult::from_name(name);
            assert_eq!(result.name(), name);
            assert_ne!(result, AuthResult::Refused);
        }
    }
}
