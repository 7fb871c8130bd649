//! How a reactor takes connections in.

use std::io;
use std::sync::Arc;

use mio::Token;
use mio::net::TcpStream;

use super::guest::{Guest, Heard, Slow};
use super::listener::Accepted;
use super::{Connection, LISTENER, Reactor, Slot, Stream, catch_panic};
use crate::handshake::http1::Upgraded;
use crate::hub::wake::Home;
use crate::serve::arrival::Arrival;
use crate::serve::connection::Socket;

/// Connections accepted in one round; those that are here already have their turns in between.
const ACCEPTS: usize = 32;

impl Reactor {
    /// Accepts who waits for it.
    pub(super) fn accept(&mut self) {
        for _ in 0..ACCEPTS {
            match self.listener.accept(&self.shared, &self.mailbox) {
                Accepted::One(io, arrival) => self.welcome(io, arrival),
                Accepted::Nobody => return,
                Accepted::NotBefore(again) => {
                    self.deadlines.insert((again, LISTENER));
                    return;
                }
            }
        }
    }

    /// Takes a connection that was upgraded elsewhere.
    pub(super) fn adopt(&mut self, newcomer: Upgraded<tokio::net::TcpStream>) {
        let Upgraded {
            io,
            read_ahead,
            admission,
        } = newcomer;
        match io.into_std() {
            Ok(io) => self.begin(Upgraded {
                io: Stream::new(TcpStream::from_std(io)),
                read_ahead,
                admission,
            }),
            Err(error) => warn(&error),
        }
    }

    /// Hears what a guest has to say that has a place.
    pub(super) fn hear(&mut self, place: u32) {
        let Some(guest) = self.take_guest(place) else {
            return;
        };
        let deadline = guest.deadline;
        let heard = catch_panic(|| guest.hear()).unwrap_or(Heard::End);
        if let Heard::Nothing(guest) = heard {
            self.slots[place as usize] = Slot::Guest(Box::new(guest));
            return;
        }
        self.deadlines.remove(&(deadline, place));
        match heard {
            Heard::Upgrade(upgraded) => self.settle(place, upgraded),
            Heard::Slow(slow) => self.send_away(place, slow),
            // The system forgets a socket that is closed.
            Heard::Nothing(_) | Heard::End => drop(self.slots.remove(place as usize)),
        }
    }

    /// Ends the handshake of a guest whose time is up.
    pub(super) fn give_up(&mut self, place: u32) {
        if let Some(guest) = self.take_guest(place) {
            self.send_away(place, guest.give_up());
        }
    }

    /// Hears what somebody has to say who has just been accepted: often the request is there
    /// already.
    fn welcome(&mut self, io: TcpStream, arrival: Arrival) {
        // On Linux they inherit it from the listener.
        #[cfg(not(target_os = "linux"))]
        let _ = io.set_nodelay(true);
        let timeout = self.shared.config.handshake_timeout;
        let deadline = self.shared.now().saturating_add(timeout);
        let guest = Guest::new(Stream::new(io), arrival, deadline);
        match catch_panic(|| guest.hear()).unwrap_or(Heard::End) {
            Heard::Nothing(guest) => self.seat(guest),
            Heard::Upgrade(upgraded) => self.begin(upgraded),
            Heard::Slow(slow) => self.spawn(slow),
            Heard::End => {}
        }
    }

    /// Gives a guest a place to wait in.
    fn seat(&mut self, mut guest: Guest) {
        match self.reserve(&mut guest.io) {
            Ok(place) => {
                self.deadlines.insert((guest.deadline, place));
                self.slots[place as usize] = Slot::Guest(Box::new(guest));
            }
            Err(error) => warn(&error),
        }
    }

    /// Gives a connection a place.
    fn begin(&mut self, mut upgraded: Upgraded<Stream>) {
        match self.reserve(&mut upgraded.io) {
            Ok(place) => self.settle(place, upgraded),
            Err(error) => warn(&error),
        }
    }

    /// Begins a connection in a place that is taken for it.
    fn settle(&mut self, place: u32, upgraded: Upgraded<Stream>) {
        let home = Home::new(Arc::clone(&self.mailbox), place);
        let Some(socket) = catch_panic(|| Socket::new(upgraded, Some(home))) else {
            self.slots.remove(place as usize);
            return;
        };
        let mut connection = Box::new(Connection {
            socket,
            place,
            deadline: None,
            is_due: false,
        });
        connection.make_due(&mut self.due);
        self.slots[place as usize] = Slot::Connection(connection);
    }

    /// Frees the place of a guest and ends its handshake elsewhere.
    fn send_away(&mut self, place: u32, mut slow: Box<Slow>) {
        self.slots.remove(place as usize);
        match slow.io.deregister(self.poll.get_ref().registry()) {
            Ok(()) => self.spawn(slow),
            Err(error) => warn(&error),
        }
    }

    fn spawn(&self, slow: Box<Slow>) {
        drop(tokio::spawn(slow.finish(Arc::clone(&self.mailbox))));
    }

    /// Takes a place, and has what happens on this socket told to it.
    fn reserve(&mut self, io: &mut Stream) -> io::Result<u32> {
        let entry = self.slots.vacant_entry();
        let number = entry.key();
        let place = u32::try_from(number).map_err(io::Error::other)?;
        io.register(self.poll.get_ref().registry(), Token(number))?;
        entry.insert(Slot::Taken);
        Ok(place)
    }

    /// Takes a guest out of its place, which stays its own.
    fn take_guest(&mut self, place: u32) -> Option<Guest> {
        let slot = self.slots.get_mut(place as usize)?;
        match std::mem::replace(slot, Slot::Taken) {
            Slot::Guest(guest) => Some(*guest),
            other @ (Slot::Connection(_) | Slot::Taken) => {
                *slot = other;
                None
            }
        }
    }
}

fn warn(error: &io::Error) {
    tracing::warn!(%error, "cannot watch a socket");
}
