use core::time::Duration;

use signal_core::Instant;

/// When the keys of an issuer are fetched: at the start, now and then, and when a token names a key
/// that is not known. It makes no request itself.
///
/// Anyone can send a token that names any key, so such tokens bring a fetch about once in ten
/// seconds at most, however many come: an issuer's new key is known that soon, and the issuer is
/// not bothered more.
///
/// A host without a task of its own, such as a Worker, looks at each request whether a fetch
/// [`is_due`](Self::is_due), and lets the request wait for it only if it
/// [`is_overdue`](Self::is_overdue).
///
/// ```
/// use signal_access::KeySchedule;
/// use signal_core::Instant;
///
/// let mut schedule = KeySchedule::default();
/// let now = Instant::from_millis(1_000);
/// assert!(schedule.is_due(now));
/// schedule.begin(now);
/// assert!(schedule.want(now), "one is on its way");
/// schedule.finish(now, true);
/// assert!(!schedule.want(now), "they have just been fetched");
/// let later = now.saturating_add(KeySchedule::UNKNOWN_KEY_INTERVAL);
/// assert!(schedule.want(later));
/// assert_eq!(schedule.poll_timeout(), later);
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct KeySchedule {
    next: Instant,
    began: Option<Instant>,
    finished: Option<Instant>,
    failures: u32,
    /// How many wait for the fetch of this round.
    waiting: u32,
    round: u32,
}

/// What a token of an unknown key is to do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum KeyWait {
    /// Be refused: its key is not one, as far as is known.
    Refused,
    /// Be refused for now: as many wait already as may.
    Full,
    /// Wait for the fetch that is on its way or now due. Whoever no longer waits for it says so
    /// with this: see [`KeySchedule::end_wait`].
    Waits(KeyWaiter),
}

/// One that waits for keys.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct KeyWaiter {
    round: u32,
}

impl KeySchedule {
    /// How many may wait for a fetch at once. Anyone can send tokens of unknown keys, and while an
    /// issuer is slow each that waits is a request that others could make.
    pub const WAITING_MAX: u32 = 64;

    /// How long keys are used before they are fetched again: so long is a key in use that its
    /// issuer has withdrawn.
    pub const REFRESH_INTERVAL: Duration = Duration::from_secs(600);

    /// How often tokens of unknown keys have the keys fetched at most.
    pub const UNKNOWN_KEY_INTERVAL: Duration = Duration::from_secs(10);

    /// How long to wait after a fetch that failed. It doubles with each further one, up to
    /// [`RETRY_INTERVAL_MAX`](Self::RETRY_INTERVAL_MAX).
    pub const RETRY_INTERVAL: Duration = Duration::from_secs(1);

    /// The longest wait after fetches that failed.
    pub const RETRY_INTERVAL_MAX: Duration = Duration::from_secs(60);

    /// How long one fetch may take.
    pub const FETCH_TIMEOUT: Duration = Duration::from_secs(5);

    /// After so long a fetch is lost that has not been finished: the request that it belonged to
    /// may have ended.
    const LOST_AFTER: Duration = Duration::from_secs(6);

    /// How long after its time a fetch is overdue. While there is anything to judge, fetches begin
    /// on time.
    const OVERDUE_AFTER: Duration = Duration::from_secs(60);

    /// When to fetch next.
    pub fn poll_timeout(&self) -> Instant {
        self.next
    }

    /// When to look again whether it is time to fetch: then, or once a fetch that is on its way
    /// counts as lost.
    pub fn next_look(&self) -> Instant {
        match self.began {
            Some(began) => self.next.max(began.saturating_add(Self::LOST_AFTER)),
            None => self.next,
        }
    }

    /// Whether it is time to fetch, and nobody does.
    pub fn is_due(&self, now: Instant) -> bool {
        self.next <= now && !self.is_fetching(now)
    }

    /// Whether it has been time to fetch for so long that keys may have been withdrawn since. Then
    /// those that were fetched last are good only if no others can be had.
    pub fn is_overdue(&self, now: Instant) -> bool {
        self.next.saturating_add(Self::OVERDUE_AFTER) <= now
    }

    /// Whether a fetch is on its way.
    pub fn is_fetching(&self, now: Instant) -> bool {
        self.began
            .is_some_and(|began| now < began.saturating_add(Self::LOST_AFTER))
    }

    /// Notes that a fetch begins.
    pub fn begin(&mut self, now: Instant) {
        if self.began.is_some() {
            // The one before is lost, with those who waited for it.
            self.end_round();
        }
        self.began = Some(now);
    }

    /// Notes that a token names a key that is not known, or that there are none, and says what it
    /// is to do. Those that wait go on when the fetch has [ended](Self::finish), however it did.
    pub fn wait(&mut self, now: Instant) -> KeyWait {
        if !self.want(now) {
            return KeyWait::Refused;
        }
        if self.waiting >= Self::WAITING_MAX {
            return KeyWait::Full;
        }
        self.waiting = self.waiting.saturating_add(1);
        KeyWait::Waits(KeyWaiter { round: self.round })
    }

    /// Notes that one waits no longer. It need not be said after the fetch has ended.
    pub fn end_wait(&mut self, waiter: KeyWaiter) {
        if waiter.round == self.round {
            self.waiting = self.waiting.saturating_sub(1);
        }
    }

    fn end_round(&mut self) {
        self.waiting = 0;
        self.round = self.round.wrapping_add(1);
    }

