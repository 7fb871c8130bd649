use std::time::Duration;

use signal_core::{PeerId, Room};

use super::evidence::Bench;
use super::explain::{About, Problem};
use super::judge::Judge;
use crate::naive::NaiveRoom;
use crate::{RoomId, World};

/// What is wrong, and whom it is about.
type Finding = Option<(About, String)>;

/// What must hold of a world at rest, whatever has led to it.
impl Judge {
    /// Looks at a room between two calls.
    pub(super) fn inspect(&mut self, room: RoomId, world: &World) -> Result<(), Problem> {
        let Bench {
            naive,
            twin,
            acted_at,
            ..
        } = &mut self.rooms[room.0];
        let actual = world.room(room);
        let next = actual.poll_timeout();
        let finding = if acted_at
            .take()
            .is_some_and(|clock| next.is_some_and(|next| next < clock))
        {
            Some((
                About::Room,
                "the next deadline has passed already".to_owned(),
            ))
        } else if next != naive.due() || next != twin.poll_timeout() {
            let text = format!("the next deadline is {next:?}, not {:?}", naive.due());
            Some((About::Room, text))
        } else {
            peers(actual, naive)
                .or_else(|| topics(actual, naive))
                .or_else(|| self.queues(room, world))
        };
        report(room, finding)
    }

    /// A room that has woken up must be as one that never slept.
    pub(super) fn inspect_woken(&self, room: RoomId, world: &World) -> Result<(), Problem> {
        let (woken, twin) = (world.room(room), &self.rooms[room.0].twin);
        let lost = twin
            .peers()
            .find(|peer| woken.snapshot(*peer) != twin.snapshot(*peer));
        let text = |peer| format!("p{peer} came out of hibernation changed");
        report(room, lost.map(|peer| (About::Peer(peer), text(peer))))
    }

    /// After time has passed: no deadline may have been missed, and no silent peer may still be
    /// there.
    pub(super) fn inspect_time(&self, world: &World) -> Result<(), Problem> {
        for (number, bench) in self.rooms.iter().enumerate() {
            let room = RoomId(number);
            let clock = world.clock(room);
            if bench.naive.due().is_some_and(|due| due < clock) {
                let text = "a deadline has passed and was not acted on".to_owned();
                return Err(Problem::new(room, About::Room, text));
            }
            let interval = self.ping_interval;
            let is_silent =
                |peer: &PeerId| clock.saturating_since(self.dossiers[peer].heard_at) > 2 * interval;
            let served = bench
                .naive
                .peers
                .iter()
                .filter(|(_, peer)| peer.held.is_none());
            let mut ghosts = served.map(|(peer, _)| *peer).filter(is_silent);
            if let Some(peer) = ghosts.next().filter(|_| interval > Duration::ZERO) {
                let text = format!("p{peer} has been silent for two intervals and is still there");
                return Err(Problem::new(room, About::Peer(peer), text));
            }
        }
        Ok(())
    }

    /// At the end, when all is delivered that can be.
    pub(super) fn inspect_end(&self) -> Result<(), Problem> {
        for (peer, dossier) in self
            .dossiers
            .iter()
            .filter(|(_, dossier)| !dossier.may_miss)
        {
            if let Some(message) = dossier.due.front() {
                let text = format!("p{peer} never received {}", message.as_str());
                return Err(Problem::new(dossier.room, About::Peer(*peer), text));
            }
        }
        Ok(())
    }

    /// Queues must be bounded.
    fn queues(&self, room: RoomId, world: &World) -> Finding {
        let here = self.rooms[room.0].naive.peers.keys();
        let is_over = |peer: &&PeerId| {
            let (frames, bytes) = world.waiting(**peer);
            frames > self.frames_max || bytes > self.bytes_max
        };
        let peer = *here.into_iter().find(is_over)?;
        let (frames, bytes) = world.waiting(peer);
        let text = format!(
            "{frames} messages of {bytes} bytes wait for p{peer}, more than its queue may hold"
        );
        Some((About::Peer(peer), text))
    }
}

fn report(room: RoomId, finding: Finding) -> Result<(), Problem> {
    match finding {
        Some((about, text)) => Err(Problem::new(room, about, text)),
        None => Ok(()),
    }
}

/// A room must know exactly the peers that are connected.
fn peers(actual: &Room, naive: &NaiveRoom) -> Finding {
    let ghost = actual.peers().find(|peer| !naive.peers.contains_key(peer));
    let lost = naive
        .peers
        .keys()
        .find(|peer| actual.peer(**peer).is_none());
    match (ghost, lost) {
        (Some(peer), _) => Some((
            About::Peer(peer),
            format!("p{peer} has left and the room still knows it"),
        )),
        (None, Some(peer)) => Some((
            About::Peer(*peer),
            format!("p{peer} is connected and the room does not know it"),
        )),
        (None, None) => None,
    }
}

/// What the room has by topic, what it has by peer, and what is right must be the same.
fn topics(actual: &Room, naive: &NaiveRoom) -> Finding {
    let by_topic = actual.topics().iter();
    let by_topic =
        by_topic.flat_map(|(topic, peers)| peers.iter().map(move |peer| (&**topic, *peer)));
    if !by_topic.eq(naive.pairs.iter().copied()) {
        let text = format!("the room has {:?}, not {:?}", actual.topics(), naive.pairs);
        return Some((About::Room, text));
    }
    if actual.topics().iter().any(|(_, peers)| peers.is_empty()) {
        return Some((
            About::Room,
            "a topic without subscribers is kept".to_owned(),
        ));
    }
    let mut count = 0;
    let states = actual
        .peers()
        .filter_map(|peer| Some((peer, actual.peer(peer)?)));
    for (peer, state) in states.filter(|(_, state)| !state.is_held()) {
        count += state.topics().len();
        if let Some(topic) = state
            .topics()
            .find(|topic| !naive.pairs.contains(&(*topic, peer)))
        {
            let text = format!("p{peer} believes itself subscribed to {topic:?} and is not");
            return Some((About::Peer(peer), text));
        }
    }
    let text = || "a peer does not know all its subscriptions".to_owned();
    (count != naive.pairs.len()).then(|| (About::Room, text()))
}
