mod key;

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use crate::carrier::{Carriers, TOKEN_BYTES_MAX};
use crate::claims::{Claims, TopicRules};
use crate::default_topics::DefaultTopics;
use crate::error::{AudienceCause, TokenError};
#[cfg(feature = "tokens")]
use crate::key::Means;
use crate::key::{KEYS_TRIED_MAX, KeyError, KeyNotice, Keys, Source};
#[cfg(feature = "tokens")]
use crate::public_key::PublicKeys;
use crate::signature_check::SignatureCheck;
use crate::time::UnixTime;
use crate::token::{Header, Token};

use self::key::Key;

/// How far the issuer's clock may be ahead, by default.
pub const LEEWAY: Duration = Duration::from_secs(30);

/// Verifies tokens with one key, or with a few while they are being changed.
///
/// A token that names a key (`kid`) is verified with the keys of that name, then with keys that
/// have none, with [`KEYS_TRIED_MAX`] at most; another one with each key of its algorithm, if they
/// are no more than that. The algorithm is the key's.
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
    issuer: Option<String>,
    audience: Option<String>,
    leeway: Duration,
    carriers: Carriers,
    topics: TopicRules,
}

impl TokenVerifier {
    /// A verifier with the keys of a JWK or a JWK Set (RFC 7517), as JSON.
    ///
    /// A key is a secret of at least 32 bytes, `{"kty":"oct","alg":"HS256","k":…}`, or
    /// `{"kty":"OKP","crv":"Ed25519","x":…}`, of which the private half `d` is not needed. `kid` is
    /// optional. Of a set, keys that cannot be used are passed over, as
    /// [`notices`](Self::notices) say, and so are those after the first
    /// [`KEYS_MAX`](crate::KEYS_MAX).
    ///
    /// # Errors
    ///
    /// If there is no key that can be used.
    #[cfg(feature = "tokens")]
    pub fn new(keys: &str) -> Result<Self, KeyError> {
        Self::without_keys().with_keys(keys, Source::OWN)
    }

