//! How many clients a topic may have by the grant of whoever wants to be in it: A4, and U23 for
//! tokens.

use super::access::access;
use super::build::{publish, published};
use super::carriers::query;
use super::tokens::{claims, refused};
use crate::Capability::{ClientsMax, Hibernate};
use crate::Scenario;

pub(super) fn scenarios() -> Vec<Scenario> {
    let mut all = alone();
    all.extend(together());
    all.extend(tokens());
    all
}

fn sized(id: &str, requirements: &str, title: &str) -> Scenario {
    access(id, requirements, title).needs([ClientsMax])
}

/// What a number does to the peer that has it.
fn alone() -> Vec<Scenario> {
    vec![
        sized(
            "access.clients_max.full",
            "A4 L11 S7",
            "a topic with as many peers as a grant says is full for its peer; the others in the same message count",
        )
        .connect_sized("a b x", &[("*", 2)])
        .subscribe("a b", "${t}")
        .subscribe("x", "${t} ${t}-other")
        .publish("a", r#""data":1"#)
        .expect_publish("a b", r#""data":1"#, 2)
        .send("x", &publish("${t}-other", r#""data":2"#))
        .expect("x", &published("${t}-other", r#""data":2"#, 1)),
        sized(
            "access.clients_max.not_heard",
            "A4 L11",
            "who is not let in by its own number is not heard there either, and is where there is a place",
        )
        .connect_sized("a x", &[("*", 1)])
        .subscribe("a", "${t}")
        .publish("x", r#""data":"from outside""#)
        .expect_nothing("a")
        .connect_sized("y", &[("*", 2)])
        .publish("y", r#""data":"with a place free""#)
        .expect_publish("a", r#""data":"with a place free""#, 1),
        sized(
            "access.clients_max.by_topic",
            "A4 A1",
            "a number for some topics is for these, by name and by how they begin, and for no others",
        )
        .connect_sized("a b x", &[("${t}-one", 1), ("${t}/*", 2)])
        .subscribe("a b x", "${t}-one ${t}-one1 ${t}/x ${t}")
        .send("a", &publish("${t}-one", r#""data":1"#))
        .expect("a", &published("${t}-one", r#""data":1"#, 1))
        .send("a", &publish("${t}/x", r#""data":2"#))
        .expect("a b", &published("${t}/x", r#""data":2"#, 2))
        .send("a", &publish("${t}-one1", r#""data":3"#))
        .expect("a b x", &published("${t}-one1", r#""data":3"#, 3))
        .publish("a", r#""data":4"#)
        .expect_publish("a b x", r#""data":4"#, 3),
        sized(
            "access.clients_max.smallest",
            "A4",
            "of several numbers for one topic the smallest holds, whatever they are written for",
        )
        .connect_sized(
            "a b x",
            &[("*", 3), ("${t}/*", 1), ("${t}/x", 2), ("${t}/x/*", 4)],
        )
        .subscribe("a b x", "${t}/x ${t}/x/y ${t}")
        .send("a", &publish("${t}/x", r#""data":1"#))
        .expect("a", &published("${t}/x", r#""data":1"#, 1))
        .send("a", &publish("${t}/x/y", r#""data":2"#))
        .expect("a", &published("${t}/x/y", r#""data":2"#, 1))
        .publish("a", r#""data":3"#)
        .expect_publish("a b x", r#""data":3"#, 3),
        sized(
            "access.clients_max.hibernation",
            "A4 L11 V4",
            "a server that has slept knows how many a grant says as before",
        )
        .needs([Hibernate])
        .connect_sized("a x", &[("*", 1)])
        .subscribe("a", "${t}")
        .step(crate::Step::Hibernate)
        .subscribe("x", "${t}")
        .publish("x", r#""data":"from outside""#)
        .publish("a", r#""data":1"#)
        .expect_publish("a", r#""data":1"#, 1)
        .expect_nothing("x"),
    ]
}

/// Peers with different numbers in one topic.
fn together() -> Vec<Scenario> {
    vec![
        sized(
            "access.clients_max.each_its_own",
            "A4",
            "each peer is judged by its own grant, whatever those say of whoever is in",
        )
        .connect_sized("a x", &[("*", 1)])
        .connect_sized("b", &[("*", 2)])
        .connect("c")
        .subscribe("a x b c", "${t}")
        .publish("c", r#""data":1"#)
        .expect_publish("a b c", r#""data":1"#, 3)
        .expect_nothing("x"),
        sized(
            "access.clients_max.stays",
            "A4 L11",
            "who is in stays and is heard though the topic has grown past its number; once out, it is out",
        )
        .connect_sized("a", &[("*", 1)])
        .subscribe("a", "${t}")
        .room("b c")
        .subscribe("a", "${t} ${t}-more ${t}")
        .publish("a", r#""data":1"#)
        .expect_publish("a b c", r#""data":1"#, 3)
        .unsubscribe("a", "${t}")
        .subscribe("a", "${t}")
        .publish("a", r#""data":"from outside""#)
        .publish("b", r#""data":2"#)
        .expect_publish("b c", r#""data":2"#, 2)
        .expect_nothing("a")
        .unsubscribe("b c", "${t}")
        .subscribe("a", "${t}")
        .publish("a", r#""data":3"#)
        .expect_publish("a", r#""data":3"#, 1),
    ]
}

/// How tokens say it.
fn tokens() -> Vec<Scenario> {
    vec![
        sized(
            "access.token.clients_max",
            "U23 A4",
            "`clients_max` is a number for every topic, or one for each of some",
        )
        .connect_token("a x", claims(r#","topics":["*"],"clients_max":1"#), query)
        .connect_token(
            "b y",
            claims(r#","topics":["*"],"clients_max":{"${t}\/\u0063af\u00e9":2,"${t}-*":3}"#),
            query,
        )
        .subscribe("a x b y", "${t}/café ${t}-1 ${t}")
        .send("y", &publish("${t}/café", r#""data":"from outside""#))
        .send("a", &publish("${t}/café", r#""data":1"#))
        .expect("a b", &published("${t}/café", r#""data":1"#, 2))
        .send("a", &publish("${t}-1", r#""data":2"#))
        .expect("a b y", &published("${t}-1", r#""data":2"#, 3))
        .publish("a", r#""data":3"#)
        .expect_publish("a b y", r#""data":3"#, 3)
        .expect_nothing("x"),
        refused(
            "access.token.clients_max_form",
            "U23",
            "numbers of clients that are none, and topics of theirs that are no patterns, are refused, not ignored",
            [
                r#","clients_max":0"#,
                r#","clients_max":-1"#,
                r#","clients_max":1.5"#,
                r#","clients_max":4294967296"#,
                r#","clients_max":"4""#,
                r#","clients_max":null"#,
                r#","clients_max":true"#,
                r#","clients_max":[4]"#,
                r#","clients_max":{}"#,
                r#","clients_max":{"${t}":0}"#,
                r#","clients_max":{"${t}":4,"${t}-2":"4"}"#,
                r#","clients_max":{"${t}":null}"#,
                r#","clients_max":{"${t}":{"*":4}}"#,
                r#","clients_max":{"":4}"#,
                r#","clients_max":{"${t}*x":4}"#,
                r#","clients_max":{"${t}":4,"${t}":50}"#,
            ]
            .map(|numbers| claims(&format!(r#","topics":["*"]{numbers}"#))),
        )
        .needs([ClientsMax]),
    ]
}
