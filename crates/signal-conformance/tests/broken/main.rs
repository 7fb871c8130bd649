//! Proof that the suite can fail: a naive relay passes all of it, and with any one fault it fails
//! the scenario named for that fault.

mod backend;
mod claims;
mod door;
mod ends;
mod fault;
mod frames;
mod grants;
mod limits;
mod message;
mod nodes;
mod pairs;
mod relay;
mod requests;
mod sizes;
mod socket;

use std::collections::BTreeSet;

use backend::RelayBackend;
use fault::{ALL, Fault, Faults};
use frames::SocketFault;
use limits::Limits;
use signal_conformance::{Capability, Grade, Level, Report, RunOptions, Suite};

const WIDE: Limits = Limits {
    fan_out_burst: 50_000,
    fan_out_per_second: 5_000,
    bytes_burst: 768 * 1024,
    bytes_per_second: 128 * 1024,
    fan_out_bytes_burst: 64 << 20,
    fan_out_bytes_per_second: 8 << 20,
    clients_max: 0,
};

/// Limits with one budget so small that the scenarios about it apply.
fn limits_for(id: &str) -> Limits {
    let mut limits = WIDE;
    match id {
        "limits.fan_out" | "limits.fan_out_overdraft" => {
            (limits.fan_out_burst, limits.fan_out_per_second) = (10, 10);
        }
        "limits.bytes"
        | "limits.bytes_of_others"
        | "limits.bytes_at_once"
        | "limits.pings_apart_from_bytes" => {
            (limits.bytes_burst, limits.bytes_per_second) = (200_000, 20_000);
        }
        "limits.fan_out_bytes" | "limits.fan_out_bytes_overdraft" => {
            (limits.fan_out_bytes_burst, limits.fan_out_bytes_per_second) = (10_000, 2_000);
        }
        _ if id.starts_with("limits.clients_") => limits.clients_max = 2,
        _ => {}
    }
    limits
}

const NARROW: [&str; 13] = [
    "limits.clients_at_limit",
    "limits.clients_not_heard",
    "limits.clients_stay",
    "limits.clients_place_again",
    "limits.clients_granted",
    "limits.fan_out",
    "limits.fan_out_overdraft",
    "limits.bytes",
    "limits.bytes_of_others",
    "limits.bytes_at_once",
    "limits.pings_apart_from_bytes",
    "limits.fan_out_bytes",
    "limits.fan_out_bytes_overdraft",
];

#[tokio::test]
async fn the_relay_without_fault_passes_everything() {
    let report = run(Suite::all(), None, WIDE).await;
    assert!(report.passed(), "{}", report.to_text());
    // All it is not asked: it has neither frames nor pages, and its budgets are wide.
    let summary = report.summary();
    let skipped: BTreeSet<_> = summary
        .values()
        .filter(|grade| *grade != "passed")
        .collect();
    assert_eq!(
        skipped.into_iter().collect::<Vec<_>>(),
        [
            "skipped: the capability `guests` is not declared",
            "skipped: the capability `http` is not declared",
            "skipped: the capability `raw_frames` is not declared",
            "skipped: the limits declared are not 1<clients_max",
            "skipped: the limits declared are not bytes_burst/1000+bytes_per_second/1000+60<messages_burst",
            "skipped: the limits declared are not fan_out_burst+fan_out_per_second+4<messages_burst",
            "skipped: the limits declared are not fan_out_burst<20",
            "skipped: the limits declared are not fan_out_bytes_burst/2000+fan_out_bytes_per_second/2000+5<messages_burst",
            "skipped: the limits declared are not fan_out_bytes_burst<20000",
        ]
    );
}

#[tokio::test]
async fn the_relay_with_a_narrow_budget_passes_what_is_about_it() {
    for id in NARROW {
        let report = run(Suite::all().matching(&[id]), None, limits_for(id)).await;
        assert_eq!(report.summary()[id], "passed", "{}", report.to_text());
    }
}

