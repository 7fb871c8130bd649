//! A connection before its request.

#[cfg(feature = "tls")]
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Wake, Waker, ready};

use bytes::Bytes;
use signal_access::RefusalCause;
use signal_core::Instant;
#[cfg(feature = "tls")]
use tokio::io::AsyncReadExt;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::admission::Admission;
use crate::clock::first_timer;
use crate::handshake::remote::Remote;
use crate::handshake::unfinished::WaitsFor;
use crate::handshake::{Handshake, Step};
use crate::serve::bytes::{Input, Socket};
use crate::serve::connection;
use crate::serve::deadlines::set_timer;
use crate::shared::Shared;

/// What one read of a PROXY header may bring; few are longer.
#[cfg(feature = "tls")]
const PREFACE_READ: usize = 256;

/// A connection that has been upgraded.
#[derive(Debug)]
pub(crate) struct Upgraded<Io> {
    pub(crate) io: Io,
    /// What the client sent behind its request.
    pub(crate) read_ahead: Bytes,
    pub(crate) admission: Admission,
}

/// A connection that has not been upgraded yet, in its place among the unfinished handshakes.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) shared: Arc<Shared>,
    pub(crate) remote: Remote,
    /// By when it must have sent its request.
    pub(crate) deadline: Instant,
    id: u64,
    /// Whether it has to begin with a PROXY header.
    expects_preface: bool,
    bell: Option<Waker>,
}

/// Wakes the task of an arrival, and notes before that it does not wait for its client any more,
/// but for the processor.
#[derive(Debug)]
struct Bell {
    shared: Arc<Shared>,
    id: u64,
    task: Waker,
}

impl Arrival {
    /// A connection that was accepted just now. `None` if its address has too many of them, none of
    /// which waits for its client.
    pub(crate) fn new(shared: &Arc<Shared>, remote: Remote) -> Option<Self> {
        shared.counters.connections.fetch_add(1, Ordering::Relaxed);
        let Some(entered) = shared.door.unfinished.enter(remote.ip(), &shared.config) else {
            let client = shared.config.log_ips.show(remote.ip());
            tracing::debug!(client, "too many unfinished handshakes of one address");
            shared.counters.count_refusal(RefusalCause::HandshakesPerIp);
            return None;
        };
        if let Some(cause) = entered.evicted_for {
            shared.counters.count_refusal(cause);
        }
        Some(Self {
            shared: Arc::clone(shared),
            remote,
            deadline: shared.door.deadline(),
            id: entered.id,
            expects_preface: shared.door.expects_preface(remote),
            bell: None,
        })
    }

    /// Its handshake.
    pub(crate) fn handshake(&self) -> Handshake {
        let handshake = Handshake::until(&self.shared.door, self.remote, self.deadline);
        match self.expects_preface {
            true => handshake.with_preface(),
            false => handshake,
        }
    }

    /// Reads the PROXY header, if there has to be one, before what is not HTTP. False if the
    /// connection is over.
    #[cfg(feature = "tls")]
    pub(crate) async fn read_preface(&mut self, io: &mut (impl AsyncRead + Unpin)) -> bool {
        if !std::mem::take(&mut self.expects_preface) {
            return true;
        }
        let (clock, deadline) = (self.shared.clock, self.deadline);
        let mut handshake =
            Handshake::until(&self.shared.door, self.remote, deadline).with_preface();
        let mut input = [0; PREFACE_READ];
        while handshake.awaits_preface() {
            let wants = handshake.wants().min(PREFACE_READ);
            let read = self.wait(io.read(&mut input[..wants]));
            match tokio::time::timeout_at(clock.runtime_instant(deadline), read).await {
                Ok(Some(Ok(bytes))) => handshake.read(clock.now(), &input[..bytes]),
                Ok(Some(Err(error))) => handshake.fail(&error),
                // Another has its place, and that is counted.
                Ok(None) => return false,
                Err(_elapsed) => handshake.handle_timeout(deadline),
            }
        }
        self.remote = handshake.remote();
        !handshake.is_ended() && self.name(self.remote)
    }

    /// Notes whose connection it is, once its PROXY header is read. False if that client has too
    /// many already.
    fn name(&self, client: Remote) -> bool {
        let Shared {
            door,
            config,
            counters,
            ..
        } = &*self.shared;
        let named = door.unfinished.name(self.id, client.ip(), config);
        if named != Some(false) {
            counters.count_refusal(RefusalCause::HandshakesPerIp);
        }
        named.is_some()
    }

    /// Notes what it waits for. False if it has to end; from now on `waker` is woken for that.
    pub(crate) fn pause(&self, now: Instant, waits_for: WaitsFor, waker: &Waker) -> bool {
        self.shared
            .door
            .unfinished
            .pause(self.id, now, waits_for, waker)
    }

    /// Notes that its client has been heard of.
    #[cfg(unix)]
    pub(crate) fn resume(&self, now: Instant) {
        self.shared.door.unfinished.resume(self.id, now);
    }

    /// Notes that it has come to a next step, which may take its client a round trip.
    #[cfg(feature = "tls")]
    pub(crate) fn advance(&self) {
        let now = self.shared.clock.now();
        self.shared.door.unfinished.advance(self.id, now);
    }

