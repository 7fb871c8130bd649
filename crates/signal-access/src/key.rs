//! Keys as they are written down: a JWK or a JWK Set (RFC 7517).

#[cfg(feature = "tokens")]
use alloc::boxed::Box;
use alloc::string::String;
#[cfg(feature = "tokens")]
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

#[cfg(feature = "tokens")]
use ed25519_dalek::{SigningKey, VerifyingKey};
#[cfg(feature = "tokens")]
use hmac::{Hmac, KeyInit as _};
use serde_json::{Map, Value};
#[cfg(feature = "tokens")]
use sha2::Sha256;
use thiserror::Error;

use crate::host_key::{self, HostKey};
use crate::key_numbers::text;
#[cfg(feature = "tokens")]
use crate::key_numbers::{bytes, p256_numbers, rsa_numbers, secret};
use crate::key_problem::KeyProblem;
use crate::object::{self, ObjectError};
#[cfg(feature = "tokens")]
use crate::public_key::{PublicKey, PublicKeys};
use crate::scheme::Scheme;

/// The longest text of keys that is read. As many as are used, with a chain of certificates each,
/// as large providers publish them, are some 200 KiB.
pub const KEY_TEXT_BYTES_MAX: usize = 256 * 1024;

/// The most keys that are used at once. The largest identity providers publish some thirty.
pub const KEYS_MAX: usize = 64;

/// The most keys that one token is tried with: an old and a new one for each of two issuers. One
/// that names no key, where more could have signed it, is refused.
pub const KEYS_TRIED_MAX: usize = 4;

/// Where keys come from, and what there is to verify with.
#[derive(Clone, Copy)]
pub(crate) struct Source<'a> {
    /// What verifies.
    pub(crate) means: Means<'a>,
    /// Whether anyone can read them there, so that only public halves count.
    pub(crate) is_published: bool,
}

/// What verifies the signatures of a key.
#[derive(Clone, Copy)]
pub(crate) enum Means<'a> {
    /// This crate, which has HS256 and EdDSA.
    #[cfg(feature = "tokens")]
    Own,
    /// This crate, and for RS256 and ES256 what its host has brought.
    #[cfg(feature = "tokens")]
    Brought(&'a dyn PublicKeys),
    /// The host, from case to case.
    Host(core::marker::PhantomData<&'a ()>),
}

impl Source<'_> {
    /// Keys of the operator's own, of the algorithms that this crate has.
    #[cfg(feature = "tokens")]
    pub(crate) const OWN: Source<'static> = Source {
        means: Means::Own,
        is_published: false,
    };
    /// Keys of the operator's own, which the host verifies with.
    pub(crate) const OF_HOST: Source<'static> = Source {
        means: Means::Host(core::marker::PhantomData),
        is_published: false,
    };
}

/// The most keys of a text that are spoken of one by one; a text may have thousands.
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
    #[cfg(feature = "tokens")]
    Hs256(Hmac<Sha256>),
    #[cfg(feature = "tokens")]
    Ed25519 {
        public: VerifyingKey,
        private: Option<Box<SigningKey>>,
    },
    /// Of RS256 or ES256. The private half is not read.
    #[cfg(feature = "tokens")]
    Other {
        scheme: Scheme,
        public: Arc<dyn PublicKey>,
        has_private: bool,
    },
    /// The host verifies. The private half is not read.
    Host { key: HostKey, has_private: bool },
}

impl Material {
    /// How tokens of this key are signed.
    pub(crate) fn scheme(&self) -> Scheme {
        match self {
            #[cfg(feature = "tokens")]
            Self::Hs256(_) => Scheme::Hs256,
            #[cfg(feature = "tokens")]
            Self::Ed25519 { .. } => Scheme::EdDsa,
            #[cfg(feature = "tokens")]
            Self::Other { scheme, .. } => *scheme,
            Self::Host { key, .. } => key.scheme,
        }
    }
}

