//! Ten thousand random worlds, and the one named by `SIGNAL_SEED`.

use std::panic::{catch_unwind, resume_unwind};
use std::thread;

use signal_core::{CloseReason, Ignored};
use signal_memory::{Explorer, Plan, Stats, simulate};

const WORLDS: u64 = 10_000;

#[test]
fn ten_thousand_worlds_break_no_rule() {
    let seeds = match std::env::var("SIGNAL_SEED") {
        Ok(seed) => {
            let seed = seed.parse().expect("SIGNAL_SEED is a number");
            seed..seed + 1
        }
        Err(_) => 0..WORLDS,
    };
    let is_all = seeds.end - seeds.start == WORLDS;
    let stats = explore(seeds, &Plan::default());
    println!("{stats}");
    if is_all {
        assert_everything_was_met(&stats);
    }
}

/// Explores on all cores; every world is its own.
fn explore(seeds: std::ops::Range<u64>, plan: &Plan) -> Stats {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let one = |first: usize| {
        let mut stats = Stats::default();
        for seed in seeds.clone().skip(first).step_by(threads) {
            stats.add(&explore_one(seed, plan));
        }
        stats
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|first| scope.spawn(move || one(first)))
            .collect();
        let mut stats = Stats::default();
        workers.into_iter().for_each(|worker| {
            stats.add(&worker.join().unwrap_or_else(|panic| resume_unwind(panic)))
        });
        stats
    })
}

/// Says which world it was, whether it broke a rule or panicked.
fn explore_one(seed: u64, plan: &Plan) -> Stats {
    let again = format!("again: SIGNAL_SEED={seed} cargo test -p signal-memory --test worlds");
    match catch_unwind(|| simulate(seed, plan)) {
        Ok(Ok(stats)) => stats,
        Ok(Err(failure)) => panic!("{failure}\n{again}"),
        Err(panic) => {
            eprintln!("world {seed} panicked\n{again}");
            resume_unwind(panic)
        }
    }
}

/// A search that never meets a budget, a timeout or a full queue proves nothing about them.
fn assert_everything_was_met(stats: &Stats) {
    assert_eq!(stats.worlds, WORLDS);
    for why in Ignored::ALL {
        assert!(
            stats.ignored.get(&why) > Some(&100),
            "{} was hardly met: {stats}",
            why.name()
        );
    }
    for reason in CloseReason::ALL {
        let is_elsewhere = matches!(
            reason,
            CloseReason::MemoryMax | CloseReason::AnnounceAgain | CloseReason::ByOperator
        );
        if is_elsewhere {
            // A world has no ceiling on memory, one node, and no operator.
            continue;
        }
        let is_met = stats.closed.get(&reason) > Some(&100);
        assert!(is_met, "{} was hardly met: {stats}", reason.name());
    }
    for count in [
        stats.vanished,
        stats.stalled,
        stats.hibernations,
        stats.jumps,
    ] {
        assert!(count > 1_000, "{stats}");
    }
}

#[test]
fn large_worlds_break_no_rule() {
    let mut plan = Plan::default();
    plan.actions = 500;
    plan.peers_max = 40;
    plan.rooms_max = 10;
    let stats = explore(0..30, &plan);
    assert!(stats.received > 30_000, "{stats}");
}

#[test]
fn the_same_seed_makes_the_same_world() {
    let transcript = |seed| {
        let mut explorer = Explorer::new(seed, &Plan::default());
        explorer.run().unwrap();
        explorer.world().transcript().to_string()
    };
    for seed in 0..20 {
        assert_eq!(transcript(seed), transcript(seed));
    }
    assert_ne!(transcript(1), transcript(2));
}
