//! Reports as CI systems read them: cases in groups, written as JUnit XML or in the Test Anything
//! Protocol.
//!
//! The suite's own [`Report`](super::Report) is written this way, and so can any other list of
//! checks be.

use std::time::Duration;

mod junit;
mod tap;

/// What was checked, case by case.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Cases {
    /// What was checked, such as an address.
    pub name: String,
    /// What it all comes to, in a word.
    pub verdict: String,
    /// The cases, in the order they are written.
    pub groups: Vec<Group>,
}

/// Cases that are counted together.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Its cases.
    pub cases: Vec<Case>,
}

/// One case and how it ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Case {
    /// The stable name.
    pub name: String,
    /// What it is about, if the name does not say it all.
    pub title: String,
    /// How long it took.
    pub time: Duration,
    /// How it ended.
    pub outcome: Outcome,
    /// What else there is to know, each with a name. Empty values are left out.
    pub facts: Vec<(&'static str, String)>,
    /// What happened, line by line.
    pub log: Vec<String>,
}

/// How a case ended.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Outcome {
    /// As it should.
    Passed,
    /// Well enough, but with this problem. Neither format knows warnings: it counts as passed.
    Warned(String),
    /// With this problem.
    Failed(String),
    /// It was not tried, for this reason.
    Skipped(String),
}

impl Cases {
    /// Starts a report.
    #[must_use]
    pub fn new(name: impl Into<String>, verdict: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            verdict: verdict.into(),
            groups: Vec::new(),
        }
    }

    /// Adds a group.
    #[must_use]
    pub fn group(mut self, name: impl Into<String>, cases: impl IntoIterator<Item = Case>) -> Self {
        self.groups.push(Group {
            name: name.into(),
            cases: cases.into_iter().collect(),
        });
        self
    }

    /// The report as JUnit XML, one test suite for each group.
    #[must_use]
    pub fn to_junit(&self) -> String {
        junit::render(self)
    }

    /// The report in the Test Anything Protocol, version 14.
    #[must_use]
    pub fn to_tap(&self) -> String {
        tap::render(self)
    }
}

impl Case {
    /// A case without a title, facts or a log.
    #[must_use]
    pub fn new(name: impl Into<String>, time: Duration, outcome: Outcome) -> Self {
        Self {
            name: name.into(),
            title: String::new(),
            time,
            outcome,
            facts: Vec::new(),
            log: Vec::new(),
        }
    }

    /// Says what it is about.
    #[must_use]
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = title.into();
        self
    }

    /// Adds a fact.
    #[must_use]
    pub fn fact(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.facts.push((name, value.into()));
        self
    }

    /// Adds lines to the log.
    #[must_use]
    pub fn log(mut self, lines: impl IntoIterator<Item = String>) -> Self {
        self.log.extend(lines);
        self
    }

    /// The facts that say something.
    fn known_facts(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let facts = self.facts.iter();
        facts
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| (*name, value.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cases() -> Cases {
        let ms = Duration::from_millis;
        Cases::new("ws://localhost", "broken").group(
            "check",
            [
                Case::new("tcp", ms(2), Outcome::Passed).fact("detail", "127.0.0.1:80"),
                Case::new(
                    "count",
                    ms(1),
                    Outcome::Warned("a <wrong> count".to_owned()),
                ),
                Case::new("echo", ms(1_500), Outcome::Failed("none came".to_owned()))
                    .title("a publish comes back #1")
                    .fact("fix", "send it")
                    .fact("detail", "")
                    .log(["a → \u{1b}\"1\"".to_owned()]),
                Case::new("page", ms(0), Outcome::Skipped("no #HTTP".to_owned())),
                Case::new("pong", ms(0), Outcome::Passed),
            ],
        )
    }

    #[test]
    fn junit_counts_cases_and_escapes_texts() {
        let expected = r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="ws://localhost" tests="5" failures="1" errors="0" skipped="1" time="1.503">
  <testsuite name="check" tests="5" failures="1" errors="0" skipped="1" time="1.503">
    <testcase name="tcp" classname="check" time="0.002">
      <system-out>detail: 127.0.0.1:80</system-out>
    </testcase>
    <testcase name="count" classname="check" time="0.001">
      <system-err>warning: a &lt;wrong&gt; count</system-err>
    </testcase>
    <testcase name="echo" classname="check" time="1.500">
      <failure message="none came">a publish comes back #1
fix: send it
a → �&quot;1&quot;</failure>
    </testcase>
    <testcase name="page" classname="check" time="0.000">
      <skipped message="no #HTTP"/>
    </testcase>
    <testcase name="pong" classname="check" time="0.000">
    </testcase>
  </testsuite>
</testsuites>
"#;
        assert_eq!(cases().to_junit(), expected);
    }

    #[test]
    fn tap_has_a_point_for_each_case_and_what_is_known_of_it() {
        let expected = r##"TAP version 14
1..5
ok 1 - tcp
  ---
  detail: "127.0.0.1:80"
  duration_ms: 2
  ...
ok 2 - count
  ---
  warning: "a <wrong> count"
  duration_ms: 1
  ...
not ok 3 - echo: a publish comes back \#1
  ---
  message: "none came"
  fix: "send it"
  duration_ms: 1500
  log:
    - "a → \u001b\"1\""
  ...
ok 4 - page # SKIP no \#HTTP
ok 5 - pong
# broken: ws://localhost
"##;
        assert_eq!(cases().to_tap(), expected);
    }
}
