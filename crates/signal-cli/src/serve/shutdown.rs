use std::io;

use signal_tokio::Relay;

use crate::failure::Failure;
use crate::serve::log;

/// How it came to the end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Ending {
    /// All peers were told to go, and went.
    Drained,
    /// Somebody would not wait for that.
    AtOnce,
}

/// Waits for Ctrl-C or SIGTERM and drains the relay; a second one ends it at once.
pub(crate) fn wait_and_drain(relay: &Relay) -> Result<Ending, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let ending = runtime.and_then(|runtime| runtime.block_on(drain_on_signal(relay)));
    ending.map_err(|error| Failure::other(error, "this should not happen, please report it"))
}

async fn drain_on_signal(relay: &Relay) -> io::Result<Ending> {
    let mut signals = Signals::new()?;
    let signal = signals.next().await;
    let seconds = relay.config().drain_seconds;
    let peers = relay.stats().peers;
    if log::is_terminal() && peers > 0 {
        anstream::eprintln!(
            "\n  closing {peers} connections within {seconds} s; Ctrl-C again ends at once"
        );
    }
    tracing::info!(signal, peers, "ending");
    let ending = tokio::select! {
        () = relay.drain() => Ending::Drained,
        signal = signals.next() => {
            tracing::warn!(signal, peers = relay.stats().peers, "ending at once");
            Ending::AtOnce
        }
    };
    Ok(ending)
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> &'static str {
        // Where Ctrl-C cannot be heard, the system ends the process itself.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        "Ctrl-C"
    }
}
