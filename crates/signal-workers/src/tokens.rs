//! Tokens: the relay's keys, and the judging of a request by them.

use signal_access::{
    Access, Carriers, DefaultTopics, DefaultTopicsError, Denied, JwksUrl, Origins, PROTOCOL_MARKER,
    Permit, Refusal, TokenVerifier, UnixTime, UpgradeParts, redact,
};
use worker::wasm_bindgen::JsCast;
use worker::{Context, Env, Request, web_sys};

use crate::clock;
use crate::public_keys::RustKeys;
use crate::published::Published;
use crate::routing;
use crate::settings::SettingsError;
use crate::variable::{self, Variable};

/// The secret with the keys: a JWK, or a JWK Set.
const KEYS: &str = "TOKEN_KEYS";
/// The variable with the address at which the issuer publishes its keys, in their place.
const JWKS_URL: &str = "TOKEN_JWKS_URL";
/// The variable with the audience that tokens must name.
const AUDIENCE: &str = "TOKEN_AUDIENCE";
/// The variable with the issuer that tokens must be of.
const ISSUER: &str = "TOKEN_ISSUER";
/// The variable with the claim that names the topics of a token.
const TOPICS_CLAIM: &str = "TOKEN_TOPICS_CLAIM";
/// The variable with the topics of a token that names none.
const TOPICS_DEFAULT: &str = "TOKEN_TOPICS_DEFAULT";
/// The variable with the places where a token may be.
const IN: &str = "TOKEN_IN";

/// What wrangler makes of a value without quotes.
const SCALAR: &str = "a number or a boolean";

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

/// The address of keys, which is not shown: there may be a key to somebody's API in its query.
fn read_url(url: Variable) -> Result<JwksUrl, SettingsError> {
    let found = match url {
        Variable::Text(text) if text.trim().is_empty() => "empty",
        Variable::Text(text) => return Ok(text.parse()?),
        Variable::Scalar(_) => SCALAR,
        Variable::List(_) => "a list",
        Variable::Object(_) => "an object",
        Variable::Other(what) => what,
    };
    Err(SettingsError::Guard {
        variable: JWKS_URL,
        found,
        wanted: "the address at which the issuer of tokens publishes its keys",
        without: "ask no one for a token",
    })
}

/// What tokens must say, as the variables have it.
#[derive(Debug, Default)]
struct Rules {
    audience: Option<Variable>,
    issuer: Option<Variable>,
    topics_claim: Option<Variable>,
    topics_default: Option<Variable>,
    places: Option<Variable>,
}

impl Rules {
    async fn read(env: &Env) -> Result<Self, SettingsError> {
        Ok(Self {
            audience: variable::read(env, AUDIENCE).await?,
            issuer: variable::read(env, ISSUER).await?,
            topics_claim: variable::read(env, TOPICS_CLAIM).await?,
            topics_default: variable::read(env, TOPICS_DEFAULT).await?,
            places: variable::read(env, IN).await?,
        })
    }

    /// The name of one that is set and keeps someone out.
    fn first(&self) -> Option<&'static str> {
        let all = [
            (AUDIENCE, &self.audience),
            (ISSUER, &self.issuer),
            (TOPICS_CLAIM, &self.topics_claim),
            (TOPICS_DEFAULT, &self.topics_default),
            (IN, &self.places),
        ];
        let mut set = all.into_iter().filter(|(_, variable)| variable.is_some());
        set.next().map(|(name, _)| name)
    }

    fn apply(self, mut verifier: TokenVerifier) -> Result<TokenVerifier, SettingsError> {
        if let Some(audience) = self.audience {
            let without = "accept tokens without an aud";
            verifier = verifier.with_audience(read_name(AUDIENCE, audience, without)?);
        }
        if let Some(issuer) = self.issuer {
            let without = "accept tokens of any issuer that the keys have signed";
            verifier = verifier.with_issuer(read_name(ISSUER, issuer, without)?);
        }
        if let Some(claim) = self.topics_claim {
            let without = "read the claims topics, subscribe and publish";
            verifier = verifier.with_topics_claim(read_name(TOPICS_CLAIM, claim, without)?);
        }
        if let Some(topics) = self.topics_default {
            verifier = verifier.with_default_topics(read_topics(topics)?);
        }
        if let Some(places) = self.places {
            verifier = verifier.with_carriers(read_carriers(places)?);
        }
        Ok(verifier)
    }
}

