//! JSON as text: its members and tokens, as they were written.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

/// One member of an object.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    /// The decoded name, or the name as written if it holds a lone surrogate.
    pub(crate) name: String,
    pub(crate) raw_name: String,
    pub(crate) raw: String,
}

/// The members of an object in the order they were written.
pub(crate) struct Members(pub(crate) Vec<Member>);

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
                while let Some((name, raw)) = map.next_entry::<Box<RawValue>, Box<RawValue>>()? {
                    let raw_name = name.get().to_owned();
                    members.push(Member {
                        name: string(&raw_name).unwrap_or_else(|| raw_name.clone()),
                        raw_name,
                        raw: raw.get().to_owned(),
                    });
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Read)
    }
}

/// A JSON string, decoded; none if it is something else or holds a lone surrogate.
pub(crate) fn string(raw: &str) -> Option<String> {
    serde_json::from_str(raw).ok()
}

/// The entries of a list.
pub(crate) fn entries(raw: &str) -> Option<Vec<String>> {
    let entries: Vec<Box<RawValue>> = serde_json::from_str(raw).ok()?;
    Some(entries.iter().map(|entry| entry.get().to_owned()).collect())
}

pub(crate) fn is_json(text: &str) -> bool {
    serde_json::from_str::<&RawValue>(text).is_ok()
}

/// What JavaScript's `String(value)` makes of it.
pub(crate) fn coerced(raw: &str) -> String {
    match serde_json::from_str(raw) {
        Ok(Value::String(text)) => text,
        Ok(Value::Object(_)) => "[object Object]".to_owned(),
        Ok(Value::Array(_)) => {
            let entries = entries(raw).unwrap_or_default();
            let parts: Vec<_> = entries.iter().map(|entry| coerced(entry)).collect();
            parts.join(",")
        }
        _ => raw.trim().to_owned(),
    }
}

/// How deep a text is nested.
pub(crate) fn depth(text: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    for token in tokens(text).iter().filter(|token| !is_text(token)) {
        for byte in token.bytes() {
            match byte {
                b'[' | b'{' => depth += 1,
                b']' | b'}' => depth = depth.saturating_sub(1),
                _ => {}
            }
            deepest = deepest.max(depth);
        }
    }
    deepest
}

/// Strings with their quotes, numbers and literals, and what is between them.
pub(crate) fn tokens(text: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' => string_length(rest),
            _ if is_word(first) => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
            _ => rest.find(|c| c == '"' || is_word(c)).unwrap_or(rest.len()),
        };
        let (token, after) = rest.split_at(length);
        tokens.push(token);
        rest = after;
    }
    tokens
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || "+-.".contains(c)
}

pub(crate) fn is_text(token: &str) -> bool {
    token.starts_with('"')
}

pub(crate) fn is_number(token: &str) -> bool {
    token.starts_with(|c: char| c.is_ascii_digit() || c == '-')
}

fn string_length(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Rewrites the tokens of a kind.
pub(crate) fn map(
    text: &str,
    is_kind: impl Fn(&str) -> bool,
    change: impl Fn(&str) -> String,
) -> String {
    let tokens = tokens(text);
    let changed = tokens.into_iter().map(|token| {
        if is_kind(token) {
            change(token)
        } else {
            token.to_owned()
        }
    });
    changed.collect()
}
