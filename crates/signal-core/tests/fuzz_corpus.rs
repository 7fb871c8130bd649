//! Replays the fuzz corpus on stable Rust. What a fuzzer finds is added to the corpus and, as a
//! named test, to `messages.rs` or `limits.rs`.

mod support;

use std::fs;
use std::path::Path;

use support::targets;

fn replay(target: &str, run: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(target);
    let mut inputs = 0;
    for entry in fs::read_dir(&folder).expect("the corpus is in the tree") {
        let path = entry.expect("the folder can be listed").path();
        run(&fs::read(&path).expect("an input can be read"));
        inputs += 1;
    }
    assert!(inputs >= 10, "{inputs} inputs in {}", folder.display());
}

#[test]
fn the_wire_bears_its_corpus() {
    replay("wire", targets::wire);
}

#[test]
fn the_room_bears_its_corpus() {
    replay("room", targets::room);
}
