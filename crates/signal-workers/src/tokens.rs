//! Tokens: the relay's keys, and the judging of a request by them.

mod rules;

use signal_access::{
    Access, Denied, Judging, Origins, PROTOCOL_MARKER, Permit, Refusal, TokenVerifier, UnixTime,
    UpgradeParts, redact,
};
use worker::wasm_bindgen::JsCast;
use worker::{Context, Env, Request, web_sys};

use crate::clock;
use crate::published::Published;
use crate::routing;
use crate::settings::SettingsError;
use crate::variable;

use self::rules::{JWKS_URL, KEYS, Rules, read_url, verifier};

/// Who may come in, as far as tokens say it.
#[derive(Debug)]
pub(crate) struct Tokens {
    /// With the keys that stand in the environment. Origins are judged before, by the route.
    access: Access,
    /// Where the others are.
    published: Option<Published>,
}

impl Tokens {
    /// Reads the variables. If there are keys, or an address of keys, everyone needs a token.
    pub(crate) async fn read(env: &Env) -> Result<Self, SettingsError> {
        let keys = variable::read(env, KEYS).await?;
        let url = variable::read(env, JWKS_URL).await?;
        let rules = Rules::read(env).await?;
        let (tokens, published) = match (keys, url) {
            (Some(_), Some(_)) => return Err(SettingsError::TwoSources(JWKS_URL, KEYS)),
            (None, Some(url)) => {
                let verifier = rules.apply(TokenVerifier::without_keys())?;
                (Some(verifier), Some(Published::at(read_url(url)?)))
            }
            (keys, None) => (verifier(keys, rules)?, None),
        };
        let origins = Origins::default();
        let access = Access { origins, tokens };
        Ok(Self { access, published })
    }

    /// Who may come in, in words, if pages of these origins may.
    pub(crate) fn describe(&self, origins: Origins) -> String {
        let access = Access {
            origins,
            ..self.access.clone()
        };
        access.to_string()
    }

    /// What it costs to judge one: in WebAssembly a signature of a pair of keys takes up to a
    /// millisecond.
    pub(crate) fn judging(&self) -> Judging {
        let tokens = self.access.tokens.as_ref();
        match self.published.is_some() || tokens.is_some_and(TokenVerifier::has_public_keys) {
            true => Judging::Costly,
            false => Judging::Cheap,
        }
    }

    /// Whether there is a key to judge by, or none is needed.
    pub(crate) async fn is_ready(&self, env: &Env, context: &Context) -> bool {
        let Some(published) = &self.published else {
            return true;
        };
        let has_keys = |verifier: TokenVerifier| verifier.key_count() > 0;
        if published.verifier(env, context).await.is_ok_and(has_keys) {
            return true;
        }
        let next = published.next(env, context).await;
        next.ok().flatten().is_some_and(has_keys)
    }

    /// Judges a request that wants to connect. A token of a key that is not known waits for one
    /// fetch, as it may be a new key of its issuer.
    pub(crate) async fn judge(
        &self,
        request: &Request,
        env: &Env,
        context: &Context,
    ) -> Result<Permit, Refusal> {
        let Some(published) = &self.published else {
            return Ok(judge(request, &self.access)?);
        };
        let verifier = published.verifier(env, context).await?;
        match judge(request, &self.access_by(&verifier)) {
            Err(denied) if denied.awaits_keys() => {
                let verifier = published.next(env, context).await?.ok_or(denied)?;
                Ok(judge(request, &self.access_by(&verifier))?)
            }
            judged => Ok(judged?),
        }
    }

    /// What is asked of tokens, by the keys of this verifier.
    fn access_by(&self, keys: &TokenVerifier) -> Access {
        let tokens = self.access.tokens.as_ref();
        Access {
            origins: Origins::default(),
            tokens: tokens.map(|rules| rules.clone().with_keys_of(keys)),
        }
    }
}

fn judge(request: &Request, access: &Access) -> Result<Permit, Denied> {
    let header = |name| request.headers().get(name).ok().flatten();
    let url = request.inner().url();
    let authorization = header("authorization");
    let protocols = header("sec-websocket-protocol");
    let parts = UpgradeParts {
        query: routing::query(&url),
        // They were judged before.
        host: None,
        origin: None,
        authorization: authorization.as_deref(),
        protocols: protocols.as_deref(),
    };
    let now = clock::now();
    let unix_now = UnixTime::from_millis(now.as_millis());
    let admitted = access.judge(&parts, unix_now)?;
    Ok(admitted.permit(unix_now, now))
}

/// The request without its token: the object has no use for one, and what it never gets it cannot
/// tell.
pub(crate) fn cut(request: &Request) -> worker::Result<Request> {
    let request = request.inner();
    // As a dictionary, a request has all that makes another like it.
    let alike: &web_sys::RequestInit = request.unchecked_ref();
    let cut = web_sys::Request::new_with_str_and_init(&redact(&request.url()), alike)?;
    let mut cut = Request::from(cut).clone_mut()?;
    let headers = cut.headers_mut()?;
    headers.delete("authorization")?;
    let protocols = headers.get("sec-websocket-protocol")?.unwrap_or_default();
    if offers_marker(&protocols) {
        headers.set("sec-websocket-protocol", PROTOCOL_MARKER)?;
    }
    Ok(cut)
}

fn offers_marker(protocols: &str) -> bool {
    let mut names = protocols.split(',').map(str::trim);
    names.any(|name| name == PROTOCOL_MARKER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_signatures_of_key_pairs_are_costly_here_and_those_of_secrets_are_not() {
        const SECRET: &str =
            r#"{"kty":"oct","alg":"HS256","k":"dGhpcyBrZXkgaXMgZm9yIHRlc3RzIGFuZCBkb2NzIG9ubHk"}"#;
        let file = include_str!("../../signal-access/vectors/libraries.json");
        let file: serde_json::Value = serde_json::from_str(file).unwrap();
        let pairs = serde_json::json!({ "keys": file["keys"] }).to_string();
        let judging = |keys: Option<&str>, published| {
            let tokens = verifier(keys.map(variable::Variable::from), Rules::default()).unwrap();
            let origins = Origins::default();
            let access = Access { origins, tokens };
            Tokens { access, published }.judging()
        };
        assert_eq!(judging(None, None), Judging::Cheap);
        assert_eq!(judging(Some(SECRET), None), Judging::Cheap);
        assert_eq!(judging(Some(&pairs), None), Judging::Costly);
        let published = Published::at("https://id.example/keys".parse().unwrap());
        assert_eq!(judging(None, Some(published)), Judging::Costly);
    }

    #[test]
    fn the_marker_is_found_wherever_it_stands() {
        assert!(offers_marker("signal-token, a.b.c"));
        assert!(offers_marker("chat,signal-token,a.b.c"));
        assert!(!offers_marker("chat, signal-token-2"));
        assert!(!offers_marker(""));
    }
}
