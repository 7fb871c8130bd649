//! JSON as `JSON.parse` sees it: strings are UTF-16 and may hold lone surrogates, numbers are
//! doubles, the last of repeated members counts. `serde_json` differs in all three.

use std::fmt;

/// The deepest nesting read; servers may not relay deeper messages than that anyway.
const DEPTH_MAX: usize = 1000;

#[derive(Clone, Debug)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Number(f64),
    String(Vec<u16>),
    Array(Vec<Value>),
    Object(Vec<(Vec<u16>, Value)>),
}

impl Value {
    /// Reads a whole text.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parser = Parser { rest: text };
        let value = parser.value(0)?;
        parser.white_space();
        parser.rest.is_empty().then_some(value)
    }

    /// The member of that name that counts.
    pub(crate) fn member(&self, name: &str) -> Option<&Self> {
        let Self::Object(members) = self else {
            return None;
        };
        members
            .iter()
            .rev()
            .find(|(key, _)| is(key, name))
            .map(|(_, value)| value)
    }

    /// How often a member of that name is there.
    pub(crate) fn count(&self, name: &str) -> usize {
        let Self::Object(members) = self else {
            return 0;
        };
        members.iter().filter(|(key, _)| is(key, name)).count()
    }

    /// Whether it has members besides these.
    pub(crate) fn has_others(&self, names: &[&str]) -> bool {
        let Self::Object(members) = self else {
            return false;
        };
        let is_other = |key: &[u16]| !names.iter().any(|name| is(key, name));
        members.iter().any(|(key, _)| is_other(key))
    }

    /// The same without members of these names.
    pub(crate) fn without(self, names: &[String]) -> Self {
        let Self::Object(mut members) = self else {
            return self;
        };
        members.retain(|(key, _)| !names.iter().any(|name| is(key, name)));
        Self::Object(members)
    }

    /// The same with no other members than these.
    pub(crate) fn with_only(self, names: &[&str]) -> Self {
        let Self::Object(mut members) = self else {
            return self;
        };
        members.retain(|(key, _)| names.iter().any(|name| is(key, name)));
        Self::Object(members)
    }

    /// The text of a string.
    pub(crate) fn text(&self) -> Option<String> {
        match self {
            Self::String(text) => Some(String::from_utf16_lossy(text)),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::Array(_) | Self::Object(_) => None,
        }
    }

    pub(crate) fn is_number(&self, number: f64) -> bool {
        matches!(self, Self::Number(own) if *own == number)
    }

    pub(crate) fn is_string(&self, text: &str) -> bool {
        matches!(self, Self::String(string) if is(string, text))
    }
}

/// Values are shown no longer than that.
const SHOWN_MAX: usize = 32;

/// In which members an object differs from the wanted one, in words. `None` where both say it
/// better.
pub(crate) fn difference(wanted: &Value, got: &Value) -> Option<String> {
    let (Value::Object(expected), Value::Object(found)) = (wanted, got) else {
        return None;
    };
    let mut names: Vec<&[u16]> = Vec::new();
    for (name, _) in expected.iter().chain(found) {
        if !names.contains(&name.as_slice()) {
            names.push(name);
        }
    }
    let differences = names.into_iter().filter_map(|name| {
        let member = |members: &[(Vec<u16>, Value)]| {
            let member = members.iter().rfind(|(key, _)| key == name);
            member.map(|(_, value)| value.clone())
        };
        let shown = String::from_utf16_lossy(name);
        match (member(expected), member(found)) {
            (Some(wanted), Some(got)) if wanted == got => None,
            (Some(wanted), Some(got)) => Some(format!("`{shown}` is {got}, not {wanted}")),
            (Some(_), None) => Some(format!("`{shown}` is missing")),
            (None, Some(_)) => Some(format!("`{shown}` is too much")),
            (None, None) => None,
        }
    });
    let differences: Vec<_> = differences.collect();
    (!differences.is_empty()).then(|| differences.join(", "))
}

