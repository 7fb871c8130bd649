//! The keys of tokens, and the fetches that bring those of an identity provider.

use alloc::borrow::ToOwned as _;
use alloc::format;
use alloc::string::String;

use signal_access::TokenVerifier;
use signal_core::Instant;

use super::{Pending, Relay};
use crate::json;
use crate::output::Output;
use crate::published::Published;

const ANY_ISSUER: &str = "any token that the keys at token_jwks_url have signed is good; some providers sign for all their customers \
     with the same keys, so set token_issuer";

impl Relay {
    /// The keys of tokens that the host verifies with, as a list in JSON of JWKs, each in an
    /// object of its own.
    pub fn keys(&self) -> String {
        let tokens = self.settings.access.tokens.iter();
        json::list(tokens.flat_map(|tokens| tokens.host_keys().map(str::to_owned)))
    }

    /// What an operator should know of the keys, each a sentence.
    pub fn notices(&self) -> impl Iterator<Item = String> {
        let name = match &self.published {
            Some(_) => "token_jwks_url",
            None => "token_keys",
        };
        let tokens = self.settings.access.tokens.iter();
        let of_keys = tokens.flat_map(move |tokens| {
            let notices = tokens.notices().iter();
            notices.map(move |notice| format!("{name}: {notice}"))
        });
        let issuer = self
            .settings
            .access
            .tokens
            .as_ref()
            .and_then(TokenVerifier::issuer);
        let is_any = self.published.is_some() && issuer.is_none() && self.keys_edition == 0;
        let of_issuer = is_any.then(|| ANY_ISSUER.to_owned());
        of_keys.chain(of_issuer)
    }

    /// Where keys of tokens are to be fetched from, as JSON: the `url`, and what a fetch may take,
    /// a `timeout` in milliseconds and `bytes_max`. `null` where they are not.
    pub fn published(&self) -> String {
        let published = self.published.as_ref();
        published.map_or_else(|| "null".to_owned(), Published::describe)
    }

    /// Whether the host is to fetch keys now, which is then noted to begin. To be asked when
    /// [`poll_timeout`](Self::poll_timeout) has come, and after a request that waits for
    /// [keys](crate::Question::Keys).
    pub fn begin_fetch(&mut self, now: Instant) -> bool {
        let published = self.published.as_mut().filter(|_| self.drain.is_none());
        published.is_some_and(|published| published.begin(now))
    }

    /// Takes the text that a fetch has brought, or what was wrong with it. Writes the keys anew if
    /// they are others, for the host to verify with from now on, and sentences for the log.
    pub fn fetched(&mut self, now: Instant, fetched: Result<&str, &str>, out: &mut Output) {
        let (Some(published), Some(tokens)) =
            (&mut self.published, &mut self.settings.access.tokens)
        else {
            return;
        };
        match published.finish(now, fetched, tokens) {
            Ok(None) => {}
            Ok(Some(verifier)) => {
                *tokens = verifier;
                self.keys_edition = self.keys_edition.wrapping_add(1);
                out.tell(&self.keys());
                for notice in self.notices() {
                    out.notice(&notice);
                }
            }
            Err(problem) => out.notice(&problem),
        }
    }

    /// Whether there are keys to judge tokens by, or none are needed.
    pub(super) fn has_keys(&self) -> bool {
        let tokens = self.settings.access.tokens.as_ref();
        tokens.is_none_or(|tokens| tokens.key_count() > 0)
    }

    pub(super) fn stop_waiting(&mut self, pending: &Pending) {
        if let (Some(published), Some(waiter)) = (&mut self.published, pending.waiter) {
            published.end_wait(waiter);
        }
    }
}
