//! Topics that look alike, or that some reading makes the same, are apart: a publish to each
//! reaches the subscribers of that one, and nobody else.

use super::build::{publish, published, stock};
use crate::Capability::Private;
use crate::Scenario;

pub(super) fn scenarios() -> Vec<Scenario> {
    let mut all: Vec<_> = ALIKE
        .iter()
        .map(|(id, what, names)| {
            let title = format!("topics that differ only in {what} are different");
            let all_own = names.iter().all(|name| name.contains("${t}"));
            let scenario = apart(
                stock(&format!("grammar.topic_{id}"), "G4 P1", &title),
                names,
            );
            if all_own {
                scenario
            } else {
                scenario.needs([Private]).alone()
            }
        })
        .collect();
    all.push(
        served(
            stock(
                "publish.topics_of_javascript",
                "G6 S1",
                "topics named like parts of JavaScript objects are subscribed, served and unsubscribed",
            ),
            &[
                "__proto__",
                "constructor",
                "prototype",
                "toString",
                "valueOf",
                "hasOwnProperty",
                "length",
                "size",
                "get",
                "then",
            ],
        )
        .needs([Private])
        .alone(),
    );
    all
}

/// As they stand between the quotes of a JSON string.
const ALIKE: &[(&str, &str, &[&str])] = &[
    (
        "path",
        "empty segments, dots and slashes",
        &[
            "${t}/a",
            "${t}//a",
            "${t}/a/",
            "${t}/./a",
            "${t}/b/../a",
            r"${t}\\a",
            "${t}.a",
        ],
    ),
    (
        "hierarchy",
        "what comes after a separator",
        &[
            "${t}", "${t}/", "${t}/a", "${t}/a/b", "${t}.a", "${t}:a", "${t}-a",
        ],
    ),
    (
        "encoding",
        "how characters are written in addresses and markup",
        &[
            "${t} a+b&c",
            "${t}%20a%2Bb%26c",
            "${t}+a+b&c",
            "${t}%20a+b&c",
            "${t} a+b&amp;c",
            r"${t}\\u0020a+b&c",
        ],
    ),
    (
        "case_unicode",
        "case outside of ASCII",
        &[
            "${t}-\u{e9}\u{3c3}\u{44f}",
            "${t}-\u{c9}\u{3a3}\u{42f}",
            "${t}-\u{e9}\u{3c2}\u{44f}",
            "${t}-\u{df}",
            "${t}-ss",
            "${t}-\u{131}",
            "${t}-i",
            "${t}-\u{130}",
        ],
    ),
    (
        "compatibility",
        "the width or form of letters",
        &[
            "${t}-file1",
            "${t}-\u{ff46}\u{ff49}\u{ff4c}\u{ff45}\u{ff11}",
            "${t}-\u{fb01}le1",
            "${t}-file\u{b9}",
            "${t}-fi\u{200b}le1",
            "${t}-fi\u{ad}le1",
        ],
    ),
    (
        "script",
        "the script of a letter that looks the same",
        &[
            "${t}-a",
            "${t}-\u{430}",
            "${t}-\u{1d44e}",
            "${t}-\u{1f600}",
            "${t}-\u{1f601}",
        ],
    ),
    (
        "spaces_unicode",
        "white space outside of ASCII",
        &[
            "${t}",
            "${t}\u{a0}",
            "\u{3000}${t}",
            "${t}\u{2003}",
            r"${t}\u0085",
            r"${t}\u000b",
            "\u{feff}${t}",
        ],
    ),
    (
        "numbers",
        "how a number is written",
        &["10", "010", "10.0", "1e1", "+10", " 10", "0xa", "10 "],
    ),
    (
        "literals",
        "being a word of JSON or nothing",
        &[
            "null",
            "undefined",
            "false",
            "0",
            "NaN",
            "[]",
            "{}",
            "[object Object]",
        ],
    ),
    (
        "patterns",
        "what is a pattern elsewhere",
        &["*", "**", "#", "+", "?", ">", "%", ".*", "_", "$"],
    ),
    (
        "prefixes",
        "what a database or a broker puts before names",
        &[
            "${t}",
            "room:${t}",
            "topic:${t}",
            "/${t}",
            "#${t}",
            "@${t}",
            "${t}:${t}",
        ],
    ),
    (
        "length",
        "the last of 200 bytes",
        &[
            "${t}${repeat:x:150}",
            "${t}${repeat:x:149}",
            "${t}${repeat:x:149}y",
            "${t}${repeat:x:151}",
        ],
    ),
];

/// Each topic has a subscriber of its own, who receives what is published to it, and nothing else.
fn apart(scenario: Scenario, names: &[&str]) -> Scenario {
    let clients: Vec<_> = (0..names.len()).map(|at| format!("c{at}")).collect();
    let mut s = scenario.connect(&clients.join(" ")).connect("p");
    for (client, name) in clients.iter().zip(names) {
        s = s.send(
            client,
            &format!(r#"{{"type":"subscribe","topics":["{name}"]}}"#),
        );
    }
    for name in names {
        s = s.send("p", &publish(name, r#""data":1"#));
    }
    for (client, name) in clients.iter().zip(names) {
        s = s.expect(client, &published(name, r#""data":1"#, 1));
    }
    // An unsubscribe from one ends no other.
    let [first, ..] = names else { return s };
    s = s.send(
        "c0",
        &format!(r#"{{"type":"unsubscribe","topics":["{first}"]}}"#),
    );
    for (client, name) in clients.iter().zip(names).skip(1) {
        s = s
            .send(
                client,
                &format!(r#"{{"type":"unsubscribe","topics":["{first}"]}}"#),
            )
            .send("p", &publish(name, r#""data":2"#))
            .expect(client, &published(name, r#""data":2"#, 1))
            .send(
                client,
                &format!(r#"{{"type":"unsubscribe","topics":["{name}"]}}"#),
            );
    }
    s.send("p", &publish(first, r#""data":3"#))
        .expect_nothing("p")
}

/// Each topic works from its first subscribe to its last unsubscribe.
fn served(scenario: Scenario, names: &[&str]) -> Scenario {
    names.iter().fold(scenario.connect("a b"), |s, name| {
        s.send("a", &publish(name, r#""data":"nobody""#))
            .subscribe("b", name)
            .send("a", &publish(name, r#""data":1"#))
            .expect("b", &published(name, r#""data":1"#, 1))
            .unsubscribe("b", name)
            .send("a", &publish(name, r#""data":"nobody""#))
            .expect_nothing("a b")
    })
}
