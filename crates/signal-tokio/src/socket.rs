//! Drives one connection over a stream of bytes.

use std::any::Any;
use std::cell::Cell;
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use bytes::Bytes;
use signal_core::Instant;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

use crate::admission::Admission;
use crate::deadlines::Deadlines;
use crate::frame::{Decoder, Incoming};
use crate::session::{Session, Stage};
use crate::shared_stream::SharedStream;
use crate::writer::Direct;

/// What one read may bring. Small enough that one peer's burst cannot fill the queues of others before they had their turn to
/// write, large enough that a session description comes in one read.
const READ_BYTES: usize = 16 * 1024;
/// Reads of one turn, for streams that deliver in small pieces.
const READS_PER_TURN: usize = 8;
/// Frames of one write; as many as the systems we know take (`IOV_MAX`).
const SLICES_MAX: usize = 1_024;
/// Frames of a write that does not need the large array.
const SLICES_FEW: usize = 32;

thread_local! {
    /// The read buffer of this thread. Connections borrow it for one turn, so an idle one needs none.
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Runs a connection until it has ended. `read_ahead` is what followed the upgrade request.
///
/// A plain function around an `async` block, because the arguments of an `async fn` stay in its future all its life; here that
/// would double the size of a connection.
pub(crate) fn run<Io>(
    io: Io,
    read_ahead: Bytes,
    admission: Admission,
) -> impl Future<Output = ()> + use<Io>
where
    Io: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let session = Session::new(admission);
    let stream = (&io as &dyn Any).downcast_ref::<SharedStream>();
    let direct = stream.cloned().and_then(Direct::on_this_thread);
    let has_writer = direct.is_some();
    session.queue().write_directly(direct);
    let mut socket = Socket::new(io, session, has_writer);
    let now = socket.session.shared().now();
    socket.decode(now, &mut Vec::from(read_ahead));
    async move {
        let mut timer = pin!(tokio::time::sleep_until(
            socket.session.shared().first_timer()
        ));
        poll_fn(|cx| socket.poll(cx, timer.as_mut())).await;
    }
}

/// A connection: bytes in, frames out.
///
/// Each wake-up is one turn: read all that has arrived, let the other connections of this thread have theirs, then write all
/// that is queued at once. One write of many frames costs hardly more than one of one. On a thread with a writer of its own
/// ([`writer`](crate::writer)) that writes instead, and this only what the writer could not.
struct Socket<Io> {
    io: Io,
    session: Session,
    decoder: Decoder,
    /// Frames taken from the queue; of the first, `sent` bytes are written.
    sending: VecDeque<Bytes>,
    sent: usize,
    deadlines: Deadlines,
    /// Whether the thread has a writer that may write what is queued.
    has_writer: bool,
    has_yielded: bool,
    is_flushed: bool,
    is_shut_down: bool,
    /// Reading waits until more has been written.
    is_paused: bool,
}

/// The connection is over.
struct Gone;

