//! Tokens of an identity provider, whose keys are fetched from where it publishes them.

mod fetch;

use std::fmt;
use std::io;
use std::sync::Arc;

use signal_access::{
    Access, Judging, JwksUrl, KeySchedule, KeyWait, KeyWaiter, Refusal, TokenVerifier,
};
use tokio::sync::{Notify, watch};

use crate::admission::access::AccessAuthorizer;
use crate::admission::authorizer::{Authorization, Authorizer, UpgradeRequest};
use crate::admission::jwks::fetch::{Fetch, FetchError};
use crate::admission::ring_keys::RingKeys;
use crate::clock::Clock;
use crate::lock::Lock;

/// An [`Authorizer`] that judges by an [`Access`] whose keys are published at an address, as
/// identity providers do. [`JwksFetcher`] fetches them.
///
/// Until they are fetched, each token is refused with 503, and `/readyz` says `no_keys`. Once they
/// are, they stay in use for as long as no others can be fetched. A token that names a key that is
/// not there waits for one fetch, as it may be a new key of the issuer. No more than
/// [`KeySchedule::WAITING_MAX`] do at once; others are refused with 503. [`KeySchedule`] has the
/// limits.
///
/// ```no_run
/// use signal_tokio::signal_access::{Access, TokenVerifier};
/// use signal_tokio::{Config, JwksAuthorizer, Relay};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let access = Access {
///     tokens: Some(
///         TokenVerifier::without_keys()
///             .with_issuer("https://tenant.eu.auth0.com/")
///             .with_audience("https://signal.example.org"),
///     ),
///     ..Access::default()
/// };
/// let url = "https://tenant.eu.auth0.com/.well-known/jwks.json".parse()?;
/// let (authorizer, fetcher) = JwksAuthorizer::new(access, url)?;
/// tokio::spawn(fetcher.run());
/// let relay = Relay::with_authorizer(Config::default(), authorizer)?;
/// # Ok(())
/// # }
/// ```
pub struct JwksAuthorizer {
    shared: Arc<Shared>,
}

/// Fetches the keys of a [`JwksAuthorizer`], for as long as it [runs](Self::run).
pub struct JwksFetcher {
    shared: Arc<Shared>,
    fetch: Fetch,
    /// What was read last.
    text: String,
}

struct Shared {
    /// Who judges now; sent anew after each fetch, also one that failed.
    judge: watch::Sender<Arc<AccessAuthorizer>>,
    progress: Lock<Progress>,
    /// That a fetch is wanted before its time.
    wanted: Notify,
    clock: Clock,
}

#[derive(Debug, Default)]
struct Progress {
    schedule: KeySchedule,
    is_running: bool,
}

impl JwksAuthorizer {
    /// An authorizer that judges by this with the keys that are published there; `access` says what
    /// tokens must be like. Without [`Access::tokens`], any token that they have signed is good.
    ///
    /// # Errors
    ///
    /// The root certificates of the system cannot be read, which an address of `https` needs.
    pub fn new(access: Access, url: JwksUrl) -> io::Result<(Self, JwksFetcher)> {
        let access = Access {
            tokens: Some(access.tokens.unwrap_or_else(TokenVerifier::without_keys)),
            ..access
        };
        let shared = Arc::new(Shared {
            judge: watch::Sender::new(Arc::new(AccessAuthorizer::new(access))),
            progress: Lock::default(),
            wanted: Notify::new(),
            clock: Clock::start(),
        });
        let fetcher = JwksFetcher {
            shared: Arc::clone(&shared),
            fetch: Fetch::new(url)?,
            text: String::new(),
        };
        Ok((Self { shared }, fetcher))
    }
}

impl Authorizer for JwksAuthorizer {
    fn authorize<'a>(&'a self, request: &'a UpgradeRequest<'a>) -> Authorization<'a> {
        Box::pin(async move {
            let mut judges = self.shared.judge.subscribe();
            let judge = Arc::clone(&judges.borrow_and_update());
            let denied = match judge.judge(request) {
                Ok(permit) => return Ok(permit),
                Err(denied) => denied,
            };
            if !denied.awaits_keys() {
                return Err(denied.into());
            }
            let waiting = match self.shared.wait() {
                KeyWait::Refused => return Err(denied.into()),
                KeyWait::Full => return Err(Refusal::keys_awaited(fastrand::u64(..))),
                KeyWait::Waits(waiter) => Waiting(&self.shared, waiter),
            };
            // It ends with the fetch, which ends by itself.
            let _ = judges.changed().await;
            drop(waiting);
            let judge = Arc::clone(&judges.borrow());
            judge.judge(request).map_err(Into::into)
        })
    }

    /// A wait comes once in ten seconds at most, whatever is shown.
    fn judging(&self) -> Judging {
        Judging::Cheap
    }

    fn is_ready(&self) -> bool {
        self.shared.has_keys()
    }
}

