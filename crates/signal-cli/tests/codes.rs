//! What the page of codes says of the command is what the command does.

mod common;

use std::net::TcpListener;

use common::certificate::Certificate;
use common::run;
use serde_json::Value;

const PAGE: &str = include_str!("../../signal-tokio/CODES.md");

/// The first column of the last table under a heading.
fn first_column(heading: &str) -> Vec<&'static str> {
    let (_, after) = PAGE.split_once(heading).expect("the section");
    let section = after.split("\n## ").next().expect("a section");
    let table = section.rsplit("\n\n").find(|block| block.starts_with('|'));
    let rows = table.expect("a table").lines().skip(2);
    rows.filter_map(|row| row.split('|').nth(1))
        .map(str::trim)
        .collect()
}

#[test]
fn every_step_of_check_is_explained() {
    let ran = run(&["check", "ws://127.0.0.1:1", "--format", "json"]);
    let report: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    let steps = report["steps"].as_array().expect("steps").iter();
    let steps: Vec<_> = steps
        .map(|step| format!("`{}`", step["name"].as_str().expect("a name")))
        .collect();
    assert_eq!(first_column("## signal check"), steps);
}

#[test]
fn serve_says_what_the_page_says() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let taken = listener.local_addr().expect("bound").to_string();
    let (one, other) = (Certificate::new(), Certificate::new());
    let cert = one.path().to_str().expect("UTF-8").to_owned();
    let key = other.key_path().to_str().expect("UTF-8").to_owned();
    let mistakes = [
        run(&["serve", "--listen", &taken]),
        run(&["serve", "--listen", "192.0.2.1:4444"]),
        run(&["serve", "--tls-cert", &cert, "--tls-key", &key]),
        run(&["serve", "--tls-cert", "missing.pem", "--tls-key", &key]),
    ];
    for said in first_column("## signal serve") {
        // Who runs the tests may be allowed to.
        if said == "is not for ordinary users" {
            continue;
        }
        // Which program it is can be told on Linux alone.
        let said = said.trim_end_matches(" by");
        let is_said = mistakes.iter().any(|ran| ran.stderr.contains(said));
        assert!(is_said, "{said:?} is not in {mistakes:#?}");
    }
}