impl<Io: AsyncRead + AsyncWrite + Unpin + 'static> Socket<Io> {
    fn new(io: Io, session: Session, has_writer: bool) -> Self {
        Self {
            io,
            session,
            decoder: Decoder::default(),
            sending: VecDeque::new(),
            sent: 0,
            deadlines: Deadlines::default(),
            has_writer,
            has_yielded: false,
            is_flushed: true,
            is_shut_down: false,
            is_paused: false,
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>, timer: Pin<&mut Sleep>) -> Poll<()> {
        let now = self.session.shared().now();
        let begun = self.session.shared().counters.begin_turn();
        let outcome = self.turn(cx, now);
        self.session.shared().counters.end_turn(begun);
        if outcome.is_err() {
            return Poll::Ready(());
        }
        if self.deadlines.are_over(now, &self.session) {
            self.session.stalled();
            self.reset();
            return Poll::Ready(());
        }
        self.deadlines.set_timer(cx, now, &self.session, timer);
        Poll::Pending
    }

    fn turn(&mut self, cx: &mut Context<'_>, now: Instant) -> Result<(), Gone> {
        let has_read = self.read(cx, now)?;
        self.session.turn(now);
        let may_leave = self.has_writer && !self.is_paused && self.sending.is_empty();
        if may_leave && self.session.queue().leave_to_writer(cx) {
            return Ok(());
        }
        if has_read && !self.has_yielded && self.session.queue().load().frames > 0 {
            // Those that were ready together with us may have something for us too.
            self.has_yielded = true;
            cx.waker().wake_by_ref();
            return Ok(());
        }
        self.has_yielded = false;
        match self.write(cx, now) {
            Poll::Pending => {
                if !self.session.queue().sleep_until_end(cx) {
                    cx.waker().wake_by_ref();
                }
                return Ok(());
            }
            Poll::Ready(Err(_)) => return Err(Gone),
            Poll::Ready(Ok(())) => {}
        }
        match self.session.stage() {
            Stage::Closing => self.close(cx),
            Stage::Open | Stage::Held => {
                let has_more = !self.session.queue().sleep(cx);
                if has_more || self.is_paused {
                    cx.waker().wake_by_ref();
                }
                Ok(())
            }
        }
    }

    /// Reads what has arrived; true if there was any.
    fn read(&mut self, cx: &mut Context<'_>, now: Instant) -> Result<bool, Gone> {
        let mut has_read = false;
        self.is_paused = false;
        let mut scratch = Scratch::borrow();
        for _ in 0..READS_PER_TURN {
            if !self.session.wants_input() {
                // A held peer is not read any more; a slow one is once it has taken what waits for it.
                self.is_paused = self.session.stage() == Stage::Open;
                return Ok(has_read);
            }
            let mut buffer = ReadBuf::new(&mut scratch.0);
            match Pin::new(&mut self.io).poll_read(cx, &mut buffer) {
                Poll::Pending => return Ok(has_read),
                Poll::Ready(Err(_)) => return Err(Gone),
                Poll::Ready(Ok(())) if buffer.filled().is_empty() => return Err(Gone),
                Poll::Ready(Ok(())) => {}
            }
            has_read = true;
            let is_full = buffer.remaining() == 0;
            self.decode(now, buffer.filled_mut());
            if is_full {
                break;
            }
        }
        cx.waker().wake_by_ref();
        Ok(has_read)
    }

    fn decode(&mut self, now: Instant, input: &mut [u8]) {
        let session = &mut self.session;
        let bytes_max = session.shared().config.core.message_bytes_max as usize;
        let mut handle = |incoming: Incoming<'_>| session.receive(now, incoming);
        if let Err(error) = self.decoder.decode(input, bytes_max, &mut handle) {
            session.fail(now, error);
        }
    }

    /// Writes until the queue is empty or the socket takes no more.
    fn write(&mut self, cx: &mut Context<'_>, now: Instant) -> Poll<io::Result<()>> {
        loop {
            self.session.queue().take(&mut self.sending);
            if self.sending.is_empty() {
                break;
            }
            let written = match (self.sending.len(), self.sending.front()) {
                (1, Some(frame)) => Pin::new(&mut self.io).poll_write(cx, &frame[self.sent..]),
                (..=SLICES_FEW, _) => self.write_slices::<SLICES_FEW>(cx),
                _ => self.write_slices::<SLICES_MAX>(cx),
            };
            let Poll::Ready(written) = written else {
                self.deadlines.stalled(now);
                return Poll::Pending;
            };
            match written? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                bytes => self.wrote(bytes),
            }
        }
        if !self.is_flushed {
            let Poll::Ready(flushed) = Pin::new(&mut self.io).poll_flush(cx) else {
                // TLS takes what the socket below does not.
                self.deadlines.stalled(now);
                return Poll::Pending;
            };
            flushed?;
            self.is_flushed = true;
            self.deadlines.progressed();
        }
        Poll::Ready(Ok(()))
    }

    fn write_slices<const N: usize>(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut slices = [IoSlice::new(&[]); N];
        let mut count = 0;
        for (slice, frame) in slices.iter_mut().zip(&self.sending) {
            *slice = IoSlice::new(frame);
            count += 1;
        }
        let slices = &mut slices[..count];
        if let (Some(first), Some(frame)) = (slices.first_mut(), self.sending.front()) {
            *first = IoSlice::new(&frame[self.sent..]);
        }
        Pin::new(&mut self.io).poll_write_vectored(cx, slices)
    }

    /// Takes what was written off the front.
    fn wrote(&mut self, bytes: usize) {
        self.deadlines.progressed();
        self.is_flushed = false;
        let mut frames = 0;
        let mut left = self.sent + bytes;
        while let Some(frame) = self.sending.front() {
            let Some(rest) = left.checked_sub(frame.len()) else {
                break;
            };
            left = rest;
            frames += 1;
            self.sending.pop_front();
        }
        self.sent = left;
        if self.sending.is_empty() {
            // An idle connection holds no buffer.
            self.sending = VecDeque::new();
        }
        self.session.queue().written(bytes, frames);
    }

    /// The end of a close, as RFC 6455, 7.1.1 describes it: our side is shut down, what still comes is thrown away until the
    /// peer's side ends too. A socket dropped with unread input would be reset, and our close frame perhaps lost.
    fn close(&mut self, cx: &mut Context<'_>) -> Result<(), Gone> {
        if !self.is_shut_down {
            match Pin::new(&mut self.io).poll_shutdown(cx) {
                Poll::Pending => return Ok(()),
                Poll::Ready(Err(_)) => return Err(Gone),
                Poll::Ready(Ok(())) => self.is_shut_down = true,
            }
        }
        let mut scratch = Scratch::borrow();
        for _ in 0..READS_PER_TURN {
            let mut buffer = ReadBuf::new(&mut scratch.0);
            match Pin::new(&mut self.io).poll_read(cx, &mut buffer) {
                Poll::Pending => return Ok(()),
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {}
                Poll::Ready(_) => return Err(Gone),
            }
        }
        cx.waker().wake_by_ref();
        Ok(())
    }

    /// Ends the connection so that the kernel forgets what it could not send.
    fn reset(&mut self) {
        let io = &self.io as &dyn Any;
        if let Some(stream) = io.downcast_ref::<SharedStream>() {
            let _ = stream.set_zero_linger();
        }
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
    }
}

/// The read buffer of this thread, on loan.
struct Scratch(Vec<u8>);

impl Scratch {
    fn borrow() -> Self {
        let mut buffer = SCRATCH.take();
        buffer.resize(READ_BYTES, 0);
        Self(buffer)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        SCRATCH.set(std::mem::take(&mut self.0));
    }
}
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_task_of_a_connection_stays_small() {
        fn size_of_output<F>(_: fn(TcpStream, Bytes, Admission) -> F) -> usize {
            size_of::<F>()
        }
        let bytes = size_of_output(run::<TcpStream>);
        assert!(
            bytes <= 640,
            "a connection has grown to {bytes} bytes; each costs this much while it is idle"
        );
    }
}
