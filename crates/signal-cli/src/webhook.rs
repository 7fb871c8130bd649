//! `--webhook-url`: what happens, sent to a server of the operator's in batches.
//!
//! ```text
//!  threads that serve ── try_send ──▶ inbox ──▶ batch ──▶ POST, again if it fails ──▶ the server
//!                          │ full                 │ given up
//!                          ▼                      ▼
//!                        counted, and told in the next batch as `dropped`
//! ```
//!
//! The rest of it is a thread and a runtime of its own, so that a server that hangs delays nobody.

mod batch;
mod counts;
mod event;
mod inbox;
mod secret;
mod sender;

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use signal_tokio::{Config, HttpsClient, Relay};
use tokio::sync::watch;

pub(crate) use counts::{Counts, CountsCollector};
pub(crate) use inbox::Inbox;
pub(crate) use secret::Secret;

use crate::settings::{Kind, Kinds, Mistake, Resolved};
use crate::webhook::batch::Gathering;
use crate::webhook::sender::Sender;

const URL: &str = "webhook_url";
const SECRET: &str = "webhook_secret_file";
const EVENTS: &str = "webhook_events";
/// How long the end of the process waits for the last batch at most, and at least, if what came
/// before has taken longer than a drain: nodes that could not take leave. By default the process
/// ends so within 9.6 s, short of the 10 after which `docker stop` kills.
const FLUSH_TIMEOUT: Duration = Duration::from_millis(1_500);
const FLUSH_TIMEOUT_MIN: Duration = Duration::from_millis(500);

/// Where events come in, and what it takes to send them.
#[derive(Debug)]
pub(crate) struct Webhook {
    pub(crate) inbox: Inbox,
    pub(crate) secret: Arc<Secret>,
    events: inbox::Outlet,
    client: HttpsClient,
    kinds: Kinds,
}

/// A webhook that sends.
#[derive(Debug)]
pub(crate) struct Sending {
    closing: watch::Sender<bool>,
    ended: Receiver<()>,
}

impl Webhook {
    /// The webhook that the settings name, if they name one.
    ///
    /// # Errors
    ///
    /// A setting is missing, or the secret cannot be used.
    pub(crate) fn load(resolved: &Arc<Resolved>) -> Result<Option<Self>, Mistake> {
        let settings = &resolved.settings;
        let Some(url) = &settings.webhook_url else {
            let rules = [
                (SECRET, settings.webhook_secret_file.is_some()),
                (EVENTS, settings.webhook_events != Kinds::ALL),
            ];
            for (name, is_set) in rules {
                if is_set {
                    let fix = format!(
                        "set webhook_url too, for example {}, or leave {name} out",
                        resolved.example(URL, name)
                    );
                    return Err(resolved.mistake(name, "there is no webhook to use it for", fix));
                }
            }
            return Ok(None);
        };
        let secret = Secret::load(resolved)?;
        let client = HttpsClient::new(url.clone()).map_err(|error| {
            let fix = "install the CA certificates of the system (ca-certificates), or name a file with them in SSL_CERT_FILE";
            resolved.mistake(URL, error.to_string(), fix)
        })?;
        let (inbox, events) = Inbox::new(settings.webhook_events);
        Ok(Some(Self {
            inbox,
            secret: Arc::new(secret),
            events,
            client,
            kinds: settings.webhook_events,
        }))
    }

    /// Sends from now on, on a thread of its own.
    ///
    /// # Errors
    ///
    /// There is no thread for it.
    pub(crate) fn start(self, relay: &Relay) -> io::Result<Sending> {
        let (closing, is_closing) = watch::channel(false);
        let sender = Sender {
            client: self.client,
            secret: self.secret,
            counts: Arc::clone(self.inbox.counts()),
            is_closing: is_closing.clone(),
        };
        let relay = self.kinds.has(Kind::Refused).then(|| relay.clone());
        let (inbox, events) = (self.inbox, self.events);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (end, ended) = channel();
        std::thread::Builder::new()
            .name("signal-webhook".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    let mut gathering = Gathering::new(inbox, events, is_closing, relay);
                    while let Some(batch) = gathering.next().await {
                        if !sender.send(&batch).await {
                            gathering.lost(&batch);
                        }
                    }
                });
                drop(end);
            })?;
        Ok(Sending { closing, ended })
    }
}

impl Sending {
    /// Sends what there is, without further attempts, and waits for that for a moment. The end of
    /// the process has taken this long until now.
    pub(crate) fn finish(self, config: &Config, taken: Duration) {
        let _ = self.closing.send(true);
        // Nothing is sent through it; it ends with the thread.
        if let Err(std::sync::mpsc::RecvTimeoutError::Timeout) =
            self.ended.recv_timeout(flush_timeout(config, taken))
        {
            tracing::warn!("the last events could not be sent to the webhook in time");
        }
    }
}

/// What is left of the time of a drain and the last batch.
fn flush_timeout(config: &Config, taken: Duration) -> Duration {
    let drain = Duration::from_secs(config.drain_seconds.into()) + config.close_timeout;
    let left = (drain + FLUSH_TIMEOUT).saturating_sub(taken);
    left.clamp(FLUSH_TIMEOUT_MIN, FLUSH_TIMEOUT)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Docker kills after 10 s, and a drain may wait for peers that do not answer, and then for a
    /// bus that does not.
    #[test]
    fn the_last_batch_has_what_the_drain_has_left() {
        let config = Config::default();
        let millis = Duration::from_millis;
        for (taken, left) in [
            (millis(50), FLUSH_TIMEOUT),
            (millis(8_000), FLUSH_TIMEOUT),
            (millis(8_100), millis(1_400)),
            (millis(9_100), FLUSH_TIMEOUT_MIN),
            (millis(60_000), FLUSH_TIMEOUT_MIN),
        ] {
            assert_eq!(flush_timeout(&config, taken), left, "{taken:?}");
        }
        let worst = millis(9_100) + flush_timeout(&config, millis(9_100));
        assert!(worst <= millis(9_700), "{worst:?}");
    }
}
