/// A signature that a host verifies, with one of the keys that
/// [`TokenVerifier::with_host_keys`](crate::TokenVerifier::with_host_keys) has read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SignatureCheck<'a> {
    /// The position of the key in [`TokenVerifier::host_keys`](crate::TokenVerifier::host_keys).
    pub key: usize,
    /// What is signed.
    pub message: &'a [u8],
    /// The signature, as it stands in the token: of ES256 two numbers of 32 bytes (RFC 7518, 3.4).
    pub signature: &'a [u8],
}
