//! A TCP stream that knows from its reactor whether it is worth a system call.

use std::io::{self, IoSlice, Read, Write};
use std::net::Shutdown;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use mio::event::Event;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
#[cfg(any(target_os = "linux", target_os = "android"))]
use rustix::net::{SendFlags, send};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::serve::bytes::Socket;

/// A stream of a reactor. It remembers which events of its socket came, and when it is
/// pending, arranges no wake-up: the reactor gives its connection a turn when the socket is ready
/// again.
#[derive(Debug)]
pub(crate) struct Stream {
    io: TcpStream,
    is_readable: bool,
    is_writable: bool,
    /// Whether the reactor gets an event when it takes more again.
    awaits_room: bool,
    /// Whether a read that leaves room may not have emptied the socket: behind it there is the end
    /// of the peer's side, or an urgent byte, at which each read stops.
    reads_on: bool,
}

/// What the reactor gets events of.
#[cfg(any(target_os = "linux", target_os = "android"))]
const READING: Interest = Interest::READABLE.add(Interest::PRIORITY);
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const READING: Interest = Interest::READABLE;

/// What a connection has to do for an event.
#[derive(Clone, Copy, Debug)]
pub(crate) struct News {
    /// There may be something to read.
    pub(crate) is_readable: bool,
    /// The socket was full and takes more again.
    pub(crate) is_writable: bool,
}

impl Stream {
    /// The stream of a socket that is non-blocking. It may be worth a look, before the reactor is
    /// told anything.
    pub(crate) fn new(io: TcpStream) -> Self {
        Self {
            io,
            is_readable: true,
            is_writable: true,
            awaits_room: false,
            reads_on: false,
        }
    }

