//! What all connections of a relay share: the parts it is made of.

use std::sync::Arc;

use crate::admission::authorizer::Authorizer;
use crate::admission::places::Places;
use crate::clock::Clock;
#[cfg(feature = "cluster")]
use crate::cluster::{Board, Joining};
use crate::config::Config;
use crate::handshake::door::Door;
use crate::hub::observer::Observer;
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
    /// The relay as a node of a cluster, if it is one.
    #[cfg(feature = "cluster")]
    pub(crate) node: Option<Arc<Board>>,
}

impl Shared {
    pub(crate) fn new(
        config: Config,
        authorizer: Arc<dyn Authorizer>,
        is_echo: bool,
        observer: Option<Arc<dyn Observer>>,
        #[cfg(feature = "cluster")] joining: Option<Joining>,
    ) -> Self {
        let (config, clock) = (Arc::new(config), Clock::start());
        let counters = Arc::new(Counters::default());
        let places = Arc::new(Places::new(Arc::clone(&config), clock));
        #[cfg(feature = "cluster")]
        let (joining, uplink) = joining
            .map(|joining| {
                let uplink = joining.uplink(clock);
                (joining, uplink)
            })
            .unzip();
        #[cfg(not(feature = "cluster"))]
        let uplink = None;
        let rooms = Rooms::new(
            &config,
            Arc::clone(&counters),
            is_echo,
            uplink.clone(),
            observer,
        );
        let rooms = Arc::new(rooms);
        let door = Door::new(Arc::clone(&places), Arc::clone(&counters), authorizer);
        #[cfg(feature = "cluster")]
        let node = joining.zip(uplink).map(|(joining, uplink)| {
            let readiness = Arc::clone(&door.readiness);
            joining.join(clock, uplink, &rooms, readiness, config.drain_seconds)
        });
        Self {
            config,
            clock,
            counters,
            places,
            rooms,
            door: Arc::new(door),
            #[cfg(feature = "cluster")]
            node,
        }
    }

    /// Completes when all have gone: until then a draining relay still answers that it is.
    pub(crate) async fn drained(&self) {
        let mut lifecycle = self.door.lifecycle.subscribe();
        // Its sender is here, so there is no error.
        let _ = lifecycle.wait_for(|now| *now == Lifecycle::Drained).await;
    }
}
