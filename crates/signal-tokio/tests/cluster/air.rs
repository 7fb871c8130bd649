//! A bus of channels, with whatever can be wrong with a bus.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};

use signal_tokio::bytes::Bytes;
use signal_tokio::cluster::{Bus, BusHealth, NodeId};
use tokio::sync::mpsc;

/// What is between the nodes of a test.
#[derive(Clone, Default)]
pub(crate) struct Air(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    nodes: BTreeMap<NodeId, mpsc::UnboundedSender<Bytes>>,
    /// Who hears nobody and is not heard.
    cut: BTreeSet<NodeId>,
    rng: Option<fastrand::Rng>,
    /// Of a hundred messages.
    lost: u8,
    /// Of a hundred messages.
    repeated: u8,
    /// Of a hundred messages: those that the next one to the same node overtakes.
    late: u8,
    held: BTreeMap<NodeId, Bytes>,
    messages: u64,
}

impl Air {
    /// A node's end.
    pub(crate) fn join(&self, id: NodeId) -> Channel {
        let (sender, inbox) = mpsc::unbounded_channel();
        self.state().nodes.insert(id, sender);
        let air = self.clone();
        Channel { id, air, inbox }
    }

    /// Makes it lose, repeat and reorder so many of a hundred messages, by this seed.
    pub(crate) fn disturb(&self, seed: u64, lost: u8, repeated: u8, late: u8) {
        let mut state = self.state();
        state.rng = Some(fastrand::Rng::with_seed(seed));
        (state.lost, state.repeated, state.late) = (lost, repeated, late);
    }

    pub(crate) fn calm(&self) {
        let mut state = self.state();
        (state.lost, state.repeated, state.late) = (0, 0, 0);
    }

    pub(crate) fn cut(&self, id: NodeId) {
        self.state().cut.insert(id);
    }

    pub(crate) fn heal(&self, id: NodeId) {
        self.state().cut.remove(&id);
    }

    /// The bus of this node ends, as a process ends that stands between.
    pub(crate) fn end(&self, id: NodeId) {
        self.state().nodes.remove(&id);
    }

    /// Messages that were handed over.
    pub(crate) fn messages(&self) -> u64 {
        self.state().messages
    }

    /// Something that no node has sent.
    pub(crate) fn forge(&self, to: NodeId, message: &[u8]) {
        self.state().deliver(to, Bytes::copy_from_slice(message));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no panic")
    }
}

impl State {
    fn send(&mut self, from: NodeId, to: NodeId, message: &[u8]) {
        self.messages += 1;
        if self.cut.contains(&from) || self.cut.contains(&to) || self.happens(self.lost) {
            return;
        }
        let message = Bytes::copy_from_slice(message);
        let overtaken = self.held.remove(&to);
        if overtaken.is_none() && self.happens(self.late) {
            self.held.insert(to, message);
            return;
        }
        if self.happens(self.repeated) {
            self.deliver(to, message.clone());
        }
        self.deliver(to, message);
        if let Some(overtaken) = overtaken {
            self.deliver(to, overtaken);
        }
    }

    fn deliver(&mut self, to: NodeId, message: Bytes) {
        if let Some(node) = self.nodes.get(&to) {
            // A node that has just gone hears nothing.
            let _ = node.send(message);
        }
    }

    fn happens(&mut self, percent: u8) -> bool {
        let rng = self.rng.as_mut();
        rng.is_some_and(|rng| rng.u8(..100) < percent)
    }
}

/// A node's end of it.
pub(crate) struct Channel {
    id: NodeId,
    air: Air,
    inbox: mpsc::UnboundedReceiver<Bytes>,
}

impl Bus for Channel {
    fn to(&mut self, node: NodeId, message: &[u8]) {
        self.air.state().send(self.id, node, message);
    }

    fn to_all(&mut self, message: &[u8]) {
        let mut state = self.air.state();
        let others: Vec<_> = state.nodes.keys().copied().collect();
        for node in others {
            if node != self.id {
                state.send(self.id, node, message);
            }
        }
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        self.inbox.poll_recv(cx)
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }

    fn health(&self) -> BusHealth {
        let mut health = BusHealth::default();
        health.is_up = !self.air.state().cut.contains(&self.id);
        health
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        self.air.state().nodes.remove(&self.id);
    }
}
