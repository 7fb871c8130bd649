//! Templates: the placeholders in scenarios.
//!
//! | placeholder | stands for |
//! |---|---|
//! | `${t}` | a topic prefix that no other scenario and no other run has |
//! | `${n}` | the number of the round within a `repeat`, from 0 |
//! | `${message_bytes_max+1}` | a number: integers, `n` and limits by name, with `+`, `-`, `*` and `/` |
//! | `${repeat:[:400}` | a text, so many times |
//! | `${pad_to:65536}` | as many `x` as make the whole that long; at most one, and not inside another |
//! | `${hex:c1ff}`, `${hex:c1ff*400}` | bytes; so many times |
//! | `${now}` | the server's time in seconds since 1970, also in sums |
//! | `${elapsed}` | how many milliseconds the scenario has run, also in sums; no more of a budget can have come back |
//! | `${open.x}` | 1 if the client `x` is served as far as is known, otherwise 0; also in sums |
//! | `${alg}`, `${other_alg}` | the algorithm of the key for tokens, and the other one of `HS256` and `EdDSA` |
//! | `${kid}` | `,"kid":"…"` if that key has a name, otherwise nothing |
//! | `${aud}`, `${audience}` | `,"aud":"…"` if the server asks for an audience, otherwise nothing; that audience |
//! | `${header}`, `${claims}`, `${signature}` | parts of a [`Token`](crate::step::Token), in its `text` |
//! | `${token}` | the token of a [`Connect`](crate::step::Connect), in its query, headers and subprotocols |
//! | `${origin}`, `${origin_host}` | an origin that the server lets in, and its host and port |
//!
//! Names of limits are those of the backend's [`Declared::limits`](crate::Declared::limits); a
//! scenario with a name that is not declared there is skipped.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A number, or a placeholder that stands for one, such as `"${message_bytes_max+1}"`.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Amount {
    /// A number.
    Number(u64),
    /// A placeholder.
    Placeholder(String),
}

impl From<u64> for Amount {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

impl From<&str> for Amount {
    /// Takes what stands between the braces, such as `2*ping_interval`.
    fn from(expression: &str) -> Self {
        Self::Placeholder(format!("${{{expression}}}"))
    }
}

/// A scenario's template cannot be filled in.
#[derive(Clone, Debug, Error, Eq, PartialEq)]
#[non_exhaustive]
pub enum TemplateError {
    /// The name is not a declared limit.
    #[error("the limit `{0}` is not declared")]
    UnknownName(String),
    /// The placeholder is not one of the known forms.
    #[error("`{0}` is not a placeholder")]
    Malformed(String),
    /// A text message holds bytes that are not UTF-8.
    #[error("a text holds bytes that are not UTF-8")]
    NotText,
}

/// What placeholders stand for.
#[derive(Clone, Debug)]
pub(crate) struct Values<'a> {
    pub(crate) topic: &'a str,
    pub(crate) round: u64,
    /// Milliseconds since the scenario began.
    pub(crate) elapsed: u64,
    pub(crate) limits: &'a BTreeMap<String, u64>,
    /// The clients that are served.
    pub(crate) served: Vec<&'a str>,
    /// What stands for a text, by name; see [`WORDS`].
    pub(crate) words: Cow<'a, BTreeMap<String, String>>,
}

/// Before the name of a client.
const OPEN: &str = "open.";

/// Names that are not limits.
const WORDS: &[&str] = &[
    "t",
    "n",
    "now",
    "elapsed",
    "alg",
    "other_alg",
    "kid",
    "aud",
    "audience",
    "header",
    "claims",
    "signature",
    "token",
    "origin",
    "origin_host",
];

