//! What all others build on, in the order in which it is of use: an answer, a delivery, an echo,
//! the count, the end of a subscription. Where one of these fails, whatever cannot pass without it
//! is left out, so that one fault is one failure.

use std::collections::BTreeSet;

use super::build::{publish, published, stock};
use crate::json::Value;
use crate::{Scenario, Step};

const ANSWER: &str = "basics.answer";
const DELIVERY: &str = "basics.delivery";
/// Without it, fences are pings and never publishes.
pub(crate) const ECHO: &str = "basics.echo";
const COUNT: &str = "basics.count";
const UNSUBSCRIBE: &str = "basics.unsubscribe";

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
    ]
}

/// Names what a scenario builds on: what its own steps need, in the order of the basics.
pub(super) fn name_basis(scenario: &mut Scenario) {
    let mut needs = Needs::default();
    needs.steps(&scenario.steps);
    let basics = [
        (ANSWER, needs.connects),
        (DELIVERY, needs.delivers),
        (ECHO, needs.echoes),
        (COUNT, needs.counts),
        (UNSUBSCRIBE, needs.unsubscribes),
    ];
    let basis = basics
        .into_iter()
        .filter(|(id, needed)| *needed && *id != scenario.id);
    scenario.builds_on = basis.map(|(id, _)| id.to_owned()).collect();
}

#[derive(Default)]
struct Needs<'a> {
    connects: bool,
    delivers: bool,
    echoes: bool,
    counts: bool,
    unsubscribes: bool,
    publishers: BTreeSet<&'a str>,
}

impl<'a> Needs<'a> {
    fn steps(&mut self, steps: &'a [Step]) {
        steps.iter().for_each(|step| self.step(step));
    }

    fn step(&mut self, step: &'a Step) {
        if let Step::Connect(_) = step {
            self.connects = true;
        } else if let Step::Send { on, text, .. } | Step::SendBinary { on, bytes: text } = step {
            self.sends(on, text);
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
            self.steps(steps);
        }
    }

    fn sends(&mut self, on: &'a [String], text: &str) {
        let escaped = Value::parse(text).is_some_and(|value| {
            let kind = value.member("type");
            kind.is_some_and(|kind| kind.is_string("publish"))
        });
        if escaped || text.contains(PUBLISH) {
            self.publishers.extend(on.iter().map(String::as_str));
        }
        self.unsubscribes |= text.contains("unsubscribe");
    }

    fn receives(&mut self, on: &[String], text: &str, counts: bool) {
        if !text.contains(PUBLISH) {
            return;
        }
        self.counts |= counts;
        for name in on {
            if self.publishers.contains(name.as_str()) {
                self.echoes = true;
            } else {
                self.delivers = true;
            }
        }
    }
}
