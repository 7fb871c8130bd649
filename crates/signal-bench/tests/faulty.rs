//! A load generator that cannot find a fault proves nothing: each kind is made once, and must be
//! found once.

mod common;

use std::time::Duration;

use common::{Fault, Faulty, load, small};
use signal_bench::{Faults, Plan, Report, Scenario, Server};

/// Rooms in which enough is on its way for every fault.
fn plan() -> Plan {
    let mut plan = small(Scenario::Fanout);
    plan.window = 4;
    plan
}

fn report(fault: Fault) -> Report {
    let relay = Faulty::start(fault);
    load(relay.address, &plan())
}

fn counts(faults: Faults) -> [u64; 4] {
    [
        faults.lost,
        faults.duplicated,
        faults.reordered,
        faults.foreign,
    ]
}

#[test]
fn a_server_that_only_writes_json_anew_is_sound() {
    let report = report(Fault::Nothing);
    assert!(report.is_sound(), "{report:#?}");
}

#[test]
fn messages_in_several_frames_are_read() {
    let report = report(Fault::Fragments);
    assert!(report.is_sound(), "{report:#?}");
}

#[test]
fn a_lost_delivery_is_found() {
    // What is lost is waited for in vain.
    let mut plan = plan();
    plan.timeout = Duration::from_secs(3);
    let relay = Faulty::start(Fault::Loses);
    let report = load(relay.address, &plan);
    assert_eq!(counts(report.faults), [1, 0, 0, 0]);
    // The others of the room had it.
    assert_eq!(report.faults.undelivered, 0);
    assert!(!report.is_sound());
}

#[test]
fn a_duplicated_delivery_is_found() {
    let report = report(Fault::Duplicates);
    assert_eq!(counts(report.faults), [0, 1, 0, 0]);
    assert!(!report.is_sound());
}

#[test]
fn deliveries_out_of_order_are_found() {
    let report = report(Fault::Reorders);
    assert_eq!(counts(report.faults), [0, 0, 1, 0]);
    assert!(!report.is_sound());
}

#[test]
fn a_message_of_another_room_is_found() {
    let report = report(Fault::Leaks);
    assert_eq!(counts(report.faults), [0, 0, 0, 1]);
    assert!(!report.is_sound());
}

#[test]
fn a_connection_that_is_closed_ends_the_run() {
    let relay = Faulty::start(Fault::Closes);
    let outcome = signal_bench::run(&Server::at(relay.address), &plan(), &mut |_| {});
    let error = outcome.expect_err("the server closed a connection");
    assert!(error.what.contains("closed connection"), "{error:?}");
}

/// A server that stands still for 300 ms delays all that was due meanwhile, not just what it held
/// when it stopped.
#[test]
fn a_stall_is_charged_with_all_that_was_due() {
    let relay = Faulty::start(Fault::Stalls);
    let mut plan = small(Scenario::Paced);
    plan.rooms = 1;
    plan.rate = 400.0;
    plan.warmup = Duration::from_millis(50);
    plan.duration = Duration::from_secs(1);
    let report = load(relay.address, &plan);
    assert!(report.is_sound(), "{report:#?}");
    assert!(report.latency.p99_ms > 250.0, "{report:#?}");
    // 100 messages a second to 4 each: 30 were due within the stall, 20 of them in its first 200
    // ms.
    let bars = report.latency.histogram.iter();
    let long = bars.filter(|bar| bar.above_ms > 60.0);
    let long: u64 = long.map(|bar| bar.deliveries).sum();
    assert!(long >= 15 * 4, "{report:#?}");
}
