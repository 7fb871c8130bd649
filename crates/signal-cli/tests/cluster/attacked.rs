//! What others may put on the bus between two relays: judged by the peers of both, and by what the
//! relays have counted.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use signal_cluster::wire::{Batch, Beat, Frame, LinkState, Message, OLDEST_VERSION, VERSION, sum};
use signal_cluster::{Node, NodeId};
use tokio_tungstenite::tungstenite::Message as Text;

use crate::common::folder::Folder;
use crate::common::{PATIENCE, Peer, Relay};
use crate::nodes::{Nats, get, hears, node, shown, until};
use crate::outsider::{ALL, Heard, Outsider, inbox, sealed};

/// The public key of a user, and a seed that does not belong to it.
const NKEY: &str = "UAAQEAYEAUDAOCAJBIFQYDIOB4IBCEQTCQKRMFYYDENBWHA5DYPSBT2P";
const OTHER_SEED: &str = "SUAAOCAJBIFQYDIOB4IBCEQTCQKRMFYYDENBWHA5DYPSAIJCEMSCKJR2OM";

/// A pause of the machine that runs the tests is not to count as a node's end.
const PATIENT: [&str; 2] = ["--cluster-dead-after", "60s"];

/// Two relays with a peer each in one room, and somebody else on the bus.
struct Attacked {
    outsider: Outsider,
    relays: [Relay; 2],
    peers: [Peer; 2],
    room: String,
    /// How often each peer has spoken.
    said: u64,
    nats: Nats,
    _folder: Folder,
}

/// A peer was closed with 1012, to come back and announce again.
struct Nudged;

impl Attacked {
    async fn start(name: &str, more: &[&str]) -> Option<Self> {
        let folder = Folder::new(name);
        let nats = Nats::start(&folder, &[])?;
        let outsider = Outsider::connect(nats.address);
        let relays = [node(&nats.url(), more), node(&nats.url(), more)];
        let peers = [relays[0].connect().await, relays[1].connect().await];
        let mut attacked = Self {
            outsider,
            relays,
            peers,
            room: String::new(),
            said: 0,
            nats,
            _folder: folder,
        };
        attacked.meet().await;
        Some(attacked)
    }

    /// The node that a relay is now.
    fn node(&self, relay: usize) -> Node {
        self.beat(relay).from
    }

    fn nodes(&self) -> [Node; 2] {
        [self.node(0), self.node(1)]
    }

    /// The latest beat of a relay.
    fn beat(&self, relay: usize) -> Beat {
        let shown = shown(&self.relays[relay]);
        let id = shown["node"].as_str().expect("an id");
        let id = NodeId::new(u64::from_str_radix(id, 16).expect("hexadecimal"));
        let beat = self.outsider.latest_beat(id);
        beat.expect("it has said something")
    }

    /// New peers meet in a new room. Those that are closed with 1012 come back, as clients do.
    async fn meet(&mut self) {
        for attempt in 0.. {
            self.relays.iter().for_each(|relay| hears(relay, 1));
            self.relays.iter().for_each(is_settled);
            let peers = [
                self.relays[0].connect().await,
                self.relays[1].connect().await,
            ];
            self.peers = peers;
            self.room = format!("room {attempt} after {}", self.said);
            if self.join().await.is_ok() && self.try_talk().await.is_ok() {
                return;
            }
            assert!(attempt < 50, "they are closed again and again");
        }
    }

    /// Subscribes both peers, and waits until both relays know that.
    async fn join(&mut self) -> Result<(), Nudged> {
        let (room, peers) = (&self.room, &mut self.peers);
        for peer in peers.iter_mut() {
            let subscribe = json!({"type": "subscribe", "topics": [room]});
            say(peer, subscribe).await?;
        }
        // Each relay knows how many there are when its own peer's echo says it.
        for (speaker, peer) in peers.iter_mut().enumerate() {
            let mut clients = Value::Null;
            while clients != 2 {
                tokio::time::sleep(Duration::from_millis(20)).await;
                publish(peer, room, json!(["are you there?", speaker])).await?;
                let echo = json!(["are you there?", speaker]);
                clients = loop {
                    let heard = hear(peer).await?;
                    if heard["data"] == echo {
                        break heard["clients"].clone();
                    }
                };
            }
        }
        // What is still on its way comes before this.
        for speaker in [0, 1] {
            publish(&mut peers[speaker], room, "the last".into()).await?;
            for peer in peers.iter_mut() {
                while hear(peer).await?["data"] != "the last" {}
            }
        }
        Ok(())
    }

