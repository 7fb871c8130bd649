use alloc::string::String;
#[cfg(feature = "tokens")]
use alloc::sync::Arc;
use core::fmt;

#[cfg(feature = "tokens")]
use ed25519_dalek::{Signature, VerifyingKey};
#[cfg(feature = "tokens")]
use hmac::{Hmac, Mac as _};
#[cfg(feature = "tokens")]
use sha2::Sha256;

use crate::host_key::HostKey;
use crate::key::{Jwk, Material};
#[cfg(feature = "tokens")]
use crate::public_key::PublicKey;
use crate::scheme::Scheme;
use crate::signature_check::SignatureCheck;
use crate::token::Token;

/// One key of a verifier.
#[derive(Clone)]
pub(super) struct Key {
    pub(super) id: Option<String>,
    secret: Secret,
}

#[derive(Clone)]
enum Secret {
    /// With the key already in it.
    #[cfg(feature = "tokens")]
    Hs256(Hmac<Sha256>),
    #[cfg(feature = "tokens")]
    Ed25519(VerifyingKey),
    #[cfg(feature = "tokens")]
    Other(Scheme, Arc<dyn PublicKey>),
    Host(HostKey),
}

impl Key {
    pub(super) fn new(jwk: Jwk) -> Self {
        Self {
            id: jwk.id,
            secret: match jwk.material {
                #[cfg(feature = "tokens")]
                Material::Hs256(mac) => Secret::Hs256(mac),
                #[cfg(feature = "tokens")]
                Material::Ed25519 { public, private: _ } => Secret::Ed25519(public),
                #[cfg(feature = "tokens")]
                Material::Other { scheme, public, .. } => Secret::Other(scheme, public),
                Material::Host { key, .. } => Secret::Host(key),
            },
        }
    }

    pub(super) fn scheme(&self) -> Scheme {
        match &self.secret {
            #[cfg(feature = "tokens")]
            Secret::Hs256(_) => Scheme::Hs256,
            #[cfg(feature = "tokens")]
            Secret::Ed25519(_) => Scheme::EdDsa,
            #[cfg(feature = "tokens")]
            Secret::Other(scheme, _) => *scheme,
            Secret::Host(key) => key.scheme,
        }
    }

    pub(super) fn is_public(&self) -> bool {
        match &self.secret {
            #[cfg(feature = "tokens")]
            Secret::Hs256(_) => false,
            #[cfg(feature = "tokens")]
            Secret::Ed25519(_) | Secret::Other(..) => true,
            Secret::Host(key) => key.scheme != Scheme::Hs256,
        }
    }

    pub(super) fn host_key(&self) -> Option<&HostKey> {
        match &self.secret {
            Secret::Host(key) => Some(key),
            #[cfg(feature = "tokens")]
            Secret::Hs256(_) | Secret::Ed25519(_) | Secret::Other(..) => None,
        }
    }

    pub(super) fn has_signed(
        &self,
        position: usize,
        token: &Token<'_>,
        is_right: &mut dyn FnMut(SignatureCheck<'_>) -> bool,
    ) -> bool {
        let (message, signature) = (token.signed.as_bytes(), token.signature.as_slice());
        match &self.secret {
            // Compares in constant time.
            #[cfg(feature = "tokens")]
            Secret::Hs256(mac) => mac
                .clone()
                .chain_update(message)
                .verify_slice(signature)
                .is_ok(),
            // Strict: refuses the odd points with which one signature fits many messages.
            #[cfg(feature = "tokens")]
            Secret::Ed25519(key) => Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify_strict(message, &signature).is_ok()),
            #[cfg(feature = "tokens")]
            Secret::Other(_, key) => key.has_signed(message, signature),
            Secret::Host(key) if signature.len() != key.signature_len => false,
            Secret::Host(_) => is_right(SignatureCheck {
                key: position,
                message,
                signature,
            }),
        }
    }
}

/// Says which key it is, never what it is.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("id", &self.id)
            .field("scheme", &self.scheme())
            .finish_non_exhaustive()
    }
}
