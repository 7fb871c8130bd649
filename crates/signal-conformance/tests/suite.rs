//! The suite as data: complete, consistent, and the same after a round trip through JSON.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use signal_conformance::step::Token;
use signal_conformance::{Level, Step, Suite};

/// Requirements no scenario can check, and why.
const NOT_TESTABLE: &[(&str, &str)] = &[
    (
        "T6",
        "compression is never offered by the suite's client, so that frames stay readable",
    ),
    (
        "T7",
        "which addresses are refused is each operator's choice; tokens and origins have requirements of their own",
    ),
    (
        "M6",
        "the suite does not see the bus; the worlds of signal-memory count what goes over it",
    ),
    (
        "M7",
        "when a debt arrives is between nodes; the worlds of signal-memory compare what each publish is charged",
    ),
    ("V3", "says what clients do"),
    ("N2", "says what clients do"),
    ("N3", "says what clients do"),
    (
        "U16",
        "the suite's keys are set without an issuer; the vectors of signal-access check it",
    ),
    (
        "U17",
        "which claim has the topics is each operator's choice; the vectors of signal-access check it",
    ),
    (
        "U18",
        "the suite's keys are of two types; the vectors of signal-access check the others",
    ),
    (
        "U19",
        "the suite's keys are there from the start; the tests of signal-tokio check it",
    ),
    (
        "U20",
        "the suite speaks WebSocket alone; the tests of signal-tokio check it",
    ),
    (
        "U21",
        "only who has the secret can check it; the tests of signal do, with coturn",
    ),
    (
        "U22",
        "the suite speaks WebSocket alone; the tests of signal-tokio check it",
    ),
];

#[test]
fn ids_are_unique_and_name_their_theme() {
    let suite = Suite::all();
    let ids: BTreeSet<_> = suite
        .scenarios
        .iter()
        .map(|scenario| &scenario.id)
        .collect();
    assert_eq!(ids.len(), suite.scenarios.len());
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._".contains(c);
    for scenario in &suite.scenarios {
        assert!(
            scenario.id.contains('.') && scenario.id.chars().all(plain),
            "{}",
            scenario.id
        );
        assert!(!scenario.requirements.is_empty(), "{}", scenario.id);
        assert!(!scenario.title.ends_with('.'), "{}", scenario.id);
    }
}

#[test]
fn what_a_scenario_builds_on_comes_before_it() {
    let mut before = BTreeSet::new();
    for scenario in &Suite::all().scenarios {
        for basis in &scenario.builds_on {
            let id = &scenario.id;
            assert!(before.contains(basis), "{id} builds on {basis}");
        }
        before.insert(scenario.id.clone());
    }
}

#[test]
fn every_requirement_is_checked_or_said_not_to_be_testable() {
    let Some(required) = requirements() else {
        return;
    };
    let suite = Suite::all();
    let checked: BTreeSet<_> = suite
        .scenarios
        .iter()
        .flat_map(|scenario| scenario.requirements.clone())
        .collect();
    let not_testable: BTreeMap<_, _> = NOT_TESTABLE.iter().copied().collect();
    for requirement in &required {
        let exempt = not_testable.contains_key(requirement.as_str());
        assert!(
            checked.contains(requirement) != exempt,
            "{requirement}: checked or exempt, and not both"
        );
    }
    let unknown: Vec<_> = checked.difference(&required).collect();
    assert!(unknown.is_empty(), "on neither page: {unknown:?}");
}

