//! A report in the form that was asked for.

mod json;
mod junit;
mod tap;
mod text;

use clap::ValueEnum;

use crate::check::report::Report;

/// What a report is written as.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Text,
    /// One JSON object
    Json,
    /// JUnit XML, for CI systems
    Junit,
    /// Test Anything Protocol 14
    Tap,
}

impl Format {
    pub(crate) fn render(self, report: &Report) -> String {
        match self {
            Self::Text => text::render(report),
            Self::Json => json::render(report),
            Self::Junit => junit::render(report),
            Self::Tap => tap::render(report),
        }
    }
}

/// Milliseconds with three digits behind the point.
fn millis(time: std::time::Duration) -> f64 {
    (time.as_secs_f64() * 1_000_000.0).round() / 1_000.0
}
