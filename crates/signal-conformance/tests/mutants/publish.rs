//! Publishes: where they go, how they are counted, and in what order they come.

use signal_conformance::Event;

use crate::list::Mutant::*;
use crate::relay::{Peer, PeerId, Relay};
use crate::requests::last;
use crate::text::{Member, Members, coerced, entries, string};

impl Relay {
    /// Who is subscribed to a topic, in the order they came; who is twice, twice.
    pub(crate) fn subscribers(&self, topic: &str) -> Vec<PeerId> {
        let listens = |name: &str| {
            name == topic
                || match self.mutant {
                    Some(TopicEmptyIsAll) => name.is_empty(),
                    Some(TopicStarIsAll | BoolSubscribesAll) => name == "*",
                    Some(TopicParents) => {
                        let rest = topic.strip_prefix(name);
                        rest.is_some_and(|rest| rest.starts_with('/'))
                    }
                    Some(TopicChildren) => {
                        let rest = name.strip_prefix(topic);
                        rest.is_some_and(|rest| rest.starts_with('/'))
                    }
                    _ => false,
                }
        };
        let keeps_gone = self.is(AbortKeeps) || self.is(EndKeeps);
        let peers = self
            .peers
            .iter()
            .filter(|(_, peer)| !peer.ended || keeps_gone);
        let mut all: Vec<_> = peers
            .flat_map(|(id, peer)| {
                let topics = peer.topics.iter().filter(|topic| listens(&topic.name));
                topics.map(|topic| (topic.since, *id))
            })
            .collect();
        all.sort_unstable();
        all.into_iter().map(|(_, id)| id).collect()
    }

    /// The topics a publish goes to.
    fn destinations(&mut self, id: PeerId, members: &[Member]) -> Vec<String> {
        let own: Vec<_> = self
            .peer(id)
            .topics
            .iter()
            .map(|topic| topic.name.clone())
            .collect();
        let raw = self.value(members, "topic");
        let right = raw.as_deref().and_then(|raw| self.topic(raw));
        if let Some(topic) = right {
            let is_empty = topic.is_empty() && !self.is(TopicEmptyPublished);
            return if is_empty { Vec::new() } else { vec![topic] };
        }
        let raw = raw.unwrap_or_default();
        let one = |topic: String| vec![topic];
        match self.mutant {
            Some(TopicArrayJoined) if raw.starts_with('[') => one(coerced(&raw)),
            Some(TopicArrayEach) if raw.starts_with('[') => {
                let entries = entries(&raw).unwrap_or_default();
                entries.iter().filter_map(|entry| string(entry)).collect()
            }
            Some(TopicNumber) if raw.parse::<f64>().is_ok() => one(coerced(&raw)),
            Some(TopicBool) if raw == "true" => one(raw),
            Some(TopicNull) if raw == "null" => one(raw),
            Some(TopicUndefined) if raw.is_empty() => one("undefined".to_owned()),
            Some(TopicObject) if raw.starts_with('{') => one(coerced(&raw)),
            Some(TopicObjectNamed) if raw.starts_with('{') => {
                let inner: Result<Members, _> = serde_json::from_str(&raw);
                let Ok(Members(inner)) = inner else {
                    return Vec::new();
                };
                let name = last(&inner, "topic").or(last(&inner, "name"));
                name.and_then(string).into_iter().collect()
            }
            Some(TopicLast) if raw.is_empty() => own.last().cloned().into_iter().collect(),
            Some(TopicAll) if raw.is_empty() => own,
            Some(TopicsPublished) => {
                let entries = last(members, "topics")
                    .and_then(entries)
                    .unwrap_or_default();
                entries.iter().filter_map(|entry| string(entry)).collect()
            }
            _ => Vec::new(),
        }
    }

    pub(crate) fn publish(&mut self, id: PeerId, members: &[Member], text: &str) {
        let data = last(members, "data");
        let is_dropped = match self.mutant {
            Some(DataNeeded) => data.is_none(),
            Some(DataNullDropped) => data == Some("null"),
            Some(DataFalsyDropped) => {
                data.is_some_and(|data| ["0", "false", "\"\""].contains(&data))
            }
            Some(DataStringDropped) => data.is_some_and(|data| data.starts_with('"')),
            Some(LoopsDropped) => last(members, "clients").is_some(),
            Some(IdenticalDropped) => self.peer(id).last_text == text,
            _ => false,
        };
        if is_dropped {
            return;
        }
        for topic in self.destinations(id, members) {
            let data = data.unwrap_or_default().to_owned();
            let is_new = self.memory.seen.insert((topic.clone(), data));
            if is_new || !self.is(IdenticalDataDropped) {
                self.publish_to(id, &topic, members);
            }
        }
    }

