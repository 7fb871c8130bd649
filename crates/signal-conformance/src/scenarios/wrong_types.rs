//! Values of the wrong type in the members that mean something, and above all those that a dynamic
//! language takes for the right ones: strings as lists of letters, lists as strings, numbers as
//! names, objects with indexes and a length.
//!
//! Each case names the topics that such a reading would come to. For a subscribe none of them may
//! be subscribed to afterwards, for an unsubscribe all still must be, for a publish none may
//! receive it.

use super::build::{publish, published, scenario};
use super::hostile::survives;
use crate::Capability::Private;
use crate::{Level, Scenario};

pub(super) fn scenarios() -> Vec<Scenario> {
    let mut all = Vec::new();
    for (id, topics, names) in NO_LISTS {
        all.push(subscribe(Level::Robust, "topics", id, topics, names));
        all.push(unsubscribe(Level::Robust, "topics", id, topics, names));
    }
    for (id, topics, names) in FALSY {
        all.push(unsubscribe(Level::Stock, "topics", id, topics, names));
    }
    for (id, entries, names) in ENTRIES {
        let topics = format!("[{entries}]");
        all.push(subscribe(Level::Stock, "entries", id, &topics, names));
        all.push(unsubscribe(Level::Stock, "entries", id, &topics, names));
    }
    all.extend(NO_TOPICS.iter().map(|(id, topic, names)| {
        let title = format!("a topic that is not a string ({id}) is no topic");
        named(
            Level::Stock,
            &format!("publish.topic_{id}"),
            "P2",
            &title,
            names,
        )
        .connect("a b")
        .then(|s| listen(s, "b", names))
        .send("a", &publish_to_any(topic))
        .expect_nothing("a b")
    }));
    all.extend(types());
    all.extend(inheritance());
    all
}

