//! Whether all that is installed can be installed under the names in the table, on a machine that
//! has all of it already too.
//!
//! A program that is there hides that its package has another name. So each registry is asked, with
//! the client that would install: in seconds, and nothing is installed.

use std::fs;
use std::process::{Command, Stdio};
use std::thread;

use crate::command::{cargo, command, output, shown};
use crate::install::{self, apt_get, npm};
use crate::packages::{self, Package, Source};
use crate::stop::Stop;
use crate::tools::Tools;
use crate::workspace;

/// How much of what a client says is shown: npm explains at length.
const ERROR_LINES_MAX: usize = 4;

/// The most questions to npm's registry at a time.
const NPM_AT_ONCE: usize = 4;

pub(crate) fn check(_: &Tools) -> Result<(), Stop> {
    let is_debian = fs::read_to_string("/etc/os-release")
        .is_ok_and(|release| release.lines().any(|line| line == "ID=debian"));
    if !is_debian {
        return Err(Stop::Missing {
            what: "Debian, whose names the table has".to_owned(),
            fix: "run it there".to_owned(),
        });
    }
    install::update_lists()?;
    let all = &packages::ALL.concat();
    let refused = thread::scope(|scope| {
        let questions = [
            scope.spawn(|| ask_debian(all)),
            scope.spawn(|| ask_crates_io(all)),
            scope.spawn(|| ask_npm(all)),
            scope.spawn(|| ask_pypi(all)),
            scope.spawn(|| ask_rustc(all)),
        ];
        let answers = questions.map(|question| question.join().expect("a thread that asks"));
        answers.into_iter().collect::<Result<Vec<_>, Stop>>()
    })?;
    let refused = refused.concat();
    if !refused.is_empty() {
        return Err(Stop::Failed(format!(
            "cannot be installed under the name in packages.rs:\n  {}",
            refused.join("\n  ")
        )));
    }
    Ok(())
}

/// All in one go, as one machine gets them, and those that are there again: one that no list of
/// Debian's names is then refused.
fn ask_debian(all: &[Package]) -> Result<Vec<String>, Stop> {
    let names = packages::of(Source::Apt, all);
    let mut install = apt_get(["install", "--simulate", "--reinstall", "--yes"]);
    let mut refused = ask(install.arg("--no-install-recommends").args(&names));
    let versions = packages::of(Source::Deb, all);
    refused.extend(ask(apt_get(["download", "--print-uris"]).args(&versions)));
    report("Debian", names.iter().chain(&versions));
    Ok(refused)
}

fn ask_crates_io(all: &[Package]) -> Result<Vec<String>, Stop> {
    let names = packages::of(Source::Cargo, all);
    let refused = names.iter().flat_map(|name| {
        ask(&mut cargo([
            "info",
            "--quiet",
            "--registry=crates-io",
            name,
        ]))
    });
    let refused = refused.collect();
    report("crates.io", &names);
    Ok(refused)
}

/// The packages that each `package.json` names. What those depend on is in the lock files, which
/// npm wrote from what the registry had.
fn ask_npm(all: &[Package]) -> Result<Vec<String>, Stop> {
    let mut names = Vec::new();
    for folder in packages::of(Source::Npm, all) {
        names.extend(dependencies(&folder)?);
    }
    names.sort();
    names.dedup();
    let view = |name: &String| ask(&mut command(npm(), ["view", name, "version"]));
    let refused = thread::scope(|scope| {
        let mut refused = Vec::new();
        for some in names.chunks(NPM_AT_ONCE) {
            let questions: Vec<_> = some
                .iter()
                .map(|name| scope.spawn(move || view(name)))
                .collect();
            for question in questions {
                refused.extend(question.join().expect("a thread that asks"));
            }
        }
        refused
    });
    report("npm", &names);
    Ok(refused)
}

/// `NAME@VERSION` of what the `package.json` in a folder names; of an alias (`npm:NAME@VERSION`)
/// what it stands for.
fn dependencies(folder: &str) -> Result<Vec<String>, Stop> {
    const SCRIPT: &str = "const { dependencies, devDependencies } = JSON.parse(fs.readFileSync('package.json')); \
        const all = Object.entries({ ...dependencies, ...devDependencies }); \
        all.map(([name, version]) => version.startsWith('npm:') ? version.slice(4) : `${name}@${version}`).join('\\n')";
    let mut node = command("node", ["--print", SCRIPT]);
    let names = output(node.current_dir(workspace::root().join(folder)));
    match names {
        Some(names) if !names.is_empty() => Ok(names.lines().map(ToOwned::to_owned).collect()),
        Some(_) | None => Err(Stop::Failed(format!("{folder} names no packages"))),
    }
}

fn ask_pypi(all: &[Package]) -> Result<Vec<String>, Stop> {
    let names = packages::of(Source::Pip, all);
    let pip = install::python("kosoku", packages::KOSOKU)?.join("pip");
    let folder = workspace::tools().join("installable");
    let download = ["download", "--disable-pip-version-check", "--no-deps"];
    let mut pip = command(pip, download);
    let refused = ask(pip.arg("--dest").arg(&folder).args(&names));
    let _ = fs::remove_dir_all(folder);
    report("PyPI", &names);
    Ok(refused)
}

/// rustup's server need not be within reach: Debian's packages stand in. But the compiler knows its
/// targets.
fn ask_rustc(all: &[Package]) -> Result<Vec<String>, Stop> {
    let names = packages::of(Source::Target, all);
    let known = output(&mut command("rustc", ["--print", "target-list"])).unwrap_or_default();
    let is_known = |name: &&String| known.lines().any(|line| line == *name);
    let unknown = names.iter().filter(|name| !is_known(name));
    let refused = unknown.map(|name| format!("rustc knows no target {name}"));
    let refused = refused.collect();
    report("Rust's targets", &names);
    Ok(refused)
}

/// Runs a command that fails, or answers nothing, if a package cannot be had. Returns what it says
/// then.
fn ask(command: &mut Command) -> Vec<String> {
    let line = shown(command);
    match command.stdin(Stdio::null()).output() {
        Ok(answer) if answer.status.success() && !answer.stdout.is_empty() => Vec::new(),
        Ok(answer) => {
            let error = String::from_utf8_lossy(&answer.stderr);
            let lines = error.lines().filter(|line| !line.is_empty());
            let error: Vec<&str> = lines.take(ERROR_LINES_MAX).collect();
            vec![format!("`{line}`: {}", error.join("; "))]
        }
        Err(error) => vec![format!("`{line}` did not start: {error}")],
    }
}

fn report<'a>(registry: &str, names: impl IntoIterator<Item = &'a String>) {
    let names: Vec<&str> = names.into_iter().map(String::as_str).collect();
    println!("{registry}: {}", names.join(", "));
}
