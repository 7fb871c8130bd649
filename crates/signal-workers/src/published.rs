//! Keys that an identity provider publishes: fetched once for all requests of an isolate, and kept
//! in its memory.

mod fetch;

use std::cell::RefCell;
use std::time::Duration;

use signal_access::{JwksUrl, KeySchedule, KeyWait, Refusal, TokenVerifier};
use signal_core::Instant;
use worker::wasm_bindgen::JsValue;
use worker::wasm_bindgen_futures::future_to_promise;
use worker::{Context, Delay, Env};

use self::fetch::FetchError;
use crate::clock;
use crate::event::{Event, Events};
use crate::public_keys::RustKeys;

/// How often those who wait for a fetch look whether it has ended. One request cannot await what
/// belongs to another, which may end before it.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

thread_local! {
    static KEPT: RefCell<Option<Kept>> = const { RefCell::new(None) };
}

/// What an isolate has of the keys at one address.
struct Kept {
    url: JwksUrl,
    schedule: KeySchedule,
    /// What was read last.
    text: String,
    /// The keys in it, and nothing else.
    keys: TokenVerifier,
}

/// The keys that are published at an address.
#[derive(Clone, Debug)]
pub(crate) struct Published {
    url: JwksUrl,
}

impl Published {
    pub(crate) fn at(url: JwksUrl) -> Self {
        Self { url }
    }

    /// A verifier with the keys that are known, if some are, once those are fetched that are due.
    ///
    /// # Errors
    ///
    /// As many wait for them already as may.
    pub(crate) async fn verifier(
        &self,
        env: &Env,
        context: &Context,
    ) -> Result<TokenVerifier, Refusal> {
        let now = clock::now();
        let (is_due, must_wait) = self.with(|kept| {
            let schedule = &kept.schedule;
            (schedule.is_due(now), schedule.is_overdue(now))
        });
        if is_due {
            self.begin(env, context);
        }
        if must_wait {
            self.wait_among(now).await?;
        }
        Ok(self.known())
    }

    /// Another verifier, if there is a fetch to wait for because a token is not of a key that is
    /// known. One whose client goes away while it waits counts until the fetch has ended: the
    /// runtime drops nothing.
    ///
    /// # Errors
    ///
    /// As many wait already as may.
    pub(crate) async fn next(
        &self,
        env: &Env,
        context: &Context,
    ) -> Result<Option<TokenVerifier>, Refusal> {
        let now = clock::now();
        let (is_wanted, is_fetching) = self.with(|kept| {
            let is_wanted = kept.schedule.want(now);
            (is_wanted, kept.schedule.is_fetching(now))
        });
        if !is_wanted {
            return Ok(None);
        }
        if !is_fetching {
            self.begin(env, context);
        }
        self.wait_among(now).await?;
        Ok(Some(self.known()))
    }

    /// Waits for the fetch that is on its way, if one more may.
    async fn wait_among(&self, now: Instant) -> Result<(), Refusal> {
        match self.with(|kept| kept.schedule.wait(now)) {
            KeyWait::Full => return Err(Refusal::keys_awaited(clock::random())),
            // It has ended meanwhile.
            KeyWait::Refused => {}
            KeyWait::Waits(_) => self.wait().await,
        }
        Ok(())
    }

    fn known(&self) -> TokenVerifier {
        self.with(|kept| kept.keys.clone())
    }

    async fn wait(&self) {
        while self.with(|kept| kept.schedule.is_fetching(clock::now())) {
            Delay::from(LOOK_INTERVAL).await;
        }
    }

    /// Begins a fetch that goes on when the request has been answered, or its client is gone.
    fn begin(&self, env: &Env, context: &Context) {
        self.with(|kept| kept.schedule.begin(clock::now()));
        let (published, events) = (self.clone(), Events::new(env));
        let fetch = future_to_promise(async move {
            published.fetch(&events).await;
            Ok(JsValue::UNDEFINED)
        });
        // Without it the fetch ends with the request, and the schedule notices.
        let _ = context.as_ref().wait_until(&fetch);
    }

    async fn fetch(&self, events: &Events) {
        let fetched = fetch::get(&self.url).await;
        let now = clock::now();
        let (taken, has_keys) = self.with(|kept| {
            let taken = fetched.and_then(|text| kept.take(text));
            kept.schedule.finish(now, taken.is_ok());
            (taken, kept.keys.key_count() > 0)
        });
        match taken {
            Ok(None) => {}
            Ok(Some(keys)) => events.note(&Event::Keys { keys }),
            Err(error) => {
                let and = if has_keys {
                    "those fetched last stay in use"
                } else {
                    "every token is refused until they are fetched"
                };
                let error = format!("{error}; {and}");
                events.note(&Event::failure("token_jwks_url", &error));
            }
        }
    }

    /// Those of another address are forgotten.
    fn with<T>(&self, act: impl FnOnce(&mut Kept) -> T) -> T {
        KEPT.with_borrow_mut(|kept| {
            if kept.as_ref().is_some_and(|kept| kept.url != self.url) {
                *kept = None;
            }
            act(kept.get_or_insert_with(|| Kept::of(self.url.clone())))
        })
    }
}

impl Kept {
    fn of(url: JwksUrl) -> Self {
        Self {
            url,
            schedule: KeySchedule::default(),
            text: String::new(),
            keys: TokenVerifier::without_keys(),
        }
    }

    /// Returns how many keys there are if they are others than before.
    fn take(&mut self, text: String) -> Result<Option<usize>, FetchError> {
        if text == self.text {
            return Ok(None);
        }
        let keys = self.keys.with_published_keys(&text, &RustKeys);
        self.keys = keys.map_err(FetchError::Keys)?;
        self.text = text;
        Ok(Some(self.keys.key_count()))
    }
}
