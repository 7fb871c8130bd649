/// How a key signs. The type of the key decides, so no token can have a key used in another way.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Scheme {
    Hs256,
    EdDsa,
    Rs256,
    Es256,
}

impl Scheme {
    /// The scheme of this `alg`. `Ed25519` is the newer name of EdDSA with that curve (RFC 9864).
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        match name {
            "HS256" => Some(Self::Hs256),
            "EdDSA" | "Ed25519" => Some(Self::EdDsa),
            "RS256" => Some(Self::Rs256),
            "ES256" => Some(Self::Es256),
            _ => None,
        }
    }

    /// What a key of this type is for, if it does not say. A secret may be for several things.
    pub(crate) fn of_key_type(key_type: &str) -> Option<Self> {
        match key_type {
            "OKP" => Some(Self::EdDsa),
            "RSA" => Some(Self::Rs256),
            "EC" => Some(Self::Es256),
            _ => None,
        }
    }

    pub(crate) const fn key_type(self) -> &'static str {
        match self {
            Self::Hs256 => "oct",
            Self::EdDsa => "OKP",
            Self::Rs256 => "RSA",
            Self::Es256 => "EC",
        }
    }
}
