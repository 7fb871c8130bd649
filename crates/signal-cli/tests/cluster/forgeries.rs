//! What no relay has said on the bus: it is dropped and counted, or costs a reconnect at most.

use std::time::Duration;

use signal_cluster::wire::{Beat, Frame, LinkState, Message, OLDEST_VERSION, VERSION, sum};
use signal_cluster::{Node, NodeId};
use signal_testwire::until_blocking;

use crate::attacked::{Attacked, PATIENT, batch, dropped, publish};
use crate::outsider::{ALL, Heard, in_version, inbox, sealed};

#[tokio::test]
async fn garbage_other_versions_and_messages_for_others_are_counted_and_nobody_notices() {
    let Some(mut attacked) = Attacked::start(&PATIENT).await else {
        return;
    };
    let (calm, nodes) = (attacked.calm(), attacked.nodes());
    let [one, two] = nodes;
    let outsider = &attacked.outsider;
    // Without the form of the bus, and in it.
    for garbage in [
        &b""[..],
        b"\0",
        b"SGC",
        b"GET / HTTP/1.1\r\n\r\n",
        &[0xff; 5_000],
    ] {
        outsider.say_to_each(&nodes, garbage);
        outsider.say_to_each(&nodes, &sealed(garbage));
    }
    for number in 0..10_000_u64 {
        let bytes = |word: u64| sum(&[number, word].map(u64::to_le_bytes).concat()).to_le_bytes();
        let bytes: Vec<_> = (0..number % 25).flat_map(bytes).collect();
        outsider.say_to_each(&nodes, &sealed(&bytes));
    }
    // What nodes have said, cut off and damaged.
    for Heard { subject, payload } in outsider.heard().into_iter().rev().take(20) {
        let message = &payload[..payload.len() - 9];
        for place in 0..message.len() {
            let mut damaged = message.to_vec();
            damaged[place] ^= 1 << (place % 8);
            outsider.say(&subject, &sealed(&damaged));
            outsider.say(&subject, &sealed(&message[..place]));
        }
    }
    let (beat, link) = (attacked.beat(0), link(&attacked.beat(0), two));
    let forged = batch(one, two, link, vec![evil(&attacked.room, one)]);
    for version in [0, VERSION + 1, 9, 255] {
        outsider.say_to_each(&nodes, &sealed(&in_version(&forged, version)));
        let beat = Message::Beat(beat.clone());
        outsider.say_to_each(&nodes, &sealed(&in_version(&beat, version)));
    }
    // For others, from others, of another session.
    let stranger = Node {
        life: one.life ^ 1,
        ..one
    };
    let past = LinkState {
        session: link.session + 7,
        ..link
    };
    for message in [
        batch(stranger, two, link, vec![evil(&attacked.room, one)]),
        batch(
            one,
            Node {
                life: two.life ^ 1,
                ..two
            },
            link,
            vec![evil(&attacked.room, one)],
        ),
        batch(one, stranger, link, vec![evil(&attacked.room, one)]),
        batch(one, two, past, vec![evil(&attacked.room, one)]),
    ] {
        outsider.say(&inbox(two), &sealed(&message.encode(VERSION)));
    }
    // Too long for a node, and for the bus.
    for length in [262_144 + 129, 900_000] {
        outsider.say_to_each(&nodes, &sealed(&vec![b'S'; length]));
    }
    attacked.talk().await;
    attacked.until_read();
    attacked.talk().await;
    assert_eq!(attacked.calm(), calm);
    for cause in [
        "malformed",
        "unknown_version",
        "strangers",
        "misdirected",
        "stale",
    ] {
        assert!(attacked.count(1, &dropped(cause)) > 0.0, "{cause}");
    }
    for cause in ["malformed", "too_long"] {
        let metric = format!("signal_nats_dropped_total{{cause=\"{cause}\"}}");
        assert!(attacked.count(1, &metric) > 0.0, "{cause}");
    }
}

