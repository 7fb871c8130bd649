//! Several nodes as one service: naive ones that share their state, and those of this project.

mod common;

use std::time::Duration;

use common::{Fault, Faulty, RealCluster, cluster, load_nodes, small};
use signal_bench::{Cluster, Plan, Report, Scenario};

/// On naive nodes.
fn report(nodes: usize, fault: Fault, plan: &Plan) -> Report {
    let service = Faulty::start_nodes(nodes, fault);
    load_nodes(&service.nodes, plan).expect("the load runs")
}

#[test]
fn members_take_turns_on_the_nodes_and_the_report_says_what_crossed() {
    let report = report(3, Fault::Nothing, &small(Scenario::Fanout));
    assert!(report.is_sound(), "{report:#?}");
    let cluster = report.cluster.expect("there are several nodes");
    // Of each room of four, two are on one node; which one changes from room to room.
    let connections = cluster.nodes.iter().map(|node| node.connections);
    assert_eq!(connections.collect::<Vec<_>>(), [4, 4, 4]);
    let named = cluster.nodes.iter().map(|node| node.server.as_str());
    assert_eq!(named.collect::<Vec<_>>().join(", "), report.server);
    // The first member publishes; it and the fourth are on its node, the others are not.
    let crossed = cluster.crossed;
    assert!((crossed.share - 0.5).abs() < 0.001, "{crossed:?}");
    assert!(crossed.deliveries > 0 && crossed.latency.p50_ms > 0.0);
}

#[test]
fn the_load_begins_when_nodes_know_of_each_others_members() {
    let mut plan = small(Scenario::Fanout);
    plan.threads = 2;
    let report = report(2, Fault::IsLate, &plan);
    assert!(report.is_sound(), "{report:#?}");
}

#[test]
fn newcomers_are_announced_when_nodes_know_of_each_others_members() {
    let mut plan = small(Scenario::Join);
    plan.duration = Duration::from_secs(2);
    let report = report(2, Fault::IsLate, &plan);
    assert!(report.is_sound(), "{report:#?}");
    assert!(report.deliveries > 0, "{report:#?}");
}

#[test]
fn nodes_that_are_no_cluster_are_found() {
    for scenario in [Scenario::Fanout, Scenario::Join] {
        let mut plan = small(scenario);
        plan.timeout = Duration::from_secs(1);
        let service = Faulty::start_nodes(2, Fault::IsApart);
        let error = load_nodes(&service.nodes, &plan).expect_err("nothing crosses");
        assert!(
            error.what.starts_with("what is published on ws://"),
            "{error:?}"
        );
        let [one, other] = [0, 1].map(|node| service.nodes[node].to_string());
        assert!(error.what.contains(&one) && error.what.contains(&other));
        assert!(error.fix.contains("nodes of one cluster"), "{error:?}");
    }
}

#[test]
fn a_delivery_lost_between_nodes_is_found() {
    let mut plan = small(Scenario::Fanout);
    plan.window = 4;
    // What is lost is waited for in vain.
    plan.timeout = Duration::from_secs(3);
    let report = report(2, Fault::LosesBetween, &plan);
    assert_eq!((report.faults.lost, report.faults.duplicated), (1, 0));
    assert!(!report.is_sound());
}

#[test]
fn every_scenario_is_sound_on_the_nodes_of_a_cluster() {
    let service = RealCluster::start(3);
    for scenario in Scenario::ALL {
        let mut plan = small(scenario);
        plan.rate = 2_000.0;
        plan.threads = 2;
        plan.slow_readers = 3;
        plan.duration = Duration::from_secs(1);
        let report = load_nodes(&service.nodes, &plan).expect("the load runs");
        assert!(report.is_sound(), "{report:#?}");
        let cluster = report.cluster.expect("there are several nodes");
        // Nobody else is in the rooms of these.
        let is_alone = matches!(scenario, Scenario::Idle | Scenario::Churn);
        assert_eq!(cluster.crossed.share == 0.0, is_alone, "{scenario}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn processes_of_nodes_and_between_them_are_measured_apart() {
    let service = Faulty::start_nodes(2, Fault::Nothing);
    let mut nodes = cluster(&service.nodes);
    let me = std::process::id();
    nodes.bus_pids = vec![me];
    nodes.nodes[0].pid = Some(me);
    let run =
        |nodes: &Cluster| signal_bench::run_cluster(nodes, &small(Scenario::Fanout), &mut |_| {});
    let report = run(&nodes).expect("the load runs");
    // Of all nodes together nothing is said unless all are known.
    assert!(report.process.is_none());
    nodes.nodes[1].pid = Some(me);
    let report = run(&nodes).expect("the load runs");
    let cluster = report.cluster.expect("there are several nodes");
    let of_nodes = report.process.expect("they were measured");
    let [one, other] = [0, 1].map(|node| cluster.nodes[node].process.expect("it was measured"));
    assert_eq!((of_nodes.pid, one.pid), (None, Some(me)));
    let sum = one.cpu_seconds + other.cpu_seconds;
    assert!((of_nodes.cpu_seconds - sum).abs() < 1e-9, "{of_nodes:?}");
    let bus = cluster.bus.expect("it was measured");
    assert!(bus.cpu_seconds > 0.0 && bus.memory_idle > 0, "{bus:?}");
}

#[test]
fn a_cluster_has_several_nodes_each_once() {
    let addresses = ["127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:1"];
    let addresses = addresses.map(|address| address.parse().expect("an address"));
    assert!(cluster(&addresses[..2]).check().is_ok());
    let error = cluster(&addresses[..1]).check().expect_err("it is one");
    assert_eq!(error.what, "a cluster of 1");
    let error = cluster(&addresses).check().expect_err("one is there twice");
    assert!(error.what.contains("ws://127.0.0.1:1"), "{error:?}");
    let mut plan = small(Scenario::Fanout);
    plan.pid = Some(7);
    let error = load_nodes(&addresses[..2], &plan).expect_err("whose process is it?");
    assert!(error.what.contains("process 7"), "{error:?}");
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
fn the_readme_explains_every_key_of_a_cluster() {
    let report = report(2, Fault::Nothing, &small(Scenario::Fanout));
    let cluster = serde_json::to_value(report.cluster).expect("JSON");
    let mut found = Vec::new();
    keys(&cluster, &mut found);
    assert!(found.len() > 10, "{found:?}");
    let readme = include_str!("../README.md");
    found.retain(|key| !readme.contains(&format!("`{key}`")));
    assert!(found.is_empty(), "{found:?}");
}
