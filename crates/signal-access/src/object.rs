//! JSON objects of which no name stands twice.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// Why a document is not one object without duplicates.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum ObjectError {
    NotJson,
    NotObject,
    Duplicate,
}

/// Reads a document that is one object. Two programs that read a name that stands twice may see two
/// different values, so such an object is refused, also deep within, and with it the trick of
/// showing one value to the judge and another to the server.
pub(crate) fn parse(document: &[u8]) -> Result<Map<String, Value>, ObjectError> {
    let read = serde_json::from_slice::<Judged>(document).map_err(|_| ObjectError::NotJson)?;
    match read.value {
        Value::Object(_) if !read.is_unique => Err(ObjectError::Duplicate),
        Value::Object(object) => Ok(object),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Err(ObjectError::NotObject)
        }
    }
}

/// A value, and whether no object in it has a name twice.
struct Judged {
    value: Value,
    is_unique: bool,
}

impl Judged {
    fn plain<E>(value: impl Into<Value>) -> Result<Self, E> {
        let (value, is_unique) = (value.into(), true);
        Ok(Self { value, is_unique })
    }
}

impl<'de> Deserialize<'de> for Judged {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JudgedVisitor)
    }
}

/// All that JSON can hold. What is not visited here has an error of `serde`'s that can show a
/// fraction, which makes every module for WebAssembly a twentieth larger.
struct JudgedVisitor;

impl<'de> Visitor<'de> for JudgedVisitor {
    type Value = Judged;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Judged, E> {
        Judged::plain(value)
    }

    fn visit_i64<E>(self, value: i64) -> Result<Judged, E> {
        Judged::plain(value)
    }

    fn visit_u64<E>(self, value: u64) -> Result<Judged, E> {
        Judged::plain(value)
    }

    fn visit_f64<E>(self, value: f64) -> Result<Judged, E> {
        Judged::plain(value)
    }

    fn visit_str<E>(self, value: &str) -> Result<Judged, E> {
        Judged::plain(value)
    }

    fn visit_unit<E>(self) -> Result<Judged, E> {
        Judged::plain(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Judged, A::Error> {
        let (mut items, mut is_unique) = (Vec::new(), true);
        while let Some(item) = seq.next_element::<Judged>()? {
            is_unique &= item.is_unique;
            items.push(item.value);
        }
        let value = Value::Array(items);
        Ok(Judged { value, is_unique })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Judged, A::Error> {
        let (mut members, mut is_unique) = (Map::new(), true);
        while let Some((name, member)) = map.next_entry::<String, Judged>()? {
            let is_new = members.insert(name, member.value).is_none();
            is_unique &= is_new && member.is_unique;
        }
        let value = Value::Object(members);
        Ok(Judged { value, is_unique })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_stands_twice_is_refused_however_it_is_written() {
        for twice in [r#"{"a":1,"a":1}"#, r#"{"a":1,"b":2,"\u0061":3}"#] {
            assert_eq!(parse(twice.as_bytes()), Err(ObjectError::Duplicate));
        }
        assert_eq!(parse(br#"{"a":1,"A":1}"#).map(|object| object.len()), Ok(2));
    }

    #[test]
    fn a_name_that_stands_twice_deep_within_is_refused_too() {
        for twice in [
            r#"{"a":{"b":1,"b":2}}"#,
            r#"{"a":[0,{"b":{"c":null,"\u0063":2}}]}"#,
        ] {
            assert_eq!(parse(twice.as_bytes()), Err(ObjectError::Duplicate));
        }
        let apart = r#"{"a":{"b":1},"b":{"b":[true,-1,0.5,"x",null,{"b":2}]}}"#;
        let read = parse(apart.as_bytes()).map(Value::Object);
        assert_eq!(read, Ok(serde_json::from_str(apart).expect("JSON")));
    }

    #[test]
    fn what_is_not_an_object_is_distinguished_from_what_is_not_json() {
        for other in ["[]", "1", "null", r#""a""#] {
            assert_eq!(
                parse(other.as_bytes()),
                Err(ObjectError::NotObject),
                "{other}"
            );
        }
        for broken in ["", "{", "{}{}", "{a:1}", r#"{"a":"\ud800"}"#, "{\"a\":1,}"] {
            assert_eq!(
                parse(broken.as_bytes()),
                Err(ObjectError::NotJson),
                "{broken}"
            );
        }
        assert_eq!(parse(b"{\"a\":\"\xff\"}"), Err(ObjectError::NotJson));
    }
}
