//! Drives one connection over a stream and sink of WebSocket messages.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::ops::ControlFlow;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::{Sink, Stream};
use signal_core::Instant;
use tokio::time::Sleep;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use crate::admission::{Admission, Place};
use crate::frame::{self, Incoming, Opcode};
use crate::hub::session::{Session, Stage};
use crate::serve::deadlines::{Deadlines, set_timer};
use crate::shared::Shared;

/// Messages read in one turn.
const READS_PER_TURN: usize = 32;

/// Runs a connection until it has ended.
pub(crate) async fn run<S, E>(socket: S, admission: Admission)
where
    S: Stream<Item = Result<Message, E>> + Sink<Message> + Unpin,
{
    let Admission { place, grant } = admission;
    let shared = place.shared();
    let session = Session::new(shared.now(), Arc::clone(&shared.rooms), grant, None);
    let mut timer = pin!(tokio::time::sleep_until(shared.first_timer()));
    let mut connection = Messages {
        socket,
        place,
        session,
        sending: VecDeque::new(),
        deadlines: Deadlines::default(),
        has_yielded: false,
        is_paused: false,
        is_flushed: true,
    };
    poll_fn(|cx| connection.poll(cx, timer.as_mut())).await;
}

/// A connection whose frames are somebody else's business, who answers pings and closes too.
struct Messages<S> {
    socket: S,
    /// Before the place: whoever sees that it is free sees no trace of the peer either.
    session: Session,
    place: Place,
    sending: VecDeque<Bytes>,
    deadlines: Deadlines,
    has_yielded: bool,
    is_paused: bool,
    is_flushed: bool,
}

/// The connection is over.
struct Gone;

impl<S, E> Messages<S>
where
    S: Stream<Item = Result<Message, E>> + Sink<Message> + Unpin,
{
    fn poll(&mut self, cx: &mut Context<'_>, timer: Pin<&mut Sleep>) -> Poll<()> {
        let now = self.shared().now();
        let begun = self.shared().counters.begin_turn();
        let outcome = self.turn(cx, now);
        self.shared().counters.end_turn(begun);
        if outcome.is_err() {
            return Poll::Ready(());
        }
        if self.deadlines.are_over(now, &self.shared().config) {
            self.session.stalled();
            return Poll::Ready(());
        }
        if let Some(deadline) = self.deadlines.next(&self.session, &self.shared().config) {
            set_timer(cx, self.shared(), deadline, timer);
        }
        Poll::Pending
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

    fn turn(&mut self, cx: &mut Context<'_>, now: Instant) -> Result<(), Gone> {
        let has_read = self.read(cx, now)?;
        self.session.turn(now);
        self.note_close(now);
        if has_read && !self.has_yielded && self.session.queue().load().frames > 0 {
            // Those that were ready together with us may have something for us too.
            self.has_yielded = true;
            cx.waker().wake_by_ref();
            return Ok(());
        }
        self.has_yielded = false;
        if self.write(cx, now)?.is_pending() {
            if !self.session.queue().sleep_until_end(cx) {
                cx.waker().wake_by_ref();
            }
            return Ok(());
        }
        match self.session.stage() {
            Stage::Closing => match Pin::new(&mut self.socket).poll_close(cx) {
                Poll::Pending => Ok(()),
                Poll::Ready(_) => Err(Gone),
            },
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
        self.is_paused = false;
        for count in 0..READS_PER_TURN {
            if !self.session.wants_input() {
                // A held peer is not read any more; a slow one is once it has taken what waits for
                // it.
                self.is_paused = self.session.stage() == Stage::Open;
                return Ok(count > 0);
            }
            match Pin::new(&mut self.socket).poll_next(cx) {
                Poll::Pending => return Ok(count > 0),
                Poll::Ready(Some(Ok(message))) => self.receive(now, &message),
                Poll::Ready(Some(Err(_)) | None) => return Err(Gone),
            }
        }
        cx.waker().wake_by_ref();
        Ok(true)
    }

    fn receive(&mut self, now: Instant, message: &Message) {
        let incoming = match message {
            Message::Text(text) => Incoming::Text(text),
            Message::Binary(payload) => Incoming::Binary(payload),
            // The pong to a ping is not ours to send, and either is a sign of life.
            Message::Ping(_) | Message::Pong(_) => Incoming::Pong,
            // Nor is the answer to a close.
            Message::Close(_) => return self.session.closed_by_peer(),
            // Never read, only written.
            Message::Frame(_) => return,
        };
        // Whether to go on is what `wants_input` tells before the next read.
        let (ControlFlow::Continue(()) | ControlFlow::Break(())) =
            self.session.receive(now, incoming);
    }

    /// Hands messages over until the queue is empty or the sink takes no more.
    fn write(&mut self, cx: &mut Context<'_>, now: Instant) -> Result<Poll<()>, Gone> {
        loop {
            self.session.queue().take(&mut self.sending);
            let Some(frame) = self.sending.front() else {
                break;
            };
            match Pin::new(&mut self.socket).poll_ready(cx) {
                Poll::Pending => {
                    self.deadlines.stalled(now);
                    return Ok(Poll::Pending);
                }
                Poll::Ready(Err(_)) => return Err(Gone),
                Poll::Ready(Ok(())) => {}
            }
            let (bytes, message) = (frame.len(), to_message(frame));
            self.sending.pop_front();
            self.session.queue().written(bytes, 1);
            self.deadlines.progressed();
            if let Some(message) = message {
                Pin::new(&mut self.socket)
                    .start_send(message)
                    .map_err(|_| Gone)?;
                self.is_flushed = false;
            }
        }
        if self.is_flushed {
            return Ok(Poll::Ready(()));
        }
        match Pin::new(&mut self.socket).poll_flush(cx) {
            Poll::Pending => {
                self.deadlines.stalled(now);
                Ok(Poll::Pending)
            }
            Poll::Ready(Err(_)) => Err(Gone),
            Poll::Ready(Ok(())) => {
                self.deadlines.progressed();
                self.is_flushed = true;
                Ok(Poll::Ready(()))
            }
        }
    }
}

/// The message that a frame of our queues stands for. The payload is shared, not copied.
fn to_message(frame: &Bytes) -> Option<Message> {
    let (opcode, payload) = frame::split(frame)?;
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
