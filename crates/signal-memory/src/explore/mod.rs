//! Random worlds, watched by a judge.

mod explain;
mod intent;
mod judge;
mod naive;
mod plan;
mod stats;

use std::time::Duration;

use signal_core::{CloseReason, PeerId};

pub use self::explain::Failure;
use self::explain::Problem;
use self::intent::{Access, Intent, Payload};
use self::judge::Judge;
pub use self::plan::Plan;
pub use self::stats::Stats;
use crate::rng::Rng;
use crate::{Jump, PeerOptions, RoomId, World};

/// Makes the world of this seed, lets it live, and checks every rule after each step.
///
/// ```
/// use signal_memory::{Plan, simulate};
///
/// for seed in 0..10 {
///     simulate(seed, &Plan::default()).unwrap_or_else(|failure| panic!("{failure}"));
/// }
/// ```
///
/// # Errors
///
/// The first rule that did not hold, with the lines of the transcript that tell how it came about.
pub fn simulate(seed: u64, plan: &Plan) -> Result<Stats, Box<Failure>> {
    Explorer::new(seed, plan).run()
}

/// One random world and who watches it. [`simulate`] is the short way; this one lets you look at the world afterwards.
#[derive(Debug)]
pub struct Explorer {
    seed: u64,
    actions: usize,
    peers_max: usize,
    rng: Rng,
    world: World,
    judge: Judge,
    /// Peers that can still act.
    connected: Vec<Actor>,
    written: u64,
    habits: Habits,
}

#[derive(Clone, Copy, Debug)]
struct Actor {
    peer: PeerId,
    room: RoomId,
}

/// What one world is like. Drawn by seed, so that some worlds are all hibernation, some have no losses, and so on.
#[derive(Debug)]
struct Habits {
    slow: u64,
    stall: u64,
    vanish: u64,
    leave: u64,
    hibernate: u64,
    jump: u64,
    refuse: u64,
    restart: u64,
    expire: u64,
}

impl Habits {
    fn draw(rng: &mut Rng) -> Self {
        let mut often = |most: u64| {
            if rng.percent(30) {
                0
            } else {
                rng.within(1..=most)
            }
        };
        Self {
            slow: often(30),
            stall: often(8),
            vanish: often(5),
            leave: often(10),
            hibernate: often(25),
            jump: often(6),
            refuse: often(3),
            restart: often(2),
            expire: often(30),
        }
    }
}

impl Explorer {
    /// Prepares the world of this seed.
    pub fn new(seed: u64, plan: &Plan) -> Self {
        let mut rng = Rng::new(seed);
        let config = plan::config(seed, plan, &mut rng.fork());
        let habits = Habits::draw(&mut rng.fork());
        Self {
            seed,
            actions: plan.actions,
            peers_max: plan.peers_max,
            rng,
            judge: Judge::new(&config),
            world: World::with_config(config),
            connected: Vec::new(),
            written: 0,
            habits,
        }
    }

    /// Lets the world live, to its end or to the first rule that does not hold.
    ///
    /// # Errors
    ///
    /// As [`simulate`].
    pub fn run(&mut self) -> Result<Stats, Box<Failure>> {
        match self.live() {
            Ok(()) => Ok(self.judge.stats.clone()),
            Err(problem) => Err(Box::new(Failure::new(self.seed, problem, &self.world))),
        }
    }

    /// The world, as far as it has come.
    pub const fn world(&self) -> &World {
        &self.world
    }

    fn live(&mut self) -> Result<(), Problem> {
        for _ in 0..self.actions {
            self.act()?;
            self.judge.judge(&self.world)?;
        }
        for peer in self.judge.peers() {
            self.world.resume(peer);
        }
        while self.world.is_busy() {
            self.step()?;
        }
        self.judge.judge_end()
    }

    fn act(&mut self) -> Result<(), Problem> {
        if self.connected.is_empty()
            || (self.connected.len() < self.peers_max && self.rng.percent(15))
        {
            self.connect(None);
        }
        let actor = self
            .rng
            .pick(&self.connected)
            .copied()
            .expect("one has just connected");
        let Habits {
            slow: _,
            stall,
            vanish,
            leave,
            hibernate,
            jump,
            refuse,
            restart,
            expire: _,
        } = self.habits;
        if self.rng.percent(hibernate) {
            self.world.hibernate(actor.room);
            self.judge.judge(&self.world)?;
        }
        if self.rng.percent(stall) {
            self.stall(actor.peer);
        } else if self.rng.percent(vanish) {
            self.trouble(actor.peer);
            self.world.drop_silently(actor.peer);
            self.retire(actor.peer);
        } else if self.rng.percent(leave) {
            self.leave(actor);
        } else if self.rng.percent(jump) {
            self.jump(actor.room);
        } else if self.rng.percent(refuse) {
            self.world.refuse(actor.peer, CloseReason::Protocol);
        } else if self.rng.percent(restart) {
            self.world.restart(actor.room);
        } else if self.rng.percent(70) {
            self.write(actor.peer);
        } else {
            return self.pass_time();
        }
        Ok(())
    }

