//! The core decides and nothing else: a second net behind `#![no_std]`, the lints and the build
//! without a `std`. And the walls of the relay on tokio; see [`walls`].

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::command::{cargo, output};
use crate::stop::Stop;
use crate::tools::Tools;
use crate::{walls, workspace};

/// The core, the form of its limits, the rules of backpressure, and the machine of a cluster.
const CORE: &[&str] = &[
    "crates/signal-core/src",
    "crates/signal-limits/src",
    "crates/signal-backpressure/src",
    "crates/signal-cluster/src",
];
const RELAY: &str = "crates/signal-tokio/src";

/// How many lines of code the core may have, so that it can be read in an hour.
const LINES_MAX: usize = 2_000;

/// What each may depend on at run time, itself first. A commit that adds a word says what it buys.
const ALLOWED_DEPENDENCIES: &[&[&str]] = &[
    &["signal-core", "signal-limits", "thiserror"],
    &[
        "signal-backpressure",
        "signal-core",
        "signal-limits",
        "thiserror",
    ],
    &[
        "signal-cluster",
        "signal-core",
        "signal-limits",
        "thiserror",
    ],
];

/// Words that have no place in the core's code, and what they would bring in.
const FORBIDDEN: &[(&str, &str)] = &[
    ("std::", "the standard library"),
    ("extern crate std", "the standard library"),
    ("unsafe", "unsafe code"),
    ("async", "a task"),
    (".await", "a task"),
    ("thread", "a thread"),
    ("Mutex", "a lock"),
    ("RwLock", "a lock"),
    ("SystemTime", "a clock"),
    ("Instant::now", "a clock"),
    ("println!", "output"),
    ("HashMap", "an order that differs from run to run"),
    ("HashSet", "an order that differs from run to run"),
];

pub(crate) fn check(_: &Tools) -> Result<(), Stop> {
    let mut findings = Vec::new();
    let mut core = Vec::new();
    for folder in CORE {
        let files = sources(folder)?;
        if files.is_empty() {
            return Err(Stop::Failed(format!("found no source in {folder}")));
        }
        core.extend(files);
    }
    let protocol = core.iter().filter(|(path, _)| path.starts_with(CORE[0]));
    let lines: usize = protocol.map(|(_, text)| lines_of_code(text)).sum();
    if lines > LINES_MAX {
        findings.push(format!(
            "{} has {lines} lines of code, over {LINES_MAX}",
            CORE[0]
        ));
    }
    for (path, text) in &core {
        let found = scan(text);
        findings.extend(found.iter().map(|finding| format!("{path}{finding}")));
        if path.ends_with("/src/lib.rs") && !text.contains("#![no_std]") {
            findings.push(format!("{path} does not say #![no_std]"));
        }
    }
    for allowed in ALLOWED_DEPENDENCIES {
        findings.extend(foreign_dependencies(allowed)?);
    }
    findings.extend(relay()?);
    findings.extend(circles()?);
    findings.extend(comments()?);
    if !findings.is_empty() {
        return Err(Stop::Failed(format!(
            "not so:\n  {}",
            findings.join("\n  ")
        )));
    }
    println!(
        "{} files read, {lines} of {LINES_MAX} lines, dependencies: {}",
        core.len(),
        ALLOWED_DEPENDENCIES[0][1..].join(", ")
    );
    Ok(())
}

/// What is imported across the walls of the relay.
fn relay() -> Result<Vec<String>, Stop> {
    let files: Vec<_> = sources(RELAY)?
        .into_iter()
        .map(|(path, text)| (path[RELAY.len() + 1..].to_owned(), text))
        .collect();
    let mut findings = Vec::new();
    for (path, text) in &files {
        let found = walls::check(Path::new(path), text);
        findings.extend(
            found
                .iter()
                .map(|finding| format!("{RELAY}/{path}{finding}")),
        );
    }
    Ok(findings)
}

/// Modules of one crate that import each other.
fn circles() -> Result<Vec<String>, Stop> {
    let mut crates = BTreeMap::<_, Vec<_>>::new();
    for (path, text) in sources("crates")? {
        if let Some((top, path)) = path.split_once("/src/") {
            let files = crates.entry(top.to_owned()).or_default();
            files.push((path.to_owned(), text));
        }
    }
    let findings = crates.iter().flat_map(|(top, files)| {
        let found = walls::circles(files).into_iter();
        found.map(move |finding| format!("{top}: {finding}"))
    });
    Ok(findings.collect())
}

