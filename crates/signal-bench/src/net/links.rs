use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use crate::error::BenchError;
use crate::net::connection::{Connection, State};
use crate::net::frame;
use crate::server::Server;

/// Connections from one source address: the kernel has some 28,000 ports to give.
const PER_SOURCE: usize = 20_000;

/// All connections of one thread, by number.
#[derive(Debug)]
pub(crate) struct Links {
    /// The nodes of the service.
    servers: Arc<[Server]>,
    registry: Registry,
    /// The request to each of them, made once.
    requests: Vec<Vec<u8>>,
    connections: Vec<Connection>,
    /// Those with something to send.
    waiting: Vec<usize>,
    /// The mask of every frame. One for all, so that messages can be masked before the run; what
    /// masks are for, confusing proxies, does not concern a load.
    pub(crate) mask: [u8; 4],
    /// How many connections all threads opened before these, to choose source addresses.
    first_source: usize,
    /// How many were dialled.
    dialled: usize,
}

impl Links {
    pub(crate) fn new(
        servers: Arc<[Server]>,
        registry: Registry,
        mask: [u8; 4],
        first_source: usize,
    ) -> Self {
        Self {
            requests: servers.iter().map(Server::request).collect(),
            servers,
            registry,
            connections: Vec::new(),
            waiting: Vec::new(),
            mask,
            first_source,
            dialled: 0,
        }
    }

    /// Begins a connection to a node in the place `id`, which is the next or that of a closed one.
    ///
    /// # Errors
    ///
    /// If the system has no file or port left.
    pub(crate) fn dial(&mut self, id: usize, node: usize) -> Result<(), BenchError> {
        let stream = self
            .connect(node)
            .and_then(|mut stream| {
                let interest = Interest::READABLE | Interest::WRITABLE;
                self.registry.register(&mut stream, Token(id), interest)?;
                Ok(stream)
            })
            .map_err(|error| self.explain(node, &error))?;
        self.dialled += 1;
        let connection = Connection::new(stream, node);
        if id == self.connections.len() {
            self.connections.push(connection);
        } else {
            self.connections[id] = connection;
        }
        Ok(())
    }

