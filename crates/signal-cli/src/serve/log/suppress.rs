use std::fmt::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tracing::callsite::Identifier;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use crate::serve::log::AUDIT;

/// How often one place in the code may say its line in one [`WINDOW`].
const LINES_MAX: u32 = 3;
const WINDOW: Duration = Duration::from_secs(60);

/// Lets each place in the code say its line a few times a minute, counts the rest, and reports how
/// many they were.
///
/// What is only logged when somebody asks for it, at `debug` and `trace`, is left alone.
#[derive(Debug, Default)]
pub(super) struct Suppress {
    places: Mutex<Vec<Place>>,
}

/// A place in the code that logs. There are some dozens.
#[derive(Debug)]
struct Place {
    id: Identifier,
    level: Level,
    since: Instant,
    lines: u32,
    /// Lines that were left out since then.
    left_out: u64,
    /// What the first of them said.
    message: String,
}

/// A sum to be reported.
#[derive(Debug, Eq, PartialEq)]
struct Sum {
    level: Level,
    left_out: u64,
    seconds: u64,
    message: String,
}

impl Suppress {
    pub(super) fn layer(self: Arc<Self>) -> SuppressLayer {
        SuppressLayer(self)
    }

    /// Tells of the windows that are over.
    pub(super) fn tell(&self, now: Instant) {
        self.take(now, WINDOW).iter().for_each(Sum::tell);
    }

    /// Tells of all windows, over or not.
    pub(super) fn tell_all(&self, now: Instant) {
        self.take(now, Duration::ZERO).iter().for_each(Sum::tell);
    }

    /// Whether this line may be said now.
    fn admit(&self, now: Instant, event: &Event<'_>) -> bool {
        let metadata = event.metadata();
        let mut places = self.places();
        let id = metadata.callsite();
        let Some(place) = places.iter_mut().find(|place| place.id == id) else {
            places.push(Place {
                id,
                level: *metadata.level(),
                since: now,
                lines: 1,
                left_out: 0,
                message: String::new(),
            });
            return true;
        };
        // Not while there is a sum to report: it must not be one of two windows.
        if place.left_out == 0 && now.saturating_duration_since(place.since) >= WINDOW {
            (place.since, place.lines) = (now, 0);
        }
        if place.lines < LINES_MAX {
            place.lines += 1;
            return true;
        }
        if place.left_out == 0 {
            place.message = message(event);
        }
        place.left_out += 1;
        false
    }

    /// Takes the sums of the windows that are at least so old, and begins new ones.
    fn take(&self, now: Instant, age: Duration) -> Vec<Sum> {
        let mut places = self.places();
        let over = places.iter_mut().filter(|place| {
            place.left_out > 0 && now.saturating_duration_since(place.since) >= age
        });
        over.map(|place| {
            let seconds = now.saturating_duration_since(place.since).as_secs();
            (place.since, place.lines) = (now, 0);
            Sum {
                level: place.level,
                left_out: std::mem::take(&mut place.left_out),
                seconds: seconds.max(1),
                message: std::mem::take(&mut place.message),
            }
        })
        .collect()
    }

    fn places(&self) -> MutexGuard<'_, Vec<Place>> {
        // No code that runs under this lock can panic half-way through a change.
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sum {
    /// From places of its own, which are never suppressed: there is one sum a minute for each place
    /// that has one.
    fn tell(&self) {
        let Self {
            level,
            left_out,
            seconds,
            message,
        } = self;
        match *level {
            Level::ERROR => {
                tracing::error!("and {left_out} more in the last {seconds} s: {message}")
            }
            Level::WARN => tracing::warn!("and {left_out} more in the last {seconds} s: {message}"),
            _ => tracing::info!("and {left_out} more in the last {seconds} s: {message}"),
        }
    }
}

/// [`Suppress`] as a part of a subscriber.
#[derive(Debug)]
pub(super) struct SuppressLayer(Arc<Suppress>);

impl<S: Subscriber> Layer<S> for SuppressLayer {
    fn event_enabled(&self, event: &Event<'_>, _context: Context<'_, S>) -> bool {
        let metadata = event.metadata();
        let is_free = [module_path!(), AUDIT].contains(&metadata.target());
        is_free || *metadata.level() > Level::INFO || self.0.admit(Instant::now(), event)
    }
}

/// What an event says, without its fields.
fn message(event: &Event<'_>) -> String {
    struct Message(String);
    impl Visit for Message {
        fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
            if field.name() == "message" {
                // Writing to a `String` cannot fail.
                let _ = write!(self.0, "{value:?}");
            }
        }
    }
    let mut message = Message(String::new());
    event.record(&mut message);
    message.0
}

#[cfg(test)]
mod tests {
    use std::io;

    use tracing_subscriber::fmt::{self, MakeWriter};
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    /// Keeps what is logged.
    #[derive(Clone, Debug, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("no panic").write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Lines {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    impl Lines {
        fn take(&self) -> Vec<String> {
            let bytes = std::mem::take(&mut *self.0.lock().expect("no panic"));
            let text = String::from_utf8(bytes).expect("UTF-8");
            text.lines().map(|line| line.trim().to_owned()).collect()
        }
    }

    /// Runs `body` with a log like the real one.
    fn with_log(body: impl FnOnce(&Suppress, &Lines)) {
        let (suppress, lines) = (Arc::new(Suppress::default()), Lines::default());
        let shown = fmt::layer()
            .with_writer(lines.clone())
            .without_time()
            .with_ansi(false)
            .with_target(false);
        let subscriber = tracing_subscriber::registry()
            .with(shown)
            .with(Arc::clone(&suppress).layer());
        tracing::subscriber::with_default(subscriber, || body(&suppress, &lines));
    }

    #[test]
    fn a_line_that_repeats_is_said_a_few_times_and_then_counted() {
        with_log(|suppress, lines| {
            for number in 0..1_000 {
                tracing::warn!(number, "the disk is full");
                if number % 500 == 0 {
                    tracing::warn!("something else");
                }
            }
            let said = lines.take();
            assert_eq!(said.len(), 5, "{said:?}");
            assert!(
                said.contains(&"WARN the disk is full number=2".to_owned()),
                "{said:?}"
            );
            suppress.tell(Instant::now() + WINDOW);
            assert_eq!(
                lines.take(),
                ["WARN and 997 more in the last 60 s: the disk is full"]
            );
            suppress.tell_all(Instant::now() + WINDOW);
            assert_eq!(lines.take().len(), 0, "told once");
        });
    }

    #[test]
    fn after_a_minute_it_is_said_again() {
        with_log(|suppress, lines| {
            let say = || (0..10).for_each(|_| tracing::error!("again"));
            say();
            assert_eq!(lines.take().len(), 3);
            suppress.tell(Instant::now());
            assert_eq!(lines.take().len(), 0, "the minute is not over");
            suppress.tell(Instant::now() + WINDOW);
            assert_eq!(lines.take().len(), 1);
            say();
            assert_eq!(lines.take().len(), 3);
        });
    }

    #[test]
    fn what_somebody_did_by_hand_is_always_said() {
        with_log(|_, lines| {
            (0..100).for_each(|_| tracing::info!(target: AUDIT, "closed a topic"));
            assert_eq!(lines.take().len(), 100);
        });
    }

    #[test]
    fn what_somebody_asked_for_is_not_left_out() {
        with_log(|_, lines| {
            (0..100).for_each(|_| tracing::debug!("a detail"));
            assert_eq!(lines.take().len(), 100);
        });
    }
}
