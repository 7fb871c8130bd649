//! A naive relay in memory, sound unless it is a mutant. It has no limits. What arrives waits until
//! somebody looks, so that there are bursts.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use signal_conformance::Event;

use crate::list::Mutant::{self, *};
use crate::relayed::Style;
use crate::text::{Member, Members, depth, is_json, string};

pub(crate) type PeerId = u64;

const DEPTH_MAX: usize = 128;

#[derive(Clone, Debug)]
pub(crate) enum Arrival {
    Text(Vec<u8>),
    Binary(Vec<u8>),
    Close(u16),
    Abort,
}

#[derive(Default)]
pub(crate) struct Relay {
    pub(crate) mutant: Option<Mutant>,
    pub(crate) style: Style,
    pub(crate) peers: BTreeMap<PeerId, Peer>,
    pub(crate) dead: bool,
    arrived: VecDeque<(PeerId, Arrival)>,
    last_id: PeerId,
    joins: u64,
    /// What each kind of mutant has to remember.
    pub(crate) memory: Memory,
}

#[derive(Default)]
pub(crate) struct Memory {
    pub(crate) defaults: BTreeMap<String, String>,
    pub(crate) last: BTreeMap<String, String>,
    pub(crate) seen: BTreeSet<(String, String)>,
    pub(crate) counts: BTreeMap<String, usize>,
    pub(crate) ever: BTreeSet<(String, PeerId)>,
    pub(crate) gone: BTreeMap<String, usize>,
    pub(crate) names: BTreeMap<String, Vec<Topic>>,
    pub(crate) closed_rooms: BTreeSet<String>,
    pub(crate) dead_rooms: BTreeSet<String>,
    pub(crate) published: u64,
    pub(crate) held: Vec<(PeerId, String)>,
    pub(crate) burst: BTreeMap<String, usize>,
    pub(crate) burst_counts: BTreeMap<String, usize>,
    pub(crate) ponged: BTreeSet<PeerId>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Topic {
    pub(crate) name: String,
    pub(crate) since: u64,
}

#[derive(Default)]
pub(crate) struct Peer {
    pub(crate) name: String,
    pub(crate) topics: Vec<Topic>,
    pub(crate) outbox: VecDeque<Event>,
    /// How much was in the outbox before this burst.
    pub(crate) mark: usize,
    pub(crate) paused: bool,
    pub(crate) ended: bool,
    pub(crate) deaf: bool,
    pub(crate) blocked_by: Option<PeerId>,
    pub(crate) published: u64,
    pub(crate) subscribes: u64,
    pub(crate) last_text: String,
    pub(crate) later: Vec<(bool, Vec<String>)>,
    pub(crate) one_more: Vec<String>,
}

impl Peer {
    /// Whether it does not read, and much is waiting for it.
    pub(crate) fn is_slow(&self) -> bool {
        const MUCH: usize = 1 << 20;
        let waiting = self.outbox.iter().filter_map(Event::text).map(str::len);
        self.paused && !self.ended && self.outbox.len() > 8 && waiting.sum::<usize>() > MUCH
    }
}

impl Relay {
    pub(crate) fn new(mutant: Option<Mutant>) -> Self {
        Self {
            mutant,
            ..Self::default()
        }
    }

