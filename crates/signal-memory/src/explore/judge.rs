use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use signal_core::{CloseReason, Instant, Message, Outcome, Output, PeerId, Room};

use super::explain::{About, Problem, first_difference};
use super::intent::{Access, Intent, Payload};
use super::naive::NaiveRoom;
use super::stats::Stats;
use crate::{Config, Jump, Line, RoomId, What, World};

/// Reads the transcript of a world line by line and holds it against what should be.
///
/// Three witnesses: a [`NaiveRoom`] says what each call must cause; a twin room that never hibernates says what the room would
/// do if it never did; and each client's own list says what it must receive, in which order.
#[derive(Debug)]
pub(super) struct Judge {
    pub(super) stats: Stats,
    rooms: Vec<Bench>,
    dossiers: BTreeMap<PeerId, Dossier>,
    /// How many lines have been read.
    read: usize,
    frames_max: usize,
    bytes_max: usize,
    ping_interval: Duration,
}

/// What is known about one room.
#[derive(Debug)]
struct Bench {
    naive: NaiveRoom,
    twin: Room,
    /// The latest time its clock has shown.
    clock: Instant,
    has_jumped: bool,
    /// What the call that is being read must cause, and what it has caused so far.
    expected: Vec<Output>,
    actual: Vec<Output>,
}

/// What is known about one peer.
#[derive(Debug)]
pub(super) struct Dossier {
    room: RoomId,
    pub(super) access: Access,
    pub(super) expires: Option<Instant>,
    /// What it has sent and the room has not yet read.
    pub(super) sent: VecDeque<(Intent, Payload)>,
    /// What the room has sent and it has not yet received.
    due: VecDeque<Message>,
    /// It never stalled, vanished or read slowly, so it must get everything and must never be timed out.
    pub(super) is_healthy: bool,
    /// It may miss what was due: it was too slow, left without waiting, or vanished.
    pub(super) may_miss: bool,
    heard_at: Instant,
    has_left: bool,
}

impl Judge {
    pub(super) fn new(config: &Config) -> Self {
        let bench = |_| Bench {
            naive: NaiveRoom::new(config.limits.clone()),
            twin: Room::new(config.limits.clone()),
            clock: Instant::ZERO,
            has_jumped: false,
            expected: Vec::new(),
            actual: Vec::new(),
        };
        Self {
            stats: Stats {
                worlds: 1,
                ..Stats::default()
            },
            rooms: (0..config.rooms).map(bench).collect(),
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
        let dossier = Dossier {
            room,
            access,
            expires,
            sent: VecDeque::new(),
            due: VecDeque::new(),
            is_healthy: true,
            may_miss: false,
            heard_at: Instant::ZERO,
            has_left: false,
        };
        self.dossiers.insert(peer, dossier);
    }

    pub(super) fn dossier(&mut self, peer: PeerId) -> Option<&mut Dossier> {
        self.dossiers.get_mut(&peer)
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
        for room in 0..self.rooms.len() {
            self.conclude_call(RoomId(room))?;
            self.inspect(RoomId(room), world)?;
        }
        Ok(())
    }

    /// After time has passed: no deadline may have been missed and no silent peer may still be there.
    pub(super) fn judge_time(&self, world: &World) -> Result<(), Problem> {
        for (number, bench) in self.rooms.iter().enumerate() {
            let room = RoomId(number);
            let clock = world.clock(room);
            if bench.naive.due().is_some_and(|due| due < clock) {
                return Err(Problem::new(
                    room,
                    About::Room,
                    "a deadline has passed and was not acted on".to_owned(),
                ));
            }
            for peer in bench
                .naive
                .peers
                .iter()
                .filter(|(_, naive)| naive.held.is_none())
                .map(|(peer, _)| *peer)
            {
                let silent_for = clock.saturating_since(self.dossiers[&peer].heard_at);
                if self.ping_interval > Duration::ZERO && silent_for > 2 * self.ping_interval {
                    let text = format!(
                        "p{peer} has been silent for more than two intervals and is still there"
                    );
                    return Err(Problem::new(room, About::Peer(peer), text));
                }
            }
        }
        Ok(())
    }

    /// At the end, when all is delivered that can be.
    pub(super) fn judge_end(&self) -> Result<(), Problem> {
        for (peer, dossier) in &self.dossiers {
            let Some(message) = dossier.due.front().filter(|_| !dossier.may_miss) else {
                continue;
            };
            let text = format!("p{peer} never received {}", message.as_str());
            return Err(Problem::new(dossier.room, About::Peer(*peer), text));
        }
        Ok(())
    }

    fn read(&mut self, line: &Line, world: &World) -> Result<(), Problem> {
        let room = line.room;
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
                self.rooms[room.0].naive.pong(*clock, *peer);
                self.rooms[room.0].twin.pong(*clock, *peer);
            }
            What::Left {
                peer, was_reset, ..
            } => {
                self.leave(room, *peer)?;
                self.dossiers.get_mut(peer).expect("it connected").may_miss |= *was_reset;
            }
            What::Deadline { clock } => {
                let bench = self.call(room, *clock)?;
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
                self.wake(room, world)?;
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
        bench.naive.connect(clock, peer, access, expires);
        bench.twin.connect(clock, peer, access.grant(expires));
        self.hear(room, peer, clock)
    }

    fn message(
        &mut self,
        room: RoomId,
        peer: PeerId,
        text: &Message,
        outcome: Outcome,
        clock: Instant,
    ) -> Result<(), Problem> {
        self.hear(room, peer, clock)?;
        let dossier = self.dossiers.get_mut(&peer).expect("it connected");
        let (intent, payload) = dossier
            .sent
            .pop_front()
            .expect("only what was sent arrives");
        let bench = &mut self.rooms[room.0];
        let mut twin = Vec::new();
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
        let (expected_outcome, expected) = bench.naive.message(clock, peer, &intent);
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
        self.dossiers.get_mut(&peer).expect("it connected").heard_at = heard_at;
        Ok(())
    }

    fn leave(&mut self, room: RoomId, peer: PeerId) -> Result<(), Problem> {
        let bench = self.call(room, Instant::ZERO)?;
        bench.naive.forget(peer);
        bench.twin.disconnect(peer);
        self.dossiers.get_mut(&peer).expect("it connected").has_left = true;
        Ok(())
    }

    fn slow_consumer(&mut self, room: RoomId, peer: PeerId, waiting: usize) -> Result<(), Problem> {
        // No message is longer than the longest a peer may send, and `clients`.
        const MESSAGE_BYTES_MAX: usize = 250;
        let dossier = self.dossiers.get_mut(&peer).expect("it connected");
        let bytes: usize = dossier
            .due
            .iter()
            .map(|message| message.as_bytes().len())
            .sum();
        if waiting < self.frames_max && bytes + MESSAGE_BYTES_MAX <= self.bytes_max {
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
        let dossier = self.dossiers.get_mut(&peer).expect("it connected");
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
                _ => text,
            };
            return Err(Problem::new(room, about, text));
        }
        for output in expected {
            let Output::Send { to, message } = output else {
                continue;
            };
            for peer in to {
                self.dossiers
                    .get_mut(&peer)
                    .expect("it connected")
                    .due
                    .push_back(message.clone());
            }
        }
        Ok(())
    }

