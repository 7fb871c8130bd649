//! The refusals that only Workers have: a request is sent on to an object by its address.

use signal_access::{Refusal, RefusalCause};

/// The address does not name a room.
pub(crate) fn no_room() -> Refusal {
    Refusal::new(404, "name a room: connect to /room/NAME or add ?room=NAME")
        .for_cause(RefusalCause::Other("no_room"))
}

/// The name of the room is too long.
pub(crate) fn room_name() -> Refusal {
    Refusal::new(414, "the name of a room has at most 256 characters")
        .for_cause(RefusalCause::Other("room_name"))
}

/// TURN credentials were asked for in another way than a GET.
pub(crate) fn turn_method() -> Refusal {
    Refusal::new(405, "TURN credentials are for a GET").for_cause(RefusalCause::BadRequest)
}

/// A setting cannot be read.
pub(crate) fn settings() -> Refusal {
    Refusal::new(500, "this relay is misconfigured; its log says how")
        .for_cause(RefusalCause::Other("settings"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_of_codes_has_every_cause() {
        let codes = include_str!("../../signal-tokio/CODES.md");
        for refusal in [no_room(), room_name(), settings()] {
            let name = format!("`{}`", refusal.cause().name());
            let mut lines = codes.lines().filter(|line| line.contains("Workers"));
            assert!(lines.any(|line| line.contains(&name)), "{name}");
        }
    }
}