#[tokio::test]
async fn each_fault_is_caught_by_the_scenario_named_for_it() {
    let mut missed = Vec::new();
    for &(fault, id) in ALL {
        let limits = limits_for(id);
        let report = run(Suite::all().matching(&[id]), Some(fault), limits).await;
        let caught = report
            .result(id)
            .is_some_and(|result| is_caught(&result.grade));
        if !caught {
            missed.push(format!("{fault:?} is missed by {id}"));
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

fn is_caught(grade: &Grade) -> bool {
    matches!(grade, Grade::Failed(_) | Grade::Warned(_))
}

async fn run(suite: Suite, fault: Option<Fault>, limits: Limits) -> Report {
    suite
        .run(
            &RelayBackend::new(Faults([fault, None]), limits),
            &RunOptions::default(),
        )
        .await
}

/// No scenario passes whatever the relay does. Those named for a fault fail with that one, as is
/// seen above; those of `stock` and `robust` are held to the mutants.
#[tokio::test]
async fn each_scenario_fails_with_some_fault() {
    let mut unfailed = Suite::all();
    unfailed.scenarios.retain(|scenario| {
        let of_sockets = [Capability::Http, Capability::RawFrames];
        let is_named = ALL.iter().any(|(_, id)| *id == scenario.id);
        let is_held_elsewhere = matches!(scenario.level, Level::Stock | Level::Robust);
        !is_named
            && !is_held_elsewhere
            && of_sockets.iter().all(|need| !scenario.needs.contains(need))
    });
    for &(fault, id) in ALL {
        let limits = limits_for(id);
        let report = run(unfailed.clone(), Some(fault), limits).await;
        unfailed.scenarios.retain(|scenario| {
            let result = report.result(&scenario.id);
            !result.is_some_and(|result| is_caught(&result.grade))
        });
    }
    let unfailed: Vec<_> = unfailed
        .scenarios
        .iter()
        .map(|scenario| &scenario.id)
        .collect();
    assert!(unfailed.is_empty(), "{unfailed:?}");
}

/// Each fault of a socket with the scenario named for it.
const SOCKET_FAULTS: &[(SocketFault, &str)] = &[
    (SocketFault::ReservedBits, "robust.frame.reserved_bit_1"),
    (SocketFault::ReservedBits, "robust.frame.reserved_bit_3"),
    (SocketFault::ReservedOpcodes, "robust.frame.reserved_opcode"),
    (
        SocketFault::ReservedOpcodes,
        "robust.frame.reserved_control_opcode",
    ),
    (SocketFault::Masks, "robust.frame.unmasked"),
    (
        SocketFault::ControlFragments,
        "robust.frame.fragmented_ping",
    ),
    (SocketFault::ControlLengths, "robust.frame.long_ping"),
    (SocketFault::CloseLengths, "robust.frame.close_of_one_byte"),
    (SocketFault::CloseCodes, "robust.frame.close_code_999"),
    (SocketFault::CloseCodes, "robust.frame.close_code_1005"),
    (SocketFault::CloseReasons, "robust.frame.close_reason_utf8"),
    (
        SocketFault::Continuations,
        "robust.frame.continuation_of_nothing",
    ),
    (
        SocketFault::InnerTexts,
        "robust.frame.text_inside_fragments",
    ),
    (SocketFault::TextEncoding, "robust.frame.utf8"),
    (SocketFault::TextEncoding, "robust.frame.utf8_in_fragments"),
    (SocketFault::HeaderLengths, "robust.frame.length_101_mib"),
    (SocketFault::HeaderLengths, "robust.frame.length_of_63_bits"),
    (SocketFault::HeaderLengths, "limits.header_over_limit"),
    (SocketFault::MessageLengths, "limits.fragments_over_limit"),
    (SocketFault::FragmentsApart, "transport.fragments"),
    (SocketFault::FragmentsApart, "transport.many_fragments"),
    (
        SocketFault::FragmentsOfTextOnly,
        "transport.fragment_inside_character",
    ),
    (SocketFault::PingsUnanswered, "transport.ping_frame"),
    (SocketFault::PongsAreMessages, "transport.pong_frame"),
    (SocketFault::FramesCostNothing, "limits.frames_cost_bytes"),
    (SocketFault::ReadsAfterClose, "closing.frames_after_close"),
    (SocketFault::DiesOfNoise, "robust.frame.noise"),
    (SocketFault::DiesOfHalfFrames, "robust.frame.half"),
    (SocketFault::OneOrigin, "transport.any_origin"),
    (SocketFault::OnePath, "transport.any_path"),
    (SocketFault::ProtocolIgnored, "transport.subprotocol"),
    (SocketFault::NoPage, "transport.okay"),
    (SocketFault::PageAtRootOnly, "transport.okay_on_any_path"),
    (SocketFault::VersionNotChecked, "transport.version"),
    (SocketFault::OldVersionTaken, "robust.version_8"),
    (SocketFault::KeyNotChecked, "transport.key"),
    (SocketFault::UpgradeCaseMatters, "transport.upgrade_case"),
    (SocketFault::ManyHeadersRefused, "transport.browser_headers"),
    (SocketFault::OldRequestsRefused, "transport.http_1_0"),
    (SocketFault::OtherUpgradesRefused, "robust.upgrade_to_other"),
];

#[tokio::test]
async fn the_relay_at_a_socket_without_fault_passes_everything() {
    let server = socket::serve(None, WIDE).await;
    let mut options = RunOptions::default();
    options.concurrency = 8;
    // For a machine with other work: all is to pass, so nothing is waited for in vain.
    options.patience = std::time::Duration::from_secs(30);
    options.deadline = std::time::Duration::from_secs(180);
    let report = Suite::all().run(&server, &options).await;
    assert!(report.passed(), "{}", report.to_text());
    for (_, id) in SOCKET_FAULTS {
        assert_eq!(report.summary()[*id], "passed", "{id}");
    }
}

#[tokio::test]
async fn each_fault_of_a_socket_is_caught_by_the_scenario_named_for_it() {
    let mut options = RunOptions::default();
    // What must come does so at once on one machine; what never comes is waited for in each of
    // these.
    options.patience = std::time::Duration::from_secs(1);
    let runs = SOCKET_FAULTS.iter().map(|&(fault, id)| {
        let options = &options;
        async move {
            let server = socket::serve(Some(fault), WIDE).await;
            let report = Suite::all().matching(&[id]).run(&server, options).await;
            let caught = report
                .result(id)
                .is_some_and(|result| is_caught(&result.grade));
            (!caught).then(|| format!("{fault:?} is missed by {id}"))
        }
    });
    let missed: Vec<_> = futures_util::future::join_all(runs)
        .await
        .into_iter()
        .flatten()
        .collect();
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

#[test]
fn every_scenario_about_sockets_has_its_fault() {
    let named: BTreeSet<_> = SOCKET_FAULTS
        .iter()
        .map(|(_, id)| (*id).to_owned())
        .collect();
    let of_sockets = Suite::all().scenarios.into_iter().filter(|scenario| {
        [Capability::Http, Capability::RawFrames]
            .iter()
            .any(|need| scenario.needs.contains(need))
    });
    assert_eq!(
        of_sockets
            .map(|scenario| scenario.id)
            .collect::<BTreeSet<_>>(),
        named
    );
}
