//! The limits of the core and of addresses as settings. They know no serde themselves.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use serde::de::{Error, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use signal_access::AddressLimits;
use signal_core::{Limit, LimitValue, Limits, Unit};

use super::seconds;

/// A struct of limits.
pub(super) trait Table: Default + 'static {
    const ALL: &'static [Limit<Self>];
}

impl Table for Limits {
    const ALL: &'static [Limit<Self>] = Self::ALL;
}

impl Table for AddressLimits {
    const ALL: &'static [Limit<Self>] = Self::ALL;
}

pub(super) fn serialize<T: Table, S: Serializer>(limits: &T, to: S) -> Result<S::Ok, S::Error> {
    let mut map = to.serialize_map(Some(T::ALL.len()))?;
    for limit in T::ALL {
        let value = (limit.get)(limits);
        match limit.unit {
            Unit::Millis => {
                map.serialize_entry(limit.name, &Seconds(Duration::from_number(value)))?;
            }
            Unit::Switch => map.serialize_entry(limit.name, &(value != 0))?,
            Unit::Count | Unit::Bytes | Unit::Seconds => {
                map.serialize_entry(limit.name, &value)?;
            }
        }
    }
    map.end()
}

pub(super) fn deserialize<'de, T: Table, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
    from.deserialize_map(LimitsVisitor(PhantomData))
}

struct LimitsVisitor<T>(PhantomData<T>);

impl<'de, T: Table> Visitor<'de> for LimitsVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("limits by name")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<T, A::Error> {
        let mut limits = T::default();
        while let Some(name) = map.next_key::<String>()? {
            let Some(limit) = T::ALL.iter().find(|limit| limit.name == name) else {
                let names: Vec<_> = T::ALL.iter().map(|limit| limit.name).collect();
                let names = names.join(", ");
                return Err(A::Error::custom(format_args!(
                    "there is no limit `{name}`; there are {names}"
                )));
            };
            let value = match limit.unit {
                Unit::Millis => map.next_value::<Seconds>()?.0.into_number(),
                Unit::Switch => map.next_value::<bool>()?.into_number(),
                Unit::Count | Unit::Bytes | Unit::Seconds => map.next_value()?,
            };
            set(limit, &mut limits, value).map_err(A::Error::custom)?;
        }
        Ok(limits)
    }
}

/// Sets a limit, unless its field cannot hold the value.
fn set<T>(limit: &Limit<T>, limits: &mut T, value: u64) -> Result<(), String> {
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

    fn comes_back<T: Table + fmt::Debug + PartialEq>() {
        for limit in T::ALL {
            let value = match limit.unit {
                Unit::Switch => serde_json::json!(true),
                Unit::Count | Unit::Bytes | Unit::Millis | Unit::Seconds => serde_json::json!(7),
            };
            let limits: T =
                deserialize(serde_json::json!({ limit.name: value })).expect(limit.name);
            assert_ne!(limits, T::default(), "{} is not taken over", limit.name);
            let written = serialize(&limits, serde_json::value::Serializer).expect("JSON");
            assert_eq!(written[limit.name], value, "{} is not written", limit.name);
        }
    }

    #[test]
    fn every_limit_is_a_setting_and_comes_back() {
        comes_back::<Limits>();
        comes_back::<AddressLimits>();
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
            let error = deserialize::<Limits, _>(wrong);
            let error = error.expect_err(message).to_string();
            assert!(error.contains(message), "{error}");
        }
    }
}
