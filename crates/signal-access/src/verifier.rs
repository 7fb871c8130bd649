use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use ed25519_dalek::{Signature, VerifyingKey};
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use crate::algorithm::Algorithm;
use crate::carrier::Carriers;
use crate::claims::Claims;
use crate::error::TokenError;
use crate::key::{Jwk, KeyError, KeyNotice, Keys, Material};
use crate::time::UnixTime;
use crate::token::{Header, TOKEN_BYTES_MAX, Token};

/// The most keys at once: an old and a new one for each of two issuers.
pub const KEYS_MAX: usize = 4;

/// How far the issuer's clock may be ahead, by default.
pub const LEEWAY: Duration = Duration::from_secs(30);

/// Verifies tokens with one key, or with a few while they are being changed.
///
/// A token that names a key (`kid`) is verified with the keys of that name, and with keys that have
/// none; another one with each key of its algorithm. The algorithm is the key's.
///
/// ```
/// use signal_access::{TokenError, TokenVerifier, UnixTime};
///
/// let keys = r#"{"kty":"oct","alg":"HS256","k":"dGhpcyBrZXkgaXMgZm9yIHRlc3RzIGFuZCBkb2NzIG9ubHk"}"#;
/// let verifier = TokenVerifier::new(keys)?.with_audience("relay.example.org");
/// let now = UnixTime::from_secs(1_800_000_000);
/// assert_eq!(verifier.verify("eyJhbGciOiJub25lIn0.e30.", now), Err(TokenError::Algorithm));
/// # Ok::<(), signal_access::KeyError>(())
/// ```
#[derive(Clone)]
pub struct TokenVerifier {
    keys: Vec<Key>,
    notices: Vec<KeyNotice>,
    audience: Option<String>,
    leeway: Duration,
    carriers: Carriers,
}

impl TokenVerifier {
    /// A verifier with the keys of a JWK or a JWK Set (RFC 7517), as JSON.
    ///
    /// A key is a secret of at least 32 bytes, `{"kty":"oct","alg":"HS256","k":…}`, or
    /// `{"kty":"OKP","crv":"Ed25519","x":…}`, of which the private half `d` is not needed. `kid` is
    /// optional. Of a set, keys that cannot be used are passed over, as
    /// [`notices`](Self::notices) say.
    ///
    /// # Errors
    ///
    /// If there is no key that can be used, or more than [`KEYS_MAX`].
    pub fn new(keys: &str) -> Result<Self, KeyError> {
        let Keys { keys, notices } = Keys::parse(keys)?;
        match keys.len() {
            0 => return Err(KeyError::NoKeys),
            1..=KEYS_MAX => {}
            more => return Err(KeyError::TooMany(more)),
        }
        let mut ids: Vec<&String> = keys.iter().filter_map(|key| key.id.as_ref()).collect();
        let named = ids.len();
        ids.sort_unstable();
        ids.dedup();
        if ids.len() < named {
            return Err(KeyError::SameId);
        }
        Ok(Self {
            keys: keys.into_iter().map(Key::new).collect(),
            notices,
            audience: None,
            leeway: LEEWAY,
            carriers: Carriers::default(),
        })
    }

    /// The same verifier for tokens to this audience only: `aud` must be there and name it.
    ///
    /// Without one, a token that names an audience is refused: it was made for another relay (RFC
    /// 7519 4.1.3).
    #[must_use]
    pub fn with_audience(mut self, audience: impl Into<String>) -> Self {
        self.audience = Some(audience.into());
        self
    }

    /// The same verifier with another leeway than [`LEEWAY`]: how long before its `nbf` a token is
    /// let through, because the issuer's clock may be ahead. `exp` is exact, so that a connection
    /// ends when its token says.
    #[must_use]
    pub fn with_leeway(mut self, leeway: Duration) -> Self {
        self.leeway = leeway;
        self
    }

    /// The same verifier for requests that have their token in one of these places. Others are not
    /// looked at.
    #[must_use]
    pub fn with_carriers(mut self, carriers: Carriers) -> Self {
        self.carriers = carriers;
        self
    }

    /// How many keys there are.
    pub fn key_count(&self) -> usize {
        self.keys.len()
    }

