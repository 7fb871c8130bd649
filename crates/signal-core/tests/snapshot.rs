//! Snapshots: their size, their versions, and whatever bytes a storage may give back. That they
//! change nothing is the model's business.

mod support;

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::json;
use signal_core::{CloseReason, Grant, Outcome, PeerSnapshot, RestoreError, Room, TopicSet};
use support::{ANN, BOB, CAT, Still, at};

fn example() -> PeerSnapshot {
    let mut still = Still::new();
    let grant = Grant::new(TopicSet::none().exact("a").prefix("b/"), TopicSet::All);
    let grant = grant
        .clients_max(TopicSet::All, 300)
        .clients_max(TopicSet::none().exact("a").prefix("b/"), u32::MAX)
        .expires_at(at(1_800_000_600_000));
    still.room.connect(at(1_800_000_000_000), CAT, grant);
    still.send(CAT, r#"{"type":"subscribe","topics":["a","b/1","b/2"]}"#);
    still.room.snapshot(CAT).expect("cat is connected")
}

#[test]
fn a_stock_peer_fits_into_an_attachment_many_times() {
    let mut still = Still::new();
    let topics: Vec<String> = (0..20).map(|n| format!("{n:036}")).collect();
    still.send(
        CAT,
        &json!({"type": "subscribe", "topics": topics}).to_string(),
    );
    let snapshot = still.room.snapshot(CAT).expect("cat is connected");
    let bytes = snapshot.to_bytes().len();
    assert!(bytes < 1_024, "{bytes} bytes for 20 topics");
}

#[test]
fn the_largest_peer_is_larger_than_an_attachment() {
    let mut still = Still::new();
    for n in 0..128 {
        let topic = format!("{n:0256}");
        still.send(
            CAT,
            &json!({"type": "subscribe", "topics": [topic]}).to_string(),
        );
    }
    let snapshot = still.room.snapshot(CAT).expect("cat is connected");
    assert!(snapshot.to_bytes().len() > 16_384);
    assert_eq!(PeerSnapshot::from_bytes(&snapshot.to_bytes()), Ok(snapshot));
}

/// With the checksum made right, only the version speaks.
#[test]
fn another_version_is_an_error_that_names_it() {
    let mut bytes = example().to_bytes();
    bytes[0] = 0;
    let content = bytes.len() - 4;
    let sum = bytes[..content].iter().fold(0x811c_9dc5_u32, |sum, byte| {
        (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    });
    bytes[content..].copy_from_slice(&sum.to_le_bytes());
    let error = PeerSnapshot::from_bytes(&bytes).expect_err("version 0 is not ours");
    assert_eq!(error, RestoreError::Version(0));
    assert_eq!(
        error.to_string(),
        "the snapshot has version 0, this build reads versions 3 and 4"
    );
}

#[test]
fn a_shortened_snapshot_is_an_error() {
    let bytes = example().to_bytes();
    for length in 0..bytes.len() {
        assert_eq!(
            PeerSnapshot::from_bytes(&bytes[..length]),
            Err(RestoreError::Damaged)
        );
    }
}

#[test]
fn a_flipped_bit_is_an_error() {
    let bytes = example().to_bytes();
    for bit in 0..bytes.len() * 8 {
        let mut damaged = bytes.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(
            PeerSnapshot::from_bytes(&damaged),
            Err(RestoreError::Damaged),
            "bit {bit}"
        );
    }
}

#[test]
fn a_name_in_use_is_an_error_and_changes_nothing() {
    let mut still = Still::new();
    let before = still.room.snapshot(ANN);
    assert_eq!(still.room.restore(ANN, example()), Err(RestoreError::InUse));
    assert_eq!(still.room.snapshot(ANN), before);
}

#[test]
fn a_held_peer_comes_back_held() {
    let mut still = Still::new();
    still.room.refuse(at(0), ANN, CloseReason::TooBig);
    let mut woken = support::model::hibernate(&still.room);
    assert!(woken.peer(ANN).is_some_and(signal_core::Peer::is_held));
    assert_eq!(woken.topics(), still.room.topics());
    let mut out: Vec<signal_core::Output> = Vec::new();
    woken.handle_timeout(at(2_000), &mut out);
    assert_eq!(out, [signal_core::Output::Close(ANN, CloseReason::TooBig)]);
}

/// Bytes behind a right checksum, so that the reader itself is met.
fn sealed(mut content: Vec<u8>) -> Vec<u8> {
    let sum = content.iter().fold(0x811c_9dc5_u32, |sum, byte| {
        (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    });
    content.extend(sum.to_le_bytes());
    content
}

/// Version 1 knew no budgets of bytes, and kept the others as times.
#[test]
fn a_snapshot_of_version_1_is_an_error_that_names_it() {
    let content = [
        &[1, 0, 0, 0][..],   // the version, and a grant for all topics without end
        &[5],                // the latest time
        &[0, 0, 0, 0, 0],    // its budgets, and no invalid message
        &[1, 0xb0, 0xea, 1], // its next ping, at 30,000 ms
        &[1, 0, 0, 0],       // it has been heard, is not held, and is in no topic
    ]
    .concat();
    assert_eq!(
        PeerSnapshot::from_bytes(&sealed(content)),
        Err(RestoreError::Version(1))
    );
}

/// Version 3 knew no numbers in grants. It is what sleeping peers were kept in before an upgrade.
#[test]
fn a_snapshot_of_version_3_comes_back_whole() {
    let content = [
        &[3, 0][..],               // the version, and a right to subscribe to all topics
        &[2, 1, 2, b'b', b'/'],    // a right to publish to all that begin with b/
        &[0, 5],                   // no end, and the latest time
        &[0, 0, 0, 0, 0, 0],       // nothing of its budgets is used
        &[0xb6, 0xea, 1, 0, 1, 0], // its next ping, at 30,005 ms; nothing invalid, heard, ponged
        &[0, 2, 1, b'a', 1, b't'], // not held, in two topics
    ]
    .concat();
    let old = PeerSnapshot::from_bytes(&sealed(content)).expect("an old snapshot");
    let mut still = Still::new();
    let grant = Grant::new(TopicSet::All, TopicSet::none().prefix("b/"));
    still.room.connect(at(5), CAT, grant);
    still.send_at(5, CAT, r#"{"type":"subscribe","topics":["a","t"]}"#);
    // By then the budgets are full.
    let later = |room: &mut Room| {
        room.pong(at(1_005), CAT);
        room.snapshot(CAT)
    };
    let mut woken = Room::new(still.room.limits().clone());
    woken.restore(CAT, old).expect("the room is empty");
    assert_eq!(later(&mut woken), later(&mut still.room));
    assert_eq!(woken.topics().subscribers("t"), [CAT]);
}

#[test]
fn how_many_a_grant_lets_topics_have_comes_back_with_it() {
    let mut still = Still::new();
    let grant = || Grant::open().clients_max(TopicSet::none().exact("t").prefix("u"), 1);
    still.room.connect(at(0), CAT, grant());
    still.room.connect(at(0), BOB, grant());
    still.send(CAT, r#"{"type":"subscribe","topics":["t"]}"#);
    let mut woken = support::model::hibernate(&still.room);
    let mut join = |topics: &str| {
        let text = format!(r#"{{"type":"subscribe","topics":{topics}}}"#);
        woken.receive(at(0), BOB, &text, &mut Vec::<signal_core::Output>::new())
    };
    assert_eq!(
        join(r#"["t","u","x"]"#),
        Some(Outcome::Subscribed {
            topics: 2,
            skipped: 1,
            limit: Some("grant_clients_max")
        })
    );
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in vec(any::<u8>(), 0..300)) {
        let _ = PeerSnapshot::from_bytes(&bytes);
        for version in [3, 4] {
            let mut content = vec![version];
            content.extend(&bytes);
            if let Ok(snapshot) = PeerSnapshot::from_bytes(&sealed(content)) {
                prop_assert_eq!(PeerSnapshot::from_bytes(&snapshot.to_bytes()), Ok(snapshot));
            }
        }
    }

    #[test]
    fn no_change_of_a_real_one_makes_it_panic(place in 0..60usize, byte in any::<u8>(), cut in 0..60usize) {
        let mut content = example().to_bytes();
        content.truncate(content.len() - 4);
        let place = place % content.len();
        content[place] = byte;
        content.truncate(content.len().max(cut) - cut / 2);
        let mut still = Still::new();
        if let Ok(snapshot) = PeerSnapshot::from_bytes(&sealed(content)) {
            still.room.disconnect(CAT);
            prop_assert_eq!(still.room.restore(CAT, snapshot), Ok(()));
            still.send(CAT, r#"{"type":"publish","topic":"t"}"#);
        }
    }
}
