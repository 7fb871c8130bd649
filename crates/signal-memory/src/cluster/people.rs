use signal_core::PeerId;

use super::failure::Broken;
use super::world::{Event, Person, World};

/// What people and their clients do.
impl World {
    pub(super) fn arrive(&mut self) -> Result<(), Broken> {
        let topic = self.rng.below(self.topics.len());
        let person = self.people.len();
        // Some publish to a room that they are not in.
        let listens = !self.rng.percent(15);
        self.people.push(Person {
            topic,
            listens,
            place: None,
        });
        self.connect(person)?;
        if self.rng.percent(self.habits.leave) {
            let stay = self.rng.within(1_000..=30_000);
            self.after(stay, Event::Leave(person));
        }
        if !listens || self.rng.percent(self.habits.talk) {
            for _ in 0..=self.rng.below(8) {
                let pause = self.rng.within(0..=40_000);
                self.after(pause, Event::Say(person));
            }
        }
        Ok(())
    }

    /// Connects to a node that takes connections, or tries again later; subscribes, announces.
    pub(super) fn connect(&mut self, person: usize) -> Result<(), Broken> {
        if self.people[person].place.is_some() {
            return Ok(());
        }
        let comes_to_young = self.plan.is_harsh;
        let open: Vec<_> = self.hosts_that(|slot| {
            !slot.is_draining && (comes_to_young || slot.host.cluster.is_ready())
        });
        let Some(host) = self.rng.pick(&open).copied() else {
            self.after(500, Event::Connect(person));
            return Ok(());
        };
        if let Some(until) = self.paused_until(host) {
            self.at(until, Event::Connect(person));
            return Ok(());
        }
        self.connections += 1;
        let id = PeerId::new(self.connections);
        let topic = self.people[person].topic;
        self.people[person].place = Some((host, id));
        let listens = self.people[person].listens;
        self.judge
            .connect(self.now, id, (person, topic, host), listens);
        self.note(|| {
            format!(
                "person {person} joins t{topic} on node {host} as {}",
                id.as_u64()
            )
        });
        self.counted_at[topic] = self.now;
        let now = self.host_time(host);
        let subscribe = format!(
            r#"{{"type":"subscribe","topics":["{}"]}}"#,
            self.topics[topic]
        );
        self.host(host).connect(now, id);
        if listens {
            self.host(host).say(now, id, &subscribe);
        }
        // One message follows the other, or the next turn takes it.
        if self.rng.percent(50) {
            self.end_turn(host)?;
        }
        self.announce(host, id)
    }

    fn announce(&mut self, host: usize, id: PeerId) -> Result<(), Broken> {
        self.publish(host, id, 0)
    }

    pub(super) fn say(&mut self, person: usize) -> Result<(), Broken> {
        let Some((host, id)) = self.people[person].place else {
            return Ok(());
        };
        if let Some(until) = self.paused_until(host) {
            self.at(until, Event::Say(person));
            return Ok(());
        }
        for _ in 0..=self.rng.below(3) {
            self.publish(host, id, 0)?;
        }
        Ok(())
    }

    /// Publishes once, with so many bytes more.
    pub(super) fn publish(&mut self, host: usize, id: PeerId, bytes: usize) -> Result<(), Broken> {
        let topic = self.topic_of(id);
        let number = self.judge.publish(self.now, id);
        let topic = &self.topics[topic];
        let pad = "x".repeat(bytes);
        let text = format!(r#"{{"type":"publish","topic":"{topic}","n":{number},"pad":"{pad}"}}"#);
        let topic = topic.clone();
        let now = self.host_time(host);
        self.host(host).say(now, id, &text);
        self.end_turn(host)?;
        let local = self.hosts[host]
            .as_ref()
            .map(|slot| slot.host.subscribers(&topic));
        self.judge.inspect_local(number, local.unwrap_or(&[]))
    }

    pub(super) fn leave(&mut self, person: usize) -> Result<(), Broken> {
        let Some((host, _)) = self.people[person].place else {
            return Ok(());
        };
        if let Some(until) = self.paused_until(host) {
            self.at(until, Event::Leave(person));
            return Ok(());
        }
        self.note(|| format!("person {person} leaves"));
        self.disconnect(person)
    }

    /// Ends the connection of a person, in order.
    fn disconnect(&mut self, person: usize) -> Result<(), Broken> {
        let Some((host, id)) = self.people[person].place.take() else {
            return Ok(());
        };
        self.judge.disconnect(self.now, id);
        self.counted_at[self.people[person].topic] = self.now;
        let now = self.host_time(host);
        self.host(host).disconnect(now, id);
        self.end_turn(host)
    }

    /// A draining node closes a connection, and its client connects elsewhere.
    pub(super) fn be_moved(&mut self, person: usize, id: PeerId) -> Result<(), Broken> {
        if self.people[person].place.is_some_and(|(_, now)| now == id) {
            self.disconnect(person)?;
            self.judge.forget(person);
            self.after(4, Event::Connect(person));
        }
        Ok(())
    }

    /// A node closes a connection so that its client announces again. It has met those it has met.
    pub(super) fn be_nudged(&mut self, id: PeerId) -> Result<(), Broken> {
        let here = |person: &Person| person.place.is_some_and(|(_, now)| now == id);
        let Some(person) = self.people.iter().position(here) else {
            return Ok(());
        };
        let Some((host, _)) = self.people[person].place else {
            return Ok(());
        };
        if let Some(until) = self.paused_until(host) {
            self.at(until, Event::Nudged(id));
            return Ok(());
        }
        self.stats.nudged += 1;
        self.note(|| format!("person {person} is nudged"));
        self.disconnect(person)?;
        self.after(4, Event::Connect(person));
        Ok(())
    }

    /// The people on a node that is gone come back, and have to meet all others again.
    pub(super) fn lose_people(&mut self, host: usize) {
        for person in 0..self.people.len() {
            if let Some((_, id)) = self.people[person]
                .place
                .filter(|(place, _)| *place == host)
            {
                self.people[person].place = None;
                self.judge.disconnect(self.now, id);
                self.judge.forget(person);
                self.counted_at[self.people[person].topic] = self.now;
                let pause = [4, 200, 1_500][self.rng.below(3)];
                self.after(pause, Event::Connect(person));
            }
        }
    }

    fn topic_of(&self, id: PeerId) -> usize {
        let here = |person: &&Person| person.place.is_some_and(|(_, now)| now == id);
        self.people
            .iter()
            .find(here)
            .map_or(0, |person| person.topic)
    }
}