/// The numbers in both pages. A crate unpacked from the registry stands alone, and has no such
/// pages beside it.
fn requirements() -> Option<BTreeSet<String>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut ids = BTreeSet::new();
    for (page, at_least) in [
        ("../signal-core/PROTOCOL.md", 50),
        ("../signal-access/ACCESS.md", 10),
    ] {
        let text = std::fs::read_to_string(folder.join(page)).ok()?;
        let found = text
            .lines()
            .filter_map(|line| line.strip_prefix("- **")?.split_once("**"))
            .map(|(id, _)| id.to_owned())
            .filter(|id| id.ends_with(|c: char| c.is_ascii_digit()));
        let found: BTreeSet<_> = found.collect();
        assert!(found.len() > at_least, "{page}: {}", found.len());
        assert!(ids.is_disjoint(&found), "{page} has numbers of the other");
        ids.extend(found);
    }
    // Of the nodes' page only the promises: the rest is what nodes say to each other.
    let text = std::fs::read_to_string(folder.join("../signal-cluster/CLUSTER.md")).ok()?;
    let promises = text.lines().filter_map(|line| {
        let (id, _) = line.strip_prefix("- **")?.split_once("**")?;
        let (number, _) = id.split_once(' ')?;
        number.starts_with('M').then(|| number.to_owned())
    });
    let promises: BTreeSet<_> = promises.collect();
    assert_eq!(promises.len(), 7, "{promises:?}");
    ids.extend(promises);
    Some(ids)
}

/// The README says how many there are.
#[test]
fn each_level_has_its_scenarios() {
    let readme = include_str!("../README.md");
    let suite = Suite::all();
    let count = |level| {
        suite
            .scenarios
            .iter()
            .filter(|scenario| scenario.level == level)
            .count()
    };
    for level in Level::ALL {
        assert!(count(level) > 0, "{}", level.name());
    }
    for number in [
        format!("It holds {} scenarios", suite.scenarios.len()),
        format!("passes all {}\n  scenarios of `stock`", count(Level::Stock)),
        format!("of the {} of `robust`", count(Level::Robust)),
    ] {
        assert!(readme.contains(&number), "{number}");
    }
}

#[test]
fn the_exported_suite_reads_back_as_the_same() {
    let suite = Suite::all();
    let read: Suite = serde_json::from_str(&suite.export()).unwrap();
    assert_eq!(read, suite);
}

#[test]
fn a_choice_by_id_takes_whole_names() {
    let chosen = Suite::all().matching(&["ping", "publish.topic"]);
    assert!(
        chosen
            .scenarios
            .iter()
            .all(|scenario| scenario.id.starts_with("ping."))
    );
    assert!(
        Suite::all()
            .without_destructive()
            .scenarios
            .iter()
            .all(|scenario| scenario.level != Level::Robust)
    );
}

/// The examples for runners in other languages.
#[test]
fn the_readmes_examples_are_read() {
    let readme = include_str!("../README.md");
    let mut examples = readme
        .split("```json\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next());
    let suite: Suite = serde_json::from_str(examples.next().unwrap()).unwrap();
    assert_eq!(suite.scenarios[0].steps.len(), 6);
    let step: Step = serde_json::from_str(examples.next().unwrap()).unwrap();
    let Step::ExpectRefused { connect, .. } = step else {
        panic!("{step:?}")
    };
    let token = connect.token.unwrap();
    assert_eq!(token.header, Token::HEADER);
    assert_eq!(token.text, Token::TEXT);
    assert_eq!(examples.next(), None);
}

/// Names of steps and capabilities, as runners in other languages meet them.
#[test]
fn the_readme_names_every_step_and_capability() {
    let readme = include_str!("../README.md");
    let mut names = BTreeSet::new();
    for scenario in &Suite::all().scenarios {
        names.extend(scenario.needs.iter().map(|need| need.name().to_owned()));
        steps(
            &serde_json::to_value(&scenario.steps).expect("data"),
            &mut names,
        );
    }
    assert!(names.len() >= 30, "{names:?}");
    let missing: Vec<_> = names
        .iter()
        .filter(|name| !readme.contains(&format!("`{name}`")))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

fn steps(list: &serde_json::Value, names: &mut BTreeSet<String>) {
    for step in list.as_array().into_iter().flatten() {
        names.extend(step.as_str().map(str::to_owned));
        for (name, fields) in step.as_object().into_iter().flatten() {
            names.insert(name.clone());
            steps(&fields["steps"], names);
        }
    }
}
