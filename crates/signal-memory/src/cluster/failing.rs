use std::collections::BTreeSet;

use super::bus::Cut;
use super::failure::Broken;
use super::fault::{DELAY_MAX, Fault, LOSS_MAX};
use super::world::{Event, LIFE, MEET, World};

/// What fails.
impl World {
    pub(super) fn fail(&mut self, fault: Fault) -> Result<(), Broken> {
        let alive = self.hosts_that(|_| true);
        let serving = self.hosts_that(|slot| !slot.is_draining);
        let length = fault.draw_length(&mut self.rng);
        let Some(one) = self.rng.pick(&alive).copied() else {
            return Ok(());
        };
        match fault {
            Fault::Start => self.start(),
            Fault::Drain if serving.len() > 1 && serving.contains(&one) => self.drain(one)?,
            Fault::Crash if alive.len() > 1 => self.crash(one),
            // The last node stays.
            Fault::Drain | Fault::Crash => return Ok(()),
            Fault::ShortCut
            | Fault::LongCut
            | Fault::OneWayCut
            | Fault::LongOneWayCut
            | Fault::PartialCut => {
                let ways = self.draw_ways(fault, &alive);
                self.cut(length, Cut::Ways(ways));
            }
            Fault::Outage | Fault::LongOutage => self.have_outage(length, &alive),
            Fault::Loss => {
                let chance = [2, 20, 50][self.rng.below(3)];
                self.cut(length, Cut::Loss(chance));
            }
            Fault::HeavyLoss => self.cut(length, Cut::Loss(LOSS_MAX)),
            Fault::Delay => {
                let most = self.draw(100..=1_500);
                self.cut(length, Cut::Delay(most));
            }
            Fault::LongDelay => self.cut(length, Cut::Delay(DELAY_MAX)),
            Fault::Repeat => self.cut(length, Cut::Repeat(20)),
            Fault::Slow => {
                let most = self.draw(100..=1_500);
                self.cut(length, Cut::Slow(one, most));
            }
            Fault::Jump => self.jump(one),
            Fault::Pause => {
                if let Some(slot) = &mut self.hosts[one] {
                    slot.paused_until = self.now + length;
                }
            }
            Fault::Twin => {
                let (id, mut seed) = (self.host(one).id, self.host(one).seed);
                if self.rng.percent(50) {
                    seed = self.rng.within(1..=u64::MAX - 1);
                } else {
                    self.clones.insert(id);
                }
                self.start_as(id, seed);
            }
            Fault::Flood => {
                self.cut(length, Cut::All);
                self.at(self.now, Event::Flood(self.now + length));
            }
        }
        *self.stats.faults.entry(fault).or_default() += 1;
        self.note(|| format!("{fault:?} of node {one} for {length} ms"));
        // It is over when what was late has come.
        let late = if fault == Fault::LongDelay {
            DELAY_MAX
        } else {
            0
        };
        let length = length + late;
        self.healed_at = self.healed_at.max(self.now + length);
        self.calm_at = self.calm_at.max(self.now + length + calm_after(fault));
        Ok(())
    }

    /// Some nodes, one of them alone, and others to come. Whatever the bus does at first is over
    /// when it has been long enough for a node to take itself for alone.
    pub(super) fn begin_alone(&mut self) {
        for _ in 0..self.draw(1..=2) {
            self.start();
        }
        for _ in 0..self.draw(1..=2) {
            let at = self.draw(0..=LIFE);
            self.at(at, Event::Fault(Fault::Start));
        }
        let (long, short) = (self.draw(0..=40_000), self.draw(0..=6_000));
        let (length, cut) = match self.rng.below(5) {
            2 if self.plan.is_harsh => (long, Cut::Ways([(0, 1), (0, 2)].into())),
            3 if self.plan.is_harsh => (long, Cut::Delay(DELAY_MAX)),
            4 if self.plan.is_harsh => (long, Cut::Loss(LOSS_MAX)),
            0 | 1 => (long, Cut::All),
            2 => (short, Cut::Ways([(0, 1), (0, 2)].into())),
            3 => (short, Cut::Delay(1_500)),
            _ => return,
        };
        self.cut(length, cut);
        self.note(|| format!("the bus is not right for {length} ms"));
        let late = if self.plan.is_harsh { DELAY_MAX } else { 0 };
        self.healed_at = length + late;
        self.calm_at = self.calm_at.max(length + MEET);
        self.may_lose = true;
    }

