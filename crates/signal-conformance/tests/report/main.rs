//! What reports say, on a server that dies of text that is not JSON.

mod mortal;

use std::time::Duration;

use mortal::{Doorkeeper, Mortal, Mute};
use signal_conformance::{Grade, Level, Report, RunOptions, Suite};

#[tokio::test]
async fn a_killer_is_named_and_the_rest_is_not_run() {
    let report = run().await;
    assert_eq!(
        grades(&report),
        [
            "skipped: the capability `http` is not declared",
            "failed",
            "passed",
            "failed: killed the server",
            "not run: `word` killed the server",
        ]
    );
    assert!(!report.passed());
    let levels = report.levels();
    let (stock, robust) = (levels[&Level::Stock], levels[&Level::Robust]);
    assert_eq!(
        (stock.passed, stock.failed, stock.skipped, stock.not_run),
        (1, 1, 1, 0)
    );
    assert_eq!(
        (robust.passed, robust.failed, robust.skipped, robust.not_run),
        (0, 1, 0, 1)
    );
}

#[tokio::test]
async fn the_text_names_step_expectation_and_what_came() {
    let expected = r#"signal-conformance 0.0.0 on mortal

It was not run to its end: `word` killed the server

stock      FAILED: 1 passed, 1 failed, 1 skipped
  ✗ echo (P1, P4)
    a publish comes back
    step 3: {"expect":{"on":["a"],"text":"{\"topic\":\"${t}\",\"clients\":1}"}}
    expected a: {"topic":"conformance-run-1","clients":1}
    got      nothing
      a · connect
      a → {"topic":"conformance-run-1"}
  - 1 left out: the capability `http` is not declared

robust     FAILED: 0 passed, 1 failed, 1 not run
  ✗ word (G7)
    a word is borne
    step 3: {"expect_open":{"on":["x"]}}
    expected x: an open connection
    got      closed with 1006
    this killed the server
      x · connect
      x → hello
      x ← closed with 1006
  - 1 left out: `word` killed the server

The server was killed by: word

What is required, by number:
  https://github.com/signal-relay/signal/blob/main/crates/signal-core/PROTOCOL.md
"#;
    assert_eq!(run().await.to_text(), expected);
}

/// `rest` builds on `echo`, which fails; `page` is only a SHOULD, and fails as well.
#[tokio::test]
async fn what_builds_on_a_failure_is_left_out_and_a_should_is_not_a_failure() {
    let mut suite = suite();
    suite.scenarios.swap(0, 1);
    let [echo, page, pong, ..] = &mut suite.scenarios[..] else {
        panic!("{suite:?}")
    };
    page.builds_on = vec!["echo".to_owned()];
    pong.builds_on = vec!["page".to_owned()];
    page.needs.clear();
    page.should = true;
    page.steps.clone_from(&echo.steps);
    suite.scenarios.truncate(3);

    let report = suite.run(&Mortal::default(), &options()).await;
    let left_out = "not run: `echo` failed";
    assert_eq!(grades(&report), ["failed", left_out, left_out]);
    let text = report.to_text();
    let first = "Begin with echo: 2 scenarios that cannot pass without it were left out";
    assert_eq!(text.lines().nth(2), Some(first), "{text}");

    let mut options = options();
    options.keep_going = true;
    let report = suite.run(&Mortal::default(), &options).await;
    assert_eq!(grades(&report), ["failed", "warned", "passed"]);
    let text = report.to_text();
    assert!(
        text.contains("FAILED: 1 passed, 1 failed, 1 warning"),
        "{text}"
    );
    assert!(text.contains("! should: page (T2)"), "{text}");
    suite.scenarios.remove(0);
    let report = suite.run(&Mortal::default(), &options).await;
    assert!(report.passed(), "{}", report.to_text());
}

#[tokio::test]
async fn a_run_ends_at_the_first_failure_if_it_is_to() {
    let mut options = options();
    options.fail_fast = true;
    let report = suite().run(&Mortal::default(), &options).await;
    let left_out = "not run: `echo` failed, and the run was to end there";
    assert_eq!(
        grades(&report),
        [
            "skipped: the capability `http` is not declared",
            "failed",
            left_out,
            left_out,
            left_out,
        ]
    );
}

