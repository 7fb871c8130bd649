//! What a TLS connection keeps of its socket's bytes, counted from below.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::server::TlsStream;

use crate::serve::bytes::Socket;

/// The header of a record: its type, a version, and the length of the rest.
const HEADER_BYTES: u32 = 5;
/// rustls reads so much at once, and has room for as much beside what it keeps.
const READ_BYTES: u32 = 4 * 1024;
/// It joins parts of a handshake message up to here, and ends the connection past it.
const JOINED_BYTES_MAX: u32 = 64 * 1024;

/// How many records one look at the socket may bring, and some. rustls looks on as long as it gets
/// records that deliver nothing, and others are to have their turn.
const RECORDS_PER_LOOK: u32 = 128;
/// How many a client may send up to the end of its HTTP request: one for each 16 bytes of the
/// longest head that is usual, and they cost as much as a handshake.
const RECORDS_OF_HANDSHAKE_MAX: u32 = 1_024;

/// How much rustls may keep of what is written to a client whose socket takes nothing: a record.
pub(crate) const UNFLUSHED_BYTES_MAX: usize = 16 * 1024;

/// The socket below TLS, and how much of what has arrived on it is not delivered above.
///
/// rustls says nothing of what it keeps. So this follows the lengths of the records: one of which
/// the end is missing is kept, and so may those be that were whole but delivered nothing, which are
/// parts of a handshake message, or empty.
#[derive(Debug)]
pub(crate) struct Records<S> {
    socket: S,
    /// How much of a record is here, and how long the rest behind its header is.
    arrived: u32,
    length: u16,
    /// How long the records were that have delivered nothing.
    undelivered: u32,
    /// How many have come whole since it was asked.
    whole: u32,
    /// Whether it is asked, as it is once the request is read.
    is_asked: bool,
}

impl<S> Records<S> {
    pub(crate) fn new(socket: S) -> Self {
        Self {
            socket,
            arrived: 0,
            length: 0,
            undelivered: 0,
            whole: 0,
            is_asked: false,
        }
    }

    /// How many records have come whole since it was asked before.
    fn take_whole(&mut self) -> usize {
        self.is_asked = true;
        std::mem::take(&mut self.whole) as usize
    }

    /// Notes that something was delivered: all records that are here whole.
    fn delivered(&mut self) {
        self.undelivered = 0;
    }

    /// How much is kept of what has arrived.
    fn held_bytes(&self) -> usize {
        match self.arrived + self.undelivered.min(JOINED_BYTES_MAX) {
            0 => 0,
            bytes => (bytes + READ_BYTES) as usize,
        }
    }

    /// Notes what has arrived.
    fn follow(&mut self, mut bytes: &[u8]) {
        while let [first, rest @ ..] = bytes {
            if self.arrived < HEADER_BYTES {
                match self.arrived {
                    3 => self.length = u16::from(*first) << 8,
                    4 => self.length |= u16::from(*first),
                    _ => {}
                }
                self.arrived += 1;
                bytes = rest;
            } else {
                let missing = HEADER_BYTES + u32::from(self.length) - self.arrived;
                let taken = bytes.len().min(missing as usize);
                self.arrived += taken as u32;
                bytes = &bytes[taken..];
            }
            if self.arrived >= HEADER_BYTES && self.arrived == HEADER_BYTES + u32::from(self.length)
            {
                self.undelivered = self.undelivered.saturating_add(self.arrived);
                self.whole = self.whole.saturating_add(1);
                self.arrived = 0;
            }
        }
    }
}

impl<S: Socket + AsyncRead + AsyncWrite + Unpin> Socket for TlsStream<Records<S>> {
    type Io = Self;

    fn io(&mut self) -> Pin<&mut Self> {
        Pin::new(self)
    }

    fn reset(&mut self) {
        self.get_mut().0.socket.reset();
    }

    fn delivered(&mut self) {
        self.get_mut().0.delivered();
    }

    fn held_bytes(&self) -> usize {
        self.get_ref().0.held_bytes()
    }

