use std::collections::{BTreeMap, BTreeSet};

use signal_core::PeerId;

use super::failure::{Broken, Promise};

/// A subscriber has reached its home for sure after that, and a publish its subscribers.
const SURE_MILLIS: u64 = 12_000;

/// A home has forgotten for sure after that who has left.
const FORGOTTEN_MILLIS: u64 = 30_000;

/// Writes down what people say and hear, and compares it with the promises.
#[derive(Debug, Default)]
pub(super) struct Judge {
    connections: BTreeMap<PeerId, Connection>,
    /// By their numbers.
    publishes: Vec<Published>,
    /// Who has heard whom.
    met: BTreeSet<(usize, usize)>,
    /// When a node came or went, or a topic moved, for any node.
    changes: Vec<u64>,
    /// When each person came, and to which node.
    arrived: BTreeMap<usize, (u64, usize)>,
    pub(super) received: u64,
    /// How long the bus may take beside that.
    delay_millis: u64,
}

/// One connection of a person, to one topic.
#[derive(Debug)]
struct Connection {
    person: usize,
    topic: usize,
    host: usize,
    /// Whether it is subscribed, and not only publishes.
    listens: bool,
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
    /// Deliveries on other nodes to peers that were there for some time, while no node came or
    /// went.
    heard: u32,
    /// How many of them its peer was charged for at once, and how many later.
    charged: u32,
    owed: Option<u32>,
}

/// What a text that was delivered says.
struct Heard {
    number: usize,
    clients: usize,
}

impl Judge {
    /// Judges what is a matter of time for a bus that takes so long.
    pub(super) const fn expect_delays(&mut self, millis: u64) {
        self.delay_millis = millis;
    }

    pub(super) fn connect(
        &mut self,
        now: u64,
        id: PeerId,
        (person, topic, host): (usize, usize, usize),
        listens: bool,
    ) {
        self.arrived.entry(person).or_insert((now, host));
        let connection = Connection {
            person,
            topic,
            host,
            listens,
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
        self.arrived.remove(&person);
        self.met
            .retain(|(listener, speaker)| *listener != person && *speaker != person);
    }

    /// A person publishes, with the number that is returned.
    pub(super) fn publish(&mut self, now: u64, by: PeerId) -> usize {
        self.publishes.push(Published {
            by,
            at: now,
            heard: 0,
            charged: 0,
            owed: None,
        });
        self.publishes.len() - 1
    }

    /// A node came or went, or a topic moved.
    pub(super) fn change(&mut self, now: u64) {
        if self.changes.last() != Some(&now) {
            self.changes.push(now);
        }
    }

    /// A publish was charged for.
    pub(super) fn charge(&mut self, number: u64, deliveries: u32) {
        if let Some(publish) = self.publishes.get_mut(number as usize) {
            publish.charged = deliveries;
        }
    }

    /// And, on this node, for more.
    pub(super) fn owe(&mut self, host: usize, number: u64, deliveries: u32) -> Result<(), Broken> {
        let publish = &mut self.publishes[number as usize];
        if self.connections[&publish.by].host != host {
            let problem = format!("node {host} is to charge for publish {number} of another one");
            return Err(Broken(Promise::Alone, problem));
        }
        if publish.owed.replace(deliveries).is_some() {
            let problem = format!("publish {number} is charged for again");
            return Err(Broken(Promise::Charge, problem));
        }
        Ok(())
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
        let changed_at = self.changes.last().copied().unwrap_or(0);
        let (speaks_at, said_at) = (self.connections[&published.by].host, published.at);
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
        // A pass reaches those as well who came too late for the home to count them.
        let was_counted = connection.since + SURE_MILLIS <= said_at;
        if connection.host != speaks_at && said_at > changed_at && was_counted {
            self.publishes[heard.number].heard += 1;
        }
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
        let forgotten = FORGOTTEN_MILLIS + self.delay_millis;
        let mut connections = self.connections.values();
        connections.any(|one| {
            let lately = one.until.saturating_add(forgotten) >= now;
            one.host == host && one.topic == topic && lately
        })
    }

    /// The pairs that should have met, all of which have.
    pub(super) fn inspect_meetings(&self) -> Result<u64, Broken> {
        let mut pairs = 0;
        let present: Vec<_> = self
            .connections
            .values()
            .filter(|connection| connection.until == u64::MAX && connection.listens)
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
                if one.topic != by.topic || one.host == by.host || !was_there || !one.listens {
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

impl Judge {
    /// How many pairs that have met came to two nodes while none could hear another.
    pub(super) fn apart(&self, outages: &[(u64, u64)]) -> u64 {
        let came = |person: &usize| self.arrived.get(person).copied();
        let both = |(one, other): &&(usize, usize)| {
            let (Some(one), Some(other)) = (came(one), came(other)) else {
                return false;
            };
            let mut outages = outages.iter();
            one.1 != other.1
                && outages
                    .any(|(begin, end)| [one, other].iter().all(|(at, _)| begin < at && at < end))
        };
        self.met.iter().filter(both).count() as u64
    }

    /// M7: how many publishes were charged for as they were delivered. Only those count during
    /// which no node came or went.
    pub(super) fn inspect_charges(&self, now: u64) -> Result<u64, Broken> {
        let mut charges = 0;
        let forgotten = FORGOTTEN_MILLIS + self.delay_millis;
        for (number, publish) in self.publishes.iter().enumerate() {
            let from = publish.at.saturating_sub(SURE_MILLIS);
            let next = self.changes.partition_point(|at| *at < from);
            let changed_at = self.changes.get(next).copied().unwrap_or(u64::MAX);
            let sure = publish.at + SURE_MILLIS;
            let late = sure + self.delay_millis;
            if changed_at <= late || sure > now {
                continue;
            }
            let charged = publish.charged + publish.owed.unwrap_or(0);
            let by = &self.connections[&publish.by];
            let connections = self.connections.values();
            let possible = connections.filter(|one| {
                let has_left = one.until.saturating_add(forgotten) < publish.at;
                let was_there = one.since <= late && !has_left;
                one.topic == by.topic && one.host != by.host && one.listens && was_there
            });
            let possible = possible.count() as u32;
            if charged < publish.heard || charged > possible {
                let Published { heard, at, .. } = publish;
                let problem = format!(
                    "publish {number} of {at} was heard {heard} times elsewhere, of {possible}, and charged {charged}"
                );
                return Err(Broken(Promise::Charge, problem));
            }
            charges += u64::from(publish.heard > 0);
        }
        Ok(charges)
    }

    /// How many publishes were charged for later.
    pub(super) fn owed(&self) -> u64 {
        let owed = self.publishes.iter().filter(|one| one.owed.is_some());
        owed.count() as u64
    }
}

/// The number of the publish that a text is.
pub(super) fn number_of(text: &str) -> u64 {
    read(text).number as u64
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
