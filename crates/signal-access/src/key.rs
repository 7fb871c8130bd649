//! Keys as they are written down: a JWK or a JWK Set (RFC 7517).

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

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

/// The most keys of a text that are spoken of one by one; a text of 16 KiB may have thousands.
const NOTICES_MAX: usize = 16;

/// The keys of a text, and what there is to say of the others.
pub(crate) struct Keys {
    pub(crate) keys: Vec<Jwk>,
    pub(crate) notices: Vec<KeyNotice>,
}

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

impl Keys {
    /// Reads a JWK or a JWK Set. Of a set, the keys that cannot be used are passed over (RFC 7517,
    /// 5): it may have keys for others in it. That no key is left is an error.
    pub(crate) fn parse(text: &str) -> Result<Self, KeyError> {
        if text.len() > KEY_TEXT_BYTES_MAX {
            return Err(KeyError::TooLong);
        }
        // Windows' programs put a mark before UTF-8.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut document = object::parse(text.as_bytes()).map_err(|error| match error {
            ObjectError::NotJson | ObjectError::NotObject => KeyError::NotJwk,
            ObjectError::Duplicate => KeyError::Key(1, KeyProblem::Duplicate),
        })?;
        match document.remove("keys") {
            Some(Value::Array(keys)) => Self::of_set(&keys),
            Some(_) => Err(KeyError::NotJwk),
            None => Self::of_set(&[Value::Object(document)]),
        }
    }

    fn of_set(set: &[Value]) -> Result<Self, KeyError> {
        let (mut keys, mut notices, mut skipped) = (Vec::new(), Vec::new(), Vec::new());
        for (number, key) in (1..).zip(set) {
            let name = KeyName::of(number, key);
            match Jwk::parse(key) {
                Ok(jwk) => {
                    if jwk.has_private() {
                        notices.push(KeyNotice::Private(name));
                    }
                    keys.push(jwk);
                }
                Err(problem) => skipped.push((name, problem)),
            }
        }
        match skipped.as_slice() {
            _ if !keys.is_empty() => {}
            [] => return Err(KeyError::NoKeys),
            [(name, problem)] => return Err(KeyError::Key(name.number, *problem)),
            _ => return Err(KeyError::NoneUsable(skipped)),
        }
        let skipped = skipped.into_iter();
        notices.extend(skipped.map(|(name, problem)| KeyNotice::Skipped(name, problem)));
        notices.truncate(NOTICES_MAX);
        Ok(Self { keys, notices })
    }
}

impl Jwk {
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
        if !key.get("key_ops").is_none_or(names_signatures) {
            return Err(KeyProblem::Operations);
        }
        let material = match Self::algorithm(key)? {
            Algorithm::Hs256 => Self::hs256(key),
            Algorithm::EdDsa => Self::ed25519(key),
        };
        Ok(Self {
            id,
            material: material?,
        })
    }

    /// What the key is for. Its type decides; `alg` is needed only where a type is for several
    /// algorithms, and must fit where it is there.
    fn algorithm(key: &Map<String, Value>) -> Result<Algorithm, KeyProblem> {
        let key_type = text(key, "kty");
        let curve = key.get("crv").and_then(Value::as_str);
        // Said first, as the algorithm of another curve has another name too.
        if key_type == Ok("OKP") && curve.is_some_and(|curve| curve != "Ed25519") {
            return Err(KeyProblem::Curve);
        }
        let algorithm = match key.get("alg") {
            Some(Value::String(name)) => Algorithm::from_name(name),
            Some(_) => None,
            None if key_type == Ok("OKP") => Some(Algorithm::EdDsa),
            None if key_type == Ok("oct") => return Err(KeyProblem::NoAlgorithm),
            None => return Err(KeyProblem::Type),
        };
        let algorithm = algorithm.ok_or(KeyProblem::Algorithm)?;
        if key_type != Ok(algorithm.key_type()) {
            return Err(KeyProblem::Type);
        }
        Ok(algorithm)
    }

    /// Whether it can sign though there is a half of it that only verifies.
    fn has_private(&self) -> bool {
        match &self.material {
            Material::Hs256(_) => false,
            Material::Ed25519 { private, .. } => private.is_some(),
        }
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

/// Whether `key_ops` has an operation on signatures in it.
fn names_signatures(operations: &Value) -> bool {
    let is_one = |name: &Value| name == "verify" || name == "sign";
    operations
        .as_array()
        .is_some_and(|names| names.iter().any(is_one))
}

/// Which key of a text is meant: its number, counted from one, and its `kid`.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct KeyName {
    /// The number, counted from one.
    pub number: usize,
    /// Its `kid`, cut after [`KeyName::ID_CHARS_MAX`] characters.
    pub id: Option<String>,
}

impl KeyName {
    /// How much of a `kid` is shown: providers' are up to 64 characters long.
    pub const ID_CHARS_MAX: usize = 64;

    fn of(number: usize, key: &Value) -> Self {
        let id = key.get("kid").and_then(Value::as_str);
        let id = id.map(|id| id.chars().take(Self::ID_CHARS_MAX).collect());
        Self { number, id }
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "key {}", self.number)?;
        match &self.id {
            Some(id) => write!(f, " ({id:?})"),
            None => Ok(()),
        }
    }
}

/// What an operator should know of a key, though there are keys to go on with.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum KeyNotice {
    /// It is passed over (RFC 7517, 5).
    #[error("{0} is not used: {1}")]
    Skipped(KeyName, KeyProblem),
    /// It can sign, which a relay has no use for.
    #[error(
        "{0} is a private key: whoever reads it can sign tokens; a relay needs only its public half"
    )]
    Private(KeyName),
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
    /// The set has keys, of which none can be used.
    #[error("none of the {} keys of the JWK Set can be used: {}", .0.len(), Reasons(.0))]
    NoneUsable(Vec<(KeyName, KeyProblem)>),
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

/// Each key with what is wrong with it.
struct Reasons<'a>(&'a [(KeyName, KeyProblem)]);

impl fmt::Display for Reasons<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, (name, problem)) in self.0.iter().take(NOTICES_MAX).enumerate() {
            let before = if position == 0 { "" } else { ". " };
            write!(f, "{before}{name}: {problem}")?;
        }
        match self.0.len().saturating_sub(NOTICES_MAX) {
            0 => Ok(()),
            more => write!(f, ". And {more} more"),
        }
    }
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
    /// It is for something else than signatures, by its `key_ops`.
    #[error("its \"key_ops\" has neither \"verify\" nor \"sign\" in it")]
    Operations,
    /// It is for an algorithm that is not known here.
    #[error("its \"alg\" is neither \"HS256\" nor \"EdDSA\"")]
    Algorithm,
    /// It does not say which algorithm its secret is for. The key must, because a token cannot
    /// choose.
    #[error("it has no \"alg\", which a secret needs: \"alg\":\"HS256\"")]
    NoAlgorithm,
    /// Its type does not fit its algorithm, or is not one that is used here.
    #[error("its \"kty\" is not one that fits: HS256 needs \"oct\", EdDSA needs \"OKP\"")]
    Type,
    /// It is for another curve.
    #[error("its \"crv\" is not \"Ed25519\", the one curve of EdDSA that is known here")]
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
