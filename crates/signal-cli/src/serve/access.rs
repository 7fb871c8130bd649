//! Who may come in: keys and origins, read and exchanged while connections go on.

use std::path::Path;
use std::sync::Arc;

use signal_access::{Access, JwksUrl, TokenVerifier};
use signal_tokio::{AccessAuthorizer, JwksAuthorizer, JwksFetcher, Listen, Relay, RingKeys};

use crate::failure::Failure;
use crate::settings::{Mistake, Resolved, Settings};
use crate::text_file;
use crate::token::key_file;

const KEY_FILE: &str = "token_key_file";
const AUDIENCE: &str = "token_audience";
const JWKS_URL: &str = "token_jwks_url";
const ISSUER: &str = "token_issuer";
const TOPICS_CLAIM: &str = "token_topics_claim";
const TOPICS_DEFAULT: &str = "token_topics_default";

/// Reads what the settings say of access, with the key file.
///
/// # Errors
///
/// The key file cannot be used; the mistake says why, and nothing of what is in it.
pub(crate) fn load(resolved: &Resolved) -> Result<Access, Mistake> {
    let settings = &resolved.settings;
    let tokens = match (&settings.token_key_file, &settings.token_jwks_url) {
        (Some(path), None) => Some(read(resolved, path)?),
        (None, Some(_)) => Some(with_rules(TokenVerifier::without_keys(), settings)),
        (None, None) => {
            refuse_rules_without_keys(resolved)?;
            None
        }
        (Some(_), Some(_)) => {
            let fix = format!("leave out one of {KEY_FILE} and {JWKS_URL}");
            let problem =
                "the keys of tokens come from one place, and token_key_file names another";
            return Err(resolved.mistake(JWKS_URL, problem, fix));
        }
    };
    Ok(Access {
        origins: settings.origins.clone(),
        tokens,
    })
}

/// Who writes down what tokens must say, and no keys, means to keep someone out.
fn refuse_rules_without_keys(resolved: &Resolved) -> Result<(), Mistake> {
    let settings = &resolved.settings;
    let rules = [
        (AUDIENCE, settings.token_audience.is_some()),
        (ISSUER, settings.token_issuer.is_some()),
        (TOPICS_CLAIM, settings.token_topics_claim.is_some()),
        (TOPICS_DEFAULT, !settings.token_topics_default.is_empty()),
    ];
    let Some((rule, _)) = rules.into_iter().find(|(_, is_set)| *is_set) else {
        return Ok(());
    };
    let example = resolved.example(KEY_FILE, rule);
    let fix = format!(
        "name a file with keys too, for example {example}, or an address ({JWKS_URL}), or leave {rule} out"
    );
    Err(resolved.mistake(rule, "without keys no token is looked at", fix))
}

fn read(resolved: &Resolved, path: &Path) -> Result<TokenVerifier, Mistake> {
    let text = text_file::read(path).map_err(|error| {
        let fix = "check the path, and that the user the relay runs as may read it; `signal token key --out FILE` \
                    makes a key";
        resolved.mistake(KEY_FILE, format!("cannot be read: {error}"), fix)
    })?;
    let verifier = TokenVerifier::with_public_keys(&text, &RingKeys).map_err(|error| {
        let problem = format!("cannot be used: {error}");
        resolved.mistake(KEY_FILE, problem, key_file::fix(&error))
    })?;
    Ok(with_rules(verifier, &resolved.settings))
}

/// The verifier with what the settings say of tokens.
fn with_rules(verifier: TokenVerifier, settings: &Settings) -> TokenVerifier {
    let mut verifier = verifier
        .with_carriers(settings.token_in)
        .with_default_topics(settings.token_topics_default.clone());
    if let Some(audience) = &settings.token_audience {
        verifier = verifier.with_audience(audience);
    }
    if let Some(issuer) = &settings.token_issuer {
        verifier = verifier.with_issuer(issuer);
    }
    if let Some(claim) = &settings.token_topics_claim {
        verifier = verifier.with_topics_claim(claim);
    }
    verifier
}

/// Lets the relay judge by this from now on.
pub(crate) fn set(relay: &Relay, access: Access) {
    if access.tokens.is_some() || !access.origins.is_empty() {
        relay.set_authorizer(AccessAuthorizer::new(access));
    }
}

/// Lets the relay judge by this, with the keys that are published there once they are fetched.
pub(crate) fn set_published(
    relay: &Relay,
    access: Access,
    url: &JwksUrl,
) -> Result<JwksFetcher, Failure> {
    let made = JwksAuthorizer::new(access, url.clone());
    let (authorizer, fetcher) = made.map_err(|error| {
        Failure::other(
            format!("{JWKS_URL}: {error}"),
            "install the CA certificates of the system (ca-certificates), or name a file with them in SSL_CERT_FILE",
        )
    })?;
    relay.set_authorizer(authorizer);
    Ok(fetcher)
}

