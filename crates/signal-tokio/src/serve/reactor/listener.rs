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

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::os::fd::OwnedFd;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;
    use crate::serve::accept::{ACCEPT_PAUSE, FAILURES_IN_A_ROW};
    use crate::{Config, Relay};

    struct Fixture {
        relay: Relay,
        listener: Listener,
        _epoll: mio::Poll,
    }

    impl Fixture {
        fn new(listener: std::net::TcpListener, change: impl FnOnce(&mut Config)) -> Self {
            let mut config = Config::default();
            change(&mut config);
            let relay = Relay::new(config).expect("a valid change");
            let epoll = mio::Poll::new().expect("an epoll");
            listener.set_nonblocking(true).expect("a flag");
            let listener = Listener::register(listener, epoll.registry(), Token(7));
            Self {
                relay,
                listener: listener.expect("room"),
                _epoll: epoll,
            }
        }

        /// A listener at which nobody waits, and each attempt to accept somebody is an error: a
        /// socket of datagrams.
        fn broken() -> Self {
            let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
            Self::new(OwnedFd::from(socket).into(), |_| {})
        }

        fn accept(&mut self) -> Accepted {
            self.accept_for(Waker::noop())
        }

        fn accept_for(&mut self, reactor: &Waker) -> Accepted {
            self.listener.accept(&self.relay.shared, reactor)
        }

        /// What comes of the connection of a client that may be on its way still.
        fn accept_one(&mut self) -> Accepted {
            loop {
                self.listener.wake();
                let accepted = self.accept();
                if !matches!(accepted, Accepted::Nobody) {
                    return accepted;
                }
                std::thread::yield_now();
            }
        }
    }

    fn connect(fixture: &Fixture) -> std::net::TcpStream {
        let address = fixture.listener.io.local_addr().expect("it is bound");
        std::net::TcpStream::connect(address).expect("it listens")
    }

    #[test]
    fn without_an_event_it_is_asked_first_whether_somebody_waits() {
        let mut fixture = Fixture::broken();
        assert!(fixture.listener.is_ready(), "somebody may have come before");
        for _ in 0..2 {
            assert!(matches!(fixture.accept(), Accepted::Nobody));
            assert!(!fixture.listener.is_ready());
            fixture.listener.wake();
            assert!(matches!(fixture.accept(), Accepted::Refused), "an attempt");
            assert!(fixture.listener.is_ready(), "the next may be sound");
        }
    }

    #[test]
    fn one_that_fails_for_good_pauses() {
        let mut fixture = Fixture::broken();
        for _ in 0..FAILURES_IN_A_ROW {
            fixture.listener.wake();
            assert!(matches!(fixture.accept(), Accepted::Refused));
        }
        let before = fixture.relay.shared.clock.now();
        fixture.listener.wake();
        let Accepted::NotBefore(again) = fixture.accept() else {
            panic!("it goes on at once");
        };
        assert!(again >= before.saturating_add(ACCEPT_PAUSE));
        assert!(!fixture.listener.is_ready());
        assert!(matches!(fixture.accept(), Accepted::Nobody));
    }

    #[test]
    fn without_room_for_a_handshake_others_wait_until_there_is() {
        struct Count(AtomicUsize);
        impl Wake for Count {
            fn wake(self: Arc<Self>) {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }
        let woken = Arc::new(Count(AtomicUsize::new(0)));
        let reactor = Waker::from(Arc::clone(&woken));

        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let mut fixture = Fixture::new(listener, |config| config.handshakes_max = 16);
        let _clients: Vec<_> = (0..17).map(|_| connect(&fixture)).collect();
        let accepted: Vec<_> = (0..16).map(|_| fixture.accept_one()).collect();
        assert!(accepted.iter().all(|one| matches!(one, Accepted::One(..))));
        fixture.listener.wake();
        assert!(matches!(
            fixture.accept_for(&reactor),
            Accepted::NotBefore(_)
        ));
        assert!(!fixture.listener.is_ready());
        assert_eq!(woken.0.load(Ordering::Relaxed), 0);
        drop(accepted);
        assert_eq!(woken.0.load(Ordering::Relaxed), 1);
        assert!(matches!(fixture.accept_one(), Accepted::One(..)));
    }

    #[test]
    fn one_whose_address_has_enough_handshakes_keeps_nobody_else_waiting() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let mut fixture = Fixture::new(listener, |config| {
            config.handshakes_per_ip_max = 1;
            config.addresses.limit_private_ips = true;
        });
        let _clients = [connect(&fixture), connect(&fixture)];
        let first = fixture.accept_one();
        assert!(matches!(first, Accepted::One(..)));
        assert!(matches!(fixture.accept_one(), Accepted::Refused));
        assert!(fixture.listener.is_ready());
        drop(first);
        let _third = connect(&fixture);
        assert!(matches!(fixture.accept_one(), Accepted::One(..)));
    }
}
