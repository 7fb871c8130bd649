//! What the README says and another file knows: there is one source of each number.

use std::path::Path;

fn read(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    std::fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn assert_says(path: &str, sentence: &str) {
    let text = read(path);
    let words: Vec<_> = text.split_whitespace().collect();
    assert!(
        words.join(" ").contains(sentence),
        "not in {path}: {sentence}"
    );
}

#[test]
fn it_needs_the_rust_of_the_manifests() {
    let cli = env!("CARGO_PKG_RUST_VERSION");
    assert_says("README.md", &format!("It needs Rust {cli} or newer"));
    for (manifest, readme) in [
        (
            "crates/signal-workers/Cargo.toml",
            "crates/signal-workers/README.md",
        ),
        (
            "examples/cloudflare/Cargo.toml",
            "examples/cloudflare/README.md",
        ),
    ] {
        let manifest = read(manifest);
        let mut lines = manifest.lines();
        let version = lines.find_map(|line| line.strip_prefix("rust-version = "));
        let version = version.expect("a version").trim_matches('"');
        assert_says(readme, &format!("Rust {version} "));
    }
}

#[test]
fn it_says_what_a_peer_costs_at_most() {
    let bytes = signal_tokio::Config::default().peer_bytes_max();
    let mebibytes = bytes as f64 / f64::from(1 << 20);
    let sentence = format!("With these limits a peer costs {mebibytes:.1} MiB at most");
    assert_says("LIMITS.md", &sentence);
}

/// The ratios of the table in `benches/`: the least and the most of processor time, and memory.
#[test]
fn it_compares_as_the_table_does() {
    let benches = read("benches/README.md");
    let (_, table) = benches
        .split_once("| scenario | what | signal | y-webrtc's server |")
        .expect("the table");
    let table = table.split("\n\n").next().expect("its end");
    let ratios = |what: &str| -> Vec<f64> {
        let rows = table.lines().map(|row| row.split('|').map(str::trim));
        let rows = rows.map(Iterator::collect::<Vec<_>>);
        let of_reference = rows.filter(|row| row.get(2) == Some(&what)).map(|row| {
            let ratio = row[4].split("**").nth(1).expect("a ratio");
            ratio.trim_end_matches(" ×").parse().expect("a number")
        });
        of_reference.collect()
    };
    let (cpu, memory) = (ratios("CPU"), ratios("memory"));
    let least = cpu.iter().copied().fold(f64::MAX, f64::min).round();
    let most = cpu.iter().copied().fold(0.0, f64::max).floor();
    let sentence = format!(
        "it takes {least} to {most} times less processor time for a delivery, and {} times less \
         memory for an idle connection",
        memory[0].round()
    );
    assert_says("README.md", &sentence);
}