/// The keys that a relay judges by, which can be read again.
#[derive(Debug)]
pub(crate) struct Keys {
    resolved: Arc<Resolved>,
    relay: Relay,
}

impl Keys {
    /// Those of the key file, if the settings name one.
    pub(crate) fn new(resolved: &Arc<Resolved>, relay: &Relay) -> Option<Self> {
        resolved.settings.token_key_file.as_ref()?;
        Some(Self {
            resolved: Arc::clone(resolved),
            relay: relay.clone(),
        })
    }

    /// Reads the keys again. Connections go on with the rights they have, new ones are judged by
    /// the new keys.
    ///
    /// # Errors
    ///
    /// They cannot be used: the old ones stay.
    pub(crate) fn reload(&self) -> Result<(), Mistake> {
        let access = load(&self.resolved)?;
        set(&self.relay, access.clone());
        tell_notices(&access);
        // Not before: a reader of this line may rely on the new keys.
        tracing::info!(who_may_come_in = %access, "the keys of tokens were read again");
        Ok(())
    }
}

/// What there is to say of the keys, a line each.
pub(crate) fn notices(access: &Access) -> impl Iterator<Item = String> {
    let verifier = access.tokens.iter();
    verifier
        .flat_map(TokenVerifier::notices)
        .map(|notice| format!("{KEY_FILE}: {notice}"))
}

/// Warns of keys that are not used, or that sign.
pub(crate) fn tell_notices(access: &Access) {
    for notice in notices(access) {
        tracing::warn!("{notice}");
    }
}

/// Warns if the issuer may sign for other relays by the same keys, and nothing distinguishes their
/// tokens from ours.
pub(crate) fn warn_of_any_issuer(settings: &Settings) {
    if settings.token_jwks_url.is_some() && settings.token_issuer.is_none() {
        tracing::warn!(
            "any token that the keys at token_jwks_url have signed is good; some providers sign for all their customers \
             with the same keys, so name yours in token_issuer"
        );
    }
}

/// Warns of a claim that looks like a way into objects and is not one: what is inside of
/// `realm_access` is `/realm_access/roles`. Names of others may have dots, as addresses do.
pub(crate) fn warn_of_dotted_claim(settings: &Settings) {
    let claim = settings.token_topics_claim.as_deref().unwrap_or_default();
    if let Some(way) = dotted(claim) {
        tracing::warn!(
            "token_topics_claim is {claim:?}, which is the name of one claim; if you mean what is inside of another, write {way:?}"
        );
    }
}

/// The way that was perhaps meant.
fn dotted(claim: &str) -> Option<String> {
    let is_name = !claim.contains(['/', ':']) && claim.contains('.');
    is_name.then(|| format!("/{}", claim.replace('.', "/")))
}

/// Warns if tokens come over the network where anybody on the way can read and use them.
pub(crate) fn warn_of_plain_tokens(settings: &Settings) {
    if has_plain_tokens(settings) {
        tracing::warn!(
            listen = %settings.listen,
            "tokens come over ws:// unencrypted, and anyone who reads one can use it; set tls_cert and tls_key, or listen on \
             127.0.0.1 behind a proxy that ends TLS, or name that proxy in trusted_proxies"
        );
    }
}

fn has_plain_tokens(settings: &Settings) -> bool {
    let is_public = is_public(&settings.listen);
    // A proxy that was named is there to end TLS.
    let has_tls = settings.tls_cert.is_some() || !settings.relay.trusted_proxies.is_empty();
    settings.asks_for_tokens() && is_public && !has_tls
}

/// Whether others than this machine can reach it.
pub(crate) fn is_public(listen: &Listen) -> bool {
    match listen {
        Listen::Address(address) => !address.ip().is_loopback(),
        Listen::Localhost(_) => false,
        Listen::Everywhere(_) => true,
        #[cfg(unix)]
        Listen::Unix { .. } => false,
    }
}

#[cfg(test)]
mod tests {
    use signal_tokio::TrustedProxies;

    use super::*;

    #[test]
    fn tokens_that_others_can_read_are_warned_of() {
        let settings = Settings {
            token_key_file: Some("key.jwk".into()),
            listen: Listen::Everywhere(4444),
            ..Settings::default()
        };
        assert!(has_plain_tokens(&settings));
        let mut others = [(); 4].map(|()| settings.clone());
        others[0].token_key_file = None;
        others[1].listen = Listen::Localhost(4444);
        others[2].tls_cert = Some("cert.pem".into());
        others[3].relay.trusted_proxies = TrustedProxies::new(["10.0.0.1"]).expect("an address");
        assert!(!others.iter().any(has_plain_tokens));
    }
}
