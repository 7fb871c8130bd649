//! Nodes around a bus that loses nothing, unless a test does.

use std::collections::BTreeMap;
use std::time::Duration;

use signal_cluster::wire::{Beat, LinkState, VERSION};
use signal_cluster::{Bus, Cluster, Config, Local, Node, NodeId, Payer, Stats};
use signal_core::{Instant, Publish};

/// What nodes have sent: to whom, or to all.
#[derive(Default)]
pub struct Wire(pub Vec<(Option<NodeId>, Vec<u8>)>);

impl Bus for Wire {
    fn to(&mut self, node: NodeId, message: &[u8]) {
        self.0.push((Some(node), message.to_vec()));
    }

    fn to_all(&mut self, message: &[u8]) {
        self.0.push((None, message.to_vec()));
    }
}

/// A node without peers.
pub struct Nobody;

impl Local for Nobody {
    fn topics(&mut self, _: &mut dyn FnMut(&str, u32)) {}
    fn pass(&mut self, _: &Publish<'_>, _: u32) {}
    fn elsewhere(&mut self, _: &str, _: u32) {}
    fn reach(&mut self, _: &str, _: u32) {}
    fn owe(&mut self, _: u64, _: u32, _: usize) {}
    fn announce_again(&mut self, _: &str, _: Instant) {}
}

/// What a node's peers are subscribed to, and what they got.
#[derive(Default)]
pub struct Peers {
    pub topics: BTreeMap<String, u32>,
    /// How often a node has asked for the topics.
    pub asked: u32,
    pub passed: Vec<String>,
    pub elsewhere: Vec<(String, u32)>,
    pub reach: Vec<(String, u32)>,
    /// Who owes how many deliveries.
    pub owed: Vec<(u64, u32)>,
    pub nudged: Vec<(String, Instant)>,
}

impl Local for Peers {
    fn topics(&mut self, name: &mut dyn FnMut(&str, u32)) {
        self.asked += 1;
        for (topic, subscribers) in &self.topics {
            name(topic, *subscribers);
        }
    }

    fn pass(&mut self, publish: &Publish<'_>, elsewhere: u32) {
        let text = publish.encode(elsewhere as usize);
        self.passed.push(text.as_str().to_owned());
    }

    fn elsewhere(&mut self, topic: &str, subscribers: u32) {
        self.elsewhere.push((topic.to_owned(), subscribers));
    }

    fn reach(&mut self, topic: &str, subscribers: u32) {
        self.reach.push((topic.to_owned(), subscribers));
    }

    fn owe(&mut self, peer: u64, deliveries: u32, _: usize) {
        self.owed.push((peer, deliveries));
    }

    fn announce_again(&mut self, topic: &str, since: Instant) {
        self.nudged.push((topic.to_owned(), since));
    }
}

pub struct Host {
    pub cluster: Cluster,
    pub peers: Peers,
}

impl Host {
    pub fn new(now: Instant, id: u64, config: Config) -> Self {
        Self {
            cluster: Cluster::new(now, NodeId::new(id), 0, config),
            peers: Peers::default(),
        }
    }
}

/// Nodes 1, 2 and so on, that have known each other for some time.
pub struct Nodes {
    pub now: Instant,
    pub hosts: Vec<Host>,
    /// Who sent what to whom; what a test leaves in it is lost.
    pub sent: Vec<(usize, Option<NodeId>, Vec<u8>)>,
    /// All that has been carried by itself, from the beginning.
    pub recorded: Vec<(usize, Option<NodeId>, Vec<u8>)>,
    /// Whether a message is lost.
    pub loses: fn(usize, usize, &[u8]) -> bool,
}

impl Nodes {
    pub fn new(count: u64) -> Self {
        Self::with(count, Config::default())
    }

    pub fn with(count: u64, config: Config) -> Self {
        let now = Instant::ZERO;
        let mut nodes = Self {
            now,
            hosts: (1..=count)
                .map(|id| Host::new(now, id, config.clone()))
                .collect(),
            sent: Vec::new(),
            recorded: Vec::new(),
            loses: |_, _, _| false,
        };
        nodes.advance(5_000);
        nodes
    }

