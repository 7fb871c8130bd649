//! `signal bench` as a user runs it.

mod common;

use common::{Ran, Relay, run};
use serde_json::Value;

const SHORT: [&str; 8] = [
    "--rooms",
    "2",
    "--members",
    "3",
    "--warmup",
    "50ms",
    "--duration",
    "200ms",
];

/// A relay whose rates no short load reaches.
fn relay() -> Relay {
    Relay::start(&[
        "--messages-per-second=1000000",
        "--messages-burst=4000000000",
        "--fan-out-per-second=1000000000",
        "--fan-out-burst=4000000000",
        "--bytes-per-second=4000000000",
        "--bytes-burst=4000000000",
        "--fan-out-bytes-per-second=1000GiB",
        "--fan-out-bytes-burst=1000GiB",
    ])
}

fn bench(arguments: &[&str]) -> Ran {
    run(&[&["bench"], &SHORT[..], arguments].concat())
}

#[test]
fn the_report_is_for_people() {
    let relay = relay();
    let ran = bench(&[&relay.url()]);
    assert_eq!(ran.code(), Some(0), "{ran:?}");
    for part in [
        "deliveries/s",
        "p99.9",
        "█",
        "arrived, once and in order",
        "idle",
        "--messages-per-second",
    ] {
        ran.says(part);
    }
    // Neither colours nor a progress line where there is no terminal.
    assert!(
        !ran.stdout.contains('\x1b') && ran.stderr.is_empty(),
        "{ran:?}"
    );
}

#[test]
fn json_has_stable_keys() {
    let relay = relay();
    let pid = relay.pid().to_string();
    let ran = bench(&["--json", "--pid", &pid, &relay.url()]);
    assert_eq!(ran.code(), Some(0), "{ran:?}");
    let report: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    let keys = |value: &Value| {
        let keys = value.as_object().expect("an object").keys();
        keys.cloned().collect::<Vec<String>>().join(" ")
    };
    assert_eq!(report["schema"], 1);
    assert_eq!(
        keys(&report),
        "connections deliveries deliveries_per_second faults generator latency pings_answered plan process publishes \
         rates schema seconds server slow warnings"
    );
    assert_eq!(
        keys(&report["plan"]),
        "bytes connections duration_seconds members pid ping_interval_seconds publishers rate rooms scenario seed \
         slow_readers threads timeout_seconds warmup_seconds window"
    );
    assert_eq!(
        keys(&report["latency"]),
        "histogram max_ms mean_ms min_ms p50_ms p99_9_ms p99_ms"
    );
    assert_eq!(
        keys(&report["faults"]),
        "duplicated foreign lost reordered undelivered"
    );
    assert_eq!(
        keys(&report["generator"]),
        "cpu_seconds cpu_us_per_delivery idle lag_p99_ms starved"
    );
    assert_eq!(
        keys(&report["rates"]),
        "bytes_per_second fan_out_bytes_per_second fan_out_per_second messages_per_second"
    );
    if cfg!(target_os = "linux") {
        assert_eq!(
            keys(&report["process"]),
            "cores cpu_seconds cpu_us_per_delivery deliveries_per_cpu_second memory_idle memory_loaded \
             memory_per_connection pid preemptions waits"
        );
    }
}

#[test]
fn csv_has_a_header_and_a_line() {
    let relay = relay();
    let ran = bench(&["--csv", &relay.url()]);
    assert_eq!(ran.code(), Some(0), "{ran:?}");
    let lines: Vec<&str> = ran.stdout.lines().collect();
    let [header, line] = lines[..] else {
        panic!("{ran:?}");
    };
    assert!(header.starts_with("scenario,rooms,members,window,bytes,"));
    assert!(line.starts_with("fanout,2,3,1,168,6,"), "{line}");
    assert_eq!(header.split(',').count(), line.split(',').count());
}

#[test]
fn a_condition_that_is_true_fails_the_run() {
    let relay = relay();
    let ran = bench(&["--fail-if", "p50>1h", &relay.url()]);
    assert_eq!(ran.code(), Some(2), "{ran:?}");
    ran.says("ms");
    let ran = bench(&["--fail-if", "p50>100s", "--fail-if", "lost>0", &relay.url()]);
    assert_eq!(ran.code(), Some(0), "{ran:?}");
    let ran = bench(&["--fail-if", "max>0us", &relay.url()]);
    assert_eq!(ran.code(), Some(1), "{ran:?}");
    ran.says("failed: max is ");
    let ran = bench(&["--fail-if", "cpu_per_delivery>5us", &relay.url()]);
    assert_eq!(ran.code(), Some(2), "{ran:?}");
    ran.says("--pid");
}

#[test]
fn a_server_elsewhere_is_left_alone() {
    // A documentation address: were it tried, the test would hang.
    let ran = bench(&["ws://192.0.2.1:4444"]);
    assert_eq!(ran.code(), Some(2), "{ran:?}");
    ran.says("it is not on this machine");
    ran.says("--i-own-this-server");
    let ran = bench(&["--compare", "a=ws://127.0.0.1:1", "b=ws://192.0.2.1:4444"]);
    assert_ne!(ran.code(), Some(0), "{ran:?}");
}

