//! The connections of a thread, without a task for each.
//!
//! A tokio task and tokio's registration of a socket are a kilobyte for each connection, and waking a task costs more than half
//! as much as the write it is woken for. So on the threads of [`Relay::serve_per_core`](crate::Relay::serve_per_core), whose
//! connections never move, one task drives them all, with an epoll (kqueue) of its own inside of tokio's:
//!
//! ```text
//!  events of sockets ─┐
//!  deadlines ─────────┼─▶ turns: read, act ──push──▶ queues ──first frame──▶ mailbox ─▶ writes, one for each queue
//!  mailbox ───────────┘                                ▲
//!                                     other threads ───┘
//! ```
//!
//! All that is ready is read before anything is written. So what many peers have to say to one in a moment goes out to it with
//! one system call.

mod stream;

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::io;
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
use tokio::net::TcpStream;
use tokio::time::Sleep;

pub(crate) use self::stream::Stream;
use crate::deadlines::set_timer;
use crate::http1::Upgraded;
use crate::mailbox::{Home, Mailbox, Notes};
use crate::shared::Shared;
use crate::socket::{Socket, Turn};

/// Events of one look at the sockets.
const EVENTS: usize = 1_024;

/// Drives the connections of a thread.
pub(crate) struct Reactor {
    shared: Arc<Shared>,
    poll: AsyncFd<mio::Poll>,
    events: Events,
    connections: Slab<Box<Connection>>,
    mailbox: Arc<Mailbox>,
    /// Empty between two rounds; kept for its memory.
    notes: Notes,
    /// Connections that have a turn in this round.
    due: Vec<u32>,
    /// Whether the last look had no room for all events.
    has_more_events: bool,
    /// The deadline of each connection that has one.
    deadlines: BTreeSet<(Instant, u32)>,
    timer: Pin<Box<Sleep>>,
}

struct Connection {
    socket: Socket<Stream>,
    place: u32,
    /// Its entry in `deadlines`. One that is early does no harm, so it moves only forward.
    deadline: Option<Instant>,
    /// Whether it is in `due`.
    is_due: bool,
}

