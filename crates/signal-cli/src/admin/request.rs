//! What a request to the admin API asks for.

use http::request::Parts;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use signal_access::percent_decode;

use crate::admin::requests::Kind;

/// The most topics of one answer; as many as 50 screens.
const LIST_MAX: usize = 1_000;
const LIST_DEFAULT: usize = 100;

/// What is to be done.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Action {
    List {
        prefix: String,
        after: Option<String>,
        limit: usize,
    },
    Show(String),
    Publish(String),
    CloseTopic(String),
    CloseSubject(String),
}

/// Why it is not done.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Problem {
    pub(super) status: StatusCode,
    pub(super) sentence: String,
    /// The methods that there are, for 405.
    pub(super) allow: Option<&'static str>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, sentence: impl Into<String>) -> Self {
        Self {
            status,
            sentence: sentence.into(),
            allow: None,
        }
    }

    fn mistake(sentence: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, sentence)
    }

    pub(super) fn kind(&self) -> Kind {
        match self.status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Kind::Denied,
            _ => Kind::Mistaken,
        }
    }

    pub(super) fn body(&self) -> Value {
        json!({ "error": self.sentence })
    }
}

impl Action {
    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::List { .. } => Kind::List,
            Self::Show(_) => Kind::Show,
            Self::Publish(_) => Kind::Publish,
            Self::CloseTopic(_) => Kind::CloseTopic,
            Self::CloseSubject(_) => Kind::CloseSubject,
        }
    }

    pub(super) fn read(request: &Parts) -> Result<Self, Problem> {
        let (path, query) = (request.uri.path(), request.uri.query());
        let name_of = |kind: &str| path.strip_prefix(kind).map(|name| decode_name(name, query));
        let method = &request.method;
        if path == "/api/topics" {
            return match method {
                &Method::GET | &Method::HEAD => read_list(query.unwrap_or_default()),
                _ => Err(not_allowed("GET, HEAD")),
            };
        }
        if let Some(topic) = name_of("/api/topics/") {
            return match method {
                &Method::GET | &Method::HEAD => topic.map(Self::Show),
                &Method::POST => topic.map(Self::Publish),
                &Method::DELETE => topic.map(Self::CloseTopic),
                _ => Err(not_allowed("GET, HEAD, POST, DELETE")),
            };
        }
        if let Some(subject) = name_of("/api/subjects/") {
            return match method {
                &Method::DELETE => subject.map(Self::CloseSubject),
                _ => Err(not_allowed("DELETE")),
            };
        }
        Err(Problem::new(
            StatusCode::NOT_FOUND,
            "there is /api/topics, /api/topics/TOPIC and /api/subjects/SUBJECT",
        ))
    }
}

/// The name that is the rest of a path. With a slash or without, `a%2Fb` and `a/b` are one name.
fn decode_name(name: &str, query: Option<&str>) -> Result<String, Problem> {
    if query.is_some() {
        // Rather than act on another name than the one that was meant.
        return Err(Problem::mistake(
            "nothing may follow the name; a question mark in it is written %3F",
        ));
    }
    if name.is_empty() {
        return Err(Problem::mistake(
            "the name is missing at the end of the path",
        ));
    }
    decode(name)
}

fn read_list(query: &str) -> Result<Action, Problem> {
    let (mut prefix, mut after, mut limit) = (None, None, None);
    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        // As forms encode a space.
        let value = decode(&value.replace('+', " "))?;
        let place = match name {
            "prefix" => &mut prefix,
            "after" => &mut after,
            "limit" => &mut limit,
            _ => {
                return Err(Problem::mistake(
                    "the parameters are prefix, after and limit",
                ));
            }
        };
        if place.replace(value).is_some() {
            return Err(Problem::mistake(format!("{name} is there twice")));
        }
    }
    let limit = limit.map_or(Some(LIST_DEFAULT), |limit| limit.parse().ok());
    let limit = limit.filter(|limit| (1..=LIST_MAX).contains(limit));
    let limit =
        limit.ok_or_else(|| Problem::mistake(format!("limit is a number from 1 to {LIST_MAX}")))?;
    Ok(Action::List {
        prefix: prefix.unwrap_or_default(),
        after,
        limit,
    })
}

