//! What a node makes of others that fail, and of a bus that does.

use std::time::Duration;

use signal_tokio::cluster::ClusterConfig;
use signal_tokio::{CloseReason, Ending};
use tokio::time::{sleep, timeout};

use crate::air::Air;
use crate::common::{self, open};
use crate::nodes::*;

#[tokio::test(start_paused = true)]
async fn those_of_a_node_that_is_gone_are_not_counted_any_more() {
    let air = Air::default();
    let [a, b] = nodes(&air).await;
    let mut ann = member(&a, "garden").await;
    let _bob = member(&b, "garden").await;
    sleep(BEAT).await;
    ann.publish("garden", 1).await;
    assert_eq!(next(&mut ann).await["clients"], 2);

    air.cut(id(&b));
    sleep(Duration::from_secs(7)).await;
    assert_eq!(stats(&a).nodes, []);
    ann.publish("garden", 2).await;
    assert_eq!(next(&mut ann).await["clients"], 1);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_comes_back_to_a_topic_does_not_find_the_counts_of_before() {
    let air = Air::default();
    let [a, b] = nodes(&air).await;
    let ann = member(&a, "garden").await;
    let bob = member(&b, "garden").await;
    sleep(BEAT).await;
    drop(ann);
    sleep(BEAT).await;
    drop(bob);
    sleep(BEAT).await;
    let mut ann = member(&a, "garden").await;
    ann.publish("garden", 1).await;
    assert_eq!(next(&mut ann).await["clients"], 1);
}

/// All that a hundred peers say in one moment, before the task has a turn.
#[tokio::test(start_paused = true)]
async fn what_does_not_fit_into_the_mailbox_is_counted_and_its_publishers_announce_again() {
    const PEERS: usize = 100;
    let air = Air::default();
    let small = |cluster: &mut ClusterConfig| cluster.cluster_mailbox_bytes_max = 1 << 20;
    let a = node_with(&air, |_| {}, small);
    let b = node(&air);
    let [a, b] = know_each_other([a, b]).await;
    let (mut here, mut there) = (Vec::new(), Vec::new());
    for number in 0..PEERS {
        here.push(member(&a, &format!("room {number}")).await);
        there.push(member(&b, &format!("room {number}")).await);
    }
    sleep(BEAT).await;
    let data = format!("{:?}", "x".repeat(50_000));
    for (number, peer) in here.iter_mut().enumerate() {
        peer.publish(&format!("room {number}"), &data).await;
    }
    let (mut arrived, mut closed) = (0, 0);
    for (here, there) in here.iter_mut().zip(&mut there) {
        arrived += all(there).await.len();
        assert_eq!(next(here).await["clients"], 2, "those here are served");
        let end = timeout(Duration::from_secs(10), here.closed()).await;
        closed += usize::from(end == Ok(1012));
    }
    let lost = stats(&a).mailbox_overflows as usize;
    assert!(lost > 0, "all of it fitted");
    assert_eq!((arrived, closed), (PEERS - lost, lost));
    // The last of them have left the mailbox as it was.
    let mut ann = member(&a, "garden").await;
    let mut bob = member(&b, "garden").await;
    sleep(BEAT).await;
    ann.publish("garden", 1).await;
    assert_eq!(next(&mut bob).await["clients"], 2);
}

#[tokio::test(start_paused = true)]
async fn peers_of_one_node_go_on_when_the_bus_has_ended() {
    let air = Air::default();
    let [a, b] = nodes(&air).await;
    let mut ann = member(&a, "garden").await;
    let mut bea = member(&a, "garden").await;
    let _bob = member(&b, "garden").await;
    sleep(BEAT).await;
    assert!(stats(&a).bus.is_up);

    air.end(id(&a));
    sleep(Duration::from_secs(7)).await;
    ann.publish("garden", 1).await;
    for peer in [&mut ann, &mut bea] {
        let message = next(peer).await;
        assert_eq!(
            (&message["data"], &message["clients"]),
            (&1.into(), &2.into())
        );
    }
    assert!(!stats(&a).bus.is_up);
    assert_eq!(ready(&a).await, 200);
}

/// N1 of the specification of the cluster.
#[tokio::test(start_paused = true)]
async fn a_peer_that_published_while_nodes_were_apart_is_closed_to_announce_again_and_no_other() {
    let air = Air::default();
    let [a, b] = nodes(&air).await;
    let (mut ann, mut quiet) = (member(&a, "garden").await, member(&a, "garden").await);
    let mut bob = member(&b, "garden").await;
    let mut alone = member(&a, "cellar").await;
    sleep(Duration::from_secs(30)).await;

    air.cut(id(&b));
    sleep(Duration::from_secs(10)).await;
    ann.publish("garden", 1).await;
    alone.publish("cellar", 1).await;
    assert_eq!(next(&mut ann).await["clients"], 2);
    air.heal(id(&b));
    // Within 15 s of the end, as M1 promises.
    let closed = timeout(Duration::from_secs(15), ann.closed()).await;
    assert_eq!(closed, Ok(1012));
    let ending = Ending::ByRelay(CloseReason::AnnounceAgain);
    common::until(&a, "one is closed so", |stats| {
        stats.endings.contains(&(ending, 1))
    })
    .await;
    assert_eq!(stats(&a).nudged, 1);

    let mut ann = open(&a).await;
    announce(&mut ann, "garden").await;
    for peer in [&mut quiet, &mut bob] {
        let got = all(peer).await;
        assert_eq!(
            got.last().map(|message| &message["clients"]),
            Some(&3.into())
        );
    }
    assert_eq!(all(&mut alone).await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn nobody_is_closed_for_a_gap_where_that_is_switched_off() {
    let air = Air::default();
    let a = node_with(
        &air,
        |_| {},
        |cluster| cluster.nodes.cluster_reannounce = false,
    );
    let b = node(&air);
    joined(&a, 1).await;
    sleep(Duration::from_secs(30)).await;
    let mut ann = member(&a, "garden").await;
    let _bob = member(&b, "garden").await;
    air.cut(id(&b));
    sleep(Duration::from_secs(10)).await;
    ann.publish("garden", 1).await;
    air.heal(id(&b));
    sleep(Duration::from_secs(30)).await;
    assert_eq!(stats(&a).nodes.len(), 1);
    assert_eq!(stats(&a).nudged, 0);
}

#[tokio::test(start_paused = true)]
async fn garbage_on_the_bus_is_dropped_and_counted() {
    let air = Air::default();
    let [a, b] = nodes(&air).await;
    let mut ann = member(&a, "garden").await;
    let mut bob = member(&b, "garden").await;
    sleep(BEAT).await;
    let before = stats(&b).counts;
    for garbage in [&b""[..], b"SGC", b"SGC\x01\x02garbage", &[0xff; 1_000]] {
        air.forge(id(&b), garbage);
    }
    air.forge(id(&b), &vec![0; 1 << 20]);
    ann.publish("garden", 1).await;
    assert_eq!(next(&mut bob).await["data"], 1);
    let counts = stats(&b).counts;
    assert_eq!(counts.malformed - before.malformed, 4);
    assert_eq!(counts.oversized - before.oversized, 1);
}
