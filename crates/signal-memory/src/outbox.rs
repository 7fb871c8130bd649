use std::collections::BTreeSet;

use signal_core::{CloseReason, Message, PeerId, Sink};

use crate::RoomId;
use crate::frame::Down;
use crate::net::Net;
use crate::transcript::What;

/// Puts what a room asks for into the peers' queues, and remembers whose are full.
pub(crate) struct Outbox<'a> {
    pub(crate) net: &'a mut Net,
    pub(crate) room: RoomId,
    pub(crate) frames_max: usize,
    pub(crate) bytes_max: usize,
    pub(crate) full: BTreeSet<PeerId>,
}

impl Outbox<'_> {
    fn queue(&mut self, peer: PeerId, frame: Down) {
        let Some(link) = self.net.links.get_mut(&peer) else {
            return;
        };
        if link.is_over_at_host || self.full.contains(&peer) {
            return;
        }
        if !link.queue.offer(frame, self.frames_max, self.bytes_max) {
            self.full.insert(peer);
            return;
        }
        self.net.pump(peer);
    }
}

impl Sink for Outbox<'_> {
    fn send(&mut self, to: &[PeerId], message: &Message) {
        let what = What::Sent {
            to: to.into(),
            message: message.clone(),
        };
        self.net.transcript.add(self.net.now, self.room, what);
        for peer in to {
            self.queue(*peer, Down::Text(message.clone()));
        }
    }

    fn ping(&mut self, to: PeerId) {
        self.net
            .transcript
            .add(self.net.now, self.room, What::Pinged { peer: to });
        self.queue(to, Down::Ping);
    }

    fn close(&mut self, peer: PeerId, reason: CloseReason) {
        let waiting = self.net.links.get(&peer).map_or(0, |link| link.queue.len());
        self.net.transcript.add(
            self.net.now,
            self.room,
            What::Closed {
                peer,
                reason,
                waiting,
            },
        );
        let Some(link) = self.net.links.get_mut(&peer) else {
            return;
        };
        if std::mem::replace(&mut link.is_over_at_host, true) {
            return;
        }
        link.queue.push(Down::End(reason.into()));
        self.net.pump(peer);
    }
}