/// Short, and only for people.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Null => "null".to_owned(),
            Self::Bool(value) => value.to_string(),
            Self::Number(number) => number.to_string(),
            Self::String(string) => format!("{:?}", String::from_utf16_lossy(string)),
            Self::Array(items) if items.is_empty() => "[]".to_owned(),
            Self::Array(_) => "[…]".to_owned(),
            Self::Object(members) if members.is_empty() => "{}".to_owned(),
            Self::Object(_) => "{…}".to_owned(),
        };
        if text.chars().nth(SHOWN_MAX).is_some() {
            let start: String = text.chars().take(SHOWN_MAX).collect();
            write!(f, "{start}…")
        } else {
            f.write_str(&text)
        }
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Number(a), Self::Number(b)) => a == b,
            (Self::String(a), Self::String(b)) => a == b,
            (Self::Array(a), Self::Array(b)) => a == b,
            (Self::Object(a), Self::Object(b)) => covers(a, b) && covers(b, a),
            _ => false,
        }
    }
}

/// Whether each member of `a` that counts is in `b` with the same value.
fn covers(a: &[(Vec<u16>, Value)], b: &[(Vec<u16>, Value)]) -> bool {
    let last = |members: &'_ [(Vec<u16>, Value)], key: &[u16]| {
        members.iter().rposition(|member| member.0 == key)
    };
    a.iter().all(|(key, _)| match (last(a, key), last(b, key)) {
        (Some(in_a), Some(in_b)) => a[in_a].1 == b[in_b].1,
        _ => false,
    })
}

fn is(string: &[u16], text: &str) -> bool {
    string.iter().copied().eq(text.encode_utf16())
}

struct Parser<'a> {
    rest: &'a str,
}

impl Parser<'_> {
    fn value(&mut self, depth: usize) -> Option<Value> {
        if depth > DEPTH_MAX {
            return None;
        }
        self.white_space();
        match self.rest.as_bytes().first()? {
            b'n' => self.take("null").map(|()| Value::Null),
            b't' => self.take("true").map(|()| Value::Bool(true)),
            b'f' => self.take("false").map(|()| Value::Bool(false)),
            b'"' => self.string().map(Value::String),
            b'[' => self.array(depth),
            b'{' => self.object(depth),
            _ => self.number(),
        }
    }

    fn array(&mut self, depth: usize) -> Option<Value> {
        self.take("[")?;
        let mut items = Vec::new();
        if self.next_is("]") {
            return Some(Value::Array(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            if self.next_is("]") {
                return Some(Value::Array(items));
            }
            self.take(",")?;
        }
    }

    fn object(&mut self, depth: usize) -> Option<Value> {
        self.take("{")?;
        let mut members = Vec::new();
        if self.next_is("}") {
            return Some(Value::Object(members));
        }
        loop {
            self.white_space();
            let key = self.string()?;
            self.white_space();
            self.take(":")?;
            members.push((key, self.value(depth + 1)?));
            if self.next_is("}") {
                return Some(Value::Object(members));
            }
            self.take(",")?;
        }
    }

    fn string(&mut self) -> Option<Vec<u16>> {
        self.take("\"")?;
        let mut string = Vec::new();
        loop {
            let ends = |byte: u8| matches!(byte, b'"' | b'\\' | 0..=0x1f);
            let end = self.rest.bytes().position(ends)?;
            let (plain, rest) = self.rest.split_at(end);
            string.extend(plain.encode_utf16());
            self.rest = rest;
            match self.char()? {
                '"' => return Some(string),
                '\\' => string.push(self.escape()?),
                _ => return None,
            }
        }
    }

    fn escape(&mut self) -> Option<u16> {
        Some(match self.char()? {
            plain @ ('"' | '\\' | '/') => plain as u16,
            'b' => 8,
            'f' => 12,
            'n' => 10,
            'r' => 13,
            't' => 9,
            'u' => {
                let digits = self
                    .rest
                    .get(..4)
                    .filter(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()))?;
                self.rest = &self.rest[4..];
                u16::from_str_radix(digits, 16).ok()?
            }
            _ => return None,
        })
    }

    fn number(&mut self) -> Option<Value> {
        let end = self
            .rest
            .find(|c: char| !matches!(c, '0'..='9' | '+' | '-' | '.' | 'e' | 'E'));
        let (digits, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        let whole = digits.strip_prefix('-').unwrap_or(digits);
        let starts_well = whole.starts_with(|c: char| c.is_ascii_digit());
        let leading_zero =
            whole.len() > 1 && whole.starts_with('0') && whole.as_bytes()[1].is_ascii_digit();
        if !starts_well || leading_zero || digits.ends_with('.') || digits.contains(".e") {
            return None;
        }
        self.rest = rest;
        digits.parse().ok().map(Value::Number)
    }

    fn char(&mut self) -> Option<char> {
        let next = self.rest.chars().next()?;
        self.rest = &self.rest[next.len_utf8()..];
        Some(next)
    }

    fn take(&mut self, token: &str) -> Option<()> {
        self.rest = self.rest.strip_prefix(token)?;
        Some(())
    }

    fn next_is(&mut self, token: &str) -> bool {
        self.white_space();
        self.take(token).is_some()
    }

    fn white_space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
    }
}