    /// Has the reactor told of what arrives from now on, and of what has arrived until now. That a
    /// fresh socket takes writes is known, and would be an event for each.
    pub(crate) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.register(&mut self.io, token, READING)
    }

    /// Asks for an event, too, when the socket takes more again, if it is full.
    pub(crate) fn await_room(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        if self.is_writable || self.awaits_room {
            return Ok(());
        }
        self.awaits_room = true;
        registry.reregister(&mut self.io, token, READING | Interest::WRITABLE)
    }

    /// Notes what the system says of the socket.
    pub(crate) fn note(&mut self, event: &Event) -> News {
        let was_writable = self.is_writable;
        self.reads_on |= event.is_read_closed() || event.is_error() || event.is_priority();
        self.is_readable |= event.is_readable() || self.reads_on;
        self.is_writable |= event.is_writable() || event.is_error();
        News {
            is_readable: self.is_readable,
            is_writable: self.is_writable && !was_writable,
        }
    }

    /// Writes with one system call, unless the socket is known to be full.
    fn write_with(
        &mut self,
        bytes: usize,
        write: impl Fn(&TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        while self.is_writable {
            match write(&self.io) {
                Ok(written) => {
                    // A socket that does not take all is full.
                    self.is_writable = written == bytes;
                    return Poll::Ready(Ok(written));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.is_writable = false,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        Poll::Pending
    }
}

impl Socket for Stream {
    type Io = Self;

    fn io(&mut self) -> Pin<&mut Self> {
        Pin::new(self)
    }

    /// The kernel keeps them back for the end of our side, which then needs no packet of its own:
    /// a packet costs both sides several microseconds, on the way there and for its answer.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn poll_write_last(&mut self, _cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.write_with(bytes.len(), |io| {
            Ok(send(io, bytes, SendFlags::MORE | SendFlags::NOSIGNAL)?)
        })
    }

    /// By the end of our side. A drop would do as well, but for input that came after we looked:
    /// for that the kernel resets the socket, and forgets what it kept back.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn send_kept_back(&mut self) {
        // A socket that is gone already has nothing to send.
        let _ = self.io.shutdown(Shutdown::Write);
    }

    fn reset(&mut self) {
        // A socket that is gone already needs no reset.
        let _ = SockRef::from(&self.io).set_linger(Some(Duration::ZERO));
    }

    fn is_read_out(&self) -> bool {
        !self.is_readable
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.is_readable {
            let unfilled = buffer.initialize_unfilled();
            match (&self.io).read(unfilled) {
                Ok(read) => {
                    // A read that leaves room has emptied the socket; the next arrival is an event.
                    // But an end, and what is behind an urgent byte, come in one event with it.
                    self.is_readable = read == unfilled.len() || self.reads_on;
                    buffer.advance(read);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.is_readable = false,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        Poll::Pending
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.write_with(bytes.len(), |mut io| io.write(bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let bytes = slices.iter().map(|slice| slice.len()).sum();
        self.write_with(bytes, |mut io| io.write_vectored(slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.io.shutdown(Shutdown::Write))
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::task::Waker;

    use mio::{Events, Poll as Sockets};

    use super::*;

    const TOKEN: Token = Token(7);

    fn pair(sockets: &Sockets) -> (std::net::TcpStream, Stream) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("a bound socket");
        let client = std::net::TcpStream::connect(address).expect("a listener");
        let (server, _) = listener.accept().expect("a client");
        server.set_nonblocking(true).expect("a flag");
        let mut stream = Stream::new(TcpStream::from_std(server));
        stream.register(sockets.registry(), TOKEN).expect("room");
        (client, stream)
    }

    /// Notes events until it is so.
    fn note_until(sockets: &mut Sockets, stream: &mut Stream, is_so: impl Fn(&Stream) -> bool) {
        let mut events = Events::with_capacity(8);
        while !is_so(stream) {
            let patience = Some(Duration::from_secs(60));
            sockets.poll(&mut events, patience).expect("events");
            assert!(!events.is_empty(), "no event in time: {stream:?}");
            for event in &events {
                stream.note(event);
            }
        }
    }

    fn read(stream: &mut Stream) -> Poll<usize> {
        let mut bytes = [0; 64];
        let mut buffer = ReadBuf::new(&mut bytes);
        let mut cx = Context::from_waker(Waker::noop());
        let read = Pin::new(stream).poll_read(&mut cx, &mut buffer);
        read.map(|read| read.map(|()| buffer.filled().len()).expect("no error"))
    }

    fn write(stream: &mut Stream, bytes: &[u8]) -> Poll<usize> {
        let mut cx = Context::from_waker(Waker::noop());
        let written = Pin::new(stream).poll_write(&mut cx, bytes);
        written.map(|written| written.expect("no error"))
    }

    #[test]
    fn an_end_right_behind_the_last_bytes_is_read_too() {
        let mut sockets = Sockets::new().expect("an epoll");
        let (mut client, mut stream) = pair(&sockets);
        assert_eq!(read(&mut stream), Poll::Pending);
        client.write_all(b"last").expect("room");
        client.shutdown(Shutdown::Write).expect("a live socket");
        note_until(&mut sockets, &mut stream, |stream| stream.reads_on);
        assert_eq!(read(&mut stream), Poll::Ready(4));
        assert_eq!(read(&mut stream), Poll::Ready(0));
    }

    #[test]
    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn what_is_behind_an_urgent_byte_is_read_too() {
        let mut sockets = Sockets::new().expect("an epoll");
        let (mut client, mut stream) = pair(&sockets);
        assert_eq!(read(&mut stream), Poll::Pending);
        client.write_all(b"before").expect("room");
        let sent = SockRef::from(&client).send_out_of_band(b"!");
        assert_eq!(sent.expect("room"), 1);
        client.write_all(b"behind").expect("room");
        let mut bytes = 0;
        while bytes < 12 {
            note_until(&mut sockets, &mut stream, |stream| stream.is_readable);
            while let Poll::Ready(read) = read(&mut stream) {
                bytes += read;
            }
        }
        assert_eq!(bytes, 12, "all but the urgent byte");
    }

    #[test]
    fn the_last_bytes_arrive_although_input_lies_unread() {
        let mut sockets = Sockets::new().expect("an epoll");
        let (mut client, mut stream) = pair(&sockets);
        assert_eq!(read(&mut stream), Poll::Pending);
        let mut cx = Context::from_waker(Waker::noop());
        let written = stream.poll_write_last(&mut cx, b"last");
        assert!(matches!(written, Poll::Ready(Ok(4))));
        client.write_all(b"unread").expect("room");
        note_until(&mut sockets, &mut stream, |stream| stream.is_readable);
        stream.send_kept_back();
        drop(stream);
        let mut last = [0; 4];
        client.read_exact(&mut last).expect("the last bytes");
        assert_eq!(&last, b"last");
    }

    /// On a socket of datagrams, as they show what went out together; the bytes of a stream do not.
    #[test]
    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn the_last_bytes_are_kept_back_for_what_follows_them() {
        use std::net::UdpSocket;
        use std::os::fd::OwnedFd;

        let [client, server] = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").expect("a port"));
        let address = client.local_addr().expect("a bound socket");
        server.connect(address).expect("a route to itself");
        server.set_nonblocking(true).expect("a flag");
        let mut stream = Stream::new(TcpStream::from_std(OwnedFd::from(server).into()));
        let mut cx = Context::from_waker(Waker::noop());
        let written = stream.poll_write_last(&mut cx, b"last");
        assert!(matches!(written, Poll::Ready(Ok(4))));
        assert_eq!(write(&mut stream, b", and the end"), Poll::Ready(13));
        let mut datagram = [0; 64];
        let length = client.recv(&mut datagram).expect("a datagram");
        assert_eq!(&datagram[..length], b"last, and the end");
    }

    #[test]
    fn a_full_socket_is_not_written_until_there_is_room() {
        let mut sockets = Sockets::new().expect("an epoll");
        let (mut client, mut stream) = pair(&sockets);
        let bytes = vec![0; 256 * 1024];
        let mut count = 0;
        while let Poll::Ready(written) = write(&mut stream, &bytes) {
            count += written;
        }
        assert!(!stream.is_writable);
        stream
            .await_room(sockets.registry(), TOKEN)
            .expect("it is registered");
        client
            .read_exact(&mut vec![0; count])
            .expect("all that was written");
        note_until(&mut sockets, &mut stream, |stream| stream.is_writable);
        assert!(write(&mut stream, b"more").is_ready());
    }
}
