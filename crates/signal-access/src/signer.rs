use alloc::boxed::Box;
use alloc::string::{String, ToString as _};
use core::fmt;

use ed25519_dalek::{Signer as _, SigningKey};
use hmac::{Hmac, Mac as _};
use serde_json::json;
use sha2::Sha256;
use thiserror::Error;

use crate::algorithm::Algorithm;
use crate::carrier::TOKEN_BYTES_MAX;
use crate::claim_error::ClaimError;
use crate::claims::Claims;
use crate::key::{Jwk, KeyError, Keys, Material, Source};
use crate::key_problem::KeyProblem;
use crate::new_key::NewKey;
use crate::token::encode;

/// Signs tokens with one key: for tests and tools, and for backends in Rust.
///
/// ```
/// use signal_access::{Algorithm, Claims, NewKey, TokenSigner, TokenVerifier, UnixTime};
/// use signal_core::TopicSet;
///
/// let key = NewKey::from_seed(Algorithm::EdDsa, Some("2026"), [7; 32]); // from the system's randomness, that is
/// let mut claims = Claims::until(UnixTime::from_secs(1_800_003_600));
/// claims.subject = Some("ann".to_owned());
/// claims.subscribe = TopicSet::none().prefix("team-7/");
///
/// let token = TokenSigner::new(&key.private_jwk())?.sign(&claims)?;
/// let verifier = TokenVerifier::new(&key.public_jwk().expect("EdDSA has one"))?;
/// assert_eq!(verifier.verify(&token, UnixTime::from_secs(1_800_000_000)), Ok(claims));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct TokenSigner {
    id: Option<String>,
    secret: Secret,
}

enum Secret {
    Hs256(Hmac<Sha256>),
    Ed25519(Box<SigningKey>),
}

impl TokenSigner {
    /// A signer with the key of a JWK, or of a JWK Set of one.
    ///
    /// # Errors
    ///
    /// Where there is not one key, or it cannot sign.
    pub fn new(key: &str) -> Result<Self, KeyError> {
        let keys = Keys::parse(key, Source::OWN)?.keys;
        let [key] = <[Jwk; 1]>::try_from(keys).map_err(|keys| KeyError::NotOne(keys.len()))?;
        let secret = match key.material {
            Material::Hs256(mac) => Secret::Hs256(mac),
            Material::Other { .. } | Material::Host { .. } => {
                return Err(KeyError::Key(1, KeyProblem::NotVerified));
            }
            Material::Ed25519 { public: _, private } => {
                Secret::Ed25519(private.ok_or(KeyError::Key(1, KeyProblem::NotPrivate))?)
            }
        };
        Ok(Self { id: key.id, secret })
    }

    /// The name of the key, its `kid`.
    pub fn key_id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// How the key signs.
    pub fn algorithm(&self) -> Algorithm {
        match self.secret {
            Secret::Hs256(_) => Algorithm::Hs256,
            Secret::Ed25519(_) => Algorithm::EdDsa,
        }
    }

    /// The half of the key that only verifies, as a JWK. HS256 has none: its one key does both.
    pub fn public_jwk(&self) -> Option<String> {
        match &self.secret {
            Secret::Hs256(_) => None,
            Secret::Ed25519(key) => {
                NewKey::from_seed(Algorithm::EdDsa, self.id.as_deref(), key.to_bytes()).public_jwk()
            }
        }
    }

    /// Signs a token with these claims. Times are cut to whole seconds.
    ///
    /// # Errors
    ///
    /// Where the claims make no sense, or the token would be longer than [`TOKEN_BYTES_MAX`].
    pub fn sign(&self, claims: &Claims) -> Result<String, SignError> {
        let token = self.sign_json(&claims.to_json()?);
        if token.len() > TOKEN_BYTES_MAX {
            return Err(SignError::TooLong(token.len()));
        }
        Ok(token)
    }

    fn sign_json(&self, claims: &str) -> String {
        let mut header = json!({ "alg": self.algorithm().name(), "typ": "JWT" });
        if let (Some(id), Some(header)) = (&self.id, header.as_object_mut()) {
            header.insert("kid".into(), id.as_str().into());
        }
        let signed = [
            &encode(header.to_string().as_bytes()),
            ".",
            &encode(claims.as_bytes()),
        ]
        .concat();
        [&signed, ".", &self.signature(&signed)].concat()
    }

    /// Signs any text, and returns the signature as it stands in a token. For test suites, which
    /// also make tokens that [`sign`](Self::sign) would not.
    pub fn signature(&self, text: &str) -> String {
        match &self.secret {
            Secret::Hs256(mac) => {
                let mac = mac.clone().chain_update(text);
                encode(&mac.finalize().into_bytes())
            }
            Secret::Ed25519(key) => encode(&key.sign(text.as_bytes()).to_bytes()),
        }
    }
}

/// Says which key it is, never what it is.
impl fmt::Debug for TokenSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenSigner")
            .field("id", &self.id)
            .field("algorithm", &self.algorithm())
            .finish_non_exhaustive()
    }
}

/// Why a token cannot be signed.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum SignError {
    /// The claims make no sense.
    #[error("{0}")]
    Claims(#[from] ClaimError),
    /// The token would be longer than relays read.
    #[error("the token would be {0} bytes long; relays read {TOKEN_BYTES_MAX} at most")]
    TooLong(usize),
}
