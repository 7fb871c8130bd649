use std::collections::BTreeMap;
use std::sync::Arc;

use signal_cluster::{Bus, Cluster, Config, Local, NodeId, Parts, Payer};
use signal_core::{Grant, Hub, Instant, Limits, Message, Peer, PeerId, Publish, Topics};

use super::judge::number_of;

/// A node: peers, topics, and its part of the cluster. It moves messages and time, and decides
/// nothing.
#[derive(Debug)]
pub(super) struct Host {
    pub(super) id: NodeId,
    pub(super) seed: u64,
    pub(super) cluster: Cluster,
    peers: BTreeMap<PeerId, Peer>,
    room: LocalRoom,
    limits: Arc<Limits>,
}

/// The local peers of a node, as the cluster sees them.
#[derive(Debug, Default)]
pub(super) struct LocalRoom {
    topics: Topics,
    /// Subscribers on other nodes, where there are some.
    elsewhere: BTreeMap<String, u32>,
    /// The same of topics without subscribers here.
    reach: BTreeMap<String, u32>,
    /// When each peer published last.
    published: BTreeMap<PeerId, Instant>,
    out: Out,
}

/// What a node has done in a turn.
#[derive(Debug, Default)]
pub(super) struct Out {
    /// Messages that peers got.
    pub(super) delivered: Vec<(PeerId, Message)>,
    /// For how many deliveries elsewhere publishes were charged at once, by their numbers.
    pub(super) charged: Vec<(u64, u32)>,
    /// And for how many more later.
    pub(super) owed: Vec<(u64, u32)>,
    /// Peers that are to announce again.
    pub(super) nudged: Vec<PeerId>,
    /// Messages for one node or for all.
    pub(super) sent: Vec<(Option<NodeId>, Vec<u8>)>,
}

impl Host {
    pub(super) fn new(now: Instant, id: NodeId, seed: u64, config: Config, parts: Parts) -> Self {
        let mut limits = Limits::default();
        limits.ping_interval = std::time::Duration::ZERO;
        Self {
            id,
            seed,
            cluster: Cluster::with_parts(now, id, seed, config, parts),
            peers: BTreeMap::new(),
            room: LocalRoom::default(),
            limits: Arc::new(limits),
        }
    }

    pub(super) fn connect(&mut self, now: Instant, id: PeerId) {
        let peer = Peer::new(self.limits.clone(), Grant::open(), now);
        self.peers.insert(id, peer);
    }

    pub(super) fn say(&mut self, now: Instant, id: PeerId, text: &str) {
        let mut turn = Turn {
            id,
            now,
            cluster: &mut self.cluster,
            room: &mut self.room,
        };
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.receive(now, text, &mut turn);
        }
    }

    pub(super) fn disconnect(&mut self, now: Instant, id: PeerId) {
        let mut turn = Turn {
            id,
            now,
            cluster: &mut self.cluster,
            room: &mut self.room,
        };
        if let Some(mut peer) = self.peers.remove(&id) {
            peer.leave(&mut turn);
        }
        self.room.published.remove(&id);
    }

    pub(super) fn receive(&mut self, now: Instant, message: &[u8]) {
        self.cluster.receive(now, message, &mut self.room);
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        self.cluster.handle_timeout(now, &mut self.room);
    }

    /// Ends the turn.
    pub(super) fn take_out(&mut self) -> Out {
        self.cluster.flush(&mut self.room.out);
        std::mem::take(&mut self.room.out)
    }

    pub(super) fn leave(&mut self) -> Out {
        self.cluster.leave(&mut self.room.out);
        std::mem::take(&mut self.room.out)
    }

    pub(super) fn subscribers(&self, topic: &str) -> &[PeerId] {
        self.room.topics.subscribers(topic)
    }

    pub(super) fn elsewhere(&self, topic: &str) -> u32 {
        self.room.elsewhere.get(topic).copied().unwrap_or(0)
    }
}

