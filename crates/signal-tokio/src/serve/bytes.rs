//! Frames over a stream of bytes.

use std::cell::Cell;
use std::collections::VecDeque;
#[cfg(feature = "tls")]
use std::future::Future;
use std::io::{self, IoSlice};
use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

#[cfg(all(unix, feature = "tls"))]
use tokio::io::Interest;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;

use crate::frame::{Decoder, FrameError, Incoming};
use crate::hub::batch::Queued;
use crate::serve::transport::{Gone, ReadError, Transport};

/// What one read may bring. Small enough that one peer's burst cannot fill the queues of others
/// before they had their turn to write, large enough that a session description comes in one read.
pub(crate) const READ_BYTES: usize = 16 * 1024;
/// Up to this many bytes, copying frames together is cheaper than telling the kernel where each
/// lies.
const COPIED_BYTES_MAX: usize = 16 * 1024;
/// Frames of one write; as many as the systems we know take (`IOV_MAX`).
const SLICES_MAX: usize = 1_024;
/// Frames of a write that does not need so large an array, which takes 16 KB.
const SLICES_FEW: usize = 32;

thread_local! {
    static INPUT: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
    static COPIED: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// A stream of bytes, and what can be done with the socket below it.
pub(crate) trait Socket {
    type Io: AsyncRead + AsyncWrite;

    fn io(&mut self) -> Pin<&mut Self::Io>;

    /// Writes the last bytes of our side, which is shut down as soon as they are taken.
    fn poll_write_last(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.io().poll_write(cx, bytes)
    }

    /// Sends what [`poll_write_last`](Self::poll_write_last) has the kernel keep back, before the
    /// socket is dropped.
    fn send_kept_back(&mut self) {}

    /// Has the kernel forget what it could not send, once the socket is closed.
    fn reset(&mut self) {}

    /// Whether nothing lies unread. False where that cannot be known.
    fn is_read_out(&self) -> bool {
        false
    }

    /// Notes that something of what has arrived was delivered.
    fn delivered(&mut self) {}

    /// How much it keeps of what has arrived and is not delivered.
    fn held_bytes(&self) -> usize {
        0
    }

    /// How much it may keep of what was written and is not flushed.
    fn unflushed_bytes_max(&self) -> usize {
        0
    }

    /// See [`Transport::take_records`].
    fn take_records(&mut self) -> usize {
        0
    }
}

impl Socket for TcpStream {
    type Io = Self;

    fn io(&mut self) -> Pin<&mut Self> {
        Pin::new(self)
    }

    fn reset(&mut self) {
        // A socket that is gone already needs no reset.
        let _ = self.set_zero_linger();
    }
}

#[cfg(unix)]
impl Socket for UnixStream {
    type Io = Self;

    fn io(&mut self) -> Pin<&mut Self> {
        Pin::new(self)
    }
}

/// A connection that a listener has accepted.
pub(crate) trait Fresh: Socket + AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// Its first byte, which stays to be read; `None` if the client has ended its side without one.
    #[cfg(feature = "tls")]
    fn first_byte(&self) -> impl Future<Output = io::Result<Option<u8>>> + Send;
}

impl Fresh for TcpStream {
    #[cfg(feature = "tls")]
    async fn first_byte(&self) -> io::Result<Option<u8>> {
        let mut first = [0];
        let length = self.peek(&mut first).await?;
        Ok((length > 0).then_some(first[0]))
    }
}

#[cfg(unix)]
impl Fresh for UnixStream {
    #[cfg(feature = "tls")]
    async fn first_byte(&self) -> io::Result<Option<u8>> {
        use rustix::net::{RecvFlags, recv};
        let mut first = [0];
        let mut peek = || Ok(recv(self, &mut first, RecvFlags::PEEK)?);
        let (length, _) = self.async_io(Interest::READABLE, &mut peek).await?;
        Ok((length > 0).then_some(first[0]))
    }
}

