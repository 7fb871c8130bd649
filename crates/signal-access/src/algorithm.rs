use core::fmt;

/// How tokens are signed. Each key is for one algorithm, and a token cannot choose another.
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

    /// The algorithm of this name. `Ed25519` is the newer one of EdDSA with that curve (RFC 9864).
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "HS256" => Some(Self::Hs256),
            "EdDSA" | "Ed25519" => Some(Self::EdDsa),
            _ => None,
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
