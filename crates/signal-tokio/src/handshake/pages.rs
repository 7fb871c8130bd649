//! What the relay tells of its limits to whoever asks.

use signal_core::Limits;

use crate::config::Config;

/// The limits that a client can run into, by name, as JSON: sizes in bytes, times in milliseconds.
///
/// They are no secret, since anybody can find them by trying; told, a tool can check that they
/// hold.
pub(crate) fn limits(config: &Config) -> String {
    let Limits {
        message_bytes_max,
        depth_max,
        topics_per_peer_max,
        topic_bytes_max,
        messages_per_second,
        messages_burst,
        fan_out_per_second,
        fan_out_burst,
        pings_per_second,
        pings_burst,
        strikes_per_second,
        strikes_burst,
        invalid_messages_max,
        ping_interval,
        close_hold,
        ..
    } = config.core;
    serde_json::json!({
        "message_bytes_max": message_bytes_max,
        "depth_max": depth_max,
        "topics_per_peer_max": topics_per_peer_max,
        "topic_bytes_max": topic_bytes_max,
        "messages_per_second": messages_per_second,
        "messages_burst": messages_burst,
        "fan_out_per_second": fan_out_per_second,
        "fan_out_burst": fan_out_burst,
        "pings_per_second": pings_per_second,
        "pings_burst": pings_burst,
        "strikes_per_second": strikes_per_second,
        "strikes_burst": strikes_burst,
        "invalid_messages_max": invalid_messages_max,
        "ping_interval": millis(ping_interval),
        "close_hold": millis(close_hold),
        "outbound_bytes_max": config.outbound_bytes_max,
        "outbound_frames_max": config.outbound_frames_max,
    })
    .to_string()
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_of_the_core_is_told() {
        let told: serde_json::Value =
            serde_json::from_str(&limits(&Config::default())).expect("JSON");
        let debug = format!("{:#?}", Limits::default());
        let names = debug
            .lines()
            .filter_map(|line| Some(line.trim().split_once(": ")?.0));
        for name in names {
            assert!(told[name].is_u64(), "{name} is missing");
        }
        assert_eq!(told["ping_interval"], 30_000);
        assert_eq!(told["message_bytes_max"], 65_536);
    }
}
