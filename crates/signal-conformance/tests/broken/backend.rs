//! The relay as a backend with a virtual clock: nothing sleeps.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use signal_conformance::{
    Backend, BackendError, Capability, ConnectError, ConnectOptions, Connection, Declared, Event,
    HttpResponse, Level, Scenario,
};

use crate::door;
use crate::fault::Faults;
use crate::limits::Limits;
use crate::relay::{PeerId, Relay};

pub(crate) struct RelayBackend {
    relay: Arc<Mutex<Relay>>,
    faults: Faults,
    limits: Limits,
}

impl RelayBackend {
    pub(crate) fn new(faults: Faults, limits: Limits) -> Self {
        Self {
            relay: Arc::new(Mutex::new(Relay::new(faults, limits))),
            faults,
            limits,
        }
    }

    fn relay(&self) -> MutexGuard<'_, Relay> {
        self.relay.lock().expect("no panic")
    }
}

#[async_trait]
impl Backend for RelayBackend {
    fn declared(&self) -> Declared {
        let name = format!("a relay with {:?}", self.faults);
        let declared = Declared::new(name)
            .levels([
                Level::Limits,
                Level::Lifecycle,
                Level::Access,
                Level::Robust,
            ])
            .capabilities([
                Capability::Advance,
                Capability::BusFaults,
                Capability::ClientsMax,
                Capability::CountAll,
                Capability::Drain,
                Capability::Grants,
                Capability::Hibernate,
                Capability::NodeFaults,
                Capability::Pause,
                Capability::Private,
                Capability::Restart,
            ])
            .nodes(3);
        let declared = declared.issuer(door::issuer()).origin(door::ORIGIN);
        with_limits(declared, self.limits)
    }

    fn unix_now(&self) -> u64 {
        self.relay().unix_now()
    }

    async fn begin(&self, _scenario: &Scenario) -> Result<(), BackendError> {
        *self.relay() = Relay::new(self.faults, self.limits);
        Ok(())
    }

    async fn connect(&self, options: ConnectOptions) -> Result<Box<dyn Connection>, ConnectError> {
        if self.relay().draining {
            return Err(ConnectError::Refused(HttpResponse::new(503, Vec::new())));
        }
        let now = self.unix_now();
        let visitor = door::judge(&options, now, self.faults).map_err(ConnectError::Refused)?;
        let mut relay = self.relay();
        if visitor
            .subject
            .as_ref()
            .is_some_and(|(name, max)| relay.peers_of(name) >= *max)
        {
            return Err(ConnectError::Refused(HttpResponse::new(429, Vec::new())));
        }
        if relay.is_gone(options.node) {
            return Err(ConnectError::Failed("the node is gone".to_owned()));
        }
        let id = relay.connect(&options.client, options.node, visitor.grant);
        relay.peer(id).subject = visitor.subject.map(|(name, _)| name);
        Ok(Box::new(Client {
            relay: self.relay.clone(),
            id,
            protocol: visitor.protocol,
        }))
    }

    async fn advance(&self, time: Duration) -> Result<(), BackendError> {
        let mut relay = self.relay();
        let until = relay.now + time.as_millis() as u64;
        while let Some(at) = relay.next_timer().filter(|at| *at <= until) {
            relay.now = relay.now.max(at);
            relay.handle_timers();
        }
        relay.now = until;
        Ok(())
    }

    async fn restart(&self) -> Result<(), BackendError> {
        self.relay().restart();
        Ok(())
    }

    async fn drain(&self) -> Result<(), BackendError> {
        self.relay().drain();
        Ok(())
    }

    async fn kill_node(&self, node: usize) -> Result<(), BackendError> {
        self.relay().kill_node(node);
        Ok(())
    }

    async fn drain_node(&self, node: usize) -> Result<(), BackendError> {
        self.relay().drain_node(node);
        Ok(())
    }

    async fn start_node(&self, node: usize) -> Result<(), BackendError> {
        self.relay().start_node(node);
        Ok(())
    }

    async fn stop_bus(&self) -> Result<(), BackendError> {
        self.relay().stop_bus();
        Ok(())
    }

