//! The explorer must be able to fail: each fault of a host is found soon and reported in a
//! sentence.

use signal_memory::{Failure, Fault, Plan, simulate};

/// Enough worlds to meet everything; most faults show in the first few.
const WORLDS: u64 = 300;

/// What is said about each fault, whichever peer it is about.
const SENTENCES: [(Fault, &str); Fault::ALL.len()] = [
    (Fault::Duplicate, "was sent one message twice"),
    (Fault::Lose, "not sent"),
    (Fault::Miscount, "\"clients\":"),
    (Fault::Reencode, "\"v\":1,"),
    (Fault::Misdeliver, "was sent, and nothing should have been"),
    (
        Fault::MisdirectPong,
        "was sent a message that was not for it",
    ),
    (Fault::SwapInQueue, "was due"),
    (Fault::OvertakeUp, "overtook"),
    (Fault::KeepGhost, "has left and the room still knows it"),
    (Fault::GrowQueue, "more than its queue may hold"),
    (Fault::DropWhenFull, "received {"),
    (Fault::ShrinkQueue, "was ended as a slow consumer with only"),
    (
        Fault::MissDeadlines,
        "a deadline has passed and was not acted on",
    ),
    (Fault::SwallowPings, "was not sent a ping that was due"),
    (Fault::SwallowPongs, "was timed out although it answers"),
    (Fault::LeaveOpen, "was not closed as"),
    (Fault::ForgetPeer, "came out of hibernation changed"),
    (Fault::ForgetTopics, "came out of hibernation changed"),
    (Fault::ForgetBudgets, "came out of hibernation changed"),
    (Fault::LaxLimits, "came to"),
    (Fault::StrictLimits, "came to"),
];

#[test]
fn every_fault_is_found_and_named() {
    for (fault, sentence) in SENTENCES {
        let failure = first_failure(fault);
        println!("{fault:?}: {}", failure.problem);
        assert!(failure.problem.contains(sentence), "{fault:?}: {failure}");
        assert!(
            failure.lines.len() > 1,
            "{fault:?} comes without a transcript: {failure}"
        );
    }
    assert!(
        Fault::ALL
            .iter()
            .all(|fault| SENTENCES.iter().any(|(known, _)| known == fault))
    );
}

#[test]
fn a_failure_prints_what_a_person_needs() {
    let failure = first_failure(Fault::SwallowPongs);
    let text = failure.to_string();
    let peer = failure.problem.split(' ').next().unwrap();
    let (seed, room) = (failure.seed, failure.room);
    for parts in [
        [
            &format!("world {seed}, {room}, "),
            "timed out although it answers",
        ],
        [&format!("{peer} ═▶ {room}"), "connects"],
        [&format!("{room} ─▶ {peer}"), "(ping)"],
        [&format!("{room} ═✕ {peer}"), "closes: 4408 timed_out"],
        [
            "again:",
            &format!("cargo run -p examples --example world -- {seed}"),
        ],
    ] {
        let has_both = |line: &str| parts.iter().all(|part| line.contains(part));
        assert!(
            text.lines().any(has_both),
            "no line with {parts:?}:\n{text}"
        );
    }
}

#[test]
fn a_failure_is_the_same_each_time() {
    let plan = plan(Fault::SwapInQueue);
    let failure = first_failure(Fault::SwapInQueue);
    let again = simulate(failure.seed, &plan).unwrap_err();
    assert_eq!(failure.to_string(), again.to_string());
}

fn plan(fault: Fault) -> Plan {
    let mut plan = Plan::default();
    plan.fault = Some(fault);
    plan
}

/// The failure in the first world in which the fault shows.
fn first_failure(fault: Fault) -> Box<Failure> {
    let plan = plan(fault);
    (0..WORLDS)
        .find_map(|seed| simulate(seed, &plan).err())
        .unwrap_or_else(|| panic!("{fault:?} is not found in {WORLDS} worlds"))
}
