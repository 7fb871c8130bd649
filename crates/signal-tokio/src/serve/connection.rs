//! Drives one connection over a stream of bytes.

use std::any::Any;
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use signal_core::Instant;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::admission::{Admission, Place};
use crate::frame::{Decoder, Incoming};
use crate::hub::session::{Session, Stage};
use crate::hub::wake::Home;
use crate::serve::arrival::Upgraded;
use crate::serve::deadlines::{Deadlines, set_timer};
#[cfg(unix)]
use crate::serve::reactor::Stream;
use crate::serve::scratch::{self, Output};
use crate::shared::Shared;

/// Reads of one turn, for streams that deliver in small pieces.
const READS_PER_TURN: usize = 8;
/// Up to this many bytes, copying frames together is cheaper than telling the kernel where each
/// lies.
const COPIED_BYTES_MAX: usize = 16 * 1024;
/// Frames of one write; as many as the systems we know take (`IOV_MAX`).
const SLICES_MAX: usize = 1_024;
/// Frames of a write that does not need so large an array, which takes 16 KB.
const SLICES_FEW: usize = 32;

/// Runs a connection until it has ended.
///
/// A plain function around an `async` block, because the arguments of an `async fn` stay in its
/// future all its life; here that would double the size of a connection.
pub(crate) fn run<Io>(upgraded: Upgraded<Io>) -> impl Future<Output = ()> + use<Io>
where
    Io: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let mut socket = Socket::new(upgraded, None);
    async move {
        let mut timer = pin!(tokio::time::sleep_until(socket.shared().first_timer()));
        poll_fn(|cx| {
            match socket.poll(cx) {
                Turn::Gone => return Poll::Ready(()),
                Turn::Again => cx.waker().wake_by_ref(),
                Turn::Sleep(None) => {}
                Turn::Sleep(Some(deadline)) => {
                    set_timer(cx, socket.shared(), deadline, timer.as_mut());
                }
            }
            Poll::Pending
        })
        .await;
    }
}

/// A connection: bytes in, frames out.
///
/// Each wake-up is one turn: read all that has arrived, let the other connections of this thread
/// have theirs, then write all that is queued at once. One write of many frames costs hardly more
/// than one of one. In the reactor of a thread ([`reactor`](crate::serve::reactor)) that says when to
/// write.
#[derive(Debug)]
pub(crate) struct Socket<Io> {
    io: Io,
    /// Before the place: whoever sees that it is free sees no trace of the peer either.
    session: Session,
    place: Place,
    decoder: Decoder,
    deadlines: Deadlines,
    has_yielded: bool,
    is_flushed: bool,
    is_shut_down: bool,
    /// Reading waits until more has been written.
    is_paused: bool,
}

/// What a connection waits for after a turn.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Turn {
    /// For the others to have had a turn.
    Again,
    /// For its socket or its queue, or this moment.
    Sleep(Option<Instant>),
    /// For nothing: it is over.
    Gone,
}

/// The connection is over.
struct Gone;

/// What a turn of reading has brought.
#[derive(Clone, Copy, Debug, Default)]
struct Read {
    has_any: bool,
    has_more: bool,
}