    async fn start_bus(&self) -> Result<(), BackendError> {
        self.relay().start_bus();
        Ok(())
    }

    async fn hibernate(&self) -> Result<(), BackendError> {
        self.relay().hibernate();
        Ok(())
    }
}

/// The limits in force, by their names.
pub(crate) fn with_limits(declared: Declared, limits: Limits) -> Declared {
    declared
        .limit("message_bytes_max", crate::limits::MESSAGE_BYTES_MAX as u64)
        .limit("depth_max", crate::limits::DEPTH_MAX as u64)
        .limit(
            "topics_per_peer_max",
            crate::limits::TOPICS_PER_PEER_MAX as u64,
        )
        .limit("topic_bytes_max", crate::limits::TOPIC_BYTES_MAX as u64)
        .limit(
            "topic_bytes_per_peer_max",
            crate::limits::TOPIC_BYTES_PER_PEER_MAX as u64,
        )
        .limit("clients_max", limits.clients_max as u64)
        .limit("messages_burst", crate::limits::MESSAGES_BURST)
        .limit("messages_per_second", crate::limits::MESSAGES_PER_SECOND)
        .limit("fan_out_burst", limits.fan_out_burst)
        .limit("fan_out_per_second", limits.fan_out_per_second)
        .limit("bytes_burst", limits.bytes_burst)
        .limit("bytes_per_second", limits.bytes_per_second)
        .limit("fan_out_bytes_burst", limits.fan_out_bytes_burst)
        .limit("fan_out_bytes_per_second", limits.fan_out_bytes_per_second)
        .limit("pings_burst", crate::limits::PINGS_BURST)
        .limit("pings_per_second", crate::limits::PINGS_PER_SECOND)
        .limit("strikes_burst", crate::limits::STRIKES_BURST)
        .limit("strikes_per_second", crate::limits::STRIKES_PER_SECOND)
        .limit("invalid_messages_max", crate::limits::INVALID_MESSAGES_MAX)
        .limit(
            "outbound_bytes_max",
            crate::limits::OUTBOUND_BYTES_MAX as u64,
        )
        .limit("ping_interval", crate::limits::PING_INTERVAL)
        .limit("keepalive_interval", crate::limits::KEEPALIVE_INTERVAL)
        .limit("close_hold", crate::limits::CLOSE_HOLD)
}

struct Client {
    relay: Arc<Mutex<Relay>>,
    id: PeerId,
    protocol: Option<String>,
}

impl Client {
    fn relay(&self) -> MutexGuard<'_, Relay> {
        self.relay.lock().expect("no panic")
    }
}

#[async_trait]
impl Connection for Client {
    fn protocol(&self) -> Option<&str> {
        self.protocol.as_deref()
    }

    async fn send_text(&mut self, text: &str) {
        self.relay().receive(self.id, text);
    }

    async fn send_binary(&mut self, bytes: &[u8]) {
        self.relay().receive_binary(self.id, bytes);
    }

    async fn receive(&mut self, patience: Duration) -> Event {
        let mut relay = self.relay();
        relay.tell_nodes();
        let until = relay.now + patience.as_millis() as u64;
        loop {
            let peer = relay.peer(self.id);
            match peer.inbox.front() {
                // The end stays, so that it is told again.
                Some(end @ Event::Closed { .. }) => return end.clone(),
                Some(_) => return peer.inbox.pop_front().expect("there is one"),
                None => {}
            }
            let Some(at) = relay.next_timer().filter(|at| *at <= until) else {
                return Event::Nothing;
            };
            relay.now = relay.now.max(at);
            relay.handle_timers();
        }
    }

    async fn close(&mut self, code: Option<u16>, _reason: &str) {
        self.relay().close(self.id, code.unwrap_or(1005));
    }

    async fn abort(&mut self) {
        self.relay().abort(self.id);
    }

    async fn pause(&mut self) {
        self.relay().peer(self.id).paused = true;
    }

    async fn resume(&mut self) {
        self.relay().peer(self.id).paused = false;
    }
}
