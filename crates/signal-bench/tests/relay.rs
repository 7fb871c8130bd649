//! Every scenario against the relay of this project, which loses nothing.

mod common;

use std::time::Duration;

use common::{RealRelay, load, small};
use signal_bench::{Plan, Report, Scenario, Server};
use signal_tokio::Config;

fn sound(plan: &Plan) -> Report {
    let relay = RealRelay::start();
    let report = load(relay.address, plan);
    assert!(report.is_sound(), "{report:#?}");
    report
}

#[test]
fn messages_circulate_in_rooms() {
    let report = sound(&small(Scenario::Fanout));
    assert_eq!(report.connections, 12);
    // Each message goes to all four; the first and the last may be counted on one side only.
    assert!(report.deliveries.abs_diff(report.publishes * 4) <= 12 * 4);
    assert!(report.latency.p50_ms <= report.latency.p99_ms);
    let bars = report.latency.histogram.iter().map(|bar| bar.deliveries);
    assert!(bars.sum::<u64>() > 0);
}

#[test]
fn a_window_many_senders_and_threads_lose_nothing() {
    let mut plan = small(Scenario::Fanout);
    plan.window = 7;
    plan.publishers = 3;
    plan.threads = 2;
    plan.bytes = 3_000;
    sound(&plan);
}

#[test]
fn messages_are_sent_at_a_pace() {
    let mut plan = small(Scenario::Paced);
    plan.rate = 4_000.0;
    plan.publishers = 2;
    plan.duration = Duration::from_secs(2);
    let report = sound(&plan);
    // 1,000 messages in a second, whatever the server does, give or take what a busy machine does
    // late at the borders: up to half of the two seconds.
    let due = (report.seconds * 1_000.0) as u64;
    assert!(report.publishes.abs_diff(due) < due / 2, "{report:#?}");
}

#[test]
fn rooms_fill_up() {
    let mut plan = small(Scenario::Join);
    plan.threads = 2;
    plan.duration = Duration::from_secs(1);
    let report = sound(&plan);
    // An announcement alone would be one message for each join.
    assert!(report.publishes > 20, "{report:#?}");
}

#[test]
fn idle_connections_ping_and_answer_pings() {
    let mut config = RealRelay::config();
    config.core.pings_per_second = 1_000;
    config.core.ping_interval = Duration::from_millis(100);
    let relay = RealRelay::with(config);
    let mut plan = small(Scenario::Idle);
    // Time for ten pings to each, of which one must come; more than one is late on a busy machine.
    plan.duration = Duration::from_secs(1);
    let report = load(relay.address, &plan);
    assert!(report.is_sound(), "{report:#?}");
    assert_eq!(report.connections, 30);
    assert!(report.pings_answered >= 30, "{report:#?}");
}

#[test]
fn visitors_come_and_go() {
    let mut plan = small(Scenario::Churn);
    plan.connections = 5;
    plan.threads = 2;
    // A visit takes milliseconds; more where other work is done.
    plan.duration = Duration::from_secs(1);
    let report = sound(&plan);
    assert!(report.deliveries > 5, "{report:#?}");
}

#[test]
fn a_reader_that_never_reads_is_ended_and_nobody_else_suffers() {
    let mut config = RealRelay::config();
    config.outbound_bytes_max = 256 * 1024;
    config.close_timeout = Duration::from_millis(100);
    let relay = RealRelay::with(config);
    let mut plan = small(Scenario::Slow);
    plan.rooms = 1;
    plan.window = 8;
    plan.bytes = 30_000;
    plan.slow_readers = 2;
    plan.duration = Duration::from_secs(2);
    let report = load(relay.address, &plan);
    assert!(report.is_sound(), "{report:#?}");
    let slow = report.slow.expect("it is that scenario");
    assert_eq!((slow.readers, slow.ended), (2, 2), "{report:#?}");
    assert!(slow.first_ended_after_seconds.is_some());
}

#[test]
fn a_server_that_drops_what_exceeds_its_rates_is_explained() {
    let mut config = Config::default();
    config.core.messages_burst = 10;
    let relay = RealRelay::with(config);
    let mut plan = small(Scenario::Fanout);
    plan.timeout = Duration::from_secs(2);
    let outcome = signal_bench::run(&Server::at(relay.address), &plan, &mut |_| {});
    // Dropped first, closed with 4429 later: both say which settings to raise.
    let said = match outcome {
        Ok(report) => {
            assert!(report.faults.undelivered > 0, "{report:#?}");
            report.warnings.join(" ")
        }
        Err(error) => error.fix,
    };
    assert!(said.contains("--messages-per-second"), "{said}");
}

#[test]
fn a_server_that_is_full_is_explained() {
    let mut config = Config::default();
    config.peers_max = 5;
    let relay = RealRelay::with(config);
    let plan = small(Scenario::Fanout);
    let error = signal_bench::run(&Server::at(relay.address), &plan, &mut |_| {}).unwrap_err();
    assert!(error.what.contains("503"), "{error:?}");
    assert!(error.fix.contains("--peers-max"), "{error:?}");
}

#[test]
fn a_port_on_which_nothing_listens_is_an_error() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = free.local_addr().expect("an address");
    drop(free);
    let plan = small(Scenario::Fanout);
    let error = signal_bench::run(&Server::at(address), &plan, &mut |_| {}).unwrap_err();
    assert!(error.fix.contains("running"), "{error:?}");
}

#[test]
fn a_plan_out_of_range_says_the_range() {
    let mut plan = small(Scenario::Fanout);
    plan.publishers = 5;
    let error = plan.check().unwrap_err();
    assert_eq!(error.what, "publishers is 5");
    assert_eq!(error.fix, "write a number from 1 to 4");
}

#[cfg(target_os = "linux")]
#[test]
fn the_process_of_the_server_is_measured() {
    let mut plan = small(Scenario::Fanout);
    plan.pid = Some(std::process::id());
    let report = sound(&plan);
    let process = report.process.expect("it was measured");
    assert!(process.memory_idle > 0);
    assert!(process.cpu_us_per_delivery > 0.0);
}

/// All keys of a JSON value, at any depth.
fn keys(value: &serde_json::Value, found: &mut Vec<String>) {
    for (key, value) in value.as_object().into_iter().flatten() {
        found.push(key.clone());
        keys(value, found);
    }
    for value in value.as_array().into_iter().flatten() {
        keys(value, found);
    }
}

#[test]
fn the_readme_explains_every_key() {
    let mut plan = small(Scenario::Slow);
    plan.pid = cfg!(target_os = "linux").then(std::process::id);
    let report = serde_json::to_value(sound(&plan)).expect("JSON");
    let mut found = Vec::new();
    keys(&report, &mut found);
    assert!(found.len() > 50, "{found:?}");
    let readme = include_str!("../README.md");
    let missing = found
        .iter()
        .filter(|key| !readme.contains(&format!("`{key}`")));
    let missing: Vec<&String> = missing.collect();
    assert!(missing.is_empty(), "{missing:?}");
}
