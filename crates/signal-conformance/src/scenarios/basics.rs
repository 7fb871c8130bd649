//! What all others build on, in the order in which it is of use: an answer, a delivery, an echo,
//! the count, the end of a subscription and of a connection. Where one of these fails, that is not
//! held against the others, so that one fault is one failure, and a second one is seen beside it:
//! what steps need of them is in `needs`, how scenarios do without them in `play`.

use super::basic_ids::{ANSWER, CLOSE, COUNT, DELIVERY, ECHO, ORDER, OUTSIDER, UNSUBSCRIBE};
use super::build::{publish, published, stock};
use super::needs::Needs;
use crate::Scenario;

/// Expects the number 1 whatever `clients` says.
pub(super) fn uncounted(s: Scenario, on: &str) -> Scenario {
    let message = publish("${t}", r#""data":1"#);
    s.expect_with(on, &message, |expect| {
        expect.ignoring = vec!["clients".to_owned()];
    })
}

pub(super) fn scenarios() -> Vec<Scenario> {
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
        .room("a b")
        .publish("b", r#""data":1"#)
        .then(|s| uncounted(s, "a"))
        .release("b"),
        stock(ECHO, "P1", "a subscriber receives what it publishes itself")
            .room("a")
            .expect_open("a")
            .publish("a", r#""data":1"#)
            .then(|s| uncounted(s, "a")),
        stock(OUTSIDER, "P1", "who publishes need not subscribe")
            .room("a")
            .connect("b")
            .publish("b", r#""data":1"#)
            .then(|s| uncounted(s, "a")),
        stock(
            COUNT,
            "P4",
            "what is delivered has a member clients, a number",
        )
        .room("a b")
        .publish("b", r#""data":1"#)
        .expect("a", &published("${t}", r#""data":1"#, 2))
        .release("b"),
        stock(
            UNSUBSCRIBE,
            "S1",
            "who has unsubscribed receives nothing more",
        )
        .room("a b")
        .unsubscribe("a", "${t}")
        .publish("b", r#""data":1"#)
        .expect_nothing("a")
        .release("b"),
        stock(
            CLOSE,
            "S8 C1",
            "a connection that has closed is in no later count",
        )
        .room("a b")
        .close("b", Some(1000))
        .expect_closed("b", &[])
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
    let mut needs = Needs::of(scenario);
    scenario.steps.iter().for_each(|step| needs.step(step));
    let basis = ORDER[..rank(scenario)].iter();
    let basis: Vec<_> = basis
        .filter(|id| needs.has(id))
        .map(|id| (*id).to_owned())
        .collect();
    let named = std::mem::replace(&mut scenario.builds_on, basis);
    scenario.builds_on.extend(named);
}
