//! A client as the runner sees it: its connection, what it has received but nobody expected yet,
//! and its fences.
//!
//! Messages are spelt here and in the scenarios, not by `signal_core::client`, and read by `json`:
//! the suite holds `signal-core` to the protocol, so a mistake of one must not be the other's.

use std::collections::VecDeque;
use std::time::Duration;

use crate::json::Value;
use crate::log::{Direction, Log};
use crate::{Connection, Event};

/// Not the stock client's own spelling: a runtime may answer that one itself (Durable Objects do),
/// before what was sent earlier has been handled.
const PING: &str = r#"{"type": "ping"}"#;

/// Where a client stands, as far as the runner has to do with it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Standing {
    /// It is served: fences work, and everything it receives must be expected.
    Open,
    /// It does not read.
    Paused,
    /// It has ended or is about to.
    Closing,
    /// The scenario no longer cares.
    Released,
}

pub(crate) struct Client {
    pub(crate) name: String,
    pub(crate) standing: Standing,
    /// Whether something it sent may not have been handled yet.
    pub(crate) unsettled: bool,
    /// Whether something it did may not have come to all nodes yet.
    pub(crate) unheard: bool,
    /// Its topics have changed, and not all nodes may have counted it anew.
    pub(crate) uncounted: bool,
    /// The topic that it published to last, if that matters.
    pub(crate) topic: Option<String>,
    /// Whether it was served when that was last seen.
    served: bool,
    /// Pings it may still send as fences without exceeding the server's budget.
    pings_left: u64,
    /// Pings it has sent and not seen answered; some may never be.
    pongs_owed: u64,
    /// Pongs it may be sent unasked in the time that has passed.
    pub(crate) keepalives_max: u64,
    /// Those that have come.
    keepalives: u64,
    fence_topic: String,
    fences: u64,
    connection: Box<dyn Connection>,
    received: VecDeque<Event>,
}

/// How a fence ended.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Fence {
    Passed,
    Closed,
    Unanswered,
}

impl Client {
    pub(crate) fn new(
        name: &str,
        connection: Box<dyn Connection>,
        topic: &str,
        pings: u64,
    ) -> Self {
        Self {
            name: name.to_owned(),
            standing: Standing::Open,
            unsettled: false,
            unheard: false,
            uncounted: false,
            topic: None,
            served: true,
            pings_left: pings,
            pongs_owed: 0,
            keepalives_max: 0,
            keepalives: 0,
            fence_topic: format!("{topic}-fence-{name}"),
            fences: 0,
            connection,
            received: VecDeque::new(),
        }
    }

    /// The connection, for what needs no bookkeeping.
    pub(crate) fn connection(&mut self) -> &mut dyn Connection {
        &mut *self.connection
    }

    pub(crate) async fn send(&mut self, text: &str, log: &mut Log) {
        log.add(&self.name, Direction::Sent, text);
        self.unsettled = true;
        self.unheard = true;
        if text.contains("ping") {
            self.pings_left = self.pings_left.saturating_sub(1);
            self.pongs_owed += 1;
        }
        self.connection.send_text(text).await;
    }

    pub(crate) async fn send_binary(&mut self, bytes: &[u8], log: &mut Log) {
        log.add(
            &self.name,
            Direction::Sent,
            &format!("binary: {}", String::from_utf8_lossy(bytes)),
        );
        self.unsettled = true;
        self.unheard = true;
        self.pongs_owed += u64::from(bytes.windows(4).any(|word| word == b"ping"));
        self.connection.send_binary(bytes).await;
    }

    pub(crate) async fn send_raw(&mut self, bytes: &[u8], log: &mut Log) {
        log.add(&self.name, Direction::Sent, &format!("raw: {}", hex(bytes)));
        self.unsettled = true;
        self.unheard = true;
        self.connection.send_raw(bytes).await;
    }

    /// The next event, be it one that came while a fence was waited for.
    pub(crate) async fn next(&mut self, patience: Duration, log: &mut Log) -> Event {
        match self.received.pop_front() {
            Some(event) => event,
            None => self.receive(patience, log).await,
        }
    }

    /// What came while a fence was waited for.
    pub(crate) fn left_over(&self) -> Option<&Event> {
        self.received.front()
    }

    /// How the connection ended, if that is known.
    pub(crate) fn end(&self) -> Option<&Event> {
        self.received.back().filter(|event| event.is_closed())
    }

    /// Forgets what came while a fence was waited for, and says how much it was.
    pub(crate) fn take_left_over(&mut self) -> usize {
        std::mem::take(&mut self.received).len()
    }

