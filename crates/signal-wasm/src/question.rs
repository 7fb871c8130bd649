//! What the host is asked before an upgrade is answered.

use alloc::vec::Vec;
use signal_access::SignatureCheck;

/// The most signatures that one token is tried with have a bit each in the answer.
const _: () = assert!(signal_access::KEYS_TRIED_MAX <= u32::BITS as usize);

/// What has to be known before an upgrade is answered, which a host may find out later.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Question {
    /// Whether one of these is right; see [`Relay::verified`](crate::Relay::verified).
    Signatures(Vec<Signature>),
    /// What comes of the next fetch of keys; see [`Relay::resumed`](crate::Relay::resumed).
    Keys,
    /// What the host's authorizer says; see [`Relay::authorized`](crate::Relay::authorized).
    Authorizer,
}

/// A signature that the host verifies, with one of the keys that
/// [`Relay::keys`](crate::Relay::keys) tells.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Signature {
    /// The position of the key.
    pub key: usize,
    /// What is signed.
    pub message: Vec<u8>,
    /// The signature.
    pub signature: Vec<u8>,
}

impl From<SignatureCheck<'_>> for Signature {
    fn from(check: SignatureCheck<'_>) -> Self {
        Self {
            key: check.key,
            message: check.message.to_vec(),
            signature: check.signature.to_vec(),
        }
    }
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NoAnswer {
    /// It did not come in `handshake_timeout`.
    Late,
    /// Whoever was asked has failed.
    Failed,
}
