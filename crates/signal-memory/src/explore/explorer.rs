use signal_core::PeerId;

use super::explain::{Failure, Problem};
use super::habits::Habits;
use super::judge::Judge;
use super::plan::{self, Plan};
use super::stats::Stats;
use crate::rng::Rng;
use crate::{RoomId, World};

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
/// The first rule that did not hold, with the lines of the transcript that led to it.
pub fn simulate(seed: u64, plan: &Plan) -> Result<Stats, Box<Failure>> {
    Explorer::new(seed, plan).run()
}

/// One random world and its judge. [`simulate`] is the short way; this one lets you look at the
/// world afterwards.
///
/// After each step these rules are checked, whatever the world is doing:
///
/// - Exactly the subscribers at that step get a publish, once each, as it was sent; `clients` is
///   their number.
/// - All subscribers of a topic see one order, and each link keeps it.
/// - After a disconnect nothing mentions the peer; nothing is sent to a held or a forgotten one.
/// - Budgets refuse nothing within them and everything beyond.
/// - A peer that vanished leaves within two intervals; one that answers is never timed out.
/// - Queues are bounded, only a full one ends its peer, and nothing else is ever lost.
/// - No deadline is missed, and the next one is never over.
/// - A room's topics are those of its peers.
/// - Hibernation changes nothing: a twin that never hibernates stays the same.
#[derive(Debug)]
pub struct Explorer {
    seed: u64,
    actions: usize,
    pub(super) peers_max: usize,
    pub(super) rng: Rng,
    pub(super) world: World,
    pub(super) judge: Judge,
    pub(super) habits: Habits,
    /// Peers that can still act.
    pub(super) actors: Vec<Actor>,
    /// How many messages have been written.
    pub(super) written: u64,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Actor {
    pub(super) peer: PeerId,
    pub(super) room: RoomId,
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
            habits,
            actors: Vec::new(),
            written: 0,
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
        self.judge.inspect_end()
    }

    pub(super) fn step(&mut self) -> Result<(), Problem> {
        self.world.step();
        self.judge.judge(&self.world)
    }
}
