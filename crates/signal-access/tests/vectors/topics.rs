//! What a token lets its bearer subscribe and publish to.

use serde_json::{Value, json};

use crate::keys::{FAR, claiming};
use crate::row::Row;

/// Topics that look like `team-7/é` to a person, or to careless code.
const LOOK_ALIKES: [&str; 10] = [
    "Team-7/é",
    "team-7/e\u{301}",
    "team-7/é ",
    " team-7/é",
    "team-7/É",
    "team-7/é\0",
    "team-7/é*",
    "team-7",
    "team-7\u{2215}é",
    "tеam-7/é",
];

const BOTH: &str = "subscribe and publish";

pub(crate) fn rows() -> Vec<Row> {
    let exact = json!({ "topics": ["team-7/é"] });
    let prefix = json!({ "topics": ["team-7/*"] });
    let names = ["garden", "__proto__", "constructor", "*", "0"];
    vec![
        row(
            "exactly one topic",
            &exact,
            &["team-7/é"],
            &LOOK_ALIKES,
            BOTH,
        ),
        row(
            "a beginning",
            &prefix,
            &[
                "team-7/",
                "team-7/é",
                "team-7/é*",
                "team-7/*",
                "team-7/__proto__",
            ],
            &[
                "team-7",
                "team-7*",
                "team-70/",
                "team-",
                "Team-7/é",
                " team-7/é",
                "team-7\u{2215}é",
                "x-team-7/",
            ],
            BOTH,
        ),
        row("all topics", &json!({ "topics": ["*"] }), &names, &[], BOTH),
        row(
            "all topics, and one",
            &json!({ "topics": ["garden", "*"] }),
            &names,
            &[],
            BOTH,
        ),
        row(
            "an odd name",
            &json!({ "topics": ["__proto__"] }),
            &["__proto__"],
            &["constructor", "garden"],
            BOTH,
        ),
        row("no topics", &json!({ "topics": [] }), &[], &names, BOTH),
        row("no rights named", &json!({}), &[], &names, BOTH),
        row(
            "only listening",
            &json!({ "subscribe": ["garden"] }),
            &["garden"],
            &["shed"],
            "subscribe",
        ),
        row(
            "only speaking",
            &json!({ "publish": ["garden"] }),
            &["garden"],
            &["shed"],
            "publish",
        ),
        apart(),
        together(),
    ]
}

/// A row in which the rights of `kind` cover `may` and not `may_not`, and the other right covers
/// nothing.
fn row(name: &str, rights: &Value, may: &[&str], may_not: &[&str], kind: &str) -> Row {
    let mut row = claimed(name, rights);
    let (may, may_not) = (owned(may), owned(may_not));
    let neither = [may.clone(), may_not.clone()].concat();
    let expected = &mut row.expected;
    (expected.may_not_subscribe, expected.may_not_publish) = (neither.clone(), neither);
    if kind.contains("subscribe") {
        (expected.may_subscribe, expected.may_not_subscribe) = (may.clone(), may_not.clone());
    }
    if kind.contains("publish") {
        (expected.may_publish, expected.may_not_publish) = (may, may_not);
    }
    row
}

fn apart() -> Row {
    let rights = json!({ "subscribe": ["news", "team-*"], "publish": ["team-7"] });
    let mut row = claimed("listening to more than speaking", &rights);
    row.expected.may_subscribe = owned(&["news", "team-7", "team-8"]);
    row.expected.may_not_subscribe = owned(&["garden"]);
    row.expected.may_publish = owned(&["team-7"]);
    row.expected.may_not_publish = owned(&["news", "team-8", "garden"]);
    row
}

fn together() -> Row {
    let rights = json!({ "topics": ["garden"], "subscribe": ["news"], "publish": ["mail"] });
    let mut row = claimed("both rights, and one of each", &rights);
    row.expected.may_subscribe = owned(&["garden", "news"]);
    row.expected.may_not_subscribe = owned(&["mail"]);
    row.expected.may_publish = owned(&["garden", "mail"]);
    row.expected.may_not_publish = owned(&["news"]);
    row
}

fn claimed(name: &str, rights: &Value) -> Row {
    let mut claims = rights.clone();
    claims["exp"] = FAR.into();
    Row::new(name, "hs256")
        .token(&claiming(&claims))
        .upgraded("query")
}

fn owned(topics: &[&str]) -> Vec<String> {
    topics.iter().map(|topic| (*topic).to_owned()).collect()
}
