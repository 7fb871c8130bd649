use core::fmt;

/// How tokens are signed by this crate; it verifies RS256 and ES256 too, with a host's
/// [`PublicKeys`](crate::PublicKeys). Each key is for one algorithm, and a token cannot choose
/// another.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Algorithm {
    /// HMAC with SHA-256: a relay that verifies could also sign.
    Hs256,
    /// Ed25519 signatures: the relay has the public key alone, which cannot sign.
    EdDsa,
}

impl Algorithm {
    /// All algorithms.
    pub const ALL: [Self; 2] = [Self::Hs256, Self::EdDsa];

    /// The name in tokens and keys.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::EdDsa => "EdDSA",
        }
    }

    pub(crate) const fn key_type(self) -> &'static str {
        match self {
            Self::Hs256 => "oct",
            Self::EdDsa => "OKP",
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
