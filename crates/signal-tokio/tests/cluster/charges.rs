//! What peers cause on other nodes is charged to them there where they are.

use std::time::Duration;

use signal_tokio::{Config, Ignored, Relay};
use tokio::time::sleep;

use crate::air::Air;
use crate::common::{self, open};
use crate::nodes::*;

/// What a peer may cause from outside with room for twelve deliveries: how many of ten publishes to
/// a room of five others were heard, and how many were past its budget.
async fn shout(here: &Relay, there: &Relay) -> (usize, u64) {
    let mut members = Vec::new();
    for _ in 0..5 {
        members.push(member(there, "garden").await);
    }
    sleep(BEAT).await;
    let mut stranger = open(here).await;
    for number in 0..10 {
        stranger.publish("garden", number).await;
        stranger.settle().await;
        sleep(Duration::from_millis(1)).await;
    }
    let heard = all(&mut members[0]).await.len();
    (heard, past_fan_out(here))
}

fn past_fan_out(relay: &Relay) -> u64 {
    let ignored = relay.stats().ignored;
    let found = ignored.iter().find(|(why, _)| *why == Ignored::FanOutRate);
    found.expect("every reason is listed").1
}

fn small_fan_out(config: &mut Config) {
    config.core.fan_out_per_second = 1;
    config.core.fan_out_burst = 12;
    config.core.pings_burst = 100;
}

/// H9 of the specification of the cluster.
#[tokio::test(start_paused = true)]
async fn who_publishes_from_outside_is_held_to_its_budget_by_two_nodes_as_by_one() {
    let air = Air::default();
    let a = node_with(&air, small_fan_out, |_| {});
    let [a, b] = know_each_other([a, node(&air)]).await;
    let alone = node_with(&Air::default(), small_fan_out, |_| {});
    joined(&alone, 0).await;
    let by_one = shout(&alone, &alone).await;
    assert_eq!(by_one, (3, 7));
    assert_eq!(shout(&a, &b).await, by_one);
    assert_eq!(stats(&a).counts.owed, 5, "the first one, and no other");
}

#[tokio::test(start_paused = true)]
async fn what_was_published_before_the_first_answer_is_a_debt() {
    let air = Air::default();
    let a = node_with(&air, small_fan_out, |_| {});
    let [a, b] = know_each_other([a, node(&air)]).await;
    let mut members = Vec::new();
    for _ in 0..5 {
        members.push(member(&b, "garden").await);
    }
    sleep(BEAT).await;
    let mut stranger = open(&a).await;
    let text = r#"{"type":"publish","topic":"garden","data":1}"#;
    let at_once = common::frame(common::TEXT, text.as_bytes()).repeat(20);
    stranger.send_raw(&at_once).await;
    let heard = all(&mut members[0]).await.len();
    assert!((3..=20).contains(&heard), "{heard}");
    let owed = stats(&a).counts.owed as usize;
    assert!(owed > 0 && owed <= heard * 5, "{owed} for {heard}");
    // All of it but twelve has to be paid, one a second.
    let debt = heard * 5 - 12;
    sleep(Duration::from_secs(debt as u64 - 10)).await;
    stranger.publish("garden", 2).await;
    assert_eq!(all(&mut members[0]).await.len(), 0);
    sleep(Duration::from_secs(10)).await;
    stranger.publish("garden", 3).await;
    assert_eq!(all(&mut members[0]).await.len(), 1);
    // Another one pays from the first publish on, as long as that is remembered.
    let mut other = open(&a).await;
    other.send_raw(&at_once).await;
    assert_eq!(all(&mut members[0]).await.len(), 3);
}
