use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;

use crate::settings::{LogFormat, Settings};

/// Begins to log on standard error.
pub(crate) fn start(settings: &Settings) {
    // It was read once already, when the settings were.
    let filter = EnvFilter::builder().parse_lossy(&settings.log);
    let log = fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if is_text(settings.log_format) {
        let has_colours =
            is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|no| no.is_empty());
        log.with_target(false).with_ansi(has_colours).init();
    } else {
        log.json().flatten_event(true).init();
    }
}

/// Whether somebody reads along.
pub(crate) fn is_terminal() -> bool {
    std::io::stderr().is_terminal()
}

fn is_text(format: LogFormat) -> bool {
    match format {
        LogFormat::Auto => is_terminal(),
        LogFormat::Text => true,
        LogFormat::Json => false,
    }
}