impl Keys {
    /// Reads a JWK or a JWK Set. Of a set, the keys that cannot be used are passed over (RFC 7517,
    /// 5): it may have keys for others in it, and more than are used. That no key is left is an
    /// error.
    pub(crate) fn parse(text: &str, source: Source<'_>) -> Result<Self, KeyError> {
        if text.len() > KEY_TEXT_BYTES_MAX {
            return Err(KeyError::TooLong);
        }
        // Windows' programs put a mark before UTF-8.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        if is_pem(text) {
            return Err(KeyError::Pem);
        }
        let mut document = object::parse(text.as_bytes()).map_err(|error| match error {
            ObjectError::NotJson | ObjectError::NotObject => KeyError::NotJwk,
            ObjectError::Duplicate => KeyError::Key(1, KeyProblem::Duplicate),
        })?;
        match document.remove("keys") {
            Some(Value::Array(keys)) => Self::of_set(&keys, source),
            Some(_) => Err(KeyError::NotJwk),
            // Certificates by their names, as Google publishes them beside its JWK Set.
            None if document
                .values()
                .any(|value| value.as_str().is_some_and(is_pem)) =>
            {
                Err(KeyError::Pem)
            }
            // What leads to the keys, at `/.well-known/openid-configuration`.
            None if document.contains_key("jwks_uri") => Err(KeyError::Discovery),
            None => Self::of_set(&[Value::Object(document)], source),
        }
    }

    fn of_set(set: &[Value], source: Source<'_>) -> Result<Self, KeyError> {
        let (mut keys, mut notices, mut skipped) = (Vec::new(), Vec::new(), Vec::new());
        for (number, key) in (1..).zip(set) {
            let name = KeyName::of(number, key);
            match Jwk::parse(key, source).and_then(|jwk| jwk.beside(&keys)) {
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
    fn parse(key: &Value, source: Source<'_>) -> Result<Self, KeyProblem> {
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
        let scheme = Self::scheme(key)?;
        let can_sign = scheme == Scheme::Hs256 || key.contains_key("d");
        if source.is_published && can_sign {
            return Err(KeyProblem::Published);
        }
        let material = match source.means {
            #[cfg(feature = "tokens")]
            Means::Own => Self::own(scheme, key, None)?,
            #[cfg(feature = "tokens")]
            Means::Brought(verifiers) => Self::own(scheme, key, Some(verifiers))?,
            Means::Host(_) => Material::Host {
                key: host_key::read(scheme, key)?,
                has_private: key.contains_key("d"),
            },
        };
        Ok(Self { id, material })
    }

    /// The key if there is room for it beside those that stand before it. Several may have one
    /// `kid` (RFC 7517, 4.5), but a token is tried with a few only.
    fn beside(self, keys: &[Self]) -> Result<Self, KeyProblem> {
        let is_alike =
            |key: &&Self| key.id == self.id && key.material.scheme() == self.material.scheme();
        if keys.len() >= KEYS_MAX {
            return Err(KeyProblem::TooMany);
        }
        if self.id.is_some() && keys.iter().filter(is_alike).count() >= KEYS_TRIED_MAX {
            return Err(KeyProblem::SameId);
        }
        Ok(self)
    }

    #[cfg(feature = "tokens")]
    fn own(
        scheme: Scheme,
        key: &Map<String, Value>,
        verifiers: Option<&dyn PublicKeys>,
    ) -> Result<Material, KeyProblem> {
        let verifiers = verifiers.ok_or(KeyProblem::NotVerified);
        let other = |public| Material::Other {
            scheme,
            public,
            has_private: key.contains_key("d"),
        };
        Ok(match scheme {
            Scheme::Hs256 => Self::hs256(key)?,
            Scheme::EdDsa => Self::ed25519(key)?,
            Scheme::Rs256 => other(rsa(key, verifiers?)?),
            Scheme::Es256 => other(p256(key, verifiers?)?),
        })
    }

    /// What the key is for. Its type decides; `alg` is needed only where a type is for several
    /// algorithms, and must fit where it is there.
    fn scheme(key: &Map<String, Value>) -> Result<Scheme, KeyProblem> {
        let key_type = text(key, "kty").unwrap_or_default();
        let curve = key.get("crv").and_then(Value::as_str);
        // Said first, as the algorithm of another curve has another name too.
        match (key_type, curve) {
            ("OKP", Some(curve)) if curve != "Ed25519" => return Err(KeyProblem::Curve),
            ("EC", Some(curve)) if curve != "P-256" => return Err(KeyProblem::EcCurve),
            _ => {}
        }
        let scheme = match key.get("alg") {
            Some(Value::String(name)) => Scheme::from_name(name).ok_or(KeyProblem::Algorithm)?,
            Some(_) => return Err(KeyProblem::Algorithm),
            None if key_type == "oct" => return Err(KeyProblem::NoAlgorithm),
            None => Scheme::of_key_type(key_type).ok_or(KeyProblem::Type)?,
        };
        if key_type != scheme.key_type() {
            return Err(KeyProblem::Type);
        }
        Ok(scheme)
    }

    /// Whether it can sign though there is a half of it that only verifies.
    fn has_private(&self) -> bool {
        match &self.material {
            #[cfg(feature = "tokens")]
            Material::Hs256(_) => false,
            #[cfg(feature = "tokens")]
            Material::Ed25519 { private, .. } => private.is_some(),
            #[cfg(feature = "tokens")]
            Material::Other { has_private, .. } => *has_private,
            Material::Host { has_private, .. } => *has_private,
        }
    }

    #[cfg(feature = "tokens")]
    fn hs256(key: &Map<String, Value>) -> Result<Material, KeyProblem> {
        let mac = Hmac::new_from_slice(&secret(key)?).map_err(|_| KeyProblem::Short)?;
        Ok(Material::Hs256(mac))
    }

    #[cfg(feature = "tokens")]
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

/// The RSA key of `n` and `e`.
#[cfg(feature = "tokens")]
fn rsa(
    key: &Map<String, Value>,
    verifiers: &dyn PublicKeys,
) -> Result<Arc<dyn PublicKey>, KeyProblem> {
    let (modulus, exponent) = rsa_numbers(key)?;
    let key = verifiers.rs256(&modulus, &exponent);
    key.ok_or(KeyProblem::NotPublic)
}

/// The key of the point `x`, `y`.
#[cfg(feature = "tokens")]
fn p256(
    key: &Map<String, Value>,
    verifiers: &dyn PublicKeys,
) -> Result<Arc<dyn PublicKey>, KeyProblem> {
    let (x, y) = p256_numbers(key)?;
    let point = [&[4], &x[..], &y[..]].concat();
    let point: [u8; 65] = point.try_into().map_err(|_| KeyProblem::NotPublic)?;
    let key = verifiers.es256(&point);
    key.ok_or(KeyProblem::NotPublic)
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
        "{0} is a private key: anyone who reads it can sign tokens; a relay needs only its public half"
    )]
    Private(KeyName),
}

/// Why keys cannot be used. Says nothing of what is in them.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum KeyError {
    /// The text is longer than [`KEY_TEXT_BYTES_MAX`].
    #[error("the text is longer than 256 KiB, which no set of keys is")]
    TooLong,
    /// The text is not a JSON object.
    #[error("the text is not a JSON object, so it is neither a JWK nor a JWK Set")]
    NotJwk,
    /// The text, or a text in it, is a key or a certificate in PEM.
    #[error("it is PEM, and keys are read as a JWK or a JWK Set")]
    Pem,
    /// It is what says where keys are.
    #[error("it is an OpenID configuration and not keys; use the address that is its jwks_uri")]
    Discovery,
    /// The set is empty.
    #[error("the JWK Set has no key")]
    NoKeys,
    /// The set has keys, of which none can be used.
    #[error("none of the {} keys of the JWK Set can be used: {}", .0.len(), Reasons(.0))]
    NoneUsable(Vec<(KeyName, KeyProblem)>),
    /// Tokens are signed with one key.
    #[error("{0} keys are given; tokens are signed with one")]
    NotOne(usize),
    /// A key, counted from one, has a problem.
    #[error("key {0}: {1}")]
    Key(usize, KeyProblem),
}

/// Whether a text is what openssl writes.
fn is_pem(text: &str) -> bool {
    text.trim_start().starts_with("-----BEGIN ")
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
