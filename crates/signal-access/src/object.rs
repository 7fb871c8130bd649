//! JSON objects of which no name stands twice.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// Why a document is not one object without duplicates.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum ObjectError {
    NotJson,
    NotObject,
    Duplicate,
}

/// Reads a document that is one object. Two programs that read a name that stands twice may see two
/// different values, so such an object is refused, and with it the trick of showing one value to
/// the judge and another to the server.
pub(crate) fn parse(document: &[u8]) -> Result<Map<String, Value>, ObjectError> {
    let members = serde_json::from_slice::<Members>(document).map_err(|error| {
        if error.is_data() {
            ObjectError::NotObject
        } else {
            ObjectError::NotJson
        }
    })?;
    unique(members.0)
}

fn unique(members: Vec<(String, Value)>) -> Result<Map<String, Value>, ObjectError> {
    let mut object = Map::new();
    for (name, value) in members {
        if object.insert(name, value).is_some() {
            return Err(ObjectError::Duplicate);
        }
    }
    Ok(object)
}

/// The members of an object as they came.
struct Members(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // With a word of its own on whatever is not an object: that of `serde` can show a fraction,
        // which makes every module for WebAssembly a twentieth larger.
        deserializer.deserialize_any(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Members, E> {
        Err(not_object())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Members, E> {
        Err(not_object())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Members, E> {
        Err(not_object())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Members, E> {
        Err(not_object())
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Members, E> {
        Err(not_object())
    }

    fn visit_unit<E: Error>(self) -> Result<Members, E> {
        Err(not_object())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<Members, A::Error> {
        Err(not_object())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Members(members))
    }
}

fn not_object<E: Error>() -> E {
    E::custom("it is not an object")
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