    pub(crate) fn is(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    pub(crate) fn connect(&mut self, name: &str) -> PeerId {
        self.run();
        self.last_id += 1;
        let remembered = self
            .memory
            .names
            .remove(name)
            .filter(|_| self.is(Remembered));
        let peer = Peer {
            name: name.to_owned(),
            topics: remembered.unwrap_or_default(),
            ..Peer::default()
        };
        self.peers.insert(self.last_id, peer);
        let open = self.open();
        if self.is(TenthConnection) && open.len() >= 10 {
            self.end(open[0], 1006);
        }
        self.last_id
    }

    pub(crate) fn open(&self) -> Vec<PeerId> {
        let open = self.peers.iter().filter(|(_, peer)| !peer.ended);
        open.map(|(id, _)| *id).collect()
    }

    pub(crate) fn arrive(&mut self, id: PeerId, arrival: Arrival) {
        self.arrived.push_back((id, arrival));
    }

    /// Forgets a peer nobody looks at any more.
    pub(crate) fn forget(&mut self, id: PeerId) {
        self.run();
        if self.peers.get(&id).is_some_and(|peer| !peer.ended) {
            self.arrive(id, Arrival::Abort);
            self.run();
        }
        if !self.is(AbortKeeps) && !self.is(EndKeeps) {
            self.peers.remove(&id);
        }
    }

    /// Handles what has arrived.
    pub(crate) fn run(&mut self) {
        let is_stalled = self.peers.values().any(Peer::is_slow);
        if self.is(SlowStallsAll) && is_stalled {
            return;
        }
        if !is_stalled {
            for (to, text) in std::mem::take(&mut self.memory.held) {
                self.send(to, &text);
            }
            let peers = self.peers.values_mut();
            peers.for_each(|peer| peer.blocked_by = None);
        }
        let mut burst = Vec::from(std::mem::take(&mut self.arrived));
        self.arrange(&mut burst);
        for peer in self.peers.values_mut() {
            peer.mark = peer.outbox.len();
        }
        self.memory.ponged.clear();
        self.memory.burst.clear();
        self.memory.burst_counts.clear();
        for (_, arrival) in &burst {
            if let Some((topic, _)) = published(arrival) {
                *self.memory.burst_counts.entry(topic).or_default() += 1;
            }
        }
        let mut burst = VecDeque::from(burst);
        while let Some((id, arrival)) = burst.pop_front() {
            let closes = matches!(
                burst.iter().find(|(next, _)| *next == id),
                Some((_, Arrival::Close(_)))
            );
            if self.is(CloseOfLastMessage) && closes && published(&arrival).is_some() {
                continue;
            }
            let is_bad = self.handle(id, arrival);
            if is_bad && self.is(BadDropsBurst) {
                burst.retain(|(other, _)| *other == id);
            }
        }
        let ids: Vec<_> = self.peers.keys().copied().collect();
        for id in ids {
            for (on, topics) in std::mem::take(&mut self.peer(id).later) {
                if on {
                    self.join(id, topics);
                } else {
                    self.part(id, &topics);
                }
            }
        }
    }

    fn arrange(&self, burst: &mut Vec<(PeerId, Arrival)>) {
        let is_message =
            |arrival: &Arrival| matches!(arrival, Arrival::Text(_) | Arrival::Binary(_));
        match self.mutant {
            Some(BurstReversed) if burst.iter().all(|(_, arrival)| is_message(arrival)) => {
                burst.reverse();
            }
            Some(BurstSwapped) if burst.len() > 16 => burst.swap(15, 16),
            Some(BurstCut) if burst.len() > 128 => burst.truncate(128),
            Some(BurstLate) => burst.sort_by_key(|(_, arrival)| match arrival {
                Arrival::Text(text) => !String::from_utf8_lossy(text).contains("\"subscribe\""),
                Arrival::Binary(_) | Arrival::Close(_) | Arrival::Abort => true,
            }),
            _ => {}
        }
    }

    /// Handles one arrival and says whether it was a message that is not JSON.
    fn handle(&mut self, id: PeerId, arrival: Arrival) -> bool {
        let Some(peer) = self.peers.get(&id).filter(|peer| !peer.ended) else {
            return false;
        };
        if peer.deaf || peer.blocked_by.is_some() {
            return false;
        }
        match arrival {
            Arrival::Close(code) => {
                self.close(id, code);
                false
            }
            Arrival::Abort => {
                self.abort(id);
                false
            }
            Arrival::Text(bytes) => self.message(id, &bytes, false),
            Arrival::Binary(bytes) => self.message(id, &bytes, true),
        }
    }

    fn message(&mut self, id: PeerId, bytes: &[u8], is_binary: bool) -> bool {
        match self.mutant {
            Some(BinaryIgnored) if is_binary => return false,
            Some(BinaryCloses) if is_binary => {
                self.end(id, 1003);
                return false;
            }
            Some(SixteenKib) if bytes.len() > 16 << 10 => return false,
            Some(EmptyKills) if bytes.is_empty() => {
                self.kill();
                return true;
            }
            _ => {}
        }
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text.to_owned(),
            Err(_) if self.is(Utf8Repaired) => String::from_utf8_lossy(bytes).into_owned(),
            Err(_) => return self.bad(id),
        };
        let before: Vec<_> = self.peers.values().map(|peer| peer.outbox.len()).collect();
        let mut is_bad = false;
        for text in self.parts(&text) {
            is_bad |= self.text(id, &text, is_binary);
        }
        if is_binary && self.is(BinaryRelayed) {
            for (peer, before) in self.peers.values_mut().zip(before) {
                for event in peer.outbox.iter_mut().skip(before) {
                    if let Some(text) = event.text().filter(|text| text.contains("publish")) {
                        *event = Event::Binary(text.as_bytes().to_vec());
                    }
                }
            }
        }
        is_bad
    }

