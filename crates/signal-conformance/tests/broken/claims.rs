//! What the relay reads in a token.

use std::collections::BTreeMap;

use signal_conformance::Grant;

use crate::door::AUDIENCE;
use crate::fault::{Fault, Faults};
use crate::message::{Members, text};

/// The claims of a token, and how they are misread.
pub(crate) struct Claims<'a>(pub(crate) &'a Members, pub(crate) Faults);

const KNOWN: [&str; 9] = [
    "sub",
    "exp",
    "nbf",
    "aud",
    "topics",
    "subscribe",
    "publish",
    "peers_max",
    "clients_max",
];

impl Claims<'_> {
    /// The rights they give at this time, in milliseconds since 1970.
    pub(crate) fn grant(&self, now: u64) -> Option<Grant> {
        let ends = self.end(now)?;
        if !self.has_begun(now)? || !self.is_for_us()? || !self.is_known() {
            return None;
        }
        let both = self.topics("topics")?;
        let mut rights = [self.topics("subscribe")?, self.topics("publish")?];
        if self.1.has(Fault::RightsOfTokenIgnored) {
            rights = Default::default();
        }
        let [mut subscribe, mut publish] = rights;
        subscribe.extend(both.clone());
        if !self.1.has(Fault::TopicsGiveOneRight) {
            publish.extend(both);
        }
        if subscribe.is_empty() && publish.is_empty() && self.1.has(Fault::NoTopicsAreAll) {
            subscribe.push("*".to_owned());
        }
        Some(Grant {
            subscribe,
            publish,
            expires_in_ms: ends,
            clients_max: self.clients_max()?,
        })
    }

    /// Whose connections are counted, and how many there may be; none at all if that makes no
    /// sense.
    pub(crate) fn subject(&self) -> Option<Option<(String, usize)>> {
        if self.1.has(Fault::SubjectUnread) {
            return Some(None);
        }
        let name = match self.value("sub") {
            Some(raw) => Some(serde_json::from_str::<String>(raw).ok()?),
            None => None,
        };
        if name.as_deref() == Some("") {
            return None;
        }
        let Some(raw) = self.value("peers_max") else {
            let uncapped = name.map(|name| (name, usize::MAX));
            return Some(uncapped.filter(|_| !self.1.has(Fault::UncappedUncounted)));
        };
        let max = raw.parse().ok().filter(|max| *max > 0)?;
        Some(Some((name?, max)))
    }

    fn value(&self, name: &str) -> Option<&str> {
        self.0.value(name, self.1)
    }

    /// How long it is valid; none at all if it is not.
    fn end(&self, now: u64) -> Option<Option<u64>> {
        let Some(end) = self.value("exp").and_then(|raw| raw.parse::<u64>().ok()) else {
            return self.1.has(Fault::TokenWithoutExpiryTaken).then_some(None);
        };
        let left = (end * 1_000).checked_sub(now).filter(|left| *left > 0);
        match left {
            Some(_) if self.1.has(Fault::TokenExpiryForgotten) => Some(None),
            Some(left) => Some(Some(left)),
            None => self.1.has(Fault::TokenExpiryIgnored).then_some(None),
        }
    }

    fn has_begun(&self, now: u64) -> Option<bool> {
        let Some(start) = self.value("nbf") else {
            return Some(true);
        };
        if self.1.has(Fault::TokenStartIgnored) {
            return Some(true);
        }
        let start = start.parse::<u64>().ok()?;
        Some(start * 1_000 <= now && !self.1.has(Fault::TokenStartRefused))
    }

    fn is_for_us(&self) -> Option<bool> {
        let ours = |named: &String| {
            *named == AUDIENCE || self.1.has(Fault::AudienceContained) && named.contains(AUDIENCE)
        };
        if self.1.has(Fault::AudienceIgnored) {
            return Some(true);
        }
        let Some(raw) = self.value("aud") else {
            return Some(self.1.has(Fault::AudienceOptional));
        };
        if let Ok(one) = serde_json::from_str::<String>(raw) {
            return Some(ours(&one));
        }
        let several: Vec<String> = serde_json::from_str(raw).ok()?;
        Some(several.iter().any(ours) && !self.1.has(Fault::AudiencesRefused))
    }

    fn is_known(&self) -> bool {
        let is_known = |written: &str| KNOWN.contains(&written.trim_matches('"'));
        !self.1.has(Fault::UnknownClaimsRefused)
            || self.0.0.iter().all(|(written, _)| is_known(written))
    }

    /// The topics of a claim; none if it makes no sense.
    fn topics(&self, name: &str) -> Option<Vec<String>> {
        let Some(raw) = self.value(name) else {
            return Some(Vec::new());
        };
        if self.1.has(Fault::TopicsOfStringTaken) && raw.starts_with('"') {
            return Some(vec![serde_json::from_str(raw).ok()?]);
        }
        if self.1.has(Fault::EscapesInTokenNotDecoded) {
            let list = raw.trim_matches(['[', ']']);
            return Some(
                list.split(',')
                    .map(|topic| topic.trim_matches('"').to_owned())
                    .collect(),
            );
        }
        let topics: Vec<String> = serde_json::from_str(raw).ok()?;
        let are_patterns = topics.iter().all(|topic| is_pattern(topic));
        are_patterns.then_some(topics)
    }

    /// How many clients topics may have; none if it makes no sense.
    fn clients_max(&self) -> Option<BTreeMap<String, u32>> {
        let Some(raw) = self.value("clients_max") else {
            return Some(BTreeMap::new());
        };
        let is_object = raw.starts_with('{');
        let read = if is_object {
            self.sizes(raw)
        } else {
            self.size(raw)
                .map(|max| BTreeMap::from([("*".to_owned(), max)]))
        };
        let is_unread = self.1.has(match is_object {
            true => Fault::ClientsMaxObjectUnread,
            false => Fault::ClientsMaxNumberUnread,
        });
        let is_none = raw == "0" && self.1.has(Fault::ClientsMaxZeroIsNone);
        let is_ignored = read.is_none() && self.1.has(Fault::OddClientsMaxIgnored);
        if is_unread && read.is_some() || is_none || is_ignored {
            return Some(BTreeMap::new());
        }
        read
    }

    fn size(&self, raw: &str) -> Option<u32> {
        let mut raw = raw;
        if self.1.has(Fault::ClientsMaxTextTaken) {
            raw = raw.trim_matches('"');
        }
        if self.1.has(Fault::ClientsMaxFractionCut) {
            raw = raw.split('.').next()?;
        }
        raw.parse().ok().filter(|max| *max > 0)
    }

    fn sizes(&self, raw: &str) -> Option<BTreeMap<String, u32>> {
        let Members(members) = serde_json::from_str(raw).ok()?;
        let mut sizes = BTreeMap::new();
        for (written, value) in &members {
            let pattern = match self.1.has(Fault::ClientsMaxNotDecoded) {
                true => written.trim_matches('"').to_owned(),
                false => text(written)?,
            };
            let is_odd = !is_pattern(&pattern) && !self.1.has(Fault::ClientsMaxOfAnyNameTaken);
            let is_new = sizes.insert(pattern, self.size(value)?).is_none();
            if is_odd || !is_new && !self.1.has(Fault::RepeatedClientsMaxTaken) {
                return None;
            }
        }
        let is_something = !sizes.is_empty() || self.1.has(Fault::ClientsMaxOfNothingTaken);
        is_something.then_some(sizes)
    }
}

fn is_pattern(topic: &str) -> bool {
    let start = topic.strip_suffix('*').unwrap_or(topic);
    !topic.is_empty() && !start.contains('*')
}