/// What stands as `topics`, and the topics that it might be taken for.
type Case<'a> = (&'a str, &'a str, &'a [&'a str]);

const W: &str = "${t}-w";
const V: &str = "${t}-v";

/// The reference's process ends at most of them.
const NO_LISTS: &[Case<'_>] = &[
    ("string", r#""${t}-w""#, &[W]),
    ("letters", r#""ab""#, &["a", "b", "ab"]),
    (
        "string_with_commas",
        r#""${t}-w,${t}-v""#,
        &[W, V, "${t}-w,${t}-v"],
    ),
    (
        "string_with_blanks",
        r#""${t}-w ${t}-v""#,
        &[W, V, "${t}-w ${t}-v"],
    ),
    (
        "string_of_json",
        r#""[\"${t}-w\"]""#,
        &[W, r#"[\"${t}-w\"]"#],
    ),
    ("number", "5", &["5"]),
    ("fraction", "1.50", &["1.5", "1.50", "1"]),
    ("true", "true", &["true", "1", "*"]),
    ("object", "{}", &["[object Object]", "{}"]),
    (
        "object_like_array",
        r#"{"0":"${t}-w","length":1}"#,
        &[W, "0", "length"],
    ),
    ("object_with_for_each", r#"{"forEach":1}"#, &["forEach"]),
    ("object_of_flags", r#"{"${t}-w":true,"${t}-v":1}"#, &[W, V]),
    (
        "object_of_names",
        r#"{"a":"${t}-w","name":"${t}-v"}"#,
        &[W, V, "a"],
    ),
    (
        "object_of_lists",
        r#"{"topics":["${t}-w"],"__proto__":["${t}-v"]}"#,
        &[W, V],
    ),
    (
        "object_with_prototype",
        r#"{"__proto__":{"0":"${t}-w","length":1}}"#,
        &[W],
    ),
];

/// As if there were no `topics`; the reference's subscribes are in `subscribe`.
const FALSY: &[Case<'_>] = &[
    ("null", "null", &[W, "null"]),
    ("false", "false", &[W, "false"]),
    ("zero", "0", &[W, "0"]),
    ("empty_string", r#""""#, &[W]),
    ("empty_list", "[]", &[W]),
];

const ENTRIES: &[Case<'_>] = &[
    (
        "numbers",
        "5,1.50,1e3,-1",
        &["5", "1.5", "1.50", "1000", "1e3", "-1"],
    ),
    (
        "literals",
        "null,true,false",
        &["null", "true", "false", "1", "0"],
    ),
    (
        "lists",
        r#"["${t}-w"],["${t}-v","${t}-u"],[["${t}-z"]],[]"#,
        &[W, V, "${t}-u", "${t}-z", "${t}-v,${t}-u"],
    ),
    (
        "objects",
        r#"{"topic":"${t}-w"},{"name":"${t}-v"},{"0":"${t}-u","length":1},{}"#,
        &[W, V, "${t}-u", "[object Object]"],
    ),
    (
        "objects_with_methods",
        r#"{"toString":"${t}-w","valueOf":"${t}-w"},{"__proto__":"${t}-v"}"#,
        &[W, V],
    ),
];

const NO_TOPICS: &[Case<'_>] = &[
    (
        "list_of_two",
        r#"["${t}-w","${t}-v"]"#,
        &[W, V, "${t}-w,${t}-v"],
    ),
    ("list_of_list", r#"[["${t}-w"]]"#, &[W]),
    ("list_of_number", "[5]", &["5"]),
    ("list_empty", "[]", &["undefined", "null"]),
    ("fraction", "1.50", &["1.5", "1.50"]),
    ("exponent", "1e3", &["1000", "1e3"]),
    ("negative", "-1", &["-1"]),
    ("false", "false", &["false", "0"]),
    ("object_empty", "{}", &["[object Object]", "{}"]),
    (
        "object_of_names",
        r#"{"name":"${t}-w","topic":"${t}-v"}"#,
        &[W, V, "[object Object]"],
    ),
    (
        "object_like_array",
        r#"{"0":"${t}-w","length":1}"#,
        &[W, "0"],
    ),
    (
        "object_with_methods",
        r#"{"toString":"${t}-w","valueOf":"${t}-w"}"#,
        &[W],
    ),
    ("object_with_prototype", r#"{"__proto__":"${t}-w"}"#, &[W]),
];

fn subscribe(level: Level, member: &str, id: &str, topics: &str, names: &[&str]) -> Scenario {
    let id = format!("{}.{member}_{id}", prefix(level, "subscribe"));
    let title = format!(
        "subscribe to {what} subscribes to nothing",
        what = shown(topics)
    );
    let text = format!(r#"{{"type":"subscribe","topics":{topics}}}"#);
    among_others(level, &id, &title, names, |s| {
        let s = s.send("x", &text);
        let s = names.iter().fold(s, |s, name| {
            s.send("a", &publish(name, r#""data":"wrong""#))
        });
        s.expect_nothing("x a")
    })
}

fn unsubscribe(level: Level, member: &str, id: &str, topics: &str, names: &[&str]) -> Scenario {
    let id = format!("{}.{member}_{id}", prefix(level, "unsubscribe"));
    let title = format!("unsubscribe from {what} ends nothing", what = shown(topics));
    let text = format!(r#"{{"type":"unsubscribe","topics":{topics}}}"#);
    among_others(level, &id, &title, names, |s| {
        let s = listen(s, "x", names).send("x", &text);
        let s = names.iter().fold(s, |s, name| {
            s.send("a", &publish(name, r#""data":"still""#))
                .expect("x", &published(name, r#""data":"still""#, 1))
        });
        // Others use well-known names too, and a server need not notice at once that a peer has
        // gone.
        list(s, "x", "unsubscribe", names).expect_nothing("x a")
    })
}

fn prefix(level: Level, kind: &str) -> String {
    match level {
        Level::Robust => format!("robust.{kind}"),
        Level::Stock | Level::Limits | Level::Lifecycle | Level::Access | Level::Cluster => {
            kind.to_owned()
        }
    }
}

fn shown(topics: &str) -> String {
    topics.replace("${t}-", "")
}

/// `x` does something, as a member of a room whose others must not notice.
fn among_others(
    level: Level,
    id: &str,
    title: &str,
    names: &[&str],
    acts: impl FnOnce(Scenario) -> Scenario,
) -> Scenario {
    let scenario = named(level, id, "S3 G11", title, names);
    if level == Level::Robust {
        return survives(scenario, acts);
    }
    scenario
        .room("a x")
        .then(acts)
        .publish("a", r#""data":"after""#)
        .expect_publish("a x", r#""data":"after""#, 2)
}

/// A scenario that needs a server of its own, and to be alone on it, if one of its topics is not
/// its own.
fn named(level: Level, id: &str, requirements: &str, title: &str, names: &[&str]) -> Scenario {
    let all_own = names.iter().all(|name| name.contains("${t}"));
    let scenario = scenario(level, id, requirements, title);
    if all_own {
        return scenario;
    }
    scenario.needs([Private]).alone()
}

fn list(s: Scenario, on: &str, kind: &str, names: &[&str]) -> Scenario {
    let names: Vec<_> = names.iter().map(|name| format!("\"{name}\"")).collect();
    let names = names.join(",");
    s.send(on, &format!(r#"{{"type":"{kind}","topics":[{names}]}}"#))
}

fn listen(s: Scenario, on: &str, names: &[&str]) -> Scenario {
    list(s, on, "subscribe", names)
}

fn publish_to_any(topic: &str) -> String {
    format!(r#"{{"type":"publish","topic":{topic},"data":"wrong"}}"#)
}

/// A type that is wrapped in something is no type.
fn types() -> Vec<Scenario> {
    // `KIND` stands for the type.
    let wraps = [
        ("list", r#"["KIND"]"#),
        ("list_of_list", r#"[["KIND"]]"#),
        ("object_of_flags", r#"{"KIND":true}"#),
        ("object_like_array", r#"{"0":"KIND","length":1}"#),
        (
            "object_with_methods",
            r#"{"toString":"KIND","valueOf":"KIND","__proto__":"KIND"}"#,
        ),
    ];
    let case = |(id, wrap): (&str, &str)| {
        let request = |kind: &str| {
            let wrapped = wrap.replace("KIND", kind);
            format!(r#"{{"type":{wrapped},"topic":"${{t}}","topics":["${{t}}"],"data":1}}"#)
        };
        scenario(
            Level::Stock,
            &format!("grammar.type_{id}"),
            "G2",
            &format!("a type inside something else ({id}) is no type"),
        )
        .room("a")
        .connect("b")
        .send("a", &request("unsubscribe"))
        .send("b", &request("subscribe"))
        .send("b", &request("publish"))
        .send("b", &request("ping"))
        .publish("a", r#""data":2"#)
        .expect_publish("a", r#""data":2"#, 1)
        .expect_nothing("a b")
    };
    wraps.into_iter().map(case).collect()
}

/// What a message says about prototypes says nothing, of itself or of later ones.
fn inheritance() -> Vec<Scenario> {
    let request = r#""type":"subscribe","topics":["${t}-w"],"topic":"${t}-w","data":9,"clients":9"#;
    vec![
        scenario(
            Level::Stock,
            "grammar.type_inherited",
            "G6 G2",
            "type, topics and topic are not inherited from a member __proto__",
        )
        .connect("a b")
        .send("a", &format!(r#"{{"__proto__":{{{request}}}}}"#))
        .send(
            "a",
            r#"{"type":"subscribe","__proto__":{"topics":["${t}-w"],"topic":"${t}-w"}}"#,
        )
        .send("b", &publish(W, r#""data":1"#))
        .subscribe("b", W)
        .send("b", r#"{"type":"publish","__proto__":{"topic":"${t}-w"}}"#)
        .send(
            "b",
            r#"{"type":"unsubscribe","__proto__":{"topics":["${t}-w"],"topic":"${t}-w"}}"#,
        )
        .send("b", r#"{"__proto__":{"type":"ping"}}"#)
        .send("a", &publish(W, r#""data":2"#))
        .expect("b", &published(W, r#""data":2"#, 1))
        .expect_nothing("a b"),
        scenario(
            Level::Stock,
            "grammar.no_pollution",
            "G6",
            "members of prototypes in one message are in no other",
        )
        .room("a")
        .connect("b x")
        .send(
            "x",
            &format!(r#"{{"type":"none","__proto__":{{{request}}}}}"#),
        )
        .send(
            "x",
            &format!(r#"{{"type":"none","constructor":{{"prototype":{{{request}}}}}}}"#),
        )
        .send(
            "x",
            &format!(r#"{{"type":"none","prototype":{{{request}}}}}"#),
        )
        .send("b", "{}")
        .send("b", r#"{"type":"subscribe"}"#)
        .send("a", &publish(W, r#""data":1"#))
        .expect_nothing("a b")
        .send("b", r#"{"type":"publish","topic":"${t}"}"#)
        .expect("a", r#"{"type":"publish","topic":"${t}","clients":1}"#)
        .subscribe("b", W)
        .send("b", r#"{"type":"publish","data":1}"#)
        .send("b", r#"{"type":"unsubscribe"}"#)
        .send("a", &publish(W, r#""data":2"#))
        .expect("b", &published(W, r#""data":2"#, 1))
        .expect_nothing("a b"),
    ]
}