    fn connect(&self, node: usize) -> io::Result<TcpStream> {
        let server = &self.servers[node];
        let number = (self.first_source + self.dialled) / PER_SOURCE;
        if number == 0 || !server.has_many_sources() {
            return TcpStream::connect(server.address);
        }
        let [high, low] = u16::try_from(number)
            .unwrap_or(u16::MAX)
            .saturating_add(1)
            .to_be_bytes();
        let source = IpAddr::V4(Ipv4Addr::new(127, 0, high, low));
        let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        socket.bind(&SocketAddr::new(source, 0).into())?;
        match socket.connect(&server.address.into()) {
            Ok(()) => {}
            Err(error) if is_in_progress(&error) => {}
            Err(error) => return Err(error),
        }
        Ok(TcpStream::from_std(socket.into()))
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "there are forty kinds, few of which concern us"
    )]
    fn explain(&self, node: usize, error: &io::Error) -> BenchError {
        let what = format!(
            "connection {} to {} cannot be opened: {error}",
            self.dialled + 1,
            self.servers[node].name
        );
        let fix = match error.kind() {
            io::ErrorKind::AddrNotAvailable | io::ErrorKind::AddrInUse => {
                "this machine has no port left: open fewer connections, or test a server on 127.0.0.1, which is \
                 reached from several addresses"
            }
            io::ErrorKind::ConnectionRefused => "is the server running, and is this its port?",
            _ => "check the limit on open files (ulimit -n): each connection is one, on both sides",
        };
        BenchError::new(what, fix)
    }

    /// Whether TCP is established now; if so, sends the upgrade request.
    pub(crate) fn connected(&mut self, id: usize) -> Result<bool, BenchError> {
        let connection = &mut self.connections[id];
        let node = connection.node;
        let outcome = match connection.stream.take_error() {
            Ok(None) => connection.stream.peer_addr().map(|_| ()),
            Ok(Some(error)) | Err(error) => Err(error),
        };
        match outcome {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotConnected => return Ok(false),
            Err(error) => return Err(self.explain(node, &error)),
        }
        // Frames of one turn are written at once anyway; the next must not wait for an
        // acknowledgement.
        if let Err(error) = connection.stream.set_nodelay(true) {
            return Err(self.explain(node, &error));
        }
        connection.state = State::Upgrading;
        connection.out.extend_from_slice(&self.requests[node]);
        self.list(id);
        Ok(true)
    }

    /// How reports name the node that a connection leads to.
    pub(crate) fn name(&self, id: usize) -> &str {
        let node = self
            .connections
            .get(id)
            .map_or(0, |connection| connection.node);
        &self.servers[node].name
    }

    pub(crate) fn get(&self, id: usize) -> Option<&Connection> {
        self.connections.get(id)
    }

    pub(crate) fn get_mut(&mut self, id: usize) -> Option<&mut Connection> {
        self.connections.get_mut(id)
    }

    /// Where to put a frame that is already masked.
    #[inline]
    pub(crate) fn out(&mut self, id: usize) -> &mut Vec<u8> {
        self.list(id);
        &mut self.connections[id].out
    }

    /// Queues a frame.
    pub(crate) fn send(&mut self, id: usize, opcode: u8, payload: &[u8]) {
        let mask = self.mask;
        frame::encode(self.out(id), opcode, mask, payload);
    }

    /// Queues a message.
    pub(crate) fn send_text(&mut self, id: usize, text: &str) {
        self.send(id, frame::TEXT, text.as_bytes());
    }

    /// Begins the close handshake.
    pub(crate) fn close(&mut self, id: usize) {
        self.send(id, frame::CLOSE, &1000_u16.to_be_bytes());
        self.connections[id].state = State::Closing;
    }

    /// Reads nothing more from a connection. Only its end is noticed.
    pub(crate) fn stop_reading(&mut self, id: usize) {
        let connection = &mut self.connections[id];
        connection.is_unread = true;
        // The less the kernel takes in its stead, the sooner the server notices. It may refuse;
        // then it takes longer.
        let _ = SockRef::from(&connection.stream).set_recv_buffer_size(4_096);
    }

    /// Ends a connection on our side.
    pub(crate) fn end(&mut self, id: usize) {
        let connection = &mut self.connections[id];
        if connection.state != State::Closed {
            connection.state = State::Closed;
            connection.out = Vec::new();
            connection.partial = Vec::new();
            // The peer may have gone already.
            let _ = self.registry.deregister(&mut connection.stream);
            let _ = connection.stream.shutdown(std::net::Shutdown::Both);
        }
    }

    #[inline]
    fn list(&mut self, id: usize) {
        let connection = &mut self.connections[id];
        if !connection.is_listed {
            connection.is_listed = true;
            self.waiting.push(id);
        }
    }

    /// Writes what all connections have to send: once for each, however many messages that are.
    /// Those whose server has gone are returned.
    pub(crate) fn flush(&mut self) -> Vec<(usize, io::Error)> {
        let mut broken = Vec::new();
        for id in self.waiting.drain(..) {
            let connection = &mut self.connections[id];
            connection.is_listed = false;
            if connection.state == State::Closed {
                continue;
            }
            if let Err(error) = connection.flush() {
                broken.push((id, error));
            }
        }
        broken
    }
}

#[cfg(unix)]
fn is_in_progress(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::INPROGRESS.raw_os_error())
}

#[cfg(not(unix))]
fn is_in_progress(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn connections_beyond_the_ports_of_an_address_come_from_the_next() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Server::at(listener.local_addr().unwrap());
        let poll = mio::Poll::new().unwrap();
        for (first, source) in [
            (0, "127.0.0.1"),
            (PER_SOURCE, "127.0.0.2"),
            (300 * PER_SOURCE, "127.0.1.45"),
        ] {
            let registry = poll.registry().try_clone().unwrap();
            let mut links = Links::new([server.clone()].into(), registry, [0; 4], first);
            links.dial(0, 0).unwrap();
            let (_, peer) = listener.accept().unwrap();
            assert_eq!(peer.ip().to_string(), source);
        }
    }
}