    fn unflushed_bytes_max(&self) -> usize {
        UNFLUSHED_BYTES_MAX
    }

    fn take_records(&mut self) -> usize {
        self.get_mut().0.take_whole()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Records<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.is_asked && self.whole >= RECORDS_PER_LOOK {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if !self.is_asked && self.whole >= RECORDS_OF_HANDSHAKE_MAX {
            let error = io::Error::other("more records of TLS than a request needs");
            return Poll::Ready(Err(error));
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.socket).poll_read(cx, buffer))?;
        self.follow(&buffer.filled()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Records<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A record with this much behind its header.
    fn record(length: u16) -> Vec<u8> {
        let mut record = vec![23, 3, 3];
        record.extend(length.to_be_bytes());
        record.resize(record.len() + usize::from(length), 0);
        record
    }

    fn held_of(pieces: &[&[u8]]) -> usize {
        let mut records = Records::new(());
        pieces.iter().for_each(|piece| records.follow(piece));
        records.delivered();
        records.held_bytes().saturating_sub(READ_BYTES as usize)
    }

    #[test]
    fn a_record_is_held_until_its_end_is_here() {
        let whole = [record(300), record(0), record(65_535)].concat();
        for end in 0..700 {
            let expected = match end {
                0..305 => end,
                305..310 => end - 305,
                _ => end - 310,
            };
            assert_eq!(held_of(&[&whole[..end]]), expected);
            let (one, two) = whole[..end].split_at(end / 3);
            assert_eq!(held_of(&[one, two]), expected);
        }
        assert_eq!(held_of(&[&whole[..whole.len() - 1]]), 65_539);
        assert_eq!(held_of(&[&whole]), 0);
    }

    /// A client that has sent this.
    struct Sent(Vec<u8>);

    impl AsyncRead for Sent {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _cx: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            let length = buffer.remaining().min(self.0.len());
            buffer.put_slice(&self.0[..length]);
            self.0.drain(..length);
            Poll::Ready(Ok(()))
        }
    }

    /// Looks at the socket as rustls does, until there is nothing or that many times.
    fn look(records: &mut Records<Sent>, times: usize) -> Poll<io::Result<()>> {
        let mut cx = Context::from_waker(std::task::Waker::noop());
        for _ in 0..times {
            let mut bytes = [0; READ_BYTES as usize];
            ready!(Pin::new(&mut *records).poll_read(&mut cx, &mut ReadBuf::new(&mut bytes)))?;
        }
        Poll::Ready(Ok(()))
    }

    #[test]
    fn one_look_brings_only_so_many_records_however_many_are_there() {
        let mut records = Records::new(Sent(record(0).repeat(10_000)));
        assert_eq!(records.take_whole(), 0);
        let mut all = 0;
        while all < 10_000 {
            let end = look(&mut records, 100);
            let whole = records.take_whole();
            assert!(whole <= (RECORDS_PER_LOOK + READ_BYTES / HEADER_BYTES) as usize);
            all += whole;
            assert!(end.is_pending() || all == 10_000);
        }
    }

    #[test]
    fn a_handshake_and_a_request_may_take_only_so_many_records() {
        let most = RECORDS_OF_HANDSHAKE_MAX as usize;
        for (count, is_borne) in [(most - 1, true), (most, false), (10 * most, false)] {
            let mut records = Records::new(Sent(record(1).repeat(count)));
            let end = look(&mut records, 100);
            assert_eq!(matches!(end, Poll::Ready(Ok(()))), is_borne, "{count}");
        }
    }

    #[test]
    fn records_that_deliver_nothing_are_held_up_to_what_is_joined() {
        let mut records = Records::new(());
        records.follow(&record(16_000));
        assert!(records.held_bytes() >= 16_000);
        for _ in 0..1_000 {
            records.follow(&record(16_000));
        }
        assert_eq!(
            records.held_bytes(),
            (JOINED_BYTES_MAX + READ_BYTES) as usize
        );
        records.delivered();
        assert_eq!(records.held_bytes(), 0);
    }
}
