//! Frames over a stream and sink of WebSocket messages.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::{Sink, Stream};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use crate::frame::{self, Incoming, Opcode};
use crate::hub::batch::Queued;
use crate::serve::transport::{Gone, ReadError, Transport};

/// The messages of a connection whose frames another library handles, which answers pings and
/// closes too.
#[derive(Debug)]
pub(crate) struct Messages<S> {
    socket: S,
    is_flushed: bool,
}

impl<S> Messages<S> {
    pub(crate) fn new(socket: S) -> Self {
        Self {
            socket,
            is_flushed: true,
        }
    }
}

impl<S, E> Transport for Messages<S>
where
    S: Stream<Item = Result<Message, E>> + Sink<Message> + Unpin,
{
    fn read(
        &mut self,
        cx: &mut Context<'_>,
        handle: &mut impl FnMut(Incoming<'_>) -> ControlFlow<()>,
    ) -> Poll<Result<usize, ReadError>> {
        let Some(Ok(message)) = ready!(Pin::new(&mut self.socket).poll_next(cx)) else {
            return Poll::Ready(Err(ReadError::Gone));
        };
        let incoming = match &message {
            Message::Text(text) => Incoming::Text(text),
            Message::Binary(payload) => Incoming::Binary(payload),
            // The pong to a ping is not ours to send, and either is a sign of life.
            Message::Ping(payload) | Message::Pong(payload) => Incoming::Pong(payload),
            Message::Close(_) => Incoming::Closed,
            // Never read, only written.
            Message::Frame(_) => return Poll::Ready(Ok(0)),
        };
        // The reader asks before the next one.
        let (ControlFlow::Continue(()) | ControlFlow::Break(())) = handle(incoming);
        Poll::Ready(Ok(message.len()))
    }

    /// Hands over one message after the other, without asking the sink to send them yet.
    fn write(
        &mut self,
        cx: &mut Context<'_>,
        frames: &VecDeque<Queued>,
    ) -> Poll<Result<usize, Gone>> {
        let mut bytes = 0;
        for frame in frames {
            match Pin::new(&mut self.socket).poll_ready(cx) {
                Poll::Pending if bytes == 0 => return Poll::Pending,
                Poll::Pending => break,
                Poll::Ready(Err(_)) => return Poll::Ready(Err(Gone)),
                Poll::Ready(Ok(())) => {}
            }
            bytes += frame.len();
            if let Some(message) = to_message(frame) {
                Pin::new(&mut self.socket)
                    .start_send(message)
                    .map_err(|_| Gone)?;
                self.is_flushed = false;
            }
        }
        Poll::Ready(Ok(bytes))
    }

    fn flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, Gone>> {
        if self.is_flushed {
            return Poll::Ready(Ok(false));
        }
        let flushed = ready!(Pin::new(&mut self.socket).poll_flush(cx));
        self.is_flushed = true;
        Poll::Ready(flushed.map(|()| true).map_err(|_| Gone))
    }

    fn close(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, Gone>> {
        Pin::new(&mut self.socket).poll_close(cx).map(|_| Err(Gone))
    }

    /// It is dropped, which is all that can be done from here.
    fn reset(&mut self) {}
}

/// The message that a frame of our queues stands for. The payload is shared, not copied.
fn to_message(frame: &Queued) -> Option<Message> {
    let frame = Bytes::from_owner(frame.clone());
    let (opcode, payload) = frame::split(&frame)?;
    match opcode {
        Opcode::Text => Utf8Bytes::try_from(payload).ok().map(Message::Text),
        Opcode::Binary => Some(Message::Binary(payload)),
        Opcode::Ping => Some(Message::Ping(payload)),
        Opcode::Pong => Some(Message::Pong(payload)),
        Opcode::Close => Some(Message::Close(to_close(&payload))),
        Opcode::Continuation => None,
    }
}

fn to_close(payload: &[u8]) -> Option<CloseFrame> {
    let (code, reason) = payload.split_first_chunk::<2>()?;
    let reason = std::str::from_utf8(reason).ok()?.into();
    Some(CloseFrame {
        code: u16::from_be_bytes(*code).into(),
        reason,
    })
}
