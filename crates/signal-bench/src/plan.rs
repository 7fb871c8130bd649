use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::error::BenchError;
use crate::template::ROOMS_MAX;

/// What kind of load to make.
#[derive(Clone, Copy, Debug, Eq, PartialEq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Scenario {
    /// Rooms in which messages circulate as fast as the server delivers them: closed loop, with a window.
    Fanout,
}

impl Scenario {
    /// All of them.
    pub const ALL: [Self; 1] = [Self::Fanout];

    /// Its name on the command line and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fanout => "fanout",
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
    /// How many rooms. Default 100.
    pub rooms: usize,
    /// How many members each room has, each on a connection of its own. Default 10.
    pub members: usize,
    /// How many members of each room publish, in turn. Default 1.
    pub publishers: usize,
    /// How many messages of each room are on their way at once. Default 1.
    pub window: usize,
    /// The length of a message as it is sent, in bytes of JSON. Default 168.
    pub bytes: usize,
    /// How long the load runs before anything is measured. Default 1 s.
    #[serde(rename = "warmup_seconds", serialize_with = "seconds")]
    pub warmup: Duration,
    /// How long is measured. Default 5 s.
    #[serde(rename = "duration_seconds", serialize_with = "seconds")]
    pub duration: Duration,
    /// How long a delivery may take before it counts as lost, and the opening of connections may stand still. Default 5 s.
    #[serde(rename = "timeout_seconds", serialize_with = "seconds")]
    pub timeout: Duration,
    /// How many threads generate the load; rooms are shared out among them. Default 1.
    pub threads: usize,
    /// What sizes and counts are drawn from. Default 1.
    pub seed: u64,
    /// The process of the server on this machine, to measure its processor time and memory. Default: none.
    pub pid: Option<u32>,
}

impl Plan {
    /// The scenario with the default of every number.
    pub fn new(scenario: Scenario) -> Self {
        Self {
            scenario,
            rooms: 100,
            members: 10,
            publishers: 1,
            window: 1,
            bytes: 168,
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
    /// The first that is not, with what to write instead.
    pub fn check(&self) -> Result<(), BenchError> {
        let ranges = [
            ("rooms", self.rooms, 1, ROOMS_MAX),
            ("members", self.members, 1, 100_000),
            ("publishers", self.publishers, 1, self.members),
            ("window", self.window, 1, 100_000),
            ("bytes", self.bytes, 1, 1 << 20),
            ("threads", self.threads, 1, self.rooms),
        ];
        for (name, value, least, most) in ranges {
            if !(least..=most).contains(&value) {
                return Err(BenchError::new(
                    format!("{name} is {value}"),
                    format!("write a number from {least} to {most}"),
                ));
            }
        }
        if self.duration.is_zero() || self.timeout.is_zero() {
            return Err(BenchError::new(
                "nothing can be measured in no time",
                "give --duration and --timeout more than 0",
            ));
        }
        Ok(())
    }

    /// How many connections it opens.
    pub fn connections(&self) -> usize {
        self.rooms * self.members
    }
}

/// The load in one line: `fanout, 100 rooms of 10, window 1, 168 bytes, 5 s`.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}, {} rooms of {}",
            self.scenario, self.rooms, self.members
        )?;
        match self.scenario {
            Scenario::Fanout => write!(f, ", window {}, {} bytes", self.window, self.bytes)?,
        }
        write!(f, ", {} s", self.duration.as_secs_f64())
    }
}

fn seconds<S: serde::Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(time.as_secs_f64())
}
