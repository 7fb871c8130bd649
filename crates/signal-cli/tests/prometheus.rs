//! The dashboard and the alerts of `examples/prometheus` speak of metrics that `signal serve`
//! really has, and of all of them.
//!
//! That they also have data in a real Prometheus is what `cargo xtask test prometheus` shows.

#![cfg(target_os = "linux")]

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::Relay;
use common::certificate::Certificate;
use serde_json::Value;

const DASHBOARD: &str = include_str!("../../../examples/prometheus/dashboard.json");
const ALERTS: &str = include_str!("../../../examples/prometheus/alerts.yml");
const ALERTS_TEST: &str = include_str!("../../../examples/prometheus/alerts_test.yml");
const PAGE: &str = include_str!("../../signal-tokio/METRICS.md");

/// Labels that Prometheus adds.
const ADDED: [&str; 2] = ["job", "instance"];

/// By series name, the labels with their values.
type Exposed = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

/// What a query speaks of.
#[derive(Debug, Default)]
struct Spoken {
    /// Series, each with its matchers: label and value.
    series: Vec<(String, Vec<(String, String)>)>,
    /// Labels of `by (…)` and the like.
    groupings: BTreeSet<String>,
}

#[test]
fn every_query_speaks_of_what_there_is() {
    let exposed = exposed();
    let queries = dashboard_queries();
    assert!(queries.len() > 25, "{} queries", queries.len());
    for query in queries.iter().chain(&alert_queries()) {
        check(&exposed, query);
    }
    let tested = after(ALERTS_TEST, "series: '");
    assert!(tested.len() > 20, "{} series", tested.len());
    for series in tested {
        check(&exposed, series.split_once('\'').expect("a quote").0);
    }
}

#[test]
fn every_metric_is_on_the_dashboard_and_in_the_table() {
    let queries: Vec<Spoken> = dashboard_queries()
        .iter()
        .map(|query| parse(query))
        .collect();
    let shown: BTreeSet<&str> = queries
        .iter()
        .flat_map(|spoken| &spoken.series)
        .map(|(name, _)| family(name))
        .collect();
    for name in exposed().keys() {
        assert!(shown.contains(family(name)), "{name} is on no panel");
        let row = format!("| `{}` |", family(name));
        assert!(PAGE.contains(&row), "{name} is not in METRICS.md");
    }
}

#[test]
fn there_are_ten_alerts_and_each_is_tested_both_ways() {
    let alerts: Vec<&str> = after(ALERTS, "- alert: ")
        .into_iter()
        .map(str::trim)
        .collect();
    assert_eq!(alerts.len(), 10, "{alerts:?}");
    for alert in alerts {
        let silent = ALERTS_TEST.lines().any(|line| {
            line.contains(&format!("alertname: {alert},")) && line.contains("exp_alerts: []")
        });
        let fires = ALERTS_TEST.contains(&format!("- alertname: {alert}\n"));
        assert!(
            silent && fires,
            "{alert} fires: {fires}, is silent: {silent}"
        );
    }
}

#[test]
fn a_wrong_name_would_be_found() {
    let exposed = exposed();
    for wrong in [
        "sum(signal_pears)",
        "rate(signal_refusals_total{reason=\"draining\"}[5m])",
        "rate(signal_refusals_total{cause=~\"draining|dreining\"}[5m])",
        "sum by (couse) (rate(signal_refusals_total[5m]))",
    ] {
        let result = std::panic::catch_unwind(|| check(&exposed, wrong));
        assert!(result.is_err(), "{wrong} is not found");
    }
}

/// Fails if the query speaks of a series, a label or a value that is not there.
fn check(exposed: &Exposed, query: &str) {
    let spoken = parse(query);
    assert!(!spoken.series.is_empty(), "no series in {query}");
    let mut labels: BTreeSet<&str> = ADDED.into();
    for (name, matchers) in &spoken.series {
        if name == "up" {
            continue;
        }
        let known = exposed.get(name);
        let known = known.unwrap_or_else(|| panic!("there is no {name}: {query}"));
        labels.extend(known.keys().map(String::as_str));
        for (label, values) in matchers {
            if ADDED.contains(&label.as_str()) {
                continue;
            }
            let has = known.get(label);
            let has = has.unwrap_or_else(|| panic!("{name} has no label {label}: {query}"));
            for value in values.split('|').filter(|_| label != "le") {
                assert!(
                    has.contains(value),
                    "{name} has no {label} {value}: {query}"
                );
            }
        }
    }
    for label in &spoken.groupings {
        assert!(labels.contains(label.as_str()), "no label {label}: {query}");
    }
}

