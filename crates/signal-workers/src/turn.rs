//! Credentials for TURN servers.

use std::time::Duration;

use signal_access::{Permit, TurnServers, TurnUrlsError, UnixTime};
use worker::{Env, Headers, Request, Response, ResponseBuilder, Result};

use crate::clock;
use crate::settings::SettingsError;
use crate::variable::{self, Variable};

/// The variable with the addresses of TURN servers.
const URLS: &str = "TURN_URLS";
/// The secret that they share with the relay.
const SECRET: &str = "TURN_SECRET";
/// The variable with the seconds for which credentials are good.
const TTL: &str = "TURN_TTL";
const TTL_DEFAULT: u64 = 24 * 3_600;
const TTL_MAX: u64 = 30 * TTL_DEFAULT;
const WITHOUT: &str = "give out no TURN credentials";

/// The TURN servers that the variables name, if they name some.
pub(crate) async fn servers(env: &Env) -> std::result::Result<Option<TurnServers>, SettingsError> {
    let urls = variable::read(env, URLS).await?;
    let secret = variable::read(env, SECRET).await?;
    let ttl = variable::read(env, TTL).await?;
    read(urls, secret, ttl)
}

fn read(
    urls: Option<Variable>,
    secret: Option<Variable>,
    ttl: Option<Variable>,
) -> std::result::Result<Option<TurnServers>, SettingsError> {
    let (urls, secret) = match (urls, secret) {
        (Some(urls), Some(secret)) => (urls, secret),
        (Some(_), None) => return Err(SettingsError::Missing(URLS, SECRET)),
        (None, Some(_)) => return Err(SettingsError::Missing(SECRET, URLS)),
        (None, None) if ttl.is_some() => return Err(SettingsError::Missing(TTL, URLS)),
        (None, None) => return Ok(None),
    };
    let text = urls.into_list().map_err(|found| guard(URLS, found))?;
    let urls = text
        .parse()
        .map_err(|error: TurnUrlsError| SettingsError::Unreadable {
            variable: URLS.to_owned(),
            value: format!("{text:?}"),
            wanted: format!("addresses of TURN servers; {error}"),
        })?;
    let secret = secret.into_text().map_err(|found| guard(SECRET, found))?;
    let ttl = ttl.map_or(Ok(TTL_DEFAULT), read_ttl)?;
    let servers = TurnServers::new(urls, &secret, Duration::from_secs(ttl))?;
    Ok(Some(servers))
}

fn read_ttl(ttl: Variable) -> std::result::Result<u64, SettingsError> {
    let seconds = match &ttl {
        Variable::Text(text) | Variable::Scalar(text) => text.trim().parse().ok(),
        Variable::List(_) | Variable::Object(_) | Variable::Other(_) => None,
    };
    let seconds = seconds.filter(|seconds| (60..=TTL_MAX).contains(seconds));
    seconds.ok_or_else(|| SettingsError::Unreadable {
        variable: TTL.to_owned(),
        value: ttl.show(),
        wanted: format!("a number of seconds from 60 to {TTL_MAX}"),
    })
}

fn guard(variable: &'static str, found: &'static str) -> SettingsError {
    SettingsError::Guard {
        variable,
        found,
        wanted: "a text",
        without: WITHOUT,
    }
}

/// The answer to a client that may come in, which the page that asks may read.
pub(crate) fn answer(
    request: &Request,
    servers: &TurnServers,
    permit: &Permit,
) -> Result<Response> {
    // Time is counted from 1970 here.
    let now = UnixTime::from_millis(clock::now().as_millis());
    let expires = permit.grant.expires();
    let until = expires.map(|end| UnixTime::from_millis(end.as_millis()));
    let subject = permit.subject.as_ref().map(|subject| &**subject.name());
    let credentials = servers.credentials(now, until, subject);
    let headers = Headers::new();
    headers.set("content-type", "application/json")?;
    headers.set("cache-control", "no-store")?;
    headers.set("vary", "Origin")?;
    if let Some(origin) = request.headers().get("origin")? {
        headers.set("access-control-allow-origin", &origin)?;
    }
    let response = ResponseBuilder::new().with_headers(headers);
    Ok(response.fixed(credentials.to_json().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "0123456789abcdef0123456789abcdef";

    fn told(urls: Option<&str>, secret: Option<&str>, ttl: Option<&str>) -> String {
        let [urls, secret, ttl] = [urls, secret, ttl].map(|value| value.map(Variable::from));
        match read(urls, secret, ttl) {
            Ok(servers) => servers.map_or_else(|| "none".to_owned(), |one| one.to_string()),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn there_are_servers_if_their_addresses_and_secret_are_there() {
        assert_eq!(told(None, None, None), "none");
        assert_eq!(told(Some("turn:a"), Some(GOOD), None), "turn:a for 86400 s");
        assert_eq!(
            told(Some("turn:a,stun:b"), Some(GOOD), Some("60")),
            "turn:a,stun:b for 60 s"
        );
        let list = Variable::List(vec!["turn:a".to_owned(), "turns:b".to_owned()]);
        let servers = read(Some(list), Some(GOOD.into()), None).unwrap().unwrap();
        assert_eq!(servers.urls().iter().count(), 2);
    }

    #[test]
    fn what_is_there_and_cannot_be_used_is_named_and_no_secret_is_shown() {
        for (urls, secret, ttl, said) in [
            (
                Some("turn:a"),
                None,
                None,
                "TURN_URLS is set, but TURN_SECRET is not",
            ),
            (
                None,
                Some(GOOD),
                None,
                "TURN_SECRET is set, but TURN_URLS is not",
            ),
            (
                None,
                None,
                Some("60"),
                "TURN_TTL is set, but TURN_URLS is not",
            ),
            (
                Some("a"),
                Some(GOOD),
                None,
                "TURN_URLS is \"a\", but must be",
            ),
            (Some(""), Some(GOOD), None, "TURN_URLS is \"\", but must be"),
            (
                Some("turn:a"),
                Some("north"),
                None,
                "TURN_SECRET cannot be used",
            ),
            (Some("turn:a"), Some(""), None, "TURN_SECRET cannot be used"),
            (Some("turn:a"), Some(GOOD), Some("59"), "TURN_TTL is \"59\""),
            (Some("turn:a"), Some(GOOD), Some("1h"), "TURN_TTL is \"1h\""),
        ] {
            let told = told(urls, secret, ttl);
            assert!(told.starts_with(said), "{told}");
            assert!(!told.contains(GOOD) && !told.contains("north"), "{told}");
        }
        let null = || Some(Variable::Other("null"));
        let error = read(null(), Some(GOOD.into()), None).unwrap_err();
        assert!(error.to_string().starts_with("TURN_URLS is null"));
        let error = read(Some("turn:a".into()), null(), None).unwrap_err();
        assert!(error.to_string().starts_with("TURN_SECRET is null"));
    }
}
