//! What the variables about tokens say.

use signal_access::{
    Carriers, DefaultTopics, DefaultTopicsError, JwksUrl, TokenVerifier, trim_unseen,
};
use worker::Env;

use crate::public_keys::RustKeys;
use crate::settings::SettingsError;
use crate::variable::{self, Variable};

/// The secret with the keys: a JWK, or a JWK Set.
pub(super) const KEYS: &str = "TOKEN_KEYS";
/// The variable with the address at which the issuer publishes its keys, in their place.
pub(super) const JWKS_URL: &str = "TOKEN_JWKS_URL";
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

/// What tokens must say, as the variables have it.
#[derive(Debug, Default)]
pub(super) struct Rules {
    audience: Option<Variable>,
    issuer: Option<Variable>,
    topics_claim: Option<Variable>,
    topics_default: Option<Variable>,
    places: Option<Variable>,
}

impl Rules {
    pub(super) async fn read(env: &Env) -> Result<Self, SettingsError> {
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

    pub(super) fn apply(self, mut verifier: TokenVerifier) -> Result<TokenVerifier, SettingsError> {
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

pub(super) fn verifier(
    keys: Option<Variable>,
    rules: Rules,
) -> Result<Option<TokenVerifier>, SettingsError> {
    let Some(keys) = keys else {
        return match rules.first() {
            Some(rule) => Err(SettingsError::WithoutKeys(rule)),
            None => Ok(None),
        };
    };
    let verifier = TokenVerifier::with_public_keys(&read_keys(keys)?, &RustKeys)?;
    rules.apply(verifier).map(Some)
}

/// The address of keys, which is not shown: there may be a key to somebody's API in its query.
pub(super) fn read_url(url: Variable) -> Result<JwksUrl, SettingsError> {
    let url = filled(url).map_err(|found| SettingsError::Guard {
        variable: JWKS_URL,
        found,
        wanted: "the address at which the issuer of tokens publishes its keys",
        without: "ask no one for a token",
    })?;
    Ok(url.parse()?)
}

/// The keys as text, which they are as a secret, or as JSON, which they may be as a variable.
fn read_keys(keys: Variable) -> Result<String, SettingsError> {
    let text = match keys {
        Variable::Object(json) => Ok(json),
        Variable::Text(_) | Variable::Scalar(_) | Variable::List(_) | Variable::Other(_) => {
            keys.into_text()
        }
    };
    text.map_err(|found| SettingsError::Guard {
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
    filled(name).map_err(|found| SettingsError::Guard {
        variable,
        found,
        wanted: "a name",
        without,
    })
}

/// A text that is not empty, or what it is instead.
fn filled(variable: Variable) -> Result<String, &'static str> {
    match trim_unseen(&variable.into_text()?) {
        "" => Err("empty"),
        text => Ok(text.to_owned()),
    }
}

fn read_topics(topics: Variable) -> Result<DefaultTopics, SettingsError> {
    // What is not a list cannot be read as one.
    let text = topics.into_list().unwrap_or_default();
    text.parse()
        .map_err(|error: DefaultTopicsError| SettingsError::Unreadable {
            variable: TOPICS_DEFAULT.to_owned(),
            value: format!("{text:?}"),
            wanted: format!("none, or topics with commas between them; {error}"),
        })
}

fn read_carriers(places: Variable) -> Result<Carriers, SettingsError> {
    let text = places.into_list().unwrap_or_default();
    text.parse().map_err(|_| SettingsError::Unreadable {
        variable: IN.to_owned(),
        value: format!("{text:?}"),
        wanted: "any, or query, header and protocol with commas between them".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use signal_access::UnixTime;

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
        for empty in ["", " ", "\u{200b}", " \u{feff}"] {
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
        let file = include_str!("../../../signal-access/vectors/libraries.json");
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
}
