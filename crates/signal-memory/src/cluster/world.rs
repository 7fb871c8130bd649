use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::rc::Rc;

use signal_cluster::{Config, Node, NodeId};
use signal_core::{Instant, PeerId};

use super::bus::Bus;
use super::failure::{Broken, Failure};
use super::fault::Fault;
use super::host::{Host, Out};
use super::judge::Judge;
use super::plan::Plan;
use super::stats::Stats;
use crate::rng::Rng;

/// Until then people come and things fail.
pub(super) const LIFE: u64 = 60_000;

/// M1: after a failure people have met within `cluster_dead_after` and 10 s of its end.
pub(super) const MEET: u64 = 15_000;

/// How long hosts spread the closes of those who are to announce again.
const NUDGES: u64 = 5_000;

/// The clocks of nodes begin there, so that they can be set back.
const DAY: i64 = 24 * 3_600_000;

/// Makes the world of this seed, lets it live, and checks the promises.
///
/// # Errors
///
/// The first promise that was broken, with what happened before.
pub fn simulate(seed: u64, plan: &Plan) -> Result<Stats, Box<Failure>> {
    let mut world = World::new(seed, plan);
    world.live().map_err(|Broken(promise, problem)| {
        Box::new(Failure {
            seed,
            at_millis: world.now,
            promise,
            problem,
            log: std::mem::take(&mut world.log),
        })
    })?;
    Ok(world.stats)
}

/// Nodes, the bus between them, and people.
pub(super) struct World {
    pub(super) plan: Plan,
    pub(super) rng: Rng,
    pub(super) now: u64,
    queue: BTreeMap<(u64, u64), Event>,
    pub(super) order: u64,
    /// By the number of the node; `None` for those that are gone.
    pub(super) hosts: Vec<Option<Slot>>,
    /// When each node ended.
    pub(super) ended_at: Vec<u64>,
    pub(super) bus: Bus,
    pub(super) topics: Vec<String>,
    pub(super) people: Vec<Person>,
    /// Connections so far.
    pub(super) connections: u64,
    pub(super) habits: Habits,
    config: Config,
    has_two_versions: bool,
    pub(super) judge: Judge,
    /// When nobody could hear anybody.
    pub(super) outages: Vec<(u64, u64)>,
    /// When a topic's subscribers changed last.
    pub(super) counted_at: Vec<u64>,
    /// From then on counts are right (M4).
    pub(super) calm_at: u64,
    /// The end of the last failure.
    pub(super) healed_at: u64,
    /// Whether something happened after which publishes may be lost.
    pub(super) may_lose: bool,
    /// Where each publish was sent for the first time.
    pub(super) sent_to: BTreeMap<(Node, u64), Node>,
    /// Ids that two nodes had with one seed: what is for one of them cannot be told from what is
    /// for the other.
    pub(super) clones: BTreeSet<NodeId>,
    log: Vec<String>,
    pub(super) stats: Stats,
}

/// A node, and what is wrong with it.
pub(super) struct Slot {
    pub(super) host: Host,
    pub(super) is_draining: bool,
    pub(super) paused_until: u64,
    /// How far its clock is ahead of the world's, in milliseconds.
    pub(super) ahead: i64,
    /// When its timer fires.
    pub(super) due: u64,
    /// The homes that it knows for the topics.
    pub(super) homes: Vec<Node>,
    pub(super) changes: u64,
    pub(super) is_alone: bool,
}

/// Someone who is in a room, on whatever node.
#[derive(Debug)]
pub(super) struct Person {
    pub(super) topic: usize,
    /// Whether it subscribes.
    pub(super) listens: bool,
    /// The node, and the connection.
    pub(super) place: Option<(usize, PeerId)>,
}

/// What is common in a world, in a hundred cases.
#[derive(Clone, Copy, Debug)]
pub(super) struct Habits {
    pub(super) leave: u64,
    pub(super) talk: u64,
}

/// Something that happens at its time.
#[derive(Clone, Debug)]
pub(super) enum Event {
    Timer(usize),
    Message(usize, Rc<[u8]>),
    Arrive,
    Connect(usize),
    Say(usize),
    Leave(usize),
    Nudged(PeerId),
    Moved(usize, PeerId),
    Fault(Fault),
    Heal(u64),
    Stop(usize),
    Flood(u64),
    Compare,
}

