use std::fmt;
use std::process::ExitCode;

use anstyle::{AnsiColor, Style};

use crate::lines::tell;
use crate::settings::Mistake;

const RED: Style = AnsiColor::Red.on_default().bold();
const BOLD: Style = Style::new().bold();

/// Why a command could not do its work.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Settings are wrong.
    Settings(Vec<Mistake>),
    /// The command line makes no sense.
    Usage { what: String, fix: String, code: u8 },
    /// Anything else, with what to do about it.
    Other { what: String, fix: String },
}

impl Failure {
    pub(crate) fn other(what: impl fmt::Display, fix: impl Into<String>) -> Self {
        Self::Other {
            what: what.to_string(),
            fix: fix.into(),
        }
    }

    /// Tells it on standard error.
    pub(crate) fn report(&self) {
        match self {
            Self::Settings(mistakes) => {
                for mistake in mistakes {
                    tell(&format!("{RED}error:{RED:#} {mistake}\n"));
                }
            }
            Self::Usage { what, fix, .. } | Self::Other { what, fix } => {
                tell(&format!(
                    "{RED}error:{RED:#} {what}\n       {BOLD}{fix}{BOLD:#}\n"
                ));
            }
        }
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Settings(_) => ExitCode::from(2),
            Self::Usage { code, .. } => ExitCode::from(*code),
            Self::Other { .. } => ExitCode::FAILURE,
        }
    }
}
