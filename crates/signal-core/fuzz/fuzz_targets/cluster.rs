#![no_main]

#[path = "../../../signal-cluster/tests/support/mod.rs"]
mod support;

libfuzzer_sys::fuzz_target!(|data: &[u8]| support::targets::wire(data));