impl<Io: AsyncRead + AsyncWrite + Unpin + 'static> Socket<Io> {
    pub(crate) fn new(upgraded: Upgraded<Io>, home: Option<Home>) -> Self {
        let Upgraded {
            io,
            read_ahead,
            admission,
        } = upgraded;
        let Admission { place, grant } = admission;
        let shared = place.shared();
        let now = shared.now();
        let session = Session::new(now, Arc::clone(&shared.rooms), grant, home);
        let mut socket = Self {
            io,
            place,
            session,
            decoder: Decoder::default(),
            deadlines: Deadlines::default(),
            has_yielded: false,
            is_flushed: true,
            is_shut_down: false,
            is_paused: false,
        };
        if !read_ahead.is_empty() {
            socket.decode(now, &mut Vec::from(read_ahead));
        }
        socket
    }

    /// Has a turn.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Turn {
        let now = self.shared().now();
        let begun = self.shared().counters.begin_turn();
        let outcome = self.turn(cx, now);
        self.shared().counters.end_turn(begun);
        let Ok(is_again) = outcome else {
            return Turn::Gone;
        };
        if self.deadlines.are_over(now, &self.shared().config) {
            self.session.stalled();
            self.reset();
            return Turn::Gone;
        }
        if is_again {
            return Turn::Again;
        }
        Turn::Sleep(self.deadlines.next(&self.session, &self.shared().config))
    }

    /// Writes what is queued, for a connection that has left it to its reactor. False if the
    /// connection needs a turn for it.
    #[cfg(unix)]
    pub(crate) fn write_listed(&mut self, cx: &mut Context<'_>, output: &mut Output) -> bool {
        matches!(self.write_queued(cx, output), Poll::Ready(Ok(())))
    }

    #[cfg(unix)]
    pub(crate) fn io_mut(&mut self) -> &mut Io {
        &mut self.io
    }

    /// Notes when the session has begun to close, and whose fault that is.
    fn note_close(&mut self, now: Instant) {
        if self.session.stage() != Stage::Closing {
            return;
        }
        let is_first = self.deadlines.closing(now, &self.place.shared().config);
        if is_first && self.session.is_peers_fault() {
            self.place.refuse_address();
        }
    }

    fn shared(&self) -> &Shared {
        self.place.shared()
    }

    /// Reads, acts and writes; true if there is more to do.
    fn turn(&mut self, cx: &mut Context<'_>, now: Instant) -> Result<bool, Gone> {
        let read = self.read(cx, now)?;
        self.session.turn(now);
        self.note_close(now);
        if !self.is_paused && self.session.queue().leave_to_writer() {
            return Ok(read.has_more);
        }
        let is_closing = self.session.stage() == Stage::Closing;
        let has_frames = || self.session.queue().load().frames > 0;
        if read.has_any && !is_closing && !self.has_yielded && has_frames() {
            // Those that were ready together with us may have something for us too.
            self.has_yielded = true;
            return Ok(true);
        }
        self.has_yielded = false;
        match self.write(cx) {
            Poll::Pending => {
                self.deadlines.stalled(now);
                let has_ended = !self.session.queue().sleep_until_end(cx);
                return Ok(has_ended || read.has_more);
            }
            Poll::Ready(Err(_)) => return Err(Gone),
            Poll::Ready(Ok(())) => {}
        }
        match self.session.stage() {
            Stage::Closing => self.close(cx),
            Stage::Open | Stage::Held => {
                let has_frames = !self.session.queue().sleep(cx);
                Ok(has_frames || read.has_more || self.is_paused)
            }
        }
    }

    /// Reads what has arrived.
    fn read(&mut self, cx: &mut Context<'_>, now: Instant) -> Result<Read, Gone> {
        let mut read = Read::default();
        self.is_paused = false;
        let mut input = scratch::input();
        for _ in 0..READS_PER_TURN {
            if !self.session.wants_input() {
                // A held peer is not read any more; a slow one is once it has taken what waits for
                // it.
                self.is_paused = self.session.stage() == Stage::Open;
                return Ok(read);
            }
            let mut buffer = ReadBuf::new(&mut input);
            match Pin::new(&mut self.io).poll_read(cx, &mut buffer) {
                Poll::Pending => return Ok(read),
                Poll::Ready(Err(_)) => return Err(Gone),
                Poll::Ready(Ok(())) if buffer.filled().is_empty() => return Err(Gone),
                Poll::Ready(Ok(())) => {}
            }
            read.has_any = true;
            let is_full = buffer.remaining() == 0;
            self.decode(now, buffer.filled_mut());
            if is_full {
                break;
            }
        }
        read.has_more = true;
        Ok(read)
    }

    fn decode(&mut self, now: Instant, input: &mut [u8]) {
        let session = &mut self.session;
        let bytes_max = self.place.shared().config.core.message_bytes_max as usize;
        let mut handle = |incoming: Incoming<'_>| session.receive(now, incoming);
        if let Err(error) = self.decoder.decode(input, bytes_max, &mut handle) {
            session.fail(now, error);
        }
    }

    /// Writes until the queue is empty and nothing is held back below.
    fn write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.write_queued(cx, &mut scratch::output()))?;
        if !self.is_flushed {
            // TLS takes what the socket below does not.
            ready!(Pin::new(&mut self.io).poll_flush(cx))?;
            self.is_flushed = true;
            self.deadlines.progressed();
        }
        Poll::Ready(Ok(()))
    }

    /// Writes until the queue is empty or the socket takes no more.
    fn write_queued(&mut self, cx: &mut Context<'_>, output: &mut Output) -> Poll<io::Result<()>> {
        let Self {
            io,
            session,
            deadlines,
            is_flushed,
            ..
        } = self;
        let (frames, copied) = output.parts();
        session.queue().write_all(frames, |frames| {
            let written = write_frames(Pin::new(&mut *io), cx, frames, copied);
            if matches!(written, Poll::Ready(Ok(_))) {
                deadlines.progressed();
                *is_flushed = false;
            }
            written
        })
    }

    /// The end of a close, as RFC 6455, 7.1.1 describes it: our side is shut down, what still comes
    /// is thrown away until the peer's side ends too. A socket dropped with unread input would be
    /// reset, and our close frame perhaps lost.
    fn close(&mut self, cx: &mut Context<'_>) -> Result<bool, Gone> {
        if self.is_closed_by_peer() {
            return Err(Gone);
        }
        if !self.is_shut_down {
            match Pin::new(&mut self.io).poll_shutdown(cx) {
                Poll::Pending => return Ok(false),
                Poll::Ready(Err(_)) => return Err(Gone),
                Poll::Ready(Ok(())) => self.is_shut_down = true,
            }
        }
        let mut input = scratch::input();
        for _ in 0..READS_PER_TURN {
            let mut buffer = ReadBuf::new(&mut input);
            match Pin::new(&mut self.io).poll_read(cx, &mut buffer) {
                Poll::Pending => return Ok(false),
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {}
                Poll::Ready(_) => return Err(Gone),
            }
        }
        Ok(true)
    }

    /// Whether both close frames are sent and nothing of the peer's lies unread: after its own it
    /// may send nothing. Then the socket can be closed at once; the kernel delivers what it still
    /// has.
    fn is_closed_by_peer(&self) -> bool {
        #[cfg(unix)]
        if let Some(stream) = (&self.io as &dyn Any).downcast_ref::<Stream>() {
            return self.session.is_ended_by_peer() && !stream.is_readable();
        }
        false
    }

    /// Ends the connection so that the kernel forgets what it could not send.
    fn reset(&mut self) {
        let io = &self.io as &dyn Any;
        let stream = io.downcast_ref::<TcpStream>();
        #[cfg(feature = "tls")]
        let stream = stream.or_else(|| {
            let tls = io.downcast_ref::<tokio_rustls::server::TlsStream<TcpStream>>();
            tls.map(|tls| tls.get_ref().0)
        });
        if let Some(stream) = stream {
            // A socket that is gone already needs no reset.
            let _ = stream.set_zero_linger();
        }
        #[cfg(unix)]
        if let Some(stream) = io.downcast_ref::<Stream>() {
            stream.set_zero_linger();
        }
    }
}

