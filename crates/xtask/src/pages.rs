//! The READMEs of crates, which people read in four places: crates.io, docs.rs, GitHub and a clone.
//!
//! Only rustdoc finds an item by its name, hides a line that begins with `#`, and takes `no_run`
//! for Rust; elsewhere the brackets, the line and the word stand there as they are. And what a
//! package leaves out, such as most tests, can only be followed to the repository.

use std::fs;
use std::path::Path;

/// What would not read well, as `:LINE: ..`. `built` has the documentation of our crates.
pub(crate) fn check(page: &str, built: &Path) -> Vec<String> {
    let mut findings = Vec::new();
    let mut fence: Option<&str> = None;
    let defined = definitions(page);
    for (number, line) in (1..).zip(page.lines()) {
        if let Some(language) = line.strip_prefix("```") {
            if fence.is_none() && ["no_run", "ignore", "should_panic"].contains(&language) {
                findings.push(format!(":{number}: write `rust,{language}`"));
            }
            fence = fence.is_none().then_some(language);
        } else if let Some(language) = fence {
            if language.starts_with("rust") && (line == "#" || line.starts_with("# ")) {
                findings.push(format!(":{number}: a line that only rustdoc hides"));
            }
        } else if let Some((_, address)) = definition(line) {
            let problem = missing(address, built);
            findings.extend(problem.map(|problem| format!(":{number}: {problem}")));
        } else {
            let problems = links(line, &defined);
            findings.extend(problems.map(|problem| format!(":{number}: {problem}")));
        }
    }
    findings
}

/// The labels for which a page says where they lead.
fn definitions(page: &str) -> Vec<&str> {
    let lines = page.lines();
    lines.filter_map(|line| Some(definition(line)?.0)).collect()
}

/// A line such as `[label]: address`.
fn definition(line: &str) -> Option<(&str, &str)> {
    line.strip_prefix('[')?.split_once("]: ")
}

/// Links of one line that lead nowhere outside of rustdoc, and files that lead nowhere at all.
fn links<'a>(line: &'a str, defined: &'a [&str]) -> impl Iterator<Item = String> + 'a {
    let names = line.match_indices('`').step_by(2).filter_map(|(start, _)| {
        let end = start + 1 + line[start + 1..].find('`')?;
        let (before, name, after) = (&line[..start], &line[start..=end], &line[end + 1..]);
        let is_linked = before.ends_with('[') && after.starts_with(']');
        let leads_on = after.starts_with("](") || after.starts_with("][");
        let is_file = ["`tests/", "`examples/"]
            .iter()
            .any(|folder| name.starts_with(folder));
        match is_linked {
            true if leads_on || defined.contains(&name) => None,
            true => Some(format!("nothing says where {name} is")),
            false if is_file && !before.contains('[') => {
                Some(format!("{name} may not be in the package: link it"))
            }
            false => None,
        }
    });
    let targets = line.match_indices("](").filter_map(|(at, _)| {
        let target = line[at + 2..].split(')').next()?;
        let is_item = target.contains("::")
            || target.starts_with(char::is_uppercase) && !target.contains(['.', '/']);
        is_item.then(|| format!("only rustdoc knows the way to {target}"))
    });
    names.chain(targets)
}

/// What is wrong with an address on docs.rs, if it is one of a crate of ours.
fn missing(address: &str, built: &Path) -> Option<String> {
    let (_, path) = address
        .strip_prefix("https://docs.rs/signal-")?
        .split_once("/latest/")?;
    let (file, fragment) = path.split_once('#').unwrap_or((path, ""));
    let file = match file.ends_with('/') {
        true => format!("{file}index.html"),
        false => file.to_owned(),
    };
    let Ok(text) = fs::read_to_string(built.join(&file)) else {
        return Some(format!("there is no page {file}"));
    };
    let is_there = fragment.is_empty() || text.contains(&format!("id=\"{fragment}\""));
    (!is_there).then(|| format!("{file} has no #{fragment}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(page: &str) -> Vec<String> {
        check(page, Path::new("nowhere"))
    }

    #[test]
    fn a_name_in_brackets_needs_a_place_that_is_said() {
        assert_eq!(
            found("See [`Relay`]."),
            [":1: nothing says where `Relay` is"]
        );
        assert!(found("See [`Relay`].\n\n[`Relay`]: https://example.org/").is_empty());
        assert!(found("See [`Relay`](relay.md), [`Config`][c] and `[x]`.").is_empty());
        assert_eq!(
            found("[cookies](Authorizer#cookies), [core](Config::core), [x](CODES.md)"),
            [
                ":1: only rustdoc knows the way to Authorizer#cookies",
                ":1: only rustdoc knows the way to Config::core"
            ]
        );
    }

    #[test]
    fn lines_that_only_rustdoc_hides_are_found_and_comments_of_a_shell_are_not() {
        assert_eq!(
            found("```rust\nf()?;\n# Ok(())\n```"),
            [":3: a line that only rustdoc hides"]
        );
        assert!(found("```sh\n# as root\n```\n# Heading\n```rust\n#[test]\n```").is_empty());
        assert_eq!(found("```no_run\nf();\n```"), [":1: write `rust,no_run`"]);
    }

    #[test]
    fn a_file_that_a_package_may_lack_is_linked() {
        assert_eq!(
            found("(`tests/herd.rs` has it)"),
            [":1: `tests/herd.rs` may not be in the package: link it"]
        );
        assert!(found("([`tests/a.rs`]\n[`tests/a.rs`]: https://example.org/").is_empty());
    }

    #[test]
    fn an_address_on_docs_rs_is_that_of_a_page_that_was_built() {
        assert_eq!(
            found("[`Relay`]: https://docs.rs/signal-tokio/latest/signal_tokio/struct.Rela.html"),
            [":1: there is no page signal_tokio/struct.Rela.html"]
        );
        assert!(found("[serde]: https://docs.rs/serde/latest/serde/").is_empty());
    }
}