    fn connect(&mut self, before: Option<PeerId>) {
        let room = RoomId(self.rng.below(self.world.config().rooms));
        let access = Access::draw(&mut self.rng);
        let lifetime = self.rng.duration(Duration::ZERO, Duration::from_secs(60));
        let expires = self
            .rng
            .percent(self.habits.expire)
            .then(|| self.world.clock(room).saturating_add(lifetime));
        let is_slow = self.rng.percent(self.habits.slow);
        let pace = self
            .rng
            .duration(Duration::from_millis(50), Duration::from_millis(3_000));
        let mut options = PeerOptions::new().room(room).grant(access.grant(expires));
        if is_slow {
            options = options.pace(pace);
        }
        let peer = match before {
            Some(before) => self.world.reconnect(before, options),
            None => self.world.connect_with(options),
        };
        self.judge.open(peer, room, access, expires);
        if is_slow {
            self.judge.dossier(peer).expect("just opened").is_healthy = false;
        }
        self.connected.push(Actor { peer, room });
    }

    /// A few messages in a row, so that budgets are met and links have something to carry.
    fn write(&mut self, peer: PeerId) {
        let many = if self.rng.percent(10) { 30 } else { 4 };
        let repeated = self.rng.percent(20).then(|| self.intent());
        for _ in 0..=self.rng.below(many) {
            let intent = repeated.clone().unwrap_or_else(|| self.intent());
            let payload = intent.payload(&mut self.rng);
            if !self.world.can_send(peer) {
                return;
            }
            match &payload {
                Payload::Text(text) => self.world.send(peer, text.as_str()),
                Payload::Binary(bytes) => self.world.send_binary(peer, bytes),
            }
            self.judge
                .dossier(peer)
                .expect("it connected")
                .sent
                .push_back((intent, payload));
        }
    }

    fn intent(&mut self) -> Intent {
        self.written += 1;
        Intent::draw(&mut self.rng, self.written)
    }

    fn stall(&mut self, peer: PeerId) {
        self.judge.dossier(peer).expect("it connected").is_healthy = false;
        if self.rng.percent(60) {
            self.world.stall(peer);
        } else {
            self.world.resume(peer);
        }
    }

    fn leave(&mut self, actor: Actor) {
        self.retire(actor.peer);
        match self.rng.below(3) {
            0 => self.world.disconnect(actor.peer),
            1 => {
                self.trouble(actor.peer);
                self.world.abort(actor.peer);
            }
            _ => {
                self.trouble(actor.peer);
                self.connect(Some(actor.peer));
            }
        }
    }

    fn jump(&mut self, room: RoomId) {
        let by = self
            .rng
            .duration(Duration::from_millis(1), Duration::from_secs(100));
        let jump = if self.rng.percent(50) {
            Jump::Forward(by)
        } else {
            Jump::Back(by)
        };
        self.world.jump_clock(room, jump);
    }

    /// Time passes: a moment, or until quiet, or long enough for deadlines.
    fn pass_time(&mut self) -> Result<(), Problem> {
        match self.rng.below(10) {
            0..5 => {
                for _ in 0..=self.rng.below(20) {
                    self.step()?;
                }
                return Ok(());
            }
            5..8 => self.pass(Duration::from_secs(3)),
            _ => self.pass(Duration::from_secs(40)),
        }
    }

    fn pass(&mut self, most: Duration) -> Result<(), Problem> {
        let time = self.rng.duration(Duration::ZERO, most);
        let end = self.world.now().saturating_add(time);
        while self.world.next_due().is_some_and(|due| due <= end) {
            self.step()?;
        }
        self.world.advance(end.saturating_since(self.world.now()));
        self.judge.judge(&self.world)?;
        self.judge.judge_time(&self.world)
    }

    fn step(&mut self) -> Result<(), Problem> {
        self.world.step();
        self.judge.judge(&self.world)
    }

    /// From now on the peer may miss messages, and nobody is to blame.
    fn trouble(&mut self, peer: PeerId) {
        let dossier = self.judge.dossier(peer).expect("it connected");
        dossier.is_healthy = false;
        dossier.may_miss = true;
    }

    fn retire(&mut self, peer: PeerId) {
        self.connected.retain(|actor| actor.peer != peer);
    }
}