    /// The same with keys of RS256 (`"kty":"RSA"`, 2,048 to 4,096 bits) and ES256 (`"kty":"EC"`,
    /// `"crv":"P-256"`) among them, which `public_keys` verifies.
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new).
    #[cfg(feature = "tokens")]
    pub fn with_public_keys(keys: &str, public_keys: &dyn PublicKeys) -> Result<Self, KeyError> {
        let source = Source {
            means: Means::Brought(public_keys),
            is_published: false,
        };
        Self::without_keys().with_keys(keys, source)
    }

    /// A verifier for a host that verifies every signature itself, of HS256, EdDSA, RS256 and
    /// ES256, and perhaps answers later: with it there is no cryptography in this crate. The host
    /// takes [`host_keys`](Self::host_keys) from here, and its answers go into
    /// [`verify_with`](Self::verify_with).
    ///
    /// Of a key it is checked what can be without cryptography: whether its numbers are a point on
    /// their curve is seen by the host.
    ///
    /// # Errors
    ///
    /// If there is no key that can be used.
    pub fn with_host_keys(keys: &str) -> Result<Self, KeyError> {
        Self::without_keys().with_keys(keys, Source::OF_HOST)
    }

    /// A verifier whose keys are still to be fetched from where their issuer publishes them; see
    /// [`with_published_keys`](Self::with_published_keys). Until then it refuses every token with
    /// [`TokenError::NoKeys`].
    pub fn without_keys() -> Self {
        Self {
            keys: Vec::new(),
            notices: Vec::new(),
            issuer: None,
            audience: None,
            leeway: LEEWAY,
            carriers: Carriers::default(),
            topics: TopicRules::default(),
        }
    }

    /// The same verifier with the keys of this JWK Set in place of those it has. As anyone can read
    /// the set where it is published, secrets and private keys in it are passed over.
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new).
    #[cfg(feature = "tokens")]
    pub fn with_published_keys(
        &self,
        keys: &str,
        public_keys: &dyn PublicKeys,
    ) -> Result<Self, KeyError> {
        let source = Source {
            means: Means::Brought(public_keys),
            is_published: true,
        };
        self.clone().with_keys(keys, source)
    }

    /// The same for a host that verifies every signature itself; see
    /// [`with_host_keys`](Self::with_host_keys).
    ///
    /// # Errors
    ///
    /// As for [`with_host_keys`](Self::with_host_keys).
    pub fn with_published_host_keys(&self, keys: &str) -> Result<Self, KeyError> {
        let source = Source {
            is_published: true,
            ..Source::OF_HOST
        };
        self.clone().with_keys(keys, source)
    }

    /// The same verifier with the keys of another in place of those it has.
    #[must_use]
    pub fn with_keys_of(mut self, other: &Self) -> Self {
        self.keys.clone_from(&other.keys);
        self.notices.clone_from(&other.notices);
        self
    }

    fn with_keys(mut self, keys: &str, source: Source<'_>) -> Result<Self, KeyError> {
        let Keys { keys, notices } = Keys::parse(keys, source)?;
        self.keys = keys.into_iter().map(Key::new).collect();
        self.notices = notices;
        Ok(self)
    }

    /// The same verifier for tokens of this issuer only: `iss` must be there and be the same text,
    /// with the slash at its end if there is one.
    ///
    /// Without one, `iss` is not looked at.
    #[must_use]
    pub fn with_issuer(mut self, issuer: impl Into<String>) -> Self {
        self.issuer = Some(issuer.into());
        self
    }

    /// The same verifier for tokens whose topics are in this claim, and not in `topics`,
    /// `subscribe` and `publish`. A name that begins with a slash is a way into objects (RFC 6901):
    /// `/app_metadata/topics`.
    #[must_use]
    pub fn with_topics_claim(mut self, name: impl Into<String>) -> Self {
        self.topics.claim = Some(name.into());
        self
    }

    /// The same verifier with these topics for tokens that have no claim about topics. By default
    /// such a token opens none.
    #[must_use]
    pub fn with_default_topics(mut self, topics: DefaultTopics) -> Self {
        self.topics.default = topics;
        self
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

    /// The keys that the host verifies with, each a JWK of its public half, or of its secret.
    pub fn host_keys(&self) -> impl Iterator<Item = &str> {
        let keys = self.keys.iter().filter_map(Key::host_key);
        keys.map(|key| key.jwk.as_str())
    }

    /// Whether there are keys of pairs (EdDSA, RS256, ES256): a wrong signature of one costs far
    /// more than to read its request, in WebAssembly up to a millisecond.
    pub fn has_public_keys(&self) -> bool {
        self.keys.iter().any(Key::is_public)
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

    /// The issuer that tokens must be of.
    pub fn issuer(&self) -> Option<&str> {
        self.issuer.as_deref()
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
        self.verify_with(token, now, &mut |_| false)
    }

    /// The same with what a host says of signatures. It is asked only with the keys of
    /// [`with_host_keys`](Self::with_host_keys), of which up to [`KEYS_TRIED_MAX`] may have signed.
    ///
    /// A host that cannot answer at once says no, notes what it was asked, and asks again when it
    /// knows: the same is asked of the same token.
    ///
    /// # Errors
    ///
    /// As for [`verify`](Self::verify): [`TokenError::Signature`] as long as nothing is verified.
    pub fn verify_with(
        &self,
        token: &str,
        now: UnixTime,
        is_right: &mut dyn FnMut(SignatureCheck<'_>) -> bool,
    ) -> Result<Claims, TokenError> {
        let claims = self.read_with(token, is_right)?;
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
        self.read_with(token, &mut |_| false)
    }

    fn read_with(
        &self,
        token: &str,
        is_right: &mut dyn FnMut(SignatureCheck<'_>) -> bool,
    ) -> Result<Claims, TokenError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenError::TooLong);
        }
        let token = Token::parse(token)?;
        let candidates = self.candidates(&token.header)?;
        let mut candidates = candidates.into_iter();
        if !candidates.any(|(position, key)| key.has_signed(position, &token, is_right)) {
            return Err(TokenError::Signature);
        }
        Claims::parse(&token.claims()?, &self.topics).map_err(TokenError::Claims)
    }

    /// The keys that may have signed a token with this header.
    fn candidates(&self, header: &Header) -> Result<Vec<(usize, &Key)>, TokenError> {
        if self.keys.is_empty() {
            return Err(TokenError::NoKeys);
        }
        let is_named = |(_, key): &(usize, &Key)| match (&key.id, &header.key_id) {
            (Some(ours), Some(theirs)) => ours == theirs,
            (None, _) | (_, None) => true,
        };
        let keys = self.keys.iter().enumerate().filter(is_named);
        let mut keys: Vec<(usize, &Key)> = keys.collect();
        if keys.is_empty() {
            return Err(TokenError::UnknownKey);
        }
        keys.retain(|(_, key)| key.scheme() == header.scheme);
        // Those of the name that the token has come first.
        let (mut keys, nameless): (Vec<_>, Vec<_>) =
            keys.into_iter().partition(|(_, key)| key.id.is_some());
        let is_named = header.key_id.is_some() && !keys.is_empty();
        keys.extend(nameless);
        if is_named {
            keys.truncate(KEYS_TRIED_MAX);
        }
        match keys.len() {
            0 => Err(TokenError::Algorithm),
            1..=KEYS_TRIED_MAX => Ok(keys),
            _ => Err(TokenError::UnknownKey),
        }
    }

    fn judge(&self, claims: &Claims, now: UnixTime) -> Result<(), TokenError> {
        if claims.expires <= now {
            return Err(TokenError::Expired);
        }
        let earliest = now.saturating_add(self.leeway);
        if claims.not_before.is_some_and(|start| start > earliest) {
            return Err(TokenError::NotYet);
        }
        if self.issuer.is_some() && claims.issuer != self.issuer {
            return Err(TokenError::Issuer);
        }
        let cause = match &self.audience {
            Some(ours) if claims.audience.contains(ours) => return Ok(()),
            Some(_) if claims.audience.is_empty() => AudienceCause::Missing,
            Some(_) => AudienceCause::Other,
            None if claims.audience.is_empty() => return Ok(()),
            None => AudienceCause::Unasked,
        };
        Err(TokenError::Audience(cause))
    }
}

impl fmt::Debug for TokenVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenVerifier")
            .field("keys", &self.keys)
            .field("issuer", &self.issuer)
            .field("audience", &self.audience)
            .field("leeway", &self.leeway)
            .field("carriers", &self.carriers)
            .field("topics", &self.topics)
            .finish()
    }
}
