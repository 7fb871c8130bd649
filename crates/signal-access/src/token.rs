//! The form of a token: a JWT in its compact form (RFC 7519, RFC 7515 7.1).

use alloc::string::String;
use alloc::vec::Vec;

use base64ct::{Base64UrlUnpadded, Encoding as _};
use serde_json::Value;

use crate::error::{MalformedCause, TokenError};
use crate::object::{self, ObjectError};
use crate::scheme::Scheme;

/// A token taken apart, of which nothing is verified yet.
pub(crate) struct Token<'t> {
    /// What the header says.
    pub(crate) header: Header,
    /// What is signed: header and claims as they were sent.
    pub(crate) signed: &'t str,
    pub(crate) signature: Vec<u8>,
    claims: &'t str,
}

impl<'t> Token<'t> {
    pub(crate) fn parse(text: &'t str) -> Result<Self, TokenError> {
        let form = || TokenError::Malformed(MalformedCause::Form);
        let (signed, signature) = text.rsplit_once('.').ok_or_else(form)?;
        let (header, claims) = signed.split_once('.').ok_or_else(form)?;
        if claims.contains('.') {
            return Err(form());
        }
        Ok(Self {
            header: Header::parse(&decode(header).ok_or_else(form)?)?,
            signed,
            signature: decode(signature).ok_or_else(form)?,
            claims,
        })
    }

    /// The claims as JSON; to be read once the signature is verified.
    pub(crate) fn claims(&self) -> Result<Vec<u8>, TokenError> {
        decode(self.claims).ok_or(TokenError::Malformed(MalformedCause::Form))
    }
}

/// What a token says of its signature.
pub(crate) struct Header {
    pub(crate) scheme: Scheme,
    pub(crate) key_id: Option<String>,
}

impl Header {
    fn parse(json: &[u8]) -> Result<Self, TokenError> {
        let mut header = object::parse(json).map_err(|error| {
            TokenError::Malformed(match error {
                ObjectError::Duplicate => MalformedCause::Duplicate,
                ObjectError::NotJson | ObjectError::NotObject => MalformedCause::Header,
            })
        })?;
        if header.contains_key("crit") {
            return Err(TokenError::Malformed(MalformedCause::Critical));
        }
        let no_header = TokenError::Malformed(MalformedCause::Header);
        let Some(Value::String(algorithm)) = header.get("alg") else {
            return Err(no_header);
        };
        let scheme = Scheme::from_name(algorithm).ok_or(TokenError::Algorithm)?;
        let key_id = match header.remove("kid") {
            None => None,
            Some(Value::String(id)) => Some(id),
            Some(_) => return Err(no_header),
        };
        Ok(Self { scheme, key_id })
    }
}

/// Decodes base64url without padding, and nothing that is written in another way than the one
/// canonical one.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    Base64UrlUnpadded::decode_vec(text).ok()
}

pub(crate) fn encode(bytes: &[u8]) -> String {
    Base64UrlUnpadded::encode_string(bytes)
}
