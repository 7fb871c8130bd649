use std::sync::atomic::{AtomicU64, Ordering};

/// What a bus has counted since its start.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Stats {
    /// Connections to a server that were taken into use.
    pub connects: u64,
    /// Connections in use that were lost.
    pub disconnects: u64,
    /// Attempts that came to nothing, for whatever [`Problem`](crate::Problem).
    pub failures: u64,
    /// Servers that announced their end and were left before it.
    pub lame_ducks: u64,
    /// How often a server, or the client, said that we do not keep up. What is lost then is not in
    /// `dropped`.
    pub slow: u64,
    /// Handed to a server.
    pub sent: Flow,
    /// Handed to the node.
    pub received: Flow,
    /// Lost, by reason.
    pub dropped: Dropped,
}

/// Messages, and their bytes without what the bus adds.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Flow {
    /// How many.
    pub messages: u64,
    /// How long together.
    pub bytes: u64,
}

/// Messages that were dropped, by reason. Nodes ask each other again for what they miss.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Dropped {
    /// To be sent, and there was no server.
    pub unconnected: u64,
    /// To be sent, and too much waited already.
    pub unsent: u64,
    /// Received, and too much waited to be read.
    pub unread: u64,
    /// Longer than a node's longest message, in either direction.
    pub too_long: u64,
    /// Received without a MAC by a key of the cluster; or with one, and we have no key.
    pub bad_mac: u64,
    /// Received in another form than that of this bus.
    pub malformed: u64,
}

impl Dropped {
    /// How many by each reason, with its name.
    pub const fn by_reason(&self) -> [(&'static str, u64); 6] {
        [
            ("unconnected", self.unconnected),
            ("unsent", self.unsent),
            ("unread", self.unread),
            ("too_long", self.too_long),
            ("bad_mac", self.bad_mac),
            ("malformed", self.malformed),
        ]
    }
}

macro_rules! counters {
    ($($name:ident)*) => {
        /// The same as they are counted.
        #[derive(Debug, Default)]
        pub(crate) struct Counters {
            $(pub(crate) $name: Counter,)*
        }
    };
}

counters! {
    connects disconnects failures lame_ducks slow
    sent_messages sent_bytes received_messages received_bytes
    unconnected unsent unread too_long bad_mac malformed
}

#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, number: usize) {
        self.0.fetch_add(number as u64, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Counters {
    pub(crate) fn sent(&self, bytes: usize) {
        self.sent_messages.add(1);
        self.sent_bytes.add(bytes);
    }

    pub(crate) fn received(&self, bytes: usize) {
        self.received_messages.add(1);
        self.received_bytes.add(bytes);
    }

    pub(crate) fn stats(&self) -> Stats {
        Stats {
            connects: self.connects.get(),
            disconnects: self.disconnects.get(),
            failures: self.failures.get(),
            lame_ducks: self.lame_ducks.get(),
            slow: self.slow.get(),
            sent: Flow {
                messages: self.sent_messages.get(),
                bytes: self.sent_bytes.get(),
            },
            received: Flow {
                messages: self.received_messages.get(),
                bytes: self.received_bytes.get(),
            },
            dropped: Dropped {
                unconnected: self.unconnected.get(),
                unsent: self.unsent.get(),
                unread: self.unread.get(),
                too_long: self.too_long.get(),
                bad_mac: self.bad_mac.get(),
                malformed: self.malformed.get(),
            },
        }
    }
}
