use std::collections::BTreeMap;
use std::time::Duration;

use signal_core::{Instant, PeerId};

use crate::frame::{Down, End, Up};
use crate::link::Link;
use crate::rng::Rng;
use crate::transcript::{Transcript, What};

/// The links of a world, the time, and what is due next on which link.
#[derive(Clone, Debug)]
pub(crate) struct Net {
    pub(crate) now: Instant,
    pub(crate) links: BTreeMap<PeerId, Link>,
    pub(crate) transcript: Transcript,
    pub(crate) rng: Rng,
    pub(crate) jitter_max: Duration,
    /// By time, then in the order of planning.
    agenda: BTreeMap<(Instant, u64), Due>,
    planned: u64,
    /// Entries of the agenda that are more than pings and pongs.
    busy: usize,
}

#[derive(Clone, Copy, Debug)]
struct Due {
    peer: PeerId,
    part: Part,
    is_liveness: bool,
}

/// Where on its link something is due.
#[derive(Clone, Copy, Debug)]
enum Part {
    /// A frame arrives at the host.
    Up,
    /// The client is ready to read from the host's queue.
    Queue,
    /// A frame arrives at the client.
    Down,
}

impl Net {
    pub(crate) fn new(rng: Rng, jitter_max: Duration, transcript: Transcript) -> Self {
        Self {
            now: Instant::ZERO,
            links: BTreeMap::new(),
            transcript,
            rng,
            jitter_max,
            agenda: BTreeMap::new(),
            planned: 0,
            busy: 0,
        }
    }

    /// When something is due next.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.agenda.first_key_value().map(|((at, _), _)| *at)
    }

    /// Whether nothing is under way but pings and pongs.
    pub(crate) const fn is_quiet(&self) -> bool {
        self.busy == 0
    }

    /// Does what is due next. Returns what has arrived at a host, if that is what was due.
    pub(crate) fn step(&mut self) -> Option<(PeerId, Up)> {
        let ((at, _), due) = self.agenda.pop_first()?;
        self.now = self.now.max(at);
        self.busy -= usize::from(!due.is_liveness);
        let link = self.links.get_mut(&due.peer)?;
        if link.is_severed {
            return None;
        }
        match due.part {
            Part::Up => return link.up.pop(self.now).map(|frame| (due.peer, frame)),
            Part::Queue => {
                link.is_read_planned = false;
                self.pump(due.peer);
            }
            Part::Down if link.is_stalled => {}
            Part::Down => {
                if let Some(frame) = link.down.pop(self.now) {
                    self.arrive(due.peer, frame);
                }
            }
        }
        None
    }

    /// Puts what a client sends onto its link.
    pub(crate) fn send_up(&mut self, peer: PeerId, frame: Up) {
        let jitter = self.rng.duration(Duration::ZERO, self.jitter_max);
        let Some(link) = self.links.get_mut(&peer) else {
            return;
        };
        let at = self.now.saturating_add(link.delay + jitter);
        let is_liveness = matches!(frame, Up::Pong);
        let at = link.up.push(at, frame);
        self.plan(
            at,
            Due {
                peer,
                part: Part::Up,
                is_liveness,
            },
        );
    }

    /// Moves frames from the host's queue onto the link, as far as the client reads.
    pub(crate) fn pump(&mut self, peer: PeerId) {
        while let Some(link) = self.links.get_mut(&peer) {
            if link.is_stalled || link.is_severed || link.queue.len() == 0 {
                return;
            }
            if link.reads_at > self.now {
                let at = link.reads_at;
                if std::mem::replace(&mut link.is_read_planned, true) {
                    return;
                }
                return self.plan(
                    at,
                    Due {
                        peer,
                        part: Part::Queue,
                        is_liveness: false,
                    },
                );
            }
            let Some(frame) = link.queue.pop() else {
                return;
            };
            link.reads_at = self.now.saturating_add(link.pace);
            let is_liveness = matches!(frame, Down::Ping);
            let jitter = self.rng.duration(Duration::ZERO, self.jitter_max);
            let at = link
                .down
                .push(self.now.saturating_add(link.delay + jitter), frame);
            self.plan(
                at,
                Due {
                    peer,
                    part: Part::Down,
                    is_liveness,
                },
            );
        }
    }

    /// Delivers what a client that reads again has missed.
    pub(crate) fn resume(&mut self, peer: PeerId) {
        let Some(link) = self.links.get_mut(&peer) else {
            return;
        };
        let missed: Vec<Instant> = link.down.arrivals().collect();
        for at in missed {
            let at = at.max(self.now);
            self.plan(
                at,
                Due {
                    peer,
                    part: Part::Down,
                    is_liveness: false,
                },
            );
        }
        self.pump(peer);
    }

    /// Ends the client's side at once.
    pub(crate) fn end_client(&mut self, peer: PeerId, end: End) {
        let Some(link) = self.links.get_mut(&peer) else {
            return;
        };
        if link.client.end.is_some() {
            return;
        }
        link.client.end = Some(end.clone());
        link.down.clear();
        let room = link.room;
        self.transcript
            .add(self.now, room, What::Ended { peer, end });
    }

    /// A frame reaches its client.
    fn arrive(&mut self, peer: PeerId, frame: Down) {
        let Some(link) = self.links.get_mut(&peer) else {
            return;
        };
        if link.client.end.is_some() {
            return;
        }
        match frame {
            Down::Text(message) => {
                link.client.received.push_back(message.clone());
                let room = link.room;
                self.transcript
                    .add(self.now, room, What::Received { peer, message });
            }
            Down::Ping => self.send_up(peer, Up::Pong),
            Down::End(end) => self.end_client(peer, end),
        }
    }

    fn plan(&mut self, at: Instant, due: Due) {
        self.busy += usize::from(!due.is_liveness);
        self.agenda.insert((at, self.planned), due);
        self.planned += 1;
    }
}
