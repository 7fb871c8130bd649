use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use signal_cluster::{Cluster, Local, NodeId, Payer};
use signal_core::{Instant, Message};
use tokio::time::Sleep;

use super::board::Board;
use super::nudges::Nudges;
use super::peers::Peers;
use super::{Bus, BusHealth};
use crate::clock::{Clock, first_timer};
use crate::hub::rooms::Rooms;
use crate::hub::uplink::{Notes, Order, Overflow, Told, Uplink};
use crate::stats::readiness::{Obstacle, Readiness};

/// Messages of the bus that are read before the other tasks of the runtime have their turns.
const MESSAGES_PER_TURN: usize = 256;
/// A publish has the time at which its peer's turn began, which is no longer ago than that.
const TURN_MILLIS: u64 = 1_000;
/// How long the last beat may take to get onto its way.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// The one task that owns a node and its bus.
///
/// Each poll is one turn: what local peers have done, what the bus has brought, what is due, and
/// then what has come of it for other nodes, many frames to a batch. It decides nothing.
pub(super) struct Task {
    pub(super) clock: Clock,
    pub(super) cluster: Cluster,
    /// `None` once it has ended: what is sent then is for nobody.
    pub(super) bus: Option<Box<dyn Bus>>,
    pub(super) uplink: Arc<Uplink>,
    /// Weak, because the rooms end the task and not the other way round.
    pub(super) rooms: Weak<Rooms>,
    pub(super) board: Arc<Board>,
    pub(super) readiness: Arc<Readiness>,
    pub(super) is_bus_required: bool,
    pub(super) reannounces: bool,
    pub(super) nudges: Nudges,
    pub(super) notes: Notes,
    pub(super) overflows: u64,
    /// Whether there is no other node, as the mailbox knows.
    pub(super) is_lazy: bool,
    /// Whether the topics say nothing, as there is nobody to expect.
    pub(super) is_hushed: bool,
    pub(super) order: Order,
    /// By when what is on its way must be on it, once this node has left.
    pub(super) leaves_by: Option<Instant>,
    pub(super) timer: Pin<Box<Sleep>>,
    /// The last view that was reported.
    pub(super) views: u64,
}

impl Future for Task {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        if this.leaves_by.is_none() {
            this.turn(cx);
            this.wait_for_others(cx);
            this.hush();
        }
        let is_flushed = match &mut this.bus {
            Some(bus) => bus.poll_flush(cx).is_ready(),
            None => true,
        };
        if let Some(until) = this.leaves_by {
            if is_flushed || this.clock.now() >= until {
                return Poll::Ready(());
            }
        }
        this.report();
        this.sleep(cx);
        Poll::Pending
    }
}

impl Task {
    fn turn(&mut self, cx: &mut Context<'_>) {
        let now = self.clock.now();
        let order = self.uplink.take(&mut self.notes, cx.waker());
        let mut peers = Peers {
            now,
            rooms: self.rooms.upgrade(),
            nudges: &mut self.nudges,
        };
        for told in self.notes.iter() {
            match told {
                Told::Count { topic, subscribers } => {
                    count(now, &mut self.cluster, &mut peers, topic, subscribers);
                }
                Told::Publish {
                    topic,
                    message,
                    charged,
                    by,
                } => {
                    let message = Message::from(message.to_owned());
                    let payer = by.map(|peer| Payer {
                        peer: peer.as_u64(),
                        charged,
                    });
                    self.cluster.publish(now, topic, &message, payer);
                }
            }
        }
        if let Some(overflow) = self.notes.overflow.take() {
            self.overflows += overflow.lost;
            let reannounces = self.reannounces;
            catch_up(now, &mut self.cluster, &mut peers, overflow, reannounces);
        }
        if order >= Order::Drain && self.order < Order::Drain {
            self.cluster.drain(now);
        }
        self.order = order;
        self.cluster.set_bus_up(health(self.bus.as_deref()).is_up);
        receive(now, &mut self.cluster, &mut self.bus, &mut peers, cx);
        if self.cluster.poll_timeout().is_some_and(|due| due <= now) {
            self.cluster.handle_timeout(now, &mut peers);
        }
        drop(peers);
        self.nudges.handle_timeout(now);
        if let Some(bus) = &mut self.bus {
            let bus = &mut Way(&mut **bus);
            if order == Order::Leave {
                self.cluster.leave(bus);
            } else {
                self.cluster.flush(bus);
            }
        } else {
            self.cluster.flush(&mut Nowhere);
        }
        if order == Order::Leave {
            self.leaves_by = Some(now.saturating_add(FLUSH_TIMEOUT));
        }
    }

    /// Without other nodes, what local peers do may wait for the next beat: there is nobody to
    /// tell, and whoever comes is heard after it, as a turn begins with that.
    fn wait_for_others(&mut self, cx: &mut Context<'_>) {
        let is_lazy = self.cluster.nodes().len() == 0;
        if std::mem::replace(&mut self.is_lazy, is_lazy) != is_lazy && self.uplink.set_lazy(is_lazy)
        {
            cx.waker().wake_by_ref();
        }
    }

