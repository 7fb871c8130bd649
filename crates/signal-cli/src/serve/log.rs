//! The log, and what keeps it short whatever happens.
//!
//! What one client does is logged at `debug` alone. At `info` and above, each place in the code has
//! [`Suppress`] to see that it says no more than a few lines a minute, and refusals and closes are
//! logged as sums by [`Trouble`], one line a minute. So a storm of clients costs a line within ten
//! seconds and then one each minute, whatever their number.

mod suppress;
mod trouble;

use std::io::IsTerminal;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use signal_tokio::Relay;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use crate::serve::log::suppress::Suppress;
use crate::serve::log::trouble::Trouble;
use crate::settings::{LogFormat, Settings};

/// The target of what somebody did by hand: each line of it is said.
pub(crate) const AUDIT: &str = "signal::audit";

/// How often sums that are not reported yet are looked at.
const TICK: Duration = Duration::from_secs(10);

/// Libraries that say with each attempt what we say once, unless the setting names them.
const QUIET: &str = "async_nats=off";

/// The log of this process.
#[derive(Debug)]
pub(crate) struct Log {
    suppress: Arc<Suppress>,
}

/// Begins to log on standard error.
pub(crate) fn start(settings: &Settings) -> Log {
    // It was read once already, when the settings were.
    let filter = EnvFilter::builder().parse_lossy(format!("{QUIET},{}", settings.log));
    let suppress = Arc::new(Suppress::default());
    let lines = fmt::layer().with_writer(std::io::stderr);
    let lines = if is_text(settings.log_format) {
        let has_colours =
            is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|no| no.is_empty());
        lines.with_target(false).with_ansi(has_colours).boxed()
    } else {
        lines.json().flatten_event(true).boxed()
    };
    tracing_subscriber::registry()
        .with(filter)
        .with(lines)
        .with(Arc::clone(&suppress).layer())
        .init();
    Log { suppress }
}

impl Log {
    /// Tells from now on what was left out, and what the relay refuses.
    pub(crate) fn watch(&self, relay: &Relay) {
        let (suppress, relay) = (Arc::clone(&self.suppress), relay.clone());
        let watch = move || {
            let mut trouble = Trouble::new(Instant::now(), &relay.stats());
            loop {
                thread::sleep(TICK);
                suppress.tell(Instant::now());
                trouble.look(Instant::now(), &relay.stats());
            }
        };
        let thread = thread::Builder::new().name("signal-log".to_owned());
        if let Err(error) = thread.spawn(watch) {
            tracing::error!(%error, "cannot start the thread that sums up the log");
        }
    }

    /// Tells what is left, at the end of the process.
    pub(crate) fn finish(&self, relay: &Relay) {
        self.suppress.tell_all(Instant::now());
        trouble::tell_all(&relay.stats());
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
