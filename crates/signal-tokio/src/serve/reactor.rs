//! The connections of a thread, without a task for each.
//!
//! A tokio task and tokio's registration of a socket are a kilobyte for each connection, and waking
//! a task costs more than half as much as the write it is woken for. So on the threads of
//! [`Relay::serve_per_core`](crate::Relay::serve_per_core), whose connections never move, one task
//! drives them all, with an epoll (kqueue) of its own inside of tokio's, and accepts them:
//!
//! ```text
//!  listener ──▶ newcomers ──upgrade──▶ connections
//!
//!  events of sockets ─┐
//!  deadlines ─────────┼─▶ turns: read, act ──push──▶ queues ──first frame──▶ mailbox ─▶ writes, one for each queue
//!  mailbox ───────────┘                                ▲
//!                                     other threads ───┘
//! ```

mod entry;
mod listener;
mod newcomers;
mod stream;

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::io;
use std::net::TcpListener;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use mio::{Events, Token};
use signal_core::Instant;
use slab::Slab;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::Sleep;

use self::entry::Entry;
use self::listener::Listener;
use self::newcomers::Newcomer;
pub(crate) use self::stream::Stream;
use crate::clock::first_timer;
use crate::hub::wake::{Mailbox, Notes};
use crate::serve::bytes::{Framed, READ_BYTES};
use crate::serve::connection::{Connection, Turn};
use crate::serve::deadlines::{NEVER, set_timer};
use crate::shared::Shared;

/// Events of one look at the sockets.
const EVENTS: usize = 1_024;

/// A look that finds so many is followed by another at once, as there are some again by then.
const EVENTS_OF_MANY: usize = 2;
/// How many looks follow each other before the runtime does what else it has to do.
const LOOKS: usize = 4;

/// The first listener's place among the connections; the others have those before it.
const LISTENER: u32 = u32::MAX;

/// Drives the connections of a thread.
pub(crate) struct Reactor {
    shared: Arc<Shared>,
    poll: AsyncFd<mio::Poll>,
    events: Events,
    listeners: Vec<Listener>,
    slots: Slab<Slot>,
    mailbox: Arc<Mailbox>,
    /// Empty between two rounds; kept for its memory.
    notes: Notes,
    /// Connections that have a turn in this round.
    due: Vec<u32>,
    /// Connections whose sockets were full and take more again.
    writable: Vec<u32>,
    /// Turns of one round in which some have more than one: all that is read in them fits into half
    /// of a queue.
    turns_max: usize,
    /// Whether the last look had no room for all events.
    has_more_events: bool,
    /// The deadline of each newcomer and connection that has one, and when the listener is to try
    /// again.
    deadlines: BTreeSet<(Instant, u32)>,
    timer: Pin<Box<Sleep>>,
}

/// Who has a place.
enum Slot {
    /// A connection that has not sent its request.
    Newcomer(Box<Newcomer>),
    Connection(Box<Entry>),
    /// One that is having its turn.
    Taken,
}