#[test]
fn a_relay_with_its_ordinary_rates_is_explained() {
    let relay = Relay::start(&["--messages-burst=10"]);
    let ran = bench(&["--timeout", "2s", &relay.url()]);
    assert_eq!(ran.code(), Some(1), "{ran:?}");
    ran.says("signal serve --messages-per-second");
}

#[test]
fn a_token_is_sent_and_never_shown() {
    let relay = relay();
    let ran = bench(&["--token", "secret", &relay.url()]);
    assert_eq!(ran.code(), Some(0), "{ran:?}");
    ran.says("token=***");
    assert!(!ran.stdout.contains("secret"), "{ran:?}");
}

#[test]
fn servers_are_compared_in_turn() {
    let (ours, theirs) = (relay(), relay());
    let entries = [("ours", &ours), ("theirs", &theirs)]
        .map(|(name, relay)| format!("{name}={},{}", relay.url(), relay.pid()));
    let compared = ["--compare", &entries[0], &entries[1], "--rounds", "2"];
    let ran = bench(&[&compared[..], &["--json"]].concat());
    assert_eq!(ran.code(), Some(0), "{ran:?}");
    let comparison: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    let [first, second] = [0, 1].map(|index| &comparison["servers"][index]);
    assert_eq!(
        (&first["name"], &second["name"]),
        (&"ours".into(), &"theirs".into())
    );
    assert_eq!(second["reports"].as_array().map(Vec::len), Some(2));
    let rate = &second["deliveries_per_second"];
    assert!(rate["median"].as_f64() > Some(0.0), "{rate}");
    assert!(
        rate["first_is_better_by"]["median"].as_f64() > Some(0.0),
        "{rate}"
    );
    assert!(first["deliveries_per_second"]["first_is_better_by"].is_null());

    let ran = bench(&compared);
    assert_eq!(ran.code(), Some(0), "{ran:?}");
    ran.says("2 rounds in turn");
    ran.says("ours is ");
}

#[test]
fn several_addresses_are_one_service() {
    let relay = relay();
    let (url, other) = (relay.url(), format!("{}/another/path", relay.url()));
    let pids = format!("{0},{0}", relay.pid());
    let addresses = [url.as_str(), &other, "--pid", &pids, "--bus-pid", &pids];
    let ran = bench(&addresses);
    assert_eq!(ran.code(), Some(0), "{ran:?}");
    ran.says(&format!("2 nodes, {url}, {other}: fanout"));
    ran.says("crossed     33.3 % of the deliveries went from one node to another: p50");
    ran.says(&format!("node        {other}: 3 connections, "));
    ran.says("bus         ");

    let ran = bench(&[&addresses[..], &["--json"]].concat());
    assert_eq!(ran.code(), Some(0), "{ran:?}");
    let report: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    assert_eq!(report["cluster"]["nodes"][1]["server"], other);
    assert_eq!(report["cluster"]["nodes"][1]["process"]["pid"], relay.pid());
    assert_eq!(report["process"]["pid"], Value::Null);

    let ran = bench(&[&addresses[..], &["--csv"]].concat());
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert!(lines[0].ends_with(",bus_cpu_us_per_delivery"), "{ran:?}");
    assert_eq!(lines[0].split(',').count(), lines[1].split(',').count());
}

#[test]
fn addresses_that_are_no_cluster_are_found() {
    let (one, other) = (relay(), relay());
    let ran = bench(&[&one.url(), &other.url(), "--timeout", "1s"]);
    assert_eq!(ran.code(), Some(1), "{ran:?}");
    ran.says(&one.url());
    ran.says(&other.url());
    ran.says("are they nodes of one cluster");
}

#[test]
fn what_cannot_be_several_nodes_says_why() {
    let relay = relay();
    let url = relay.url();
    let [with_a, with_b] = ["a", "b"].map(|token| format!("{url}/{token}?token={token}"));
    let other = format!("{url}/other");
    for (arguments, words) in [
        (vec![&url[..], &url], "was named before"),
        (
            vec![&with_a, &with_b],
            "the addresses have different tokens",
        ),
        (vec![&url, &with_b], "the addresses have different tokens"),
        (
            vec![&url, &other, "--pid", "1"],
            "processes named by --pid: 1; addresses: 2",
        ),
        (
            vec![&url, "--pid", "1 2"],
            "processes named by --pid: 2; addresses: 1",
        ),
        (vec![&url, "--pid", "1,x"], "is not the number of a process"),
        (vec![&url, "--pid", ""], "it names no process"),
        (
            vec![&url, "--bus-pid", "1"],
            "--bus-pid is for what is between several nodes",
        ),
        (
            vec![&url, &other, "--compare", "a=ws://127.0.0.1:1"],
            "cannot be used with",
        ),
    ] {
        let ran = bench(&arguments);
        assert_eq!(ran.code(), Some(2), "{arguments:?}: {ran:?}");
        ran.says(words);
        assert!(!ran.stderr.contains("token=a"), "{ran:?}");
    }
}
