//! RS256 and ES256 by ring.

use std::sync::Arc;

use ring::agreement::{self, ECDH_P256, EphemeralPrivateKey};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use signal_access::{PublicKey, PublicKeys};

/// Verifies RS256 and ES256 for [`TokenVerifier`](signal_access::TokenVerifier), with ring, which
/// is there for TLS as well.
///
/// ```
/// use signal_tokio::RingKeys;
/// use signal_tokio::signal_access::TokenVerifier;
///
/// let key = r#"{"kty":"EC","crv":"P-256",
///     "x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
///     "y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}"#;
/// let verifier = TokenVerifier::with_public_keys(key, &RingKeys)?;
/// assert_eq!(verifier.key_count(), 1);
/// # Ok::<(), signal_tokio::signal_access::KeyError>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct RingKeys;

impl PublicKeys for RingKeys {
    fn rs256(&self, modulus: &[u8], exponent: &[u8]) -> Option<Arc<dyn PublicKey>> {
        let (n, e) = (modulus.to_vec(), exponent.to_vec());
        Some(Arc::new(Rsa(RsaPublicKeyComponents { n, e })))
    }

    fn es256(&self, point: &[u8; 65]) -> Option<Arc<dyn PublicKey>> {
        // ring looks at a point where it uses it, and this is a use: with one that is not on the
        // curve there is nothing to agree on.
        let ours = EphemeralPrivateKey::generate(&ECDH_P256, &SystemRandom::new()).ok()?;
        let theirs = agreement::UnparsedPublicKey::new(&ECDH_P256, point);
        agreement::agree_ephemeral(ours, &theirs, |_| ()).ok()?;
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, *point);
        Some(Arc::new(P256(key)))
    }
}

struct Rsa(RsaPublicKeyComponents<Vec<u8>>);

impl PublicKey for Rsa {
    fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        let verified = self
            .0
            .verify(&RSA_PKCS1_2048_8192_SHA256, message, signature);
        verified.is_ok()
    }
}

struct P256(UnparsedPublicKey<[u8; 65]>);

impl PublicKey for P256 {
    fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        self.0.verify(message, signature).is_ok()
    }
}