    /// What lenient readers make of a text.
    fn parts(&self, text: &str) -> Vec<String> {
        let one = |text: String| vec![text];
        match self.mutant {
            Some(LinesApart) => text.lines().map(str::to_owned).collect(),
            Some(CutAt32Kib) => one(text.chars().take(32 << 10).collect()),
            Some(TrailingCommas) => one(text.replace(",}", "}").replace(",]", "]")),
            Some(Comments) => one(text.replace("/* */", "")),
            Some(NanAccepted) => one(text.replace(":NaN", ":null")),
            Some(ControlCharacters) => one(text.replace("\"\n\"", "\"\\n\"")),
            Some(ByteOrderMark) => one(text.trim_start_matches('\u{feff}').to_owned()),
            Some(TrailingTextIgnored | ConcatenatedApart) => {
                let mut values = serde_json::Deserializer::from_str(text)
                    .into_iter::<Box<serde_json::value::RawValue>>();
                let mut parts: Vec<_> = values
                    .by_ref()
                    .map_while(Result::ok)
                    .map(|raw| raw.get().to_owned())
                    .collect();
                if parts.is_empty() || self.is(ConcatenatedApart) && !text.trim_end().ends_with('}')
                {
                    return one(text.to_owned());
                }
                if self.is(TrailingTextIgnored) {
                    parts.truncate(1);
                }
                parts
            }
            Some(ArrayIsBatch) if is_json(text) => {
                crate::text::entries(text).unwrap_or_else(|| one(text.to_owned()))
            }
            Some(StringDecodedTwice) => one(string(text).unwrap_or_else(|| text.to_owned())),
            _ => one(text.to_owned()),
        }
    }

