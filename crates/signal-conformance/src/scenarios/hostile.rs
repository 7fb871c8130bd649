//! The frame of every hostile scenario: somebody does something bad as a member of a room, with
//! bystanders who exchange messages before and after and must notice nothing.

use super::build::{publish, scenario, words};
use crate::step::Expect;
use crate::{Level, Scenario};

pub(super) fn robust(id: &str, requirements: &str, title: &str) -> Scenario {
    scenario(Level::Robust, id, requirements, title)
}

/// `x` does something bad as a member of a room. Afterwards the others are served, and so are
/// newcomers; and so is `x`, unless it was ended for it. Then it is in no count.
pub(super) fn survives(scenario: Scenario, bad: impl FnOnce(Scenario) -> Scenario) -> Scenario {
    // How many they are is seen in the end: a server may notice late that somebody has gone.
    let others = |expect: &mut Expect| expect.ignoring = words("clients");
    let sender = |expect: &mut Expect| {
        others(expect);
        (expect.if_open, expect.eventually) = (true, true);
    };
    let delivered = |s: Scenario, on: &str, data: &str| {
        let message = publish("${t}", &format!(r#""data":"{data}""#));
        s.expect_with(on, &message, others)
            .expect_with("x", &message, sender)
    };
    among_bystanders(scenario, bad, delivered)
        .unsubscribe("a b", "${t}")
        .await_count("new", "1+open.x")
        .expect_with("x", &publish("${t}", r#""data":"count""#), sender)
}

/// The same where it cannot be known whether `x` is still served: it has used up its budgets, or
/// does not read.
pub(super) fn outlast(scenario: Scenario, bad: impl FnOnce(Scenario) -> Scenario) -> Scenario {
    let delivered = |s: Scenario, on: &str, data: &str| {
        let message = publish("${t}", &format!(r#""data":"{data}""#));
        s.expect_with(on, &message, |expect| expect.ignoring = words("clients"))
    };
    among_bystanders(scenario, bad, delivered)
        .abort("x")
        .unsubscribe("a b", "${t}")
        .await_count("new", "1")
}

/// Something bad, and what the others exchange before and after it. `delivered` expects a publish
/// on some of them.
fn among_bystanders(
    scenario: Scenario,
    bad: impl FnOnce(Scenario) -> Scenario,
    delivered: impl Fn(Scenario, &str, &str) -> Scenario,
) -> Scenario {
    scenario
        .room("a b x")
        .publish("x", r#""data":"before""#)
        .expect_publish("a b x", r#""data":"before""#, 3)
        .then(bad)
        .publish("b", r#""data":"after""#)
        .then(|s| delivered(s, "a b", "after"))
        .room("new")
        .publish("new", r#""data":"anew""#)
        .then(|s| delivered(s, "a b new", "anew"))
}
