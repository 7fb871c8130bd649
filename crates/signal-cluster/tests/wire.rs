//! What nodes send each other is read as it was written, or not at all.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use signal_cluster::wire::{Batch, Beat, Frame, LinkState, Message, VERSION, WireError};
use signal_cluster::{Node, NodeId, Payer};

mod support;

fn node() -> impl Strategy<Value = Node> {
    (any::<u64>(), any::<u32>()).prop_map(|(id, life)| Node {
        id: NodeId::new(id),
        life,
    })
}

fn frame() -> impl Strategy<Value = Frame> {
    let topic = || ".{0,20}".prop_map(|topic: String| topic.into());
    let text = || ".{0,60}".prop_map(|text: String| text.into());
    prop_oneof![
        (topic(), any::<u32>(), any::<bool>()).prop_map(|(topic, subscribers, moved)| {
            Frame::Subscribe {
                topic,
                subscribers,
                moved,
            }
        }),
        (topic(), any::<u64>(), any::<bool>(), payer(), text()).prop_map(
            |(topic, number, again, payer, message)| Frame::Publish {
                topic,
                number,
                again,
                payer,
                message,
            }
        ),
        (topic(), node(), any::<u64>(), any::<u32>(), text()).prop_map(
            |(topic, origin, number, elsewhere, message)| Frame::Pass {
                topic,
                origin,
                number,
                elsewhere,
                message,
            }
        ),
        (topic(), any::<u32>()).prop_map(|(topic, elsewhere)| Frame::Count { topic, elsewhere }),
        (any::<u64>(), any::<u32>(), any::<u32>()).prop_map(|(peer, deliveries, message_bytes)| {
            Frame::Owe {
                peer,
                deliveries,
                message_bytes,
            }
        }),
    ]
}

fn payer() -> impl Strategy<Value = Option<Payer>> {
    let payer = (any::<u64>(), any::<u32>()).prop_map(|(peer, charged)| Payer { peer, charged });
    prop::option::of(payer)
}

fn batch() -> impl Strategy<Value = Message> {
    let head = (
        node(),
        node(),
        any::<u32>(),
        any::<u32>(),
        any::<u64>(),
        any::<bool>(),
    );
    (head, vec(frame(), 0..8)).prop_map(|((from, to, session, first, heard, asks), frames)| {
        Message::Batch(Batch {
            from,
            to,
            session,
            first: first.into(),
            heard,
            asks,
            frames,
        })
    })
}

fn beat() -> impl Strategy<Value = Message> {
    let link = (node(), any::<u32>(), any::<u64>(), any::<u64>());
    let link = link.prop_map(|(node, session, last, heard)| LinkState {
        node,
        session,
        last,
        heard,
    });
    let flags = (any::<bool>(), any::<bool>(), any::<bool>());
    (
        node(),
        any::<u8>(),
        flags,
        any::<u64>(),
        any::<u64>(),
        vec(link, 0..8),
    )
        .prop_map(
            |(from, newest, (is_draining, is_young, leaves), view, uptime, links)| {
                Message::Beat(Beat {
                    from,
                    newest,
                    is_draining,
                    is_young,
                    leaves,
                    view,
                    uptime: Duration::from_millis(uptime),
                    links,
                })
            },
        )
}

fn message() -> impl Strategy<Value = Message> {
    prop_oneof![batch(), beat()]
}

fn decode(bytes: &[u8]) -> Result<Message, WireError> {
    Message::decode(bytes, VERSION..=VERSION)
}

proptest! {
    #[test]
    fn what_was_written_is_read(message in message()) {
        let bytes = message.encode(VERSION);
        prop_assert_eq!(decode(&bytes), Ok(message));
    }

    #[test]
    fn a_flipped_bit_is_found_wherever_it_is(message in message(), place in any::<prop::sample::Index>()) {
        let mut bytes = message.encode(VERSION);
        let bit = place.index(bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        let error = decode(&bytes).expect_err("it is damaged");
        // The fourth byte is the version.
        let is_version = bit / 8 == 3;
        prop_assert_eq!(is_version, error == WireError::Version(bytes[3]));
    }

    #[test]
    fn garbage_is_not_a_message_and_does_not_panic(bytes in vec(any::<u8>(), 0..200)) {
        prop_assert!(decode(&bytes).is_err());
        support::targets::wire(&bytes);
    }

    #[test]
    fn garbage_behind_a_right_head_does_not_panic(kind in 1..=2_u8, bytes in vec(any::<u8>(), 0..200)) {
        support::targets::wire(&[&[kind], &*bytes].concat());
    }

    #[test]
    fn two_messages_in_a_row_are_none(one in message(), other in message()) {
        let both = [one.encode(VERSION), other.encode(VERSION)].concat();
        prop_assert_eq!(decode(&both), Err(WireError::Malformed));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_message_that_ends_too_early_is_refused(message in message()) {
        let bytes = message.encode(VERSION);
        for end in 0..bytes.len() {
            prop_assert_eq!(decode(&bytes[..end]), Err(WireError::Malformed));
        }
    }
}

#[test]
fn an_unknown_version_is_named() {
    let beat = Message::Beat(Beat {
        from: Node {
            id: NodeId::new(1),
            life: 2,
        },
        newest: 9,
        is_draining: false,
        is_young: true,
        leaves: false,
        view: 3,
        uptime: Duration::from_secs(4),
        links: Vec::new(),
    });
    assert_eq!(decode(&beat.encode(9)), Err(WireError::Version(9)));
    assert_eq!(Message::decode(&beat.encode(2), 1..=2), Ok(beat));
}

/// The bytes of version 1, so that no change to the code changes them by accident.
#[test]
fn the_bytes_are_those_of_the_specification() {
    let node = |id, life| Node {
        id: NodeId::new(id),
        life,
    };
    let batch = Message::Batch(Batch {
        from: node(1, 2),
        to: node(3, 4),
        session: 5,
        first: 300,
        heard: 7,
        asks: true,
        frames: vec![
            Frame::Subscribe {
                topic: "t".into(),
                subscribers: 2,
                moved: true,
            },
            Frame::Count {
                topic: "u".into(),
                elsewhere: 1,
            },
            Frame::Publish {
                topic: "t".into(),
                number: 9,
                again: false,
                payer: Some(Payer {
                    peer: 200,
                    charged: 3,
                }),
                message: "{}".to_owned().into(),
            },
            Frame::Owe {
                peer: 200,
                deliveries: 4,
                message_bytes: 2,
            },
        ],
    });
    let bytes = batch.encode(VERSION);
    let (text, sum) = bytes.split_at(bytes.len() - 8);
    let from_and_to = [
        1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0,
    ];
    let frames = [
        &[1, 1, 1, b't', 2][..],
        &[4, 1, b'u', 1],
        &[2, 2, 1, b't', 9, 200, 1, 3, 2, b'{', b'}'],
        &[5, 200, 1, 4, 2],
    ];
    let rest = [&[5, 0xac, 2, 7, 1][..], &frames.concat()].concat();
    assert_eq!(text, [b"SGC\x01\x02", &from_and_to[..], &rest].concat());
    assert_eq!(sum, SUM);
}

const SUM: [u8; 8] = [80, 246, 184, 131, 236, 47, 241, 146];