    fn text(&mut self, id: PeerId, text: &str, is_binary: bool) -> bool {
        if self.is(BraceFirst) && !text.starts_with('{') {
            return false;
        }
        let depth = depth(text);
        if depth > DEPTH_MAX || !is_json(text) {
            return self.bad(id);
        }
        if depth > 20 && self.is(DepthTwenty) {
            return false;
        }
        let Ok(Members(mut members)) = serde_json::from_str(text) else {
            match self.mutant {
                Some(NullKills) if text.trim() == "null" => self.kill(),
                Some(ScalarCloses) if !text.trim_start().starts_with('[') => self.end(id, 1002),
                _ => {}
            }
            return false;
        };
        if self.is(EveryMessageAnswered) {
            self.send(id, r#"{"type":"pong"}"#);
        }
        if self.is(NamesNotUnescaped) {
            for member in &mut members {
                member.name = member.raw_name.trim_matches('"').to_owned();
            }
        }
        let mut names: Vec<_> = members.iter().map(|member| member.name.clone()).collect();
        names.sort();
        names.dedup();
        if self.is(RepeatedRefused) && names.len() < members.len()
            || self.is(TypeFirst) && members.first().is_none_or(|first| first.name != "type")
        {
            return false;
        }
        if self.is(ToStringCalled) && names.iter().any(|name| name == "toString") {
            self.end(id, 1011);
            return false;
        }
        self.pollute(&members);
        self.request(id, &members, text, is_binary);
        if let Some(peer) = self.peers.get_mut(&id) {
            text.clone_into(&mut peer.last_text);
        }
        false
    }

    fn pollute(&mut self, members: &[Member]) {
        let inherited = match self.mutant {
            Some(PrototypePolluted) => members.iter().find(|member| member.name == "__proto__"),
            Some(ConstructorPolluted) => members.iter().find(|member| member.name == "constructor"),
            _ => None,
        };
        let Some(Ok(Members(mut inner))) =
            inherited.map(|member| serde_json::from_str(&member.raw))
        else {
            return;
        };
        if self.is(ConstructorPolluted) {
            let prototype = inner.iter().find(|member| member.name == "prototype");
            let Some(Ok(Members(deeper))) =
                prototype.map(|member| serde_json::from_str(&member.raw))
            else {
                return;
            };
            inner = deeper;
        }
        let inner = inner.into_iter().map(|member| (member.name, member.raw));
        self.memory.defaults.extend(inner);
    }

    /// Deals with a message that is not JSON.
    fn bad(&mut self, id: PeerId) -> bool {
        let neighbours = self.neighbours(id);
        match self.mutant {
            Some(BadAnswered) => self.send(id, r#"{"type":"error"}"#),
            Some(BadUnsubscribesSender) => self.peer(id).topics.clear(),
            Some(BadUnsubscribesRoom) => {
                let topics: Vec<_> = self
                    .peer(id)
                    .topics
                    .iter()
                    .map(|topic| topic.name.clone())
                    .collect();
                for peer in self.peers.values_mut() {
                    peer.topics.retain(|topic| !topics.contains(&topic.name));
                }
            }
            Some(BadClosesRoom) => neighbours
                .into_iter()
                .for_each(|other| self.end(other, 1011)),
            Some(BadKills) => self.kill(),
            Some(BadDeafens) => self.peer(id).deaf = true,
            Some(BadRepeatsLast) => {
                let last = std::mem::take(&mut self.peer(id).last_text);
                if !last.is_empty() {
                    self.text(id, &last, false);
                }
            }
            _ => {}
        }
        true
    }

    /// The peers that share a topic with one.
    pub(crate) fn neighbours(&self, id: PeerId) -> Vec<PeerId> {
        let topics = &self.peers[&id].topics;
        let shares = |peer: &Peer| {
            let mut theirs = peer.topics.iter();
            theirs.any(|theirs| topics.iter().any(|ours| ours.name == theirs.name))
        };
        let others = self.peers.iter();
        let others = others.filter(|(other, peer)| **other != id && !peer.ended && shares(peer));
        others.map(|(other, _)| *other).collect()
    }

    pub(crate) fn next_join(&mut self) -> u64 {
        self.joins += 1;
        self.joins
    }

    pub(crate) fn peer(&mut self, id: PeerId) -> &mut Peer {
        self.peers
            .get_mut(&id)
            .expect("it is asked for by what is known of it")
    }

    pub(crate) fn send(&mut self, to: PeerId, text: &str) {
        let text = Event::Text(text.to_owned());
        if let Some(peer) = self.peers.get_mut(&to).filter(|peer| !peer.ended) {
            peer.outbox.push_back(text);
        }
    }

    pub(crate) fn kill(&mut self) {
        self.dead = true;
        for id in self.open() {
            self.end(id, 1006);
        }
    }
}

/// The topic and the text of a publish in the usual spelling.
pub(crate) fn published(arrival: &Arrival) -> Option<(String, String)> {
    let Arrival::Text(text) = arrival else {
        return None;
    };
    let Members(members) = serde_json::from_slice(text).ok()?;
    let value = |name| {
        let mut members = members.iter();
        members
            .find(|member| member.name == name)
            .and_then(|member| string(&member.raw))
    };
    let text = String::from_utf8_lossy(text).into_owned();
    (value("type")? == "publish").then_some((value("topic")?, text))
}