/// Writes as many of these frames as fit in one system call and returns how many bytes were taken.
fn write_frames<Io: AsyncWrite>(
    io: Pin<&mut Io>,
    cx: &mut Context<'_>,
    frames: &VecDeque<Bytes>,
    copied: &mut Vec<u8>,
) -> Poll<io::Result<usize>> {
    if let (1, Some(frame)) = (frames.len(), frames.front()) {
        return io.poll_write(cx, frame);
    }
    let bytes: usize = frames.iter().map(Bytes::len).sum();
    if bytes <= COPIED_BYTES_MAX {
        copied.clear();
        frames
            .iter()
            .for_each(|frame| copied.extend_from_slice(frame));
        return io.poll_write(cx, copied);
    }
    if frames.len() <= SLICES_FEW {
        write_slices::<SLICES_FEW, Io>(io, cx, frames)
    } else {
        write_slices::<SLICES_MAX, Io>(io, cx, frames)
    }
}

fn write_slices<const MAX: usize, Io: AsyncWrite>(
    io: Pin<&mut Io>,
    cx: &mut Context<'_>,
    frames: &VecDeque<Bytes>,
) -> Poll<io::Result<usize>> {
    let mut slices = [IoSlice::new(&[]); MAX];
    let mut count = 0;
    for (slice, frame) in slices.iter_mut().zip(frames) {
        *slice = IoSlice::new(frame);
        count += 1;
    }
    io.poll_write_vectored(cx, &slices[..count])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_task_of_a_connection_stays_small() {
        fn size_of_output<F>(_: fn(Upgraded<TcpStream>) -> F) -> usize {
            size_of::<F>()
        }
        let bytes = size_of_output(run::<TcpStream>);
        assert!(
            bytes <= 640,
            "a connection has grown to {bytes} bytes; each costs this much while it is idle"
        );
    }
}
