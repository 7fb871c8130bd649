//! Many at once, and some who hold up: bursts, readers that are slow, peers that are half open,
//! guests that never ask for anything. Nobody else is to notice.

use super::build::{publish, scenario, stock, words};
use super::hostile::{outlast, robust};
use super::order::same_order;
use crate::{Level, Scenario, Step};

pub(super) fn scenarios() -> Vec<Scenario> {
    let mut all = bursts();
    all.extend(bursts_of_budgets());
    all.extend(guests());
    all.extend(slow());
    all
}

fn bursts() -> Vec<Scenario> {
    let mut all = vec![
        stock(
            "order.small_bursts",
            "O1 P1",
            "bursts of one to twelve messages arrive whole, each in its order",
        )
        .room("a b")
        .then(|s| {
            (1..=12).fold(s, |s, size: u64| {
                s.repeat(size, |s| s.publish("a", r#""data":${n}"#))
                    .repeat(size, |s| s.expect_publish("b a", r#""data":${n}"#, 2))
            })
        }),
        stock(
            "order.identical",
            "P1 O1",
            "messages that are the same are several messages",
        )
        .room("a b")
        .repeat(5, |s| s.publish("a", r#""data":"same""#))
        .repeat(5, |s| s.publish("b", r#""data":"same""#))
        .repeat(10, |s| s.expect_publish("a b", r#""data":"same""#, 2))
        .publish("a", r#""data":"same""#)
        .expect_publish("a b", r#""data":"same""#, 2),
        stock(
            "order.long_run",
            "O1 O3",
            "600 messages of one publisher to six topics come whole and in their order",
        )
        .connect("a b")
        .repeat(6, |s| s.subscribe("b", "${t}-${n}"))
        .repeat(100, |s| {
            (0..6).fold(s, |s, topic| {
                let topic = format!("${{t}}-{topic}");
                let number = format!(r#""data":{{"from":"a","n":${{6*n+{}}}}}"#, &topic[5..]);
                s.send("a", &publish(&topic, &number))
            })
        })
        .step(same_order("b", 600)),
    ];
    let senders: Vec<_> = (0..8).map(|at| format!("s{at}")).collect();
    let everyone = senders.join(" ");
    // Three receivers who read at full speed; one sends as well.
    let burst = |s: Scenario, times: u64, bytes: u64| {
        let s = s.room("s0 r1 r2").connect(&everyone[3..]);
        // Nothing of it waits for anything.
        let s = s.expect_open(&format!("{everyone} r1 r2"));
        s.repeat(times, |s| {
            senders.iter().fold(s, |s, sender| {
                let members = format!(
                    r#""data":{{"from":"{sender}","n":${{n}},"x":"${{repeat:x:{bytes}}}"}}"#
                );
                s.race(sender, &publish("${t}", &members))
            })
        })
        .step(same_order("s0 r1 r2", times * 8))
    };
    all.push(burst(
        stock(
            "order.burst_of_many",
            "P1 O2 L6",
            "what eight publishers send at once, 60 messages of 300 bytes each, reaches all who read, whole",
        ),
        60,
        300,
    ));
    all.push(burst(
        stock(
            "order.burst_of_long_ones",
            "P1 O2 L6",
            "what eight publishers send at once, 4 messages of 16,000 bytes each, reaches all who read, whole",
        ),
        4,
        16_000,
    ));
    all
}

/// All that may be sent at once, and more receivers than one. Nobody who reads is ended for it, and
/// nothing of it is lost.
fn bursts_of_budgets() -> Vec<Scenario> {
    let senders: Vec<_> = (0..8).map(|at| format!("s{at}")).collect();
    let receivers = "r0 r1 r2 r3 r4 r5 r6 r7 r8 r9";
    let crowd: Vec<_> = (0..120).map(|at| format!("p{at}")).collect();
    let from = |sender: &str| {
        publish(
            "${t}",
            &format!(r#""data":{{"from":"{sender}","n":${{n}}}}"#),
        )
    };
    let longest = r#"{"type":"publish","topic":"${t}","data":{"from":"x","n":${n},"x":"${pad_to:message_bytes_max}"}}"#;
    let in_order = |on: &str, count: &str| Step::ExpectSameOrder {
        on: words(on),
        count: count.into(),
        members: ["from".to_owned(), "n".to_owned()],
        or_closed: false,
    };
    vec![
        scenario(
            Level::Limits,
            "limits.burst_of_messages",
            "L6 L2 O2",
            "all the messages that eight peers may send at once reach three who read, and end none of them",
        )
        .when("100<messages_burst")
        .when("3*messages_burst<fan_out_burst")
        .when("200*messages_burst<bytes_burst")
        .when("600*messages_burst<fan_out_bytes_burst")
        .alone()
        .room("r0 r1 r2")
        .connect(&senders.join(" "))
        .expect_open(&format!("r0 r1 r2 {}", senders.join(" ")))
        .repeat("9*messages_burst/10", |s| {
            senders.iter().fold(s, |s, sender| s.race(sender, &from(sender)))
        })
        .step(in_order("r0 r1 r2", "9*messages_burst/10*8")),
        scenario(
            Level::Limits,
            "limits.burst_of_bytes",
            "L6 L8 L10",
            "all the bytes that a peer may send at once reach ten who read, and end none of them",
        )
        .when("2*message_bytes_max<bytes_burst")
        .when("bytes_burst/message_bytes_max<messages_burst")
        .when("10*bytes_burst/message_bytes_max<fan_out_burst")
        .when("10*bytes_burst<fan_out_bytes_burst")
        .alone()
        .room(receivers)
        .connect("x")
        .expect_open(&format!("x {receivers}"))
        .repeat("9*bytes_burst/10/message_bytes_max", |s| s.race("x", longest))
        .step(in_order(receivers, "9*bytes_burst/10/message_bytes_max")),
        robust(
            "robust.burst_of_crowd",
            "L6 P1",
            "what 120 publishers send at once, 4 messages each, reaches one who reads, whole",
        )
        .room("a")
        .connect(&crowd.join(" "))
        .expect_open(&format!("a {}", crowd.join(" ")))
        .repeat(4, |s| {
            crowd.iter().fold(s, |s, sender| s.race(sender, &from(sender)))
        })
        .step(in_order("a", "480")),
    ]
}

fn guests() -> Vec<Scenario> {
    const HALF: &str = "GET /chat HTTP/1.1${hex:0d0a}Host: example.com${hex:0d0a}Upgr";
    let one = |id: &str, what: &str, bytes: &str| {
        let title = format!("a connection that sends {what} keeps nobody waiting");
        stock(&format!("transport.guest_{id}"), "T8", &title)
            .room("a")
            .guests(1, bytes)
            .room("b")
            .publish("b", r#""data":1"#)
            .expect_publish("a b", r#""data":1"#, 2)
    };
    let many = |id: &str, what: &str, bytes: &str| {
        let title = format!("100 connections that send {what} keep nobody waiting");
        outlast(robust(&format!("robust.guests.{id}"), "T8", &title), |s| {
            s.guests(100, bytes)
        })
    };
    vec![
        one("silent", "nothing", ""),
        one("half", "half a request", HALF),
        many("silent", "nothing", ""),
        many("half", "half a request", HALF),
        many("blank", "one byte", "G"),
    ]
}

/// More than the kernel keeps for a client that does not read, wherever it is: 9 MB, from
/// publishers each of whom stays within any sensible budget.
fn nine_megabytes(s: Scenario, topic: &str, to: &str) -> Scenario {
    const PUBLISHERS: usize = 15;
    (0..PUBLISHERS).fold(s, |s, publisher| {
        let from = format!("p{publisher}");
        let members = format!(r#""data":{{"from":"{from}","n":${{n}},"x":"${{repeat:x:60000}}"}}"#);
        let message = publish(topic, &members);
        let s = s.connect(&from).repeat(10, |s| {
            s.send(&from, &message)
                .expect_with(to, &message, |expect| expect.ignoring = words("clients"))
        });
        s.close(&from, Some(1000))
    })
}

const SLOW_READER: &str = "robust.slow_reader";

fn slow() -> Vec<Scenario> {
    vec![
        outlast(
            robust(
                SLOW_READER,
                "L6",
                "a subscriber that stops reading does not hold up the others",
            ),
            |s| {
                s.connect("c")
                    .subscribe("x c", "${t}-slow")
                    .pause("x")
                    .then(|s| nine_megabytes(s, "${t}-slow", "c"))
                    .expect_open("c")
            },
        ),
        outlast(
            robust(
                "robust.slow_reader_in_room",
                "L6 O4",
                "a member of a room that stops reading holds up nobody in it, whichever came first",
            )
            .builds_on(SLOW_READER),
            |s| {
                s.pause("x")
                    .room("c")
                    .then(|s| nine_megabytes(s, "${t}", "c a b"))
                    .unsubscribe("c", "${t}")
            },
        ),
        robust(
            "robust.slow_reader_gap",
            "L6",
            "a member that reads again gets all it missed in order, or is ended; nothing is left out silently",
        )
        .builds_on(SLOW_READER)
        .room("a x")
        .pause("x")
        .then(|s| nine_megabytes(s, "${t}", "a"))
        .step(Step::Resume { on: words("x") })
        .step(Step::ExpectSameOrder {
            on: words("x"),
            count: 150.into(),
            members: ["from".to_owned(), "n".to_owned()],
            or_closed: true,
        })
        .release("x"),
        outlast(
            robust(
                "robust.half_open_crowd",
                "L6 V1",
                "twenty members of a room that have fallen silent hold up nobody in it",
            ),
            |s| {
                let crowd: Vec<_> = (0..20).map(|at| format!("y{at}")).collect();
                let crowd = crowd.join(" ");
                s.room(&crowd)
                    .pause(&crowd)
                    .then(|s| {
                        let message = publish("${t}", r#""data":{"n":${n},"x":"${repeat:x:2000}"}"#);
                        let expected = |expect: &mut crate::step::Expect| {
                            expect.ignoring = words("clients");
                        };
                        s.repeat(50, |s| {
                            s.send("a", &message).expect_with("a b", &message, expected)
                        })
                    })
                    .abort(&crowd)
            },
        ),
        scenario(
            Level::Lifecycle,
            "lifecycle.half_open_crowd",
            "V1 N4",
            "twenty peers from which nothing comes are gone within two intervals, and no other",
        )
        .room("a b")
        .then(|s| {
            let crowd: Vec<_> = (0..20).map(|at| format!("y{at}")).collect();
            let crowd = crowd.join(" ");
            s.room(&crowd).pause(&crowd)
        })
        .advance("2*ping_interval+1000")
        .publish("a", r#""data":1"#)
        .expect_publish("a b", r#""data":1"#, 2),
    ]
}