impl Values<'_> {
    /// The same with further words.
    pub(crate) fn with<const N: usize>(&self, words: [(&str, String); N]) -> Self {
        let mut more = self.clone();
        let words = words.map(|(name, word)| (name.to_owned(), word));
        more.words.to_mut().extend(words);
        more
    }

    /// Fills in a template.
    pub(crate) fn bytes(&self, template: &str) -> Result<Vec<u8>, TemplateError> {
        let mut out = Vec::with_capacity(template.len() + 32);
        let mut padding = None;
        let mut rest = template;
        while let Some(start) = rest.find("${") {
            let (before, after) = rest.split_at(start);
            out.extend_from_slice(before.as_bytes());
            let Some(end) = after.find('}') else {
                return Err(TemplateError::Malformed(after.to_owned()));
            };
            let placeholder = &after[2..end];
            rest = &after[end + 1..];
            match placeholder.split_once(':') {
                None if placeholder == "t" => out.extend_from_slice(self.topic.as_bytes()),
                None if self.words.contains_key(placeholder) => {
                    out.extend_from_slice(self.words[placeholder].as_bytes());
                }
                None => out.extend_from_slice(self.number(placeholder)?.to_string().as_bytes()),
                Some(("hex", digits)) => {
                    let (digits, times) = digits.split_once('*').unwrap_or((digits, "1"));
                    out.extend(unhex(digits)?.repeat(size(self.number(times)?)));
                }
                Some(("pad_to", length)) => padding = Some((out.len(), self.number(length)?)),
                Some(("repeat", argument)) => {
                    let Some((text, times)) = argument.rsplit_once(':') else {
                        return Err(TemplateError::Malformed(placeholder.to_owned()));
                    };
                    out.extend(text.repeat(size(self.number(times)?)).bytes());
                }
                Some(_) => return Err(TemplateError::Malformed(placeholder.to_owned())),
            }
        }
        out.extend_from_slice(rest.as_bytes());
        if let Some((at, length)) = padding {
            let missing = size(length).saturating_sub(out.len());
            out.splice(at..at, std::iter::repeat_n(b'x', missing));
        }
        Ok(out)
    }

    /// Fills in a template that is a text.
    pub(crate) fn text(&self, template: &str) -> Result<String, TemplateError> {
        String::from_utf8(self.bytes(template)?).map_err(|_| TemplateError::NotText)
    }

    pub(crate) fn amount(&self, amount: &Amount) -> Result<u64, TemplateError> {
        match amount {
            Amount::Number(number) => Ok(*number),
            Amount::Placeholder(placeholder) => {
                let expression = placeholder
                    .strip_prefix("${")
                    .and_then(|rest| rest.strip_suffix('}'));
                self.number(
                    expression.ok_or_else(|| TemplateError::Malformed(placeholder.clone()))?,
                )
            }
        }
    }

    /// Whether a condition such as `a+1<b` holds.
    pub(crate) fn holds(&self, condition: &str) -> Result<bool, TemplateError> {
        let Some((less, more)) = condition.split_once('<') else {
            return Err(TemplateError::Malformed(condition.to_owned()));
        };
        Ok(self.number(less)? < self.number(more)?)
    }

    /// A sum of terms, from left to right.
    fn number(&self, expression: &str) -> Result<u64, TemplateError> {
        let mut total = 0_u64;
        let mut subtract = false;
        for term in expression.split_inclusive(['+', '-']) {
            let value = self.term(term.trim_end_matches(['+', '-']))?;
            total = if subtract {
                total.saturating_sub(value)
            } else {
                total.saturating_add(value)
            };
            subtract = term.ends_with('-');
        }
        Ok(total)
    }

    /// Factors multiplied and divided, from left to right.
    fn term(&self, term: &str) -> Result<u64, TemplateError> {
        let mut total = 1_u64;
        let mut divide = false;
        for factor in term.split_inclusive(['*', '/']) {
            let value = self.factor(factor.trim_end_matches(['*', '/']))?;
            total = if divide {
                total / value.max(1)
            } else {
                total.saturating_mul(value)
            };
            divide = factor.ends_with('/');
        }
        Ok(total)
    }

    fn factor(&self, factor: &str) -> Result<u64, TemplateError> {
        let factor = factor.trim();
        if factor == "n" {
            return Ok(self.round);
        }
        if let Some(client) = factor.strip_prefix(OPEN) {
            return Ok(u64::from(self.served.contains(&client)));
        }
        if factor == "elapsed" {
            return Ok(self.elapsed);
        }
        if let Ok(number) = factor.parse() {
            return Ok(number);
        }
        let word = self.words.get(factor).and_then(|word| word.parse().ok());
        let limit = word.or_else(|| self.limits.get(factor).copied());
        limit.ok_or_else(|| TemplateError::UnknownName(factor.to_owned()))
    }
}

