//! What an authorizer may say, and what becomes of it.

mod common;

use std::time::Duration;

use common::{UPGRADE, Wire, ask, dial_from, relay, retry_after, status, upgrade};
use signal_tokio::{
    Config, Grant, Permit, Refusal, RefusalCause, Relay, Subject, TopicSet, UpgradeRequest,
};

/// A relay where the path is the name of a subject that may have two connections.
fn two_for_each_name() -> Relay {
    let judge = |request: &UpgradeRequest<'_>| {
        Ok(Permit::from(Grant::open()).subject(Subject::new(request.uri.path(), 2)))
    };
    Relay::with_authorizer(Config::default(), judge).expect("valid settings")
}

#[tokio::test(start_paused = true)]
async fn a_subject_past_its_cap_is_told_to_wait() {
    let relay = two_for_each_name();
    let (first, head) = ask(&relay, &upgrade("/ann", &[])).await;
    assert_eq!(status(&head), 101);
    let (_second, head) = ask(&relay, &upgrade("/ann", &[])).await;
    assert_eq!(status(&head), 101);
    let (mut third, head) = ask(&relay, &upgrade("/ann", &[])).await;
    assert_eq!(status(&head), 429);
    assert_eq!(retry_after(&head), 30);
    assert!(third.rest().await.contains("your token"));
    let refusals = relay.stats().refusals;
    assert!(
        refusals.contains(&(RefusalCause::PeersPerSubject, 1)),
        "{refusals:?}"
    );
    assert_eq!(relay.stats().peers, 2, "who was refused is not counted");

    let (_other, head) = ask(&relay, &upgrade("/ben", &[])).await;
    assert_eq!(status(&head), 101, "somebody else");
    drop(first);
    common::until(&relay, "the first has gone", |stats| stats.peers == 2).await;
    let (_again, head) = ask(&relay, &upgrade("/ann", &[])).await;
    assert_eq!(status(&head), 101, "a connection of hers has ended");
}

#[tokio::test]
async fn connections_authorized_elsewhere_count_for_their_subject_too() {
    let relay = relay(|_| {});
    let permit = Permit::from(Grant::open()).subject(Subject::new("ann", 1));
    let first = relay.admit(permit.clone(), None).expect("room");
    let refusal = relay.admit(permit.clone(), None).expect_err("her only one");
    assert_eq!(refusal.cause(), RefusalCause::PeersPerSubject);
    drop(first);
    drop(relay.admit(permit, None).expect("room again"));
    assert_eq!(relay.stats().peers, 0);
}

#[tokio::test(start_paused = true)]
async fn the_protocol_of_the_permit_is_answered() {
    let judge = |_: &UpgradeRequest<'_>| Ok(Permit::from(Grant::open()).protocol("marker"));
    let relay = Relay::with_authorizer(Config::default(), judge).expect("valid settings");
    let offer = "Host: localhost\r\nSec-WebSocket-Protocol: secret, marker\r\n";
    let request = UPGRADE.replacen("Host: localhost\r\n", offer, 1);
    let (_wire, head) = ask(&relay, &request).await;
    assert_eq!(status(&head), 101);
    assert!(
        head.contains("\r\nSec-WebSocket-Protocol: marker\r\n"),
        "{head}"
    );
    assert!(!head.contains("secret"), "{head}");
}

#[tokio::test(start_paused = true)]
async fn a_401_names_a_way_to_authenticate() {
    let judge = |_: &UpgradeRequest<'_>| Err::<Grant, _>(Refusal::new(401, "no"));
    let relay = Relay::with_authorizer(Config::default(), judge).expect("valid settings");
    let (_, head) = ask(&relay, UPGRADE).await;
    assert_eq!(status(&head), 401);
    assert!(head.contains("\r\nWWW-Authenticate: Bearer\r\n"), "{head}");
}

#[tokio::test(start_paused = true)]
async fn an_authorizer_is_replaced_without_closing_anybody() {
    let everyone = |_: &UpgradeRequest<'_>| Ok(Grant::open());
    let nobody = |_: &UpgradeRequest<'_>| -> Result<Grant, _> { Err(Refusal::new(403, "closed")) };
    let relay = Relay::with_authorizer(Config::default(), everyone).expect("valid settings");
    let (mut ann, _) = ask(&relay, UPGRADE).await;
    ann.subscribe("t").await;
    relay.set_authorizer(nobody);
    let (_, head) = ask(&relay, UPGRADE).await;
    assert_eq!(status(&head), 403);
    ann.publish("t", 1).await;
    assert_eq!(ann.next_json().await["data"], 1, "ann has her grant still");
    relay.set_authorizer(|_: &UpgradeRequest<'_>| {
        Ok(Grant::new(TopicSet::none(), TopicSet::none()))
    });
    let (mut ben, head) = ask(&relay, UPGRADE).await;
    assert_eq!(status(&head), 101);
    ben.subscribe("t").await;
    ben.settle().await;
    assert_eq!(relay.stats().subscriptions, 1, "ben has the new one");
}

#[tokio::test(start_paused = true)]
async fn an_authorizer_sees_what_is_known_of_a_client_and_its_debug_shows_no_secret() {
    let judge = |request: &UpgradeRequest<'_>| -> Result<Grant, _> {
        assert_eq!(request.client, Some([203, 0, 113, 7].into()));
        assert_eq!(request.now.as_millis(), 60_000);
        Err(Refusal::new(403, format!("{request:?}")))
    };
    let relay = Relay::with_authorizer(Config::default(), judge).expect("valid settings");
    tokio::time::sleep(Duration::from_secs(60)).await;
    let client = dial_from(&relay, "203.0.113.7:1000");
    let request = upgrade(
        "/room?token=tellnobody",
        &[("Authorization", "Bearer tellnobody")],
    );
    let (mut wire, head) = Wire::request(client, &request).await;
    assert_eq!(status(&head), 403);
    let printed = wire.rest().await;
    assert!(
        printed.contains("/room") && printed.contains("authorization"),
        "{printed}"
    );
    assert!(!printed.contains("tellnobody"), "{printed}");
}