#[tokio::test]
async fn beats_of_nodes_that_are_not_there_move_nothing() {
    let Some(mut attacked) = Attacked::start(&PATIENT).await else {
        return;
    };
    let [one, two] = attacked.nodes();
    let beat = |from, uptime| Beat {
        from,
        newest: VERSION,
        is_draining: false,
        is_young: false,
        leaves: false,
        view: 0,
        uptime: Duration::from_millis(uptime),
        links: Vec::new(),
    };
    let say = |beat: Beat| {
        let bytes = Message::Beat(beat).encode(OLDEST_VERSION);
        attacked.outsider.say(ALL, &sealed(&bytes));
    };
    let nudged = "signal_cluster_nudged_peers_total";
    // With the id of one that lives; as it was a while ago; and many others.
    say(beat(
        Node {
            life: one.life ^ 1,
            ..one
        },
        1_000_000,
    ));
    for (of, to) in [(one, two), (two, one)] {
        let bytes = Message::Beat(beat(of, 1)).encode(OLDEST_VERSION);
        attacked.outsider.say(&inbox(to), &sealed(&bytes));
    }
    for id in 0..1_000 {
        say(beat(
            Node {
                id: NodeId::new(id),
                life: 7,
            },
            1_000_000,
        ));
    }
    attacked.until_read();
    for relay in [0, 1] {
        assert_eq!(attacked.count(relay, "signal_cluster_nodes"), 128.0);
        assert_eq!(attacked.count(relay, "signal_cluster_views_differ"), 0.0);
        assert!(attacked.count(relay, &dropped("crowded")) > 800.0);
        assert!(attacked.count(relay, &dropped("stale")) > 0.0);
    }
    attacked.talk().await;
    // In whatever room: none has its home with one of them.
    for _ in 0..20 {
        attacked.said += 1;
        attacked.room = format!("room {}", attacked.said);
        assert!(attacked.join().await.is_ok(), "a peer was closed");
        attacked.talk().await;
    }
    for relay in [0, 1] {
        assert_eq!(attacked.count(relay, nudged), 0.0);
    }
}

/// What a node says in its own name cannot be told from what another one says in it, without a key.
/// It costs its peers a reconnect and is over then.
#[tokio::test]
async fn forged_words_of_a_node_cost_its_peers_a_reconnect_at_most() {
    let Some(mut attacked) = Attacked::start(&["--cluster-dead-after", "3s"]).await else {
        return;
    };
    let say = |attacked: &Attacked, beat: Beat| {
        let bytes = Message::Beat(beat).encode(OLDEST_VERSION);
        attacked.outsider.say(ALL, &sealed(&bytes));
        attacked.outsider.flush();
    };
    // Its end. It hears that too, and takes another name, as the others were told that it ends.
    let mut beat = attacked.beat(0);
    beat.leaves = true;
    beat.uptime += Duration::from_millis(1);
    say(&attacked, beat);
    attacked.until_read();
    attacked.meet().await;
    // An uptime that it never reaches.
    let mut beat = attacked.beat(0);
    let before = beat.from;
    beat.uptime += Duration::from_secs(1_000_000);
    say(&attacked, beat);
    until_blocking("it takes a new name", || {
        (attacked.node(0) != before).then_some(())
    });
    attacked.meet().await;
    assert!(attacked.count(0, "signal_cluster_twins_total") >= 1.0);
    // A publish in its link takes the place of one that it says next.
    let beat = attacked.beat(0);
    let (from, to) = (beat.from, attacked.node(1));
    let forged = batch(from, to, link(&beat, to), vec![evil(&attacked.room, from)]);
    attacked
        .outsider
        .say(&inbox(to), &sealed(&forged.encode(VERSION)));
    attacked.until_read();
    let _ = publish(&mut attacked.peers[0], &attacked.room, "lost".into()).await;
    attacked.meet().await;
}

/// The link to a relay, as the other one says it.
fn link(beat: &Beat, to: Node) -> LinkState {
    let mut links = beat.links.iter().copied();
    links.find(|link| link.node == to).expect("it knows it")
}

/// A publish that no peer has made.
fn evil(room: &str, origin: Node) -> Frame {
    let text = format!(r#"{{"type":"publish","topic":"{room}","data":"evil"}}"#);
    Frame::Pass {
        topic: room.into(),
        origin,
        number: 1_000_000,
        elsewhere: 7,
        message: text.into(),
    }
}
