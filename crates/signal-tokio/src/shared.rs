//! What all connections of a relay share: the parts it is made of.

use std::sync::Arc;

use crate::admission::authorizer::Authorizer;
use crate::admission::places::Places;
use crate::clock::Clock;
use crate::config::Config;
use crate::handshake::door::Door;
use crate::hub::rooms::Rooms;
use crate::stats::counters::Counters;
use crate::stats::lifecycle::Lifecycle;

/// The parts, each of which knows only those before it.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: Arc<Config>,
    pub(crate) clock: Clock,
    pub(crate) counters: Arc<Counters>,
    pub(crate) places: Arc<Places>,
    pub(crate) rooms: Arc<Rooms>,
    pub(crate) door: Arc<Door>,
}

impl Shared {
    pub(crate) fn new(config: Config, authorizer: Arc<dyn Authorizer>, is_echo: bool) -> Self {
        let (config, clock) = (Arc::new(config), Clock::start());
        let counters = Arc::new(Counters::default());
        let places = Arc::new(Places::new(Arc::clone(&config), clock));
        let rooms = Rooms::new(&config, Arc::clone(&counters), is_echo);
        let door = Door::new(Arc::clone(&places), Arc::clone(&counters), authorizer);
        Self {
            config,
            clock,
            counters,
            places,
            rooms: Arc::new(rooms),
            door: Arc::new(door),
        }
    }

    /// Completes when all have gone: until then a draining relay still answers that it is.
    pub(crate) async fn drained(&self) {
        let mut lifecycle = self.door.lifecycle.subscribe();
        // Its sender is here, so there is no error.
        let _ = lifecycle.wait_for(|now| *now == Lifecycle::Drained).await;
    }
}
