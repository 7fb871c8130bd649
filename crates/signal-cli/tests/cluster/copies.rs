//! Copies of what relays have said on the bus: they do nothing.

use signal_cluster::wire::Message;
use signal_testwire::until_blocking;

use crate::attacked::{Attacked, PATIENT, dropped};
use crate::nodes::{count, hears, node, shown};
use crate::outsider::Heard;

#[tokio::test]
async fn copies_of_what_was_on_the_bus_do_nothing() {
    let Some(mut attacked) = Attacked::start(&PATIENT).await else {
        return;
    };
    for _ in 0..20 {
        attacked.talk().await;
    }
    let (calm, nodes) = (attacked.calm(), attacked.nodes());
    let say = |attacked: &Attacked, heard: &[Heard]| {
        for Heard { subject, payload } in heard {
            attacked.outsider.say(subject, payload);
        }
    };
    // All of it, forwards, backwards, and to whom it was not said.
    let all = attacked.outsider.heard();
    say(&attacked, &all);
    attacked.talk().await;
    let backwards: Vec<_> = all.iter().rev().cloned().collect();
    say(&attacked, &backwards);
    attacked.talk().await;
    for Heard { payload, .. } in &all {
        attacked.outsider.say_to_each(&nodes, payload);
    }
    // The latest of it a thousand times, between what goes on.
    for _ in 0..50 {
        let all = attacked.outsider.heard();
        let latest = &all[all.len() - 20..];
        for _ in 0..20 {
            say(&attacked, latest);
        }
        attacked.talk().await;
    }
    attacked.until_read();
    attacked.talk().await;
    assert_eq!(attacked.calm(), calm);
    for relay in [0, 1] {
        assert!(attacked.count(relay, &dropped("stale")) > 0.0);
        assert!(attacked.count(relay, &dropped("misdirected")) > 0.0);
    }
}

#[tokio::test]
async fn copies_do_not_bring_a_relay_back_that_is_gone() {
    let Some(mut attacked) = Attacked::start(&["--cluster-dead-after", "3s"]).await else {
        return;
    };
    let third = node(&attacked.nats.url(), &["--cluster-dead-after", "3s"]);
    hears(&third, 2);
    let id = shown(&third)["node"].as_str().expect("an id").to_owned();
    attacked.relays.iter().for_each(|relay| hears(relay, 2));
    drop(third);
    attacked.relays.iter().for_each(|relay| hears(relay, 1));
    attacked.meet().await;
    let calm = attacked.calm();
    let of_it = |heard: &Heard| match heard.message() {
        Some(Message::Beat(beat)) => beat.from.id.to_string() == id,
        Some(Message::Batch(batch)) => batch.from.id.to_string() == id,
        None => false,
    };
    let all = attacked.outsider.heard();
    let beats: Vec<_> = all.into_iter().filter(of_it).collect();
    assert!(beats.len() >= 3, "{}", beats.len());
    for Heard { subject, payload } in beats.iter().chain(&beats) {
        attacked.outsider.say(subject, payload);
    }
    attacked.until_read();
    attacked.talk().await;
    assert_eq!(attacked.calm(), calm);
    // A relay that starts now has not known it, and leaves it out until it is silent.
    let fourth = node(&attacked.nats.url(), &["--cluster-dead-after", "3s"]);
    for Heard { subject, payload } in &beats {
        attacked.outsider.say(subject, payload);
    }
    hears(&fourth, 2);
    attacked.relays.iter().for_each(|relay| hears(relay, 2));
    until_blocking("no views differ", || {
        (count(&fourth, "signal_cluster_views_differ") == 0.0).then_some(())
    });
}