fn verifier(keys: Option<Variable>, rules: Rules) -> Result<Option<TokenVerifier>, SettingsError> {
    let Some(keys) = keys else {
        return match rules.first() {
            Some(rule) => Err(SettingsError::WithoutKeys(rule)),
            None => Ok(None),
        };
    };
    let verifier = TokenVerifier::with_public_keys(&read_keys(keys)?, &RustKeys)?;
    rules.apply(verifier).map(Some)
}

/// The keys as text, which they are as a secret, or as JSON, which they may be as a variable.
fn read_keys(keys: Variable) -> Result<String, SettingsError> {
    let found = match keys {
        Variable::Text(text) | Variable::Object(text) => return Ok(text),
        Variable::Scalar(_) => SCALAR,
        Variable::List(_) => "a list",
        Variable::Other(what) => what,
    };
    Err(SettingsError::Guard {
        variable: KEYS,
        found,
        wanted: "a JWK or a JWK Set",
        without: "ask no one for a token",
    })
}

fn read_name(
    variable: &'static str,
    name: Variable,
    without: &'static str,
) -> Result<String, SettingsError> {
    let found = match name {
        Variable::Text(text) if text.trim().is_empty() => "empty",
        Variable::Text(text) => return Ok(text.trim().to_owned()),
        Variable::Scalar(_) => SCALAR,
        Variable::List(_) => "a list",
        Variable::Object(_) => "an object",
        Variable::Other(what) => what,
    };
    Err(SettingsError::Guard {
        variable,
        found,
        wanted: "a name",
        without,
    })
}

fn read_topics(topics: Variable) -> Result<DefaultTopics, SettingsError> {
    let text = read_list(topics);
    text.parse()
        .map_err(|error: DefaultTopicsError| SettingsError::Unreadable {
            variable: TOPICS_DEFAULT.to_owned(),
            value: format!("{text:?}"),
            wanted: format!("none, or topics with commas between them; {error}"),
        })
}

/// A list, however it is written; what is none stays something that cannot be read as one.
fn read_list(list: Variable) -> String {
    match list {
        Variable::Text(text) => text,
        Variable::List(names) => names.join(","),
        Variable::Scalar(_) | Variable::Object(_) | Variable::Other(_) => String::new(),
    }
}

