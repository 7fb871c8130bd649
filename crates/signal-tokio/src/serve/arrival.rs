//! A connection before its request.

use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use signal_core::Instant;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::OwnedSemaphorePermit;

use crate::admission::Admission;
use crate::handshake::{Handshake, Step};
use crate::serve::bytes::{Input, Socket};
use crate::serve::connection;
use crate::serve::deadlines::set_timer;
use crate::shared::Shared;

/// A connection that has been upgraded.
#[derive(Debug)]
pub(crate) struct Upgraded<Io> {
    pub(crate) io: Io,
    /// What the client sent behind its request.
    pub(crate) read_ahead: Bytes,
    pub(crate) admission: Admission,
}

/// A connection that has not been upgraded yet.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) shared: Arc<Shared>,
    pub(crate) remote: SocketAddr,
    /// By when it must have sent its request.
    pub(crate) deadline: Instant,
    /// Given back once it is upgraded or gone.
    permit: OwnedSemaphorePermit,
}

impl Arrival {
    pub(crate) fn new(
        shared: &Arc<Shared>,
        remote: SocketAddr,
        permit: OwnedSemaphorePermit,
    ) -> Self {
        shared.counters.connections.fetch_add(1, Ordering::Relaxed);
        Self {
            shared: Arc::clone(shared),
            remote,
            deadline: shared.handshake_deadline(),
            permit,
        }
    }

    /// Its handshake.
    pub(crate) fn handshake(&self) -> Handshake {
        Handshake::until(&self.shared, Some(self.remote), self.deadline)
    }

    /// Answers its request and, if that is an upgrade, runs it.
    pub(crate) async fn serve<Io>(self, io: Io)
    where
        Io: Socket + AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let upgraded = run(io, self.handshake()).await;
        drop(self.permit);
        if let Some(upgraded) = upgraded {
            let Upgraded {
                io,
                read_ahead,
                admission,
            } = upgraded;
            // A task of its own, so that the connection does not carry the size of the handshake
            // all its life.
            tokio::spawn(connection::run(io, read_ahead, admission));
        }
    }
}

/// Does a handshake. `None` if its answer is not an upgrade; the connection is over then.
pub(crate) async fn run<Io>(mut io: Io, mut handshake: Handshake) -> Option<Upgraded<Io>>
where
    Io: AsyncRead + AsyncWrite + Unpin,
{
    let mut timer = pin!(tokio::time::sleep_until(handshake.shared().first_timer()));
    let begun = std::future::poll_fn(|cx| {
        let now = handshake.shared().now();
        handshake.handle_timeout(now);
        let begun = poll(&mut handshake, &mut io, now, cx);
        if begun.is_pending() {
            let deadline = handshake.poll_timeout();
            set_timer(cx, handshake.shared(), deadline, timer.as_mut());
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

/// Does what a handshake needs until it has to wait. Once it is over: what begins, if anything.
pub(crate) fn poll<Io>(
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
                let mut buffer = ReadBuf::new(&mut input.0);
                let read = ready!(io.poll_read(cx, &mut buffer));
                read.map(|()| handshake.read(now, buffer.filled()))
            }
        };
        if let Err(error) = done {
            handshake.fail(&error);
        }
    }
}