#[cfg(test)]
mod tests {
    use super::{Value, difference};

    #[test]
    fn a_difference_is_that_of_the_members_that_count() {
        let differs = |wanted: &str, got: &str| {
            difference(&Value::parse(wanted).unwrap(), &Value::parse(got).unwrap())
        };
        let wanted = r#"{"type":"publish","data":1,"clients":1}"#;
        for (got, difference) in [
            (
                r#"{"clients": 0, "data": 1, "type": "publish"}"#,
                "`clients` is 0, not 1",
            ),
            (
                r#"{"type":"publish","data":"1","x":{},"clients":1}"#,
                "`data` is \"1\", not 1, `x` is too much",
            ),
            (r#"{"type":"publish","clients":1}"#, "`data` is missing"),
        ] {
            assert_eq!(differs(wanted, got).as_deref(), Some(difference));
        }
        assert_eq!(differs(wanted, "[]"), None);
        let long = format!(r#"{{"a":"{}"}}"#, "x".repeat(99));
        let short = format!("`a` is \"{}…, not 1", "x".repeat(31));
        assert_eq!(differs(r#"{"a":1}"#, &long), Some(short));
    }

    fn equal(a: &str, b: &str) -> bool {
        Value::parse(a).unwrap() == Value::parse(b).unwrap()
    }

    #[test]
    fn equality_is_that_of_javascript() {
        assert!(equal(
            r#"{"a":1.0,"b":[1e2]}"#,
            r#" { "b" : [100] , "a" : 1 } "#
        ));
        assert!(equal(r#"{"a":1,"a":2}"#, r#"{"\u0061":2}"#));
        assert!(equal(r#""\ud83d\ude00""#, r#""😀""#));
        assert!(equal("9007199254740993", "9007199254740992"));
        assert!(!equal(r#""\ud800""#, r#""\ud801""#));
        assert!(!equal(r#"{"a":1}"#, r#"{"a":1,"b":null}"#));
        assert!(!equal("[1,2]", "[2,1]"));
    }

    #[test]
    fn what_javascript_refuses_is_refused() {
        for text in [
            "",
            "{",
            "[1,]",
            "{'a':1}",
            "01",
            "1.",
            "+1",
            ".5",
            "nul",
            "\"\t\"",
            "1 2",
            "NaN",
            r#""\u12g4""#,
        ] {
            assert!(Value::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn repeated_members_are_counted_decoded() {
        let value = Value::parse(r#"{"topic":"a","t\u006fpic":"b"}"#).unwrap();
        assert_eq!(value.count("topic"), 2);
        assert!(value.member("topic").unwrap().is_string("b"));
    }
}