/// What one peer's requests are carried out on.
struct Turn<'h> {
    id: PeerId,
    now: Instant,
    cluster: &'h mut Cluster,
    room: &'h mut LocalRoom,
}

impl Turn<'_> {
    fn count(&mut self, topic: &str) {
        let subscribers = self.room.topics.subscribers(topic).len() as u32;
        if subscribers == 0 {
            self.room.elsewhere.remove(topic);
        }
        self.cluster.local(self.now, topic, subscribers);
    }
}

impl Hub for Turn<'_> {
    fn subscribe(&mut self, topic: &Arc<str>, clients_max: usize) -> bool {
        if self.subscribers(topic) >= clients_max {
            return false;
        }
        self.room.topics.subscribe(self.id, topic);
        self.count(topic);
        true
    }

    fn subscribers(&self, topic: &str) -> usize {
        let elsewhere = self.room.elsewhere.get(topic).copied().unwrap_or(0);
        self.room.topics.subscribers(topic).len() + elsewhere as usize
    }

    fn unsubscribe(&mut self, topic: &str) {
        self.room.topics.unsubscribe(self.id, topic);
        self.count(topic);
    }

    fn publish(&mut self, publish: &Publish<'_>) -> usize {
        self.room.published.insert(self.id, self.now);
        let elsewhere = self
            .room
            .elsewhere
            .get(publish.topic())
            .copied()
            .unwrap_or(0);
        let reach = self.room.reach.get(publish.topic()).copied().unwrap_or(0);
        let charged = elsewhere.max(reach);
        let clients = self.room.deliver(publish, elsewhere);
        let message = publish.encode(clients);
        let peer = number_of(message.as_str());
        self.room.out.charged.push((peer, charged));
        let payer = Some(Payer { peer, charged });
        self.cluster
            .publish(self.now, publish.topic(), &message, payer);
        clients
    }

    fn pong(&mut self) {}
}

impl LocalRoom {
    fn deliver(&mut self, publish: &Publish<'_>, elsewhere: u32) -> usize {
        let subscribers = self.topics.subscribers(publish.topic());
        let clients = subscribers.len() + elsewhere as usize;
        let message = publish.encode(clients);
        let all = subscribers.iter().map(|peer| (*peer, message.clone()));
        self.out.delivered.extend(all);
        clients
    }
}

impl Local for LocalRoom {
    fn topics(&mut self, name: &mut dyn FnMut(&str, u32)) {
        for (topic, subscribers) in self.topics.iter() {
            name(topic, subscribers.len() as u32);
        }
    }

    fn pass(&mut self, publish: &Publish<'_>, elsewhere: u32) {
        self.deliver(publish, elsewhere);
    }

    fn elsewhere(&mut self, topic: &str, subscribers: u32) {
        if subscribers == 0 {
            self.elsewhere.remove(topic);
        } else {
            self.elsewhere.insert(topic.to_owned(), subscribers);
        }
    }

    fn reach(&mut self, topic: &str, subscribers: u32) {
        if subscribers == 0 {
            self.reach.remove(topic);
        } else {
            self.reach.insert(topic.to_owned(), subscribers);
        }
    }

    fn owe(&mut self, peer: u64, deliveries: u32, _message_bytes: usize) {
        self.out.owed.push((peer, deliveries));
    }

    fn announce_again(&mut self, topic: &str, since: Instant) {
        let subscribers = self.topics.subscribers(topic).iter();
        let published = &self.published;
        let late = subscribers.filter(|peer| published.get(peer).is_some_and(|at| *at >= since));
        self.out.nudged.extend(late);
    }
}

impl Bus for Out {
    fn to(&mut self, node: NodeId, message: &[u8]) {
        self.sent.push((Some(node), message.to_vec()));
    }

    fn to_all(&mut self, message: &[u8]) {
        self.sent.push((None, message.to_vec()));
    }
}
