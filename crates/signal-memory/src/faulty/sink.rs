use signal_core::{CloseReason, Message, PeerId, Sink};

use crate::Fault;

/// A sink that breaks one rule on the way to another.
pub(super) struct FaultySink<'a> {
    pub(super) fault: Fault,
    /// Counts the calls, so that most go well: a fault that strikes always is too easy to find.
    pub(super) calls: &'a mut u64,
    /// All peers of the room, for what goes to the wrong one.
    pub(super) peers: &'a [PeerId],
    pub(super) inner: &'a mut dyn Sink,
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
