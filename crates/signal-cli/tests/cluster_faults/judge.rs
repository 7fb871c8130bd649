//! Whether what clients wrote down keeps the promises of CLUSTER.md, section 2.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::record::{Apart, Connection, Heard, Pair, Record, Time};

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// What a busy machine may add to any time.
const SLACK: Duration = seconds(2);
/// M1: how long after a failure two have met: `cluster_dead_after` and 10 s.
const MEET: Duration = seconds(15);
/// M4: how long after a crash counts are right.
const COUNTED: Duration = seconds(6);
/// Until a subscribe is known to the topic's home, even if the first one that it was sent to is
/// dead and nobody knows yet: `cluster_dead_after` and two.
const SETTLED: Duration = seconds(7);
/// Until a publish has come, even if the home is lost on the way. Of a receiver that is closed
/// sooner nothing is expected.
const ARRIVED: Duration = MEET;
/// A publish that a client has sent so shortly before its connection ended may not have been read.
const UNREAD: Duration = seconds(5);
/// M3 holds while no node comes or goes. What was kept for so long may be sent again then
/// (`cluster_keep`), and a node that comes is home of something after three beats.
const KEPT: Duration = seconds(10);
const GROWN: Duration = seconds(13);

/// What is wrong, and what was seen.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) wrong: Vec<String>,
    pub(crate) seen: Vec<String>,
}

impl Verdict {
    fn wrong(&mut self, what: String) {
        self.wrong.push(what);
    }
}

pub(crate) fn judge(record: &Record) -> Verdict {
    let index = Index::of(record);
    let mut verdict = Verdict::default();
    index.once(&mut verdict);
    index.order(&mut verdict);
    index.losses(&mut verdict);
    index.counts(&mut verdict);
    index.local(&mut verdict);
    index.pairs(&mut verdict);
    verdict
}

/// A record in which publishes are found.
struct Index<'a> {
    record: &'a Record,
    /// By client and number: on which connection it was sent, and when.
    sent: BTreeMap<(usize, u64), (usize, Time)>,
    rooms: BTreeMap<usize, Vec<&'a Connection>>,
}

impl<'a> Index<'a> {
    fn of(record: &'a Record) -> Self {
        let mut sent = BTreeMap::new();
        let mut rooms = BTreeMap::<_, Vec<_>>::new();
        for (index, connection) in record.connections.iter().enumerate() {
            rooms.entry(connection.room).or_default().push(connection);
            for publish in &connection.sent {
                sent.insert((connection.client, publish.number), (index, publish.at));
            }
        }
        Self {
            record,
            sent,
            rooms,
        }
    }

    fn sent(&self, heard: &Heard) -> (usize, Time) {
        let sent = self.sent.get(&(heard.from, heard.number));
        *sent.expect("nobody hears what nobody has sent")
    }

    /// M2: nothing twice.
    fn once(&self, verdict: &mut Verdict) {
        let mut count = 0;
        for connection in &self.record.connections {
            let mut known = BTreeSet::new();
            for heard in &connection.heard {
                count += 1;
                if !known.insert((heard.from, heard.number)) {
                    verdict.wrong(format!("twice: {}", at(connection, heard)));
                }
            }
        }
        verdict.seen.push(format!("{count} deliveries"));
    }

    /// M3: one publisher's order is kept, while no node comes or goes.
    fn order(&self, verdict: &mut Verdict) {
        let mut excused = 0;
        for connection in &self.record.connections {
            let mut last = BTreeMap::<usize, (u64, Time)>::new();
            for heard in &connection.heard {
                let (publisher, sent) = self.sent(heard);
                let last = last.entry(publisher).or_insert((0, sent));
                if heard.number > last.0 {
                    *last = (heard.number, sent);
                } else if self.is_changing(sent, KEPT, GROWN)
                    || self.is_changing(last.1, KEPT, GROWN)
                {
                    excused += 1;
                } else {
                    verdict.wrong(format!("after {}: {}", last.0, at(connection, heard)));
                }
            }
        }
        verdict
            .seen
            .push(format!("{excused} out of order while nodes came and went"));
    }

