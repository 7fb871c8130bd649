//! A listener of a reactor.

use std::io;
use std::sync::Arc;
use std::task::Waker;

use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry, Token};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use signal_core::Instant;

use crate::handshake::remote::Remote;
use crate::serve::accept::Failures;
use crate::serve::arrival::Arrival;
use crate::shared::Shared;

/// Accepts connections for as long as the relay has room for another handshake.
#[derive(Debug)]
pub(super) struct Listener {
    io: TcpListener,
    /// Whether there may be somebody to accept.
    is_ready: bool,
    /// Whether that is by an event, and nobody was accepted since.
    is_fresh: bool,
    /// Whether there was no room. The reactor is woken when there is.
    awaits_room: bool,
    failures: Failures,
}

/// What came of an attempt to accept.
#[derive(Debug)]
pub(super) enum Accepted {
    One(TcpStream, Arrival),
    /// One that may not stay, or was gone already.
    Refused,
    /// Nobody, until the listener hears otherwise.
    Nobody,
    /// Nobody, for want of room, descriptors or memory. To be tried again then.
    NotBefore(Instant),
}

impl Listener {
    /// A non-blocking listener, registered under this token.
    pub(super) fn register(
        listener: std::net::TcpListener,
        registry: &Registry,
        token: Token,
    ) -> io::Result<Self> {
        let mut io = TcpListener::from_std(listener);
        registry.register(&mut io, token, Interest::READABLE)?;
        Ok(Self {
            io,
            is_ready: true,
            is_fresh: false,
            awaits_room: false,
            failures: Failures::default(),
        })
    }

    /// Notes that there may be somebody to accept.
    pub(super) fn wake(&mut self) {
        self.is_ready = true;
        self.is_fresh = true;
    }

    pub(super) fn is_ready(&self) -> bool {
        self.is_ready
    }

    /// Accepts a connection. Without room for it others wait in the kernel's backlog, and `reactor`
    /// is woken when there is.
    pub(super) fn accept(&mut self, shared: &Arc<Shared>, reactor: &Waker) -> Accepted {
        self.is_ready |= std::mem::take(&mut self.awaits_room);
        if !self.is_ready {
            return Accepted::Nobody;
        }
        let (now, config) = (shared.clock.now(), &shared.config);
        if let Err(again) = shared.door.unfinished.poll_room(now, config, reactor) {
            self.is_ready = false;
            self.awaits_room = true;
            return Accepted::NotBefore(again);
        }
        if !std::mem::take(&mut self.is_fresh) && !self.has_waiting() {
            self.is_ready = false;
            return Accepted::Nobody;
        }
        match self.io.accept() {
            Ok((io, remote)) => {
                self.failures = Failures::default();
                match Arrival::new(shared, Remote::at(remote)) {
                    Some(arrival) => Accepted::One(io, arrival),
                    None => Accepted::Refused,
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.is_ready = false;
                Accepted::Nobody
            }
            Err(error) => match self.failures.note(&error) {
                Some(pause) => {
                    self.is_ready = false;
                    Accepted::NotBefore(now.saturating_add(pause))
                }
                None => Accepted::Refused,
            },
        }
    }

    /// Whether somebody waits to be accepted. To ask costs a fifth of an attempt that finds nobody,
    /// for which Linux makes a socket first.
    fn has_waiting(&self) -> bool {
        let mut waiting = [PollFd::new(&self.io, PollFlags::IN)];
        poll(&mut waiting, Some(&Timespec::default())) != Ok(0)
    }
}
