//! How connections end, and what happens with time.

use signal_conformance::Event;

use crate::fault::Fault;
use crate::limits::{
    Budget, CLOSE_HOLD, KEEPALIVE_INTERVAL, MESSAGES_BURST, MESSAGES_PER_SECOND, PING_INTERVAL,
    STRIKES_BURST, STRIKES_PER_SECOND,
};
use crate::relay::{PeerId, Relay};

impl Relay {
    /// Ends subscriptions at once, and the connection after the hold.
    pub(crate) fn refuse(&mut self, id: PeerId, code: u16) {
        self.draining |= self.has(Fault::OneCloseShutsTheDoor);
        let until = self.now + CLOSE_HOLD;
        let counted = self.has(Fault::RefusedPeerCounted) || self.has(Fault::RefusedPeerRead);
        let peer = self.peer(id);
        if peer.refused.is_none() {
            peer.refused = Some((until, code));
            if !counted {
                peer.topics.clear();
            }
        }
    }

    pub(crate) fn close(&mut self, id: PeerId, code: u16) {
        let code = if self.has(Fault::CloseCodeNotEchoed) {
            1000
        } else {
            code
        };
        if self.has(Fault::CloseEndsOthers) {
            let all: Vec<_> = self.peers.keys().copied().collect();
            all.into_iter().for_each(|other| self.end(other, code));
        }
        if self.has(Fault::LastPublishLostOnClose) {
            for (_, peer) in self.peers.iter_mut().filter(|(other, _)| **other != id) {
                peer.inbox.pop_back();
            }
        }
        let keeps = self.has(Fault::CountStaleAfterClose);
        self.leave(id, code, keeps);
    }

    pub(crate) fn abort(&mut self, id: PeerId) {
        let keeps = self.has(Fault::CountStaleAfterAbort);
        self.leave(id, 1006, keeps);
    }

    pub(crate) fn leave(&mut self, id: PeerId, code: u16, keeps: bool) {
        let topics = self.peers[&id].topics.clone();
        self.end(id, code);
        if keeps {
            self.peer(id).topics = topics;
        }
    }

    pub(crate) fn end(&mut self, id: PeerId, code: u16) {
        let peer = self.peers.get_mut(&id).expect("peers are never removed");
        if peer.ended {
            return;
        }
        peer.ended = true;
        peer.inbox.push_back(Event::Closed {
            code,
            reason: String::new(),
        });
        let (name, topics) = (peer.name.clone(), std::mem::take(&mut peer.topics));
        self.ghosts.insert(name, topics.into_iter().collect());
    }

    /// Refuses newcomers and ends all peers.
    pub(crate) fn drain(&mut self) {
        self.draining = !self.has(Fault::DrainStillAccepts);
        let code = if self.has(Fault::DrainSaysNothing) {
            1006
        } else {
            1012
        };
        let ids: Vec<_> = self.peers.keys().copied().collect();
        ids.into_iter().for_each(|id| self.end(id, code));
    }

    pub(crate) fn restart(&mut self) {
        self.draining = false;
        let ids: Vec<_> = self.peers.keys().copied().collect();
        ids.into_iter().for_each(|id| self.end(id, 1006));
    }

    pub(crate) fn hibernate(&mut self) {
        let (now, faults) = (self.now, self.faults);
        for peer in self.peers.values_mut() {
            if faults.has(Fault::HibernationForgetsSubscriptions) {
                peer.topics.clear();
            }
            if faults.has(Fault::HibernationForgetsGrants) {
                peer.grant = None;
            }
            if let Some(grant) = &mut peer.grant {
                if faults.has(Fault::HibernationForgetsSizes) {
                    grant.clients_max.clear();
                }
            }
            if faults.has(Fault::HibernationRevivesUnsubscribed) {
                peer.topics.append(&mut peer.unsubscribed);
            }
            if faults.has(Fault::HibernationForgetsBudgets) {
                peer.messages = Budget::new(now, MESSAGES_BURST, MESSAGES_PER_SECOND);
                peer.strikes = Budget::new(now, STRIKES_BURST, STRIKES_PER_SECOND);
            }
        }
    }

    /// When the next timer is due.
    pub(crate) fn next_timer(&self) -> Option<u64> {
        let live = self.peers.values().filter(|peer| !peer.ended);
        live.flat_map(|peer| {
            [
                Some(peer.next_ping),
                Some(peer.ponged + KEEPALIVE_INTERVAL),
                peer.refused.map(|(until, _)| until),
                peer.expires,
            ]
        })
        .flatten()
        .min()
    }

    /// Acts on all timers that are due.
    pub(crate) fn handle_timers(&mut self) {
        let (now, faults) = (self.now, self.faults);
        let ids: Vec<_> = self.peers.keys().copied().collect();
        for id in ids {
            let peer = self.peer(id);
            if peer.ended {
                continue;
            }
            if let Some((_, code)) = peer.refused.filter(|(until, _)| *until <= now) {
                self.end(id, code);
                continue;
            }
            if peer.expires.is_some_and(|expires| expires <= now) {
                peer.expires = None;
                if !faults.has(Fault::ExpiryIgnored) {
                    self.refuse(id, 4401);
                }
                continue;
            }
            if peer.ponged + KEEPALIVE_INTERVAL <= now {
                peer.ponged = now;
                if !faults.has(Fault::KeepaliveMissing) {
                    self.send(id, r#"{"type":"pong"}"#);
                }
            }
            let peer = self.peer(id);
            if peer.next_ping <= now {
                peer.next_ping += PING_INTERVAL;
                let idle = peer.topics.is_empty() && faults.has(Fault::IdlePeerClosed);
                if !peer.heard && !faults.has(Fault::VanishedPeerKept) || idle {
                    self.end(id, 4408);
                    continue;
                }
                peer.heard = !peer.paused && !faults.has(Fault::PongsAreNoLife);
            }
        }
    }
}
