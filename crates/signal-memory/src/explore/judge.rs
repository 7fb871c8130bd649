use std::collections::BTreeMap;
use std::time::Duration;

use signal_core::{CloseReason, Instant, Message, Outcome, Output, PeerId};

use super::evidence::{Bench, Dossier};
use super::explain::{About, Problem, first_difference};
use super::intent::{Access, Payload};
use super::stats::Stats;
use crate::{Config, Jump, Line, RoomId, What, World};

/// Reads the transcript of a world line by line and holds it against what should be.
///
/// Three witnesses: a naive room says what each call must cause; a twin room that never hibernates
/// says what the room would do if it never did; and each client's own list says what it must
/// receive, in which order.
#[derive(Debug)]
pub(super) struct Judge {
    pub(super) stats: Stats,
    pub(super) rooms: Vec<Bench>,
    pub(super) dossiers: BTreeMap<PeerId, Dossier>,
    /// How many lines have been read.
    read: usize,
    pub(super) frames_max: usize,
    pub(super) bytes_max: usize,
    pub(super) ping_interval: Duration,
}

impl Judge {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            stats: Stats {
                worlds: 1,
                ..Stats::default()
            },
            rooms: (0..config.rooms)
                .map(|_| Bench::new(&config.limits))
                .collect(),
            dossiers: BTreeMap::new(),
            read: 0,
            frames_max: config.outbound_frames_max,
            bytes_max: config.outbound_bytes_max,
            ping_interval: config.limits.ping_interval,
        }
    }

    /// Opens the dossier of a peer that has just connected.
    pub(super) fn open(
        &mut self,
        peer: PeerId,
        room: RoomId,
        access: Access,
        expires: Option<Instant>,
    ) {
        self.dossiers
            .insert(peer, Dossier::new(room, access, expires));
    }

    /// The dossier of a peer that has connected.
    pub(super) fn dossier(&mut self, peer: PeerId) -> &mut Dossier {
        self.dossiers
            .get_mut(&peer)
            .expect("each peer has a dossier from its connect on")
    }

    /// All peers there have been.
    pub(super) fn peers(&self) -> Vec<PeerId> {
        self.dossiers.keys().copied().collect()
    }

    /// Reads the lines that are new and looks at the rooms as they are now.
    pub(super) fn judge(&mut self, world: &World) -> Result<(), Problem> {
        for number in self.read..world.transcript().len() {
            self.read = number + 1;
            let line = world
                .transcript()
                .get(number)
                .expect("the judge reads before lines are dropped");
            self.stats.count(line);
            self.read(line, world)?;
        }
        for room in (0..self.rooms.len()).map(RoomId) {
            if std::mem::take(&mut self.rooms[room.0].has_news) {
                self.conclude_call(room)?;
                self.inspect(room, world)?;
            }
        }
        Ok(())
    }

    fn read(&mut self, line: &Line, world: &World) -> Result<(), Problem> {
        let room = line.room;
        // What reaches a client changes nothing at the room.
        let is_news = !matches!(line.what, What::Received { .. } | What::Ended { .. });
        self.rooms[room.0].has_news |= is_news;
        match &line.what {
            What::Sent { to, message } => {
                let output = Output::Send {
                    to: to.to_vec(),
                    message: message.clone(),
                };
                self.rooms[room.0].actual.push(output);
            }
            What::Pinged { peer } => self.rooms[room.0].actual.push(Output::Ping(*peer)),
            What::Closed {
                peer,
                reason: CloseReason::SlowConsumer,
                waiting,
            } => {
                self.conclude_call(room)?;
                self.slow_consumer(room, *peer, *waiting)?;
            }
            What::Closed {
                peer,
                reason: CloseReason::Draining,
                ..
            } => self.leave(room, *peer)?,
            What::Closed { peer, reason, .. } => {
                self.rooms[room.0]
                    .actual
                    .push(Output::Close(*peer, *reason));
                self.timed_out_rightly(room, *peer, *reason)?;
            }
            What::Connected { peer, clock, .. } => self.connect(room, *peer, *clock)?,
            What::Message {
                peer,
                text,
                outcome,
                clock,
            } => {
                self.message(room, *peer, text, *outcome, *clock)?;
            }
            What::Pong { peer, clock } => {
                self.hear(room, *peer, *clock)?;
                let bench = &mut self.rooms[room.0];
                let expected = bench.naive.frame(*clock, *peer, 0);
                let outcome = bench.twin.receive_frame(*clock, *peer, 0);
                if outcome != expected {
                    let text =
                        format!("a pong of p{peer} came to {outcome:?}, not to {expected:?}");
                    return Err(Problem::new(room, About::Peer(*peer), text));
                }
            }
            What::Left {
                peer, was_reset, ..
            } => {
                self.leave(room, *peer)?;
                self.dossier(*peer).may_miss |= *was_reset;
            }
            What::Deadline { clock } => {
                let bench = self.call(room, *clock)?;
                bench.acted_at = Some(*clock);
                bench.expected = bench.naive.deadlines(*clock);
                let mut twin = Vec::new();
                bench.twin.handle_timeout(*clock, &mut twin);
                compare_twin(room, &bench.expected, &twin)?;
            }
            What::Refused {
                peer,
                reason,
                clock,
            } => {
                let bench = self.call(room, *clock)?;
                bench.naive.refuse(*clock, *peer, *reason);
                bench.twin.refuse(*clock, *peer, *reason);
            }
            What::Received { peer, message } => self.receive(room, *peer, message)?,
            What::Hibernated { .. } => {
                self.conclude_call(room)?;
                self.inspect_woken(room, world)?;
            }
            What::Restarted => {
                let bench = self.call(room, Instant::ZERO)?;
                for peer in std::mem::take(&mut bench.naive.peers).into_keys() {
                    bench.twin.disconnect(peer);
                }
                bench.naive.pairs.clear();
            }
            What::Jumped { jump } => self.jump(room, *jump, world),
            What::Stalled { .. }
            | What::Resumed { .. }
            | What::Vanished { .. }
            | What::Reconnected { .. }
            | What::Ended { .. } => {}
        }
        Ok(())
    }

    /// Begins to read a call of a room: the one before is complete.
    fn call(&mut self, room: RoomId, clock: Instant) -> Result<&mut Bench, Problem> {
        self.conclude_call(room)?;
        let bench = &mut self.rooms[room.0];
        bench.clock = bench.clock.max(clock);
        Ok(bench)
    }

    fn connect(&mut self, room: RoomId, peer: PeerId, clock: Instant) -> Result<(), Problem> {
        let Dossier {
            access, expires, ..
        } = self.dossiers[&peer];
        let bench = self.call(room, clock)?;
        bench.naive.connect(clock, peer, access.rights(), expires);
        bench.twin.connect(clock, peer, access.grant(expires));
        self.hear(room, peer, clock)
    }

    fn message(
        &mut self,
        room: RoomId,
        peer: PeerId,
        text: &Message,
        outcome: Option<Outcome>,
        clock: Instant,
    ) -> Result<(), Problem> {
        self.hear(room, peer, clock)?;
        let dossier = self.dossier(peer);
        let (intent, payload) = dossier
            .sent
            .pop_front()
            .expect("only what was sent arrives");
        let bench = &mut self.rooms[room.0];
        let mut twin = Vec::new();
        let bytes = match &payload {
            Payload::Text(text) => text.len(),
            Payload::Binary(bytes) => bytes.len(),
        };
        let (written, twin_outcome) = match &payload {
            Payload::Text(text) => (
                text.clone(),
                bench.twin.receive(clock, peer, text, &mut twin),
            ),
            Payload::Binary(bytes) => {
                let written = String::from_utf8_lossy(bytes).into_owned();
                (
                    written,
                    bench.twin.receive_binary(clock, peer, bytes, &mut twin),
                )
            }
        };
        if written != text.as_str() {
            let text = format!(
                "{} overtook {written} on its way from p{peer}",
                text.as_str()
            );
            return Err(Problem::new(room, About::Peer(peer), text));
        }
        let (naive, meaning) = (&mut bench.naive, intent.meaning());
        let (expected_outcome, expected) = naive.message(clock, peer, &meaning, bytes);
        bench.expected = expected;
        if outcome != expected_outcome {
            let text =
                format!("{written} of p{peer} came to {outcome:?}, not to {expected_outcome:?}");
            return Err(Problem::new(room, About::Peer(peer), text));
        }
        compare_twin(room, &bench.expected, &twin)?;
        if twin_outcome != outcome {
            let text = format!(
                "{written} of p{peer} came to {outcome:?}, without hibernation to {twin_outcome:?}"
            );
            return Err(Problem::new(room, About::Peer(peer), text));
        }
        Ok(())
    }

    fn hear(&mut self, room: RoomId, peer: PeerId, clock: Instant) -> Result<(), Problem> {
        let heard_at = self.call(room, clock)?.clock;
        self.dossier(peer).heard_at = heard_at;
        Ok(())
    }

    fn leave(&mut self, room: RoomId, peer: PeerId) -> Result<(), Problem> {
        let bench = self.call(room, Instant::ZERO)?;
        bench.naive.forget(peer);
        bench.twin.disconnect(peer);
        self.dossier(peer).has_left = true;
        Ok(())
    }

    fn slow_consumer(&mut self, room: RoomId, peer: PeerId, waiting: usize) -> Result<(), Problem> {
        // No message is longer than the longest a peer may send, and `clients`.
        const MESSAGE_BYTES_MAX: usize = 250;
        let (frames_max, bytes_max) = (self.frames_max, self.bytes_max);
        let dossier = self.dossier(peer);
        let bytes: usize = dossier
            .due
            .iter()
            .map(|message| message.as_bytes().len())
            .sum();
        if waiting < frames_max && bytes + MESSAGE_BYTES_MAX <= bytes_max {
            let text = format!(
                "p{peer} was ended as a slow consumer with only {waiting} messages waiting"
            );
            return Err(Problem::new(room, About::Peer(peer), text));
        }
        if dossier.is_healthy {
            let text = format!("p{peer} was ended as a slow consumer although it reads");
            return Err(Problem::new(room, About::Peer(peer), text));
        }
        dossier.may_miss = true;
        self.leave(room, peer)
    }

    fn timed_out_rightly(
        &self,
        room: RoomId,
        peer: PeerId,
        reason: CloseReason,
    ) -> Result<(), Problem> {
        if reason == CloseReason::TimedOut
            && self.dossiers[&peer].is_healthy
            && !self.rooms[room.0].has_jumped
        {
            let text = format!("p{peer} was timed out although it answers");
            return Err(Problem::new(room, About::Peer(peer), text));
        }
        Ok(())
    }

    fn receive(&mut self, room: RoomId, peer: PeerId, message: &Message) -> Result<(), Problem> {
        self.conclude_call(room)?;
        let dossier = self.dossier(peer);
        let Some(due) = dossier.due.pop_front() else {
            let text = format!("p{peer} received {}, and nothing was due", message.as_str());
            return Err(Problem::new(room, About::Peer(peer), text));
        };
        if due != *message {
            let text = format!(
                "p{peer} received {}, and {} was due",
                message.as_str(),
                due.as_str()
            );
            return Err(Problem::new(room, About::Peer(peer), text));
        }
        Ok(())
    }

    fn jump(&mut self, room: RoomId, jump: Jump, world: &World) {
        let bench = &mut self.rooms[room.0];
        bench.has_jumped = true;
        if let Jump::Forward(_) = jump {
            bench.clock = bench.clock.max(world.clock(room));
        }
        let clock = bench.clock;
        self.dossiers
            .values_mut()
            .filter(|dossier| dossier.room == room)
            .for_each(|dossier| dossier.heard_at = clock);
    }

    /// What a call caused is complete: it must be what it should be, and its receivers must get it.
    fn conclude_call(&mut self, room: RoomId) -> Result<(), Problem> {
        let bench = &mut self.rooms[room.0];
        let expected = std::mem::take(&mut bench.expected);
        let actual = std::mem::take(&mut bench.actual);
        if let Some((about, text)) = first_difference(&expected, &actual) {
            let text = match about {
                About::Peer(peer) if self.dossiers[&peer].has_left => {
                    format!("{text}, and has left")
                }
                About::Peer(_) | About::Room => text,
            };
            return Err(Problem::new(room, about, text));
        }
        for output in expected {
            let Output::Send { to, message } = output else {
                continue;
            };
            for peer in to {
                self.dossier(peer).due.push_back(message.clone());
            }
        }
        Ok(())
    }
}

/// The twin, which never hibernates, must do what is right too.
fn compare_twin(room: RoomId, expected: &[Output], twin: &[Output]) -> Result<(), Problem> {
    match first_difference(expected, twin) {
        Some((about, text)) => Err(Problem::new(
            room,
            about,
            format!("without hibernation, {text}"),
        )),
        None => Ok(()),
    }
}
