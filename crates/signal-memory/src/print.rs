use std::fmt;

use signal_core::{Instant, Outcome, PeerId};

use crate::{Jump, Line, RoomId, What};

/// One readable line: when, who to whom, what.
impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (who, what) = (who(self), what(&self.what));
        write!(f, "{}  {who:<18} {what}", Seconds(self.at))
    }
}

impl fmt::Display for RoomId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "room {}", self.0)
    }
}

/// A time as `   1.250 s`.
pub(crate) struct Seconds(pub(crate) Instant);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_millis();
        write!(f, "{:>5}.{:03} s", millis / 1_000, millis % 1_000)
    }
}

/// Between whom: a message on its way in or out, a connection that begins or ends, what reaches a
/// client, or a thing alone.
fn who(line: &Line) -> String {
    let room = line.room;
    match &line.what {
        What::Connected { peer, .. }
        | What::Left {
            peer,
            was_reset: false,
            ..
        } => {
            format!("p{peer} ═▶ {room}")
        }
        What::Left {
            peer,
            was_reset: true,
            ..
        } => format!("p{peer} ═✕ {room}"),
        What::Message { peer, .. } | What::Pong { peer, .. } => format!("p{peer} ─▶ {room}"),
        What::Sent { to, .. } => format!("{room} ─▶ {}", names(to)),
        What::Pinged { peer } => format!("{room} ─▶ p{peer}"),
        What::Refused { peer, .. } => format!("{room} ─✕ p{peer}"),
        What::Closed { peer, .. } => format!("{room} ═✕ p{peer}"),
        What::Received { peer, .. } | What::Ended { peer, .. } => format!("       ▷ p{peer}"),
        What::Stalled { peer }
        | What::Resumed { peer }
        | What::Vanished { peer }
        | What::Reconnected { peer, .. } => format!("p{peer}"),
        What::Deadline { .. } | What::Hibernated { .. } | What::Restarted | What::Jumped { .. } => {
            room.to_string()
        }
    }
}

fn what(what: &What) -> String {
    match what {
        What::Connected { .. } => "connects".to_owned(),
        What::Message { text, outcome, .. } => {
            format!("{}{}", Short(text.as_str()), Remark(*outcome))
        }
        What::Pong { .. } => "(pong)".to_owned(),
        What::Left {
            was_reset: false, ..
        } => "closes".to_owned(),
        What::Left {
            was_reset: true, ..
        } => "is gone".to_owned(),
        What::Deadline { .. } => "acts on its deadlines".to_owned(),
        What::Refused { reason, .. } => format!("refuses: {}", reason.name()),
        What::Sent { message, .. } | What::Received { message, .. } => {
            Short(message.as_str()).to_string()
        }
        What::Pinged { .. } => "(ping)".to_owned(),
        What::Closed {
            reason, waiting: 0, ..
        } => format!("closes: {} {}", reason.code(), reason.name()),
        What::Closed {
            reason, waiting, ..
        } => {
            format!(
                "closes: {} {}, {waiting} waiting",
                reason.code(),
                reason.name()
            )
        }
        What::Ended { end, .. } => format!("ended: {}", end.code),
        What::Stalled { .. } => "stops reading".to_owned(),
        What::Resumed { .. } => "reads again".to_owned(),
        What::Vanished { .. } => "vanishes without a sign".to_owned(),
        What::Reconnected { before, .. } => format!("is p{before} again"),
        What::Hibernated { peers, bytes } => format!("hibernates: {peers} peers in {bytes} bytes"),
        What::Restarted => "restarts".to_owned(),
        What::Jumped {
            jump: Jump::Forward(by),
        } => {
            format!("has its clock set forward by {:.1} s", by.as_secs_f64())
        }
        What::Jumped {
            jump: Jump::Back(by),
        } => {
            format!("has its clock set back by {:.1} s", by.as_secs_f64())
        }
    }
}

fn names(peers: &[PeerId]) -> String {
    let names: Vec<String> = peers.iter().map(|peer| format!("p{peer}")).collect();
    names.join(" ")
}

/// A message without the noise that all share: `publish "topic":"t1","n":4,"clients":2`.
struct Short<'a>(&'a str);

impl fmt::Display for Short<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const CHARS_MAX: usize = 100;
        let inside = self
            .0
            .strip_prefix("{\"type\":\"")
            .and_then(|text| text.strip_suffix('}'));
        let text = match inside.and_then(|text| text.split_once('"')) {
            Some((kind, "")) => kind.to_owned(),
            Some((kind, members)) => format!("{kind} {}", members.trim_start_matches(',')),
            None => self.0.to_owned(),
        };
        for char in text.chars().take(CHARS_MAX) {
            write!(f, "{}", if char.is_control() { '·' } else { char })?;
        }
        match text.chars().count() {
            ..=CHARS_MAX => Ok(()),
            _ => write!(f, "… ({} bytes)", self.0.len()),
        }
    }
}

/// What is worth saying about how a message was judged.
struct Remark(Option<Outcome>);

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(Outcome::Subscribed {
                skipped,
                limit: Some(limit),
                ..
            }) => write!(f, "   ({skipped} skipped: {limit})"),
            Some(Outcome::Subscribed {
                skipped: skipped @ 1..,
                ..
            }) => write!(f, "   ({skipped} skipped)"),
            Some(Outcome::Published { deliveries: 0 }) => write!(f, "   (to nobody)"),
            Some(Outcome::Ignored(why)) => write!(f, "   (ignored: {})", why.name()),
            Some(Outcome::Held(reason)) => write!(f, "   (refused: {})", reason.name()),
            None => write!(f, "   (too late)"),
            Some(
                Outcome::Subscribed { .. }
                | Outcome::Unsubscribed { .. }
                | Outcome::Published { .. }
                | Outcome::Ponged,
            ) => Ok(()),
        }
    }
}