    /// Notes that a token names a key that is not known, or that there are none; says whether there
    /// is a fetch to wait for because of it, which is on its way or is now due. See
    /// [`wait`](Self::wait) for one that does.
    pub fn want(&mut self, now: Instant) -> bool {
        if self.is_fetching(now) {
            return true;
        }
        let earliest = self
            .finished
            .map(|finished| finished.saturating_add(Self::UNKNOWN_KEY_INTERVAL));
        if earliest.is_some_and(|earliest| now < earliest) {
            return false;
        }
        self.next = self.next.min(now);
        true
    }

    /// Notes that a fetch has ended, well or not.
    pub fn finish(&mut self, now: Instant, is_fetched: bool) {
        let wait = if is_fetched {
            self.failures = 0;
            Self::REFRESH_INTERVAL
        } else {
            let wait = Self::RETRY_INTERVAL.saturating_mul(1 << self.failures.min(6));
            self.failures = self.failures.saturating_add(1);
            wait.min(Self::RETRY_INTERVAL_MAX)
        };
        self.end_round();
        self.began = None;
        self.finished = Some(now);
        self.next = now.saturating_add(wait);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::from_millis(seconds * 1_000)
    }

    #[test]
    fn keys_are_fetched_again_after_ten_minutes() {
        let mut schedule = KeySchedule::default();
        schedule.finish(at(5), true);
        assert_eq!(schedule.poll_timeout(), at(605));
    }

    #[test]
    fn an_issuer_that_is_down_is_asked_less_and_less_and_once_a_minute_in_the_end() {
        let mut schedule = KeySchedule::default();
        let mut waits = alloc::vec::Vec::new();
        for _ in 0..9 {
            schedule.finish(at(0), false);
            waits.push(schedule.poll_timeout().as_millis() / 1_000);
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        schedule.finish(at(0), true);
        schedule.finish(at(0), false);
        assert_eq!(schedule.poll_timeout(), at(1), "it was there meanwhile");
    }

    #[test]
    fn while_keys_are_fetched_tokens_wait_and_no_other_fetch_begins() {
        let mut schedule = KeySchedule::default();
        schedule.finish(at(0), true);
        assert!(!schedule.want(at(1)));
        schedule.begin(at(1));
        assert!(schedule.want(at(1)) && schedule.want(at(6)));
        assert!(!schedule.is_due(at(6)));
        schedule.finish(at(6), false);
        assert!(!schedule.want(at(6)));
    }

    fn waits(schedule: &mut KeySchedule, now: Instant) -> KeyWaiter {
        match schedule.wait(now) {
            KeyWait::Waits(waiter) => waiter,
            other @ (KeyWait::Refused | KeyWait::Full) => panic!("{other:?}"),
        }
    }

    #[test]
    fn no_more_wait_at_once_than_may_and_each_makes_room_when_it_goes() {
        let mut schedule = KeySchedule::default();
        let waiter = waits(&mut schedule, at(0));
        schedule.begin(at(0));
        for _ in 1..KeySchedule::WAITING_MAX {
            waits(&mut schedule, at(0));
        }
        assert_eq!(schedule.wait(at(1)), KeyWait::Full);
        schedule.end_wait(waiter);
        waits(&mut schedule, at(1));
        assert_eq!(schedule.wait(at(1)), KeyWait::Full);
        schedule.finish(at(5), true);
        assert_eq!(schedule.wait(at(5)), KeyWait::Refused);
    }

    #[test]
    fn who_waited_for_an_earlier_fetch_is_not_counted_for_the_next() {
        let mut schedule = KeySchedule::default();
        let early = waits(&mut schedule, at(0));
        schedule.begin(at(0));
        schedule.finish(at(1), true);
        for _ in 0..KeySchedule::WAITING_MAX {
            waits(&mut schedule, at(20));
        }
        schedule.end_wait(early);
        assert_eq!(schedule.wait(at(20)), KeyWait::Full);
    }

    #[test]
    fn who_waits_for_a_fetch_that_is_lost_takes_no_place_of_the_next() {
        let mut schedule = KeySchedule::default();
        for _ in 0..KeySchedule::WAITING_MAX {
            waits(&mut schedule, at(0));
        }
        schedule.begin(at(0));
        schedule.begin(at(7));
        waits(&mut schedule, at(7));
    }

    #[test]
    fn a_fetch_that_nobody_finishes_is_lost() {
        let mut schedule = KeySchedule::default();
        schedule.begin(at(1));
        assert!(schedule.is_fetching(at(6)) && !schedule.is_fetching(at(7)));
        assert_eq!(schedule.next_look(), at(7));
        assert!(schedule.is_due(at(7)), "and another one begins");
    }

    #[test]
    fn keys_of_a_host_that_slept_are_overdue() {
        let mut schedule = KeySchedule::default();
        schedule.finish(at(0), true);
        assert!(schedule.is_due(at(600)) && !schedule.is_overdue(at(659)));
        assert!(schedule.is_overdue(at(660)));
        // While the issuer is down, nobody waits for it each time.
        schedule.finish(at(660), false);
        assert!(schedule.is_due(at(661)) && !schedule.is_overdue(at(661)));
    }

    #[test]
    fn tokens_of_unknown_keys_bring_one_fetch_in_ten_seconds() {
        let mut schedule = KeySchedule::default();
        schedule.finish(at(0), true);
        let fetches = (0..100).filter(|second| {
            let is_wanted = schedule.want(at(*second));
            if is_wanted {
                assert_eq!(schedule.poll_timeout(), at(*second));
                schedule.finish(at(*second), true);
            }
            is_wanted
        });
        assert_eq!(fetches.count(), 9);
    }
}
