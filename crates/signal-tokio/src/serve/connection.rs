//! One connection from its upgrade to its end.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use signal_backpressure::taken_in;
use signal_core::{CloseReason, Instant};

use crate::admission::Admission;
use crate::admission::places::Place;
use crate::clock::first_timer;
use crate::frame::Incoming;
use crate::hub::rooms::Rooms;
use crate::hub::session::{Session, Stage};
use crate::hub::wake::Home;
use crate::serve::bytes::{Framed, READ_BYTES, Socket};
use crate::serve::deadlines::{Deadlines, set_timer};
use crate::serve::transport::{Gone, ReadError, Transport};

/// Reads of one turn, for sockets that deliver in small pieces. Past [`READ_BYTES`] there is no
/// further one either.
const READS_PER_TURN: usize = 32;

/// The shortest records of TLS that a client needs for a long message.
const RECORD_BYTES_MIN: usize = 1_024;

/// Runs a connection on a stream of bytes until it has ended.
pub(crate) fn run<S: Socket>(
    socket: S,
    read_ahead: Bytes,
    admission: Admission,
    rooms: Arc<Rooms>,
) -> impl Future<Output = ()> + use<S> {
    Connection::framed(socket, read_ahead, admission, rooms, None).run()
}

/// A connection: what a peer sends in, what is queued for it out.
///
/// ```text
///       ┌──────────────── its socket, its queue or its time wakes it ───────────────┐
///       ▼                                                                           │
///     read what has arrived, ──▶ let the others do that ──▶ write all that ──▶ sleep, or be
///     carry it out               who were ready too         is queued          over
///     └──────────────────────────── one turn ─────────────────────────┘
/// ```
///
/// One write of many frames costs hardly more than one of one: so what many peers have to say to
/// one in a moment is gathered before it is written. A task yields once between the two halves of
/// its turn; a [reactor](crate::serve::reactor) reads for all its connections and then writes.
#[derive(Debug)]
pub(crate) struct Connection<T> {
    transport: T,
    /// Dropped before the place: once that is seen to be free, no trace of the peer is left.
    session: Session,
    place: Place,
    deadlines: Deadlines,
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

/// What a turn of reading has brought.
#[derive(Clone, Copy, Debug, Default)]
struct Read {
    has_any: bool,
    has_more: bool,
}

impl<S: Socket> Connection<Framed<S>> {
    /// A connection on a stream of bytes, of which these are read already. It is a task, or lives
    /// in a reactor.
    pub(crate) fn framed(
        socket: S,
        read_ahead: Bytes,
        admission: Admission,
        rooms: Arc<Rooms>,
        home: Option<Home>,
    ) -> Self {
        let message_bytes_max = admission.place.config().core.message_bytes_max;
        let mut connection = Self::new(
            Framed::new(socket, message_bytes_max),
            admission,
            rooms,
            home,
        );
        if !read_ahead.is_empty() {
            let now = connection.place.clock().now();
            let Self {
                transport, session, ..
            } = &mut connection;
            let mut handle = |incoming: Incoming<'_>| session.receive(now, incoming);
            if let Err(error) = transport.decode(&mut Vec::from(read_ahead), &mut handle) {
                session.fail(now, error);
            }
            connection.note_silence();
        }
        connection
    }

    #[cfg(unix)]
    pub(crate) fn socket_mut(&mut self) -> &mut S {
        self.transport.socket_mut()
    }
}

impl<T: Transport> Connection<T> {
    pub(crate) fn new(
        transport: T,
        admission: Admission,
        rooms: Arc<Rooms>,
        home: Option<Home>,
    ) -> Self {
        let Admission { place, grant } = admission;
        let now = place.clock().now();
        let session = Session::new(now, rooms, grant, place.subject(), home);
        Self {
            transport,
            session,
            place,
            deadlines: Deadlines::default(),
        }
    }

