//! An address is not one person: what one client behind it does must not shut out the others.

mod common;

use std::time::Duration;

use common::{UPGRADE, Wire, dial_from, relay, retry_after, status, upgrade};
use signal_tokio::{
    Authorization, Authorizer, Config, Grant, Refusal, RefusalCause, Relay, UpgradeRequest,
};
use tokio::io::DuplexStream;
use tokio::time::advance;

/// The address that a school, or a household, has.
const NAT: &str = "203.0.113.7:1000";

async fn knock(relay: &Relay, remote: &str) -> (Wire<DuplexStream>, String) {
    Wire::request(dial_from(relay, remote), UPGRADE).await
}

/// Comes in and is closed for two bad bytes. The status of its upgrade.
async fn offend(relay: &Relay, remote: &str) -> u16 {
    let (mut wire, head) = knock(relay, remote).await;
    if status(&head) == 101 {
        wire.send_raw(&[0xff, 0xff]).await;
        assert_eq!(wire.next().await.expect("a close").close_code(), 1002);
    }
    status(&head)
}

fn count(relay: &Relay, cause: RefusalCause) -> u64 {
    let refusals = relay.stats().refusals;
    let found = refusals.iter().find(|(known, _)| *known == cause);
    found.map_or(0, |(_, count)| *count)
}