    fn draw_ways(&mut self, fault: Fault, alive: &[usize]) -> BTreeSet<(usize, usize)> {
        let mut nodes = alive.to_vec();
        self.rng.shuffle(&mut nodes);
        let (some, others) = nodes.split_at((nodes.len() / 2).max(1));
        let mut ways = BTreeSet::new();
        for one in some {
            for other in others {
                ways.insert((*one, *other));
                if !matches!(fault, Fault::OneWayCut | Fault::LongOneWayCut) {
                    ways.insert((*other, *one));
                }
                if fault == Fault::PartialCut {
                    return ways;
                }
            }
        }
        ways
    }

    fn cut(&mut self, length: u64, cut: Cut) {
        self.order += 1;
        let number = self.order;
        self.bus.begin(number, cut);
        self.after(length, Event::Heal(number));
    }

    /// Nobody hears anybody, and some come meanwhile. When the bus is back, each node takes its
    /// time to notice, as one does that doubles its pauses.
    fn have_outage(&mut self, length: u64, alive: &[usize]) {
        self.outages.push((self.now, self.now + length));
        // A node that starts meanwhile may never be heard by one that ends meanwhile, and so nobody
        // notices that the two were apart.
        self.may_lose |= length > 5_000;
        self.cut(length, Cut::All);
        for one in alive {
            let others = alive.iter().filter(|other| *other != one);
            let ways = others.flat_map(|other| [(*one, *other), (*other, *one)]);
            let ways = Cut::Ways(ways.collect());
            let late = self.draw(0..=4_000);
            self.cut(length + late, ways);
        }
        for _ in 0..4 {
            let pause = self.draw(1..=length);
            self.after(pause, Event::Arrive);
        }
    }

    fn jump(&mut self, number: usize) {
        let by = self.draw(100..=3_600_000) as i64;
        let is_forward = self.rng.percent(50);
        if let Some(slot) = &mut self.hosts[number] {
            slot.ahead += if is_forward { by } else { -by };
            // Timers by the clock go off when that is set.
            slot.due = self.now;
        }
        self.at(self.now, Event::Timer(number));
    }

    fn crash(&mut self, number: usize) {
        self.end(number);
        self.may_lose = true;
        self.lose_people(number);
    }

    fn end(&mut self, number: usize) {
        if let Some(slot) = self.hosts[number].take() {
            self.stats.add_node(slot.host.cluster.stats());
            self.ended_at[number] = self.now;
        }
    }

    fn drain(&mut self, number: usize) -> Result<(), Broken> {
        let now = self.host_time(number);
        if let Some(slot) = &mut self.hosts[number] {
            slot.is_draining = true;
            slot.host.cluster.drain(now);
        }
        for person in 0..self.people.len() {
            if let Some((_, id)) = self.people[person]
                .place
                .filter(|(host, _)| *host == number)
            {
                let pause = self.draw(0..=6_000);
                self.after(pause, Event::Moved(person, id));
            }
        }
        self.after(7_500, Event::Stop(number));
        self.end_turn(number)
    }

    pub(super) fn stop(&mut self, number: usize) -> Result<(), Broken> {
        if let Some(until) = self.paused_until(number) {
            self.at(until, Event::Stop(number));
            return Ok(());
        }
        if self.hosts[number].is_none() {
            return Ok(());
        }
        let out = self.host(number).leave();
        self.carry_out(number, out)?;
        self.note(|| format!("node {number} leaves"));
        self.end(number);
        self.lose_people(number);
        self.judge.change(self.now);
        Ok(())
    }

    /// Somebody publishes a lot, in pieces.
    pub(super) fn flood(&mut self, until: u64) -> Result<(), Broken> {
        let talkers: Vec<_> = self
            .people
            .iter()
            .filter_map(|person| person.place)
            .collect();
        if let Some((host, id)) = self.rng.pick(&talkers).copied() {
            if self.paused_until(host).is_none() {
                for _ in 0..20 {
                    self.publish(host, id, 400)?;
                }
            }
        }
        if self.now + 200 < until {
            self.after(200, Event::Flood(until));
        }
        Ok(())
    }
}

/// How long after a fault counts may be wrong.
const fn calm_after(fault: Fault) -> u64 {
    match fault {
        // Its topics move when it is three beats old.
        Fault::Start => 4_500,
        Fault::Drain => 1_000,
        Fault::Crash => 6_000,
        Fault::ShortCut
        | Fault::LongCut
        | Fault::OneWayCut
        | Fault::PartialCut
        | Fault::Outage
        | Fault::LongOutage
        | Fault::Loss
        | Fault::Delay
        | Fault::Repeat
        | Fault::Jump
        | Fault::Pause
        | Fault::Slow
        | Fault::Twin
        | Fault::Flood
        | Fault::LongOneWayCut
        | Fault::HeavyLoss
        | Fault::LongDelay => MEET,
    }
}