fn read_carriers(places: Variable) -> Result<Carriers, SettingsError> {
    let text = read_list(places);
    text.parse().map_err(|_| SettingsError::Unreadable {
        variable: IN.to_owned(),
        value: format!("{text:?}"),
        wanted: "any, or query, header and protocol with commas between them".to_owned(),
    })
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

    const KEY: &str =
        r#"{"kty":"oct","alg":"HS256","k":"dGhpcyBrZXkgaXMgZm9yIHRlc3RzIGFuZCBkb2NzIG9ubHk"}"#;

    fn read(keys: Option<&str>, audience: Option<&str>) -> Result<Option<String>, String> {
        read_variables(keys.map(Variable::from), audience.map(Variable::from))
    }

    fn read_variables(
        keys: Option<Variable>,
        audience: Option<Variable>,
    ) -> Result<Option<String>, String> {
        let rules = Rules {
            audience,
            ..Rules::default()
        };
        let verifier = verifier(keys, rules).map_err(|error| error.to_string())?;
        Ok(verifier.map(|verifier| verifier.audience().unwrap_or("any").to_owned()))
    }

    #[test]
    fn without_keys_no_token_is_asked_for() {
        assert_eq!(read(None, None), Ok(None));
    }

    #[test]
    fn keys_may_have_an_audience() {
        assert_eq!(read(Some(KEY), None), Ok(Some("any".to_owned())));
        assert_eq!(read(Some(KEY), Some("me")), Ok(Some("me".to_owned())));
    }

    #[test]
    fn keys_may_be_json() {
        let keys = Variable::Object(KEY.to_owned());
        assert_eq!(read_variables(Some(keys), None), Ok(Some("any".to_owned())));
    }

    #[test]
    fn what_is_there_and_says_nothing_lets_nobody_in() {
        for wrong in [Variable::Other("null"), Variable::List(Vec::new())] {
            let error = read_variables(Some(wrong.clone()), None).unwrap_err();
            assert!(error.starts_with("TOKEN_KEYS is "), "{error}");
            let error = read_variables(Some(KEY.into()), Some(wrong)).unwrap_err();
            assert!(error.starts_with("TOKEN_AUDIENCE is "), "{error}");
        }
        for empty in ["", " "] {
            let error = read(Some(KEY), Some(empty)).unwrap_err();
            let told = "TOKEN_AUDIENCE is empty; write a name, or leave it out to accept tokens without an aud";
            assert_eq!(error, told);
        }
    }

    #[test]
    fn keys_that_cannot_be_used_let_nobody_in_and_are_not_shown() {
        for wrong in [
            "",
            "secret",
            "{}",
            r#"{"kty":"oct","alg":"HS256","k":"c2VjcmV0"}"#,
        ] {
            let error = read(Some(wrong), None).unwrap_err();
            assert!(error.starts_with("TOKEN_KEYS cannot be used: "), "{error}");
            assert!(
                !error.contains("secret") && !error.contains("c2Vj"),
                "{error}"
            );
        }
        let error = read(None, Some("me")).unwrap_err();
        assert!(error.contains("TOKEN_KEYS is not set"), "{error}");
    }

    #[test]
    fn rules_for_tokens_are_guards() {
        let read = |rules| verifier(Some(KEY.into()), rules).map(Option::unwrap);
        let rules = || Rules {
            issuer: Some("https://id.example/".into()),
            topics_default: Some(Variable::List(vec![
                "lobby".to_owned(),
                "u/{sub}/*".to_owned(),
            ])),
            ..Rules::default()
        };
        assert_eq!(read(rules()).unwrap().issuer(), Some("https://id.example/"));
        let error = verifier(None, rules()).unwrap_err().to_string();
        assert!(error.starts_with("TOKEN_ISSUER is set"), "{error}");
        for wrong in ["", "a*b", "u/{sub}*"] {
            let rules = Rules {
                topics_default: Some(wrong.into()),
                ..Rules::default()
            };
            let error = read(rules).unwrap_err().to_string();
            assert!(error.starts_with("TOKEN_TOPICS_DEFAULT is "), "{error}");
        }
        let rules = Rules {
            topics_claim: Some(" ".into()),
            ..Rules::default()
        };
        let error = read(rules).unwrap_err().to_string();
        assert!(error.starts_with("TOKEN_TOPICS_CLAIM is empty"), "{error}");
    }

    /// Tokens that libraries of others signed, and forged ones; see `vectors/libraries` of
    /// `signal-access`.
    #[test]
    fn rs256_and_es256_are_verified_in_rust() {
        let file = include_str!("../../signal-access/vectors/libraries.json");
        let file: serde_json::Value = serde_json::from_str(file).unwrap();
        let keys = serde_json::json!({ "keys": file["keys"] }).to_string();
        let verifier = verifier(Some(keys.as_str().into()), Rules::default());
        let verifier = verifier.unwrap().unwrap();
        assert_eq!(verifier.key_count(), 4);
        let now = UnixTime::from_secs(1_800_000_000);
        let judge = |row: &serde_json::Value| verifier.verify(row["token"].as_str().unwrap(), now);
        for row in file["signed"].as_array().unwrap() {
            let claims = judge(row).unwrap_or_else(|error| panic!("{}: {error}", row["name"]));
            assert_eq!(claims.subject.as_deref(), row["subject"].as_str());
        }
        for row in file["refused"].as_array().unwrap() {
            let error = judge(row).unwrap_err().name();
            assert_eq!(Some(error), row["error"].as_str(), "{}", row["name"]);
        }
    }

    #[test]
    fn the_places_of_tokens_are_a_text_or_a_list() {
        let read = |variable| read_carriers(variable).map(|carriers| carriers.to_string());
        assert_eq!(read("query".into()), Ok("query".to_owned()));
        let list = Variable::List(vec!["query".to_owned(), "protocol".to_owned()]);
        assert_eq!(read(list), Ok("query,protocol".to_owned()));
        for wrong in ["".into(), "cookie".into(), Variable::Other("null")] {
            let error = read(wrong).unwrap_err().to_string();
            assert!(error.starts_with("TOKEN_IN is "), "{error}");
        }
    }

    #[test]
    fn the_marker_is_found_wherever_it_stands() {
        assert!(offers_marker("signal-token, a.b.c"));
        assert!(offers_marker("chat,signal-token,a.b.c"));
        assert!(!offers_marker("chat, signal-token-2"));
        assert!(!offers_marker(""));
    }
}
