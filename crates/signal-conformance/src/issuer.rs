//! Signs the tokens that a server asks for: here the suite itself does.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use base64ct::{Base64UrlUnpadded, Encoding as _};
use serde_json::{Value, json};
use signal_access::{Algorithm, KeyError, NewKey, TokenSigner};

use crate::template::{TemplateError, Values};
use crate::token::{Token, TokenKey};
use crate::{Capability, Grant};

/// Seconds that a token is valid whose grant has no end: longer than any scenario.
const HOUR: u64 = 3_600;
/// What `Other` signs with; it is nobody's key.
const OTHER_SEED: [u8; 32] = *b"a key that the server knows not.";

/// Signs the tokens that a server under test asks for, right ones and wrong ones.
#[derive(Clone)]
pub struct Issuer {
    keys: Arc<Keys>,
    audience: Option<String>,
}

struct Keys {
    declared: TokenSigner,
    other: TokenSigner,
    public: Option<TokenSigner>,
}

impl Issuer {
    /// An issuer with the key that the server's own belongs to: a JWK that can sign, for HS256 or
    /// EdDSA.
    ///
    /// # Errors
    ///
    /// The text is not a key that can sign.
    pub fn new(jwk: &str) -> Result<Self, KeyError> {
        let declared = TokenSigner::new(jwk)?;
        let signer = |algorithm, seed| {
            TokenSigner::new(&NewKey::from_seed(algorithm, None, seed).private_jwk())
        };
        let other = signer(declared.algorithm(), OTHER_SEED)?;
        let public = public_bytes(jwk).map(|bytes| signer(Algorithm::Hs256, bytes));
        let keys = Keys {
            declared,
            other,
            public: public.transpose()?,
        };
        Ok(Self {
            keys: Arc::new(keys),
            audience: None,
        })
    }

    /// The same for a server that lets in only tokens for this audience.
    #[must_use]
    pub fn with_audience(mut self, audience: impl Into<String>) -> Self {
        self.audience = Some(audience.into());
        self
    }

    /// A valid token for this grant; without one, for every topic. It ends with the grant, cut to
    /// whole seconds, or an hour after `now`, which is in milliseconds since 1970.
    #[must_use]
    pub fn token(&self, grant: Option<&Grant>, now: u64) -> String {
        let all = || vec!["*".to_owned()];
        let (subscribe, publish) = match grant {
            Some(grant) => (grant.subscribe.clone(), grant.publish.clone()),
            None => (all(), all()),
        };
        let ends = grant.and_then(|grant| grant.expires_in_ms);
        let mut claims = json!({
            "sub": "conformance",
            "exp": now.saturating_add(ends.unwrap_or(HOUR * 1_000)) / 1_000,
            "subscribe": subscribe,
            "publish": publish,
        });
        if let Some(audience) = &self.audience {
            claims["aud"] = audience.as_str().into();
        }
        let numbers = grant.map(|grant| &grant.clients_max);
        if let Some(numbers) = numbers.filter(|numbers| !numbers.is_empty()) {
            claims["clients_max"] = json!(numbers);
        }
        let header = Value::Object(self.header()).to_string();
        let signed = format!(
            "{}.{}",
            encode(header.as_bytes()),
            encode(claims.to_string().as_bytes())
        );
        let signature = self.keys.declared.signature(&signed);
        format!("{signed}.{signature}")
    }

    /// Puts a token together as a scenario describes it.
    pub(crate) fn mint(&self, token: &Token, values: &Values<'_>) -> Result<String, TemplateError> {
        let header = encode(&values.bytes(&token.header)?);
        let claims = encode(&values.bytes(&token.claims)?);
        let signature = self.sign(token.key, &format!("{header}.{claims}"))?;
        let claims = match &token.forged {
            Some(forged) => encode(&values.bytes(forged)?),
            None => claims,
        };
        let parts = [
            ("header", header),
            ("claims", claims),
            ("signature", signature),
        ];
        values.with(parts).text(&token.text)
    }

    fn sign(&self, key: TokenKey, text: &str) -> Result<String, TemplateError> {
        let signer = match key {
            TokenKey::Declared => Some(&self.keys.declared),
            TokenKey::Other => Some(&self.keys.other),
            TokenKey::Public => self.keys.public.as_ref(),
            TokenKey::None => return Ok(String::new()),
        };
        let signer = signer.ok_or_else(|| TemplateError::UnknownName("public".to_owned()))?;
        Ok(signer.signature(text))
    }

    /// What the placeholders about tokens stand for.
    pub(crate) fn words(&self) -> BTreeMap<String, String> {
        let keys = &self.keys;
        let member = |name: &str, value: Option<&str>| {
            value.map_or_else(String::new, |value| {
                format!(",\"{name}\":{}", Value::from(value))
            })
        };
        let algorithm = keys.declared.algorithm();
        let others = Algorithm::ALL
            .into_iter()
            .filter(|other| *other != algorithm);
        let words = [
            ("alg", algorithm.name().to_owned()),
            ("other_alg", others.map(Algorithm::name).collect()),
            ("kid", member("kid", keys.declared.key_id())),
            ("aud", member("aud", self.audience.as_deref())),
            ("audience", self.audience.clone().unwrap_or_default()),
        ];
        words.map(|(name, word)| (name.to_owned(), word)).into()
    }

    /// What a backend with this issuer can do.
    pub(crate) fn capabilities(&self) -> Vec<Capability> {
        let mut can = vec![Capability::Tokens];
        can.extend(self.keys.public.is_some().then_some(Capability::PublicKey));
        can.extend(self.audience.is_some().then_some(Capability::Audience));
        can
    }

    fn header(&self) -> serde_json::Map<String, Value> {
        let mut header = serde_json::Map::new();
        let keys = &self.keys;
        header.insert("alg".to_owned(), keys.declared.algorithm().name().into());
        header.insert("typ".to_owned(), "JWT".into());
        if let Some(id) = keys.declared.key_id() {
            header.insert("kid".to_owned(), id.into());
        }
        header
    }
}

/// Says which key it is, never what it is.
impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issuer")
            .field("key", &self.keys.declared)
            .field("audience", &self.audience)
            .finish_non_exhaustive()
    }
}

/// The public half of an Ed25519 key.
fn public_bytes(jwk: &str) -> Option<[u8; 32]> {
    let key: Value = serde_json::from_str(jwk).ok()?;
    let key = key.get("keys").and_then(|keys| keys.get(0)).unwrap_or(&key);
    let bytes = Base64UrlUnpadded::decode_vec(key.get("x")?.as_str()?).ok()?;
    bytes.try_into().ok()
}

fn encode(bytes: &[u8]) -> String {
    Base64UrlUnpadded::encode_string(bytes)
}