impl Shared {
    /// What a token of an unknown key is to do.
    fn wait(&self) -> KeyWait {
        let mut progress = self.progress.lock();
        if !progress.is_running {
            return KeyWait::Refused;
        }
        let wait = progress.schedule.wait(self.clock.now());
        match wait {
            KeyWait::Waits(_) => self.wanted.notify_one(),
            KeyWait::Refused | KeyWait::Full => {}
        }
        wait
    }

    fn has_keys(&self) -> bool {
        let judge = self.judge.borrow();
        let tokens = judge.access().tokens.as_ref();
        tokens.is_some_and(|verifier| verifier.key_count() > 0)
    }
}

impl JwksFetcher {
    /// Fetches the keys at once, and from then on when it is time.
    pub async fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        let _running = Running::begin(&shared);
        loop {
            let due = shared.progress.lock().schedule.poll_timeout();
            if due <= shared.clock.now() {
                self.round().await;
                continue;
            }
            tokio::select! {
                () = tokio::time::sleep_until(shared.clock.runtime_instant(due)) => {}
                // The time is another now.
                () = shared.wanted.notified() => {}
            }
        }
    }

    async fn round(&mut self) {
        let now = self.shared.clock.now();
        self.shared.progress.lock().schedule.begin(now);
        let fetched = tokio::time::timeout(KeySchedule::FETCH_TIMEOUT, self.fetch.get()).await;
        let fetched = fetched.unwrap_or(Err(FetchError::TimedOut));
        let taken = fetched.and_then(|text| self.take(text));
        if let Err(error) = &taken {
            self.tell(error);
        }
        {
            let mut progress = self.shared.progress.lock();
            progress
                .schedule
                .finish(self.shared.clock.now(), taken.is_ok());
        }
        // Those who wait for it go on, whatever has come of it.
        self.shared.judge.send_modify(|_| {});
    }

    /// Lets the relay judge by what was fetched.
    fn take(&mut self, text: String) -> Result<(), FetchError> {
        if text == self.text {
            return Ok(());
        }
        let judge = Arc::clone(&self.shared.judge.borrow());
        let access = judge.access();
        let before = access.tokens.clone();
        let verifier = before
            .unwrap_or_else(TokenVerifier::without_keys)
            .with_published_keys(&text, &RingKeys)
            .map_err(FetchError::Keys)?;
        for notice in verifier.notices() {
            tracing::warn!(url = %self.fetch.url(), "{notice}");
        }
        let keys = verifier.key_count();
        tracing::info!(url = %self.fetch.url(), keys, "the keys of tokens were fetched");
        let access = Access {
            tokens: Some(verifier),
            origins: access.origins.clone(),
        };
        self.shared
            .judge
            .send_replace(Arc::new(judge.with_access(access)));
        self.text = text;
        Ok(())
    }

    fn tell(&self, error: &FetchError) {
        let url = self.fetch.url();
        if self.shared.has_keys() {
            tracing::warn!(%url, %error, "the keys of tokens could not be fetched; those fetched last stay in use");
        } else {
            tracing::error!(%url, %error, "the keys of tokens could not be fetched; every token is refused until they are");
        }
    }
}

/// One that waits, until it is judged or its client has gone.
struct Waiting<'a>(&'a Shared, KeyWaiter);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let Self(shared, waiter) = self;
        shared.progress.lock().schedule.end_wait(*waiter);
    }
}

/// That somebody fetches, so that a token may wait for it.
struct Running<'a>(&'a Shared);

impl<'a> Running<'a> {
    fn begin(shared: &'a Shared) -> Self {
        shared.progress.lock().is_running = true;
        Self(shared)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.progress.lock().is_running = false;
        // Nobody waits for what does not come.
        self.0.judge.send_modify(|_| {});
    }
}

impl fmt::Debug for JwksAuthorizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwksAuthorizer")
            .field("judge", &self.shared.judge.borrow())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for JwksFetcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwksFetcher")
            .field("url", self.fetch.url())
            .finish_non_exhaustive()
    }
}