    /// A room that has woken up must be as one that never slept.
    fn wake(&self, room: RoomId, world: &World) -> Result<(), Problem> {
        let (woken, twin) = (world.room(room), &self.rooms[room.0].twin);
        let lost = twin
            .peers()
            .find(|peer| woken.snapshot(*peer) != twin.snapshot(*peer));
        match lost {
            Some(peer) => {
                let text = format!("p{peer} is not after hibernation what it was before");
                Err(Problem::new(room, About::Peer(peer), text))
            }
            None => Ok(()),
        }
    }

    /// Looks at a room at rest.
    fn inspect(&self, room: RoomId, world: &World) -> Result<(), Problem> {
        let (actual, Bench { naive, twin, .. }) = (world.room(room), &self.rooms[room.0]);
        let problem = |about, text| Err(Problem::new(room, about, text));
        if let Some(ghost) = actual.peers().find(|peer| !naive.peers.contains_key(peer)) {
            return problem(
                About::Peer(ghost),
                format!("p{ghost} has left and the room still knows it"),
            );
        }
        if let Some(lost) = naive
            .peers
            .keys()
            .find(|peer| actual.peer(**peer).is_none())
        {
            return problem(
                About::Peer(*lost),
                format!("p{lost} is connected and the room does not know it"),
            );
        }
        let listed = actual
            .topics()
            .iter()
            .flat_map(|(topic, peers)| peers.iter().map(move |peer| (topic, *peer)));
        if !listed.eq(naive.pairs.iter().map(|(topic, peer)| (*topic, *peer))) {
            return problem(
                About::Room,
                format!("{:?} is not {:?}", actual.topics(), naive.pairs),
            );
        }
        let of_peers: BTreeSet<(&str, PeerId)> = actual
            .peers()
            .filter_map(|peer| Some((peer, actual.peer(peer).filter(|state| !state.is_held())?)))
            .flat_map(|(peer, state)| state.topics().map(move |topic| (topic, peer)))
            .collect();
        if !of_peers.iter().eq(naive.pairs.iter()) {
            return problem(
                About::Room,
                "the peers' own topics are not the room's".to_owned(),
            );
        }
        if actual.poll_timeout() != naive.due() || twin.poll_timeout() != naive.due() {
            return problem(
                About::Room,
                format!(
                    "the next deadline is {:?}, not {:?}",
                    actual.poll_timeout(),
                    naive.due()
                ),
            );
        }
        for peer in naive.peers.keys() {
            let (frames, bytes) = world.waiting(*peer);
            if frames > self.frames_max || bytes > self.bytes_max {
                return problem(
                    About::Peer(*peer),
                    format!("{frames} messages wait for p{peer}, too many"),
                );
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