    /// Both peers speak: each hears all that both say, in order, once, and nothing else.
    async fn try_talk(&mut self) -> Result<(), Nudged> {
        let first = self.said;
        self.said += 5;
        for number in first..self.said {
            for (speaker, peer) in self.peers.iter_mut().enumerate() {
                publish(peer, &self.room, json!([speaker, number])).await?;
            }
        }
        let expected: Vec<_> = (first..self.said).collect();
        for (listener, peer) in self.peers.iter_mut().enumerate() {
            let mut heard = [Vec::new(), Vec::new()];
            while heard.iter().any(|heard| heard.last() != expected.last()) {
                let message = hear(peer).await?;
                assert_eq!(message["clients"], 2, "{message}");
                let data = (message["data"][0].as_u64(), message["data"][1].as_u64());
                let (Some(speaker), Some(number)) = data else {
                    panic!("{listener} heard {message}");
                };
                heard[speaker as usize].push(number);
            }
            assert_eq!(heard, [expected.clone(), expected.clone()], "{listener}");
        }
        Ok(())
    }

    async fn talk(&mut self) {
        assert!(self.try_talk().await.is_ok(), "a peer was closed");
    }

    /// Waits until both relays have read what the outsider has said: they count something else that
    /// it says behind that, more often than it has said it before.
    fn until_read(&self) {
        let stranger = Node {
            id: NodeId::new(u64::MAX - 7),
            life: 1,
        };
        let link = LinkState {
            node: stranger,
            session: 1,
            last: 0,
            heard: 0,
        };
        let causes = [dropped("strangers"), dropped("unknown_version")];
        let counts = |relay| causes.each_ref().map(|cause| self.count(relay, cause));
        let before = [0, 1].map(counts);
        until("the relays read the bus", || {
            // What was said may have made them other nodes.
            let nodes = self.nodes();
            for _ in 0..60 {
                for to in nodes {
                    let message = batch(stranger, to, link, Vec::new());
                    self.outsider.say(ALL, &sealed(&message.encode(VERSION)));
                    let unknown = in_version(&message, 99);
                    self.outsider.say(&inbox(to), &sealed(&unknown));
                }
            }
            self.outsider.flush();
            let is_read = |relay: usize| {
                let mut pairs = counts(relay).into_iter().zip(before[relay]);
                pairs.all(|(now, before)| now >= before + 50.0)
            };
            (is_read(0) && is_read(1)).then_some(())
        });
    }

    fn count(&self, relay: usize, metric: &str) -> f64 {
        count(&self.relays[relay], metric)
    }

    /// What must not change, whatever comes: nodes, sessions, identities, and who is to announce
    /// again.
    fn calm(&self) -> Vec<String> {
        let names = [
            "signal_cluster_nodes",
            "signal_cluster_view_changes_total",
            "signal_cluster_views_differ",
            "signal_cluster_sessions_total",
            "signal_cluster_twins_total",
            "signal_cluster_gaps_total",
            "signal_cluster_nudged_peers_total",
            "signal_cluster_ready",
        ];
        let of = |relay| {
            let count = move |name| format!("{name} of {relay}: {}", self.count(relay, name));
            names.into_iter().map(count)
        };
        of(0).chain(of(1)).collect()
    }
}

/// Those who were to announce again for a gap before this have been chosen: that takes up to five
/// beats of the relay's own.
fn is_settled(relay: &Relay) {
    let beats = "signal_cluster_messages_total{direction=\"sent\",kind=\"beat\"}";
    let before = count(relay, beats);
    until("it goes on", || {
        (count(relay, beats) >= before + 15.0).then_some(())
    });
}

async fn say(peer: &mut Peer, message: Value) -> Result<(), Nudged> {
    let sent = peer.0.send(Text::text(message.to_string())).await;
    sent.map_err(|_| Nudged)
}

async fn publish(peer: &mut Peer, room: &str, data: Value) -> Result<(), Nudged> {
    say(
        peer,
        json!({"type": "publish", "topic": room, "data": data}),
    )
    .await
}

async fn hear(peer: &mut Peer) -> Result<Value, Nudged> {
    loop {
        let next = tokio::time::timeout(PATIENCE, peer.0.next()).await;
        match next.expect("a message, or the end") {
            Some(Ok(Text::Text(text))) => return Ok(serde_json::from_str(&text).expect("JSON")),
            Some(Ok(Text::Close(Some(frame)))) => {
                assert_eq!(u16::from(frame.code), 1012, "{frame:?}");
                return Err(Nudged);
            }
            Some(Ok(_)) => {}
            Some(Err(_)) | None => return Err(Nudged),
        }
    }
}