    /// Takes turns as a task until it is over.
    #[expect(
        clippy::manual_async_fn,
        reason = "the arguments of an `async fn` stay in its future beside what is made of them, which would double \
                  the size of a connection"
    )]
    pub(crate) fn run(mut self) -> impl Future<Output = ()> + use<T> {
        async move {
            let mut timer = pin!(tokio::time::sleep_until(first_timer()));
            // Whether the others have had their turn since this one read.
            let mut has_yielded = false;
            poll_fn(|cx| {
                match self.poll(cx, &mut has_yielded) {
                    Turn::Gone => return Poll::Ready(()),
                    Turn::Again => cx.waker().wake_by_ref(),
                    Turn::Sleep(None) => {}
                    Turn::Sleep(Some(deadline)) => {
                        set_timer(cx, self.place.clock(), deadline, timer.as_mut());
                    }
                }
                Poll::Pending
            })
            .await;
        }
    }

    /// Has a turn as a task.
    ///
    /// It reads first and then, once, lets the others do so before it writes: their publishes join
    /// what is queued here, and one system call takes all of it. It yields once, not until nobody
    /// has more, so a peer waits for one round of the others and no longer.
    fn poll(&mut self, cx: &mut Context<'_>, has_yielded: &mut bool) -> Turn {
        self.timed(|connection, now| {
            let read = connection.read(cx, now)?;
            let must_yield = read.has_any && !*has_yielded && connection.may_gather();
            *has_yielded = must_yield;
            if must_yield {
                return Ok(true);
            }
            let is_again = connection.write(cx, now)?;
            let is_awake = !connection.session.queue().sleep(cx);
            Ok(read.has_more || is_again || is_awake)
        })
    }

    /// Has the first half of a turn in a reactor, which writes what is queued at the end of its
    /// round. One that is closing, for which nobody has more, or is to be judged has both.
    #[cfg(unix)]
    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>) -> Turn {
        self.timed(|connection, now| {
            let Read { has_more, .. } = connection.read(cx, now)?;
            let is_closing = connection.session.stage() == Stage::Closing;
            let must_write = is_closing || connection.deadlines.must_shrink(now);
            Ok(must_write && connection.write(cx, now)? || has_more)
        })
    }

    /// Has the second half of a turn in a reactor.
    #[cfg(unix)]
    pub(crate) fn poll_write(&mut self, cx: &mut Context<'_>, now: Instant) -> Turn {
        let outcome = self.write(cx, now);
        self.rest(now, outcome)
    }

    /// Does a part of a turn, and takes its time now and then.
    fn timed(&mut self, part: impl FnOnce(&mut Self, Instant) -> Result<bool, Gone>) -> Turn {
        let now = self.place.clock().now();
        let begun = self.session.counters().begin_turn();
        let outcome = part(self, now);
        self.session.counters().end_turn(begun);
        self.rest(now, outcome)
    }

    /// What it waits for, once there is nothing more to do, or there is.
    fn rest(&mut self, now: Instant, outcome: Result<bool, Gone>) -> Turn {
        let Ok(is_again) = outcome else {
            return Turn::Gone;
        };
        if self.deadlines.are_over(now) {
            self.session.stalled();
            self.transport.reset();
            return Turn::Gone;
        }
        if is_again {
            return Turn::Again;
        }
        Turn::Sleep(self.deadlines.next(&self.session))
    }

    /// Reads what has arrived and carries it out.
    fn read(&mut self, cx: &mut Context<'_>, now: Instant) -> Result<Read, Gone> {
        let mut read = Read::default();
        let mut bytes = 0;
        for count in 1..=READS_PER_TURN {
            if !self.session.wants_input() {
                // A held peer is not read any more; a slow one is once it has taken what waits for
                // it.
                break;
            }
            let (session, mut frames) = (&mut self.session, 0);
            let mut handle = |incoming: Incoming<'_>| {
                frames += 1;
                session.receive(now, incoming)
            };
            let more = self.transport.read(cx, &mut handle);
            let records = self.transport.take_records();
            let needed = records_needed(frames, &more);
            session.receive_records(now, records.saturating_sub(needed));
            self.note_silence();
            match more {
                Poll::Pending => break,
                Poll::Ready(Err(ReadError::Gone)) => return Err(Gone),
                Poll::Ready(Err(ReadError::Frame(error))) => self.session.fail(now, error),
                Poll::Ready(Ok(more)) => bytes += more,
            }
            read.has_any = true;
            read.has_more = bytes >= READ_BYTES || count == READS_PER_TURN;
            if read.has_more {
                break;
            }
        }
        self.session.turn(now);
        if self.session.stage() != Stage::Open {
            self.transport.forget_input();
        }
        let held = self.transport.held_bytes();
        self.session.hold_input(now, held, read.has_any);
        self.note_close(now);
        Ok(read)
    }

    /// Whether those that were ready together with this one may have something for it too, to be
    /// written with what there is.
    fn may_gather(&self) -> bool {
        self.session.stage() != Stage::Closing && !self.session.queue().is_empty()
    }

    /// Writes all that is queued, and closes what is at its end. True if it is to have another turn
    /// at once.
    fn write(&mut self, cx: &mut Context<'_>, now: Instant) -> Result<bool, Gone> {
        let written = self.write_queued(cx, now);
        let unflushed = self.transport.unflushed_bytes();
        self.session.hold_unflushed(unflushed);
        let config = self.place.config();
        let is_over = written.is_pending() && self.session.is_over_limit();
        if self.deadlines.is_slow(now, is_over, config) {
            self.session.queue().end(CloseReason::SlowConsumer);
            return Ok(true);
        }
        match written {
            // Nothing gets through to it, and a close would hold some of what is to be free.
            Poll::Pending if self.session.is_evicted() => {
                self.transport.reset();
                return Err(Gone);
            }
            Poll::Pending => {
                self.deadlines.stalled(now, config);
                // What it was paused for may be written.
                return Ok(self.session.is_paused() && self.session.wants_input());
            }
            Poll::Ready(Err(Gone)) => return Err(Gone),
            Poll::Ready(Ok(())) => {}
        }
        match self.session.stage() {
            Stage::Closing => self.close(cx),
            Stage::Open | Stage::Held => Ok(self.session.is_paused()),
        }
    }

    /// Writes until the queue is empty and nothing is held back below.
    fn write_queued(&mut self, cx: &mut Context<'_>, now: Instant) -> Poll<Result<(), Gone>> {
        let Self {
            transport,
            session,
            deadlines,
            place,
        } = self;
        let config = place.config();
        // What the system has already comes first, with its bookkeeping.
        let patience = config.outbound_grace + taken_in(2 * config.send_buffer_bytes_max as u64);
        let mut has_taken = false;
        let mut taken = 0;
        let is_last = session.stage() == Stage::Closing;
        let mut written = session.queue().write_all(now, patience, |frames| {
            let written = match is_last {
                true => transport.write_last(cx, frames),
                false => transport.write(cx, frames),
            };
            if let Poll::Ready(Ok(bytes)) = written {
                has_taken |= deadlines.progressed();
                taken += bytes;
            }
            written
        });
        let queue = session.queue();
        deadlines.taken(now, taken, || taken + queue.bytes(), config);
        if let Poll::Ready(Ok(())) = written {
            let flushed = transport.flush(cx);
            if let Poll::Ready(Ok(true)) = flushed {
                has_taken |= deadlines.progressed();
            }
            written = flushed.map_ok(|_| ());
        }
        if has_taken {
            session.has_taken(now);
        }
        written
    }

    /// Closes a connection whose close frame is written.
    fn close(&mut self, cx: &mut Context<'_>) -> Result<bool, Gone> {
        // After its own close frame the peer may send nothing: then the socket can be closed at
        // once, and the kernel delivers what it still has.
        if self.session.is_ended_by_peer() && self.transport.is_spent() {
            self.transport.end();
            return Err(Gone);
        }
        for _ in 0..READS_PER_TURN {
            if !self.deadlines.may_discard() {
                // What else comes stays unread, so that the peer's own system makes it wait. A
                // reset now could overtake our close frame; it comes in time.
                return Ok(false);
            }
            let step = self.transport.close(cx);
            self.deadlines
                .discarded(discarded_bytes(&step, self.transport.take_records()));
            if self.session.is_evicted() && self.transport.held_bytes() > 0 {
                // That is to be free now, and not when the client has answered.
                return Err(Gone);
            }
            match step {
                Poll::Pending => return Ok(false),
                Poll::Ready(step) => drop(step?),
            }
        }
        Ok(true)
    }

    /// Notes whether anything was said: a peer that leaves without a word has not used a connect of
    /// its address.
    fn note_silence(&mut self) {
        self.place.set_silent(!self.session.has_spoken());
    }

    /// Notes when the session has begun to close, and for which side's fault.
    fn note_close(&mut self, now: Instant) {
        if self.session.stage() != Stage::Closing {
            return;
        }
        let is_first = self.deadlines.closing(now, self.place.config());
        if is_first && self.session.is_peers_fault() {
            self.place.offend();
        }
    }
}

/// How many records of TLS a client may have needed for what a read has brought. Each frame may
/// have one for its header and one for its payload, however short. And one is the read's own, which
/// may have brought a header alone, or nothing.
fn records_needed(frames: usize, read: &Poll<Result<usize, ReadError>>) -> usize {
    let bytes = match read {
        Poll::Ready(Ok(bytes)) => *bytes,
        Poll::Ready(Err(_)) | Poll::Pending => 0,
    };
    1 + 2 * frames + bytes / RECORD_BYTES_MIN
}

/// What it counts to have thrown away what a peer sends behind our close frame: its bytes, and for
/// each read and each record of TLS as many as a client that has something to say would send.
fn discarded_bytes(step: &Poll<Result<usize, Gone>>, records: usize) -> usize {
    match step {
        Poll::Ready(Ok(bytes)) => (*bytes).max(records.max(1) * RECORD_BYTES_MIN),
        Poll::Ready(Err(Gone)) | Poll::Pending => records * RECORD_BYTES_MIN,
    }
}

impl<T> Drop for Connection<T> {
    fn drop(&mut self) {
        // The session would need as much again to know the subject.
        self.session.end(self.place.subject());
    }
}

#[cfg(test)]
mod tests;
