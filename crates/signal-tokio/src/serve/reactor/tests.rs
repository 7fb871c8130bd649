use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use mio::net::TcpStream;
use signal_core::client;
use signal_testwire::{PING, TEXT, UPGRADE, frame};

use super::*;
use crate::handshake::remote::Remote;
use crate::serve::arrival::Arrival;
use crate::{Config, Relay};

#[test]
fn a_panic_ends_one_connection() {
    assert_eq!(catch_panic(|| -> u32 { panic!("a mistake") }), None);
    assert_eq!(catch_panic(|| 7), Some(7));
}

/// A reactor without listeners, and its relay.
fn reactor() -> (Relay, Reactor) {
    let relay = Relay::new(Config::default()).expect("the default is valid");
    let reactor = Reactor::new(Arc::clone(&relay.shared), Vec::new()).expect("an epoll");
    (relay, reactor)
}

impl Reactor {
    /// Takes in one end of a connection.
    fn take_in(&mut self, end: UnixStream) {
        end.set_nonblocking(true).expect("a flag");
        // To the reactor a stream is a descriptor. What goes through this kind is at the other end
        // when the call that wrote it returns, with no packet in between.
        let io = TcpStream::from_std(OwnedFd::from(end).into());
        let arrival = Arrival::new(&self.shared, Remote::Local).expect("room");
        self.accepted(io, arrival);
    }

    /// A connection that subscribes to `t`; the end that is the client's.
    fn subscriber(&mut self) -> UnixStream {
        let (mut client, server) = UnixStream::pair().expect("a pair");
        let subscribe = frame(TEXT, client::subscribe(["t"]).as_bytes());
        let request = [UPGRADE.as_bytes(), &subscribe].concat();
        client.write_all(&request).expect("room");
        self.take_in(server);
        self.rounds_until_at_rest();
        read_some(&mut client);
        client
    }

    /// One round, which looks at the sockets.
    fn one_round(&mut self) {
        self.has_more_events = true;
        let _ = self.round(&mut Context::from_waker(Waker::noop()));
    }

    fn rounds_until_at_rest(&mut self) {
        self.one_round();
        while self.has_work() {
            let _ = self.round(&mut Context::from_waker(Waker::noop()));
        }
    }
}

fn read_some(client: &mut UnixStream) -> Vec<u8> {
    let mut bytes = vec![0; 4_096];
    let read = client.read(&mut bytes).expect("bytes");
    bytes.truncate(read);
    bytes
}

/// A connection to whose other end the relay itself has a connection, that of a client which has
/// sent nothing. So what the relay writes to the one is what this client sends.
fn subscriber_heard_by_a_newcomer(reactor: &mut Reactor) {
    let other_end = reactor.subscriber();
    reactor.take_in(other_end);
    reactor.rounds_until_at_rest();
}

#[tokio::test]
async fn a_look_that_finds_many_is_followed_by_another_in_the_same_round() {
    for (is_busy, left) in [(true, 0), (false, 1)] {
        let (relay, mut reactor) = reactor();
        let (mut one, mut other) = (reactor.subscriber(), reactor.subscriber());
        subscriber_heard_by_a_newcomer(&mut reactor);
        let unfinished = || relay.shared.door.unfinished.count();
        assert_eq!(unfinished(), 1);

        let publish = frame(TEXT, client::publish("t", "1").as_bytes());
        one.write_all(&publish).expect("room");
        if is_busy {
            other.write_all(&frame(PING, b"")).expect("room");
        }
        reactor.one_round();
        // What the newcomer got is not a request, and is answered once it is read.
        assert_eq!(unfinished(), left, "is_busy: {is_busy}");
    }
}
