//! Types, subscribes, unsubscribes and pings.

use serde_json::Value;

use crate::list::Mutant::{self, *};
use crate::relay::{PeerId, Relay, Topic};
use crate::text::{Member, Members, coerced, entries, string};

/// The member of a name that counts.
pub(crate) fn last<'m>(members: &'m [Member], name: &str) -> Option<&'m str> {
    let mut members = members.iter().rev();
    let member = members.find(|member| member.name == name)?;
    Some(&member.raw)
}

impl Relay {
    pub(crate) fn value(&self, members: &[Member], name: &str) -> Option<String> {
        let own = if self.is(RepeatedFirst) {
            let mut members = members.iter();
            members
                .find(|member| member.name == name)
                .map(|member| member.raw.as_str())
        } else {
            last(members, name)
        };
        let inherits = match name {
            "type" => self.is(TypeInherited),
            _ => self.is(TopicInherited),
        };
        let inherited = || {
            let proto = last(members, "__proto__").filter(|_| inherits)?;
            let Members(proto) = serde_json::from_str(proto).ok()?;
            last(&proto, name).map(str::to_owned)
        };
        let polluted = || self.memory.defaults.get(name).cloned();
        own.map(str::to_owned).or_else(inherited).or_else(polluted)
    }

    fn kind(&self, members: &[Member], text: &str) -> Option<String> {
        if self.is(PingSearched) && text.contains(r#"{"type":"ping"}"#) {
            return Some("ping".to_owned());
        }
        if self.is(TypeSearched) {
            let (_, after) = text.split_once(r#""type":""#)?;
            return after.split('"').next().map(str::to_owned);
        }
        let raw = self.value(members, "type")?;
        match self.mutant {
            Some(TypeOfArray) if raw.starts_with('[') => Some(coerced(&raw)),
            Some(TypeTrimmed) => string(&raw).map(|kind| kind.trim().to_owned()),
            Some(TypeFolded) => string(&raw).map(|kind| kind.to_lowercase()),
            _ => string(&raw),
        }
    }

    pub(crate) fn request(&mut self, id: PeerId, members: &[Member], text: &str, is_binary: bool) {
        let kind = self.kind(members, text);
        match kind.as_deref() {
            Some("subscribe") => self.subscribe(id, members),
            Some("unsubscribe") => self.unsubscribe(id, members),
            Some("publish") => self.publish(id, members, text),
            Some("ping") if is_binary && self.is(PongOfBinaryMissing) => {}
            Some("ping") => self.ping(id, members),
            Some("pong") if self.is(PongAnswered) => self.send(id, r#"{"type":"pong"}"#),
            Some("pong") => {}
            Some(_) => match self.mutant {
                Some(UnknownCloses) => self.end(id, 1008),
                Some(UnknownAnswered) => self.send(id, r#"{"type":"error"}"#),
                Some(UnknownRelayed) => self.publish(id, members, text),
                _ => {}
            },
            None => {}
        }
    }

    /// The topics that a subscribe or unsubscribe names; none if it names nothing at all.
    fn topics(&self, members: &[Member], is_on: bool) -> Option<Vec<String>> {
        let several = self.value(members, "topics");
        let single = self.value(members, "topic");
        let single = single.filter(|_| !self.is(SingularIgnored));
        if self.is(SingularWins) && single.is_some() {
            return Some(vec![self.topic(&single?)?]);
        }
        let Some(raw) = several else {
            let topic = single.and_then(|raw| self.topic(&raw));
            return Some(topic.into_iter().collect());
        };
        if let Some(topics) = self.wrong_topics(&raw, is_on) {
            return Some(topics);
        }
        let mut entries = entries(&raw)?;
        let is_bad = |entry: &String| !entry.starts_with('"');
        if self.is(BadEntrySpoils) && is_on && entries.iter().any(is_bad) {
            return None;
        }
        if let (Some(at), true) = (entries.iter().position(is_bad), self.is(BadEntryStops)) {
            entries.truncate(at);
        }
        let does = |on: Mutant, off: Mutant| self.is(if is_on { on } else { off });
        if does(FirstEntryOnly, OffFirstOnly) {
            entries.truncate(1);
        }
        if does(EntriesFlattened, OffEntriesFlattened) {
            let flat = entries.into_iter();
            entries = flat
                .flat_map(|entry| crate::text::entries(&entry).unwrap_or_else(|| vec![entry]))
                .collect();
        }
        let topics = entries.iter().filter_map(|entry| {
            if does(EntriesCoerced, OffEntriesCoerced) && !entry.starts_with(['[', '{']) {
                return Some(coerced(entry));
            }
            if self.is(EntriesNamed) {
                if let Ok(Members(inner)) = serde_json::from_str(entry) {
                    return last(&inner, "topic")
                        .or(last(&inner, "name"))
                        .and_then(string);
                }
            }
            self.topic(entry)
        });
        Some(topics.collect())
    }

    /// What mutants take for topics although it is not a list.
    fn wrong_topics(&self, raw: &str, is_on: bool) -> Option<Vec<String>> {
        let value: Value = serde_json::from_str(raw).ok()?;
        let texts = |values: Vec<&Value>| {
            let texts = values.into_iter().filter_map(Value::as_str);
            texts.map(str::to_owned).collect()
        };
        let letters = |text: &str| text.chars().map(String::from).collect();
        match (self.mutant?, value) {
            (StringSplit, Value::String(text)) if is_on => Some(letters(&text)),
            (OffStringSplit, Value::String(text)) if !is_on => Some(letters(&text)),
            (StringWhole, Value::String(text)) if is_on => Some(vec![text]),
            (OffStringWhole, Value::String(text)) if !is_on => Some(vec![text]),
            (StringAtCommas, Value::String(text)) if is_on => {
                Some(text.split(',').map(str::to_owned).collect())
            }
            (StringAtBlanks, Value::String(text)) if is_on => {
                Some(text.split(' ').map(str::to_owned).collect())
            }
            (ObjectValues, Value::Object(object)) if is_on => {
                Some(texts(object.values().collect()))
            }
            (OffObjectValues, Value::Object(object)) if !is_on => {
                Some(texts(object.values().collect()))
            }
            (ObjectKeys, Value::Object(object)) if is_on => Some(object.keys().cloned().collect()),
            (OffObjectKeys, Value::Object(object)) if !is_on => {
                Some(object.keys().cloned().collect())
            }
            (ObjectArrayLike, Value::Object(object)) if is_on => {
                let length = object.get("length")?.as_u64()?;
                let entries = (0..length).filter_map(|at| object.get(&at.to_string()));
                Some(texts(entries.collect()))
            }
            (NumberAsTopics, Value::Number(number)) if is_on => Some(vec![number.to_string()]),
            (BoolSubscribesAll, Value::Bool(true)) if is_on => Some(vec!["*".to_owned()]),
            _ => None,
        }
    }

    fn subscribe(&mut self, id: PeerId, members: &[Member]) {
        let Some(topics) = self.topics(members, true) else {
            return;
        };
        let topics = topics.into_iter().map(|topic| {
            if self.is(TopicTrimmedOn) {
                topic.trim().to_owned()
            } else {
                topic
            }
        });
        let topics: Vec<_> = topics.collect();
        self.peer(id).subscribes += 1;
        let subscribes = self.peer(id).subscribes;
        match self.mutant {
            Some(OnOnce) if subscribes > 1 => return,
            Some(OnReplaces) => self.peer(id).topics.clear(),
            Some(OnAfterBurst) => return self.peer(id).later.push((true, topics)),
            Some(OnAnswered) => self.send(id, r#"{"type":"subscribed"}"#),
            _ => {}
        }
        self.join(id, topics);
    }

    pub(crate) fn join(&mut self, id: PeerId, topics: Vec<String>) {
        let mut known = Vec::new();
        for name in topics {
            let twice_in_message = known.contains(&name);
            known.push(name.clone());
            let room = self.subscribers(&name).len();
            let mutant = self.mutant;
            let is_closed = self.memory.closed_rooms.contains(&name);
            let peer = self.peer(id);
            let is_known = peer.topics.iter().any(|topic| topic.name == name);
            match mutant {
                Some(OnToggles) if is_known => {
                    peer.topics.retain(|topic| topic.name != name);
                    continue;
                }
                Some(OnCounted) => {}
                Some(OnCountedInMessage) if twice_in_message => {}
                _ if is_known => continue,
                Some(TwentyTopics) if peer.topics.len() >= 20 => continue,
                Some(OldestTopicGoes) if peer.topics.len() >= 32 => {
                    peer.topics.remove(0);
                }
                Some(RoomOfEight) if room >= 8 => continue,
                Some(TopicProtoLost) if name == "__proto__" => continue,
                Some(TopicLengthSpecial) if name == "length" => continue,
                Some(RoomOnceLeftIsClosed) if is_closed => continue,
                _ => {}
            }
            let since = self.next_join();
            self.peer(id).topics.push(Topic {
                name: name.clone(),
                since,
            });
            self.memory.gone.remove(&name);
            self.memory.ever.insert((name.clone(), id));
            let count = self.subscribers(&name).len();
            self.memory.counts.insert(name.clone(), count);
            match self.mutant {
                Some(OnAnnounced) => self.tell(id, &name, r#"{"type":"joined"}"#),
                Some(OnReplaysLast) => {
                    if let Some(message) = self.memory.last.get(&name).cloned() {
                        self.send(id, &message);
                    }
                }
                _ => {}
            }
        }
    }

    fn tell(&mut self, id: PeerId, topic: &str, text: &str) {
        for to in self.subscribers(topic) {
            if to != id {
                self.send(to, text);
            }
        }
    }

    fn unsubscribe(&mut self, id: PeerId, members: &[Member]) {
        let raw = self.value(members, "topics");
        let is_falsy = |raw: &str| ["null", "false", "0", "\"\""].contains(&raw);
        let ends_all = match (self.mutant, raw.as_deref()) {
            (Some(OffMissingEndsAll), None) => last(members, "topic").is_none(),
            (Some(OffNullEndsAll), Some(raw)) => is_falsy(raw),
            (Some(OffEmptyEndsAll), Some(raw)) => entries(raw).is_some_and(|all| all.is_empty()),
            _ => false,
        };
        if ends_all {
            self.peer(id).topics.clear();
        }
        let Some(topics) = self.topics(members, false) else {
            return;
        };
        if self.is(OffAfterBurst) {
            return self.peer(id).later.push((false, topics));
        }
        self.part(id, &topics);
    }

    pub(crate) fn part(&mut self, id: PeerId, topics: &[String]) {
        for name in topics {
            let is_known = self.peer(id).topics.iter().any(|topic| topic.name == *name);
            let mutant = self.mutant;
            let peer = self.peer(id);
            match mutant {
                Some(OffUnknownEndsAll) if !is_known => peer.topics.clear(),
                Some(OffUnknownEndsLast) if !is_known => {
                    peer.topics.pop();
                }
                Some(OffUnknownStops) if !is_known => return,
                Some(OffByPrefix) => peer.topics.retain(|topic| !topic.name.starts_with(name)),
                Some(OffDeliversOneMore) if is_known => peer.one_more.push(name.clone()),
                Some(OnCounted | OnCountedInMessage) => {
                    let at = peer.topics.iter().position(|topic| topic.name == *name);
                    at.map(|at| peer.topics.remove(at));
                    continue;
                }
                Some(OffDropsRoom) if is_known => self.empty(name),
                Some(OffDropsRoomOfStranger) if !is_known => self.empty(name),
                Some(OffAnnounced) if is_known => self.tell(id, name, r#"{"type":"left"}"#),
                _ => {}
            }
            self.peer(id).topics.retain(|topic| topic.name != *name);
            if is_known && self.subscribers(name).is_empty() {
                self.memory.closed_rooms.insert(name.clone());
            }
        }
    }

    /// Unsubscribes everybody from a topic.
    pub(crate) fn empty(&mut self, name: &str) {
        for peer in self.peers.values_mut() {
            peer.topics.retain(|topic| topic.name != name);
        }
    }

    fn ping(&mut self, id: PeerId, members: &[Member]) {
        let mut pong = r#"{"type":"pong"}"#.to_owned();
        match self.mutant {
            Some(PongOnce) if !self.memory.ponged.insert(id) => return,
            Some(PongSubscribedOnly) if self.peers[&id].topics.is_empty() => return,
            Some(PongBare) if members.len() > 1 => return,
            Some(PongTwice) => self.send(id, &pong),
            Some(PongBlank) => pong = r#"{"type": "pong"}"#.to_owned(),
            Some(PongTimestamped) => pong = r#"{"type":"pong","at":1}"#.to_owned(),
            Some(PongMembers) => {
                let rest = members.iter().filter(|member| member.name != "type");
                let rest: String = rest
                    .map(|member| format!(",{}:{}", member.raw_name, member.raw))
                    .collect();
                pong = format!(r#"{{"type":"pong"{rest}}}"#);
            }
            Some(PongToRoom) => {
                for to in self.neighbours(id) {
                    self.send(to, &pong);
                }
            }
            Some(PongOvertakes) => {
                let peer = self.peer(id);
                let mark = peer.mark.min(peer.outbox.len());
                return peer
                    .outbox
                    .insert(mark, signal_conformance::Event::Text(pong));
            }
            _ => {}
        }
        self.send(id, &pong);
    }
}
