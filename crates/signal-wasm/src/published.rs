//! Keys that an identity provider publishes: the host fetches them when it is told to.

use alloc::borrow::ToOwned as _;
use alloc::format;
use alloc::string::{String, ToString as _};

use signal_access::{
    JwksUrl, KEY_TEXT_BYTES_MAX, KeyError, KeySchedule, KeyWait, KeyWaiter, TokenVerifier,
};
use signal_core::Instant;

use crate::json;

/// When to fetch, and what was fetched last.
#[derive(Debug)]
pub(crate) struct Published {
    url: JwksUrl,
    schedule: KeySchedule,
    text: String,
}

impl Published {
    pub(crate) fn at(url: JwksUrl) -> Self {
        Self {
            url,
            schedule: KeySchedule::default(),
            text: String::new(),
        }
    }

    /// What a host needs to know for a fetch, as JSON.
    pub(crate) fn describe(&self) -> String {
        let timeout = KeySchedule::FETCH_TIMEOUT.as_millis().to_string();
        json::object([
            ("url", json::string(self.url.as_str())),
            ("timeout", timeout),
            ("bytes_max", KEY_TEXT_BYTES_MAX.to_string()),
        ])
    }

    pub(crate) fn poll_timeout(&self) -> Instant {
        self.schedule.next_look()
    }

    pub(crate) fn begin(&mut self, now: Instant) -> bool {
        let is_due = self.schedule.is_due(now);
        if is_due {
            self.schedule.begin(now);
        }
        is_due
    }

    /// Whether keys may have been withdrawn since the last fetch, because the host was asleep.
    pub(crate) fn is_overdue(&self, now: Instant) -> bool {
        self.schedule.is_overdue(now)
    }

    /// What a request is to do whose token is of a key that is not known.
    pub(crate) fn wait(&mut self, now: Instant) -> KeyWait {
        self.schedule.wait(now)
    }

    pub(crate) fn end_wait(&mut self, waiter: KeyWaiter) {
        self.schedule.end_wait(waiter);
    }

    /// Takes what a fetch has brought: others than those before, the same, or why there are none,
    /// in a sentence for the log.
    pub(crate) fn finish(
        &mut self,
        now: Instant,
        fetched: Result<&str, &str>,
        before: &TokenVerifier,
    ) -> Result<Option<TokenVerifier>, String> {
        let taken = fetched
            .map_err(str::to_owned)
            .and_then(|text| self.take(text, before).map_err(unusable));
        self.schedule.finish(now, taken.is_ok());
        taken.map_err(|error| {
            let and = match before.key_count() {
                0 => "every token is refused until they are",
                _ => "those fetched last stay in use",
            };
            let url = &self.url;
            format!("the keys of tokens could not be fetched from {url}: {error}; {and}")
        })
    }

    fn take(
        &mut self,
        text: &str,
        before: &TokenVerifier,
    ) -> Result<Option<TokenVerifier>, KeyError> {
        if text == self.text {
            return Ok(None);
        }
        let verifier = before.with_published_host_keys(text)?;
        text.clone_into(&mut self.text);
        Ok(Some(verifier))
    }
}

fn unusable(error: KeyError) -> String {
    format!("its answer cannot be used: {error}")
}
