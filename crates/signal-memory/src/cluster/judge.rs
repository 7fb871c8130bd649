use std::collections::{BTreeMap, BTreeSet};

use signal_core::PeerId;

use super::failure::{Broken, Promise};

/// A subscriber has reached its home for sure after that, and a publish its subscribers.
const SURE_MILLIS: u64 = 12_000;

/// Writes down what people say and hear, and compares it with the promises.
#[derive(Debug, Default)]
pub(super) struct Judge {
    connections: BTreeMap<PeerId, Connection>,
    /// By their numbers.
    publishes: Vec<Published>,
    /// Who has heard whom.
    met: BTreeSet<(usize, usize)>,
    /// When the last node came or went, or the last topic moved, for any node.
    pub(super) changed_at: u64,
    pub(super) received: u64,
}

/// One connection of a person, to one topic.
#[derive(Debug)]
struct Connection {
    person: usize,
    topic: usize,
    host: usize,
    since: u64,
    until: u64,
    heard: BTreeSet<usize>,
    /// The highest publish heard of each peer.
    latest: BTreeMap<PeerId, usize>,
}

#[derive(Debug)]
struct Published {
    by: PeerId,
    at: u64,
}

/// What a text that was delivered says.
struct Heard {
    number: usize,
    clients: usize,
}

impl Judge {
    pub(super) fn connect(
        &mut self,
        now: u64,
        id: PeerId,
        (person, topic, host): (usize, usize, usize),
    ) {
        let connection = Connection {
            person,
            topic,
            host,
            since: now,
            until: u64::MAX,
            heard: BTreeSet::new(),
            latest: BTreeMap::new(),
        };
        self.connections.insert(id, connection);
    }

    pub(super) fn disconnect(&mut self, now: u64, id: PeerId) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.until = now;
        }
    }

    /// A person starts again, and has to meet all others.
    pub(super) fn forget(&mut self, person: usize) {
        self.met
            .retain(|(listener, speaker)| *listener != person && *speaker != person);
    }

    /// A person publishes, with the number that is returned.
    pub(super) fn publish(&mut self, now: u64, by: PeerId) -> usize {
        self.publishes.push(Published { by, at: now });
        self.publishes.len() - 1
    }

    pub(super) fn publishes(&self) -> u64 {
        self.publishes.len() as u64
    }

    /// A peer got a text. `clients` is what it has to say, if that is known for sure.
    pub(super) fn hear(
        &mut self,
        id: PeerId,
        text: &str,
        clients: impl Fn(usize) -> Option<usize>,
    ) -> Result<(), Broken> {
        let heard = read(text);
        let published = &self.publishes[heard.number];
        let speaker = self.connections[&published.by].person;
        let changed_at = self.changed_at;
        let at = |number: usize| self.publishes[number].at;
        let connection = self.connections.get_mut(&id).expect("it has connected");
        self.received += 1;
        self.met.insert((connection.person, speaker));
        if !connection.heard.insert(heard.number) {
            let problem = format!("{id:?} got publish {} twice", heard.number);
            return Err(Broken(Promise::Once, problem));
        }
        let latest = connection
            .latest
            .entry(published.by)
            .or_insert(heard.number);
        if *latest > heard.number && at(heard.number) > changed_at {
            let problem = format!("{id:?} got publish {} before {}", latest, heard.number);
            return Err(Broken(Promise::Order, problem));
        }
        *latest = heard.number.max(*latest);
        match clients(connection.topic) {
            Some(clients) if clients != heard.clients => {
                let problem = format!("{text} says it to {id:?}, and there are {clients}");
                Err(Broken(Promise::Count, problem))
            }
            _ => Ok(()),
        }
    }

    /// All local subscribers have heard a publish.
    pub(super) fn inspect_local(&self, number: usize, local: &[PeerId]) -> Result<(), Broken> {
        let is_deaf = |id: &&PeerId| !self.connections[id].heard.contains(&number);
        match local.iter().find(is_deaf) {
            None => Ok(()),
            Some(id) => {
                let problem = format!("{id:?} did not get publish {number} of its node at once");
                Err(Broken(Promise::Local, problem))
            }
        }
    }

    /// Whether a node had subscribers of a topic lately.
    pub(super) fn had_subscribers(&self, now: u64, host: usize, topic: usize) -> bool {
        let mut connections = self.connections.values();
        connections.any(|one| {
            let lately = one.until.saturating_add(30_000) >= now;
            one.host == host && one.topic == topic && lately
        })
    }

    /// The pairs that should have met, all of which have.
    pub(super) fn inspect_meetings(&self) -> Result<u64, Broken> {
        let mut pairs = 0;
        let present: Vec<_> = self
            .connections
            .values()
            .filter(|connection| connection.until == u64::MAX)
            .collect();
        for (place, one) in present.iter().enumerate() {
            for other in present[..place]
                .iter()
                .filter(|other| other.topic == one.topic)
            {
                pairs += 1;
                let (one, other) = (one.person, other.person);
                if !self.met.contains(&(one, other)) && !self.met.contains(&(other, one)) {
                    let problem = format!("person {other} and person {one} never met");
                    return Err(Broken(Promise::Meet, problem));
                }
            }
        }
        Ok(pairs)
    }

    /// How many publishes had to arrive somewhere, all of which have. For worlds in which nothing
    /// may be lost.
    pub(super) fn inspect_losses(
        &self,
        now: u64,
        ended_at: impl Fn(usize) -> u64,
    ) -> Result<u64, Broken> {
        let mut arrivals = 0;
        for (number, publish) in self.publishes.iter().enumerate() {
            let by = &self.connections[&publish.by];
            let sure = publish.at + SURE_MILLIS;
            if sure > now || ended_at(by.host) < sure {
                continue;
            }
            for (id, one) in &self.connections {
                let was_there = one.since + SURE_MILLIS <= publish.at && one.until > sure;
                if one.topic != by.topic || one.host == by.host || !was_there {
                    continue;
                }
                arrivals += 1;
                if !one.heard.contains(&number) {
                    let problem = format!("{id:?} never got publish {number} of {}", publish.at);
                    return Err(Broken(Promise::Once, problem));
                }
            }
        }
        Ok(arrivals)
    }
}

fn read(text: &str) -> Heard {
    let number = |key: &str| {
        let rest = text.split(key).nth(1).expect("each text has it");
        let digits = rest.split(|digit: char| !digit.is_ascii_digit()).next();
        digits
            .and_then(|digits| digits.parse().ok())
            .expect("it is a number")
    };
    Heard {
        number: number("\"n\":"),
        clients: number("\"clients\":"),
    }
}
