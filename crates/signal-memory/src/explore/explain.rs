use std::fmt;

use signal_core::{CloseReason, Instant, Output, PeerId};

use crate::print::Seconds;
use crate::{Line, RoomId, What, World};

/// A rule that does not hold.
#[derive(Debug)]
pub(super) struct Problem {
    room: RoomId,
    about: About,
    text: String,
}

/// Whose lines show how it came about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum About {
    Peer(PeerId),
    Room,
}

impl Problem {
    pub(super) const fn new(room: RoomId, about: About, text: String) -> Self {
        Self { room, about, text }
    }
}

/// A world that broke a rule: which rule, how it came about, and how to see it again.
///
/// Its `Display` is for a person: the sentence, then the last lines of the transcript about the
/// peer in question.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Failure {
    /// The seed of the world.
    pub seed: u64,
    /// When, in the time of the world.
    pub at: Instant,
    /// Where.
    pub room: RoomId,
    /// What is wrong, as a sentence.
    pub problem: String,
    /// The last lines of the transcript that have to do with it.
    pub lines: Vec<Line>,
}

impl Failure {
    pub(super) fn new(seed: u64, problem: Problem, world: &World) -> Self {
        const LINES_MAX: usize = 30;
        let Problem { room, about, text } = problem;
        const PINGS_MAX: usize = 6;
        let mut pings = 0;
        let mut is_relevant = |line: &&Line| {
            pings += usize::from(matches!(line.what, What::Pinged { .. } | What::Pong { .. }));
            let is_old_ping =
                pings > PINGS_MAX && matches!(line.what, What::Pinged { .. } | What::Pong { .. });
            line.room == room && concerns(line, about) && !is_old_ping
        };
        let newest_first = world
            .transcript()
            .lines()
            .rev()
            .filter(&mut is_relevant)
            .take(LINES_MAX);
        let mut lines: Vec<Line> = newest_first.cloned().collect();
        lines.reverse();
        Self {
            seed,
            at: world.now(),
            room,
            problem: text,
            lines,
        }
    }
}

impl std::error::Error for Failure {}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            seed,
            at,
            room,
            problem,
            lines,
        } = self;
        writeln!(
            f,
            "world {seed}, {room}, {}: {problem}",
            Seconds(*at).to_string().trim_start()
        )?;
        writeln!(
            f,
            "
what led to it:
"
        )?;
        lines.iter().try_for_each(|line| writeln!(f, "{line}"))?;
        writeln!(
            f,
            "\nthe whole world again: cargo run -p examples --example world -- {seed}"
        )
    }
}

/// Whether a line helps to understand what became of a peer, or of its room.
fn concerns(line: &Line, about: About) -> bool {
    let About::Peer(peer) = about else {
        return true;
    };
    match &line.what {
        What::Connected { peer: other, .. }
        | What::Message { peer: other, .. }
        | What::Pong { peer: other, .. }
        | What::Left { peer: other, .. }
        | What::Refused { peer: other, .. }
        | What::Pinged { peer: other }
        | What::Closed { peer: other, .. }
        | What::Received { peer: other, .. }
        | What::Ended { peer: other, .. }
        | What::Stalled { peer: other }
        | What::Resumed { peer: other }
        | What::Vanished { peer: other } => *other == peer,
        What::Sent { to, .. } => to.contains(&peer),
        What::Reconnected {
            before,
            peer: other,
        } => [*before, *other].contains(&peer),
        What::Hibernated { .. } | What::Restarted | What::Jumped { .. } => true,
        What::Deadline { .. } => false,
    }
}

/// The first way in which what was done differs from what should be, as a sentence, and whom it is
/// about.
pub(super) fn first_difference(expected: &[Output], actual: &[Output]) -> Option<(About, String)> {
    if expected == actual {
        return None;
    }
    let longest = expected.len().max(actual.len());
    let place = (0..longest).find(|place| expected.get(*place) != actual.get(*place))?;
    Some(match (expected.get(place), actual.get(place)) {
        (
            Some(Output::Send { to, message }),
            Some(Output::Send {
                to: got,
                message: sent,
            }),
        ) => receivers(to, got).unwrap_or_else(|| {
            let text = format!("{} was sent, not {}", sent.as_str(), message.as_str());
            (about_first(got), text)
        }),
        (_, Some(extra)) => extra_output(extra),
        (Some(missing), None) => missing_output(missing),
        (None, None) => return None,
    })
}

/// What is wrong with the receivers of a message, if anything is.
fn receivers(expected: &[PeerId], actual: &[PeerId]) -> Option<(About, String)> {
    let missed = expected.iter().find(|peer| !actual.contains(peer));
    let stranger = actual.iter().find(|peer| !expected.contains(peer));
    let count = |peer: &&PeerId| actual.iter().filter(|other| other == peer).count();
    let twice = actual.iter().find(|peer| count(peer) > 1);
    if let Some(peer) = stranger {
        Some((
            About::Peer(*peer),
            format!("p{peer} was sent a message that was not for it"),
        ))
    } else if let Some(peer) = missed {
        Some((
            About::Peer(*peer),
            format!("p{peer} was not sent a message that was for it"),
        ))
    } else {
        twice.map(|peer| {
            (
                About::Peer(*peer),
                format!("p{peer} was sent one message twice"),
            )
        })
    }
}

fn extra_output(extra: &Output) -> (About, String) {
    match extra {
        Output::Send { to, message } => (
            about_first(to),
            format!(
                "{} was sent, and nothing should have been",
                message.as_str()
            ),
        ),
        Output::Ping(peer) => (
            About::Peer(*peer),
            format!("p{peer} was sent a ping that was not due"),
        ),
        Output::Close(peer, reason) => (
            About::Peer(*peer),
            format!(
                "p{peer} was closed as {}, and should not have been",
                name(*reason)
            ),
        ),
    }
}

fn missing_output(missing: &Output) -> (About, String) {
    match missing {
        Output::Send { to, message } => (
            about_first(to),
            format!("{} was not sent", message.as_str()),
        ),
        Output::Ping(peer) => (
            About::Peer(*peer),
            format!("p{peer} was not sent a ping that was due"),
        ),
        Output::Close(peer, reason) => (
            About::Peer(*peer),
            format!("p{peer} was not closed as {}", name(*reason)),
        ),
    }
}

fn about_first(peers: &[PeerId]) -> About {
    peers.first().map_or(About::Room, |peer| About::Peer(*peer))
}

const fn name(reason: CloseReason) -> &'static str {
    reason.name()
}
