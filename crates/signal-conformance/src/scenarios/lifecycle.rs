//! Liveness, draining, restart and hibernation.

use super::build::{scenario, words};
use crate::Capability::{Drain, Hibernate, Restart};
use crate::{Level, Scenario, Step};

pub(super) fn scenarios() -> Vec<Scenario> {
    let mut all = liveness();
    all.extend(ends());
    all.extend(hibernation());
    all
}

fn lifecycle(id: &str, requirements: &str, title: &str) -> Scenario {
    scenario(Level::Lifecycle, id, requirements, title)
}

const FLOOD: &str = r#"{"type":"publish","topic":"${t}","n":${n}}"#;

fn liveness() -> Vec<Scenario> {
    vec![
        lifecycle(
            "lifecycle.half_open",
            "V1 N4",
            "a peer from which nothing comes is gone within two intervals",
        )
        .room("a x")
        .pause("x")
        .advance("2*ping_interval+1000")
        .publish("a", r#""data":1"#)
        .expect_publish("a", r#""data":1"#, 1),
        lifecycle(
            "lifecycle.half_open_closed",
            "V1",
            "such a peer is closed with 4408",
        )
        .connect("x")
        .pause("x")
        .advance("2*ping_interval+1000")
        .step(Step::Resume { on: words("x") })
        .expect_closed("x", &[4408, 1006]),
        lifecycle(
            "lifecycle.pong_is_life",
            "V1",
            "a peer that answers pings stays, however long it says nothing",
        )
        .room("a b")
        .advance("5*ping_interval")
        .publish("a", r#""data":1"#)
        .expect_publish("a b", r#""data":1"#, 2),
        lifecycle(
            "lifecycle.message_is_life",
            "V1",
            "a peer that sends messages stays, though it answers no ping",
        )
        .room("a x")
        .pause("x")
        .repeat(12, |s| {
            s.advance("ping_interval/3").send("x", r#"{"type":"none"}"#)
        })
        .publish("a", r#""data":1"#)
        .expect_publish("a", r#""data":1"#, 2)
        .step(Step::Resume { on: words("x") })
        .expect_publish("x", r#""data":1"#, 2),
        lifecycle(
            "lifecycle.no_subscriptions",
            "V2",
            "a peer without subscriptions stays",
        )
        .connect("a")
        .advance("5*ping_interval")
        .expect_open("a"),
        lifecycle(
            "lifecycle.only_pings",
            "V2 K1",
            "a peer that sends nothing but pings stays, and is answered",
        )
        .connect("a")
        .repeat(5, |s| s.advance("ping_interval").ping("a").expect_pong("a")),
        lifecycle(
            "lifecycle.others_outlive",
            "V1",
            "the end of a vanished peer does not concern the others",
        )
        .room("a b x")
        .pause("x")
        .advance("2*ping_interval+1000")
        .publish("a", r#""data":1"#)
        .expect_publish("a b", r#""data":1"#, 2)
        .room("x")
        .publish("a", r#""data":2"#)
        .expect_publish("a b x", r#""data":2"#, 3),
        lifecycle(
            "lifecycle.keepalive",
            "V6",
            "a client that asks for nothing is sent a pong in each interval, and no more",
        )
        .when("0<keepalive_interval")
        .connect("a")
        .repeat(3, |s| {
            s.advance("keepalive_interval+100")
                .expect("a", r#"{"type":"pong"}"#)
        })
        .expect_nothing("a"),
        lifecycle(
            "lifecycle.keepalive_in_time",
            "V6 K1",
            "a client that pings before the interval is over is sent answers alone",
        )
        .when("0<keepalive_interval")
        .connect("a")
        .repeat(4, |s| {
            s.advance("2*keepalive_interval/3")
                .ping("a")
                .expect_pong("a")
        })
        .expect_nothing("a"),
    ]
}

fn ends() -> Vec<Scenario> {
    vec![
        lifecycle(
            "lifecycle.drain",
            "C4",
            "a draining server refuses upgrades with 503 and closes its peers with 1012",
        )
        .needs([Drain, Restart])
        .room("a b")
        .step(Step::Drain)
        .expect_refused(&[503], None, |_| {})
        .step(Step::ExpectClosed {
            on: words("a b"),
            codes: vec![1012],
            within: Some(30_000.into()),
            eventually: false,
        })
        .step(Step::Restart),
        lifecycle(
            "lifecycle.restart",
            "V5 S8 N1",
            "after a restart the old connections are gone, and nothing is remembered of them",
        )
        .needs([Restart])
        .room("a b")
        .step(Step::Restart)
        .expect_closed("a b", &[])
        .connect("a b")
        .publish("b", r#""data":1"#)
        .subscribe("a", "${t}")
        .publish("b", r#""data":2"#)
        .expect_publish("a", r#""data":2"#, 1),
    ]
}

fn hibernation() -> Vec<Scenario> {
    let hibernates = |id: &str, requirements: &str, title: &str| {
        lifecycle(id, requirements, title).needs([Hibernate])
    };
    vec![
        hibernates(
            "lifecycle.hibernate.subscriptions",
            "V4 S1 P4",
            "subscriptions outlast hibernation",
        )
        .room("a b")
        .step(Step::Hibernate)
        .publish("a", r#""data":1"#)
        .expect_publish("a b", r#""data":1"#, 2),
        hibernates(
            "lifecycle.hibernate.unsubscribed",
            "V4 S1",
            "what was unsubscribed stays so",
        )
        .connect("a b")
        .subscribe("a b", "${t} ${t}-2")
        .unsubscribe("b", "${t}")
        .step(Step::Hibernate)
        .publish("a", r#""data":1"#)
        .expect_publish("a", r#""data":1"#, 1)
        .send("a", r#"{"type":"publish","topic":"${t}-2"}"#)
        .expect("a b", r#"{"type":"publish","topic":"${t}-2","clients":2}"#),
        hibernates(
            "lifecycle.hibernate.between_any_two",
            "V4 S2 O1 K1",
            "hibernation between any two messages changes nothing",
        )
        .connect("a b")
        .step(Step::Hibernate)
        .subscribe("a", "${t}")
        .step(Step::Hibernate)
        .ping("b")
        .expect_pong("b")
        .step(Step::Hibernate)
        .subscribe("b", "${t}")
        .step(Step::Hibernate)
        .publish("b", r#""data":1"#)
        .expect_publish("a b", r#""data":1"#, 2)
        .step(Step::Hibernate)
        .unsubscribe("a", "${t}")
        .step(Step::Hibernate)
        .publish("a", r#""data":2"#)
        .expect_publish("b", r#""data":2"#, 1)
        .expect_nothing("a"),
        hibernates(
            "lifecycle.hibernate.closed",
            "V4 S8 C1",
            "a peer that closes after hibernation is answered, and in no later count",
        )
        .room("a b")
        .step(Step::Hibernate)
        .close("b", Some(1000))
        .expect_closed("b", &[1000])
        .await_clients("a", 1),
        hibernates(
            "lifecycle.hibernate.topics",
            "V4 S1 L5",
            "forty topics of one peer outlast hibernation",
        )
        .connect("a")
        .repeat(40, |s| s.subscribe("a", "${t}-${n}-${repeat:y:100}"))
        .step(Step::Hibernate)
        .repeat(40, |s| {
            s.send(
                "a",
                r#"{"type":"publish","topic":"${t}-${n}-${repeat:y:100}"}"#,
            )
        })
        .repeat(40, |s| {
            s.expect(
                "a",
                r#"{"type":"publish","topic":"${t}-${n}-${repeat:y:100}","clients":1}"#,
            )
        }),
        hibernates(
            "lifecycle.hibernate.budgets",
            "V4 L2 L4",
            "what was used of a budget stays used across hibernation",
        )
        .when("5*messages_per_second+5*strikes_per_second+30<messages_burst")
        .connect("x")
        .repeat("messages_burst+strikes_burst-20", |s| s.send("x", FLOOD))
        .step(Step::Hibernate)
        .repeat("5*messages_per_second+5*strikes_per_second+30", |s| {
            s.send("x", FLOOD)
        })
        .expect_refused_peer("x", 4429),
        hibernates(
            "lifecycle.hibernate.half_open",
            "V4 V1",
            "a peer that vanishes is gone within two intervals, hibernation or not",
        )
        .room("a x")
        .pause("x")
        .step(Step::Hibernate)
        .advance("2*ping_interval+1000")
        .publish("a", r#""data":1"#)
        .expect_publish("a", r#""data":1"#, 1),
        hibernates(
            "lifecycle.hibernate.grant",
            "V4 A1 A2",
            "grants outlast hibernation",
        )
        .connect_granted("a", "${t}", "${t}")
        .step(Step::Hibernate)
        .subscribe("a", "${t} ${t}-2")
        .send("a", r#"{"type":"publish","topic":"${t}-2","data":0}"#)
        .publish("a", r#""data":1"#)
        .expect_publish("a", r#""data":1"#, 1),
    ]
}
