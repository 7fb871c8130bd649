use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::error::BenchError;
use crate::load::template::ROOMS_MAX;

/// More deliveries in a second than any server or generator can do; the next power of ten would
/// fill the memory with what is due.
const RATE_MAX: f64 = 1e7;

/// What kind of load to make.
#[derive(Clone, Copy, Debug, Eq, PartialEq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Scenario {
    /// Rooms in which messages circulate as fast as the server delivers them: closed loop, with a
    /// window.
    Fanout,
    /// The same rooms at a fixed rate, whatever the server does: open loop, corrected for
    /// coordinated omission.
    Paced,
    /// Rooms that fill up: each newcomer announces itself, and each member answers with 3 to 6
    /// messages of 0.5 to 3 KB, as y-webrtc does.
    Join,
    /// Connections with a topic of their own that only ping, and answer pings.
    Idle,
    /// Visitors that connect, subscribe, publish, hear themselves, unsubscribe and close, one after
    /// the other in each place.
    Churn,
    /// Rooms as in [`Fanout`](Self::Fanout), and some subscribers that never read.
    Slow,
}

impl Scenario {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Fanout,
        Self::Paced,
        Self::Join,
        Self::Idle,
        Self::Churn,
        Self::Slow,
    ];

    /// Its name on the command line and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fanout => "fanout",
            Self::Paced => "paced",
            Self::Join => "join",
            Self::Idle => "idle",
            Self::Churn => "churn",
            Self::Slow => "slow",
        }
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Scenario {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let named = Self::ALL.into_iter().find(|one| one.name() == text);
        named.ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            format!("the scenarios are {names}")
        })
    }
}

/// A load, in numbers. Change single fields of [`Plan::new`].
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
#[non_exhaustive]
pub struct Plan {
    /// The kind of load.
    pub scenario: Scenario,
    /// How many rooms. Default: 100; 4 in `slow`.
    pub rooms: usize,
    /// How many members each room has, each on a connection of its own. Default: 10.
    pub members: usize,
    /// How many members of each room publish, in turn. Default: 1.
    pub publishers: usize,
    /// How many messages of each room are on their way at once. Default: 1; 8 in `slow`.
    pub window: usize,
    /// The length of a message as it is sent, in bytes of JSON. Default: 168; 3,000 in `slow`.
    /// `join` has sizes of its own.
    pub bytes: usize,
    /// `paced`: deliveries in a second, of all rooms together. Default: 20,000.
    pub rate: f64,
    /// `idle`: how many connections. `churn`: how many places. Default: 10,000 and 50.
    pub connections: usize,
    /// `idle`: how often each connection sends a ping. Default: 15 s, as y-webrtc's client.
    #[serde(rename = "ping_interval_seconds", serialize_with = "seconds")]
    pub ping_interval: Duration,
    /// `slow`: how many subscribers never read. Default: 1.
    pub slow_readers: usize,
    /// How long the load runs before anything is measured. Default: 1 s.
    #[serde(rename = "warmup_seconds", serialize_with = "seconds")]
    pub warmup: Duration,
    /// How long is measured. Default: 5 s.
    #[serde(rename = "duration_seconds", serialize_with = "seconds")]
    pub duration: Duration,
    /// How long a delivery may take before it counts as lost, and the opening of connections may
    /// stand still. Default: 5 s.
    #[serde(rename = "timeout_seconds", serialize_with = "seconds")]
    pub timeout: Duration,
    /// How many threads generate the load; rooms are shared out among them. Default: 1.
    pub threads: usize,
    /// What sizes and counts are drawn from. Default: 1.
    pub seed: u64,
    /// The process of a single server on this machine, to measure its processor time and memory.
    /// Default: none.
    pub pid: Option<u32>,
}

impl Plan {
    /// The scenario with the default of every number.
    pub fn new(scenario: Scenario) -> Self {
        // Few rooms and long messages: what a reader leaves behind grows soon.
        let (rooms, window, bytes) = if scenario == Scenario::Slow {
            (4, 8, 3_000)
        } else {
            (100, 1, 168)
        };
        let connections = if scenario == Scenario::Churn {
            50
        } else {
            10_000
        };
        Self {
            scenario,
            rooms,
            members: 10,
            publishers: 1,
            window,
            bytes,
            rate: 20_000.0,
            connections,
            ping_interval: Duration::from_secs(15),
            slow_readers: 1,
            warmup: Duration::from_secs(1),
            duration: Duration::from_secs(5),
            timeout: Duration::from_secs(5),
            threads: 1,
            seed: 1,
            pid: None,
        }
    }