fn dropped(cause: &str) -> String {
    format!("signal_cluster_dropped_total{{cause=\"{cause}\"}}")
}

fn count(relay: &Relay, metric: &str) -> f64 {
    let page = get(relay, "/metrics").body;
    let mut lines = page.lines().filter_map(|line| line.rsplit_once(' '));
    let line = lines.find(|(name, _)| *name == metric);
    let (_, value) = line.unwrap_or_else(|| panic!("{metric} is not in:\n{page}"));
    value.parse().expect("a number")
}

/// The link to a relay, as the other one says it.
fn link(beat: &Beat, to: Node) -> LinkState {
    let mut links = beat.links.iter().copied();
    links.find(|link| link.node == to).expect("it knows it")
}

fn batch(from: Node, to: Node, link: LinkState, frames: Vec<Frame>) -> Message {
    Message::Batch(Batch {
        from,
        to,
        session: link.session,
        first: link.last + 1,
        heard: link.heard,
        asks: false,
        frames,
    })
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

/// The message in another version, with a sum that is right.
fn in_version(message: &Message, version: u8) -> Vec<u8> {
    let mut bytes = message.encode(VERSION);
    bytes[3] = version;
    let text = bytes.len() - 8;
    let right = sum(&bytes[..text]).to_le_bytes();
    bytes[text..].copy_from_slice(&right);
    bytes
}

#[tokio::test]
async fn garbage_other_versions_and_messages_for_others_are_counted_and_nobody_notices() {
    let Some(mut attacked) = Attacked::start("bus-garbage", &PATIENT).await else {
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
async fn copies_of_what_was_on_the_bus_do_nothing() {
    let Some(mut attacked) = Attacked::start("bus-copies", &PATIENT).await else {
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
async fn beats_of_nodes_that_are_not_there_move_nothing() {
    let Some(mut attacked) = Attacked::start("bus-ghosts", &PATIENT).await else {
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
    let Some(mut attacked) = Attacked::start("bus-forged", &["--cluster-dead-after", "3s"]).await
    else {
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
    until("it takes a new name", || {
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

#[tokio::test]
async fn copies_do_not_bring_a_relay_back_that_is_gone() {
    let Some(mut attacked) = Attacked::start("bus-gone", &["--cluster-dead-after", "3s"]).await
    else {
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
    until("no views differ", || {
        (count(&fourth, "signal_cluster_views_differ") == 0.0).then_some(())
    });
}

#[tokio::test]
async fn what_a_server_refuses_is_one_error_and_the_relay_serves_its_own_peers() {
    let nkey = format!("authorization: {{ users: [{{ nkey: {NKEY} }}] }}");
    for (conf, creds, words) in [
        (
            "authorization: { user: signal, password: right }",
            "signal:wr0ng",
            "refuses the credentials",
        ),
        (
            "authorization: { user: signal, password: right }",
            "wr0ng-t0ken",
            "refuses the credentials",
        ),
        (
            "authorization: { token: right }",
            "wr0ng-t0ken",
            "refuses the credentials",
        ),
        (
            "authorization: { token: right }",
            "signal:wr0ng",
            "refuses the credentials",
        ),
        (&nkey, OTHER_SEED, "refuses the credentials"),
        ("max_payload: 65536", "", "max_payload is 65536 bytes"),
    ] {
        let folder = Folder::new("bus-refused");
        let file = folder.write("nats.conf", conf);
        let Some(nats) = Nats::start(&folder, &["--config", &file]) else {
            return;
        };
        let creds_file = folder.write("creds", creds);
        let with_creds = ["--cluster-creds-file", &creds_file];
        let more = if creds.is_empty() {
            &[][..]
        } else {
            &with_creds[..]
        };
        let relay = node(&nats.url(), more);
        let line = relay.until_logged(words);
        assert_eq!(line["level"], "ERROR", "{line}");
        assert!(
            creds.is_empty() || !line.to_string().contains(creds),
            "{line}"
        );
        let problem = until("the page names it", || {
            shown(&relay)["problem"].as_str().map(str::to_owned)
        });
        assert!(problem.contains(words), "{problem}");
        assert_eq!(shown(&relay)["server"], Value::Null);
        assert_eq!(count(&relay, "signal_cluster_bus_up"), 0.0);
        assert!(count(&relay, "signal_nats_failures_total") >= 1.0);
        let (mut ann, mut bob) = (relay.connect().await, relay.connect().await);
        ann.subscribe("garden").await;
        bob.subscribe("garden").await;
        ann.publish("garden", json!("hello")).await;
        assert_eq!(bob.receive().await["clients"], 2);
    }
}
