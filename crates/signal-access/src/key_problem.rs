use thiserror::Error;

/// What is wrong with a key.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum KeyProblem {
    /// It is not an object.
    #[error("it is not a JSON object")]
    NotObject,
    /// A name stands twice in it.
    #[error("a name stands twice in it")]
    Duplicate,
    /// Its `kid` is not a string.
    #[error("its \"kid\" is not a string")]
    Id,
    /// It is for something else than signatures.
    #[error("its \"use\" is not \"sig\"")]
    Use,
    /// It is for something else than signatures, by its `key_ops`.
    #[error("its \"key_ops\" has neither \"verify\" nor \"sign\" in it")]
    Operations,
    /// It is for an algorithm that is not known here.
    #[error("its \"alg\" is not \"HS256\", \"EdDSA\", \"RS256\" or \"ES256\"")]
    Algorithm,
    /// It does not say which algorithm its secret is for. The key must, because a token cannot
    /// choose.
    #[error("it has no \"alg\", which a secret needs: \"alg\":\"HS256\"")]
    NoAlgorithm,
    /// Its type does not fit its algorithm, or is not one that is used here.
    #[error(
        "its \"kty\" is not one that fits: HS256 needs \"oct\", EdDSA \"OKP\", RS256 \"RSA\", ES256 \"EC\""
    )]
    Type,
    /// It is for another curve.
    #[error("its \"crv\" is not \"Ed25519\", the one curve of EdDSA that is known here")]
    Curve,
    /// It is for another curve than that of ES256.
    #[error("its \"crv\" is not \"P-256\", which ES256 needs")]
    EcCurve,
    /// It is for RS256 or ES256, and was read where these are not known.
    #[error("it is for RS256 or ES256, which cannot be used here")]
    NotVerified,
    /// It comes from an address where anyone can read it, and can sign.
    #[error(
        "it can sign, and anyone can read it where it comes from; only public keys count there"
    )]
    Published,
    /// The RSA key is shorter than RFC 7518 allows.
    #[error("its \"n\" has fewer than 2,048 bits, which RS256 needs at least")]
    RsaShort,
    /// The RSA key is longer than what is verified.
    #[error("its \"n\" has more than 4,096 bits, which would take too long to verify")]
    RsaLong,
    /// What is in it is not a public key of RS256 or ES256.
    #[error("the numbers in it are not a public key")]
    NotPublic,
    /// A member is missing.
    #[error("it has no \"{0}\"")]
    Missing(&'static str),
    /// A member is not base64url, nor the other base64.
    #[error("its \"{0}\" is not base64url")]
    Base64(&'static str),
    /// A member of an Ed25519 or P-256 key has the wrong length.
    #[error("its \"{0}\" is not 32 bytes long")]
    Length(&'static str),
    /// The secret is shorter than [`SECRET_BYTES_MIN`](crate::SECRET_BYTES_MIN).
    #[error("its \"k\" is shorter than 32 bytes, which HS256 needs at least")]
    Short,
    /// The public key is not a point on the curve, or is one that must not be used.
    #[error("its \"x\" is not a public key")]
    Point,
    /// Private and public key do not belong together.
    #[error("its \"d\" and \"x\" do not belong together")]
    Mismatch,
    /// It stands behind [`KEYS_MAX`](crate::KEYS_MAX) others.
    #[error("64 keys before it are used, which is as many as can be")]
    TooMany,
    /// It stands behind [`KEYS_TRIED_MAX`](crate::KEYS_TRIED_MAX) others of its `kid` and
    /// algorithm.
    #[error("four keys before it have its \"kid\" and algorithm, as many as a token is tried with")]
    SameId,
    /// It can only verify.
    #[error("it is a public key, which cannot sign; use the one with \"d\"")]
    NotPrivate,
}