impl Reactor {
    /// A reactor of the current runtime, and how to reach it.
    pub(crate) fn new(shared: Arc<Shared>) -> io::Result<(Self, Arc<Mailbox>)> {
        #[expect(
            deprecated,
            reason = "what replaces it is unsafe, for objects that may exchange their descriptor; a `Poll` keeps its own"
        )]
        let poll = AsyncFd::with_interest(mio::Poll::new()?, Interest::READABLE)?;
        let mailbox = Arc::new(Mailbox::default());
        let timer = Box::pin(tokio::time::sleep_until(shared.first_timer()));
        let reactor = Self {
            shared,
            poll,
            events: Events::with_capacity(EVENTS),
            connections: Slab::new(),
            mailbox: Arc::clone(&mailbox),
            notes: Notes::default(),
            due: Vec::new(),
            has_more_events: false,
            deadlines: BTreeSet::new(),
            timer,
        };
        Ok((reactor, mailbox))
    }

    /// Drives the connections for ever.
    pub(crate) async fn run(mut self) -> Infallible {
        std::future::poll_fn(|cx| self.round(cx)).await
    }

    fn round(&mut self, cx: &mut Context<'_>) -> Poll<Infallible> {
        self.look_at_sockets(cx);
        self.read_mail();
        self.find_overdue();
        self.take_turns();
        self.write();
        if !self.sleep(cx) {
            // After the listener, and whatever else the runtime has to do.
            let _ = pin!(tokio::task::yield_now()).poll(cx);
        }
        Poll::Pending
    }

    /// Asks the system which sockets are ready, if it has something to say.
    fn look_at_sockets(&mut self, cx: &mut Context<'_>) {
        let Self {
            poll,
            events,
            connections,
            due,
            has_more_events,
            ..
        } = self;
        if let Poll::Ready(Ok(mut ready)) = poll.poll_read_ready_mut(cx) {
            // Before the look: what happens after it makes the epoll ready again.
            ready.clear_ready();
            *has_more_events = true;
        }
        if !std::mem::take(has_more_events) {
            return;
        }
        match poll.get_mut().poll(events, Some(Duration::ZERO)) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                *has_more_events = true;
                return;
            }
            Err(error) => {
                tracing::error!(%error, "cannot ask which sockets are ready");
                return;
            }
        }
        let mut count = 0;
        for event in &*events {
            count += 1;
            let Some(connection) = connections.get_mut(event.token().0) else {
                continue;
            };
            if connection.socket.io_mut().note(event) {
                connection.make_due(due);
            }
        }
        *has_more_events = count == EVENTS;
    }

    fn read_mail(&mut self) {
        self.mailbox.take_turns(&mut self.notes);
        for place in self.notes.to_turn.drain(..) {
            if let Some(connection) = self.connections.get_mut(place as usize) {
                connection.make_due(&mut self.due);
            }
        }
        while let Some(newcomer) = self.notes.newcomers.pop() {
            if let Err(error) = self.adopt(newcomer) {
                tracing::warn!(%error, "cannot watch a socket");
            }
        }
    }

    fn adopt(&mut self, newcomer: Upgraded<TcpStream>) -> io::Result<()> {
        let Upgraded {
            io,
            read_ahead,
            admission,
        } = newcomer;
        let entry = self.connections.vacant_entry();
        let number = entry.key();
        let place = u32::try_from(number).map_err(io::Error::other)?;
        let registry = self.poll.get_ref().registry();
        let upgraded = Upgraded {
            io: Stream::register(io.into_std()?, registry, Token(number))?,
            read_ahead,
            admission,
        };
        let home = Home::new(Arc::clone(&self.mailbox), place);
        let connection = entry.insert(Box::new(Connection {
            socket: Socket::new(upgraded, Some(home)),
            place,
            deadline: None,
            is_due: false,
        }));
        connection.make_due(&mut self.due);
        Ok(())
    }

    fn find_overdue(&mut self) {
        if self.deadlines.is_empty() {
            return;
        }
        let now = self.shared.now();
        while let Some((_, place)) = self.deadlines.first().filter(|(due, _)| *due <= now) {
            if let Some(connection) = self.connections.get_mut(*place as usize) {
                connection.deadline = None;
                connection.make_due(&mut self.due);
            }
            self.deadlines.pop_first();
        }
    }

    fn take_turns(&mut self) {
        let mut due = std::mem::take(&mut self.due);
        for place in due.drain(..) {
            self.take_turn(place);
        }
        // Whoever has another turn has it in the next round.
        std::mem::swap(&mut self.due, &mut due);
        self.due.append(&mut due);
    }

    fn take_turn(&mut self, place: u32) {
        let Some(connection) = self.connections.get_mut(place as usize) else {
            return;
        };
        connection.is_due = false;
        let mut cx = Context::from_waker(Waker::noop());
        let turn = survive(|| connection.socket.poll(&mut cx));
        match turn {
            Turn::Again => connection.make_due(&mut self.due),
            Turn::Sleep(None) => {}
            Turn::Sleep(Some(next)) => {
                let known = connection.deadline;
                if known.is_none_or(|known| next < known) {
                    if let Some(known) = connection.deadline.replace(next) {
                        self.deadlines.remove(&(known, place));
                    }
                    self.deadlines.insert((next, place));
                }
            }
            Turn::Gone => {
                let connection = self.connections.remove(place as usize);
                if let Some(known) = connection.deadline {
                    self.deadlines.remove(&(known, place));
                }
            }
        }
    }

    /// Writes the queues that have something.
    fn write(&mut self) {
        let mut cx = Context::from_waker(Waker::noop());
        self.mailbox.take_writes(&mut self.notes);
        for place in self.notes.to_write.drain(..) {
            let Some(connection) = self.connections.get_mut(place as usize) else {
                continue;
            };
            if !connection.socket.write_listed(&mut cx) {
                connection.make_due(&mut self.due);
            }
        }
    }

    /// Arranges to be woken; false if there is something to do already.
    fn sleep(&mut self, cx: &mut Context<'_>) -> bool {
        if self.has_more_events || !self.due.is_empty() || !self.mailbox.sleep(cx.waker()) {
            return false;
        }
        if let Some((deadline, _)) = self.deadlines.first() {
            set_timer(cx, &self.shared, *deadline, self.timer.as_mut());
        }
        self.poll.poll_read_ready(cx).is_pending()
    }
}

impl Connection {
    /// Gives it a turn.
    fn make_due(&mut self, due: &mut Vec<u32>) {
        if !std::mem::replace(&mut self.is_due, true) {
            due.push(self.place);
        }
    }
}

impl Drop for Reactor {
    fn drop(&mut self) {
        self.mailbox.close();
    }
}

/// Has a connection take its turn. If that panics, which is a mistake of ours, it ends that connection and no other, as it
/// would if each were a task.
fn survive(turn: impl FnOnce() -> Turn) -> Turn {
    // The connection is dropped, and what it shares with others is not left half changed: see the locks.
    catch_unwind(AssertUnwindSafe(turn)).unwrap_or(Turn::Gone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_stays_small() {
        let bytes = size_of::<Connection>();
        assert!(
            bytes <= 256,
            "a connection has grown to {bytes} bytes; each costs this much while it is idle"
        );
    }

    #[test]
    fn a_panic_ends_one_connection() {
        assert_eq!(survive(|| panic!("a mistake")), Turn::Gone);
        assert_eq!(survive(|| Turn::Again), Turn::Again);
    }
}
