//! What an authorizer answers, as the JSON of a grant or of a refusal.

use alloc::borrow::Cow;
use alloc::borrow::ToOwned as _;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use serde_json::{Map, Value};
use signal_access::{
    ClaimError, Denied, PATTERNS_MAX, Permit, Refusal, SUBJECT_BYTES_MAX, Subject, TokenError,
    UnixTime, read_clients_max, read_topics,
};
use signal_core::{Grant, Instant, TopicSet};

/// What may stand in a grant. The names are those of claims, so whoever knows tokens knows them.
const GRANT: [&str; 8] = [
    "topics",
    "subscribe",
    "publish",
    "sub",
    "peers_max",
    "clients_max",
    "exp",
    "protocol",
];
/// What may stand in a refusal.
const REFUSAL: [&str; 4] = ["status", "body", "retry_after", "challenge"];

/// The longest text of a refusal, in bytes.
const BODY_BYTES_MAX: usize = 4_096;
/// The longest wait that is asked of a client.
const RETRY_SECONDS_MAX: f64 = 86_400.0;

/// Reads an answer. What cannot be read lets nobody in, and the text says why, for the log.
pub(crate) fn read(
    json: &str,
    unix_now: UnixTime,
    now: Instant,
) -> Result<Result<Permit, Refusal>, String> {
    let answer: Value = serde_json::from_str(json).map_err(|_| "it is not JSON".to_owned())?;
    let Value::Object(answer) = answer else {
        return Err("it is neither a grant nor a refusal, which are objects".to_owned());
    };
    if answer.contains_key("status") {
        only(&answer, &REFUSAL)?;
        return refusal(&answer).map(Err);
    }
    only(&answer, &GRANT)?;
    permit(&answer, unix_now, now)
}

fn permit(
    answer: &Map<String, Value>,
    unix_now: UnixTime,
    now: Instant,
) -> Result<Result<Permit, Refusal>, String> {
    let topics = |name| {
        answer
            .get(name)
            .map(|value| topics(name, value))
            .transpose()
    };
    let (both, subscribe, publish) = (topics("topics")?, topics("subscribe")?, topics("publish")?);
    let (subscribe, publish) = match (both, subscribe, publish) {
        (Some(both), None, None) => (both.clone(), both),
        (Some(_), ..) => {
            return Err("it has \"topics\" and \"subscribe\" or \"publish\"".to_owned());
        }
        (None, None, None) => {
            return Err("it opens no topics; write topics: ['*'] for all".to_owned());
        }
        (None, subscribe, publish) => {
            let none = TopicSet::none;
            (subscribe.unwrap_or_else(none), publish.unwrap_or_else(none))
        }
    };
    let mut grant = Grant::new(subscribe, publish);
    if let Some(numbers) = answer.get("clients_max") {
        for (topics, max) in read_clients_max(numbers).map_err(clients_max)? {
            grant = grant.clients_max(topics, max);
        }
    }
    if let Some(end) = answer.get("exp") {
        let end = number("exp", end)?;
        // A time in milliseconds is taken for one in seconds that is too far away.
        if end > 253_402_300_799.0 {
            return Err("its \"exp\" is not a time in seconds since 1970".to_owned());
        }
        let end = UnixTime::from_millis((end * 1_000.0) as u64);
        if end <= unix_now {
            return Ok(Err(Refusal::from(Denied::Token(TokenError::Expired))));
        }
        grant = grant.expires_at(now.saturating_add(end.saturating_since(unix_now)));
    }
    let mut permit = Permit::from(grant);
    if let Some(subject) = subject(answer)? {
        permit = permit.subject(subject);
    }
    if let Some(protocol) = answer.get("protocol") {
        permit = permit.protocol(text("protocol", protocol)?.to_owned());
    }
    Ok(Ok(permit))
}

fn subject(answer: &Map<String, Value>) -> Result<Option<Subject>, String> {
    let peers_max = answer.get("peers_max");
    let Some(name) = answer.get("sub") else {
        return match peers_max {
            Some(_) => Err("it has \"peers_max\" without \"sub\"".to_owned()),
            None => Ok(None),
        };
    };
    let name = text("sub", name)?;
    if name.is_empty() || name.len() > SUBJECT_BYTES_MAX {
        return Err("its \"sub\" is not a text of 1 to 256 bytes".to_owned());
    }
    let Some(peers_max) = peers_max else {
        return Ok(Some(Subject::uncapped(name)));
    };
    let peers_max = peers_max
        .as_u64()
        .and_then(|number| u32::try_from(number).ok());
    match peers_max {
        Some(0) | None => Err("its \"peers_max\" is not a number from 1 on".to_owned()),
        Some(peers_max) => Ok(Some(Subject::new(name, peers_max))),
    }
}

fn refusal(answer: &Map<String, Value>) -> Result<Refusal, String> {
    let status = answer.get("status").and_then(Value::as_u64);
    let status = status.and_then(|status| u16::try_from(status).ok());
    let status = status
        .filter(|status| (400..600).contains(status))
        .ok_or("its \"status\" is not one from 400 to 599")?;
    let body = match answer.get("body") {
        None => Cow::Borrowed("you may not connect to this relay"),
        Some(body) => Cow::Owned(text("body", body)?.to_owned()),
    };
    if body.len() > BODY_BYTES_MAX {
        return Err("its \"body\" is longer than 4096 bytes".to_owned());
    }
    let mut refusal = Refusal::new(status, body);
    if let Some(wait) = answer.get("retry_after") {
        let seconds = number("retry_after", wait)?;
        if seconds > RETRY_SECONDS_MAX {
            return Err("its \"retry_after\" is longer than a day".to_owned());
        }
        refusal = refusal.retry_after(Duration::from_millis((seconds * 1_000.0) as u64));
    }
    if let Some(challenge) = answer.get("challenge") {
        refusal = refusal.challenge(text("challenge", challenge)?.to_owned());
    }
    Ok(refusal)
}

/// Refuses a name that does not exist: it may be a slip in what keeps somebody out.
fn only(answer: &Map<String, Value>, names: &[&str]) -> Result<(), String> {
    match answer.keys().find(|name| !names.contains(&name.as_str())) {
        Some(name) => Err(format!("there is no {name:?}; write {}", names.join(", "))),
        None => Ok(()),
    }
}

fn topics(name: &str, value: &Value) -> Result<TopicSet, String> {
    let wrong = || format!("its {name:?} is not a list of topics");
    let patterns = value.as_array().ok_or_else(wrong)?;
    let patterns: Option<Vec<&str>> = patterns.iter().map(Value::as_str).collect();
    let patterns = patterns.ok_or_else(wrong)?;
    if patterns.len() > PATTERNS_MAX {
        return Err(format!("its {name:?} has more than {PATTERNS_MAX} topics"));
    }
    read_topics(patterns).map_err(|error| format!("its {name:?}: {error}"))
}

fn clients_max(error: ClaimError) -> String {
    if error == ClaimError::ClientsMax {
        return "its \"clients_max\" is neither a number from 1 on nor an object with one for each topic"
            .to_owned();
    }
    format!("its \"clients_max\": {error}")
}

fn text<'v>(name: &str, value: &'v Value) -> Result<&'v str, String> {
    value
        .as_str()
        .ok_or_else(|| format!("its {name:?} is not a text"))
}

fn number(name: &str, value: &Value) -> Result<f64, String> {
    let number = value.as_f64().filter(|number| *number >= 0.0);
    number.ok_or_else(|| format!("its {name:?} is not a number of seconds"))
}
