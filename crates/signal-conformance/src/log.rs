//! What went over the wires in one scenario, for the report of a failure.

use std::collections::VecDeque;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Entries kept; a flood must not drown the report.
const ENTRIES_MAX: usize = 40;
/// Characters kept of each.
const TEXT_MAX: usize = 160;

/// Which way a message went.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Direction {
    /// From the client to the server.
    Sent,
    /// From the server to the client.
    Received,
    /// Something the runner did.
    Done,
}

/// One line of the wire log.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct LogEntry {
    /// Whose connection.
    pub client: String,
    /// Which way.
    pub direction: Direction,
    /// The message, shortened if it is long.
    pub text: String,
}

impl fmt::Display for LogEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let arrow = match self.direction {
            Direction::Sent => "→",
            Direction::Received => "←",
            Direction::Done => "·",
        };
        write!(f, "{} {arrow} {}", self.client, self.text)
    }
}

#[derive(Debug, Default)]
pub(crate) struct Log(VecDeque<LogEntry>);

impl Log {
    pub(crate) fn add(&mut self, client: &str, direction: Direction, text: &str) {
        if self.0.len() == ENTRIES_MAX {
            self.0.pop_front();
        }
        self.0.push_back(LogEntry {
            client: client.to_owned(),
            direction,
            text: shorten(text),
        });
    }

    pub(crate) fn into_entries(self) -> Vec<LogEntry> {
        self.0.into()
    }
}

/// At most [`TEXT_MAX`] characters, control characters escaped.
pub(crate) fn shorten(text: &str) -> String {
    let mut short: String = text.chars().take(TEXT_MAX).flat_map(printable).collect();
    if text.chars().nth(TEXT_MAX).is_some() {
        short.push_str(&format!("… ({} bytes)", text.len()));
    }
    short
}

fn printable(c: char) -> Vec<char> {
    if c.is_control() || c == '\u{feff}' {
        c.escape_default().collect()
    } else {
        vec![c]
    }
}
