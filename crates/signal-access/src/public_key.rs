use alloc::sync::Arc;

/// Makes verifiers of RS256 and ES256 keys.
///
/// This crate verifies HS256 and EdDSA itself. RSA and P-256, which identity providers sign with,
/// are left to what its host has for them: `signal-tokio` brings ring, the Worker pure Rust. Each
/// is given to the verifier together with the keys, as
/// [`TokenVerifier::with_public_keys`](crate::TokenVerifier::with_public_keys).
pub trait PublicKeys {
    /// The RSA key of this modulus and exponent, big-endian and without leading zeros, for
    /// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518, 3.3). The modulus has 2,048 to 4,096 bits. None
    /// if it is not a public key.
    fn rs256(&self, modulus: &[u8], exponent: &[u8]) -> Option<Arc<dyn PublicKey>>;

    /// The key of this point on P-256, uncompressed as SEC 1 has it, for ECDSA with SHA-256 and
    /// signatures of 64 bytes (RFC 7518, 3.4). None if it is not a point on the curve.
    fn es256(&self, point: &[u8; 65]) -> Option<Arc<dyn PublicKey>>;
}

/// One key that can only verify.
pub trait PublicKey: Send + Sync {
    /// Whether the key has signed this message.
    fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool;
}
