//! The relay as a backend in memory: nothing sleeps, and what never comes is known at once.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use signal_conformance::{
    Backend, BackendError, Capability, ConnectError, ConnectOptions, Connection, Declared, Event,
    Level,
};

use crate::list::Mutant;
use crate::relay::{Arrival, PeerId, Relay};
use crate::relayed::Style;

pub(crate) struct MemoryBackend {
    relay: Arc<Mutex<Relay>>,
    mutant: Option<Mutant>,
}

impl MemoryBackend {
    pub(crate) fn new(mutant: Option<Mutant>) -> Self {
        Self {
            relay: Arc::new(Mutex::new(Relay::new(mutant))),
            mutant,
        }
    }

    /// A sound relay that writes JSON in a certain way.
    pub(crate) fn sound(style: Style) -> Self {
        let backend = Self::new(None);
        backend.relay.lock().expect("no panic").style = style;
        backend
    }
}

#[async_trait]
impl Backend for MemoryBackend {
    fn declared(&self) -> Declared {
        Declared::new(format!("{:?}", self.mutant))
            .levels([Level::Robust])
            .capabilities([Capability::Pause, Capability::Private, Capability::Restart])
    }

    async fn connect(&self, options: ConnectOptions) -> Result<Box<dyn Connection>, ConnectError> {
        let mut relay = self.relay.lock().expect("no panic");
        if relay.dead {
            return Err(ConnectError::Failed("nobody listens".to_owned()));
        }
        Ok(Box::new(Client {
            id: relay.connect(&options.client),
            relay: self.relay.clone(),
        }))
    }

    async fn restart(&self) -> Result<(), BackendError> {
        let mut relay = self.relay.lock().expect("no panic");
        relay.kill();
        relay.dead = false;
        Ok(())
    }
}

struct Client {
    relay: Arc<Mutex<Relay>>,
    id: PeerId,
}

impl Client {
    fn relay(&self) -> MutexGuard<'_, Relay> {
        self.relay.lock().expect("no panic")
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if let Ok(mut relay) = self.relay.lock() {
            relay.forget(self.id);
        }
    }
}

#[async_trait]
impl Connection for Client {
    async fn send_text(&mut self, text: &str) {
        self.relay().arrive(self.id, Arrival::Text(text.into()));
    }

    async fn send_binary(&mut self, bytes: &[u8]) {
        self.relay().arrive(self.id, Arrival::Binary(bytes.into()));
    }

    async fn receive(&mut self, _patience: Duration) -> Event {
        let mut relay = self.relay();
        relay.run();
        let outbox = &mut relay.peer(self.id).outbox;
        match outbox.front() {
            // The end stays, so that it is reported again.
            Some(end @ Event::Closed { .. }) => end.clone(),
            Some(_) => outbox.pop_front().unwrap_or(Event::Nothing),
            None => Event::Nothing,
        }
    }

    async fn close(&mut self, code: Option<u16>, _reason: &str) {
        self.relay()
            .arrive(self.id, Arrival::Close(code.unwrap_or(1005)));
    }

    async fn abort(&mut self) {
        self.relay().arrive(self.id, Arrival::Abort);
    }

    async fn pause(&mut self) {
        self.relay().run();
        self.relay().peer(self.id).paused = true;
    }

    async fn resume(&mut self) {
        self.relay().peer(self.id).paused = false;
    }
}
