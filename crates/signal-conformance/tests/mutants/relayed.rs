//! What is relayed, and how names of topics are compared.

use crate::list::Mutant::*;
use crate::relay::Relay;
use crate::text::{Member, is_json, is_number, is_text, map, string};

/// How a relay writes JSON. To a client it is all the same.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Style {
    /// As short as can be.
    #[default]
    Short,
    /// With blanks and line breaks, as `json.dumps` in Python and others do.
    Blanks,
    /// The count comes first.
    CountFirst,
    /// With escapes where none are needed.
    Escapes,
}

impl Style {
    /// Writes members, each with its value.
    fn write(self, mut members: Vec<(String, String)>) -> String {
        let (colon, comma) = match self {
            Self::Blanks => (" : ", " ,\r\n\t"),
            Self::Short | Self::CountFirst | Self::Escapes => (":", ","),
        };
        match self {
            Self::CountFirst => members.rotate_right(1),
            Self::Escapes => {
                for (name, value) in &mut members {
                    *name = escaped(name);
                    if ["\"type\"", "\"topic\""]
                        .iter()
                        .any(|own| escaped(own) == *name)
                    {
                        *value = escaped(value);
                    }
                }
            }
            Self::Short | Self::Blanks => {}
        }
        let members = members
            .into_iter()
            .map(|(name, value)| name + colon + &value);
        format!("{{{}}}", members.collect::<Vec<_>>().join(comma))
    }
}

/// A JSON string with its first letter escaped.
fn escaped(raw: &str) -> String {
    match raw.chars().nth(1) {
        Some(first) if first.is_ascii_alphanumeric() => {
            format!("\"\\u{:04x}{}", u32::from(first), &raw[2..])
        }
        _ => raw.to_owned(),
    }
}

impl Relay {
    /// A topic as it is compared.
    pub(crate) fn topic(&self, raw: &str) -> Option<String> {
        if self.is(TopicNotUnescaped) && raw.starts_with('"') {
            return Some(raw.trim_matches('"').to_owned());
        }
        let topic = string(raw)?;
        let each = |change: &dyn Fn(char) -> char| topic.chars().map(change).collect();
        Some(match self.mutant {
            Some(TopicCutAt64) => {
                let cut = topic.char_indices().find(|(at, c)| at + c.len_utf8() > 64);
                topic[..cut.map_or(topic.len(), |(at, _)| at)].to_owned()
            }
            Some(TopicCutAtNul) => topic.split('\0').next().unwrap_or_default().to_owned(),
            Some(TopicPercentDecoded) => percent_decoded(&topic),
            Some(TopicPlusDecoded) => topic.replace('+', " "),
            Some(TopicTrimmed) => topic.trim().to_owned(),
            Some(TopicFolded) => topic.to_ascii_lowercase(),
            Some(TopicFoldedUnicode) => each(&|c| {
                let mut lower = c.to_lowercase();
                lower.next().filter(|_| !c.is_ascii()).unwrap_or(c)
            }),
            Some(TopicComposed) => topic.replace("e\u{301}", "\u{e9}"),
            Some(TopicCompatible) => each(&|c| match u32::from(c) {
                wide @ 0xff01..=0xff5e => char::from_u32(wide - 0xfee0).unwrap_or(c),
                _ => c,
            }),
            Some(TopicPath) => {
                let parts = topic
                    .split('/')
                    .filter(|part| !part.is_empty() && *part != ".");
                parts.collect::<Vec<_>>().join("/")
            }
            Some(TopicLoose) => match topic.parse::<f64>() {
                Ok(number) if topic.starts_with(|c: char| c.is_ascii_digit()) => number.to_string(),
                _ => topic,
            },
            Some(TopicLetterLost) if topic.chars().any(|c| u32::from(c) > 0xffff) => return None,
            _ => topic,
        })
    }