    /// M2: nothing lost but what may be, and M5: on one node nothing at all.
    fn losses(&self, verdict: &mut Verdict) {
        let (mut due, mut unread, mut apart) = (0, 0, 0);
        for receiver in &self.record.connections {
            let heard = receiver
                .heard
                .iter()
                .map(|heard| (heard.from, heard.number));
            let heard: BTreeSet<_> = heard.collect();
            for publisher in &self.rooms[&receiver.room] {
                for publish in &publisher.sent {
                    let is_there = receiver.opened + SETTLED <= publish.at
                        && receiver
                            .closed
                            .is_none_or(|end| publish.at + ARRIVED <= end);
                    if !is_there {
                        continue;
                    }
                    due += 1;
                    let is_lost = !heard.contains(&(publisher.client, publish.number));
                    if !is_lost {
                        continue;
                    }
                    if publisher
                        .closed
                        .is_some_and(|end| end <= publish.at + UNREAD)
                    {
                        unread += 1;
                    } else if self.are_apart(publisher.node, receiver.node, publish.at) {
                        apart += 1;
                    } else {
                        verdict.wrong(format!(
                            "lost: number {} of client {} on node {}, sent at {:.2?}, for client {} \
                             on node {} in room {}",
                            publish.number,
                            publisher.client,
                            publisher.node,
                            publish.at,
                            receiver.client,
                            receiver.node,
                            receiver.room
                        ));
                    }
                }
            }
        }
        verdict.seen.push(format!(
            "of {due} due, lost as M2 allows: {unread} as the publisher's connection ended with \
             them, {apart} between nodes that were apart"
        ));
    }

    /// M4: `clients` is right, 6 s after a crash or a change of who is there.
    fn counts(&self, verdict: &mut Verdict) {
        let mut checked = 0;
        let mut slowest = BTreeMap::<&str, Duration>::new();
        for (room, connections) in &self.rooms {
            let ends = connections
                .iter()
                .filter_map(|connection| connection.closed);
            let mut moves: Vec<_> = connections
                .iter()
                .map(|connection| connection.opened)
                .collect();
            moves.extend(ends);
            for connection in connections {
                for heard in &connection.heard {
                    let (_, sent) = self.sent(heard);
                    let recent = sent.saturating_sub(SLACK)..=heard.at;
                    if moves.iter().any(|time| recent.contains(time)) {
                        continue;
                    }
                    let there = connections.iter().filter(|other| {
                        other.opened <= sent && other.closed.is_none_or(|end| heard.at < end)
                    });
                    let is_right = heard.clients == there.count() as u64;
                    if let Some((name, end)) = self.last_change(sent, heard.at) {
                        if !is_right {
                            let took = slowest.entry(name).or_default();
                            *took = sent.saturating_sub(end).max(*took);
                        }
                        continue;
                    }
                    checked += 1;
                    if !is_right {
                        verdict.wrong(format!(
                            "{} clients in room {room}: {}",
                            heard.clients,
                            at(connection, heard)
                        ));
                    }
                }
            }
        }
        let slowest: Vec<_> = slowest
            .iter()
            .map(|(name, took)| format!("{name} {took:.1?}"))
            .collect();
        verdict.seen.push(format!(
            "{checked} counts; the last wrong one after: {}",
            slowest.join(", ")
        ));
    }

    /// The change of nodes after which a count may still be wrong that was sent and heard then, and
    /// when it was over.
    fn last_change(&self, sent: Time, heard: Time) -> Option<(&'static str, Time)> {
        let faults = self.record.faults.iter();
        let changes =
            faults.flat_map(|fault| fault.changes.iter().map(|change| (fault.name, *change)));
        let recent =
            changes.filter(|(_, (from, until))| *from <= heard && sent <= *until + COUNTED + SLACK);
        recent
            .map(|(name, (_, until))| (name, until))
            .max_by_key(|(_, until)| *until)
    }