#[tokio::test]
async fn a_run_ends_when_its_time_is_over_and_has_not_passed() {
    let mut options = options();
    options.time_max = Duration::ZERO;
    let report = suite().run(&Mortal::default(), &options).await;
    let left_out = "not run: the run was over after 0 s";
    assert_eq!(grades(&report)[1..], [left_out; 4]);
    assert!(!report.passed());
    let text = report.to_text();
    assert!(
        text.contains("It was not run to its end: the run was over after 0 s"),
        "{text}"
    );
    let junit = report.to_junit();
    assert!(
        junit.contains(r#"<failure message="the run was over after 0 s">"#),
        "{junit}"
    );
}

/// A scenario that waits for a timer of the server may take longer than others.
#[tokio::test]
async fn what_a_scenario_waits_on_purpose_is_not_held_against_it() {
    let mut suite = suite();
    suite.scenarios.truncate(1);
    let scenario = &mut suite.scenarios[0];
    scenario.needs.clear();
    let steps = r#"[{ "repeat": { "times": 3, "steps": [{ "advance": { "ms": 100 } }] } }]"#;
    scenario.steps = serde_json::from_str(steps).expect("steps");
    let mut options = options();
    options.deadline = Duration::from_millis(100);
    let report = suite.run(&Mortal::default(), &options).await;
    assert!(report.passed(), "{}", report.to_text());
}

#[tokio::test]
async fn a_run_reports_how_far_it_has_come() {
    let mut seen = Vec::new();
    suite()
        .run_watched(&Mortal::default(), &options(), &mut |progress| {
            let id = progress.result.id.clone();
            seen.push((id, progress.done, progress.total, progress.failed));
        })
        .await;
    let seen: Vec<_> = seen
        .iter()
        .map(|(id, a, b, c)| (id.as_str(), *a, *b, *c))
        .collect();
    assert_eq!(
        seen,
        [
            ("echo", 1, 4, 1),
            ("pong", 2, 4, 1),
            ("word", 3, 4, 2),
            ("idle", 4, 4, 2)
        ]
    );
}

#[tokio::test]
async fn tap_has_a_line_for_each_scenario() {
    let tap = run().await.to_tap();
    let expected = r#"TAP version 14
1..5
ok 1 - page: a page is served # SKIP the capability `http` is not declared
not ok 2 - echo: a publish comes back
  ---
  message: "step 3: expected a: {\"topic\":\"conformance-run-1\",\"clients\":1}, got nothing"
  requirements: "P1, P4"
"#;
    assert!(tap.starts_with(expected), "{tap}");
    let lines: Vec<_> = tap
        .lines()
        .filter(|line| line.starts_with("ok") || line.starts_with("not ok"))
        .collect();
    assert_eq!(
        lines[2..],
        [
            "ok 3 - pong: a <ping> is answered",
            "not ok 4 - word: a word is borne",
            "ok 5 - idle: nothing happens # SKIP `word` killed the server",
        ]
    );
    assert!(tap.ends_with("# failed: mortal\n"), "{tap}");
}

#[tokio::test]
async fn junit_has_a_suite_for_each_level() {
    let junit = run().await.to_junit();
    for part in [
        r#"<testsuite name="stock" tests="3" failures="1" errors="0" skipped="1""#,
        r#"<testsuite name="robust" tests="2" failures="1" errors="0" skipped="1""#,
        "expected a: {&quot;topic&quot;:&quot;conformance-run-1&quot;,&quot;clients&quot;:1}, got nothing",
        "<skipped message=\"the capability `http` is not declared\"/>",
    ] {
        assert!(junit.contains(part), "{part} in {junit}");
    }
}

#[tokio::test]
async fn json_tells_grades_and_what_was_declared() {
    let json: serde_json::Value = serde_json::from_str(&run().await.to_json()).expect("JSON");
    assert_eq!(json["backend"]["name"], "mortal");
    assert_eq!(json["results"][1]["grade"]["failed"]["got"], "nothing");
    assert_eq!(json["results"][2]["grade"], "passed");
    assert_eq!(
        json["results"][3]["grade"]["failed"]["killed_the_server"],
        true
    );
}

/// An address that is turned away is not a server that has died: what it did is one failure, and
/// the rest waits until it is let in.
#[tokio::test]
async fn a_server_that_turns_an_address_away_was_not_killed() {
    for status in [429, 503] {
        let backend = Doorkeeper::new(status, 40);
        let report = suite().run(&backend, &options()).await;
        let grades = grades(&report);
        assert_eq!(grades[3..], ["failed", "passed"], "{}", report.to_text());
        assert_eq!(report.ended_early, None);
        let text = report.to_text();
        assert!(!text.contains("killed"), "{text}");
    }
}

/// It takes whoever comes, so it is there.
#[tokio::test]
async fn a_server_that_answers_no_ping_was_not_killed() {
    let report = Suite::all().run(&Mute, &options()).await;
    assert_eq!(report.ended_early, None);
    let text = report.to_text();
    assert!(text.contains("Begin with basics.answer: "), "{text}");
    assert!(!text.contains("killed"), "{text}");
}

#[tokio::test]
async fn a_server_that_never_lets_an_address_in_again_is_said_to_refuse_it() {
    let report = suite()
        .run(&Doorkeeper::new(429, u64::MAX), &options())
        .await;
    let reason = "not run: the server refuses all connections with HTTP status 429 since `word`";
    assert_eq!(grades(&report)[3..], ["failed", reason]);
    assert!(!report.passed());
    let text = report.to_text();
    assert!(!text.contains("killed"), "{text}");
}

#[tokio::test]
async fn a_refused_connection_says_what_the_page_asks_of_a_refusal() {
    let mut suite = suite();
    suite.scenarios.retain(|scenario| scenario.id == "word");
    let again = suite.scenarios[0].steps[0].clone();
    suite.scenarios[0].steps.insert(2, again);
    let report = suite.run(&Doorkeeper::new(429, 3), &options()).await;
    let text = report.to_text();
    assert!(text.contains("expected x: a connection\n"), "{text}");
    assert!(
        text.contains("got      refused with HTTP status 429: its address"),
        "{text}"
    );
    assert!(text.contains("C5 forbids that\n"), "{text}");
}

/// What is wrong comes first, and alone: a long message is cut where it is shown.
#[tokio::test]
async fn a_message_that_differs_is_named_by_the_member_that_does() {
    let pong = r#""text": "{\"type\":\"pong\"}", "exact": true"#;
    let other = r#""text": "{\"type\":\"pong\",\"n\":1}""#;
    let json = SUITE.replace(pong, other);
    let mut suite: Suite = serde_json::from_str(&json).expect("a suite");
    suite.scenarios.retain(|scenario| scenario.id == "pong");
    let report = suite.run(&Mortal::default(), &options()).await;
    let text = report.to_text();
    assert!(text.contains("\n    differs  `n` is missing\n"), "{text}");
    let Grade::Failed(failure) = &report.results[0].grade else {
        panic!("{text}")
    };
    assert!(
        failure
            .headline()
            .starts_with("step 3: `n` is missing; expected a: "),
        "{text}"
    );
}

async fn run() -> Report {
    suite().run(&Mortal::default(), &options()).await
}

fn suite() -> Suite {
    serde_json::from_str(SUITE).expect("a suite")
}

fn options() -> RunOptions {
    let mut options = RunOptions::default();
    options.run_id = "run".to_owned();
    options
}

fn grades(report: &Report) -> Vec<String> {
    let results = report.results.iter();
    results.map(|result| result.grade.summary()).collect()
}

/// A suite as another program would export it.
const SUITE: &str = r#"{
  "version": "0.0.0",
  "scenarios": [
    {
      "id": "page", "title": "a page is served", "level": "stock", "requirements": ["T2"], "needs": ["http"],
      "steps": [{ "http": { "method": "GET", "path": "/", "status": [200] } }]
    },
    {
      "id": "echo", "title": "a publish comes back", "level": "stock", "requirements": ["P1", "P4"],
      "steps": [
        { "connect": { "on": ["a"] } },
        { "send": { "on": ["a"], "text": "{\"topic\":\"${t}\"}" } },
        { "expect": { "on": ["a"], "text": "{\"topic\":\"${t}\",\"clients\":1}" } }
      ]
    },
    {
      "id": "pong", "title": "a <ping> is answered", "level": "stock", "requirements": ["K1"],
      "steps": [
        { "connect": { "on": ["a"] } },
        { "send": { "on": ["a"], "text": "{\"type\":\"ping\"}" } },
        { "expect": { "on": ["a"], "text": "{\"type\":\"pong\"}", "exact": true } }
      ]
    },
    {
      "id": "word", "title": "a word is borne", "level": "robust", "requirements": ["G7"],
      "steps": [{ "connect": { "on": ["x"] } }, { "send": { "on": ["x"], "text": "hello" } }, { "expect_open": { "on": ["x"] } }]
    },
    { "id": "idle", "title": "nothing happens", "level": "robust", "requirements": ["G7"], "steps": [] }
  ]
}"#;