    /// Waits for its client by this future, in a task. `None` if it has to end before.
    #[cfg(feature = "tls")]
    pub(crate) async fn wait<F: Future>(&mut self, future: F) -> Option<F::Output> {
        let mut future = pin!(future);
        std::future::poll_fn(|cx| {
            let bell = self.bell(cx.waker());
            match future.as_mut().poll(&mut Context::from_waker(&bell)) {
                Poll::Ready(output) => Poll::Ready(Some(output)),
                Poll::Pending if self.pause(self.shared.clock.now(), WaitsFor::Client, &bell) => {
                    Poll::Pending
                }
                Poll::Pending => Poll::Ready(None),
            }
        })
        .await
    }

    /// Answers its request and, if that is an upgrade, runs it.
    pub(crate) async fn serve<Io>(mut self, io: Io)
    where
        Io: Socket + AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let handshake = self.handshake();
        let upgraded = run(io, handshake, Some(&mut self)).await;
        let rooms = Arc::clone(&self.shared.rooms);
        drop(self);
        if let Some(upgraded) = upgraded {
            let Upgraded {
                io,
                read_ahead,
                admission,
            } = upgraded;
            // A task of its own, so that the connection does not carry the size of the handshake
            // all its life.
            tokio::spawn(connection::run(io, read_ahead, admission, rooms));
        }
    }

    /// What wakes its task.
    fn bell(&mut self, task: &Waker) -> Waker {
        // A task has the same waker all its life.
        let bell = self.bell.get_or_insert_with(|| {
            Waker::from(Arc::new(Bell {
                shared: Arc::clone(&self.shared),
                id: self.id,
                task: task.clone(),
            }))
        });
        bell.clone()
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.shared
            .door
            .unfinished
            .resume(self.id, self.shared.clock.now());
        self.task.wake_by_ref();
    }
}

impl Drop for Arrival {
    fn drop(&mut self) {
        self.shared.door.unfinished.leave(self.id);
    }
}

/// Does a handshake in a task. `None` if its answer is not an upgrade; the connection is over then.
pub(crate) async fn run<Io>(
    mut io: Io,
    mut handshake: Handshake,
    mut arrival: Option<&mut Arrival>,
) -> Option<Upgraded<Io>>
where
    Io: AsyncRead + AsyncWrite + Unpin,
{
    let mut timer = pin!(tokio::time::sleep_until(first_timer()));
    let begun = std::future::poll_fn(|cx| {
        let bell = match &mut arrival {
            Some(arrival) => arrival.bell(cx.waker()),
            None => cx.waker().clone(),
        };
        let mut cx = Context::from_waker(&bell);
        let now = handshake.door().clock.now();
        let begun = turn(&mut handshake, &mut io, arrival.as_deref(), now, &mut cx);
        if begun.is_pending() {
            let deadline = handshake.poll_timeout();
            set_timer(&mut cx, handshake.door().clock, deadline, timer.as_mut());
        }
        begun
    });
    let (admission, read_ahead) = begun.await?;
    Some(Upgraded {
        io,
        read_ahead,
        admission,
    })
}

/// Goes on with a handshake, unless another has its place.
pub(crate) fn turn<Io>(
    handshake: &mut Handshake,
    io: &mut Io,
    arrival: Option<&Arrival>,
    now: Instant,
    cx: &mut Context<'_>,
) -> Poll<Option<(Admission, Bytes)>>
where
    Io: AsyncRead + AsyncWrite + Unpin,
{
    handshake.handle_timeout(now);
    let is_nameless = handshake.awaits_preface();
    let begun = poll(handshake, io, now, cx);
    if begun.is_pending() {
        let is_named = is_nameless && !handshake.awaits_preface() && !handshake.is_ended();
        let waits_for = handshake.waits_for();
        let has_place = |arrival: &Arrival| {
            (!is_named || arrival.name(handshake.remote()))
                && arrival.pause(now, waits_for, cx.waker())
        };
        if !arrival.is_none_or(has_place) {
            let answer = handshake.evict();
            // If it is not taken, there is nobody left to hear it.
            let _ = Pin::new(io).poll_write(cx, &answer);
            return Poll::Ready(None);
        }
    }
    begun
}

/// Does what a handshake needs until it has to wait. Once it is over: what begins, if anything.
fn poll<Io>(
    handshake: &mut Handshake,
    io: &mut Io,
    now: Instant,
    cx: &mut Context<'_>,
) -> Poll<Option<(Admission, Bytes)>>
where
    Io: AsyncRead + AsyncWrite + Unpin,
{
    loop {
        let io = Pin::new(&mut *io);
        let done: io::Result<()> = match handshake.step() {
            Step::Begin(admission, read_ahead) => {
                return Poll::Ready(Some((admission, read_ahead)));
            }
            Step::End => return Poll::Ready(None),
            Step::Judge => {
                ready!(handshake.poll_judge(now, cx));
                Ok(())
            }
            Step::Write if handshake.output().is_empty() => {
                ready!(io.poll_flush(cx)).map(|()| handshake.flushed(now))
            }
            Step::Write => {
                let written = ready!(io.poll_write(cx, handshake.output()));
                written.map(|bytes| handshake.written(bytes))
            }
            Step::Linger if !handshake.is_shut() => {
                ready!(io.poll_shutdown(cx)).map(|()| handshake.shut())
            }
            Step::Read | Step::Linger => {
                let mut input = Input::borrow();
                let wants = handshake.wants().min(input.0.len());
                let mut buffer = ReadBuf::new(&mut input.0[..wants]);
                let read = ready!(io.poll_read(cx, &mut buffer));
                read.map(|()| handshake.read(now, buffer.filled()))
            }
        };
        if let Err(error) = done {
            handshake.fail(&error);
        }
    }
}
