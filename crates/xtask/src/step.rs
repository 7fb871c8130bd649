use crate::stop::Stop;
use crate::tools::Tools;

/// Something that CI runs.
#[derive(Clone, Copy)]
pub(crate) struct Step {
    /// What it is called on the command line and in the summary.
    pub(crate) name: &'static str,
    /// What it shows when it passes.
    pub(crate) about: &'static str,
    /// Runs it.
    pub(crate) run: fn(&Tools) -> Result<(), Stop>,
}
