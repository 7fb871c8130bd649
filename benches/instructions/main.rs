//! How many instructions the core and the relay take, counted by callgrind.
//!
//! `cargo xtask test instructions` runs this and compares the counts with
//! `benches/instructions/baseline.txt`.

#![allow(
    missing_docs,
    reason = "gungraun's macros write the functions and modules"
)]

#[cfg(target_os = "linux")]
mod counted;

#[cfg(target_os = "linux")]
fn main() {
    counted::run();
}

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("instructions are counted by valgrind, on Linux");
}
