//! A connection in a reactor.

use mio::event::Event;
use signal_core::Instant;

use super::Stream;
use crate::serve::bytes::Framed;
use crate::serve::connection::Connection;
use crate::serve::deadlines::NEVER;

/// A connection in its place.
pub(super) struct Entry {
    pub(super) connection: Connection<Framed<Stream>>,
    place: u32,
    /// Its entry in the reactor's deadlines, if that is not [`NEVER`]. One that is too early does
    /// no harm, so it is never put off.
    pub(super) deadline: Instant,
    /// Whether it is among those that are due.
    pub(super) is_due: bool,
}

impl Entry {
    pub(super) fn new(connection: Connection<Framed<Stream>>, place: u32) -> Self {
        Self {
            connection,
            place,
            deadline: NEVER,
            is_due: false,
        }
    }

    /// Notes what the system says of its socket.
    pub(super) fn note(&mut self, event: &Event, due: &mut Vec<u32>, writable: &mut Vec<u32>) {
        let news = self.connection.socket_mut().note(event);
        if news.is_readable {
            self.make_due(due);
        }
        if news.is_writable {
            writable.push(self.place);
        }
    }

    /// Gives it a turn.
    pub(super) fn make_due(&mut self, due: &mut Vec<u32>) {
        if !std::mem::replace(&mut self.is_due, true) {
            due.push(self.place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::reactor::Slot;

    #[test]
    fn a_connection_stays_small() {
        // A debug build of mio keeps more of each socket than its descriptor.
        let stream = size_of::<i32>() + 4;
        let bytes = size_of::<Entry>() - (size_of::<Stream>() - stream);
        assert!(
            bytes <= 232,
            "a connection has grown to {bytes} bytes; each costs this much while it is idle"
        );
        assert_eq!(size_of::<Option<Slot>>(), 16, "and so does its place");
    }
}
