//! The core's [`Limits`] as settings. The core itself knows no serde.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use signal_core::Limits;

use super::seconds;

/// The same fields under the same names.
#[derive(Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    message_bytes_max: u32,
    depth_max: u8,
    topics_per_peer_max: u32,
    topic_bytes_max: u32,
    messages_per_second: u32,
    messages_burst: u32,
    fan_out_per_second: u32,
    fan_out_burst: u32,
    pings_per_second: u32,
    pings_burst: u32,
    strikes_per_second: u32,
    strikes_burst: u32,
    invalid_messages_max: u32,
    #[serde(with = "seconds")]
    ping_interval: Duration,
    #[serde(with = "seconds")]
    close_hold: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self::from(&Limits::default())
    }
}

impl From<&Limits> for Settings {
    fn from(limits: &Limits) -> Self {
        Self {
            message_bytes_max: limits.message_bytes_max,
            depth_max: limits.depth_max,
            topics_per_peer_max: limits.topics_per_peer_max,
            topic_bytes_max: limits.topic_bytes_max,
            messages_per_second: limits.messages_per_second,
            messages_burst: limits.messages_burst,
            fan_out_per_second: limits.fan_out_per_second,
            fan_out_burst: limits.fan_out_burst,
            pings_per_second: limits.pings_per_second,
            pings_burst: limits.pings_burst,
            strikes_per_second: limits.strikes_per_second,
            strikes_burst: limits.strikes_burst,
            invalid_messages_max: limits.invalid_messages_max,
            ping_interval: limits.ping_interval,
            close_hold: limits.close_hold,
        }
    }
}

impl From<Settings> for Limits {
    fn from(settings: Settings) -> Self {
        let mut limits = Self::default();
        limits.message_bytes_max = settings.message_bytes_max;
        limits.depth_max = settings.depth_max;
        limits.topics_per_peer_max = settings.topics_per_peer_max;
        limits.topic_bytes_max = settings.topic_bytes_max;
        limits.messages_per_second = settings.messages_per_second;
        limits.messages_burst = settings.messages_burst;
        limits.fan_out_per_second = settings.fan_out_per_second;
        limits.fan_out_burst = settings.fan_out_burst;
        limits.pings_per_second = settings.pings_per_second;
        limits.pings_burst = settings.pings_burst;
        limits.strikes_per_second = settings.strikes_per_second;
        limits.strikes_burst = settings.strikes_burst;
        limits.invalid_messages_max = settings.invalid_messages_max;
        limits.ping_interval = settings.ping_interval;
        limits.close_hold = settings.close_hold;
        limits
    }
}

pub(super) fn serialize<S: Serializer>(limits: &Limits, to: S) -> Result<S::Ok, S::Error> {
    Settings::from(limits).serialize(to)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Limits, D::Error> {
    Settings::deserialize(from).map(Limits::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_is_a_setting_and_comes_back() {
        let defaults = serde_json::to_value(Settings::default()).expect("settings are JSON");
        let defaults = defaults.as_object().expect("an object");
        // A limit that is new in the core has no setting yet.
        let debug = format!("{:#?}", Limits::default());
        let names: Vec<_> = debug
            .lines()
            .filter_map(|line| line.trim().split_once(": "))
            .collect();
        assert_eq!(names.len(), defaults.len());
        for (name, _) in names {
            let other = serde_json::json!({ name: 7 });
            let limits = deserialize(other).expect(name);
            assert_ne!(limits, Limits::default(), "{name} is not taken over");
            let told = serialize(&limits, serde_json::value::Serializer).expect("JSON");
            assert_eq!(told[name], 7, "{name} is not told");
        }
    }
}
