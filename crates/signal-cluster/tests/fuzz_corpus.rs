//! Replays the fuzz corpus on stable Rust. The target stands with the core's; what a fuzzer finds
//! is added to the corpus and, as a named test, to `wire.rs`.

mod support;

use std::fs;
use std::path::Path;

#[test]
fn a_node_bears_the_corpus_of_its_wire() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../signal-core/fuzz/corpus/cluster");
    let mut inputs = 0;
    for entry in fs::read_dir(&folder).expect("the corpus is in the tree") {
        let path = entry.expect("the folder can be listed").path();
        support::targets::wire(&fs::read(&path).expect("an input can be read"));
        inputs += 1;
    }
    assert!(inputs >= 20, "{inputs} inputs in {}", folder.display());
}
