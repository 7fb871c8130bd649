//! A node without others, and what happens when one comes.

use std::time::Duration;

use tokio::time::sleep;

use crate::air::Air;
use crate::nodes::*;

#[tokio::test(start_paused = true)]
async fn a_node_that_was_alone_knows_its_peers_when_another_comes() {
    let air = Air::default();
    let a = node(&air);
    let mut ann = member(&a, "garden").await;
    let mut gone = member(&a, "cellar").await;
    cluster_until(&a, "it is alone", |stats| stats.is_alone).await;
    assert_eq!(stats(&a).homed, 0);
    // None of this is said to anyone.
    let mut amy = member(&a, "garden").await;
    let unsubscribe = r#"{"type":"unsubscribe","topics":["cellar"]}"#;
    gone.send(unsubscribe).await;
    gone.settle().await;
    ann.publish("garden", 1).await;
    for peer in [&mut ann, &mut amy] {
        let message = next(peer).await;
        assert_eq!(
            (&message["data"], &message["clients"]),
            (&1.into(), &2.into())
        );
    }
    sleep(2 * BEAT).await;
    assert_eq!(stats(&a).homed, 0);

    let b = node(&air);
    let [a, b] = know_each_other([a, b]).await;
    assert!(!stats(&a).is_alone && !stats(&b).is_alone);
    assert_eq!(
        stats(&a).homed + stats(&b).homed,
        1,
        "nobody is in the cellar"
    );
    let mut bob = member(&b, "garden").await;
    sleep(BEAT).await;
    bob.publish("garden", 2).await;
    ann.publish("garden", 3).await;
    for peer in [&mut ann, &mut amy, &mut bob] {
        let messages = all(peer).await;
        assert_eq!(messages.len(), 2, "{messages:?}");
        assert!(messages.iter().all(|message| message["clients"] == 3));
    }
    assert_eq!(stats(&a).nudged + stats(&b).nudged, 0);

    drop(bob);
    b.drain().await;
    cluster_until(&a, "it is alone again", |stats| stats.is_alone).await;
    ann.publish("garden", 4).await;
    assert_eq!(next(&mut amy).await["clients"], 2);
}

/// Each had a bus and heard nobody, and so neither has noted who said what to which topic.
#[tokio::test(start_paused = true)]
async fn peers_of_two_nodes_that_took_themselves_for_alone_announce_again() {
    let air = Air::default();
    air.disturb(1, 100, 0, 0);
    let [a, b] = [node(&air), node(&air)];
    for relay in [&a, &b] {
        cluster_until(relay, "it is alone", |stats| stats.is_alone).await;
    }
    let mut ann = member(&a, "garden").await;
    ann.publish("garden", 1).await;
    let mut bob = member(&b, "garden").await;
    bob.publish("garden", 2).await;
    let mut silent = member(&a, "garden").await;
    let mut elsewhere = member(&a, "cellar").await;
    elsewhere.publish("cellar", 3).await;
    for peer in [&mut ann, &mut bob, &mut elsewhere] {
        next(peer).await;
    }
    sleep(Duration::from_secs(30)).await;

    air.calm();
    let (ann_closed, bob_closed) = tokio::join!(ann.closed(), bob.closed());
    assert_eq!((ann_closed, bob_closed), (1012, 1012));
    sleep(Duration::from_secs(20)).await;
    assert_eq!((stats(&a).nudged, stats(&b).nudged), (1, 1));
    elsewhere.publish("cellar", 4).await;
    assert_eq!(next(&mut elsewhere).await["data"], 4);
    let mut bob = member(&b, "garden").await;
    sleep(BEAT).await;
    bob.publish("garden", 5).await;
    assert_eq!(next(&mut silent).await["clients"], 2);
}

#[tokio::test(start_paused = true)]
async fn a_node_whose_bus_is_down_is_not_alone() {
    let air = Air::default();
    let a = node(&air);
    cluster_until(&a, "it is alone", |stats| stats.is_alone).await;
    let _ann = member(&a, "garden").await;
    air.cut(id(&a));
    cluster_until(&a, "it is cut off", |stats| !stats.is_alone).await;
    assert_eq!(stats(&a).homed, 1);
    sleep(Duration::from_secs(60)).await;
    assert!(!stats(&a).is_alone);
    air.heal(id(&a));
    sleep(Duration::from_secs(10)).await;
    assert!(
        !stats(&a).is_alone,
        "others may take their time to come back"
    );
    cluster_until(&a, "it is alone", |stats| stats.is_alone).await;
}
