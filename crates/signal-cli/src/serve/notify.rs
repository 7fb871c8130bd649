//! Tells systemd how it goes: `Type=notify`, `WatchdogSec=`. Without `NOTIFY_SOCKET` all of it does
//! nothing.

use std::convert::Infallible;
use std::time::Duration;

use sd_notify::NotifyState;
use signal_tokio::{Lifecycle, Relay, Serving};

/// How often the status is sent where no watchdog wants it more often.
const STATUS_INTERVAL: Duration = Duration::from_secs(30);

/// Connections are accepted.
pub(crate) fn ready(relay: &Relay) {
    send(&[NotifyState::Ready, NotifyState::Status(&status(relay))]);
}

/// Files are read again; [`ready`] follows.
pub(crate) fn reloading() {
    let mut states = vec![NotifyState::Reloading];
    // By the time a newer systemd knows to which reload this belongs.
    states.extend(NotifyState::monotonic_usec_now());
    send(&states);
}

/// No more connections are accepted.
pub(crate) fn stopping(relay: &Relay) {
    let (peers, seconds) = (relay.stats().peers, relay.config().drain_seconds);
    let status = format!("closing {peers} connections within {seconds} s");
    send(&[NotifyState::Stopping, NotifyState::Status(&status)]);
}

/// Feeds the watchdog, each time after every thread of the relay has had a turn; and tells the
/// status.
pub(crate) async fn keep_telling(relay: &Relay, serving: &Serving) -> Infallible {
    if std::env::var_os("NOTIFY_SOCKET").is_none() {
        return std::future::pending().await;
    }
    // Twice in its time, as its manual asks.
    let half = sd_notify::watchdog_enabled().map(|time| time / 2);
    let interval = half.map_or(STATUS_INTERVAL, |half| half.min(STATUS_INTERVAL));
    loop {
        tokio::time::sleep(interval).await;
        let has_turned = serving.has_turned().await;
        if relay.stats().lifecycle != Lifecycle::Serving {
            // Threads end now, and that is right.
            send(&[NotifyState::Watchdog]);
        } else if has_turned {
            send(&[NotifyState::Watchdog, NotifyState::Status(&status(relay))]);
        } else {
            tracing::error!("a thread that served has ended; the watchdog is not fed any more");
            return std::future::pending().await;
        }
    }
}

fn status(relay: &Relay) -> String {
    let stats = relay.stats();
    format!("{} peers in {} topics", stats.peers, stats.topics)
}

fn send(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "cannot tell the service manager");
    }
}
