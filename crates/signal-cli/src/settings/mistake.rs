use std::fmt;

use crate::settings::origin::Origin;
use crate::settings::{SETTINGS, Setting};
use crate::show;

/// Something wrong in the settings: what, where it was written, and what to write instead.
#[derive(Clone, Debug)]
pub(crate) struct Mistake {
    what: String,
    origin: Origin,
    problem: String,
    fix: String,
}

impl Mistake {
    /// A value that the setting cannot have.
    pub(crate) fn value(
        setting: &Setting,
        text: &str,
        origin: &Origin,
        problem: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self {
            what: format!("{} = {}", setting.name, show::quoted(text, 80)),
            origin: origin.clone(),
            problem: problem.into(),
            fix: fix.into(),
        }
    }

    /// A value that was read well, and does not serve.
    pub(super) fn of(
        name: &str,
        value: &str,
        origin: &Origin,
        problem: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self {
            what: format!("{name} = {}", show::quoted(value, 200)),
            origin: origin.clone(),
            problem: problem.into(),
            fix: fix.into(),
        }
    }

    /// A name that is not a setting's.
    pub(crate) fn name(name: &str, origin: &Origin, write: impl Fn(&Setting) -> String) -> Self {
        let fix = match closest(name) {
            Some(meant) => format!("did you mean {}?", write(meant)),
            None => "`signal config print` shows all settings".to_owned(),
        };
        Self {
            what: name.to_owned(),
            origin: origin.clone(),
            problem: "there is no such setting".to_owned(),
            fix,
        }
    }

    /// The file itself.
    pub(crate) fn file(origin: &Origin, what: String, problem: String, fix: &str) -> Self {
        Self {
            what,
            origin: origin.clone(),
            problem,
            fix: fix.to_owned(),
        }
    }
}

/// Two lines: what and why, then what to do.
impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} ({}): {}", self.what, self.origin, self.problem)?;
        write!(f, "       {}", self.fix)
    }
}

/// The setting that a wrong name means, as it stands in the file or in a variable.
pub(super) fn closest(name: &str) -> Option<&'static Setting> {
    let name = name.to_ascii_lowercase();
    let name = name.strip_prefix("signal_").unwrap_or(&name);
    let near = SETTINGS.iter().map(|setting| {
        // The right words in another order are near, too.
        let likeness = alike(name, setting.name).max(alike(&sorted(name), &sorted(setting.name)));
        (likeness, setting)
    });
    let (likeness, meant) = near.max_by(|(one, _), (other, _)| one.total_cmp(other))?;
    (likeness > 0.6).then_some(meant)
}

fn alike(one: &str, other: &str) -> f64 {
    strsim::normalized_damerau_levenshtein(one, other)
}

fn sorted(name: &str) -> String {
    let mut words: Vec<_> = name.split('_').collect();
    words.sort_unstable();
    words.join("_")
}