    /// Whether it was served when that was last seen.
    pub(crate) fn is_served(&self) -> bool {
        self.served && self.standing != Standing::Closing && self.end().is_none()
    }

    /// Waits until what it sent has been handled and what was sent to it has come.
    pub(crate) async fn fence(&mut self, patience: Duration, log: &mut Log) -> Fence {
        let fence = self.try_fence(patience, log).await;
        self.served = fence == Fence::Passed;
        fence
    }

    /// The fence is a ping as long as that does not use up a server's budget of pings, then a
    /// publish to a topic of its own.
    async fn try_fence(&mut self, patience: Duration, log: &mut Log) -> Fence {
        if self.end().is_some() {
            return Fence::Closed;
        }
        let ping = self.pings_left > 0;
        if ping {
            self.pings_left -= 1;
            self.pongs_owed += 1;
            self.connection.send_text(PING).await;
        } else {
            self.send_echo_fence().await;
        }
        loop {
            let event = self.receive(patience, log).await;
            let passed = match &event {
                Event::Text(text) if ping => is_pong(text),
                Event::Text(text) => self.is_echo(text),
                Event::Closed { .. } => {
                    self.received.push_back(event);
                    self.unsettled = false;
                    return Fence::Closed;
                }
                Event::Nothing => return Fence::Unanswered,
                Event::Binary(_) | Event::Pong(_) => false,
            };
            if passed {
                self.unsettled = false;
                return Fence::Passed;
            }
            self.received.push_back(event);
        }
    }

    async fn send_echo_fence(&mut self) {
        let topic = &self.fence_topic;
        if self.fences == 0 {
            let subscribe = format!(r#"{{"type":"subscribe","topics":["{topic}"]}}"#);
            self.connection.send_text(&subscribe).await;
        }
        self.fences += 1;
        let publish = format!(
            r#"{{"type":"publish","topic":"{topic}","data":{}}}"#,
            self.fences
        );
        self.connection.send_text(&publish).await;
    }

    fn is_echo(&self, text: &str) -> bool {
        let Some(value) = Value::parse(text) else {
            return false;
        };
        let has_topic = |topic: &Value| topic.is_string(&self.fence_topic);
        // Lenient as below: what becomes of data has scenarios of its own.
        let number = self.fences.to_string();
        let has_number =
            |data: &Value| data.is_number(self.fences as f64) || data.is_string(&number);
        value.member("topic").is_some_and(has_topic) && value.member("data").is_some_and(has_number)
    }

    async fn receive(&mut self, patience: Duration, log: &mut Log) -> Event {
        loop {
            let event = self.connection.receive(patience).await;
            if event != Event::Nothing {
                log.add(&self.name, Direction::Received, &describe(&event));
            }
            if !self.is_keepalive(&event) {
                return event;
            }
        }
    }

    /// Whether it is a pong that nobody asked for, and may be: what the scenario is not about.
    fn is_keepalive(&mut self, event: &Event) -> bool {
        if !event.text().is_some_and(is_bare_pong) {
            return false;
        }
        if self.pongs_owed > 0 {
            self.pongs_owed -= 1;
            return false;
        }
        let is_allowed = self.keepalives < self.keepalives_max;
        self.keepalives += u64::from(is_allowed);
        is_allowed
    }
}

/// Lenient, so that a wrong pong fails the scenario about pongs and no other.
fn is_pong(text: &str) -> bool {
    Value::parse(text).is_some_and(|value| {
        value
            .member("type")
            .is_some_and(|kind| kind.is_string("pong"))
    })
}

/// What a server may also send unasked, to one that has heard nothing for a while.
fn is_bare_pong(text: &str) -> bool {
    // Most messages are not looked into.
    const LENGTH_MAX: usize = 64;
    text.len() <= LENGTH_MAX && Value::parse(text) == Value::parse(r#"{"type":"pong"}"#)
}

/// An event as a person reads it.
pub(crate) fn describe(event: &Event) -> String {
    match event {
        Event::Text(text) => text.clone(),
        Event::Binary(bytes) => format!("binary: {}", String::from_utf8_lossy(bytes)),
        Event::Pong(bytes) => format!("pong frame: {}", hex(bytes)),
        Event::Closed { code, reason } if reason.is_empty() => format!("closed with {code}"),
        Event::Closed { code, reason } => format!("closed with {code} ({reason})"),
        Event::Nothing => "nothing".to_owned(),
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    const SHOWN: usize = 32;
    let mut text: String = bytes
        .iter()
        .take(SHOWN)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    if bytes.len() > SHOWN {
        text.push_str(&format!("… ({} bytes)", bytes.len()));
    }
    text
}
