use std::io;
use std::time::Instant;

use signal_tokio::{Relay, Serving};
use tokio::runtime::Runtime;

use crate::failure::Failure;
use crate::serve::reload::{Reload, Watch};
use crate::serve::{log, notify};

/// How it came to the end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Ending {
    /// All peers were told to go, and went. It began then.
    Drained(Instant),
    /// Somebody would not wait for that.
    AtOnce,
}

/// What is done when somebody sends a signal.
#[derive(Debug)]
pub(crate) struct Shutdown {
    runtime: Runtime,
    signals: Signals,
    hangups: Hangups,
}

impl Shutdown {
    /// Hears signals from now on. Before anything says that the relay listens, or signals might
    /// come too early and end it without a drain.
    pub(crate) fn listen(reload: &Reload) -> Result<Self, Failure> {
        let listen = || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            let guard = runtime.enter();
            let (signals, hangups) = (Signals::new()?, Hangups::new(reload)?);
            drop(guard);
            Ok(Self {
                runtime,
                signals,
                hangups,
            })
        };
        listen().map_err(|error: io::Error| {
            Failure::other(error, "this should not happen, please report it")
        })
    }

    /// Does this too while it waits.
    pub(crate) fn beside(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.runtime.spawn(task);
    }

    /// Waits for Ctrl-C or SIGTERM and drains the relay; a second one ends it at once. Until then,
    /// SIGHUP reloads.
    pub(crate) fn wait_and_drain(
        self,
        relay: &Relay,
        serving: &Serving,
        reload: &Reload,
        watch: Watch,
    ) -> Ending {
        let Self {
            runtime,
            signals,
            hangups,
        } = self;
        runtime.block_on(async {
            tokio::select! {
                ending = drain_on_signal(signals, hangups, relay, reload, watch) => ending,
                never = notify::keep_telling(relay, serving) => match never {},
            }
        })
    }
}

async fn drain_on_signal(
    mut signals: Signals,
    mut hangups: Hangups,
    relay: &Relay,
    reload: &Reload,
    mut watch: Watch,
) -> Ending {
    notify::ready(relay);
    let signal = loop {
        tokio::select! {
            signal = signals.next() => break signal,
            () = watch.next(reload) => {}
            () = hangups.next() => {
                notify::reloading();
                watch.all_read();
                reload.run();
                notify::ready(relay);
            }
        }
    };
    notify::stopping(relay);
    let seconds = relay.config().drain_seconds;
    let peers = relay.stats().peers;
    if log::is_terminal() && peers > 0 {
        anstream::eprintln!(
            "\n  closing {peers} connections within {seconds} s; Ctrl-C again ends at once"
        );
    }
    tracing::info!(signal, peers, "ending");
    let began = Instant::now();
    tokio::select! {
        () = relay.drain() => Ending::Drained(began),
        signal = signals.next() => {
            tracing::warn!(signal, peers = relay.stats().peers, "ending at once");
            Ending::AtOnce
        }
    }
}

#[cfg(unix)]
#[derive(Debug)]
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

/// SIGHUP, which asks to read files again.
#[cfg(unix)]
#[derive(Debug)]
struct Hangups(Option<tokio::signal::unix::Signal>);

#[cfg(unix)]
impl Hangups {
    /// A relay on a terminal that has nothing to reload ends when the terminal does, as programs
    /// do.
    fn new(reload: &Reload) -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let is_heard = !reload.is_empty() || !log::is_terminal();
        let hangups = is_heard.then(|| signal(SignalKind::hangup()));
        hangups.transpose().map(Self)
    }

    async fn next(&mut self) {
        match &mut self.0 {
            Some(hangups) => drop(hangups.recv().await),
            None => std::future::pending().await,
        }
    }
}

#[cfg(not(unix))]
#[derive(Debug)]
struct Hangups;

#[cfg(not(unix))]
impl Hangups {
    fn new(_: &Reload) -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        std::future::pending().await
    }
}

#[cfg(not(unix))]
#[derive(Debug)]
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
