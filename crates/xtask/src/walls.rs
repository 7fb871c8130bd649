//! Which folder of `signal-tokio` may import which, and how wide comments are.
//!
//! A part that knows nobody above it can be read, tested and moved by itself. The compiler keeps
//! crates apart and not folders, so this reads their `use` lines and paths.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// A folder or file at the top of a crate, what it may import of its crate, and which other crates.
struct Room {
    name: &'static str,
    may_import: &'static [&'static str],
    /// Which other crates it may name; none of them is looked for where that is `None`.
    foreign: Option<&'static [&'static str]>,
}

/// From those who know nobody to those who know all below them. `lib.rs`, `relay.rs`, `shared.rs`
/// and `serve/` may import everything.
const ROOMS: &[Room] = &[
    room("lock", &[]).only(&[]),
    room("clock", &[]),
    room("config", &[]),
    room("client", &[]),
    room("https", &[]),
    room("frame", &[]).only(&["bytes", "signal_core"]),
    room("admission", &["clock", "config", "https", "lock"]),
    room("stats", &["admission", "config", "lock"]),
    room("hub", &["clock", "config", "frame", "lock", "stats"]).only(&[
        "bytes",
        "signal_backpressure",
        "signal_core",
        "tracing",
    ]),
    room("cluster", &["clock", "config", "hub", "lock", "stats"]).only(&[
        "bytes",
        "fastrand",
        "signal_cluster",
        "signal_core",
        "tokio",
        "tracing",
    ]),
    room(
        "handshake",
        &["admission", "clock", "config", "lock", "stats"],
    ),
];

/// The crates that a room with a list of its own may not name unless they are on it.
const FOREIGN: &[&str] = &[
    "axum",
    "bytes",
    "fastrand",
    "futures_util",
    "http",
    "http_body_util",
    "httparse",
    "hyper",
    "hyper_util",
    "mio",
    "rustls",
    "serde_json",
    "signal_access",
    "signal_backpressure",
    "signal_cluster",
    "signal_core",
    "socket2",
    "tokio",
    "tokio_rustls",
    "tokio_tungstenite",
    "tracing",
];

const fn room(name: &'static str, may_import: &'static [&'static str]) -> Room {
    Room {
        name,
        may_import,
        foreign: None,
    }
}

impl Room {
    const fn only(mut self, crates: &'static [&'static str]) -> Self {
        self.foreign = Some(crates);
        self
    }
}

/// What a source file of `signal-tokio` imports that it may not, as `:LINE: ..`. Tests at the end
/// of a file are free. `path` is below `src`.
pub(crate) fn check(path: &Path, text: &str) -> Vec<String> {
    let parts: Vec<_> = path.iter().filter_map(|part| part.to_str()).collect();
    let name = parts[0].trim_end_matches(".rs");
    let is_tests = parts.iter().any(|part| part.starts_with("tests"));
    let Some(room) = ROOMS.iter().find(|room| room.name == name && !is_tests) else {
        return Vec::new();
    };
    let mut findings = Vec::new();
    let library = text.split("#[cfg(test)]").next().unwrap_or_default();
    for (number, line) in (1..).zip(library.lines()) {
        let code = line.split("//").next().unwrap_or_default();
        let own = words_after(code, "crate::")
            .filter(|word| *word != room.name && !room.may_import.contains(word));
        findings.extend(own.map(|word| format!(":{number}: {name} may not import `{word}`")));
        let allowed = room.foreign.unwrap_or(FOREIGN);
        let foreign = FOREIGN.iter().filter(|other| {
            !allowed.contains(other) && words_after(code, &format!("{other}::")).next().is_some()
        });
        findings.extend(foreign.map(|other| format!(":{number}: {name} may not name `{other}`")));
        if code.matches("super::").count() >= depth(&parts) {
            findings.push(format!(
                ":{number}: `super` leads out of {name}; write `crate::`"
            ));
        }
    }
    findings
}

