use core::mem;

use signal_core::Instant;

use super::Cluster;
use crate::directory::Directory;
use crate::effect::Effect;
use crate::host::Local;
use crate::retained::Retained;
use crate::wire::Frame;

/// Without other nodes, and without any to expect (B9).
///
/// What is kept and counted is for others, so a node alone does neither. Whoever comes then has the
/// topics of this node from their subscribers, as the host knows them.
impl Cluster {
    /// Whether this node is alone: it has heard nobody for long, and waits for nobody to come back.
    ///
    /// While it is, [`local`](Self::local) and [`publish`](Self::publish) do nothing and need not
    /// be called. That ends within [`receive`](Self::receive) or
    /// [`handle_timeout`](Self::handle_timeout), with a call of [`Local::topics`].
    pub const fn is_alone(&self) -> bool {
        self.is_alone
    }

    /// Says whether the bus carries anything at the moment, as far as the host knows. It counts as
    /// up until this is called. A node without a bus is cut off, which is not to be alone.
    pub fn set_bus_up(&mut self, is_up: bool) {
        self.is_bus_up = is_up;
    }

    /// Whether there may be others: some are there, some have fallen silent, or none could be
    /// heard.
    fn expects_others(&self) -> bool {
        !self.is_bus_up || !self.members.are_none()
    }

    /// Counts the time without others.
    pub(super) fn wait_alone(&mut self, now: Instant) {
        if self.expects_others() {
            self.expected_at = now;
        }
        let waited = now.saturating_since(self.expected_at);
        let is_settled = self.is_ready() && self.nudges.poll_timeout().is_none();
        if !self.is_alone && is_settled && waited >= self.config.margin() {
            self.be_alone();
        }
    }

    fn be_alone(&mut self) {
        self.is_alone = true;
        let edge = mem::take(&mut self.edge);
        let shared = edge.iter().filter(|(_, known)| known.elsewhere > 0);
        self.effects
            .extend(shared.map(|(topic, _)| Effect::Elsewhere {
                topic: topic.clone(),
                subscribers: 0,
            }));
        let forgotten = self.reach.clear();
        self.reach_changed(forgotten);
        self.directory = Directory::new(self.config.cluster_directory_bytes_max);
        self.next_report = None;
        self.keep = Retained::new(self.config.cluster_keep_bytes_max);
        self.recent = Retained::new(self.config.cluster_keep_bytes_max);
    }

    /// Ends being alone if there may be others now. `was_alone` says whether this node was, perhaps
    /// in an earlier life.
    pub(super) fn meet(&mut self, was_alone: bool, local: &mut dyn Local) {
        self.is_alone &= !self.expects_others();
        if was_alone && !self.is_alone {
            let now = self.clock.now();
            local.topics(&mut |topic, subscribers| self.introduce(now, topic, subscribers));
        }
    }

    /// Takes a topic as if it had always been known: it moves to its home, and its peers may have
    /// published up to now.
    fn introduce(&mut self, now: Instant, topic: &str, subscribers: u32) {
        let Some((topic, home)) = self.edge.set(topic, subscribers, &self.homes) else {
            return;
        };
        if let Some(known) = self.edge.get_mut(&topic) {
            known.published = Some(now);
        }
        let frame = Frame::Subscribe {
            topic,
            subscribers,
            moved: true,
        };
        self.send(home, frame);
    }
}
