//! One world of the relay in memory, from a seed: `cargo run -p examples --example world -- 42`.
//!
//! Peers connect, publish, stall, vanish and come back; clocks jump; rooms hibernate; and after
//! each step every rule is checked. The transcript shows what happened, the counts at the end what
//! it was worth. The same seed makes the same world again.

use std::process::ExitCode;

use signal_memory::{Explorer, Plan};

fn main() -> ExitCode {
    let Some(seed) = seed() else {
        eprintln!("usage: world [SEED], a number; 42 without one");
        return ExitCode::from(2);
    };
    let mut explorer = Explorer::new(seed, &Plan::default());
    let result = explorer.run();
    print!("{}", explorer.world().transcript());
    match result {
        Ok(stats) => {
            println!("\nworld {seed} lived, and every rule held\n\n{stats}");
            ExitCode::SUCCESS
        }
        Err(failure) => {
            eprintln!("\n{failure}");
            ExitCode::FAILURE
        }
    }
}

fn seed() -> Option<u64> {
    match std::env::args().nth(1) {
        Some(argument) => argument.parse().ok(),
        None => Some(42),
    }
}
