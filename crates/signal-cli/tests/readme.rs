//! What the README says and another file knows: there is one source of each number.

use std::path::Path;
use std::process::Command;

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

/// Every command in a block that people copy: its words are those that the program knows.
#[test]
fn the_commands_in_the_docs_are_understood() {
    let mut tried = 0;
    // Tokens in files are read with the command line.
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("commands");
    std::fs::create_dir_all(&folder).expect("a folder");
    for name in ["token", "ann.token"] {
        std::fs::write(folder.join(name), "head.claims.signature\n").expect("a token");
    }
    for page in PAGES {
        for command in commands(&read(page)) {
            let ran = Command::new(env!("CARGO_BIN_EXE_signal"))
                .args(&command)
                .arg("--help")
                .current_dir(&folder)
                .output()
                .expect("the program runs");
            let error = String::from_utf8_lossy(&ran.stderr);
            assert!(ran.status.success(), "{page}: signal {command:?}: {error}");
            tried += 1;
        }
    }
    assert!(tried >= 30, "{tried} commands were found");
}

const PAGES: &[&str] = &[
    "README.md",
    "SECURITY.md",
    "LIMITS.md",
    "crates/signal-access/README.md",
    "crates/signal-access/ACCESS.md",
    "crates/signal-bench/README.md",
    "crates/signal-cli/README.md",
    "crates/signal-cluster/README.md",
    "crates/signal-conformance/README.md",
    "crates/signal-nats/README.md",
    "crates/signal-tokio/CODES.md",
    "crates/signal-workers/README.md",
    "examples/README.md",
    "examples/ROLLBACK.md",
    "examples/browser/README.md",
    "examples/cluster/README.md",
    "examples/fly/README.md",
    "examples/prometheus/README.md",
];

/// The words behind `signal` in each command of the blocks for a shell.
fn commands(page: &str) -> Vec<Vec<String>> {
    let mut is_shell = false;
    let mut commands = Vec::new();
    for line in page.replace("\\\n", " ").lines() {
        if let Some(language) = line.strip_prefix("```") {
            is_shell = ["sh", "console", "bash"].contains(&language);
            continue;
        }
        let parts = line
            .trim_start_matches("$ ")
            .split(['|', ';', '&', '>', '<']);
        for part in parts.filter(|_| is_shell) {
            let words = words(part);
            let words = words.iter().skip_while(|word| word.contains('='));
            let mut words = words.take_while(|word| !word.starts_with('#'));
            if words.next().is_some_and(|word| word == "signal") {
                commands.push(words.cloned().collect());
            }
        }
    }
    commands
}

/// Words as a shell takes them apart, with a number in place of what another command prints.
fn words(line: &str) -> Vec<String> {
    let mut line = line.replace(":PORT", ":4444");
    while let Some((start, rest)) = line.split_once("$(") {
        let (_, end) = rest.split_once(')').unwrap_or((rest, ""));
        line = format!("{start}1{end}");
    }
    let mut words = vec![String::new()];
    let mut quote = None;
    for c in line.chars() {
        match (quote, c) {
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), c) if c == open => quote = None,
            (None, ' ') => words.push(String::new()),
            (_, c) => words.last_mut().expect("a word").push(c),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}