    /// Another node starts.
    pub fn start(&mut self) {
        self.start_as(self.hosts.len() as u64 + 1);
    }

    /// A node starts with this id, which another one may have.
    pub fn start_as(&mut self, id: u64) {
        let host = Host::new(self.now, id, Config::default());
        self.hosts.push(host);
    }

    /// Lets time pass, in steps of 10 ms.
    pub fn advance(&mut self, millis: u64) {
        for _ in 0..millis.div_ceil(10) {
            self.settle();
            self.now = Instant::from_millis(self.now.as_millis() + 10);
        }
        self.settle();
    }

    /// All that is due happens, and all that was sent arrives.
    pub fn settle(&mut self) {
        for host in &mut self.hosts {
            host.cluster.handle_timeout(self.now, &mut host.peers);
        }
        while self.flush() {
            for (from, to, message) in std::mem::take(&mut self.sent) {
                self.carry(from, to, &message);
                self.recorded.push((from, to, message));
            }
        }
    }

    /// Puts what nodes have to send into `sent`. False if there is nothing.
    pub fn flush(&mut self) -> bool {
        for (number, host) in self.hosts.iter_mut().enumerate() {
            let mut wire = Wire::default();
            host.cluster.flush(&mut wire);
            let sent = wire
                .0
                .into_iter()
                .map(|(to, message)| (number, to, message));
            self.sent.extend(sent);
        }
        !self.sent.is_empty()
    }

    pub fn carry(&mut self, from: usize, to: Option<NodeId>, message: &[u8]) {
        for (number, host) in self.hosts.iter_mut().enumerate() {
            let is_meant = to.is_none_or(|to| to == host.cluster.node().id);
            if number != from && is_meant && !(self.loses)(from, number, message) {
                host.cluster.receive(self.now, message, &mut host.peers);
            }
        }
    }

    pub fn local(&mut self, host: usize, topic: &str, subscribers: u32) {
        let Host { cluster, peers } = &mut self.hosts[host];
        cluster.local(self.now, topic, subscribers);
        match subscribers {
            0 => peers.topics.remove(topic),
            _ => peers.topics.insert(topic.to_owned(), subscribers),
        };
    }

    pub fn publish(&mut self, host: usize, topic: &str, data: u64) {
        self.publish_by(host, topic, data, None);
    }

    pub fn publish_by(&mut self, host: usize, topic: &str, data: u64, payer: Option<Payer>) {
        let text = format!(r#"{{"type":"publish","topic":"{topic}","data":{data}}}"#);
        let message = Publish::read(&text).expect("a publish").encode(1);
        let cluster = &mut self.hosts[host].cluster;
        cluster.publish(self.now, topic, &message, payer);
    }

    /// How many publishes the peers of each node have heard of others.
    pub fn heard(&self) -> Vec<usize> {
        let hosts = self.hosts.iter();
        hosts.map(|host| host.peers.passed.len()).collect()
    }

    /// How often the peers of each node were to announce again.
    pub fn nudged(&self) -> Vec<usize> {
        let hosts = self.hosts.iter();
        hosts.map(|host| host.peers.nudged.len()).collect()
    }

    pub fn stats(&self, host: usize) -> Stats {
        *self.hosts[host].cluster.stats()
    }

    /// A topic that has its home on this host.
    pub fn topic_at(&self, host: usize) -> String {
        let node = self.hosts[host].cluster.node();
        let mut topics = (0..).map(|number| format!("topic-{number}"));
        topics
            .find(|topic| self.hosts[host].cluster.home(topic) == node)
            .expect("there is one")
    }
}

/// A beat of a grown node, which has been there for so many milliseconds.
pub fn beat(from: Node, uptime: u64, links: Vec<LinkState>) -> Beat {
    Beat {
        from,
        newest: VERSION,
        is_draining: false,
        is_young: false,
        leaves: false,
        view: 0,
        uptime: Duration::from_millis(uptime),
        links,
    }
}