    /// What an operator should know of the keys: which ones of the set are not used and why, and
    /// which ones have a private half that a relay does not need.
    pub fn notices(&self) -> &[KeyNotice] {
        &self.notices
    }

    /// The audience that tokens must name.
    pub fn audience(&self) -> Option<&str> {
        self.audience.as_deref()
    }

    /// Where in a request tokens are looked for.
    pub fn carriers(&self) -> Carriers {
        self.carriers
    }

    /// Verifies a token and returns what it claims.
    ///
    /// # Errors
    ///
    /// Why it is refused. The signature is judged before anything that it signs.
    pub fn verify(&self, token: &str, now: UnixTime) -> Result<Claims, TokenError> {
        let claims = self.read(token)?;
        self.judge(&claims, now)?;
        Ok(claims)
    }

    /// Verifies only the signature of a token and returns what it claims, though it may be expired
    /// or for somebody else: to tell a person what is wrong with it, not to let anybody in.
    ///
    /// # Errors
    ///
    /// Why it cannot be read.
    pub fn read(&self, token: &str) -> Result<Claims, TokenError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenError::TooLong);
        }
        let token = Token::parse(token)?;
        let candidates = self.candidates(&token.header)?;
        if !candidates.iter().any(|key| key.has_signed(&token)) {
            return Err(TokenError::Signature);
        }
        Claims::parse(&token.claims()?).map_err(TokenError::Claims)
    }

    /// The keys that may have signed a token with this header.
    fn candidates(&self, header: &Header) -> Result<Vec<&Key>, TokenError> {
        let is_named = |key: &&Key| match (&key.id, &header.key_id) {
            (Some(ours), Some(theirs)) => ours == theirs,
            (None, _) | (_, None) => true,
        };
        let mut keys: Vec<&Key> = self.keys.iter().filter(is_named).collect();
        if keys.is_empty() {
            return Err(TokenError::UnknownKey);
        }
        keys.retain(|key| key.algorithm() == header.algorithm);
        if keys.is_empty() {
            return Err(TokenError::Algorithm);
        }
        Ok(keys)
    }

    fn judge(&self, claims: &Claims, now: UnixTime) -> Result<(), TokenError> {
        if claims.expires <= now {
            return Err(TokenError::Expired);
        }
        let earliest = now.saturating_add(self.leeway);
        if claims.not_before.is_some_and(|start| start > earliest) {
            return Err(TokenError::NotYet);
        }
        let is_ours = match &self.audience {
            Some(ours) => claims.audience.contains(ours),
            None => claims.audience.is_empty(),
        };
        is_ours.then_some(()).ok_or(TokenError::Audience)
    }
}

impl fmt::Debug for TokenVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenVerifier")
            .field("keys", &self.keys)
            .field("audience", &self.audience)
            .field("leeway", &self.leeway)
            .field("carriers", &self.carriers)
            .finish()
    }
}

#[derive(Clone)]
struct Key {
    id: Option<String>,
    secret: Secret,
}

#[derive(Clone)]
enum Secret {
    /// With the key already in it.
    Hs256(Hmac<Sha256>),
    Ed25519(VerifyingKey),
}

impl Key {
    fn new(jwk: Jwk) -> Self {
        Self {
            id: jwk.id,
            secret: match jwk.material {
                Material::Hs256(mac) => Secret::Hs256(mac),
                Material::Ed25519 { public, private: _ } => Secret::Ed25519(public),
            },
        }
    }

    fn algorithm(&self) -> Algorithm {
        match self.secret {
            Secret::Hs256(_) => Algorithm::Hs256,
            Secret::Ed25519(_) => Algorithm::EdDsa,
        }
    }

    fn has_signed(&self, token: &Token<'_>) -> bool {
        let (signed, signature) = (token.signed.as_bytes(), &token.signature);
        match &self.secret {
            // Compares in constant time.
            Secret::Hs256(mac) => mac
                .clone()
                .chain_update(signed)
                .verify_slice(signature)
                .is_ok(),
            // Strict: refuses the odd points with which one signature fits many messages.
            Secret::Ed25519(key) => Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify_strict(signed, &signature).is_ok()),
        }
    }
}

/// Says which key it is, never what it is.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("id", &self.id)
            .field("algorithm", &self.algorithm())
            .finish_non_exhaustive()
    }
}