    fn publish_to(&mut self, id: PeerId, topic: &str, members: &[Member]) {
        const SPECIAL: &[&str] = &["constructor", "toString", "valueOf", "hasOwnProperty"];
        let mut to = self.subscribers(topic);
        if self.is(TopicConstructorCloses) && SPECIAL.contains(&topic) && to.is_empty() {
            return self.end(id, 1011);
        }
        let is_in = to.contains(&id);
        if self.is_lost(id, topic) || !is_in && self.is(OutsiderDropped) {
            return;
        }
        let clients = self.count(id, topic, &to);
        let message = self.relayed(members, clients);
        self.memory.last.insert(topic.to_owned(), message.clone());
        match self.mutant {
            Some(EchoMissing) => to.retain(|peer| *peer != id),
            Some(EchoTwice) if is_in => to.push(id),
            Some(EchoWithoutSubscription) if !is_in => to.push(id),
            Some(LeakToPublishersRooms) => to.extend(self.neighbours(id)),
            Some(LeakOfSecondRoom) => {
                let own = &self.peers[&id].topics;
                if own.get(1).is_some_and(|second| second.name == topic) {
                    to.extend(self.subscribers(&own[0].name));
                }
            }
            Some(LeakToUnsubscribed) => {
                let open = self.open().into_iter();
                to.extend(open.filter(|peer| self.peers[peer].topics.is_empty()));
            }
            Some(OffDeliversOneMore) => {
                for peer in self.open() {
                    let more = &mut self.peer(peer).one_more;
                    if let Some(at) = more.iter().position(|name| name == topic) {
                        more.remove(at);
                        to.push(peer);
                    }
                }
            }
            _ => {}
        }
        // Nobody gets a message twice, but for some mutants.
        let repeats = [EchoTwice, OnCounted, OnCountedInMessage];
        if !repeats.iter().any(|mutant| self.is(*mutant)) {
            let mut seen = std::collections::BTreeSet::new();
            to.retain(|peer| seen.insert(*peer));
        }
        self.deliver(id, topic, &to, &message);
        if self.is(EveryFiftiethTwice) && self.peer(id).published % 50 == 0 {
            self.deliver(id, topic, &to, &message);
        }
    }

    fn is_lost(&mut self, id: PeerId, topic: &str) -> bool {
        self.memory.published += 1;
        self.peer(id).published += 1;
        let in_burst = self.memory.burst.entry(topic.to_owned()).or_default();
        *in_burst += 1;
        let (in_burst, of) = (*in_burst, self.memory.burst_counts.get(topic).copied());
        match self.mutant {
            Some(EveryHundredthLost) => self.peer(id).published % 100 == 0,
            Some(EveryThousandthLost) => self.memory.published % 1_000 == 0,
            Some(GhostReceives) => self.memory.dead_rooms.remove(topic),
            Some(ThirdOfThree) => of == Some(3) && in_burst == 2,
            _ => false,
        }
    }

    fn count(&mut self, id: PeerId, topic: &str, to: &[PeerId]) -> usize {
        let (mut clients, is_in) = (to.len(), to.contains(&id));
        match self.mutant {
            Some(CountOthers) => clients -= usize::from(is_in),
            Some(CountPublisher) => clients += usize::from(!is_in),
            Some(CountConnections) => clients = self.open().len(),
            Some(CountOfRooms) => clients = self.peer(id).topics.len(),
            Some(CountEver) => {
                clients = self
                    .memory
                    .ever
                    .iter()
                    .filter(|(name, _)| name == topic)
                    .count();
            }
            Some(CountStaleOff) => {
                let counted = self.memory.counts.get(topic).copied();
                clients = counted.unwrap_or_default().max(clients);
            }
            Some(CountStaleGone | CloseOfFirstTopic) => {
                clients += self.memory.gone.get(topic).copied().unwrap_or_default();
            }
            Some(CountNoMoreThanNine) => clients = clients.min(9),
            _ => {}
        }
        clients
    }

    fn deliver(&mut self, id: PeerId, topic: &str, to: &[PeerId], message: &str) {
        let slow: Vec<_> = to
            .iter()
            .copied()
            .filter(|peer| self.peers.get(peer).is_some_and(Peer::is_slow))
            .collect();
        let mut is_stalled = self.is(SlowStallsRoom) && !slow.is_empty();
        if self.is(SlowPublisherBlocked) && !slow.is_empty() {
            self.peer(id).blocked_by = Some(slow[0]);
        }
        for &peer in to {
            let is_slow = slow.contains(&peer);
            is_stalled |= self.is(SlowStallsLater) && is_slow;
            if is_stalled {
                self.memory.held.push((peer, message.to_owned()));
                continue;
            }
            match self.mutant {
                Some(SlowGap) if is_slow => {}
                Some(SlowClosesRoom) if is_slow => {
                    let room = self.neighbours(peer).into_iter().chain([peer]);
                    room.collect::<Vec<_>>()
                        .into_iter()
                        .for_each(|peer| self.end(peer, 1013));
                }
                Some(SlowEmptiesRoom) if is_slow => {
                    self.end(peer, 1013);
                    self.empty(topic);
                }
                _ => self.put(id, topic, peer, message),
            }
        }
    }

    /// Puts a message into the outbox of a peer, usually behind all others.
    fn put(&mut self, from: PeerId, topic: &str, to: PeerId, message: &str) {
        let mutant = self.mutant;
        let peer = self.peer(to);
        if peer.ended {
            return;
        }
        let (len, mark) = (peer.outbox.len(), peer.mark.min(peer.outbox.len()));
        let is_of = |event: &Event| {
            let text = event.text().unwrap_or_default();
            text.contains(&format!("\"topic\":\"{topic}\""))
        };
        let is_long = |event: &Event| event.text().is_some_and(|text| text.len() > 32 << 10);
        let at = match mutant {
            Some(EchoFirst) if to == from => mark,
            Some(LongLate) if len > mark && peer.outbox.back().is_some_and(is_long) => len - 1,
            Some(ReceiversDiffer) if to % 2 == 1 && len > mark => len - 1,
            Some(TopicsInOrderOnly) if len > mark && !peer.outbox.back().is_some_and(is_of) => {
                len - 1
            }
            _ => len,
        };
        peer.outbox.insert(at, Event::Text(message.to_owned()));
    }
}
