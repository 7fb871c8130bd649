//! How a reactor takes connections in.

use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use mio::Token;
use mio::event::Event;
use mio::net::TcpStream;
use signal_core::Instant;

use super::listener::Accepted;
use super::{Entry, LISTENER, Reactor, Slot, Stream, catch_panic, plan};
use crate::admission::Admission;
use crate::handshake::Handshake;
use crate::hub::wake::Home;
use crate::serve::arrival::{self, Arrival};
use crate::serve::connection::Connection;
use crate::serve::deadlines::NEVER;

/// Connections accepted in one round; those that are here already have their turns in between.
const ACCEPTS: usize = 32;

/// A connection that has not been upgraded yet.
pub(super) struct Newcomer {
    pub(super) io: Stream,
    handshake: Handshake,
    /// Its entry in the reactor's deadlines. One that is too early does no harm.
    pub(super) deadline: Instant,
    /// Gives it a turn: when an authorizer that took its time has answered, or another needs its
    /// place.
    waker: Waker,
    arrival: Arrival,
}

/// What begins when a handshake is over, if anything.
type Begun = Option<(Admission, Bytes)>;

impl Newcomer {
    fn new(io: Stream, arrival: Arrival) -> Self {
        Self {
            io,
            handshake: arrival.handshake(),
            deadline: NEVER,
            waker: Waker::noop().clone(),
            arrival,
        }
    }

    /// Notes what the system says of its socket.
    pub(super) fn note(&mut self, event: &Event, now: Instant) {
        self.io.note(event);
        self.arrival.resume(now);
    }

    /// Goes on with the handshake. A mistake of ours ends this one alone.
    fn turn(&mut self, now: Instant) -> Poll<Begun> {
        let turn = || {
            let mut cx = Context::from_waker(&self.waker);
            let arrival = Some(&self.arrival);
            arrival::turn(&mut self.handshake, &mut self.io, arrival, now, &mut cx)
        };
        catch_panic(turn).unwrap_or(Poll::Ready(None))
    }
}

impl Reactor {
    /// Accepts the connections that wait. True if there was any.
    pub(super) fn accept(&mut self, cx: &Context<'_>) -> bool {
        let mut has_any = false;
        for (number, place) in (0..self.listeners.len()).zip((0..=LISTENER).rev()) {
            for _ in 0..ACCEPTS {
                match self.listeners[number].accept(&self.shared, cx.waker()) {
                    Accepted::One(io, arrival) => {
                        has_any = true;
                        self.accepted(io, arrival);
                    }
                    Accepted::Refused => {}
                    Accepted::Nobody => break,
                    Accepted::NotBefore(again) => {
                        self.deadlines.insert((again, place));
                        break;
                    }
                }
            }
        }
        has_any
    }

    /// Begins the handshake of a connection. Often the request is there already, and no place is
    /// needed to wait for it.
    pub(super) fn accepted(&mut self, io: TcpStream, arrival: Arrival) {
        // On Linux they inherit it from the listener.
        #[cfg(not(target_os = "linux"))]
        let _ = io.set_nodelay(true);
        let mut newcomer = Newcomer::new(Stream::new(io), arrival);
        let outcome = match newcomer.turn(self.shared.clock.now()) {
            Poll::Pending => self.park(newcomer),
            Poll::Ready(begun) => self.begin(newcomer.io, begun),
        };
        if let Err(error) = outcome {
            tracing::warn!(%error, "cannot watch a socket");
        }
    }

    /// Goes on with the handshake in this place.
    pub(super) fn take_newcomers_turn(&mut self, place: u32) {
        let Some(slot @ Slot::Newcomer(_)) = self.slots.get_mut(place as usize) else {
            return;
        };
        let Slot::Newcomer(mut newcomer) = std::mem::replace(slot, Slot::Taken) else {
            return;
        };
        match newcomer.turn(self.shared.clock.now()) {
            Poll::Pending => {
                let registry = self.poll.get_ref().registry();
                let next = newcomer.handshake.poll_timeout();
                match newcomer.io.await_room(registry, Token(place as usize)) {
                    Ok(()) => {
                        plan(&mut self.deadlines, place, &mut newcomer.deadline, next);
                        self.slots[place as usize] = Slot::Newcomer(newcomer);
                        return;
                    }
                    Err(error) => tracing::warn!(%error, "cannot watch a socket"),
                }
                self.remove(place, newcomer.deadline);
            }
            Poll::Ready(None) => self.remove(place, newcomer.deadline),
            Poll::Ready(Some(begun)) => {
                self.deadlines.remove(&(newcomer.deadline, place));
                self.begin_in(place, newcomer.io, begun);
            }
        }
    }

    /// Gives a handshake a place to wait in.
    fn park(&mut self, mut newcomer: Newcomer) -> io::Result<()> {
        let place = self.reserve(&mut newcomer.io)?;
        let home = Home::new(Arc::clone(&self.mailbox), place);
        newcomer.waker = Arc::new(home).into();
        self.slots[place as usize] = Slot::Newcomer(Box::new(newcomer));
        // Whatever it waits for does not know this waker yet.
        self.due.push(place);
        Ok(())
    }

    /// Gives a connection a place, if one begins.
    fn begin(&mut self, mut io: Stream, begun: Begun) -> io::Result<()> {
        if let Some(begun) = begun {
            let place = self.reserve(&mut io)?;
            self.begin_in(place, io, begun);
        }
        Ok(())
    }

    /// Begins a connection in a place that is taken for it.
    fn begin_in(&mut self, place: u32, io: Stream, begun: (Admission, Bytes)) {
        let (admission, read_ahead) = begun;
        let home = Home::new(Arc::clone(&self.mailbox), place);
        let rooms = Arc::clone(&self.shared.rooms);
        let begin = || Connection::framed(io, read_ahead, admission, rooms, Some(home));
        let Some(connection) = catch_panic(begin) else {
            self.slots.remove(place as usize);
            return;
        };
        let mut entry = Box::new(Entry::new(connection, place));
        entry.make_due(&mut self.due);
        self.slots[place as usize] = Slot::Connection(entry);
    }

    /// Takes a place, and registers this socket's events under it.
    fn reserve(&mut self, io: &mut Stream) -> io::Result<u32> {
        let entry = self.slots.vacant_entry();
        let number = entry.key();
        let place = u32::try_from(number).map_err(io::Error::other)?;
        io.register(self.poll.get_ref().registry(), Token(number))?;
        entry.insert(Slot::Taken);
        Ok(place)
    }
}