impl World {
    fn new(seed: u64, plan: &Plan) -> Self {
        let mut rng = Rng::new(seed);
        let mut config = Config::default();
        if plan.faults.contains(&Fault::Flood) && rng.percent(15) {
            config.cluster_link_bytes_max = 16 * 1024;
        }
        // Most worlds are silent ones: who says more than hello is met more easily.
        let habits = Habits {
            leave: [0, 0, 30][rng.below(3)],
            talk: [0, 0, 60][rng.below(3)],
        };
        let mut world = Self {
            plan: plan.clone(),
            now: 0,
            queue: BTreeMap::new(),
            order: 0,
            hosts: Vec::new(),
            ended_at: Vec::new(),
            bus: Bus::default(),
            topics: (0..4).map(|number| format!("t{number}")).collect(),
            people: Vec::new(),
            connections: 0,
            habits,
            config,
            has_two_versions: rng.percent(20),
            judge: Judge::default(),
            outages: Vec::new(),
            counted_at: vec![0; 4],
            calm_at: 10_000,
            healed_at: 0,
            may_lose: false,
            sent_to: BTreeMap::new(),
            clones: BTreeSet::new(),
            log: Vec::new(),
            stats: Stats::default(),
            rng,
        };
        if plan.is_harsh {
            world.judge.expect_delays(LIFE);
        }
        world.stats.worlds = 1;
        world.stats.mixed_versions = world.has_two_versions.into();
        world.populate();
        world
    }

    fn populate(&mut self) {
        if self.plan.begins_alone {
            self.begin_alone();
        } else {
            for _ in 0..self.draw(2..=5) {
                self.start();
            }
        }
        for _ in 0..self.draw(6..=24) {
            let at = self.draw(0..=LIFE);
            self.at(at, Event::Arrive);
        }
        // Some come in twos, in the same millisecond.
        for _ in 0..6 {
            let at = self.draw(0..=LIFE);
            self.at(at, Event::Arrive);
            self.at(at, Event::Arrive);
        }
        for _ in 0..self.rng.below(self.plan.faults_max + 1) {
            let at = self.draw(2_000..=LIFE);
            if let Some(fault) = self.rng.pick(&self.plan.faults).copied() {
                self.at(at, Event::Fault(fault));
            }
        }
        self.at(500, Event::Compare);
    }

    fn live(&mut self) -> Result<(), Broken> {
        while let Some(((at, _), event)) = self.queue.pop_first() {
            if at > LIFE.max(self.healed_at) + MEET {
                break;
            }
            self.now = at;
            self.happen(event)?;
        }
        self.inspect_end()
    }

    fn happen(&mut self, event: Event) -> Result<(), Broken> {
        match event {
            Event::Timer(host) => self.wake(host, None),
            Event::Message(host, bytes) => self.wake(host, Some(bytes)),
            Event::Arrive => self.arrive(),
            Event::Connect(person) => self.connect(person),
            Event::Say(person) => self.say(person),
            Event::Leave(person) => self.leave(person),
            Event::Nudged(id) => self.be_nudged(id),
            Event::Moved(person, id) => self.be_moved(person, id),
            Event::Fault(fault) => self.fail(fault),
            Event::Heal(number) => {
                self.bus.end(number);
                Ok(())
            }
            Event::Stop(host) => self.stop(host),
            Event::Flood(until) => self.flood(until),
            Event::Compare => {
                self.after(500, Event::Compare);
                self.compare_counts()
            }
        }
    }

    pub(super) fn at(&mut self, at: u64, event: Event) {
        self.order += 1;
        self.queue.insert((at, self.order), event);
    }

    pub(super) fn after(&mut self, millis: u64, event: Event) {
        self.at(self.now + millis, event);
    }

    pub(super) fn draw(&mut self, range: RangeInclusive<u64>) -> u64 {
        self.rng.within(range)
    }

    pub(super) fn note(&mut self, line: impl FnOnce() -> String) {
        let line = line();
        self.log.push(format!("{:>6} {line}", self.now));
    }
}

/// Nodes and their turns.
impl World {
    pub(super) fn host(&mut self, number: usize) -> &mut Host {
        let slot = self.hosts[number].as_mut();
        &mut slot.expect("people are on nodes that live").host
    }

    pub(super) fn hosts_that(&self, is_meant: impl Fn(&Slot) -> bool) -> Vec<usize> {
        let slots = self.hosts.iter().enumerate();
        let meant = slots.filter(|(_, slot)| slot.as_ref().is_some_and(&is_meant));
        meant.map(|(number, _)| number).collect()
    }

    pub(super) fn paused_until(&self, number: usize) -> Option<u64> {
        let slot = self.hosts[number].as_ref()?;
        Some(slot.paused_until).filter(|until| *until > self.now)
    }

    /// The time as a node's clock shows it.
    pub(super) fn host_time(&self, number: usize) -> Instant {
        let ahead = self.hosts[number].as_ref().map_or(0, |slot| slot.ahead);
        Instant::from_millis(self.now.saturating_add_signed(ahead))
    }

    pub(super) fn start(&mut self) {
        let id = self.rng.within(1..=u64::MAX - 1);
        let seed = self.rng.within(1..=u64::MAX - 1);
        self.start_as(NodeId::new(id), seed);
    }