    /// Checks that each number is in its range.
    ///
    /// # Errors
    ///
    /// The first number that is not, and what to write instead.
    pub fn check(&self) -> Result<(), BenchError> {
        let ranges = [
            ("rooms", self.rooms, 1, ROOMS_MAX),
            ("members", self.members, 1, 100_000),
            ("publishers", self.publishers, 1, self.members),
            ("window", self.window, 1, 100_000),
            ("bytes", self.bytes, 1, 1 << 20),
            ("connections", self.connections, 1, ROOMS_MAX),
            ("slow_readers", self.slow_readers, 1, 1_000),
            ("threads", self.threads, 1, 256),
        ];
        for (name, value, least, most) in ranges {
            if !(least..=most).contains(&value) {
                return Err(BenchError::new(
                    format!("{name} is {value}"),
                    format!("write a number from {least} to {most}"),
                ));
            }
        }
        let parts = match self.scenario {
            Scenario::Idle | Scenario::Churn => self.connections,
            Scenario::Fanout | Scenario::Paced | Scenario::Join | Scenario::Slow => self.rooms,
        };
        if self.threads > parts {
            return Err(BenchError::new(
                format!("{} threads have nothing to share", self.threads),
                "use fewer --threads, or more rooms or connections",
            ));
        }
        if !(self.rate > 0.0 && self.rate <= RATE_MAX) {
            return Err(BenchError::new(
                format!("rate is {}", self.rate),
                format!("write the deliveries of a second, up to {RATE_MAX}"),
            ));
        }
        let times = [self.duration, self.timeout, self.ping_interval];
        if times.iter().any(Duration::is_zero) {
            return Err(BenchError::new(
                "one of the times is 0",
                "give --duration, --timeout and --ping-interval more than 0",
            ));
        }
        Ok(())
    }

    /// How many connections are open at once.
    pub fn connections(&self) -> usize {
        let members = self.rooms * self.members;
        match self.scenario {
            Scenario::Fanout | Scenario::Paced | Scenario::Join => members,
            Scenario::Slow => members + self.slow_readers,
            Scenario::Idle | Scenario::Churn => self.connections,
        }
    }

    /// How many receive each message.
    pub(crate) fn receivers(&self) -> usize {
        match self.scenario {
            Scenario::Fanout | Scenario::Paced | Scenario::Join | Scenario::Slow => self.members,
            Scenario::Idle | Scenario::Churn => 1,
        }
    }
}

/// The load in one line: `fanout, 100 rooms of 10, window 1, 168 bytes, 5 s`.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            scenario,
            rooms,
            members,
            window,
            bytes,
            connections,
            ..
        } = self;
        write!(f, "{scenario}, ")?;
        match scenario {
            Scenario::Fanout => {
                write!(
                    f,
                    "{rooms} rooms of {members}, window {window}, {bytes} bytes"
                )?;
            }
            Scenario::Paced => {
                let rate = self.rate;
                write!(
                    f,
                    "{rooms} rooms of {members}, {rate} deliveries/s, {bytes} bytes"
                )?;
            }
            Scenario::Join => write!(f, "{rooms} rooms that fill up to {members}")?,
            Scenario::Idle => {
                let interval = self.ping_interval.as_secs_f64();
                write!(
                    f,
                    "{connections} connections, a ping of each every {interval} s"
                )?;
            }
            Scenario::Churn => write!(f, "{connections} visitors at a time")?,
            Scenario::Slow => write!(
                f,
                "{rooms} rooms of {members}, window {window}, {bytes} bytes, {} more that never read",
                self.slow_readers
            )?,
        }
        write!(f, ", {} s", self.duration.as_secs_f64())
    }
}

fn seconds<S: serde::Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(time.as_secs_f64())
}
