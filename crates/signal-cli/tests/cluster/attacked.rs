//! Two relays, and somebody else on the bus between them. What that one does to them is judged by
//! the peers of both, and by what the relays have counted.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use signal_cluster::wire::{Batch, Beat, Frame, LinkState, Message, VERSION};
use signal_cluster::{Node, NodeId};
use signal_testwire::{NatsServer, until_blocking};
use tokio_tungstenite::tungstenite::Message as Text;

use crate::common::{PATIENCE, Peer, Relay};
use crate::nodes::{count, hears, node, shown};
use crate::outsider::{ALL, Outsider, in_version, inbox, sealed};

/// A pause of the machine that runs the tests is not to count as a node's end.
pub(crate) const PATIENT: [&str; 2] = ["--cluster-dead-after", "60s"];

/// Two relays with a peer each in one room, and somebody else on the bus.
pub(crate) struct Attacked {
    pub(crate) outsider: Outsider,
    pub(crate) relays: [Relay; 2],
    pub(crate) peers: [Peer; 2],
    pub(crate) room: String,
    /// How often each peer has spoken.
    pub(crate) said: u64,
    pub(crate) nats: NatsServer,
}

/// A peer was closed with 1012, to come back and announce again.
pub(crate) struct Nudged;

impl Attacked {
    pub(crate) async fn start(more: &[&str]) -> Option<Self> {
        let nats = NatsServer::start("")?;
        let outsider = Outsider::connect(nats.clients);
        let relays = [node(&nats.url(), more), node(&nats.url(), more)];
        let peers = [relays[0].connect().await, relays[1].connect().await];
        let mut attacked = Self {
            outsider,
            relays,
            peers,
            room: String::new(),
            said: 0,
            nats,
        };
        attacked.meet().await;
        Some(attacked)
    }

    /// The node that a relay is now.
    pub(crate) fn node(&self, relay: usize) -> Node {
        self.beat(relay).from
    }

    pub(crate) fn nodes(&self) -> [Node; 2] {
        [self.node(0), self.node(1)]
    }

    /// The latest beat of a relay.
    pub(crate) fn beat(&self, relay: usize) -> Beat {
        let shown = shown(&self.relays[relay]);
        let id = shown["node"].as_str().expect("an id");
        let id = NodeId::new(u64::from_str_radix(id, 16).expect("hexadecimal"));
        let beat = self.outsider.latest_beat(id);
        beat.expect("it has said something")
    }

    /// New peers meet in a new room. Those that are closed with 1012 come back, as clients do.
    pub(crate) async fn meet(&mut self) {
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
    pub(crate) async fn join(&mut self) -> Result<(), Nudged> {
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

    pub(crate) async fn talk(&mut self) {
        assert!(self.try_talk().await.is_ok(), "a peer was closed");
    }

    /// Waits until both relays have read what the outsider has said: they count something else that
    /// it says behind that, more often than it has said it before.
    pub(crate) fn until_read(&self) {
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
        until_blocking("the relays read the bus", || {
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

    pub(crate) fn count(&self, relay: usize, metric: &str) -> f64 {
        count(&self.relays[relay], metric)
    }

    /// What must not change, whatever comes: nodes, sessions, identities, and who is to announce
    /// again.
    pub(crate) fn calm(&self) -> Vec<String> {
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
    until_blocking("it goes on", || {
        (count(relay, beats) >= before + 15.0).then_some(())
    });
}

async fn say(peer: &mut Peer, message: Value) -> Result<(), Nudged> {
    let sent = peer.0.send(Text::text(message.to_string())).await;
    sent.map_err(|_| Nudged)
}

pub(crate) async fn publish(peer: &mut Peer, room: &str, data: Value) -> Result<(), Nudged> {
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

pub(crate) fn dropped(cause: &str) -> String {
    format!("signal_cluster_dropped_total{{cause=\"{cause}\"}}")
}

pub(crate) fn batch(from: Node, to: Node, link: LinkState, frames: Vec<Frame>) -> Message {
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
