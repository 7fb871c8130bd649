//! Servers that fail as a test wants it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use signal_conformance::{
    Backend, BackendError, Capability, ConnectError, ConnectOptions, Connection, Declared, Event,
    HttpResponse, Level,
};

/// Answers pings, forgets everything else, and dies of text that is not JSON.
#[derive(Default)]
pub(crate) struct Mortal {
    dead: Arc<AtomicBool>,
}

#[async_trait]
impl Backend for Mortal {
    fn declared(&self) -> Declared {
        Declared::new("mortal").levels([Level::Robust])
    }

    async fn connect(&self, _options: ConnectOptions) -> Result<Box<dyn Connection>, ConnectError> {
        if self.dead.load(Ordering::SeqCst) {
            return Err(ConnectError::Failed("connection refused".to_owned()));
        }
        Ok(Box::new(Client {
            dead: self.dead.clone(),
            pongs: Mutex::new(0),
        }))
    }

    async fn advance(&self, time: Duration) -> Result<(), BackendError> {
        tokio::time::sleep(time).await;
        Ok(())
    }
}

/// Closes whoever sends text that is not JSON, and turns its address away for so many seconds. They
/// pass as the suite waits.
pub(crate) struct Doorkeeper {
    inner: Mortal,
    status: u16,
    seconds: u64,
    left: Mutex<Option<u64>>,
}

impl Doorkeeper {
    pub(crate) fn new(status: u16, seconds: u64) -> Self {
        Self {
            inner: Mortal::default(),
            status,
            seconds,
            left: Mutex::new(None),
        }
    }
}

#[async_trait]
impl Backend for Doorkeeper {
    fn declared(&self) -> Declared {
        let declared = Declared::new("doorkeeper").levels([Level::Robust]);
        declared.capabilities([Capability::Advance])
    }

    async fn connect(&self, options: ConnectOptions) -> Result<Box<dyn Connection>, ConnectError> {
        if self.inner.dead.load(Ordering::SeqCst) {
            let mut left = self.left.lock().expect("no panic");
            if *left.get_or_insert(self.seconds) > 0 {
                let answer = HttpResponse::new(self.status, Vec::new());
                return Err(ConnectError::Refused(answer));
            }
            *left = None;
            self.inner.dead.store(false, Ordering::SeqCst);
        }
        self.inner.connect(options).await
    }

    async fn advance(&self, time: Duration) -> Result<(), BackendError> {
        let mut left = self.left.lock().expect("no panic");
        *left = left.map(|left| left.saturating_sub(time.as_secs()));
        Ok(())
    }
}

struct Client {
    dead: Arc<AtomicBool>,
    pongs: Mutex<u32>,
}

#[async_trait]
impl Connection for Client {
    async fn send_text(&mut self, text: &str) {
        if text.contains(r#""ping""#) {
            *self.pongs.lock().expect("no panic") += 1;
        }
        if !text.ends_with('}') {
            self.dead.store(true, Ordering::SeqCst);
        }
    }

    async fn send_binary(&mut self, _bytes: &[u8]) {}

    async fn receive(&mut self, _patience: Duration) -> Event {
        if self.dead.load(Ordering::SeqCst) {
            return Event::Closed {
                code: 1006,
                reason: String::new(),
            };
        }
        let mut pongs = self.pongs.lock().expect("no panic");
        if *pongs == 0 {
            return Event::Nothing;
        }
        *pongs -= 1;
        Event::Text(r#"{"type":"pong"}"#.to_owned())
    }

    async fn close(&mut self, _code: Option<u16>, _reason: &str) {}

    async fn abort(&mut self) {}
}

/// Takes every connection and says nothing.
pub(crate) struct Mute;

#[async_trait]
impl Backend for Mute {
    fn declared(&self) -> Declared {
        Declared::new("mute")
    }

    async fn connect(&self, _options: ConnectOptions) -> Result<Box<dyn Connection>, ConnectError> {
        Ok(Box::new(Silence))
    }

    async fn advance(&self, time: Duration) -> Result<(), BackendError> {
        tokio::time::sleep(time).await;
        Ok(())
    }
}

struct Silence;

#[async_trait]
impl Connection for Silence {
    async fn send_text(&mut self, _text: &str) {}

    async fn send_binary(&mut self, _bytes: &[u8]) {}

    async fn receive(&mut self, _patience: Duration) -> Event {
        Event::Nothing
    }

    async fn close(&mut self, _code: Option<u16>, _reason: &str) {}

    async fn abort(&mut self) {}
}