/// Comments that are too wide.
fn comments() -> Result<Vec<String>, Stop> {
    let mut findings = Vec::new();
    for folder in ["benches", "crates", "examples"] {
        for (path, text) in sources(folder)? {
            let found = walls::wide_comments(&text);
            findings.extend(found.iter().map(|finding| format!("{path}{finding}")));
        }
    }
    Ok(findings)
}

/// All Rust sources below a folder of the workspace, by their paths from its top.
fn sources(folder: &str) -> Result<Vec<(String, String)>, Stop> {
    let cannot_read =
        |error: std::io::Error| Stop::Failed(format!("cannot read {folder}: {error}"));
    let entries = fs::read_dir(workspace::root().join(folder)).map_err(cannot_read)?;
    let mut entries = entries
        .collect::<Result<Vec<_>, _>>()
        .map_err(cannot_read)?;
    entries.sort_by_key(fs::DirEntry::path);
    let mut sources = Vec::new();
    for entry in entries {
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{folder}/{name}");
        if entry.path().is_dir() && !["target", "node_modules"].contains(&&*name) {
            sources.extend(self::sources(&path)?);
        } else if name.ends_with(".rs") {
            let text = workspace::read(&entry.path())?;
            sources.push((path, text));
        }
    }
    Ok(sources)
}

/// What is forbidden in a file, as `:LINE: word would bring in ..`. Comments and tests at the end
/// of a file are free.
fn scan(text: &str) -> Vec<String> {
    let mut findings = Vec::new();
    for (number, line) in (1..).zip(library(text).lines()) {
        let code = line.split("//").next().unwrap_or_default();
        for (word, brings) in FORBIDDEN.iter().filter(|(word, _)| has_word(code, word)) {
            findings.push(format!(":{number}: `{word}` would bring in {brings}"));
        }
    }
    findings
}

/// How many lines of a file are neither blank nor comments nor its tests.
fn lines_of_code(text: &str) -> usize {
    let lines = library(text).lines().map(str::trim_start);
    lines
        .filter(|line| !line.is_empty() && !line.starts_with("//"))
        .count()
}

/// A file without the tests at its end.
fn library(text: &str) -> &str {
    text.split("#[cfg(test)]").next().unwrap_or_default()
}

/// Whether `word` stands in `code` and is not the tail of a longer name: `my_std::` and `Unsafe`
/// are something else.
fn has_word(code: &str, word: &str) -> bool {
    code.match_indices(word).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        word.starts_with('.')
            || !before.is_some_and(|character| character.is_alphanumeric() || character == '_')
    })
}

/// What the first of these crates depends on beside the others.
fn foreign_dependencies(allowed: &[&str]) -> Result<Vec<String>, Stop> {
    let package = allowed[0];
    let tree = [
        "tree",
        "--package",
        package,
        "--all-features",
        "--edges",
        "normal,no-proc-macro",
    ];
    let tree = output(cargo(tree).args(["--target", "all", "--prefix", "none", "--format", "{p}"]))
        .ok_or_else(|| Stop::Failed(format!("`cargo tree --package {package}` failed")))?;
    let names = tree
        .lines()
        .filter_map(|line| line.split_whitespace().next());
    let foreign = names.filter(|name| !allowed.contains(name));
    Ok(foreign
        .map(|name| format!("{name} is not one of {package}'s dependencies"))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forbidden_words_are_found_with_their_line() {
        let found = scan("use core::fmt;\nlet now = std::time::Instant::now();\n");
        assert_eq!(
            found,
            [
                ":2: `std::` would bring in the standard library",
                ":2: `Instant::now` would bring in a clock"
            ],
        );
    }

    #[test]
    fn comments_tests_and_longer_names_are_free() {
        let text = "// no std:: here\nlet my_thread = 1; /* fine */\nfn f() {}\n#[cfg(test)]\nmod tests { use std::vec; }\n";
        assert_eq!(scan(text), Vec::<String>::new());
    }

    #[test]
    fn lines_of_code_are_those_without_blanks_comments_and_tests() {
        let text = "//! Page.\n\n/// One.\nfn f() {\n    // Why.\n    g(); // how\n}\n#[cfg(test)]\nmod tests {}\n";
        assert_eq!(lines_of_code(text), 3);
    }

    #[test]
    fn every_forbidden_word_is_found_at_the_start_of_a_line() {
        for (word, _) in FORBIDDEN {
            assert!(!scan(&format!("{word} x")).is_empty(), "{word}");
        }
    }
}