/// Modules that import each other, by whatever way round. A folder and what is in it may.
pub(crate) fn circles(files: &[(String, String)]) -> Vec<String> {
    let modules: BTreeMap<Vec<&str>, &str> = files
        .iter()
        .filter(|(path, _)| !path.contains("tests"))
        .map(|(path, text)| (module(path), text.as_str()))
        .collect();
    let imports: BTreeMap<_, _> = modules
        .iter()
        .map(|(module, text)| (module, imports(module, text, &modules)))
        .collect();
    let leads_back = |start: &Vec<&str>| {
        let (mut seen, mut next) = (BTreeSet::new(), vec![start]);
        while let Some(module) = next.pop() {
            next.extend(imports[module].iter().filter(|import| seen.insert(*import)));
        }
        seen.contains(start)
    };
    let in_circles = modules.keys().filter(|module| leads_back(module));
    let names: Vec<_> = in_circles.map(|module| module.join("::")).collect();
    match names[..] {
        [] => Vec::new(),
        _ => vec![format!("import each other: {}", names.join(", "))],
    }
}

/// The module of a file below `src`.
fn module(path: &str) -> Vec<&str> {
    let path = path.trim_end_matches(".rs");
    path.split('/')
        .filter(|part| !matches!(*part, "mod" | "lib"))
        .collect()
}

/// Which of these modules a module imports that are not above or below it.
fn imports<'m>(
    module: &[&'m str],
    text: &'m str,
    modules: &BTreeMap<Vec<&'m str>, &'m str>,
) -> BTreeSet<Vec<&'m str>> {
    let mut imports = BTreeSet::new();
    let library = text.split("#[cfg(test)]").next().unwrap_or_default();
    let code = library
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default());
    let code: Vec<&str> = code.collect();
    let listed = listed(&code.join(" "));
    for code in code.into_iter().chain(listed.iter().map(String::as_str)) {
        for (start, root) in [("crate::", 0), ("super::", module.len().saturating_sub(1))] {
            for (at, _) in code.match_indices(start) {
                let rest = code[at + start.len()..].split("::");
                let path: Vec<_> = module[..root]
                    .iter()
                    .copied()
                    .chain(rest.map(first_word))
                    .collect();
                let known = (1..=path.len())
                    .rev()
                    .find_map(|length| modules.keys().find(|known| known[..] == path[..length]));
                imports.extend(known.cloned());
            }
        }
    }
    imports.retain(|import| !module.starts_with(import) && !import.starts_with(module));
    imports
}

/// What `use` names in lists, each by its whole path: `crate::a::{b, c::{d}}` is `crate::a::b` and
/// `crate::a::c::d`.
fn listed(code: &str) -> Vec<String> {
    let trees = code
        .split("use ")
        .skip(1)
        .filter_map(|rest| rest.split(';').next());
    let mut paths = Vec::new();
    for tree in trees.filter(|tree| tree.contains('{')) {
        let mut roots = vec![String::new()];
        for part in tree.split_inclusive(['{', ',', '}']) {
            let name = part.trim_end_matches(['{', ',', '}']).trim();
            let path = roots.last().map_or_else(String::new, Clone::clone) + name;
            match part.chars().last() {
                Some('{') => roots.push(path),
                Some('}') => drop((roots.pop(), paths.push(path))),
                _ => paths.push(path),
            }
        }
    }
    paths
}

fn first_word(text: &str) -> &str {
    let end = text.find(|after: char| !after.is_alphanumeric() && after != '_');
    &text[..end.unwrap_or(text.len())]
}

/// The words that follow `path` in a line; for `{a, b}` all of it, which is nobody's name.
fn words_after<'l>(line: &'l str, path: &'l str) -> impl Iterator<Item = &'l str> {
    line.match_indices(path).filter_map(move |(at, _)| {
        let is_tail =
            line[..at].ends_with(|before: char| before.is_alphanumeric() || "_:$".contains(before));
        let rest = &line[at + path.len()..];
        let word = first_word(rest);
        (!is_tail).then_some(if word.is_empty() { rest } else { word })
    })
}

/// How many `super`s lead from a file to the top of its crate.
fn depth(parts: &[&str]) -> usize {
    parts.len() - usize::from(parts.last() == Some(&"mod.rs"))
}

