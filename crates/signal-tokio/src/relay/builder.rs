//! What a relay is made of.

use std::sync::Arc;

use super::Relay;
use crate::admission::authorizer::{Authorizer, Everyone};
#[cfg(feature = "cluster")]
use crate::cluster::{Bus, ClusterConfig, Joining, NodeId};
use crate::config::{Config, ConfigError};
use crate::hub::observer::Observer;
use crate::shared::Shared;

/// A relay that is not there yet; see [`Relay::builder`].
#[derive(Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct RelayBuilder {
    config: Config,
    authorizer: Arc<dyn Authorizer>,
    is_echo: bool,
    observer: Option<Arc<dyn Observer>>,
    #[cfg(feature = "cluster")]
    joining: Option<Joining>,
}

impl RelayBuilder {
    pub(super) fn new(config: Config) -> Self {
        Self {
            config,
            authorizer: Arc::new(Everyone),
            is_echo: false,
            observer: None,
            #[cfg(feature = "cluster")]
            joining: None,
        }
    }

    /// Asks an authorizer who may come in. Without one, everyone may.
    pub fn authorizer(mut self, authorizer: impl Authorizer) -> Self {
        self.authorizer = Arc::new(authorizer);
        self
    }

    /// Has somebody hear of topics that open and empty, and of peers that come and go.
    pub fn observer(mut self, observer: impl Observer) -> Self {
        self.observer = Some(Arc::new(observer));
        self
    }

    /// Makes the relay a node of a cluster: its peers meet those of all relays on the same bus.
    /// `bus` is called once, with the id that the node has drawn; it should connect in the
    /// background, since peers do not wait for it. Feature `cluster`.
    #[cfg(feature = "cluster")]
    pub fn cluster<B: Bus>(
        mut self,
        config: ClusterConfig,
        bus: impl FnOnce(NodeId) -> B + Send + 'static,
    ) -> Self {
        self.joining = Some(Joining::new(config, bus));
        self
    }

    pub(super) fn echo(mut self) -> Self {
        self.is_echo = true;
        self
    }

    /// Makes the relay. A node of a cluster gets a task on the current runtime, where it has to
    /// have turns for as long as the relay serves.
    ///
    /// # Errors
    ///
    /// If a setting is out of its range.
    ///
    /// # Panics
    ///
    /// With a cluster, outside of a tokio runtime that has its timers.
    pub fn build(self) -> Result<Relay, ConfigError> {
        self.config.check()?;
        #[cfg(feature = "cluster")]
        if let Some(joining) = &self.joining {
            joining.check(&self.config)?;
        }
        let shared = Shared::new(
            self.config,
            self.authorizer,
            self.is_echo,
            self.observer,
            #[cfg(feature = "cluster")]
            self.joining,
        );
        Ok(Relay {
            shared: Arc::new(shared),
        })
    }
}