/// A stream that somebody else has made, of which nothing is known.
#[derive(Debug)]
pub(crate) struct Foreign<Io>(pub(crate) Io);

impl<Io: AsyncRead + AsyncWrite + Unpin> Socket for Foreign<Io> {
    type Io = Io;

    fn io(&mut self) -> Pin<&mut Io> {
        Pin::new(&mut self.0)
    }
}

/// The frames of a connection on its stream.
#[derive(Debug)]
pub(crate) struct Framed<S> {
    socket: S,
    decoder: Decoder,
    message_bytes_max: u32,
    /// Whether a stream that holds back what it is given, as TLS does, has passed all of it on.
    is_flushed: bool,
    is_shut_down: bool,
}

impl<S: Socket> Framed<S> {
    pub(crate) fn new(mut socket: S, message_bytes_max: u32) -> Self {
        // All that was read of it before: the request.
        socket.delivered();
        socket.take_records();
        Self {
            socket,
            decoder: Decoder::default(),
            message_bytes_max,
            is_flushed: true,
            is_shut_down: false,
        }
    }

    #[cfg(unix)]
    pub(crate) fn socket_mut(&mut self) -> &mut S {
        &mut self.socket
    }

    /// Decodes what somebody has read of the stream before.
    pub(crate) fn decode(
        &mut self,
        input: &mut [u8],
        handle: &mut impl FnMut(Incoming<'_>) -> ControlFlow<()>,
    ) -> Result<(), FrameError> {
        self.decoder
            .decode(input, self.message_bytes_max as usize, handle)
    }

    fn note_written(&mut self, written: io::Result<usize>) -> Result<usize, Gone> {
        match written {
            // It will never take any.
            Ok(0) | Err(_) => Err(Gone),
            Ok(bytes) => {
                self.is_flushed = false;
                Ok(bytes)
            }
        }
    }

    /// Reads into the thread's buffer; nothing at the end of the stream.
    fn fill<'b>(
        &mut self,
        cx: &mut Context<'_>,
        Input(input): &'b mut Input,
    ) -> Poll<io::Result<&'b mut [u8]>> {
        let mut buffer = ReadBuf::new(input);
        ready!(self.socket.io().poll_read(cx, &mut buffer))?;
        let length = buffer.filled().len();
        Poll::Ready(Ok(&mut input[..length]))
    }
}

