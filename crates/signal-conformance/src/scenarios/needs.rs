//! What the steps of a scenario need of a server, found as they are read.

use std::collections::{BTreeMap, BTreeSet};

use super::basic_ids::{
    ABORT, ADDS, ALONE, CLOSE, COUNT, DELIVERY, ECHO, EXTRA_MEMBERS, FEWER, FROM_OUTSIDE, IN_ORDER,
    LONG_DATA, MANY_TOPICS, NO_ANSWER, NO_HISTORY, NOT_ANNOUNCED, OUTSIDER, OWN_ONLY, PINGS,
    PIPELINED, STRING, STRINGS, UNKNOWN, UNSUBSCRIBE, WITHOUT_DATA,
};
use crate::json::Value;
use crate::{Capability, Scenario, Step};

/// Members of a publish that are no others.
pub(crate) const KNOWN: [&str; 4] = ["type", "topic", "data", "clients"];

/// How a publish is known, unless it is written with escapes.
const PUBLISH: &str = r#""publish""#;

/// What cannot be done without.
const HARD: bool = true;
/// What can be done without, in some way.
const SOFT: bool = false;

/// What steps need of a server.
#[derive(Default)]
pub(crate) struct Needs<'a> {
    /// Basic scenarios, and whether a step cannot do without.
    found: BTreeMap<&'static str, bool>,
    publishers: BTreeSet<&'a str>,
    /// Who has published what.
    published: BTreeMap<&'a str, &'a str>,
    /// Those that publish in frames of their own making, which is not followed.
    framers: BTreeSet<&'a str>,
    /// Who subscribes, and with what.
    subscribers: BTreeMap<&'a str, Vec<&'a str>>,
    unsubscribers: BTreeSet<&'a str>,
    /// How subscribers have gone, and how before the last publish.
    ended: BTreeSet<&'static str>,
    ended_before: BTreeSet<&'static str>,
}

impl<'a> Needs<'a> {
    /// What a scenario needs before its first step.
    pub(crate) fn of(scenario: &Scenario) -> Self {
        let mut needs = Self::default();
        // In topics that others use too, nothing of earlier scenarios may be left.
        if scenario.needs.contains(&Capability::Private) {
            needs.need(NO_HISTORY, HARD);
            needs.need(CLOSE, SOFT);
            needs.need(ABORT, SOFT);
        }
        needs
    }

    /// Whether a step needs that basic scenario.
    pub(crate) fn has(&self, id: &str) -> bool {
        self.found.contains_key(id)
    }

    /// Whether a step cannot do without it.
    pub(crate) fn is_hard(&self, id: &str) -> bool {
        self.found.get(id).is_some_and(|hard| *hard)
    }

    fn need(&mut self, id: &'static str, is_hard: bool) {
        *self.found.entry(id).or_default() |= is_hard;
    }

