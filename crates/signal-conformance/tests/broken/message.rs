//! The relay's reading and writing of messages.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::fault::{Fault, Faults};

/// A message's members as they were written: (decoded name, name as written, value as written).
pub(crate) struct Members(pub(crate) Vec<(String, String)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Members;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some((name, value)) = map.next_entry::<Box<RawValue>, Box<RawValue>>()? {
                    // Checks the name's escapes as well.
                    serde_json::from_str::<serde::de::IgnoredAny>(name.get())
                        .map_err(A::Error::custom)?;
                    members.push((name.get().to_owned(), value.get().to_owned()));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Read)
    }
}

impl Members {
    /// The value that counts for a name.
    pub(crate) fn value(&self, name: &str, faults: Faults) -> Option<&str> {
        let mut of_name = self
            .0
            .iter()
            .filter(|(written, _)| is(written, name, faults));
        let member = if faults.has(Fault::FirstDuplicateCounts) {
            of_name.next()
        } else {
            of_name.next_back()
        };
        member.map(|(_, value)| value.as_str())
    }

    /// The first value for a name, which counts for nothing.
    pub(crate) fn first(&self, name: &str) -> Option<&str> {
        let mut of_name = self
            .0
            .iter()
            .filter(|(written, _)| is(written, name, Faults::default()));
        of_name.next().map(|(_, value)| value.as_str())
    }

    /// The message as it is sent on.
    pub(crate) fn relay(&self, clients: usize, faults: Faults) -> String {
        let mut out = Vec::new();
        let mut has_clients = false;
        let last = |name: &str| {
            self.0
                .iter()
                .rposition(|(written, _)| is(written, name, faults))
        };
        let counted = ["type", "topic", "topics"];
        for (index, (written, value)) in self.0.iter().enumerate() {
            let name = counted.iter().find(|name| is(written, name, faults));
            if name.is_some_and(|name| last(name) != Some(index))
                && !faults.has(Fault::DuplicatesRelayed)
            {
                continue;
            }
            let is_clients = is(written, "clients", faults);
            let spoofed = is_clients && faults.has(Fault::ClientsSpoofable)
                || is_clients
                    && written.contains('\\')
                    && faults.has(Fault::EscapedClientsSpoofable);
            has_clients |= spoofed;
            if spoofed {
                out.push(format!("{written}:{value}"));
                continue;
            }
            if is_clients
                || name.is_none()
                    && faults.has(Fault::UnknownMembersDropped)
                    && written != "\"data\""
                || value == "null" && faults.has(Fault::NullMembersDropped)
            {
                continue;
            }
            out.push(format!("{written}:{}", relayed_value(value, faults)));
        }
        if faults.has(Fault::ClientsAsString) {
            out.push(format!("\"clients\":\"{clients}\""));
        } else if !faults.has(Fault::ClientsMissing) && !has_clients {
            out.push(format!("\"clients\":{clients}"));
        }
        format!("{{{}}}", out.join(","))
    }
}

fn relayed_value(value: &str, faults: Faults) -> String {
    if faults.has(Fault::LongStringsCut) && value.starts_with('"') && value.len() > 10_000 {
        return format!("{}\"", &value[..10_000]);
    }
    if faults.has(Fault::StringsMadeAscii) && !value.is_ascii() {
        return value.replace(|one: char| !one.is_ascii(), "?");
    }
    if faults.has(Fault::LoneSurrogatesReplaced) && value.contains("\\ud800") {
        return value.replace("\\ud800", "\\ufffd");
    }
    if faults.has(Fault::NumbersReencoded) {
        return match serde_json::from_str::<serde_json::Value>(value) {
            Ok(value) => value.to_string(),
            Err(_) => "null".to_owned(),
        };
    }
    value.to_owned()
}

fn is(written: &str, name: &str, faults: Faults) -> bool {
    if faults.has(Fault::EscapedNamesNotDecoded) {
        return written.trim_matches('"') == name;
    }
    text(written).is_some_and(|decoded| decoded == name)
}

/// A JSON string's text; none if it is not a string or holds a lone surrogate.
pub(crate) fn text(raw: &str) -> Option<String> {
    serde_json::from_str(raw).ok()
}

/// A topic as the relay compares it.
pub(crate) fn topic(raw: &str, faults: Faults) -> Option<String> {
    if raw.starts_with('"') && faults.has(Fault::EscapedTopicNotDecoded) {
        return Some(raw.trim_matches('"').to_owned());
    }
    if faults.has(Fault::NumberTopicCoerced) && raw.parse::<f64>().is_ok() {
        return Some(raw.to_owned());
    }
    if faults.has(Fault::ArrayTopicCoerced) && raw.starts_with('[') {
        return serde_json::from_str::<Vec<String>>(raw)
            .ok()
            .map(|topics| topics.join(","));
    }
    let mut topic = text(raw)?;
    if faults.has(Fault::TopicTrimmed) {
        topic = topic.trim().to_owned();
    }
    if faults.has(Fault::TopicCaseFolded) {
        topic = topic.to_lowercase();
    }
    if faults.has(Fault::TopicNormalised) {
        topic = topic.replace("e\u{301}", "é");
    }
    Some(topic)
}

/// How deep brackets are nested.
pub(crate) fn depth(text: &str, faults: Faults) -> usize {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0_usize, 0, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string || faults.has(Fault::DepthCountsStrings) => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}