    /// M5: nobody is closed to whose node nothing was done, if nobody elsewhere is in the room.
    fn local(&self, verdict: &mut Verdict) {
        for connection in &self.record.connections {
            let Some(end) = connection.closed else {
                continue;
            };
            let faults = self.record.faults.iter();
            let mut own = faults.filter(|fault| fault.node == Some(connection.node));
            let is_own = own.any(|fault| (fault.from..=fault.until + MEET).contains(&end));
            if self.record.local.contains(&connection.room) && !is_own {
                verdict.wrong(format!(
                    "client {} of a local room was closed at {end:.2?}",
                    connection.client
                ));
            }
        }
        for fault in &self.record.faults {
            let mut delays = self.local_delays(fault.node, fault.from..=fault.until);
            delays.sort_unstable();
            let part = |percent: usize| delays.get(delays.len() * percent / 100);
            let worst = delays.last();
            if let (Some(half), Some(most), Some(worst)) = (part(50), part(99), worst) {
                verdict.seen.push(format!(
                    "{:<32} local delivery: {half:>9.1?} {most:>9.1?} {worst:>9.1?} (median, 99 %, worst)",
                    fault.name
                ));
            }
        }
    }

    /// How long deliveries took in rooms on one node, but not on this.
    fn local_delays(
        &self,
        without: Option<usize>,
        span: std::ops::RangeInclusive<Time>,
    ) -> Vec<Duration> {
        let connections = self.record.connections.iter();
        let local = connections.filter(|connection| {
            self.record.local.contains(&connection.room) && without != Some(connection.node)
        });
        let heard = local.flat_map(|connection| &connection.heard);
        let delays = heard.filter_map(|heard| {
            let (_, sent) = self.sent(heard);
            span.contains(&sent).then(|| heard.at.saturating_sub(sent))
        });
        delays.collect()
    }

    /// M1: each pair meets, if need be after a failure.
    fn pairs(&self, verdict: &mut Verdict) {
        let mut times: Vec<Duration> = Vec::new();
        for pair in &self.record.pairs {
            let deadline = self.deadline(pair);
            match pair.met {
                Some(met) if met <= deadline => times.push(met.saturating_sub(pair.opened)),
                Some(met) => verdict.wrong(format!(
                    "a pair of {:.2?} met only at {met:.2?}",
                    pair.opened
                )),
                None => verdict.wrong(format!("a pair of {:.2?} never met", pair.opened)),
            }
        }
        times.sort_unstable();
        let at_once = times.iter().filter(|time| **time < seconds(1)).count();
        let slowest = times.last().copied().unwrap_or_default();
        verdict.seen.push(format!(
            "{} pairs met, {at_once} of them within a second, the slowest after {slowest:.1?}",
            times.len()
        ));
    }

    /// When a pair must have met: all failures that it may have met with are over for long enough.
    fn deadline(&self, pair: &Pair) -> Time {
        let mut deadline = pair.opened + MEET + SLACK;
        for (from, until) in self.record.faults.iter().flat_map(|fault| &fault.changes) {
            if *from <= deadline && pair.opened <= *until + MEET {
                deadline = deadline.max(*until + MEET + SLACK);
            }
        }
        deadline
    }

    /// Whether nodes come or go at that time, or so long before or after it.
    fn is_changing(&self, time: Time, before: Duration, after: Duration) -> bool {
        let mut changes = self.record.faults.iter().flat_map(|fault| &fault.changes);
        changes.any(|(from, until)| (from.saturating_sub(before)..=*until + after).contains(&time))
    }

    /// Whether what was sent then from one node to another may be lost.
    fn are_apart(&self, one: usize, other: usize, time: Time) -> bool {
        let mut faults = self.record.faults.iter();
        one != other
            && faults.any(|fault| {
                let span = fault.from.saturating_sub(SLACK)..=fault.until + MEET;
                let concerns = match fault.apart {
                    Apart::Nobody => false,
                    Apart::Node(node) => node == one || node == other,
                    Apart::All => true,
                };
                concerns && span.contains(&time)
            })
    }
}

fn at(connection: &Connection, heard: &Heard) -> String {
    format!(
        "number {} of client {} at client {} on node {}, at {:.2?}",
        heard.number, heard.from, connection.client, connection.node, heard.at
    )
}

#[cfg(test)]
mod tests;