    fn needs<const N: usize>(&mut self, needs: [(&'static str, bool, bool); N]) {
        for (id, is_hard, _) in needs.into_iter().filter(|(_, _, needed)| *needed) {
            self.need(id, is_hard);
        }
    }

    /// Reads one step more.
    pub(crate) fn step(&mut self, step: &'a Step) {
        if let Step::Connect(connect) = step {
            PINGS.into_iter().for_each(|id| self.need(id, SOFT));
            for name in &connect.on {
                self.subscribers.remove(name.as_str());
            }
        } else if let Step::Send { on, text, .. } | Step::SendBinary { on, bytes: text } = step {
            self.sends(on, text);
        } else if let Step::SendFrame(frame) = step {
            self.framers.extend(frame.on.iter().map(String::as_str));
            self.need(EXTRA_MEMBERS, SOFT);
            // The first fragment says what the message is.
            self.sends(&frame.on, &frame.bytes);
        } else if let Step::Close { on, .. } = step {
            self.ends(on, CLOSE);
        } else if let Step::Abort { on } = step {
            self.ends(on, ABORT);
        } else if let Step::Expect(expect) = step {
            let counts = expect.text.contains("\"clients\"") && expect.ignoring.is_empty();
            self.receives(&expect.on, &expect.text, counts, SOFT);
        } else if let Step::Await {
            on, text, expect, ..
        } = step
        {
            self.sends(on, text);
            self.receives(on, expect, true, SOFT);
        } else if let Step::ExpectSameOrder { on, .. } = step {
            self.receives(on, PUBLISH, false, HARD);
        } else if let Step::ExpectSome { on, .. } = step {
            self.receives(on, PUBLISH, false, HARD);
        } else if let Step::Meet { on, .. } = step {
            self.need(DELIVERY, HARD);
            self.subscribes(on, "");
        } else if let Step::Repeat { steps, .. } = step {
            let waits = |step: &Step| !matches!(step, Step::Send { .. });
            let publishes =
                |step: &Step| matches!(step, Step::Send { text, .. } if text.contains(PUBLISH));
            if steps.iter().any(publishes) && !steps.iter().any(waits) {
                self.need(IN_ORDER, HARD);
            }
            // Twice, for what the rounds are to each other.
            steps.iter().chain(steps).for_each(|step| self.step(step));
        }
    }

    fn sends(&mut self, on: &'a [String], text: &'a str) {
        let value = Value::parse(text);
        let member = |name| value.as_ref().and_then(|value| value.member(name));
        let escaped = member("type").is_some_and(|kind| kind.is_string("publish"));
        if !text.is_ascii() || text.contains('\\') || text.contains("${hex:") {
            self.need(STRINGS, HARD);
        }
        if escaped || text.contains(PUBLISH) {
            for name in on.iter().map(String::as_str) {
                self.publishers.insert(name);
                // Where several publish the same, it cannot be known whose echo is missing.
                if *self.published.entry(text).or_insert(name) != name {
                    self.need(ECHO, HARD);
                }
                let subscribed = self.subscribers.get(name);
                let topic = member("topic").and_then(Value::text);
                let is_outsider = match (subscribed, topic) {
                    (Some(texts), Some(topic)) => {
                        let topic = format!("\"{topic}\"");
                        !texts.iter().any(|text| text.contains(&topic))
                    }
                    (subscribed, _) => subscribed.is_none(),
                };
                if subscribed.is_some() {
                    self.need(PIPELINED, HARD);
                }
                let has_left = self.unsubscribers.contains(name);
                if is_outsider || has_left {
                    self.need(OUTSIDER, HARD);
                    self.need(FROM_OUTSIDE, SOFT);
                }
                if has_left {
                    self.need(FEWER, SOFT);
                }
            }
            self.ended_before.extend(&self.ended);
            let data = member("data");
            let has_others = value.as_ref().is_some_and(|value| value.has_others(&KNOWN));
            let needs = [
                (STRING, HARD, matches!(data, Some(Value::String(_)))),
                (LONG_DATA, HARD, is_long(text)),
                (WITHOUT_DATA, HARD, value.is_some() && data.is_none()),
                (EXTRA_MEMBERS, SOFT, has_others),
            ];
            self.needs(needs);
        }
        if text.contains("unsubscribe") {
            self.need(UNSUBSCRIBE, HARD);
            for name in on.iter().map(String::as_str) {
                self.unsubscribers.insert(name);
                let subscribed = self.subscribers.get(name);
                let is_known = |topic: &Value| {
                    let mut texts = subscribed.into_iter().flatten();
                    texts.any(|text| topic.text().is_none_or(|topic| text.contains(&topic)))
                };
                let topics = member("topics");
                if matches!(topics, Some(Value::Array(list)) if !list.iter().all(is_known)) {
                    self.need(UNKNOWN, HARD);
                }
            }
        } else if text.contains("subscribe") {
            if !self.publishers.is_empty() {
                self.need(NO_HISTORY, HARD);
            }
            if matches!(member("topics"), Some(Value::Array(list)) if list.len() > 1) {
                self.need(MANY_TOPICS, HARD);
            }
            self.subscribes(on, text);
        }
    }

    fn subscribes(&mut self, on: &'a [String], text: &'a str) {
        self.need(NO_ANSWER, SOFT);
        for name in on {
            let before = self.subscribers.entry(name).or_default();
            let adds = before.iter().any(|before| *before != text);
            before.push(text);
            if adds {
                self.need(ADDS, HARD);
            }
            if self.subscribers.len() > 1 {
                self.need(NOT_ANNOUNCED, SOFT);
            }
        }
    }

    fn receives(&mut self, on: &'a [String], text: &str, counts: bool, echo: bool) {
        if text.contains("\"pong\"") {
            PINGS.into_iter().for_each(|id| self.need(id, HARD));
        }
        if !text.contains(PUBLISH) {
            return;
        }
        for name in on {
            let name = name.as_str();
            let echoes = self.publishers.contains(name);
            let echo = echo || self.framers.contains(name);
            let needs = [
                (DELIVERY, HARD, !echoes),
                (ECHO, echo, echoes),
                (COUNT, SOFT, counts),
                (ALONE, SOFT, counts && echoes),
                (FEWER, SOFT, counts && !self.unsubscribers.is_empty()),
                (
                    OWN_ONLY,
                    HARD,
                    self.unsubscribers.iter().any(|other| *other != name),
                ),
            ];
            self.needs(needs);
        }
        if counts {
            for id in self.ended_before.clone() {
                self.need(id, SOFT);
            }
        }
    }

    /// Notes how subscribers among these end.
    fn ends(&mut self, on: &[String], how: &'static str) {
        let is_subscriber = |name: &String| self.subscribers.contains_key(name.as_str());
        if on.iter().any(is_subscriber) {
            self.ended.insert(how);
        }
    }
}

/// Whether a message is of a length that a server may cut or drop.
fn is_long(text: &str) -> bool {
    const LONG: u64 = 1_000;
    let length = |at: usize| {
        let digits: String = text[at..]
            .chars()
            .take_while(char::is_ascii_digit)
            .collect();
        digits.parse::<u64>().ok()
    };
    let mut lengths = ["${repeat:x:", "${pad_to:"]
        .into_iter()
        .filter_map(|begin| text.find(begin).map(|at| length(at + begin.len())));
    // What is not written in digits is a limit, and so large.
    lengths.any(|length| length.is_none_or(|length| length >= LONG))
}