    /// A publish as its receivers get it.
    pub(crate) fn relayed(&self, members: &[Member], clients: usize) -> String {
        const COUNTED: &[&str] = &["type", "topic", "topics", "clients"];
        let mut out = Vec::new();
        for (at, member) in members.iter().enumerate() {
            let name = member.name.as_str();
            let is_last = members.iter().rposition(|other| other.name == member.name) == Some(at);
            if COUNTED.contains(&name) && !is_last {
                continue;
            }
            if name == "clients" {
                if self.is(CountSpoofed) || self.is(CountTwice) {
                    out.push(("\"clients\"".to_owned(), member.raw.clone()));
                }
                continue;
            }
            let is_known = ["type", "topic", "data"].contains(&name);
            let is_dropped = match self.mutant {
                Some(KnownMembersOnly) => !is_known,
                Some(UnderscoresDropped) => name.starts_with('_'),
                Some(EmptyNameDropped) => name.is_empty(),
                Some(NullsDropped) => member.raw == "null",
                Some(ProtoMemberDropped) => name == "__proto__",
                _ => false,
            };
            if !is_dropped {
                out.push((
                    member.raw_name.clone(),
                    self.relayed_value(name, &member.raw),
                ));
            }
        }
        let is_spoofed = out.iter().any(|(name, _)| name == "\"clients\"");
        let clients_is = |value: String| ("\"clients\"".to_owned(), value);
        let count = clients_is(clients.to_string());
        match self.mutant {
            Some(CountMissing) => {}
            Some(CountIsText) => out.push(clients_is(format!("\"{clients}\""))),
            Some(CountSpoofed) if is_spoofed => {}
            Some(CountSpoofedLast) => {
                out.push(count);
                let mut own = members.iter().rev();
                let own = own.find(|member| member.name == "clients");
                out.extend(own.map(|member| clients_is(member.raw.clone())));
            }
            Some(SenderAdded) => out.extend([count, ("\"from\"".to_owned(), "1".to_owned())]),
            _ => out.push(count),
        }
        self.style.write(out)
    }

    fn relayed_value(&self, name: &str, raw: &str) -> String {
        let strings = |change: &dyn Fn(&str) -> String| map(raw, is_text, change);
        let numbers = |change: &dyn Fn(&str) -> String| map(raw, is_number, change);
        match self.mutant {
            Some(TopicRewritten) if name == "topic" => raw.to_lowercase(),
            Some(TypeRenamed) if name == "type" => "\"message\"".to_owned(),
            Some(DataStringParsed) if name == "data" => string(raw)
                .filter(|text| is_json(text))
                .unwrap_or_else(|| raw.to_owned()),
            Some(DataStringified) if name == "data" => serde_json::Value::from(raw).to_string(),
            Some(EmptyObjectIsList) => map(
                raw,
                |token| !is_text(token),
                |token| token.replace("{}", "[]"),
            ),
            Some(EmptyListIsObject) => map(
                raw,
                |token| !is_text(token),
                |token| token.replace("[]", "{}"),
            ),
            Some(NumbersRounded) => numbers(&rounded),
            Some(IntegersSigned) => numbers(&|number| {
                let is_whole = number
                    .bytes()
                    .all(|byte| byte.is_ascii_digit() || byte == b'-');
                if is_whole && number.parse::<i64>().is_err() {
                    rounded(number)
                } else {
                    number.to_owned()
                }
            }),
            Some(NumbersToSix) => numbers(&|number| match number.parse::<f64>() {
                Ok(value) if number.contains('.') && value.abs() < 1e15 => {
                    ((value * 1e6).round() / 1e6).to_string()
                }
                _ => number.to_owned(),
            }),
            Some(ControlsNotEscaped) => strings(&|text| text.replace("\\u0001", "\u{1}")),
            Some(HtmlEscaped) => strings(&|text| {
                text.replace('&', "&amp;")
                    .replace('<', "&lt;")
                    .replace('>', "&gt;")
            }),
            Some(SurrogatesReplaced) => strings(&|text| match string(text) {
                Some(_) => text.to_owned(),
                None => text
                    .replace("\\ud800", "\\ufffd")
                    .replace("\\udfff", "\\ufffd"),
            }),
            Some(AstralReplaced) => strings(&|text| match string(text) {
                Some(decoded) if decoded.chars().any(|c| u32::from(c) > 0xffff) => {
                    let plain = decoded
                        .chars()
                        .map(|c| if u32::from(c) > 0xffff { '\u{fffd}' } else { c });
                    serde_json::Value::from(plain.collect::<String>()).to_string()
                }
                _ => text.to_owned(),
            }),
            Some(NulCuts) => strings(&|text| match text.split_once("\\u0000") {
                Some((start, _)) => format!("{start}\""),
                None => text.to_owned(),
            }),
            _ => raw.to_owned(),
        }
    }
}

fn rounded(number: &str) -> String {
    match number.parse::<f64>() {
        Ok(value) if value.is_finite() => serde_json::Value::from(value).to_string(),
        _ => "null".to_owned(),
    }
}

fn percent_decoded(topic: &str) -> String {
    let mut parts = topic.split('%');
    let mut decoded = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let code = part
            .get(..2)
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match code {
            Some(code) => {
                decoded.push(char::from(code));
                decoded.push_str(&part[2..]);
            }
            None => {
                decoded.push('%');
                decoded.push_str(part);
            }
        }
    }
    decoded
}