/// Reads as much PromQL as it takes to know what a query speaks of.
fn parse(query: &str) -> Spoken {
    let mut spoken = Spoken::default();
    let mut rest = query;
    while let Some(first) = rest.chars().next() {
        if first == '{' {
            let (inside, behind) = rest[1..].split_once('}').expect("a closing brace");
            let matchers = inside
                .split(',')
                .filter(|matcher| !matcher.is_empty())
                .map(matcher);
            spoken.series.last_mut().expect("a series before {").1 = matchers.collect();
            rest = behind;
        } else if first.is_ascii_alphabetic() || first == '_' {
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            let (word, behind) = rest.split_at(end.unwrap_or(rest.len()));
            let is_call = behind.trim_start().starts_with('(');
            rest = behind;
            if ["by", "without", "on", "ignoring"].contains(&word) {
                let (inside, behind) = behind.split_once(')').expect("labels");
                let labels = inside.trim_start().trim_start_matches('(').split(',');
                spoken
                    .groupings
                    .extend(labels.map(|label| label.trim().to_owned()));
                rest = behind;
            } else if !is_call && (word.contains('_') || word == "up") {
                spoken.series.push((word.to_owned(), Vec::new()));
            }
        } else if first == '$' || first.is_ascii_digit() {
            // A variable of Grafana, a number or a duration.
            let end = rest[1..].find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            rest = end.map_or("", |end| &rest[1 + end..]);
        } else {
            rest = &rest[first.len_utf8()..];
        }
    }
    spoken
}

/// The label and the value of `label="value"`, whatever the operator.
fn matcher(text: &str) -> (String, String) {
    let (label, value) = text.split_at(text.find(['=', '!']).expect("an operator"));
    let value = value.trim_start_matches(['=', '!', '~']).trim_matches('"');
    (label.trim().to_owned(), value.to_owned())
}

/// What the metrics of a fresh relay are; all label values are there from the start.
fn exposed() -> Exposed {
    let certificate = Certificate::new();
    let (cert, key) = (certificate.path(), certificate.key_path());
    let [cert, key] = [&cert, &key].map(|path| path.to_str().expect("UTF-8"));
    let tls = ["--tls-cert", cert, "--tls-key", key];
    // Where no server is: it has the numbers of a node all the same.
    let cluster = ["--cluster-nats", "nats://127.0.0.1:1"];
    let admin = ["--admin-listen", "127.0.0.1:0"];
    let relay = Relay::start(&[&admin[..], &tls[..], &cluster[..]].concat());
    let address = relay.listening["admin"]
        .as_str()
        .expect("the admin address");
    let request = format!("GET /metrics HTTP/1.1\r\nHost: {address}\r\n\r\n");
    let body = signal_testwire::ask(address, &request).body;
    let mut exposed = Exposed::new();
    for line in body.lines().filter(|line| !line.starts_with('#')) {
        let (series, _) = line.rsplit_once(' ').expect("a value");
        for (name, labels) in parse(series).series {
            let known = exposed.entry(name).or_default();
            for (label, value) in labels {
                known.entry(label).or_default().insert(value);
            }
        }
    }
    assert!(exposed.len() > 20, "{exposed:?}");
    exposed
}

/// The name of the family that a series belongs to.
fn family(series: &str) -> &str {
    let parts = ["_bucket", "_count", "_sum"];
    let part = parts.iter().find_map(|part| series.strip_suffix(part));
    part.unwrap_or(series)
}

/// Every query of the dashboard: of panels, annotations and variables.
fn dashboard_queries() -> Vec<String> {
    fn collect(value: &Value, queries: &mut Vec<String>) {
        match value {
            Value::Object(members) => {
                for (name, member) in members {
                    match member.as_str() {
                        Some(query) if name == "expr" => queries.push(query.to_owned()),
                        Some(query) if query.starts_with("label_values(") => {
                            queries.push(query.to_owned());
                        }
                        _ => collect(member, queries),
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| collect(item, queries)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let dashboard = serde_json::from_str(DASHBOARD).expect("JSON");
    let mut queries = Vec::new();
    collect(&dashboard, &mut queries);
    queries
}

/// Every query of the alerts. Each stands on a line of its own.
fn alert_queries() -> Vec<String> {
    after(ALERTS, "expr: ")
        .into_iter()
        .map(str::to_owned)
        .collect()
}

/// What follows a word on each line that has it.
fn after<'a>(text: &'a str, word: &str) -> Vec<&'a str> {
    let lines = text
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'));
    lines
        .filter_map(|line| Some(line.split_once(word)?.1))
        .collect()
}
