//! The core decides and nothing else: a second net behind `#![no_std]`, the lints and the build
//! without a `std`.

use std::fs;
use std::path::Path;

use crate::command::{cargo, output};
use crate::stop::Stop;
use crate::tools::Tools;
use crate::workspace;

/// What the core may depend on at run time. A commit that adds a line says what it buys.
const ALLOWED_DEPENDENCIES: &[&str] = &["signal-core", "thiserror"];

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
    let source = workspace::root().join("crates/signal-core/src");
    let count = scan_folder(&source, &mut findings)
        .map_err(|error| Stop::Failed(format!("cannot read {}: {error}", source.display())))?;
    if count == 0 {
        return Err(Stop::Failed(format!(
            "found no source in {}",
            source.display()
        )));
    }
    let root = fs::read_to_string(source.join("lib.rs")).unwrap_or_default();
    if !root.contains("#![no_std]") {
        findings.push("lib.rs does not say #![no_std]".to_owned());
    }
    findings.extend(foreign_dependencies()?);
    if !findings.is_empty() {
        return Err(Stop::Failed(format!(
            "the core is not pure:\n  {}",
            findings.join("\n  ")
        )));
    }
    println!(
        "{count} files read, dependencies: {}",
        ALLOWED_DEPENDENCIES[1..].join(", ")
    );
    Ok(())
}

fn scan_folder(folder: &Path, findings: &mut Vec<String>) -> std::io::Result<usize> {
    let mut count = 0;
    let mut entries: Vec<_> = fs::read_dir(folder)?.collect::<Result<_, _>>()?;
    entries.sort_by_key(|entry| entry.path());
    for path in entries.iter().map(|entry| entry.path()) {
        if path.is_dir() {
            count += scan_folder(&path, findings)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path)?;
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            findings.extend(
                scan(&text)
                    .into_iter()
                    .map(|finding| format!("{name}{finding}")),
            );
            count += 1;
        }
    }
    Ok(count)
}

/// What is forbidden in a file, as `:LINE: word would bring in ..`. Comments and tests at the end
/// of a file are free.
fn scan(text: &str) -> Vec<String> {
    let library = text.split("#[cfg(test)]").next().unwrap_or_default();
    let mut findings = Vec::new();
    for (number, line) in (1..).zip(library.lines()) {
        let code = line.split("//").next().unwrap_or_default();
        for (word, brings) in FORBIDDEN.iter().filter(|(word, _)| has_word(code, word)) {
            findings.push(format!(":{number}: `{word}` would bring in {brings}"));
        }
    }
    findings
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

fn foreign_dependencies() -> Result<Vec<String>, Stop> {
    let tree = [
        "tree",
        "--package",
        "signal-core",
        "--all-features",
        "--edges",
        "normal,no-proc-macro",
    ];
    let tree = output(cargo(tree).args(["--target", "all", "--prefix", "none", "--format", "{p}"]))
        .ok_or_else(|| Stop::Failed("`cargo tree --package signal-core` failed".to_owned()))?;
    let names = tree
        .lines()
        .filter_map(|line| line.split_whitespace().next());
    let foreign = names.filter(|name| !ALLOWED_DEPENDENCIES.contains(name));
    Ok(foreign
        .map(|name| format!("{name} is not one of the core's dependencies"))
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
    fn every_forbidden_word_is_found_at_the_start_of_a_line() {
        for (word, _) in FORBIDDEN {
            assert!(!scan(&format!("{word} x")).is_empty(), "{word}");
        }
    }
}
