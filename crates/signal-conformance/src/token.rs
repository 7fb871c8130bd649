//! Tokens as data: what is in one, who signs it, and how it is put together.

use serde::{Deserialize, Serialize};

/// A token to bring to an upgrade, right or wrong: a JWT in its compact form, or what is left of
/// one.
///
/// All texts are templates, see [`template`](crate::template). The runner fills in
/// [`header`](Self::header) and [`claims`](Self::claims), encodes both in base64url without
/// padding, signs the two with a dot between them, and fills the results into [`text`](Self::text).
/// That is `${token}` in the query, the headers and the subprotocols of the step.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Token {
    /// The header as JSON. Besides `${alg}`, the algorithm of the server's key, there is `${kid}`:
    /// `,"kid":"…"` if the key has a name, and nothing if not.
    pub header: String,
    /// The claims as JSON. `${now}` is the server's time in seconds since 1970; `${aud}` is
    /// `,"aud":"…"` if the server asks for an audience, and nothing if not.
    pub claims: String,
    /// Claims to send instead of those that were signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forged: Option<String>,
    /// What signs it.
    pub key: TokenKey,
    /// How it is put together: `${header}`, `${claims}` and `${signature}`, encoded.
    pub text: String,
}

/// What signs a token.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TokenKey {
    /// The key that the server's own is for.
    Declared,
    /// Another one for the same algorithm.
    Other,
    /// The server's public key, its 32 bytes taken for a secret of HS256
    /// ([`PublicKey`](crate::Capability::PublicKey)).
    Public,
    /// Nothing: the signature is empty.
    None,
}

impl Token {
    /// The header of a right token.
    pub const HEADER: &'static str = r#"{"alg":"${alg}","typ":"JWT"${kid}}"#;
    /// How a right token is put together.
    pub const TEXT: &'static str = "${header}.${claims}.${signature}";

    /// A token with these claims that is right in all else.
    #[must_use]
    pub fn new(claims: impl Into<String>) -> Self {
        Self {
            header: Self::HEADER.to_owned(),
            claims: claims.into(),
            forged: None,
            key: TokenKey::Declared,
            text: Self::TEXT.to_owned(),
        }
    }
}
