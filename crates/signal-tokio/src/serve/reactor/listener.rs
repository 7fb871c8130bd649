//! The listener of a reactor.

use std::io;
use std::sync::Arc;

use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry, Token};
use signal_core::Instant;
use tokio::sync::OwnedSemaphorePermit;

use crate::hub::wake::Mailbox;
use crate::serve::accept::{ACCEPT_PAUSE, Failures, is_of_one_connection};
use crate::serve::arrival::Arrival;
use crate::shared::Shared;

/// Accepts connections for as long as the relay has room for another handshake.
#[derive(Debug)]
pub(super) struct Listener {
    io: TcpListener,
    /// Whether there may be somebody to accept.
    is_ready: bool,
    /// The room for the next handshake, if it had to be waited for.
    permit: Option<OwnedSemaphorePermit>,
    /// Whether it is being waited for.
    awaits_permit: bool,
    failures: Failures,
}

/// What came of an attempt to accept.
#[derive(Debug)]
pub(super) enum Accepted {
    One(TcpStream, Arrival),
    /// Nobody, until the listener hears otherwise.
    Nobody,
    /// Nobody, for want of descriptors or memory. To be tried again then.
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
            permit: None,
            awaits_permit: false,
            failures: Failures::default(),
        })
    }

    /// Notes that there may be somebody to accept.
    pub(super) fn wake(&mut self) {
        self.is_ready = true;
    }

    /// Notes that there is room for another handshake.
    pub(super) fn permit(&mut self, permit: OwnedSemaphorePermit) {
        self.permit = Some(permit);
        self.awaits_permit = false;
        self.is_ready = true;
    }

    pub(super) fn is_ready(&self) -> bool {
        self.is_ready
    }

    /// Accepts a connection.
    pub(super) fn accept(&mut self, shared: &Arc<Shared>, mailbox: &Arc<Mailbox>) -> Accepted {
        while self.is_ready {
            let Some(permit) = self.take_permit(shared, mailbox) else {
                break;
            };
            match self.io.accept() {
                Ok((io, remote)) => {
                    self.failures = Failures::default();
                    return Accepted::One(io, Arrival::new(shared, remote, permit));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    self.is_ready = false;
                    self.failures.note(&error);
                    return Accepted::NotBefore(shared.now().saturating_add(ACCEPT_PAUSE));
                }
            }
        }
        self.is_ready = false;
        Accepted::Nobody
    }

    /// Room for a handshake. If there is none, it is asked for and sent to the mailbox; meanwhile
    /// others wait in the kernel's backlog.
    fn take_permit(
        &mut self,
        shared: &Arc<Shared>,
        mailbox: &Arc<Mailbox>,
    ) -> Option<OwnedSemaphorePermit> {
        if self.awaits_permit || self.permit.is_some() {
            return self.permit.take();
        }
        let handshakes = Arc::clone(&shared.handshakes);
        if let Ok(permit) = Arc::clone(&handshakes).try_acquire_owned() {
            return Some(permit);
        }
        self.awaits_permit = true;
        let mailbox = Arc::clone(mailbox);
        drop(tokio::spawn(async move {
            // Never closed, so this waits and does not fail.
            if let Ok(permit) = handshakes.acquire_owned().await {
                mailbox.permit(permit);
            }
        }));
        None
    }
}