    /// Has the topics say nothing while nobody is to be expected. What they have said until then is
    /// taken at the beginning of the next turn, before the node may ask for them again.
    fn hush(&mut self) {
        let is_alone = self.cluster.is_alone();
        if std::mem::replace(&mut self.is_hushed, is_alone) == is_alone || !is_alone {
            return;
        }
        if let Some(rooms) = self.rooms.upgrade() {
            rooms.shards.hush();
        }
    }

    /// Lets the relay know how the node is.
    fn report(&mut self) {
        let cluster = &self.cluster;
        let bus = health(self.bus.as_deref());
        let views = cluster.stats().view_changes;
        let has_view_changed = std::mem::replace(&mut self.views, views) != views;
        if has_view_changed {
            let others: Vec<_> = cluster.nodes().map(|node| node.id.to_string()).collect();
            tracing::info!(
                nodes = others.len() + 1,
                others = others.join(" "),
                "nodes of the cluster have come or gone"
            );
        }
        self.board.change(|stats| {
            stats.node = cluster.node();
            stats.is_ready = cluster.is_ready();
            stats.is_alone = cluster.is_alone();
            stats.do_views_differ = cluster.do_views_differ();
            stats.homed = cluster.homed() as u64;
            stats.waiting_for = cluster.waiting_for().unwrap_or_default();
            stats.bus = bus;
            stats.counts = *cluster.stats();
            stats.mailbox_overflows = self.overflows;
            stats.nudged = self.nudges.count;
            if has_view_changed {
                stats.nodes = cluster.nodes().collect();
            }
        });
        self.readiness.set(if !cluster.is_ready() {
            Some(Obstacle::Young)
        } else if self.is_bus_required && !bus.is_up {
            Some(Obstacle::BusDown)
        } else {
            None
        });
    }

    /// Arranges a wake-up for what is due next.
    fn sleep(&mut self, cx: &mut Context<'_>) {
        let times = [
            self.cluster.poll_timeout(),
            self.nudges.poll_timeout(),
            self.leaves_by,
        ];
        let due = times.into_iter().flatten().min();
        let at = due.map_or_else(first_timer, |due| self.clock.runtime_instant(due));
        if self.timer.deadline() != at {
            self.timer.as_mut().reset(at);
        }
        if self.timer.as_mut().poll(cx).is_ready() {
            cx.waker().wake_by_ref();
        }
    }
}

/// However the task ends, nobody waits for it.
impl Drop for Task {
    fn drop(&mut self) {
        self.uplink.close();
        self.bus = None;
        self.board.change(|stats| {
            stats.nodes.clear();
            stats.bus = health(None);
        });
        self.board.set_left();
    }
}

/// How a topic changed. What is known of it elsewhere goes with its last subscriber: the node
/// forgets that too, and is told anew when somebody comes.
fn count(
    now: Instant,
    cluster: &mut Cluster,
    peers: &mut Peers<'_>,
    topic: &str,
    subscribers: u32,
) {
    cluster.local(now, topic, subscribers);
    if subscribers == 0 {
        peers.elsewhere(topic, 0);
    }
}

/// What did not fit into the mailbox: the counts of topics come after all that did, and those who
/// published what stayed here announce again.
fn catch_up(
    now: Instant,
    cluster: &mut Cluster,
    peers: &mut Peers<'_>,
    overflow: Overflow,
    reannounces: bool,
) {
    tracing::warn!(
        lost = overflow.lost,
        "local peers did more than the task of the cluster could take: publishes stayed on this node"
    );
    let since = overflow.since.as_millis().saturating_sub(TURN_MILLIS);
    for (topic, late) in &overflow.topics {
        if let Some(subscribers) = late.subscribers {
            count(now, cluster, peers, topic, subscribers);
        }
        if late.has_lost && reannounces {
            peers.announce_again(topic, Instant::from_millis(since));
        }
    }
}

/// Reads what the bus has brought.
fn receive(
    now: Instant,
    cluster: &mut Cluster,
    bus: &mut Option<Box<dyn Bus>>,
    peers: &mut Peers<'_>,
    cx: &mut Context<'_>,
) {
    let Some(open) = bus else { return };
    for _ in 0..MESSAGES_PER_TURN {
        match open.poll_receive(cx) {
            Poll::Ready(Some(message)) => cluster.receive(now, &message, peers),
            Poll::Ready(None) => {
                tracing::error!(
                    "the bus of the cluster has ended; this relay serves its own peers alone"
                );
                *bus = None;
                return;
            }
            Poll::Pending => return,
        }
    }
    // There may be more.
    cx.waker().wake_by_ref();
}

fn health(bus: Option<&dyn Bus>) -> BusHealth {
    bus.map_or(BusHealth::ENDED, Bus::health)
}

/// The bus, as the node sees it.
struct Way<'b>(&'b mut dyn Bus);

impl signal_cluster::Bus for Way<'_> {
    fn to(&mut self, node: NodeId, message: &[u8]) {
        self.0.to(node, message);
    }

    fn to_all(&mut self, message: &[u8]) {
        self.0.to_all(message);
    }
}

/// A bus that has ended.
struct Nowhere;

impl signal_cluster::Bus for Nowhere {
    fn to(&mut self, _: NodeId, _: &[u8]) {}

    fn to_all(&mut self, _: &[u8]) {}
}