/// The names of limits that occur in the placeholders of a text, be it a template or a whole
/// scenario as JSON.
pub(crate) fn limits_in(text: &str) -> BTreeSet<String> {
    let mut limits = BTreeSet::new();
    for (start, _) in text.match_indices("${") {
        let Some(end) = text[start..].find('}') else {
            continue;
        };
        let placeholder = &text[start + 2..start + end];
        let expression = match placeholder.split_once(':') {
            Some(("hex", digits)) => digits.split_once('*').map_or("", |(_, times)| times),
            Some(("repeat", argument)) => argument.rsplit_once(':').map_or("", |(_, times)| times),
            Some((_, length)) => length,
            None => placeholder,
        };
        let words = expression.split(['+', '-', '*', '/']).map(str::trim);
        let names = words.filter(|word| {
            !word.is_empty()
                && !WORDS.contains(word)
                && !word.starts_with(OPEN)
                && word.parse::<u64>().is_err()
        });
        limits.extend(names.map(str::to_owned));
    }
    limits
}

fn unhex(digits: &str) -> Result<Vec<u8>, TemplateError> {
    let malformed = || TemplateError::Malformed(digits.to_owned());
    let pairs = digits.as_bytes().chunks(2);
    pairs
        .map(|pair| {
            let pair = std::str::from_utf8(pair).map_err(|_| malformed())?;
            u8::from_str_radix(pair, 16).map_err(|_| malformed())
        })
        .collect()
}

fn size(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(template: &str) -> Result<String, TemplateError> {
        let limits = BTreeMap::from([("message_bytes_max".to_owned(), 64)]);
        Values {
            topic: "room",
            round: 7,
            elapsed: 2_500,
            limits: &limits,
            served: vec!["a"],
            words: Cow::Owned(BTreeMap::from([("now".to_owned(), "1000".to_owned())])),
        }
        .text(template)
    }

    #[test]
    fn placeholders_are_filled_in() {
        assert_eq!(
            fill(r#"{"topic":"${t}-a","n":${n}}"#).unwrap(),
            r#"{"topic":"room-a","n":7}"#
        );
        assert_eq!(fill("${2*message_bytes_max+n-1}").unwrap(), "134");
        assert_eq!(fill("${message_bytes_max/3+1}").unwrap(), "22");
        assert_eq!(fill("${now}, ${now-60}").unwrap(), "1000, 940");
        assert_eq!(fill("${1+20*elapsed/1000}").unwrap(), "51");
        assert_eq!(fill("${2+open.a+open.b}").unwrap(), "3");
        assert_eq!(fill("${repeat:[:3}${hex:6869}").unwrap(), "[[[hi");
        assert_eq!(fill("${hex:6869*message_bytes_max/32}").unwrap(), "hihi");
    }

    #[test]
    fn padding_makes_the_whole_that_long() {
        let filled = fill(r#"{"data":"${pad_to:message_bytes_max}"}"#).unwrap();
        assert_eq!(filled.len(), 64);
        assert!(filled.ends_with(r#"x"}"#));
    }

    #[test]
    fn unknown_names_and_forms_are_errors() {
        assert_eq!(
            fill("${peers_max}"),
            Err(TemplateError::UnknownName("peers_max".to_owned()))
        );
        assert_eq!(
            fill("${shout:t}"),
            Err(TemplateError::Malformed("shout:t".to_owned()))
        );
        assert_eq!(fill("${hex:ff}"), Err(TemplateError::NotText));
    }
}