impl<S: Socket> Transport for Framed<S> {
    fn read(
        &mut self,
        cx: &mut Context<'_>,
        handle: &mut impl FnMut(Incoming<'_>) -> ControlFlow<()>,
    ) -> Poll<Result<usize, ReadError>> {
        let mut input = Input::borrow();
        let Ok(input) = ready!(self.fill(cx, &mut input)) else {
            return Poll::Ready(Err(ReadError::Gone));
        };
        if input.is_empty() {
            return Poll::Ready(Err(ReadError::Gone));
        }
        self.socket.delivered();
        let bytes = input.len();
        let decoded = self.decode(input, handle);
        Poll::Ready(decoded.map(|()| bytes).map_err(ReadError::Frame))
    }

    fn held_bytes(&self) -> usize {
        self.decoder.held_bytes() + self.socket.held_bytes()
    }

    fn unflushed_bytes(&self) -> usize {
        match self.is_flushed {
            true => 0,
            false => self.socket.unflushed_bytes_max(),
        }
    }

    fn take_records(&mut self) -> usize {
        self.socket.take_records()
    }

    fn forget_input(&mut self) {
        self.decoder = Decoder::default();
    }

    fn write(
        &mut self,
        cx: &mut Context<'_>,
        frames: &VecDeque<Queued>,
    ) -> Poll<Result<usize, Gone>> {
        let in_one = in_one_piece(frames, |bytes| self.socket.io().poll_write(cx, bytes));
        let written = in_one.unwrap_or_else(|| write_slices(self.socket.io(), cx, frames));
        written.map(|written| self.note_written(written))
    }

    fn write_last(
        &mut self,
        cx: &mut Context<'_>,
        frames: &VecDeque<Queued>,
    ) -> Poll<Result<usize, Gone>> {
        match in_one_piece(frames, |bytes| self.socket.poll_write_last(cx, bytes)) {
            Some(written) => written.map(|written| self.note_written(written)),
            None => self.write(cx, frames),
        }
    }

    fn flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, Gone>> {
        if self.is_flushed {
            return Poll::Ready(Ok(false));
        }
        let flushed = ready!(self.socket.io().poll_flush(cx));
        self.is_flushed = true;
        Poll::Ready(flushed.map(|()| true).map_err(|_| Gone))
    }

    /// As RFC 6455, 7.1.1 describes it: our side is shut down, what still comes is thrown away
    /// until the peer's side ends too. A socket dropped with unread input would be reset, and our
    /// close frame perhaps lost.
    fn close(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, Gone>> {
        if !self.is_shut_down {
            if ready!(self.socket.io().poll_shutdown(cx)).is_err() {
                return Poll::Ready(Err(Gone));
            }
            self.is_shut_down = true;
        }
        match ready!(self.fill(cx, &mut Input::borrow())) {
            Ok(read) if !read.is_empty() => Poll::Ready(Ok(read.len())),
            Ok(_) | Err(_) => Poll::Ready(Err(Gone)),
        }
    }

    fn end(&mut self) {
        self.socket.send_kept_back();
    }

    fn reset(&mut self) {
        self.socket.reset();
    }

    fn is_spent(&self) -> bool {
        self.socket.is_read_out()
    }
}

/// Hands these frames on as one piece, copied together if they are several; nothing if that costs
/// more than to tell the kernel where each lies.
fn in_one_piece<T>(frames: &VecDeque<Queued>, write: impl FnOnce(&[u8]) -> T) -> Option<T> {
    if let (1, Some(frame)) = (frames.len(), frames.front()) {
        return Some(write(frame));
    }
    let bytes: usize = frames.iter().map(|frame| frame.len()).sum();
    if bytes > COPIED_BYTES_MAX {
        return None;
    }
    let mut copied = COPIED.take();
    copied.clear();
    frames
        .iter()
        .for_each(|frame| copied.extend_from_slice(frame));
    let written = write(&copied);
    COPIED.set(copied);
    Some(written)
}

/// Writes as many of these frames as fit in one system call and returns how many bytes were taken.
fn write_slices<Io: AsyncWrite>(
    io: Pin<&mut Io>,
    cx: &mut Context<'_>,
    frames: &VecDeque<Queued>,
) -> Poll<io::Result<usize>> {
    if frames.len() <= SLICES_FEW {
        write_at_most::<SLICES_FEW, Io>(io, cx, frames)
    } else {
        write_at_most::<SLICES_MAX, Io>(io, cx, frames)
    }
}

fn write_at_most<const MAX: usize, Io: AsyncWrite>(
    io: Pin<&mut Io>,
    cx: &mut Context<'_>,
    frames: &VecDeque<Queued>,
) -> Poll<io::Result<usize>> {
    let mut slices = [IoSlice::new(&[]); MAX];
    let mut count = 0;
    for (slice, frame) in slices.iter_mut().zip(frames) {
        *slice = IoSlice::new(frame);
        count += 1;
    }
    io.poll_write_vectored(cx, &slices[..count])
}

/// The read buffer of this thread, borrowed for a moment. So an idle connection needs none.
pub(crate) struct Input(pub(crate) Vec<u8>);

impl Input {
    pub(crate) fn borrow() -> Self {
        let mut buffer = INPUT.take();
        buffer.resize(READ_BYTES, 0);
        Self(buffer)
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        INPUT.set(std::mem::take(&mut self.0));
    }
}
