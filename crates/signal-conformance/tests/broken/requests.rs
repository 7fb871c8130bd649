//! What the relay does about each request.

use serde_json::value::RawValue;
use signal_conformance::Event;

use crate::fault::Fault;
use crate::grants::{may_publish, may_subscribe};
use crate::limits::{FRAME_COST, TOPIC_BYTES_MAX, TOPIC_BYTES_PER_PEER_MAX, TOPICS_PER_PEER_MAX};
use crate::message::{Members, text, topic};
use crate::relay::{PeerId, Relay};

impl Relay {
    pub(crate) fn request(&mut self, id: PeerId, members: &Members) {
        let faults = self.faults;
        let mut kind = members
            .value("type", faults)
            .and_then(text)
            .unwrap_or_default();
        if faults.has(Fault::TypeCaseFolded) {
            kind = kind.to_lowercase();
        }
        let is_ping = kind == "ping" && !faults.has(Fault::PingsShareTheBudget);
        if is_ping && faults.has(Fault::PingsUnlimited) {
            return self.ping(id, members);
        }
        let (now, refills) = (self.now, !faults.has(Fault::MessagesNeverRefilled));
        let within = if faults.has(Fault::MessagesBudgetShared) && !is_ping {
            self.shared_messages.take(now, 1, refills)
        } else {
            let peer = self.peer(id);
            if is_ping {
                peer.pings.take(now, 1, true)
            } else {
                peer.messages.take(now, 1, refills)
            }
        };
        if !within && !faults.has(Fault::MessagesUnlimited) {
            return self.strike(id);
        }
        let within = self.take_bytes(id);
        let is_exempt = is_ping && !faults.has(Fault::PingsWaitForBytes);
        if !within && !is_exempt && !faults.has(Fault::BytesUnlimited) {
            return self.strike(id);
        }
        match kind.as_str() {
            "subscribe" => self.subscribe(id, members),
            "unsubscribe" => self.unsubscribe(id, members),
            "publish" => self.publish(id, members),
            "ping" => self.ping(id, members),
            "pong" if faults.has(Fault::PongFromClientAnswered) => {
                self.send(id, r#"{"type":"ping"}"#)
            }
            "pong" => {}
            _ if faults.has(Fault::UnknownTypeAnswered) => self.send(id, r#"{"type":"error"}"#),
            _ => {}
        }
    }

    /// Takes what the message or frame costs. False if there is nothing left.
    fn take_bytes(&mut self, id: PeerId) -> bool {
        let (now, is_shared) = (self.now, self.has(Fault::BytesBudgetShared));
        let cost = self.peer(id).cost;
        if is_shared {
            self.shared_bytes.take(now, cost, true)
        } else {
            self.peer(id).bytes.take(now, cost, true)
        }
    }

    /// Charges a frame that is not a message.
    pub(crate) fn frame(&mut self, id: PeerId, bytes: usize) {
        self.peer(id).cost = bytes as u64 + FRAME_COST;
        if !self.take_bytes(id) {
            self.strike(id);
        }
    }

    pub(crate) fn strike(&mut self, id: PeerId) {
        let (now, unlimited) = (self.now, self.has(Fault::StrikesUnlimited));
        if !self.peer(id).strikes.take(now, 1, true) && !unlimited {
            self.refuse(id, 4429);
        }
    }

    pub(crate) fn topics_of(&self, members: &Members, kind: Fault) -> Vec<String> {
        let faults = self.faults;
        let single = |raw: &str| {
            topic(raw, faults)
                .into_iter()
                .filter(|_| raw.starts_with('"'))
                .collect()
        };
        let singular = members.value("topic", faults);
        let several = members.value("topics", faults);
        if let (Some(raw), true) = (singular, faults.has(Fault::SingularTopicDecides)) {
            return single(raw);
        }
        let Some(several) = several else {
            return singular
                .filter(|_| !faults.has(Fault::SingularTopicIgnored))
                .map_or_else(Vec::new, single);
        };
        if several.starts_with('"') && faults.has(kind) {
            return single(several);
        }
        let Ok(entries) = serde_json::from_str::<Vec<Box<RawValue>>>(several) else {
            return Vec::new();
        };
        if faults.has(Fault::OddEntriesSpoilTheRest)
            && entries.iter().any(|entry| text(entry.get()).is_none())
        {
            return Vec::new();
        }
        let strings = entries.iter().filter(|entry| entry.get().starts_with('"'));
        strings
            .filter_map(|entry| topic(entry.get(), faults))
            .collect()
    }

    pub(crate) fn subscribe(&mut self, id: PeerId, members: &Members) {
        let faults = self.faults;
        let topics = self.topics_of(members, Fault::TopicsStringSubscribed);
        let spoilt = topics.iter().any(|topic| topic.len() > TOPIC_BYTES_MAX);
        let in_full: Vec<_> = topics
            .iter()
            .map(|topic| self.is_full_for(id, topic))
            .collect();
        let spoilt_by_full = faults.has(Fault::FullRoomSpoilsTheRest) && in_full.contains(&true);
        let peer = self.peer(id);
        if faults.has(Fault::SubscribeReplaces) {
            peer.topics.clear();
        }
        for (topic, is_full) in topics.into_iter().zip(in_full) {
            if (is_full || spoilt_by_full) && !faults.has(Fault::RoomsUnlimited) {
                peer.topics.retain(|known| *known != topic);
                continue;
            }
            if !may_subscribe(peer.grant.as_ref(), &topic, members, faults) {
                peer.ungranted += usize::from(faults.has(Fault::UngrantedTopicsCounted));
                continue;
            }
            if spoilt
                && (topic.len() > TOPIC_BYTES_MAX || faults.has(Fault::TooLongTopicSpoilsTheRest))
            {
                continue;
            }
            let known =
                peer.topics.contains(&topic) && !faults.has(Fault::SubscribedTwiceCountsTwice);
            let full = peer.topics.len() + peer.ungranted >= TOPICS_PER_PEER_MAX;
            if known || full && !faults.has(Fault::TopicsUnlimited) {
                continue;
            }
            let bytes = peer.topics.iter().map(String::len).sum::<usize>() + topic.len();
            if bytes > TOPIC_BYTES_PER_PEER_MAX && !faults.has(Fault::TopicBytesUnlimited) {
                continue;
            }
            if faults.has(Fault::SubscribeLate) {
                peer.late.push(topic);
            } else {
                peer.fresh.insert(topic.clone());
                peer.topics.push(topic);
            }
        }
        let new = self.peers[&id].topics.last().cloned().unwrap_or_default();
        if self.has(Fault::HistoryReplayed) {
            let old: Vec<_> = self
                .history
                .iter()
                .filter(|(topic, _)| *topic == new)
                .cloned()
                .collect();
            old.into_iter()
                .for_each(|(_, message)| self.send(id, &message));
        }
        if self.has(Fault::SubscribeAnswered) {
            self.send(id, r#"{"type":"subscribed"}"#);
        }
        if self.has(Fault::SubscribeAnnounced) {
            let others: Vec<_> = self
                .subscribers(&new)
                .into_iter()
                .filter(|other| *other != id)
                .collect();
            others
                .into_iter()
                .for_each(|other| self.send(other, r#"{"type":"joined"}"#));
        }
    }

    pub(crate) fn unsubscribe(&mut self, id: PeerId, members: &Members) {
        let topics = self.topics_of(members, Fault::TopicsStringUnsubscribed);
        if self.has(Fault::UnsubscribeIgnored) {
            return;
        }
        let (ends_all, keeps) = (
            self.has(Fault::UnsubscribeEndsAll),
            self.has(Fault::CountStaleAfterUnsubscribe),
        );
        let others = self.has(Fault::UnsubscribeEndsOthers);
        for (other, peer) in &mut self.peers {
            if *other != id && !others {
                continue;
            }
            peer.topics
                .retain(|topic| !topics.contains(topic) && !ends_all);
            if keeps || *other == id {
                peer.unsubscribed.extend(topics.clone());
            }
        }
    }

    pub(crate) fn publish(&mut self, id: PeerId, members: &Members) {
        let faults = self.faults;
        let raw = members.value("topic", faults).unwrap_or("null");
        let several = self.topics_of(members, Fault::TopicsOfPublishUsed).pop();
        let several = several.filter(|_| faults.has(Fault::TopicsOfPublishUsed));
        let Some(topic) = topic(raw, faults).or(several) else {
            return;
        };
        let special = topic == "__proto__" && faults.has(Fault::ProtoIsSpecial);
        if special || topic.is_empty() && !faults.has(Fault::EmptyTopicPublished) {
            return;
        }
        if topic == "constructor" && faults.has(Fault::ConstructorIsSpecial) {
            self.send(
                id,
                r#"{"type":"error","message":"subscribers is not iterable"}"#,
            );
        }
        if !may_publish(self.peers[&id].grant.as_ref(), &topic, members, faults) {
            return;
        }
        let mut to = self.subscribers(&topic);
        to.retain(|peer| self.reaches(id, *peer, &topic));
        if faults.has(Fault::DeliveredToAll) {
            to = self
                .peers
                .iter()
                .filter(|(_, peer)| !peer.ended)
                .map(|(id, _)| *id)
                .collect();
        }
        let is_subscriber = to.contains(&id);
        if self.is_deaf_to(id, &topic, &to) {
            return;
        }
        if faults.has(Fault::PublisherMustSubscribe) && !is_subscriber {
            return;
        }
        let (now, cost) = (self.now, to.len() as u64);
        let peer = self.peer(id);
        let too_dear = faults.has(Fault::FanOutNeverOverdrawn) && peer.fan_out.left < cost as f64;
        if (too_dear || !peer.fan_out.take(now, cost, true)) && !faults.has(Fault::FanOutUnlimited)
        {
            return self.strike(id);
        }
        let (faults, peer) = (self.faults, self.peer(id));
        let cost = peer.cost * to.len() as u64;
        let too_dear =
            faults.has(Fault::FanOutBytesNeverOverdrawn) && peer.fan_out_bytes.left < cost as f64;
        let is_within = !too_dear && peer.fan_out_bytes.take(now, cost, true);
        if !is_within && !faults.has(Fault::FanOutBytesUnlimited) {
            return self.strike(id);
        }
        let stale = self.peers.values().filter(|peer| {
            peer.unsubscribed.contains(&topic) && faults.has(Fault::CountStaleAfterUnsubscribe)
                || peer.ended && peer.topics.contains(&topic)
        });
        let mut clients = to.len() + stale.count();
        let node = self.peers[&id].node;
        let here = to
            .iter()
            .filter(|peer| self.peers[*peer].node == node)
            .count();
        if faults.has(Fault::NodesCountApart) {
            clients = here;
        }
        clients += usize::from(faults.has(Fault::CountsPublisherToo) && !is_subscriber);
        clients -= usize::from(faults.has(Fault::CountsOthersOnly) && is_subscriber);
        let message = members.relay(clients, faults);
        self.history.push((topic.clone(), message.clone()));
        if faults.has(Fault::EchoSuppressed) {
            to.retain(|peer| *peer != id);
        }
        for peer in to {
            self.deliver(peer, &topic, &message);
            if faults.has(Fault::DeliveredTwice) {
                self.deliver(peer, &topic, &message);
            }
        }
        if faults.has(Fault::PublishAnswered) {
            self.send(id, r#"{"type":"published"}"#);
        }
    }

    pub(crate) fn ping(&mut self, id: PeerId, members: &Members) {
        let faults = self.faults;
        let pong = match members.0.iter().find(|(name, _)| name == "\"id\"") {
            Some((_, value)) if faults.has(Fault::PongWithExtraMembers) => {
                format!(r#"{{"type":"pong","id":{value}}}"#)
            }
            _ if faults.has(Fault::PongWithSpace) => r#"{"type": "pong"}"#.to_owned(),
            _ => r#"{"type":"pong"}"#.to_owned(),
        };
        if faults.has(Fault::PingIgnored) {
            return;
        }
        if faults.has(Fault::PingsOvertake) {
            return self.peer(id).inbox.push_front(Event::Text(pong));
        }
        if !faults.has(Fault::KeepaliveAlways) {
            self.peer(id).ponged = self.now;
        }
        self.send(id, &pong);
        if faults.has(Fault::PongTwice) {
            self.send(id, &pong);
        }
        if faults.has(Fault::PongToAll) {
            let others: Vec<_> = self
                .peers
                .keys()
                .copied()
                .filter(|other| *other != id)
                .collect();
            others.into_iter().for_each(|other| self.send(other, &pong));
        }
    }

    pub(crate) fn subscribers(&self, topic: &str) -> Vec<PeerId> {
        let faults = self.faults;
        let listens = |subscribed: &String| {
            subscribed == topic
                || faults.has(Fault::PrefixMatches) && topic.starts_with(subscribed.as_str())
                || faults.has(Fault::WildcardsMatch)
                    && subscribed
                        .strip_suffix('*')
                        .is_some_and(|start| topic.starts_with(start))
        };
        let served = self.peers.iter().filter(|(_, peer)| {
            !peer.ended && (peer.refused.is_none() || faults.has(Fault::RefusedPeerCounted))
        });
        served
            .flat_map(|(id, peer)| {
                peer.topics
                    .iter()
                    .filter(|topic| listens(topic))
                    .map(|_| *id)
            })
            .collect()
    }
}
