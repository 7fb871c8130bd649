use thiserror::Error;

use crate::carrier::{Carriers, TOKEN_BYTES_MAX};
use crate::claim_error::ClaimError;

/// Why a token is refused.
///
/// The text is for the person who runs the client. It says something about claims only for a token
/// whose signature is right.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum TokenError {
    /// The request has no token in one of the places where this relay looks for one.
    #[error("this relay needs a token: {}", .0.ways())]
    Missing(Carriers),
    /// More than one was sent, so it is unclear which one counts.
    #[error("more than one token was sent; send one, in one place")]
    Ambiguous,
    /// It is longer than [`TOKEN_BYTES_MAX`](crate::TOKEN_BYTES_MAX).
    #[error(
        "the token is longer than {TOKEN_BYTES_MAX} bytes; its issuer has to leave claims or groups out"
    )]
    TooLong,
    /// It is not a signed token.
    #[error("the token cannot be read: {0}")]
    Malformed(MalformedCause),
    /// It is signed in another way than the relay's key is for.
    #[error(
        "the token is signed with an algorithm (alg) that this relay has no key for; keys may be of HS256, EdDSA, RS256 and ES256"
    )]
    Algorithm,
    /// It names a key that the relay does not have.
    #[error("the token does not name a key (kid) that this relay has")]
    UnknownKey,
    /// The keys that it may be signed with have not been fetched yet.
    #[error("the keys of tokens could not be fetched from their issuer yet, please try again")]
    NoKeys,
    /// The signature is wrong.
    #[error("the signature of the token is wrong")]
    Signature,
    /// It is signed, and its claims make no sense.
    #[error("the token makes a claim that cannot be read: {0}")]
    Claims(ClaimError),
    /// Its time is over.
    #[error("the token has expired")]
    Expired,
    /// Its time has not begun.
    #[error("the token is not valid yet")]
    NotYet,
    /// It was made by another issuer.
    #[error(
        "the token is of another issuer (iss) than this relay accepts (token_issuer); every letter counts, a slash at the end too"
    )]
    Issuer,
    /// It was not made for this relay.
    #[error("{0}")]
    Audience(AudienceCause),
}

impl TokenError {
    /// All names, for hosts that count.
    pub const NAMES: [&str; 13] = [
        "missing",
        "ambiguous",
        "too_long",
        "malformed",
        "algorithm",
        "unknown_key",
        "no_keys",
        "signature",
        "claims",
        "expired",
        "not_yet",
        "issuer",
        "audience",
    ];

    /// The name in metrics, logs and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Missing(_) => "missing",
            Self::Ambiguous => "ambiguous",
            Self::TooLong => "too_long",
            Self::Malformed(_) => "malformed",
            Self::Algorithm => "algorithm",
            Self::UnknownKey => "unknown_key",
            Self::NoKeys => "no_keys",
            Self::Signature => "signature",
            Self::Claims(_) => "claims",
            Self::Expired => "expired",
            Self::NotYet => "not_yet",
            Self::Issuer => "issuer",
            Self::Audience(_) => "audience",
        }
    }
}

/// Why a token is not for this relay.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum AudienceCause {
    /// It names others.
    #[error("the token is for another audience (aud) than this relay's (token_audience)")]
    Other,
    /// It names none. Access tokens of Amazon Cognito are like that; its ID tokens are not.
    #[error(
        "the token has no audience (aud), and this relay takes only those for its own (token_audience)"
    )]
    Missing,
    /// It names one, and the relay has none. Keycloak names `account` unless it is told otherwise.
    #[error(
        "the token is for an audience (aud), and this relay has none; its operator can name it in token_audience"
    )]
    Unasked,
}

/// Why a text is not a signed token.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum MalformedCause {
    /// It does not have the form of a compact JWT.
    #[error("it is not three parts of base64url with dots between them")]
    Form,
    /// Its header is not a JSON object, names no algorithm, or that or its key is not a string.
    #[error("its header is not a JSON object in which alg, and kid if there is one, are strings")]
    Header,
    /// A name stands twice in its header.
    #[error("a name stands twice in its header")]
    Duplicate,
    /// Its header asks for an extension (`crit`), of which none is known here.
    #[error("its header asks for an extension (crit)")]
    Critical,
}
