//! RS256 and ES256 in Rust: what the browsers' cryptography offers a Worker would have to be
//! awaited for each token.

use std::sync::Arc;

use p256::ecdsa;
use p256::ecdsa::signature::Verifier as _;
use rsa::{BoxedUint, pkcs1v15};
use sha2::Sha256;
use signal_access::{PublicKey, PublicKeys};

/// Verifies with the RustCrypto crates.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RustKeys;

impl PublicKeys for RustKeys {
    fn rs256(&self, modulus: &[u8], exponent: &[u8]) -> Option<Arc<dyn PublicKey>> {
        let number = BoxedUint::from_be_slice_vartime;
        let key = rsa::PublicKey::new(number(modulus), number(exponent)).ok()?;
        Some(Arc::new(Rsa(pkcs1v15::VerifyingKey::new(key))))
    }

    fn es256(&self, point: &[u8; 65]) -> Option<Arc<dyn PublicKey>> {
        let key = ecdsa::VerifyingKey::from_sec1_bytes(point).ok()?;
        Some(Arc::new(P256(key)))
    }
}

struct Rsa(pkcs1v15::VerifyingKey<Sha256>);

impl PublicKey for Rsa {
    fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        let signature = pkcs1v15::Signature::try_from(signature);
        signature.is_ok_and(|signature| self.0.verify(message, &signature).is_ok())
    }
}

struct P256(ecdsa::VerifyingKey);

impl PublicKey for P256 {
    fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        let signature = ecdsa::Signature::from_slice(signature);
        signature.is_ok_and(|signature| self.0.verify(message, &signature).is_ok())
    }
}
