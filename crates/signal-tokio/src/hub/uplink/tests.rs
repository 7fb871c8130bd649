use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Wake;

use signal_core::Publish;

use super::*;

/// Counts how often it is woken.
#[derive(Default)]
struct Sleeper(AtomicUsize);

impl Wake for Sleeper {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn uplink(bytes_max: usize) -> Uplink {
    Uplink::new(Clock::start(), bytes_max)
}

fn publish(uplink: &Uplink, topic: &str, subscribers: usize, data: &str) -> Option<Waker> {
    let text = format!(r#"{{"type":"publish","topic":"{topic}","data":{data}}}"#);
    let publish = Publish::read(&text).expect("it is a publish");
    let delivery = publish.delivery(subscribers);
    uplink.publish(topic, subscribers, &delivery, (Some(PeerId::new(7)), 3))
}

#[test]
fn notes_come_out_in_the_order_in_which_they_went_in() {
    let uplink = uplink(1 << 20);
    uplink.count("garden", 1);
    publish(&uplink, "garden", 1, "1");
    uplink.count("κήπος", 7);
    uplink.count("garden", 0);

    let mut notes = Notes::default();
    assert_eq!(uplink.take(&mut notes, Waker::noop()), Order::Serve);
    let told: Vec<_> = notes.iter().collect();
    let message = r#"{"type":"publish","topic":"garden","data":1,"clients":1}"#;
    let count = |topic, subscribers| Told::Count { topic, subscribers };
    let topic = "garden";
    assert_eq!(
        told,
        [
            count("garden", 1),
            Told::Publish {
                topic,
                message,
                charged: 3,
                by: Some(PeerId::new(7)),
            },
            count("κήπος", 7),
            count("garden", 0)
        ]
    );
    assert!(notes.overflow.is_none());
    uplink.take(&mut notes, Waker::noop());
    assert_eq!(notes.iter().count(), 0);
}

#[test]
fn counts_that_do_not_fit_are_kept_and_publishes_counted() {
    let uplink = uplink(200);
    uplink.count("a", 1);
    publish(&uplink, "a", 1, &format!("{:?}", "x".repeat(200)));
    // These would fit again, and must not overtake.
    uplink.count("a", 2);
    uplink.count("a", 3);
    publish(&uplink, "b", 5, "1");
    publish(&uplink, "nobody", 0, "1");

    let mut notes = Notes::default();
    uplink.take(&mut notes, Waker::noop());
    let (topic, subscribers) = ("a", 1);
    let told: Vec<_> = notes.iter().collect();
    assert_eq!(told, [Told::Count { topic, subscribers }]);
    let overflow = notes.overflow.take().expect("something did not fit");
    assert_eq!(overflow.lost, 3);
    let topics: Vec<_> = overflow
        .topics
        .iter()
        .map(|(topic, late)| (&**topic, late.subscribers, late.has_lost))
        .collect();
    assert_eq!(topics, [("a", Some(3), true), ("b", None, true)]);

    uplink.count("a", 4);
    uplink.take(&mut notes, Waker::noop());
    assert_eq!((notes.iter().count(), notes.overflow.is_some()), (1, false));
}

#[test]
fn the_task_is_woken_once_for_all_that_comes_while_it_sleeps() {
    let uplink = uplink(1 << 20);
    let sleeper = Arc::new(Sleeper::default());
    let mut notes = Notes::default();
    uplink.take(&mut notes, &Arc::clone(&sleeper).into());
    for _ in 0..3 {
        wake(uplink.count("a", 1));
        wake(publish(&uplink, "a", 1, "1"));
        uplink.order(Order::Drain);
    }
    assert_eq!(sleeper.0.load(Ordering::Relaxed), 1);
    assert_eq!(uplink.take(&mut notes, Waker::noop()), Order::Drain);
    assert_eq!(notes.iter().count(), 6);
}

#[test]
fn a_task_that_has_nobody_to_tell_is_woken_when_much_waits_for_it() {
    let uplink = uplink(1 << 20);
    let sleeper = Arc::new(Sleeper::default());
    let mut notes = Notes::default();
    let wakes = || sleeper.0.load(Ordering::Relaxed);
    assert!(!uplink.set_lazy(true));
    uplink.take(&mut notes, &Arc::clone(&sleeper).into());
    wake(uplink.count("a", 1));
    wake(publish(&uplink, "a", 1, "1"));
    assert_eq!(wakes(), 0);
    let long = format!("{:?}", "x".repeat(LAZY_BYTES_MAX));
    wake(publish(&uplink, "a", 1, &long));
    assert_eq!(wakes(), 1);
    uplink.take(&mut notes, &Arc::clone(&sleeper).into());
    assert_eq!(notes.iter().count(), 3);
    uplink.order(Order::Drain);
    assert_eq!(wakes(), 2);
}

#[test]
fn what_may_not_wait_any_more_is_said() {
    let uplink = uplink(1 << 20);
    let mut notes = Notes::default();
    let _ = uplink.set_lazy(true);
    uplink.take(&mut notes, Waker::noop());
    uplink.count("a", 1);
    assert!(!uplink.set_lazy(true));
    assert!(uplink.set_lazy(false));
    uplink.take(&mut notes, Waker::noop());
    assert_eq!((notes.iter().count(), uplink.set_lazy(false)), (1, false));
    assert!(uplink.count("a", 2).is_some());
}

#[test]
fn nothing_is_kept_for_a_task_that_is_gone() {
    let uplink = uplink(1 << 20);
    uplink.count("a", 1);
    uplink.close();
    uplink.count("a", 2);
    let mut notes = Notes::default();
    uplink.take(&mut notes, Waker::noop());
    assert_eq!(notes.iter().count(), 0);
}