fn decode(text: &str) -> Result<String, Problem> {
    let decoded = percent_decode(text).ok_or_else(|| {
        Problem::mistake("a name is percent-encoded UTF-8; a percent sign in it is written %25")
    })?;
    Ok(decoded.into_owned())
}

fn not_allowed(allow: &'static str) -> Problem {
    Problem {
        allow: Some(allow),
        ..Problem::new(
            StatusCode::METHOD_NOT_ALLOWED,
            format!("the methods here are {allow}"),
        )
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn read(method: &str, target: &str) -> Result<Action, u16> {
        let request = Request::builder().method(method).uri(target).body(());
        let (parts, ()) = request.expect("a request").into_parts();
        Action::read(&parts).map_err(|problem| problem.status.as_u16())
    }

    fn list(prefix: &str, after: Option<&str>, limit: usize) -> Result<Action, u16> {
        Ok(Action::List {
            prefix: prefix.to_owned(),
            after: after.map(str::to_owned),
            limit,
        })
    }

    #[test]
    fn each_method_of_a_path_is_an_action() {
        let topic = || "a/b ü?".to_owned();
        let path = "/api/topics/a%2Fb%20%c3%bc%3F";
        assert_eq!(read("GET", path), Ok(Action::Show(topic())));
        assert_eq!(read("HEAD", path), Ok(Action::Show(topic())));
        assert_eq!(read("POST", path), Ok(Action::Publish(topic())));
        assert_eq!(read("DELETE", path), Ok(Action::CloseTopic(topic())));
        let subject = Action::CloseSubject("ann".to_owned());
        assert_eq!(read("DELETE", "/api/subjects/ann"), Ok(subject));
        for (method, path) in [
            ("PUT", path),
            ("OPTIONS", path),
            ("GET", "/api/subjects/ann"),
            ("DELETE", "/api/topics"),
            ("POST", "/api/topics"),
        ] {
            assert_eq!(read(method, path), Err(405), "{method} {path}");
        }
        for path in [
            "/api",
            "/api/",
            "/api/topicsx",
            "/api/subjects",
            "/api/Topics/a",
        ] {
            assert_eq!(read("GET", path), Err(404), "{path}");
        }
    }

    #[test]
    fn a_name_that_may_not_be_what_was_meant_is_a_mistake() {
        for name in ["", "100%", "%zz", "%ff", "%ed%a0%80", "what?", "what?x=1"] {
            assert_eq!(
                read("DELETE", &format!("/api/topics/{name}")),
                Err(400),
                "{name}"
            );
        }
        for name in ["a/b", "a+b", "..", "%00", "%2e%2e", "/", "topics/x"] {
            let decoded = name.replace("%00", "\0").replace("%2e", ".");
            let action = Ok(Action::CloseTopic(decoded));
            assert_eq!(
                read("DELETE", &format!("/api/topics/{name}")),
                action,
                "{name}"
            );
        }
    }

    #[test]
    fn a_list_has_a_beginning_and_an_end() {
        assert_eq!(read("GET", "/api/topics"), list("", None, 100));
        assert_eq!(read("GET", "/api/topics?"), list("", None, 100));
        let all = "/api/topics?prefix=a%26b+c&limit=1000&after=%2B";
        assert_eq!(read("GET", all), list("a&b c", Some("+"), 1_000));
        assert_eq!(read("GET", "/api/topics?after="), list("", Some(""), 100));
        for query in [
            "limit=0",
            "limit=1001",
            "limit=-1",
            "limit=",
            "limit=1e2",
            "limit=99999999999999999999999",
            "limit=1&limit=2",
            "prefx=a",
            "prefix=%",
        ] {
            assert_eq!(
                read("GET", &format!("/api/topics?{query}")),
                Err(400),
                "{query}"
            );
        }
    }
}
