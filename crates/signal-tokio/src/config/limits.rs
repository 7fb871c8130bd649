//! The core's [`Limits`] as settings. The core itself knows no serde.

use std::fmt;
use std::time::Duration;

use serde::de::{Error, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use signal_core::{Limit, LimitValue, Limits, Unit};

use super::seconds;

pub(super) fn serialize<S: Serializer>(limits: &Limits, to: S) -> Result<S::Ok, S::Error> {
    let mut map = to.serialize_map(Some(Limits::ALL.len()))?;
    for limit in Limits::ALL {
        let value = (limit.get)(limits);
        if limit.unit == Unit::Millis {
            map.serialize_entry(limit.name, &Seconds(Duration::from_number(value)))?;
        } else {
            map.serialize_entry(limit.name, &value)?;
        }
    }
    map.end()
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Limits, D::Error> {
    from.deserialize_map(LimitsVisitor)
}

struct LimitsVisitor;

impl<'de> Visitor<'de> for LimitsVisitor {
    type Value = Limits;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("limits by name")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Limits, A::Error> {
        let mut limits = Limits::default();
        while let Some(name) = map.next_key::<String>()? {
            let Some(limit) = Limits::ALL.iter().find(|limit| limit.name == name) else {
                let names: Vec<_> = Limits::ALL.iter().map(|limit| limit.name).collect();
                let names = names.join(", ");
                return Err(A::Error::custom(format_args!(
                    "there is no limit `{name}`; there are {names}"
                )));
            };
            let value = if limit.unit == Unit::Millis {
                map.next_value::<Seconds>()?.0.into_number()
            } else {
                map.next_value()?
            };
            set(limit, &mut limits, value).map_err(A::Error::custom)?;
        }
        Ok(limits)
    }
}

/// Sets a limit, unless its field cannot hold the value.
fn set(limit: &Limit<Limits>, limits: &mut Limits, value: u64) -> Result<(), String> {
    (limit.set)(limits, value);
    if (limit.get)(limits) == value {
        Ok(())
    } else {
        Err(format!("{} = {value} is too large", limit.name))
    }
}

#[derive(Deserialize, Serialize)]
struct Seconds(#[serde(with = "seconds")] Duration);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_is_a_setting_and_comes_back() {
        for limit in Limits::ALL {
            let other = serde_json::json!({ limit.name: 7 });
            let limits = deserialize(other).expect(limit.name);
            assert_ne!(
                limits,
                Limits::default(),
                "{} is not taken over",
                limit.name
            );
            let written = serialize(&limits, serde_json::value::Serializer).expect("JSON");
            assert_eq!(written[limit.name], 7, "{} is not written", limit.name);
        }
    }

    #[test]
    fn what_is_not_a_limit_or_not_a_value_of_one_is_an_error() {
        for (wrong, message) in [
            (
                serde_json::json!({ "depth": 7 }),
                "there is no limit `depth`",
            ),
            (
                serde_json::json!({ "depth_max": 300 }),
                "depth_max = 300 is too large",
            ),
            (serde_json::json!({ "depth_max": -1 }), "-1"),
            (serde_json::json!({ "close_hold": -1 }), "-1"),
        ] {
            let error = deserialize(wrong).expect_err(message).to_string();
            assert!(error.contains(message), "{error}");
        }
    }
}