    pub(super) fn start_as(&mut self, id: NodeId, seed: u64) {
        let ahead = DAY + self.rng.within(0..=1_000_000) as i64;
        let mut parts = self.plan.parts();
        if self.has_two_versions && self.rng.percent(50) {
            parts.newest_version += 1;
        }
        let number = self.hosts.len();
        let now = Instant::from_millis(self.now.saturating_add_signed(ahead));
        self.hosts.push(Some(Slot {
            host: Host::new(now, id, seed, self.config.clone(), parts),
            is_draining: false,
            paused_until: 0,
            ahead,
            due: self.now,
            homes: Vec::new(),
            changes: 0,
            is_alone: false,
        }));
        self.ended_at.push(u64::MAX);
        self.note(|| format!("node {number} starts as {id}"));
        self.at(self.now, Event::Timer(number));
    }

    /// A node has a message, or its timer fires.
    fn wake(&mut self, number: usize, message: Option<Rc<[u8]>>) -> Result<(), Broken> {
        if let Some(until) = self.paused_until(number) {
            let event = message.map_or(Event::Timer(number), |bytes| Event::Message(number, bytes));
            self.at(until, event);
            return Ok(());
        }
        let now = self.host_time(number);
        let Some(slot) = &mut self.hosts[number] else {
            return Ok(());
        };
        match message {
            Some(bytes) => slot.host.receive(now, &bytes),
            None if slot.due <= self.now => slot.host.handle_timeout(now),
            // The timer was set again in the meantime.
            None => return Ok(()),
        }
        self.end_turn(number)
    }

    /// Carries out what a node has decided, and sets its timer.
    pub(super) fn end_turn(&mut self, number: usize) -> Result<(), Broken> {
        let Some(slot) = &mut self.hosts[number] else {
            return Ok(());
        };
        let out = slot.host.take_out();
        self.watch(number);
        self.set_timer(number);
        self.carry_out(number, out)
    }

    fn set_timer(&mut self, number: usize) {
        let Some(slot) = &mut self.hosts[number] else {
            return;
        };
        let Some(due) = slot.host.cluster.poll_timeout() else {
            return;
        };
        let due = due
            .as_millis()
            .saturating_add_signed(-slot.ahead)
            .max(self.now);
        if due != slot.due {
            slot.due = due;
            self.at(due, Event::Timer(number));
        }
    }

    /// Notes when a node sees others come or go, or topics move.
    fn watch(&mut self, number: usize) {
        let Some(slot) = &mut self.hosts[number] else {
            return;
        };
        let cluster = &slot.host.cluster;
        let was_alone = std::mem::replace(&mut slot.is_alone, cluster.is_alone());
        self.stats.found += u64::from(was_alone && !slot.is_alone);
        let stats = cluster.stats();
        let changes = stats.view_changes + stats.sessions;
        let homes: Vec<_> = self
            .topics
            .iter()
            .map(|topic| cluster.home(topic))
            .collect();
        if changes != slot.changes || homes != slot.homes {
            (slot.changes, slot.homes) = (changes, homes);
            self.judge.change(self.now);
        }
        self.may_lose |= stats.gaps + stats.silent + stats.overflows > 0;
    }

    pub(super) fn carry_out(&mut self, number: usize, out: Out) -> Result<(), Broken> {
        for (id, message) in &out.delivered {
            let (now, calm_at) = (self.now, self.calm_at);
            let (counted_at, hosts, topics) = (&self.counted_at, &self.hosts, &self.topics);
            let clients = |topic: usize| {
                let is_sure = now >= calm_at && now >= counted_at[topic] + 500;
                is_sure.then(|| total(hosts, &topics[topic]))
            };
            self.judge.hear(*id, message.as_str(), clients)?;
        }
        for (publish, deliveries) in out.charged {
            self.judge.charge(publish, deliveries);
        }
        for (publish, deliveries) in out.owed {
            self.judge.owe(number, publish, deliveries)?;
        }
        for id in out.nudged {
            let pause = self.rng.within(0..=NUDGES);
            self.after(pause, Event::Nudged(id));
        }
        for (to, bytes) in out.sent {
            self.inspect_batch(&bytes)?;
            let bytes: Rc<[u8]> = bytes.into();
            let is_meant = |slot: &Slot| to.is_none_or(|to| slot.host.id == to);
            for other in self.hosts_that(is_meant) {
                if other == number {
                    continue;
                }
                for at in self.bus.carry(self.now, (number, other), &mut self.rng) {
                    self.stats.messages += 1;
                    self.at(at, Event::Message(other, bytes.clone()));
                }
            }
        }
        Ok(())
    }
}

/// How many subscribers a topic has on all nodes.
pub(super) fn total(hosts: &[Option<Slot>], topic: &str) -> usize {
    let slots = hosts.iter().flatten();
    slots.map(|slot| slot.host.subscribers(topic).len()).sum()
}
