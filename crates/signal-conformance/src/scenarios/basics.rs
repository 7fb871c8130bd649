//! What all others build on, in the order in which it is of use: an answer, a delivery, an echo,
//! the count, the end of a subscription and of a connection. Where one of these fails, that is not
//! held against the others, so that one fault is one failure, and a second one is seen beside it:
//! what steps need of them is in `needs`, how scenarios do without them in `play`.

use super::build::{publish, published, stock};
use super::needs::Needs;
use crate::Scenario;

/// Without it, fences go by way of another connection, and a server that says nothing to a ping may
/// be there still.
pub(crate) const ANSWER: &str = "basics.answer";
pub(crate) const DELIVERY: &str = "basics.delivery";
/// Without it, fences are pings and never publishes.
pub(crate) const ECHO: &str = "basics.echo";
pub(crate) const OUTSIDER: &str = "basics.outsider";
pub(crate) const COUNT: &str = "basics.count";
pub(crate) const UNSUBSCRIBE: &str = "basics.unsubscribe";
pub(crate) const CLOSE: &str = "basics.close";
// The same for what others name best, each near its own kind.
pub(crate) const EACH_PING: &str = "ping.each";
pub(crate) const SENDER_ONLY: &str = "ping.sender_only";
pub(crate) const NO_ANSWER: &str = "subscribe.no_answer";
pub(crate) const NOT_ANNOUNCED: &str = "subscribe.not_announced";
pub(crate) const MANY_TOPICS: &str = "subscribe.many_topics";
/// Without it a fence has no topic beside those of its client.
pub(crate) const ADDS: &str = "subscribe.adds";
pub(crate) const FEWER: &str = "subscribe.unsubscribe";
pub(crate) const OWN_ONLY: &str = "subscribe.unsubscribe_own_only";
pub(crate) const UNKNOWN: &str = "subscribe.unsubscribe_unknown";
pub(crate) const PIPELINED: &str = "subscribe.pipelined";
pub(crate) const FROM_OUTSIDE: &str = "publish.from_outside";
pub(crate) const ALONE: &str = "publish.alone";
pub(crate) const NOBODY: &str = "publish.nobody";
pub(crate) const NO_HISTORY: &str = "publish.no_history";
pub(crate) const WITHOUT_DATA: &str = "publish.without_data";
pub(crate) const EXTRA_MEMBERS: &str = "publish.extra_members";
pub(crate) const STRING: &str = "publish.string";
pub(crate) const STRINGS: &str = "publish.strings";
pub(crate) const LONG_DATA: &str = "publish.long_data";
pub(crate) const IN_ORDER: &str = "order.one_topic";
pub(crate) const ABORT: &str = "closing.abort";

/// All of them. Each may build on those before it, and they are run in this order.
const ORDER: [&str; 28] = [
    ANSWER,
    NO_ANSWER,
    NOT_ANNOUNCED,
    DELIVERY,
    EACH_PING,
    SENDER_ONLY,
    ECHO,
    PIPELINED,
    OUTSIDER,
    NOBODY,
    COUNT,
    ALONE,
    FROM_OUTSIDE,
    UNSUBSCRIBE,
    MANY_TOPICS,
    ADDS,
    STRING,
    STRINGS,
    WITHOUT_DATA,
    EXTRA_MEMBERS,
    LONG_DATA,
    IN_ORDER,
    OWN_ONLY,
    FEWER,
    UNKNOWN,
    NO_HISTORY,
    CLOSE,
    ABORT,
];

/// Those without which a ping is not a fence, and what follows it cannot be judged.
pub(crate) const PINGS: [&str; 3] = [ANSWER, EACH_PING, SENDER_ONLY];

/// Those that concern the number in `clients`.
pub(crate) const COUNTS: [&str; 6] = [COUNT, ALONE, FROM_OUTSIDE, FEWER, CLOSE, ABORT];

/// A basic scenario's id, if it is one.
pub(crate) fn basic(id: &str) -> Option<&'static str> {
    ORDER.into_iter().find(|basic| *basic == id)
}

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
