//! What all others build on, in the order in which it is of use: an answer, a delivery, an echo,
//! the count, the end of a subscription and of a connection. Where one of these fails, whatever
//! cannot pass without it is left out, so that one fault is one failure.

use std::collections::{BTreeMap, BTreeSet};

use super::build::{publish, published, stock};
use crate::json::Value;
use crate::{Capability, Scenario, Step};

/// Without it, a server that says nothing to a ping may be there still.
pub(crate) const ANSWER: &str = "basics.answer";
const DELIVERY: &str = "basics.delivery";
/// Without it, fences are pings and never publishes.
pub(crate) const ECHO: &str = "basics.echo";
const COUNT: &str = "basics.count";
const UNSUBSCRIBE: &str = "basics.unsubscribe";
const CLOSE: &str = "basics.close";
// The same for what others name best, each near its own kind.
const NO_ANSWER: &str = "subscribe.no_answer";
const NOT_ANNOUNCED: &str = "subscribe.not_announced";
const MANY_TOPICS: &str = "subscribe.many_topics";
/// Without it a fence has no topic beside those of its client.
pub(crate) const ADDS: &str = "subscribe.adds";
const FEWER: &str = "subscribe.unsubscribe";
const OWN_ONLY: &str = "subscribe.unsubscribe_own_only";
const ALONE: &str = "publish.alone";
const NO_HISTORY: &str = "publish.no_history";
const WITHOUT_DATA: &str = "publish.without_data";
const EXTRA_MEMBERS: &str = "publish.extra_members";
const STRINGS: &str = "publish.strings";
const ABORT: &str = "closing.abort";

/// All of them. Each may build on those before it, and they are run in this order.
const ORDER: [&str; 18] = [
    ANSWER,
    NO_ANSWER,
    DELIVERY,
    ECHO,
    COUNT,
    ALONE,
    UNSUBSCRIBE,
    NOT_ANNOUNCED,
    MANY_TOPICS,
    ADDS,
    STRINGS,
    WITHOUT_DATA,
    EXTRA_MEMBERS,
    OWN_ONLY,
    FEWER,
    NO_HISTORY,
    CLOSE,
    ABORT,
];

/// Members of a publish that are no others.
const KNOWN: [&str; 4] = ["type", "topic", "data", "clients"];

/// How a publish is known, unless it is written with escapes.
const PUBLISH: &str = r#""publish""#;

