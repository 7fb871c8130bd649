//! What the relay tells of its limits to whoever asks.

use crate::settings::{Rooms, Settings};

/// The limits that a client can run into, by name: sizes in bytes, times in milliseconds. `without`
/// names what the conformance suite cannot expect here: the runtime reads the frames, a path may be
/// a room, and not every origin may be let in.
///
/// They are no secret, since anybody can find them by trying; told, `signal check` can check that
/// they hold.
pub(crate) fn limits(settings: &Settings) -> String {
    let core = &settings.core;
    let limits: [(&str, u64); 15] = [
        ("message_bytes_max", core.message_bytes_max.into()),
        ("depth_max", core.depth_max.into()),
        ("topics_per_peer_max", core.topics_per_peer_max.into()),
        ("topic_bytes_max", core.topic_bytes_max.into()),
        ("messages_per_second", core.messages_per_second.into()),
        ("messages_burst", core.messages_burst.into()),
        ("fan_out_per_second", core.fan_out_per_second.into()),
        ("fan_out_burst", core.fan_out_burst.into()),
        ("pings_per_second", core.pings_per_second.into()),
        ("pings_burst", core.pings_burst.into()),
        ("strikes_per_second", core.strikes_per_second.into()),
        ("strikes_burst", core.strikes_burst.into()),
        ("invalid_messages_max", core.invalid_messages_max.into()),
        (
            "close_hold",
            u64::try_from(core.close_hold.as_millis()).unwrap_or(u64::MAX),
        ),
        ("outbound_bytes_max", settings.outbound_bytes_max.into()),
    ];
    let without = [
        ("strict_frames", true),
        ("any_path", settings.rooms != Rooms::Global),
        ("any_origin", !settings.origins.is_empty()),
    ];
    let without = without.iter().filter(|(_, is_missing)| *is_missing);
    let without: Vec<String> = without.map(|(name, _)| format!("\"{name}\"")).collect();
    let without = without.join(",");
    let limits = limits.map(|(name, value)| format!(r#""{name}":{value}"#));
    format!(r#"{{{},"without":[{without}]}}"#, limits.join(","))
}

#[cfg(test)]
mod tests {
    use signal_access::Origins;

    use super::*;

    #[test]
    fn limits_are_told_by_name_with_what_is_missing() {
        let mut settings = Settings::default();
        let global = limits(&settings);
        assert!(
            global.starts_with(r#"{"message_bytes_max":65536,"depth_max":128,"#),
            "{global}"
        );
        assert!(
            global.ends_with(r#""outbound_bytes_max":1048576,"without":["strict_frames"]}"#),
            "{global}"
        );
        settings.rooms = Rooms::ByName;
        settings.origins = Origins::new(["https://app.example"]).unwrap();
        let guarded = limits(&settings);
        assert!(
            guarded.ends_with(r#""without":["strict_frames","any_path","any_origin"]}"#),
            "{guarded}"
        );
    }
}