#[tokio::test(start_paused = true)]
async fn two_bad_bytes_each_ten_seconds_harm_no_neighbour() {
    let relay = relay(|_| {});
    let mut upgraded = 0;
    for second in 0..110 {
        if second % 10 == 0 {
            assert_eq!(offend(&relay, NAT).await, 101, "after {second} s");
        }
        let (_neighbour, head) = knock(&relay, NAT).await;
        upgraded += u32::from(status(&head) == 101);
        advance(Duration::from_secs(1)).await;
    }
    assert_eq!(upgraded, 110);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_closed_and_comes_back_at_once_is_kept_away() {
    let relay = relay(|_| {});
    let mut accepted = 0;
    // As a stock client does: it would be let in a thousand times in these three seconds.
    for _ in 0..1_000 {
        accepted += u32::from(offend(&relay, NAT).await == 101);
        advance(Duration::from_millis(3)).await;
    }
    assert_eq!(accepted, 13);
    assert_eq!(count(&relay, RefusalCause::ClosedBefore), 987);
    let (mut wire, head) = knock(&relay, NAT).await;
    assert_eq!((status(&head), retry_after(&head)), (429, 8));
    assert!(
        wire.rest()
            .await
            .contains("were closed for breaking limits")
    );
    let (_other, head) = knock(&relay, "203.0.113.8:1000").await;
    assert_eq!(status(&head), 101, "another address");
    advance(Duration::from_secs(10)).await;
    assert_eq!(offend(&relay, NAT).await, 101);
}

#[tokio::test(start_paused = true)]
async fn while_one_behaves_its_neighbours_are_let_in_whatever_another_does() {
    let relay = relay(|_| {});
    let (mut ann, _) = knock(&relay, NAT).await;
    for _ in 0..4 {
        advance(Duration::from_secs(6)).await;
        ann.settle().await;
    }
    for _ in 0..100 {
        assert_eq!(offend(&relay, NAT).await, 101);
        advance(Duration::from_millis(500)).await;
    }
    let (_ben, head) = knock(&relay, NAT).await;
    assert_eq!(status(&head), 101);
    assert_eq!(count(&relay, RefusalCause::ClosedBefore), 0);
}

#[tokio::test(start_paused = true)]
async fn loops_that_say_nothing_use_up_no_neighbours_connects() {
    let relay = relay(|_| {});
    let (mut ann, _) = knock(&relay, NAT).await;
    for _ in 0..4 {
        advance(Duration::from_secs(6)).await;
        ann.settle().await;
    }
    for round in 0..500 {
        assert_eq!(offend(&relay, NAT).await, 101, "round {round}");
        let (silent, head) = knock(&relay, NAT).await;
        assert_eq!(status(&head), 101, "round {round}");
        drop(silent);
        advance(Duration::from_millis(1)).await;
    }
    let (_ben, head) = knock(&relay, NAT).await;
    assert_eq!(status(&head), 101);
}

/// Its request is answered, and nobody is left to take the answer.
#[tokio::test(start_paused = true)]
async fn who_does_not_wait_for_the_answer_uses_up_no_neighbours_connects() {
    let relay = relay(|_| {});
    let (request, ()) = signal_tokio::http::Request::get("/")
        .header("Host", "localhost")
        .header("Upgrade", "websocket")
        .header("Connection", "Upgrade")
        .header("Sec-WebSocket-Version", "13")
        .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
        .body(())
        .expect("a request")
        .into_parts();
    let nat = NAT.parse().expect("an address");
    for _ in 0..1_000 {
        let upgrade = relay.upgrade(&request, Some(nat)).await;
        assert_eq!(upgrade.response.status(), 101);
        drop(upgrade.admission.expect("a connection"));
    }
    assert_eq!(status(&knock(&relay, NAT).await.1), 101);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_says_something_has_connected() {
    let relay = relay(|_| {});
    let mut connects = 0;
    loop {
        let (mut peer, head) = knock(&relay, NAT).await;
        if status(&head) != 101 {
            break;
        }
        peer.settle().await;
        connects += 1;
    }
    assert_eq!(connects, 120);
    assert_eq!(count(&relay, RefusalCause::ConnectRate), 1);
}

fn only_good(request: &UpgradeRequest<'_>) -> Result<Grant, Refusal> {
    match request.uri.query() {
        Some("token=good") => Ok(Grant::open()),
        Some("token=busy") => Err(Refusal::new(503, "later")),
        _ => Err(Refusal::new(401, "not this one")),
    }
}

async fn show(relay: &Relay, token: &str) -> u16 {
    let request = upgrade(&format!("/?token={token}"), &[]);
    let (_wire, head) = Wire::request(dial_from(relay, NAT), &request).await;
    status(&head)
}

#[tokio::test(start_paused = true)]
async fn a_hundred_and_twenty_garbage_tokens_a_minute_use_up_no_connects() {
    let relay = Relay::with_authorizer(Config::default(), only_good).expect("valid settings");
    for second in 0..120 {
        assert_eq!(
            show(&relay, "garbage").await,
            401,
            "after {second} half seconds"
        );
        assert_eq!(
            show(&relay, "good").await,
            101,
            "after {second} half seconds"
        );
        advance(Duration::from_millis(500)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_address_that_shows_nothing_but_garbage_is_told_to_wait() {
    let relay = Relay::with_authorizer(Config::default(), only_good).expect("valid settings");
    for _ in 0..120 {
        assert_eq!(show(&relay, "garbage").await, 401);
    }
    assert_eq!(show(&relay, "garbage").await, 429);
    assert_eq!(count(&relay, RefusalCause::DeniedBefore), 1);
    advance(Duration::from_millis(500)).await;
    assert_eq!(show(&relay, "garbage").await, 401);
    assert_eq!(show(&relay, "garbage").await, 429);
    assert_eq!(
        show(&relay, "good").await,
        101,
        "it was nobody's fault but one's"
    );
}

#[tokio::test(start_paused = true)]
async fn no_flood_of_garbage_keeps_a_neighbour_out_while_another_behaves() {
    let relay = Relay::with_authorizer(Config::default(), only_good).expect("valid settings");
    assert_eq!(show(&relay, "good").await, 101, "it has been here");
    for round in 0..30 {
        for _ in 0..100 {
            assert_eq!(show(&relay, "garbage").await, 401, "round {round}");
        }
        assert_eq!(show(&relay, "good").await, 101, "round {round}");
        advance(Duration::from_secs(1)).await;
    }
}

/// Asks somebody else, who is not to be flooded.
struct Costly;

impl Authorizer for Costly {
    fn authorize<'a>(&'a self, request: &'a UpgradeRequest<'a>) -> Authorization<'a> {
        Box::pin(std::future::ready(only_good(request).map(Into::into)))
    }
}

#[tokio::test(start_paused = true)]
async fn an_authorizer_that_asks_others_is_asked_only_so_often() {
    let relay = Relay::with_authorizer(Config::default(), Costly).expect("valid settings");
    assert_eq!(show(&relay, "good").await, 101);
    let mut asked = 0;
    while show(&relay, "garbage").await == 401 {
        asked += 1;
    }
    assert_eq!(
        asked, 240,
        "one share, and one more for the peer that behaves"
    );
    assert_eq!(count(&relay, RefusalCause::DeniedBefore), 1);
}

#[tokio::test(start_paused = true)]
async fn what_an_authorizer_refuses_for_another_reason_is_a_connect() {
    let relay = Relay::with_authorizer(Config::default(), only_good).expect("valid settings");
    for _ in 0..120 {
        assert_eq!(show(&relay, "busy").await, 503);
    }
    assert_eq!(show(&relay, "good").await, 429);
    assert_eq!(count(&relay, RefusalCause::ConnectRate), 1);
}

#[tokio::test(start_paused = true)]
async fn the_networks_of_one_ipv6_site_share_a_limit() {
    let relay = relay(|config| config.addresses.peers_per_site_max = 3);
    let mut peers = Vec::new();
    for network in 0..3 {
        let (peer, head) = knock(&relay, &format!("[2001:db8:1:{network}::1]:1000")).await;
        assert_eq!(status(&head), 101);
        peers.push(peer);
    }
    let (mut wire, head) = knock(&relay, "[2001:db8:1:ffff::1]:1000").await;
    assert_eq!(status(&head), 429);
    assert!(wire.rest().await.contains("your network"));
    assert_eq!(count(&relay, RefusalCause::PeersPerSite), 1);
    let (_other, head) = knock(&relay, "[2001:db8:2::1]:1000").await;
    assert_eq!(status(&head), 101, "another site");
}
