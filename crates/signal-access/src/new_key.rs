use alloc::borrow::ToOwned;
use alloc::string::{String, ToString as _};
use core::fmt;

use ed25519_dalek::SigningKey;
use serde_json::{Map, Value};

use crate::algorithm::Algorithm;
use crate::token::encode;

/// A key that is to be written down.
pub struct NewKey {
    algorithm: Algorithm,
    id: Option<String>,
    seed: [u8; 32],
}

impl NewKey {
    /// The key that these 32 random bytes make. This crate has no randomness; take them from the
    /// operating system's.
    pub fn from_seed(algorithm: Algorithm, id: Option<&str>, seed: [u8; 32]) -> Self {
        let id = id.map(ToOwned::to_owned);
        Self {
            algorithm,
            id,
            seed,
        }
    }

    /// The key that signs, as a JWK. It is a secret.
    pub fn private_jwk(&self) -> String {
        let secret = match self.algorithm {
            Algorithm::Hs256 => "k",
            Algorithm::EdDsa => "d",
        };
        let mut key = self.common();
        key.insert(secret.to_owned(), encode(&self.seed).into());
        Value::Object(key).to_string()
    }

    /// The key that only verifies, as a JWK. HS256 has none: its one key does both.
    pub fn public_jwk(&self) -> Option<String> {
        match self.algorithm {
            Algorithm::Hs256 => None,
            Algorithm::EdDsa => Some(Value::Object(self.common()).to_string()),
        }
    }

    /// What may be known of the key.
    fn common(&self) -> Map<String, Value> {
        let mut key = Map::new();
        let mut insert = |name: &str, value: &str| key.insert(name.to_owned(), value.into());
        insert("kty", self.algorithm.key_type());
        insert("alg", self.algorithm.name());
        if let Some(id) = &self.id {
            insert("kid", id);
        }
        match self.algorithm {
            Algorithm::Hs256 => {}
            Algorithm::EdDsa => {
                let public = SigningKey::from_bytes(&self.seed).verifying_key();
                insert("crv", "Ed25519");
                insert("x", &encode(public.as_bytes()));
            }
        }
        key
    }
}

/// Says which key it is, never what it is.
impl fmt::Debug for NewKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewKey")
            .field("algorithm", &self.algorithm)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
