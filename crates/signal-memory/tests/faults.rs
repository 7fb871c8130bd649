//! The explorer must be able to fail: each fault of a host is found, and soon.

use signal_memory::{Failure, Fault, Plan, simulate};

/// The first world, of a few hundred, in which the fault shows.
fn first_failure(fault: Fault) -> Option<Box<Failure>> {
    let mut plan = Plan::default();
    plan.fault = Some(fault);
    (0..300).find_map(|seed| simulate(seed, &plan).err())
}

#[test]
fn every_fault_is_found() {
    for fault in Fault::ALL {
        let failure = first_failure(fault);
        let Some(failure) = failure else {
            panic!("{fault:?} is not found in 300 worlds")
        };
        println!("{fault:?}: {failure}");
    }
}
