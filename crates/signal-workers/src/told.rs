//! The relay's limits, for anyone who asks.

use signal_core::Scope;

use crate::settings::{Rooms, Settings, core_table};

/// The limits that a client can run into, by name: sizes in bytes, times in milliseconds. `without`
/// names what the conformance suite cannot expect here: the runtime reads the frames, a path may be
/// a room, and not every origin may be let in.
///
/// They are not a secret, since anyone can find them by trying; shown, `signal check` can check
/// that they hold.
pub(crate) fn limits(settings: &Settings) -> String {
    let core = core_table().filter(|limit| limit.scope == Scope::Peer);
    let own = Settings::LIMITS
        .iter()
        .filter(|limit| limit.scope == Scope::Peer);
    let core = core.map(|limit| (limit.name, (limit.get)(&settings.core)));
    let limits = core.chain(own.map(|limit| (limit.name, (limit.get)(settings))));
    let without = [
        ("strict_frames", true),
        ("any_path", settings.rooms != Rooms::Global),
        ("any_origin", !settings.origins.is_empty()),
    ];
    let without = without.iter().filter(|(_, is_missing)| *is_missing);
    let without: Vec<String> = without.map(|(name, _)| format!("\"{name}\"")).collect();
    let without = without.join(",");
    let limits: Vec<String> = limits
        .map(|(name, value)| format!(r#""{name}":{value}"#))
        .collect();
    format!(r#"{{{},"without":[{without}]}}"#, limits.join(","))
}

#[cfg(test)]
mod tests {
    use signal_access::Origins;

    use super::*;

    #[test]
    fn limits_are_listed_by_name_with_what_is_missing() {
        let mut settings = Settings::default();
        let global = limits(&settings);
        assert!(
            global.starts_with(r#"{"message_bytes_max":65536,"depth_max":128,"#),
            "{global}"
        );
        assert!(
            global.ends_with(
                r#""outbound_bytes_max":1048576,"outbound_grace":1000,"silence_max":90000,"without":["strict_frames"]}"#
            ),
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
