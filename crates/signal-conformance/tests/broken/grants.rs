//! Whether a grant allows what is asked, and what a relay may get wrong about it.

use signal_conformance::Grant;

use crate::fault::{Fault, Faults};
use crate::message::{Members, text};

/// One of the two rights of a grant.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) enum Right {
    Subscribe,
    Publish,
}

impl Right {
    fn of(self, grant: &Grant, faults: Faults) -> Vec<String> {
        let (subscribe, publish) = (&grant.subscribe, &grant.publish);
        match self {
            _ if faults.has(Fault::GrantRightsMixed) => [&subscribe[..], publish].concat(),
            Self::Publish if !faults.has(Fault::PublishJudgedBySubscribeRight) => publish.clone(),
            Self::Subscribe | Self::Publish => subscribe.clone(),
        }
    }
}

/// Whether a peer may publish to the topic of this message.
pub(crate) fn may_publish(
    grant: Option<&Grant>,
    topic: &str,
    members: &Members,
    faults: Faults,
) -> bool {
    let Some(grant) = grant else { return true };
    if faults.has(Fault::GrantOfPublishIgnored) {
        return true;
    }
    let first = members.first("topic").and_then(text);
    let list = members.first("topics").and_then(strings);
    let judged = match (first, list) {
        (Some(first), _) if faults.has(Fault::FirstTopicJudged) => first,
        (_, Some(list)) if faults.has(Fault::TopicsJudgedForTopic) => list.concat(),
        (_, _) => topic.to_owned(),
    };
    covers(&Right::Publish.of(grant, faults), &judged, faults)
}

/// The topics of a subscribe that a peer may subscribe to.
pub(crate) fn may_subscribe(
    grant: Option<&Grant>,
    topic: &str,
    members: &Members,
    faults: Faults,
) -> bool {
    let Some(grant) = grant else { return true };
    let alone = members.first("topics").is_none();
    if faults.has(Fault::GrantOfSubscribeIgnored) || alone && faults.has(Fault::TopicAloneNotJudged)
    {
        return true;
    }
    let patterns = Right::Subscribe.of(grant, faults);
    let any_of = |list: Option<&str>| {
        let list = list.and_then(strings).unwrap_or_default();
        list.iter().any(|topic| covers(&patterns, topic, faults))
    };
    if faults.has(Fault::FirstTopicsJudged) {
        return any_of(members.first("topics"));
    }
    if faults.has(Fault::GrantOfOneOpensAll) {
        return any_of(members.value("topics", faults));
    }
    covers(&patterns, topic, faults)
}

fn strings(raw: &str) -> Option<Vec<String>> {
    serde_json::from_str(raw).ok()
}

pub(crate) fn covers(patterns: &[String], topic: &str, faults: Faults) -> bool {
    let special = ["__proto__", "constructor", "toString"].contains(&topic);
    if special && faults.has(Fault::GrantCoversProto)
        || topic.ends_with('*') && faults.has(Fault::GrantTakesStars)
    {
        return true;
    }
    if special && faults.has(Fault::GrantNeverCoversProto) {
        return false;
    }
    let topic = &misread(topic, faults);
    patterns
        .iter()
        .any(|pattern| match pattern.strip_suffix('*') {
            Some(start) => begins(topic, start, faults),
            None => is(topic, pattern, faults),
        })
}

/// The topic as a relay may take it by mistake.
fn misread(topic: &str, faults: Faults) -> String {
    if faults.has(Fault::GrantDecodesTwice) {
        return text(&format!("\"{topic}\"")).unwrap_or_else(|| topic.to_owned());
    }
    if faults.has(Fault::GrantIsPath) {
        return topic
            .replace("%2f", "/")
            .replace("//", "/")
            .replace("/./", "/");
    }
    topic.to_owned()
}

fn begins(topic: &str, start: &str, faults: Faults) -> bool {
    if faults.has(Fault::GrantPrefixCaseFolded) {
        return topic.to_lowercase().starts_with(&start.to_lowercase());
    }
    if faults.has(Fault::GrantPrefixNormalised) {
        return topic.replace('é', "e\u{301}").starts_with(start);
    }
    topic.starts_with(start)
        || faults.has(Fault::GrantMatchesShorterTopics) && start.starts_with(topic)
}

fn is(topic: &str, name: &str, faults: Faults) -> bool {
    if faults.has(Fault::GrantIsPrefix) {
        return topic.starts_with(name);
    }
    if faults.has(Fault::GrantCaseFolded) {
        return topic.eq_ignore_ascii_case(name);
    }
    if faults.has(Fault::GrantTrimmed) {
        return topic.trim() == name;
    }
    if faults.has(Fault::GrantUnicodeNormalised) {
        return topic.replace("e\u{301}", "é") == name;
    }
    topic == name
}