pub(super) fn scenarios() -> Vec<Scenario> {
    let uncounted = |s: Scenario, on: &str| {
        let message = publish("${t}", r#""data":1"#);
        s.expect_with(on, &message, |expect| {
            expect.ignoring = vec!["clients".to_owned()];
        })
    };
    vec![
        stock(
            ANSWER,
            "T1 K1",
            "a connection is accepted, and a ping is answered",
        )
        .connect("a")
        .ping("a")
        .expect("a", r#"{"type":"pong"}"#),
        stock(
            DELIVERY,
            "S1 P1",
            "a subscriber receives what somebody else publishes",
        )
        .room("a")
        .connect("b")
        .publish("b", r#""data":1"#)
        .then(|s| uncounted(s, "a")),
        stock(ECHO, "P1", "a subscriber receives what it publishes itself")
            .room("a")
            .publish("a", r#""data":1"#)
            .then(|s| uncounted(s, "a")),
        stock(
            COUNT,
            "P4",
            "what is delivered has a member clients, a number",
        )
        .room("a")
        .connect("b")
        .publish("b", r#""data":1"#)
        .expect("a", &published("${t}", r#""data":1"#, 1)),
        stock(
            UNSUBSCRIBE,
            "S1",
            "who has unsubscribed receives nothing more",
        )
        .room("a")
        .connect("b")
        .unsubscribe("a", "${t}")
        .publish("b", r#""data":1"#)
        .expect_nothing("a"),
        stock(
            CLOSE,
            "S8 C1",
            "a connection that has closed is in no later count",
        )
        .room("a b")
        .close("b", Some(1000))
        .expect_closed("b", &[1000])
        .await_clients("a", 1),
    ]
}

/// Where a scenario stands among those that others build on: these come first.
pub(super) fn rank(scenario: &Scenario) -> usize {
    let place = ORDER.iter().position(|id| *id == scenario.id);
    place.unwrap_or(ORDER.len())
}

/// Names what a scenario builds on, besides what it names itself: what its own steps need.
pub(super) fn name_basis(scenario: &mut Scenario) {
    let mut needs = Needs::default();
    needs.steps(&scenario.steps);
    // In topics that others use too, nothing of earlier scenarios may be left.
    if scenario.needs.contains(&Capability::Private) {
        needs.found.extend([NO_HISTORY, CLOSE, ABORT]);
    }
    let basis = ORDER[..rank(scenario)].iter();
    let basis = basis.filter(|id| needs.found.contains(*id));
    let named = std::mem::take(&mut scenario.builds_on);
    scenario.builds_on = basis.map(|id| (*id).to_owned()).chain(named).collect();
}

/// What steps need of a server, found as they are read.
#[derive(Default)]
struct Needs<'a> {
    found: BTreeSet<&'static str>,
    publishers: BTreeSet<&'a str>,
    /// Who subscribes, and with what.
    subscribers: BTreeMap<&'a str, &'a str>,
    unsubscribers: BTreeSet<&'a str>,
    /// How subscribers have gone, and how before the last publish.
    ended: BTreeSet<&'static str>,
    ended_before: BTreeSet<&'static str>,
}

impl<'a> Needs<'a> {
    fn steps(&mut self, steps: &'a [Step]) {
        steps.iter().for_each(|step| self.step(step));
    }

    fn step(&mut self, step: &'a Step) {
        if let Step::Connect(connect) = step {
            self.found.insert(ANSWER);
            for name in &connect.on {
                self.subscribers.remove(name.as_str());
            }
        } else if let Step::Send { on, text, .. } | Step::SendBinary { on, bytes: text } = step {
            self.sends(on, text);
        } else if let Step::SendFrame(frame) = step {
            // The first fragment says what the message is.
            self.sends(&frame.on, &frame.bytes);
        } else if let Step::Close { on, .. } = step {
            self.ends(on, CLOSE);
        } else if let Step::Abort { on } = step {
            self.ends(on, ABORT);
        } else if let Step::Expect(expect) = step {
            let counts = expect.text.contains("\"clients\"") && expect.ignoring.is_empty();
            self.receives(&expect.on, &expect.text, counts);
        } else if let Step::Await {
            on, text, expect, ..
        } = step
        {
            self.sends(on, text);
            self.receives(on, expect, true);
        } else if let Step::ExpectSameOrder { on, .. } = step {
            self.receives(on, PUBLISH, false);
        } else if let Step::Repeat { steps, .. } = step {
            // Twice, for what the rounds are to each other.
            self.steps(steps);
            self.steps(steps);
        }
    }

    fn sends(&mut self, on: &'a [String], text: &'a str) {
        let value = Value::parse(text);
        let member = |name| value.as_ref().and_then(|value| value.member(name));
        let escaped = member("type").is_some_and(|kind| kind.is_string("publish"));
        if escaped || text.contains(PUBLISH) {
            self.publishers.extend(on.iter().map(String::as_str));
            self.ended_before.extend(&self.ended);
            let data = member("data");
            let has_others = value.as_ref().is_some_and(|value| value.has_others(&KNOWN));
            let needs = [
                (STRINGS, matches!(data, Some(Value::String(_)))),
                (WITHOUT_DATA, value.is_some() && data.is_none()),
                (EXTRA_MEMBERS, has_others),
            ];
            self.needs(needs);
        }
        if text.contains("unsubscribe") {
            self.found.insert(UNSUBSCRIBE);
            self.unsubscribers.extend(on.iter().map(String::as_str));
        } else if text.contains("subscribe") {
            self.found.insert(NO_ANSWER);
            if !self.publishers.is_empty() {
                self.found.insert(NO_HISTORY);
            }
            if member("topics")
                .is_some_and(|list| matches!(list, Value::Array(list) if list.len() > 1))
            {
                self.found.insert(MANY_TOPICS);
            }
            for name in on {
                let before = self.subscribers.insert(name, text);
                if before.is_some_and(|before| before != text) {
                    self.found.insert(ADDS);
                }
                if self.subscribers.len() > 1 {
                    self.found.insert(NOT_ANNOUNCED);
                }
            }
        }
    }

    fn receives(&mut self, on: &'a [String], text: &str, counts: bool) {
        if !text.contains(PUBLISH) {
            return;
        }
        for name in on {
            let name = name.as_str();
            let echoes = self.publishers.contains(name);
            let needs = [
                (DELIVERY, !echoes),
                (ECHO, echoes),
                (COUNT, counts),
                (ALONE, counts && echoes),
                (FEWER, counts && !self.unsubscribers.is_empty()),
                (
                    OWN_ONLY,
                    self.unsubscribers.iter().any(|other| *other != name),
                ),
            ];
            self.needs(needs);
            if counts {
                self.found.extend(&self.ended_before);
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

    fn needs<const N: usize>(&mut self, needs: [(&'static str, bool); N]) {
        let needs = needs.into_iter().filter(|(_, needed)| *needed);
        self.found.extend(needs.map(|(id, _)| id));
    }
}
