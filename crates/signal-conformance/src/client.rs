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

/// Messages of the server's own that nobody expects and that are let pass.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Strays {
    /// One for each subscribe and unsubscribe of the client.
    pub(crate) answers: bool,
    /// Any number.
    pub(crate) announcements: bool,
    /// Pongs.
    pub(crate) pongs: bool,
}

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
    /// Messages of the server's own that are let pass.
    strays: Strays,
    strays_owed: u64,
    /// How many have been let pass.
    pub(crate) strays_met: u64,
    /// What it has published, without `clients`, where no echo comes of it; and the last text.
    published: Vec<Value>,
    last_sent: String,
    fence_topic: String,
    /// The topic of its own on which a stand-in hears it.
    way_there: Option<String>,
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
        strays: Strays,
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
            strays,
            strays_owed: 0,
            strays_met: 0,
            published: Vec::new(),
            last_sent: String::new(),
            fence_topic: format!("{topic}-fence-{name}"),
            way_there: None,
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
        self.strays_owed += u64::from(text.contains("subscr"));
        self.connection.send_text(text).await;
    }

    /// Keeps in mind what it publishes.
    pub(crate) fn remember(&mut self, text: &str) {
        text.clone_into(&mut self.last_sent);
        self.published.extend(Value::parse(text).map(uncounted));
    }

    /// Whether that is a message which it has published itself.
    pub(crate) fn has_published(&self, message: &Value) -> bool {
        self.published.contains(&uncounted(message.clone()))
    }

    /// The text that it sent last, if that is this message.
    pub(crate) fn last_sent(&self, message: &Value) -> Option<String> {
        let last = Value::parse(&self.last_sent).map(uncounted);
        (last? == uncounted(message.clone())).then(|| self.last_sent.clone())
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
        self.strays_owed += u64::from(bytes.windows(9).any(|word| word == b"subscribe"));
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

    /// Whether its next fence may be a ping.
    pub(crate) fn may_ping(&self) -> bool {
        self.pings_left > 0
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

    /// The same by way of another connection, which hears what this one publishes and publishes to
    /// it: for servers that answer no pings. Needs no echo.
    pub(crate) async fn fence_by(
        &mut self,
        other: &mut Self,
        patience: Duration,
        log: &mut Log,
    ) -> Fence {
        let fence = self.try_fence_by(other, patience, log).await;
        self.served = fence == Fence::Passed;
        fence
    }

    async fn try_fence_by(&mut self, other: &mut Self, patience: Duration, log: &mut Log) -> Fence {
        // Until the other one's subscription has been handled, what is published is lost on it.
        const TRIES: u32 = 50;
        if self.end().is_some() {
            return Fence::Closed;
        }
        let to = format!("{}-there", self.fence_topic);
        if self.fences == 0 {
            // Both subscribe both: some servers let nobody else publish.
            for topic in [&self.fence_topic, &to] {
                let subscribe = subscribe(topic);
                self.strays_owed += 1;
                self.connection.send_text(&subscribe).await;
                other.connection.send_text(&subscribe).await;
            }
            self.way_there = Some(to.clone());
        }
        self.fences += 1;
        let number = self.fences;
        let mut is_handled = false;
        for _ in 0..TRIES {
            self.connection.send_text(&fence(&to, number)).await;
            while let event @ (Event::Text(_) | Event::Binary(_) | Event::Pong(_)) =
                other.connection.receive(patience / TRIES).await
            {
                is_handled |= event.text().is_some_and(|text| is_fence(text, &to, number));
                if is_handled {
                    break;
                }
            }
            if is_handled {
                break;
            }
            let event = self.receive(Duration::from_millis(1), log).await;
            if event != Event::Nothing {
                self.received.push_back(event);
            }
            if self.end().is_some() {
                self.unsettled = false;
                return Fence::Closed;
            }
        }
        if !is_handled {
            return Fence::Unanswered;
        }
        let back = fence(&self.fence_topic, number);
        other.connection.send_text(&back).await;
        loop {
            let event = self.receive(patience, log).await;
            match &event {
                Event::Text(text) if is_fence(text, &self.fence_topic, number) => {
                    self.unsettled = false;
                    return Fence::Passed;
                }
                Event::Closed { .. } => {
                    self.received.push_back(event);
                    self.unsettled = false;
                    return Fence::Closed;
                }
                Event::Nothing => return Fence::Unanswered,
                Event::Text(_) | Event::Binary(_) | Event::Pong(_) => {
                    self.received.push_back(event);
                }
            }
        }
    }

    async fn send_echo_fence(&mut self) {
        self.subscribe_fence().await;
        self.fences += 1;
        let publish = fence(&self.fence_topic, self.fences);
        self.connection.send_text(&publish).await;
    }

    async fn subscribe_fence(&mut self) {
        if self.fences == 0 {
            self.strays_owed += 1;
            let subscribe = subscribe(&self.fence_topic);
            self.connection.send_text(&subscribe).await;
        }
    }

    fn is_echo(&self, text: &str) -> bool {
        is_fence(text, &self.fence_topic, self.fences)
    }

    async fn receive(&mut self, patience: Duration, log: &mut Log) -> Event {
        loop {
            let event = self.connection.receive(patience).await;
            if event != Event::Nothing {
                log.add(&self.name, Direction::Received, &describe(&event));
            }
            if !self.is_keepalive(&event) && !self.is_stray(&event) && !self.is_way_there(&event) {
                return event;
            }
        }
    }

    /// Whether it is its own message to a stand-in.
    fn is_way_there(&self, event: &Event) -> bool {
        let value = event.text().filter(|_| self.way_there.is_some());
        let value = value.and_then(Value::parse);
        let topic = value.as_ref().and_then(|value| value.member("topic"));
        topic
            .zip(self.way_there.as_ref())
            .is_some_and(|(topic, own)| topic.is_string(own))
    }

    /// Whether it is a message of the server's own that is known to come.
    fn is_stray(&mut self, event: &Event) -> bool {
        let Some(text) = event.text() else {
            return false;
        };
        let is_pong = self.strays.pongs && is_pong(text);
        let is_own = is_of_no_kind(text);
        let is_answer = is_own && self.strays.answers && self.strays_owed > 0;
        let is_stray = is_pong || is_answer || is_own && self.strays.announcements;
        self.strays_owed -= u64::from(is_answer);
        self.strays_met += u64::from(is_stray);
        is_stray
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

fn subscribe(topic: &str) -> String {
    format!(r#"{{"type":"subscribe","topics":["{topic}"]}}"#)
}

/// A publish that serves as a fence.
fn fence(topic: &str, number: u64) -> String {
    format!(r#"{{"type":"publish","topic":"{topic}","data":{number}}}"#)
}

/// Lenient as below: what becomes of data has scenarios of its own.
fn is_fence(text: &str, topic: &str, number: u64) -> bool {
    let Some(value) = Value::parse(text) else {
        return false;
    };
    let has_number =
        |data: &Value| data.is_number(number as f64) || data.is_string(&number.to_string());
    value
        .member("topic")
        .is_some_and(|found| found.is_string(topic))
        && value.member("data").is_some_and(has_number)
}

fn uncounted(message: Value) -> Value {
    message.without(&["clients".to_owned()])
}

/// Whether it is neither a publish nor a pong.
pub(crate) fn is_of_no_kind(text: &str) -> bool {
    let value = Value::parse(text);
    let kind = value.as_ref().and_then(|value| value.member("type"));
    !kind.is_some_and(|kind| kind.is_string("publish") || kind.is_string("pong"))
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
