//! The room against a naive relay, under random operations.

mod support;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use support::model::{Op, PEERS, TOPICS, Trio};

fn op() -> impl Strategy<Value = Op> {
    let peer = || 0..PEERS;
    let topics = || vec(0..TOPICS, 0..4);
    prop_oneof![
        4 => (peer(), option::weighted(0.2, 0..90_000u64))
            .prop_map(|(peer, grant_millis)| Op::Connect { peer, grant_millis }),
        1 => peer().prop_map(|peer| Op::Disconnect { peer }),
        6 => (peer(), topics()).prop_map(|(peer, topics)| Op::Subscribe { peer, topics }),
        2 => (peer(), topics()).prop_map(|(peer, topics)| Op::Unsubscribe { peer, topics }),
        8 => (peer(), 0..TOPICS, any::<u32>())
            .prop_map(|(peer, topic, data)| Op::Publish { peer, topic, data }),
        2 => peer().prop_map(|peer| Op::Ping { peer }),
        3 => peer().prop_map(|peer| Op::Pong { peer }),
        1 => peer().prop_map(|peer| Op::Garbage { peer }),
        1 => peer().prop_map(|peer| Op::Refuse { peer }),
        3 => (0..20_000i64).prop_map(|millis| Op::Advance { millis }),
        1 => (-40_000..200_000i64).prop_map(|millis| Op::Advance { millis }),
        2 => Just(Op::Hibernate),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn the_room_does_what_a_naive_relay_does(ops in vec(op(), 0..120)) {
        Trio::run(&ops);
    }
}
