//! Claims that make no sense, times and audiences.

use serde_json::{Value, json};

use crate::keys::{FAR, claiming, claiming_text};
use crate::row::Row;

const NOW: u64 = 1_800_000_000;

pub(crate) fn rows() -> Vec<Row> {
    let mut rows = broken();
    rows.extend(fine());
    rows.extend(clients());
    rows.extend(times());
    rows.extend(audiences());
    rows
}

fn refused(name: &str, claims: &Value, error: &str) -> Row {
    Row::new(name, "hs256")
        .token(&claiming(claims))
        .refused(error)
}

fn broken() -> Vec<Row> {
    let text = |name: &str, claims: &str| {
        Row::new(name, "hs256")
            .token(&claiming_text(claims))
            .refused("claims")
    };
    let wrong = |name: &str, claims: Value| refused(name, &claims, "claims");
    let many: Vec<String> = (0..257).map(|number| format!("t{number}")).collect();
    vec![
        text("claims are not JSON", "exp=4102444800"),
        text("claims are an array", "[4102444800]"),
        text("nothing is claimed", ""),
        text(
            "exp twice",
            r#"{"exp":1000000000,"exp":4102444800,"topics":["*"]}"#,
        ),
        text(
            "topics twice, once escaped",
            r#"{"exp":4102444800,"topics":["a"],"t\u006fpics":["*"]}"#,
        ),
        text(
            "an unknown claim twice",
            r#"{"exp":4102444800,"x":1,"x":2}"#,
        ),
        text("exp beyond all numbers", r#"{"exp":1e400}"#),
        wrong("no exp", json!({ "topics": ["*"] })),
        wrong("exp is a string", json!({ "exp": FAR.to_string() })),
        wrong("exp is null", json!({ "exp": null })),
        wrong("exp is negative", json!({ "exp": -1 })),
        wrong("exp in milliseconds", json!({ "exp": FAR * 1_000 })),
        wrong("nbf is a string", json!({ "exp": FAR, "nbf": "0" })),
        wrong("sub is a number", json!({ "exp": FAR, "sub": 7 })),
        wrong("sub is empty", json!({ "exp": FAR, "sub": "" })),
        wrong(
            "sub is too long",
            json!({ "exp": FAR, "sub": "s".repeat(257) }),
        ),
        wrong("aud is a number", json!({ "exp": FAR, "aud": 7 })),
        wrong("aud is an empty array", json!({ "exp": FAR, "aud": [] })),
        wrong(
            "aud has a number in it",
            json!({ "exp": FAR, "aud": ["a", 7] }),
        ),
        wrong("topics is a string", json!({ "exp": FAR, "topics": "*" })),
        wrong("topics is null", json!({ "exp": FAR, "topics": null })),
        wrong(
            "topics has a number in it",
            json!({ "exp": FAR, "topics": ["a", 7] }),
        ),
        wrong(
            "subscribe is an object",
            json!({ "exp": FAR, "subscribe": { "0": "a" } }),
        ),
        wrong("an empty topic", json!({ "exp": FAR, "topics": [""] })),
        wrong(
            "a star within a topic",
            json!({ "exp": FAR, "publish": ["team-*-notes"] }),
        ),
        wrong("two stars", json!({ "exp": FAR, "topics": ["**"] })),
        wrong("257 topics", json!({ "exp": FAR, "subscribe": many })),
        wrong(
            "peers_max is zero",
            json!({ "exp": FAR, "sub": "ann", "peers_max": 0 }),
        ),
        wrong(
            "peers_max is negative",
            json!({ "exp": FAR, "sub": "ann", "peers_max": -1 }),
        ),
        wrong(
            "peers_max is a fraction",
            json!({ "exp": FAR, "sub": "ann", "peers_max": 1.5 }),
        ),
        wrong(
            "peers_max is a string",
            json!({ "exp": FAR, "sub": "ann", "peers_max": "2" }),
        ),
        wrong("peers_max of nobody", json!({ "exp": FAR, "peers_max": 2 })),
    ]
}

fn fine() -> Vec<Row> {
    let upgraded = |name: &str, claims: &Value| {
        let mut row = Row::new(name, "hs256")
            .token(&claiming(claims))
            .upgraded("query");
        row.expected.subject = claims["sub"].as_str().map(str::to_owned);
        row.expected.peers_max = claims["peers_max"].as_u64().map(|number| number as u32);
        row
    };
    vec![
        upgraded(
            "nobody in particular",
            &json!({ "exp": FAR, "topics": ["*"] }),
        ),
        upgraded(
            "two connections at once",
            &json!({ "exp": FAR, "sub": "ann", "topics": ["*"], "peers_max": 2 }),
        ),
        upgraded(
            "the longest sub",
            &json!({ "exp": FAR, "sub": "s".repeat(256), "topics": ["*"] }),
        ),
        upgraded("no rights at all", &json!({ "exp": FAR, "sub": "ann" })),
        upgraded(
            "claims for others",
            &json!({ "exp": FAR, "topics": ["*"], "iat": 1, "jti": "x", "iss": "app", "Sub": 7, "scope": null }),
        ),
        upgraded(
            "exp with a fraction",
            &json!({ "exp": FAR as f64 + 0.5, "topics": ["*"] }),
        ),
        upgraded(
            "nbf long ago",
            &json!({ "exp": FAR, "nbf": 0, "topics": ["*"] }),
        ),
    ]
}

/// How many clients topics may have.
fn clients() -> Vec<Row> {
    let claims = |numbers: &Value| json!({ "exp": FAR, "topics": ["*"], "clients_max": numbers });
    let wrong = |name: &str, numbers: Value| refused(name, &claims(&numbers), "claims");
    let upgraded = |name: &str, numbers: Value| {
        let row = Row::new(name, "hs256").token(&claiming(&claims(&numbers)));
        row.upgraded("query")
    };
    let text = |name: &str, numbers: &str| {
        let claims = format!(r#"{{"exp":4102444800,"topics":["*"],"clients_max":{numbers}}}"#);
        Row::new(name, "hs256")
            .token(&claiming_text(&claims))
            .refused("claims")
    };
    let many = |count: u32| -> Value { (0..count).map(|n| (format!("t{n}"), json!(9))).collect() };
    vec![
        wrong("clients_max is zero", json!(0)),
        wrong("clients_max is negative", json!(-1)),
        wrong("clients_max is a fraction", json!(1.5)),
        wrong("clients_max is a whole number with a fraction", json!(4.0)),
        text("clients_max has an exponent", "1e1"),
        text("clients_max beyond all numbers", "1e400"),
        wrong("clients_max is too large", json!(4_294_967_296_u64)),
        wrong("clients_max is a string", json!("4")),
        wrong("clients_max is null", Value::Null),
        wrong("clients_max is true", json!(true)),
        wrong("clients_max is an array", json!([4])),
        wrong("clients_max of no topics", json!({})),
        wrong("clients_max of a topic is zero", json!({ "garden": 0 })),
        wrong(
            "clients_max of one of two topics is a string",
            json!({ "a": 4, "b": "4" }),
        ),
        wrong("clients_max of a topic is null", json!({ "garden": null })),
        wrong(
            "clients_max of a topic is an object",
            json!({ "garden": { "*": 4 } }),
        ),
        wrong("clients_max of an empty topic", json!({ "": 4 })),
        wrong(
            "clients_max of a star within a topic",
            json!({ "team-*-notes": 4 }),
        ),
        text(
            "clients_max of a topic twice, once escaped",
            r#"{"garden":4,"g\u0061rden":50}"#,
        ),
        wrong("clients_max of 257 topics", many(257)),
        text("clients_max twice", r#"4,"clients_max":50"#),
        upgraded("clients_max of every topic", json!(50)).clients(&[("garden", 50)], &[]),
        upgraded("the largest clients_max", json!(4_294_967_295_u32))
            .clients(&[("garden", 4_294_967_295)], &[]),
        upgraded(
            "clients_max of some topics",
            json!({ "garden": 40, "team-*": 50 }),
        )
        .clients(
            &[("garden", 40), ("team-7", 50)],
            &["gardens", "Garden", "team"],
        ),
        upgraded(
            "several numbers of clients for one topic",
            json!({ "*": 60, "t*": 40, "trial": 50 }),
        )
        .clients(&[("trial", 40), ("house", 60)], &[]),
        upgraded("clients_max of 256 topics", many(256))
            .clients(&[("t0", 9), ("t255", 9)], &["t256"]),
    ]
}

fn times() -> Vec<Row> {
    let at = |name: &str, claims: Value| Row::new(name, "hs256").at(NOW).token(&claiming(&claims));
    let lasts = |mut row: Row, seconds| {
        row.expected.seconds_left = Some(seconds);
        row.upgraded("query")
    };
    vec![
        refused(
            "expired in 2001",
            &json!({ "exp": 1_000_000_000, "topics": ["*"] }),
            "expired",
        ),
        refused(
            "expired in 1970",
            &json!({ "exp": 0, "topics": ["*"] }),
            "expired",
        ),
        refused(
            "begins in 2100",
            &json!({ "exp": FAR + 86_400, "nbf": FAR, "topics": ["*"] }),
            "not_yet",
        ),
        refused(
            "expired before it begins",
            &json!({ "exp": 1_000_000_000, "nbf": FAR, "topics": ["*"] }),
            "expired",
        ),
        at("ends now", json!({ "exp": NOW })).refused("expired"),
        at("ended a second ago", json!({ "exp": NOW - 1 })).refused("expired"),
        lasts(at("ends in a second", json!({ "exp": NOW + 1 })), 1),
        lasts(at("ends in an hour", json!({ "exp": NOW + 3_600 })), 3_600),
        lasts(at("begins now", json!({ "exp": NOW + 60, "nbf": NOW })), 60),
        lasts(
            at(
                "begins within the leeway",
                json!({ "exp": NOW + 60, "nbf": NOW + 30 }),
            ),
            60,
        ),
        at(
            "begins after the leeway",
            json!({ "exp": NOW + 60, "nbf": NOW + 31 }),
        )
        .refused("not_yet"),
    ]
}

fn audiences() -> Vec<Row> {
    let row = |name: &str, relay: &str, audience: Value| {
        let mut claims = json!({ "exp": FAR, "topics": ["*"] });
        if !audience.is_null() {
            claims["aud"] = audience;
        }
        Row::new(name, relay).token(&claiming(&claims))
    };
    let ours = "relay.example.org";
    vec![
        row("for this relay", "audience", json!(ours)).upgraded("query"),
        row("for this relay, in an array", "audience", json!([ours])).upgraded("query"),
        row(
            "for this relay and another",
            "audience",
            json!(["other", ours]),
        )
        .upgraded("query"),
        row("for another relay", "audience", json!("other")).refused("audience"),
        row("for several others", "audience", json!(["a", "b"])).refused("audience"),
        row("for nobody in particular", "audience", Value::Null).refused("audience"),
        row(
            "for this relay in other letters",
            "audience",
            json!("Relay.example.org"),
        )
        .refused("audience"),
        row(
            "for a longer name",
            "audience",
            json!("relay.example.org.evil"),
        )
        .refused("audience"),
        row(
            "for somebody, at a relay without a name",
            "hs256",
            json!(ours),
        )
        .refused("audience"),
    ]
}
