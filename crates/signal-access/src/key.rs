//! Keys as they are written down: a JWK or a JWK Set (RFC 7517).

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use ed25519_dalek::{SigningKey, VerifyingKey};
use hmac::{Hmac, KeyInit as _};
use serde_json::{Map, Value};
use sha2::Sha256;
use thiserror::Error;

use crate::algorithm::Algorithm;
use crate::object::{self, ObjectError};
use crate::token::decode;

/// The longest text of keys that is read. Four keys with long names are under 2 KiB.
pub const KEY_TEXT_BYTES_MAX: usize = 16 * 1024;

/// The shortest secret of HS256: as long as its hash, which RFC 7518 3.2 demands.
pub const SECRET_BYTES_MIN: usize = 32;

/// One key as it was written down.
pub(crate) struct Jwk {
    pub(crate) id: Option<String>,
    pub(crate) material: Material,
}

pub(crate) enum Material {
    Hs256(Hmac<Sha256>),
    Ed25519 {
        public: VerifyingKey,
        private: Option<Box<SigningKey>>,
    },
}

impl Jwk {
    /// Reads the one key, or the keys, of a JWK or a JWK Set.
    pub(crate) fn parse_all(text: &str) -> Result<Vec<Self>, KeyError> {
        if text.len() > KEY_TEXT_BYTES_MAX {
            return Err(KeyError::TooLong);
        }
        // Windows' programs put a mark before UTF-8.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut document = object::parse(text.as_bytes()).map_err(|error| match error {
            ObjectError::NotJson | ObjectError::NotObject => KeyError::NotJwk,
            ObjectError::Duplicate => KeyError::Key(1, KeyProblem::Duplicate),
        })?;
        let keys = match document.remove("keys") {
            Some(Value::Array(keys)) => keys,
            Some(_) => return Err(KeyError::NotJwk),
            None => alloc::vec![Value::Object(document)],
        };
        let read =
            |(index, key)| Self::parse(&key).map_err(|problem| KeyError::Key(index, problem));
        (1..).zip(keys).map(read).collect()
    }

    fn parse(key: &Value) -> Result<Self, KeyProblem> {
        let key = key.as_object().ok_or(KeyProblem::NotObject)?;
        let id = match key.get("kid") {
            None => None,
            Some(Value::String(id)) => Some(id.clone()),
            Some(_) => return Err(KeyProblem::Id),
        };
        if key.get("use").is_some_and(|purpose| purpose != "sig") {
            return Err(KeyProblem::Use);
        }
        let algorithm = text(key, "alg").ok().and_then(Algorithm::from_name);
        let algorithm = algorithm.ok_or(KeyProblem::Algorithm)?;
        if text(key, "kty") != Ok(algorithm.key_type()) {
            return Err(KeyProblem::Type);
        }
        let material = match algorithm {
            Algorithm::Hs256 => Self::hs256(key),
            Algorithm::EdDsa => Self::ed25519(key),
        };
        Ok(Self {
            id,
            material: material?,
        })
    }

    fn hs256(key: &Map<String, Value>) -> Result<Material, KeyProblem> {
        let secret = decode(text(key, "k")?).ok_or(KeyProblem::Base64("k"))?;
        if secret.len() < SECRET_BYTES_MIN {
            return Err(KeyProblem::Short);
        }
        let mac = Hmac::new_from_slice(&secret).map_err(|_| KeyProblem::Short)?;
        Ok(Material::Hs256(mac))
    }

    fn ed25519(key: &Map<String, Value>) -> Result<Material, KeyProblem> {
        if text(key, "crv") != Ok("Ed25519") {
            return Err(KeyProblem::Curve);
        }
        let public = VerifyingKey::from_bytes(&bytes(key, "x")?).map_err(|_| KeyProblem::Point)?;
        // With such a key, one signature fits many messages.
        if public.is_weak() {
            return Err(KeyProblem::Point);
        }
        let private = match key.get("d") {
            None => None,
            Some(_) => Some(Box::new(SigningKey::from_bytes(&bytes(key, "d")?))),
        };
        if private
            .as_ref()
            .is_some_and(|private| private.verifying_key() != public)
        {
            return Err(KeyProblem::Mismatch);
        }
        Ok(Material::Ed25519 { public, private })
    }
}

fn text<'k>(key: &'k Map<String, Value>, name: &'static str) -> Result<&'k str, KeyProblem> {
    key.get(name)
        .and_then(Value::as_str)
        .ok_or(KeyProblem::Missing(name))
}

fn bytes(key: &Map<String, Value>, name: &'static str) -> Result<[u8; 32], KeyProblem> {
    let bytes = decode(text(key, name)?).ok_or(KeyProblem::Base64(name))?;
    bytes.try_into().map_err(|_| KeyProblem::Length(name))
}

/// Why keys cannot be used. Says nothing of what is in them.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum KeyError {
    /// The text is longer than [`KEY_TEXT_BYTES_MAX`].
    #[error("the text is longer than 16 KiB, which no few keys are")]
    TooLong,
    /// The text is not a JSON object.
    #[error("the text is not a JSON object, so it is neither a JWK nor a JWK Set")]
    NotJwk,
    /// The set is empty.
    #[error("the JWK Set has no key")]
    NoKeys,
    /// The set has more than [`KEYS_MAX`](crate::KEYS_MAX) keys.
    #[error("the JWK Set has {0} keys; at most 4 are allowed")]
    TooMany(usize),
    /// Two keys have the same name.
    #[error("two keys have the same kid, so that a token cannot choose one")]
    SameId,
    /// Tokens are signed with one key.
    #[error("{0} keys are given; tokens are signed with one")]
    NotOne(usize),
    /// A key, counted from one, has a problem.
    #[error("key {0}: {1}")]
    Key(usize, KeyProblem),
}

/// What is wrong with a key.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum KeyProblem {
    /// It is not an object.
    #[error("it is not a JSON object")]
    NotObject,
    /// A name stands twice in it.
    #[error("a name stands twice in it")]
    Duplicate,
    /// Its `kid` is not a string.
    #[error("its \"kid\" is not a string")]
    Id,
    /// It is for something else than signatures.
    #[error("its \"use\" is not \"sig\"")]
    Use,
    /// It names no algorithm that is known here. Each key must, because the key decides and not the
    /// token.
    #[error("its \"alg\" is neither \"HS256\" nor \"EdDSA\"")]
    Algorithm,
    /// Its type does not fit its algorithm.
    #[error("its \"kty\" does not fit its \"alg\": HS256 needs \"oct\", EdDSA needs \"OKP\"")]
    Type,
    /// It is for another curve.
    #[error("its \"crv\" is not \"Ed25519\"")]
    Curve,
    /// A member is missing.
    #[error("it has no \"{0}\"")]
    Missing(&'static str),
    /// A member is not base64url.
    #[error("its \"{0}\" is not base64url without padding")]
    Base64(&'static str),
    /// A member of an Ed25519 key has the wrong length.
    #[error("its \"{0}\" is not 32 bytes long")]
    Length(&'static str),
    /// The secret is shorter than [`SECRET_BYTES_MIN`].
    #[error("its \"k\" is shorter than 32 bytes, which HS256 needs at least")]
    Short,
    /// The public key is not a point on the curve, or is one that must not be used.
    #[error("its \"x\" is not a public key")]
    Point,
    /// Private and public key do not belong together.
    #[error("its \"d\" and \"x\" do not belong together")]
    Mismatch,
    /// It can only verify.
    #[error("it is a public key, which cannot sign; use the one with \"d\"")]
    NotPrivate,
}