impl Reactor {
    /// A reactor of the current runtime, for the connections of these listeners.
    pub(crate) fn new(shared: Arc<Shared>, listeners: Vec<TcpListener>) -> io::Result<Self> {
        #[expect(
            deprecated,
            reason = "what replaces it is unsafe, for objects that may exchange their descriptor; a `Poll` keeps its own"
        )]
        let poll = AsyncFd::with_interest(mio::Poll::new()?, Interest::READABLE)?;
        let registry = poll.get_ref().registry();
        let places = (0..=LISTENER).rev();
        let listeners = listeners
            .into_iter()
            .zip(places)
            .map(|(listener, place)| Listener::register(listener, registry, Token(place as usize)));
        let listeners = listeners.collect::<io::Result<_>>()?;
        let turns_max = shared.config.outbound_bytes_max / 2 / READ_BYTES;
        let account = shared.rooms.memory.account().clone();
        let timer = Box::pin(tokio::time::sleep_until(first_timer()));
        Ok(Self {
            shared,
            poll,
            events: Events::with_capacity(EVENTS),
            listeners,
            slots: Slab::new(),
            mailbox: Arc::new(Mailbox::new(account)),
            notes: Notes::default(),
            due: Vec::new(),
            writable: Vec::new(),
            turns_max,
            has_more_events: false,
            deadlines: BTreeSet::new(),
            timer,
        })
    }

    /// Serves until its thread ends.
    pub(crate) async fn run(mut self) -> Infallible {
        std::future::poll_fn(|cx| self.round(cx)).await
    }

    /// All that is ready is read before anything is written: what many peers have to say to one in
    /// a moment then goes out to it with one system call, which costs as much for a hundred frames
    /// as for one. Nothing in a round waits, and it ends by asking to be woken for the next one, or
    /// at once if the runtime should only do what else it has to do in between. While much happens
    /// that is not for each look, as the runtime looks at its own epoll then.
    fn round(&mut self, cx: &mut Context<'_>) -> Poll<Infallible> {
        for _ in 0..LOOKS {
            let is_busy = self.look_at_sockets(cx);
            self.read_mail();
            self.find_overdue();
            self.take_turns();
            self.write();
            // After all else, because by then many of those who come have sent their requests.
            if self.accept(cx) {
                self.take_turns();
                self.write();
            }
            if !is_busy {
                break;
            }
            self.has_more_events = true;
        }
        if !self.sleep(cx) {
            // After the listener, and whatever else the runtime has to do.
            let _ = pin!(tokio::task::yield_now()).poll(cx);
        }
        Poll::Pending
    }

    /// Asks the system which sockets are ready, if it has something to say. True if they are many.
    fn look_at_sockets(&mut self, cx: &mut Context<'_>) -> bool {
        let Self {
            shared,
            poll,
            events,
            listeners,
            slots,
            due,
            writable,
            has_more_events,
            ..
        } = self;
        if let Poll::Ready(Ok(mut ready)) = poll.poll_read_ready_mut(cx) {
            // Before the look: what happens after it makes the epoll ready again.
            ready.clear_ready();
            *has_more_events = true;
        }
        if !std::mem::take(has_more_events) {
            return false;
        }
        match poll.get_mut().poll(events, Some(Duration::ZERO)) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                *has_more_events = true;
                return false;
            }
            Err(error) => {
                tracing::error!(%error, "cannot ask which sockets are ready");
                return false;
            }
        }
        let now = shared.clock.now();
        let mut count = 0;
        for event in &*events {
            count += 1;
            let place = event.token().0;
            match slots.get_mut(place) {
                Some(Slot::Connection(entry)) => entry.note(event, due, writable),
                Some(Slot::Newcomer(newcomer)) => {
                    newcomer.note(event, now);
                    due.extend(u32::try_from(place));
                }
                Some(Slot::Taken) => {}
                None => {
                    let place = u32::try_from(place).unwrap_or_default();
                    if let Some(listener) = listeners.get_mut(listener_in(place)) {
                        listener.wake();
                    }
                }
            }
        }
        *has_more_events = count == EVENTS;
        count >= EVENTS_OF_MANY
    }

    fn read_mail(&mut self) {
        self.mailbox.take_turns(&mut self.notes);
        for place in self.notes.to_turn.drain(..) {
            match self.slots.get_mut(place as usize) {
                Some(Slot::Connection(entry)) => entry.make_due(&mut self.due),
                Some(Slot::Newcomer(_)) => self.due.push(place),
                Some(Slot::Taken) | None => {}
            }
        }
    }

    fn find_overdue(&mut self) {
        if self.deadlines.is_empty() {
            return;
        }
        let now = self.shared.clock.now();
        while let Some((_, place)) = self.deadlines.first().filter(|(due, _)| *due <= now) {
            let place = *place;
            self.deadlines.pop_first();
            match self.slots.get_mut(place as usize) {
                Some(Slot::Connection(entry)) => {
                    entry.deadline = NEVER;
                    entry.make_due(&mut self.due);
                }
                Some(Slot::Newcomer(newcomer)) => {
                    newcomer.deadline = NEVER;
                    self.due.push(place);
                }
                Some(Slot::Taken) => {}
                None => {
                    if let Some(listener) = self.listeners.get_mut(listener_in(place)) {
                        listener.wake();
                    }
                }
            }
        }
    }

    /// Gives a turn to each connection that is due, and then, while they are few, further ones to
    /// those that have more to read: what a burst brings then goes out in one write instead of one
    /// for each read.
    fn take_turns(&mut self) {
        let mut left = self.turns_max;
        loop {
            let mut due = std::mem::take(&mut self.due);
            left = left.saturating_sub(due.len());
            for place in due.drain(..) {
                self.take_turn(place);
                if self.mailbox.is_urgent() {
                    self.write();
                }
            }
            // Kept for its memory.
            std::mem::swap(&mut self.due, &mut due);
            self.due.append(&mut due);
            if self.due.is_empty() || self.due.len() > left {
                return;
            }
        }
    }

    fn take_turn(&mut self, place: u32) {
        match self.slots.get_mut(place as usize) {
            Some(Slot::Connection(entry)) => entry.is_due = false,
            Some(Slot::Newcomer(_)) => return self.take_newcomers_turn(place),
            Some(Slot::Taken) | None => return,
        }
        self.drive(place, |connection, cx| connection.poll_read(cx));
    }

    /// Writes the queues that have something, and to the sockets that have room again.
    fn write(&mut self) {
        self.mailbox.take_writes(&mut self.notes);
        let mut places = std::mem::take(&mut self.notes.to_write);
        places.append(&mut self.writable);
        if !places.is_empty() {
            let now = self.shared.clock.now();
            for place in places.drain(..) {
                self.drive(place, |connection, cx| connection.poll_write(cx, now));
            }
        }
        self.notes.to_write = places;
    }

    /// Gives a connection a part of its turn, and arranges what it waits for.
    fn drive(
        &mut self,
        place: u32,
        part: impl FnOnce(&mut Connection<Framed<Stream>>, &mut Context<'_>) -> Turn,
    ) {
        let Some(Slot::Connection(entry)) = self.slots.get_mut(place as usize) else {
            return;
        };
        // The system's events and the mailbox wake the reactor, not its connections.
        let mut cx = Context::from_waker(Waker::noop());
        let turn = catch_panic(|| part(&mut entry.connection, &mut cx)).unwrap_or(Turn::Gone);
        let socket = entry.connection.socket_mut();
        let registry = self.poll.get_ref().registry();
        let turn = match socket.await_room(registry, Token(place as usize)) {
            Ok(()) => turn,
            Err(error) => {
                tracing::warn!(%error, "cannot watch a socket");
                Turn::Gone
            }
        };
        match turn {
            Turn::Again => entry.make_due(&mut self.due),
            Turn::Sleep(None) => {}
            Turn::Sleep(Some(next)) => {
                plan(&mut self.deadlines, place, &mut entry.deadline, next);
            }
            Turn::Gone => {
                let known = entry.deadline;
                self.remove(place, known);
            }
        }
    }

    /// Frees a place.
    fn remove(&mut self, place: u32, deadline: Instant) {
        self.deadlines.remove(&(deadline, place));
        // The system forgets a socket that is closed.
        self.slots.remove(place as usize);
    }

    fn has_work(&self) -> bool {
        self.has_more_events
            || self.listeners.iter().any(Listener::is_ready)
            || !self.due.is_empty()
    }

    /// Arranges to be woken; false if there is something to do already.
    fn sleep(&mut self, cx: &mut Context<'_>) -> bool {
        if self.has_work() || !self.mailbox.sleep(cx.waker()) {
            return false;
        }
        if let Some((deadline, _)) = self.deadlines.first() {
            set_timer(cx, self.shared.clock, *deadline, self.timer.as_mut());
        }
        self.poll.poll_read_ready(cx).is_pending()
    }
}

impl Drop for Reactor {
    fn drop(&mut self) {
        self.mailbox.close();
    }
}

/// Which of the listeners has this place, if one has.
fn listener_in(place: u32) -> usize {
    (LISTENER - place) as usize
}

/// Has a place get a turn at this time, unless it has one before.
fn plan(deadlines: &mut BTreeSet<(Instant, u32)>, place: u32, known: &mut Instant, next: Instant) {
    if next < *known {
        deadlines.remove(&(*known, place));
        deadlines.insert((next, place));
        *known = next;
    }
}

/// Has a connection take its turn. If that panics, which is a mistake of ours, it ends that
/// connection and no other, as it would if each were a task.
fn catch_panic<T>(turn: impl FnOnce() -> T) -> Option<T> {
    // The connection is dropped, and what it shares with others is not left half changed: see the
    // locks.
    catch_unwind(AssertUnwindSafe(turn)).ok()
}

#[cfg(test)]
mod tests;
