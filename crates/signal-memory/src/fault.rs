use signal_core::{CloseReason, Grant, Instant, Message, Peer, PeerId, Room, Sink, client};

use crate::Config;

/// A rule that a world breaks on purpose, so that a check can be seen to notice.
///
/// A simulation that never fails proves nothing by itself. Set one of these as
/// [`Config::fault`](crate::Config::fault) or [`Plan::fault`](crate::Plan::fault) and the world
/// misbehaves now and then, as a host with that bug would.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Fault {
    /// A receiver gets a publish twice.
    Duplicate,
    /// A receiver does not get a publish.
    Lose,
    /// `clients` is one too many.
    Miscount,
    /// Values are written anew: the publish is not relayed as sent.
    Reencode,
    /// A peer that is not subscribed gets a publish.
    Misdeliver,
    /// The answer to a ping goes to another peer.
    MisdirectPong,
    /// A queue hands two messages out in the wrong order.
    SwapInQueue,
    /// A message overtakes another on its way to the relay.
    OvertakeUp,
    /// The host does not tell the room that a connection has ended.
    KeepGhost,
    /// A full queue ends nobody: it grows.
    GrowQueue,
    /// A full queue ends nobody: what does not fit is dropped.
    DropWhenFull,
    /// A queue is taken to be full when it is half full.
    ShrinkQueue,
    /// Deadlines pass and nothing is done.
    MissDeadlines,
    /// Deadlines are acted on, but pings are not sent.
    SwallowPings,
    /// Pongs are not passed on.
    SwallowPongs,
    /// The room says that a peer is closed, and the host leaves it connected.
    LeaveOpen,
    /// A peer does not survive hibernation.
    ForgetPeer,
    /// Subscriptions do not survive hibernation.
    ForgetTopics,
    /// Budgets are full again after hibernation.
    ForgetBudgets,
    /// Limits are twice what they should be.
    LaxLimits,
    /// Limits are half of what they should be.
    StrictLimits,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 21] = [
        Self::Duplicate,
        Self::Lose,
        Self::Miscount,
        Self::Reencode,
        Self::Misdeliver,
        Self::MisdirectPong,
        Self::SwapInQueue,
        Self::OvertakeUp,
        Self::KeepGhost,
        Self::GrowQueue,
        Self::DropWhenFull,
        Self::ShrinkQueue,
        Self::MissDeadlines,
        Self::SwallowPings,
        Self::SwallowPongs,
        Self::LeaveOpen,
        Self::ForgetPeer,
        Self::ForgetTopics,
        Self::ForgetBudgets,
        Self::LaxLimits,
        Self::StrictLimits,
    ];
}

impl Fault {
    /// Whether this fault strikes when the peer at this place of the list wakes up.
    pub(crate) fn spoils_waking(self, place: usize) -> bool {
        let is_first = place == 0;
        matches!(self, Self::ForgetTopics | Self::ForgetBudgets)
            || (self == Self::ForgetPeer && is_first)
    }

    /// Wakes a peer up wrongly.
    pub(crate) fn wake(self, clock: Instant, peer: PeerId, asleep: &Room, woken: &mut Room) {
        if self == Self::ForgetPeer {
            return;
        }
        woken.connect(clock, peer, Grant::open());
        if self == Self::ForgetTopics {
            return;
        }
        for topic in asleep.peer(peer).into_iter().flat_map(Peer::topics) {
            woken.receive(clock, peer, &client::subscribe([topic]), &mut Vec::new());
        }
    }
}

/// How a host with this world's fault, if it has one, reads its settings.
pub(crate) fn distorted(config: &Config) -> Config {
    let mut config = config.clone();
    let limits = &mut config.limits;
    let budgets = [
        &mut limits.messages_burst,
        &mut limits.pings_burst,
        &mut limits.strikes_burst,
        &mut limits.topics_per_peer_max,
    ];
    match config.fault {
        Some(Fault::LaxLimits) => budgets.into_iter().for_each(|budget| *budget *= 2),
        Some(Fault::StrictLimits) => budgets.into_iter().for_each(|budget| *budget /= 2),
        Some(Fault::ShrinkQueue) => {
            config.outbound_frames_max /= 2;
            config.outbound_bytes_max /= 2;
        }
        _ => {}
    }
    config
}

/// A sink that breaks one rule on the way to another.
pub(crate) struct FaultySink<'a> {
    pub(crate) fault: Fault,
    /// Counts the calls, so that most go well: a fault that strikes always is too easy to find.
    pub(crate) calls: &'a mut u64,
    /// All peers of the room, for what goes to the wrong one.
    pub(crate) peers: &'a [PeerId],
    pub(crate) inner: &'a mut dyn Sink,
}

impl FaultySink<'_> {
    fn strikes(&mut self) -> bool {
        *self.calls += 1;
        *self.calls % 3 == 0
    }

    fn stranger(&self, to: &[PeerId]) -> Option<PeerId> {
        self.peers.iter().copied().find(|peer| !to.contains(peer))
    }
}

impl Sink for FaultySink<'_> {
    fn send(&mut self, to: &[PeerId], message: &Message) {
        let is_pong = *message == Message::PONG;
        if is_pong != (self.fault == Fault::MisdirectPong) || !self.strikes() {
            return self.inner.send(to, message);
        }
        let text = message.as_str();
        match (self.fault, to) {
            (Fault::MisdirectPong, _) => match self.stranger(to) {
                Some(stranger) => self.inner.send(&[stranger], message),
                None => self.inner.send(to, message),
            },
            (Fault::Duplicate, [.., last]) => self.inner.send(&[to, &[*last]].concat(), message),
            (Fault::Lose, [rest @ .., _]) => {
                if !rest.is_empty() {
                    self.inner.send(rest, message);
                }
            }
            (Fault::Miscount, _) => {
                let count = format!("\"clients\":{}}}", to.len());
                let wrong = format!("\"clients\":{}}}", to.len() + 1);
                self.inner.send(to, &text.replace(&count, &wrong).into());
            }
            (Fault::Reencode, _) => self.inner.send(to, &text.replace("1.0", "1").into()),
            (Fault::Misdeliver, _) => {
                self.inner.send(to, message);
                if let Some(stranger) = self.stranger(to) {
                    self.inner.send(&[stranger], message);
                }
            }
            _ => self.inner.send(to, message),
        }
    }

    fn ping(&mut self, to: PeerId) {
        if self.fault != Fault::SwallowPings {
            self.inner.ping(to);
        }
    }

    fn close(&mut self, peer: PeerId, reason: CloseReason) {
        if self.fault != Fault::LeaveOpen {
            self.inner.close(peer, reason);
        }
    }
}