/// Comments that are wider than the code is formatted to, as `:LINE: ..`. Tables and diagrams may
/// be, and what cannot be broken: code in examples, addresses.
pub(crate) fn wide_comments(text: &str) -> Vec<String> {
    let mut findings = Vec::new();
    let mut is_example = false;
    for (number, line) in (1..).zip(text.lines()) {
        let Some(comment) = line.trim_start().strip_prefix("//") else {
            is_example = false;
            continue;
        };
        let comment = comment.trim_start_matches(['/', '!']).trim_start();
        is_example ^= comment.starts_with("```");
        let is_table = comment.starts_with('|');
        let columns = line.chars().count();
        if columns > 100 && !is_example && !is_table && comment.contains(' ') {
            findings.push(format!(
                ":{number}: a comment of {columns} columns, which are 100"
            ));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<String> {
        check(Path::new(path), text)
    }

    #[test]
    fn an_import_that_is_not_in_the_table_is_found_with_its_line() {
        assert_eq!(
            found(
                "hub/queue.rs",
                "use crate::frame;\nuse crate::serve::drain;\n"
            ),
            [":2: hub may not import `serve`"]
        );
        assert_eq!(
            found("frame/mod.rs", "fn f() { crate::hub::session::go() }"),
            [":1: frame may not import `hub`"]
        );
        assert_eq!(
            found("config.rs", "use crate::{admission, hub};"),
            [":1: config may not import `{admission, hub};`"]
        );
    }

    #[test]
    fn a_crate_that_a_room_may_not_name_is_found() {
        assert_eq!(
            found(
                "hub/wake.rs",
                "use tokio::sync::Notify;\nuse bytes::Bytes;\n"
            ),
            [":1: hub may not name `tokio`"]
        );
        assert!(found("serve/tls.rs", "use tokio::net::TcpStream;").is_empty());
    }

    #[test]
    fn a_way_out_by_super_is_found() {
        let text = "use super::super::serve;";
        assert_eq!(found("hub/queue.rs", text).len(), 1);
        assert!(found("hub/queue/slot.rs", text).is_empty());
        assert_eq!(found("hub/mod.rs", "use super::serve;").len(), 1);
    }

    #[test]
    fn modules_that_import_each_other_are_found_however_long_the_way() {
        let circle = |texts: [&str; 3]| {
            let paths = ["hub/queue.rs", "hub/wake.rs", "stats/mod.rs"];
            let files: Vec<_> = paths
                .iter()
                .zip(texts)
                .map(|(path, text)| ((*path).to_owned(), text.to_owned()))
                .collect();
            circles(&files)
        };
        assert!(circle(["use super::wake::Home;", "use crate::stats;", ""]).is_empty());
        assert_eq!(
            circle([
                "use super::wake::Home;",
                "use crate::stats::X;",
                "use crate::hub::queue::Y;"
            ]),
            ["import each other: hub::queue, hub::wake, stats"]
        );
        let lists = [
            "use crate::{hub::{self, wake::{A, B}}, lock};",
            "use crate::{\n    hub::{queue, memory},\n};",
            "",
        ];
        assert_eq!(circle(lists), ["import each other: hub::queue, hub::wake"]);
    }

    #[test]
    fn comments_tests_and_the_room_itself_are_free() {
        let text = "//! [`Relay`](crate::Relay)\nuse crate::hub::queue; // as crate::serve\n\
                    #[cfg(test)]\nmod tests { use crate::serve; }\n";
        assert!(found("hub/shards.rs", text).is_empty());
        assert!(found("hub/queue/tests.rs", "use crate::serve;").is_empty());
        assert!(found("relay.rs", "use crate::serve;").is_empty());
    }

    #[test]
    fn no_room_is_above_one_that_it_may_import() {
        for (number, room) in ROOMS.iter().enumerate() {
            let below: Vec<_> = ROOMS[..number].iter().map(|room| room.name).collect();
            for import in room.may_import {
                assert!(below.contains(import), "{} is above {import}", room.name);
            }
        }
    }

    #[test]
    fn a_wide_comment_is_found_unless_it_cannot_be_broken() {
        let wide = "word ".repeat(20);
        assert_eq!(
            wide_comments(&format!("fn f() {{}}\n    /// {wide}\n")).len(),
            1
        );
        assert!(wide_comments(&format!("// {}\n", "x".repeat(100))).is_empty());
        assert!(
            wide_comments(&format!("/// | {wide}|\n/// ```\n/// {wide}\n/// ```\n")).is_empty()
        );
        assert_eq!(
            wide_comments(&format!("/// ```\n/// ```\n/// {wide}\n")).len(),
            1
        );
    }
}
