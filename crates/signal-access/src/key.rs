//! Keys as they are written down: a JWK or a JWK Set (RFC 7517).

#[cfg(feature = "tokens")]
use alloc::boxed::Box;
use alloc::string::String;
#[cfg(feature = "tokens")]
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::ops::RangeInclusive;

#[cfg(feature = "tokens")]
use ed25519_dalek::{SigningKey, VerifyingKey};
#[cfg(feature = "tokens")]
use hmac::{Hmac, KeyInit as _};
use serde_json::{Map, Value};
#[cfg(feature = "tokens")]
use sha2::Sha256;
use thiserror::Error;

use crate::host_key;
use crate::object::{self, ObjectError};
#[cfg(feature = "tokens")]
use crate::public_key::{PublicKey, PublicKeys};
use crate::scheme::Scheme;
use crate::token::decode;

/// The longest text of keys that is read. Ten keys with their certificates, as large providers
/// publish them, are 30 KiB.
pub const KEY_TEXT_BYTES_MAX: usize = 64 * 1024;

/// The shortest secret of HS256: as long as its hash, which RFC 7518 3.2 demands.
pub const SECRET_BYTES_MIN: usize = 32;

/// The sizes of RSA keys in bits: what RFC 7518 3.3 demands at least, and what is verified in well
/// under a millisecond.
pub(crate) const RSA_BITS: RangeInclusive<usize> = 2_048..=4_096;

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
    /// The host verifies with this JWK. The private half is not read.
    Host {
        scheme: Scheme,
        jwk: String,
        has_private: bool,
    },
}

impl Keys {
    /// Reads a JWK or a JWK Set. Of a set, the keys that cannot be used are passed over (RFC 7517,
    /// 5): it may have keys for others in it. That no key is left is an error.
    pub(crate) fn parse(text: &str, source: Source<'_>) -> Result<Self, KeyError> {
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
            Some(Value::Array(keys)) => Self::of_set(&keys, source),
            Some(_) => Err(KeyError::NotJwk),
            None => Self::of_set(&[Value::Object(document)], source),
        }
    }

    fn of_set(set: &[Value], source: Source<'_>) -> Result<Self, KeyError> {
        let (mut keys, mut notices, mut skipped) = (Vec::new(), Vec::new(), Vec::new());
        for (number, key) in (1..).zip(set) {
            let name = KeyName::of(number, key);
            match Jwk::parse(key, source) {
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
                scheme,
                jwk: host_key::jwk(scheme, key)?,
                has_private: key.contains_key("d"),
            },
        };
        Ok(Self { id, material })
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

/// The secret of HS256.
pub(crate) fn secret(key: &Map<String, Value>) -> Result<Vec<u8>, KeyProblem> {
    let secret = decode(text(key, "k")?).ok_or(KeyProblem::Base64("k"))?;
    if secret.len() < SECRET_BYTES_MIN {
        return Err(KeyProblem::Short);
    }
    Ok(secret)
}

/// `n` and `e` of an RSA key that may be used.
pub(crate) fn rsa_numbers(key: &Map<String, Value>) -> Result<(Vec<u8>, Vec<u8>), KeyProblem> {
    let (modulus, exponent) = (number(key, "n")?, number(key, "e")?);
    let zeros = modulus.first().map_or(0, |byte| byte.leading_zeros());
    let bits = modulus.len() * 8 - zeros as usize;
    if bits < *RSA_BITS.start() {
        return Err(KeyProblem::RsaShort);
    }
    if bits > *RSA_BITS.end() {
        return Err(KeyProblem::RsaLong);
    }
    // With 1, everyone could sign; four bytes are more than any is.
    let is_odd = |number: &[u8]| number.last().is_some_and(|byte| byte % 2 == 1);
    if !is_odd(&exponent) || exponent == [1] || exponent.len() > 4 || !is_odd(&modulus) {
        return Err(KeyProblem::NotPublic);
    }
    Ok((modulus, exponent))
}

/// `x` and `y` of a key on P-256.
pub(crate) fn p256_numbers(key: &Map<String, Value>) -> Result<([u8; 32], [u8; 32]), KeyProblem> {
    if text(key, "crv") != Ok("P-256") {
        return Err(KeyProblem::EcCurve);
    }
    Ok((bytes(key, "x")?, bytes(key, "y")?))
}

/// A number in big-endian bytes, without the zeros before it.
fn number(key: &Map<String, Value>, name: &'static str) -> Result<Vec<u8>, KeyProblem> {
    let bytes = decode(text(key, name)?).ok_or(KeyProblem::Base64(name))?;
    Ok(bytes.into_iter().skip_while(|byte| *byte == 0).collect())
}

pub(crate) fn text<'k>(
    key: &'k Map<String, Value>,
    name: &'static str,
) -> Result<&'k str, KeyProblem> {
    key.get(name)
        .and_then(Value::as_str)
        .ok_or(KeyProblem::Missing(name))
}

pub(crate) fn bytes(key: &Map<String, Value>, name: &'static str) -> Result<[u8; 32], KeyProblem> {
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
        "{0} is a private key: anyone who reads it can sign tokens; a relay needs only its public half"
    )]
    Private(KeyName),
}

/// Why keys cannot be used. Says nothing of what is in them.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum KeyError {
    /// The text is longer than [`KEY_TEXT_BYTES_MAX`].
    #[error("the text is longer than 64 KiB, which no few keys are")]
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
    #[error("the JWK Set has {0} keys that can be used; at most 16 are allowed")]
    TooMany(usize),
    /// Two keys of one algorithm have the same name.
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
    #[error("its \"alg\" is not \"HS256\", \"EdDSA\", \"RS256\" or \"ES256\"")]
    Algorithm,
    /// It does not say which algorithm its secret is for. The key must, because a token cannot
    /// choose.
    #[error("it has no \"alg\", which a secret needs: \"alg\":\"HS256\"")]
    NoAlgorithm,
    /// Its type does not fit its algorithm, or is not one that is used here.
    #[error(
        "its \"kty\" is not one that fits: HS256 needs \"oct\", EdDSA \"OKP\", RS256 \"RSA\", ES256 \"EC\""
    )]
    Type,
    /// It is for another curve.
    #[error("its \"crv\" is not \"Ed25519\", the one curve of EdDSA that is known here")]
    Curve,
    /// It is for another curve than that of ES256.
    #[error("its \"crv\" is not \"P-256\", which ES256 needs")]
    EcCurve,
    /// It is for RS256 or ES256, and was read where these are not known.
    #[error("it is for RS256 or ES256, which cannot be used here")]
    NotVerified,
    /// It comes from an address where anyone can read it, and can sign.
    #[error(
        "it can sign, and anyone can read it where it comes from; only public keys count there"
    )]
    Published,
    /// The RSA key is shorter than RFC 7518 allows.
    #[error("its \"n\" has fewer than 2,048 bits, which RS256 needs at least")]
    RsaShort,
    /// The RSA key is longer than what is verified.
    #[error("its \"n\" has more than 4,096 bits, which would take too long to verify")]
    RsaLong,
    /// What is in it is not a public key of RS256 or ES256.
    #[error("the numbers in it are not a public key")]
    NotPublic,
    /// A member is missing.
    #[error("it has no \"{0}\"")]
    Missing(&'static str),
    /// A member is not base64url.
    #[error("its \"{0}\" is not base64url without padding")]
    Base64(&'static str),
    /// A member of an Ed25519 or P-256 key has the wrong length.
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
