use std::collections::BTreeMap;

use signal_core::LimitError;

use crate::settings::origin::Origin;
use crate::settings::setting::{Setting, toml_value};
use crate::settings::{Mistake, SETTINGS, Settings};

/// All settings, and where each comes from.
#[derive(Clone, Debug)]
pub(crate) struct Resolved {
    pub(crate) settings: Settings,
    /// In the order of [`SETTINGS`].
    pub(super) origins: Vec<Origin>,
    /// Variables that begin as ours and belong to other software.
    pub(crate) strangers: Vec<String>,
}

impl Resolved {
    /// Each setting with its origin.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'static Setting, &Origin)> {
        SETTINGS.iter().zip(&self.origins)
    }

    /// An example of a setting, in the way in which another was written.
    pub(crate) fn example(&self, name: &str, like: &str) -> String {
        let setting = SETTINGS.iter().find(|setting| setting.name == name);
        let write = |setting| written(setting, self.origin(like), &setting.example());
        setting.map_or_else(String::new, write)
    }

    pub(crate) fn origin(&self, name: &str) -> &Origin {
        self.iter()
            .find(|(setting, _)| setting.name == name)
            .map_or(&Origin::Default, |(_, origin)| origin)
    }

    /// A value that was read well, and does not serve.
    pub(crate) fn mistake(
        &self,
        name: &str,
        problem: impl Into<String>,
        fix: impl Into<String>,
    ) -> Mistake {
        let setting = SETTINGS.iter().find(|setting| setting.name == name);
        let value = setting.map_or_else(String::new, |setting| setting.show(&self.settings));
        Mistake::of(name, &value, self.origin(name), problem, fix)
    }
}

/// Two settings that are right by themselves and not together. The one that was written is named.
pub(super) fn disagreement(
    resolved: &Resolved,
    texts: &BTreeMap<&str, String>,
    error: &LimitError,
) -> Mistake {
    let find = |name: &str| SETTINGS.iter().find(|setting| setting.name == name);
    let show = |number: u64| error.unit.show(number);
    let problem = || {
        format!(
            "must be {}",
            error.unit.show_range(&error.range, error.zero)
        )
    };
    let (value, nearest) = (show(error.value), show(*error.range.start()));
    let (Some(setting), Some(other)) = (find(error.name), error.because_of.and_then(find)) else {
        return resolved.mistake(error.name, problem(), "write another value");
    };
    let (origin, other_origin) = (resolved.origin(setting.name), resolved.origin(other.name));
    let other_text = || {
        let text = texts.get(other.name).cloned();
        text.unwrap_or_else(|| other.show(&resolved.settings))
    };
    if origin.is_default() {
        let problem = format!(
            "{}, which is {value} by default, is too small for it",
            setting.name
        );
        let fix = format!(
            "write {} too, or a smaller value here",
            written(setting, other_origin, &nearest)
        );
        return Mistake::value(other, &other_text(), other_origin, problem, fix);
    }
    let problem = format!("{}, because {} is {}", problem(), other.name, other_text());
    let fix = format!("write for example {}", written(setting, origin, &nearest));
    resolved.mistake(setting.name, problem, fix)
}

/// A setting in the way in which another was written.
pub(super) fn written(setting: &Setting, origin: &Origin, value: &str) -> String {
    match origin {
        Origin::Variable(_) | Origin::Environment => format!("{}={value}", setting.variable()),
        Origin::File { .. } => format!("{} = {}", setting.name, toml_value(value)),
        Origin::Flag(_) | Origin::Default | Origin::Machine(_) => {
            format!("--{} {value}", setting.flag())
        }
    }
}
