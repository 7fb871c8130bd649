//! A connection of a reactor that has not been upgraded yet.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use signal_core::Instant;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout_at;

use super::stream::Stream;
use crate::admission::Admission;
use crate::admission::refusal::RefusalCause;
use crate::handshake::head::{self, Head};
use crate::handshake::http1::{self, Progress, Upgraded};
use crate::handshake::upgrade::{self, Upgrade};
use crate::hub::wake::Mailbox;
use crate::serve::arrival::Arrival;
use crate::serve::replayed::Replayed;
use crate::serve::scratch;

/// A connection that waits to be heard.
#[derive(Debug)]
pub(super) struct Guest {
    pub(super) io: Stream,
    arrival: Arrival,
    /// By when it must have sent something.
    pub(super) deadline: Instant,
}

/// What a guest had to say.
pub(super) enum Heard {
    Nothing(Guest),
    /// A request that is answered already.
    Upgrade(Upgraded<Stream>),
    /// What cannot be answered at once: a task does it.
    Slow(Box<Slow>),
    /// Nothing more: it has gone.
    End,
}

/// A handshake that waits for something.
pub(super) struct Slow {
    pub(super) io: Stream,
    arrival: Arrival,
    next: Next,
}

/// What there is to do for a handshake.
enum Next {
    /// To read all of it: this is what has come.
    Read(Bytes),
    /// To wait for the authorizer.
    Judge(Judging, Bytes),
    /// To write this.
    Write(Vec<u8>, Outcome),
    /// To tell that it has taken too long.
    GiveUp,
}

/// The answer to a request, once it is there.
type Judging = Pin<Box<dyn Future<Output = Upgrade> + Send>>;

/// What follows an answer.
enum Outcome {
    /// The connection begins, with what was read of it already.
    Begin(Admission, Bytes),
    End,
}

impl Guest {
    pub(super) fn new(io: Stream, arrival: Arrival, deadline: Instant) -> Self {
        Self {
            io,
            arrival,
            deadline,
        }
    }

    /// Reads what has arrived and, if that is a plain upgrade and nothing has to be waited for,
    /// answers it.
    pub(super) fn hear(mut self) -> Heard {
        let mut input = scratch::input();
        let mut buffer = ReadBuf::new(&mut input);
        match Pin::new(&mut self.io).poll_read(&mut no_wake(), &mut buffer) {
            Poll::Pending => Heard::Nothing(self),
            Poll::Ready(Ok(())) if buffer.filled().is_empty() => Heard::End,
            Poll::Ready(Ok(())) => self.answer(Bytes::copy_from_slice(buffer.filled())),
            Poll::Ready(Err(error)) => self.lost(&error),
        }
    }

    /// Ends the handshake of somebody who sends nothing.
    pub(super) fn give_up(self) -> Box<Slow> {
        Box::new(Slow {
            io: self.io,
            arrival: self.arrival,
            next: Next::GiveUp,
        })
    }

    fn answer(self, input: Bytes) -> Heard {
        let shared = Arc::clone(&self.arrival.shared);
        let Some(head) = head::parse(&input, &shared.config) else {
            return self.slow(Next::Read(input));
        };
        let remote = Some(self.arrival.remote);
        let Head {
            request,
            read_ahead,
        } = head;
        let mut judging: Judging =
            Box::pin(async move { upgrade::answer(&shared, &request, remote).await });
        match judging.as_mut().poll(&mut no_wake()) {
            Poll::Ready(upgrade) => self.write(upgrade, read_ahead),
            Poll::Pending => self.slow(Next::Judge(judging, read_ahead)),
        }
    }

    fn write(mut self, upgrade: Upgrade, read_ahead: Bytes) -> Heard {
        let (mut answer, outcome) = encode(upgrade, read_ahead);
        let Outcome::Begin(admission, read_ahead) = outcome else {
            return self.slow(Next::Write(answer, outcome));
        };
        let written = match Pin::new(&mut self.io).poll_write(&mut no_wake(), &answer) {
            Poll::Ready(Ok(written)) => written,
            Poll::Ready(Err(error)) => return self.lost(&error),
            Poll::Pending => 0,
        };
        if written < answer.len() {
            answer.drain(..written);
            return self.slow(Next::Write(answer, Outcome::Begin(admission, read_ahead)));
        }
        Heard::Upgrade(Upgraded {
            io: self.io,
            read_ahead,
            admission,
        })
    }

    fn slow(self, next: Next) -> Heard {
        Heard::Slow(Box::new(Slow {
            io: self.io,
            arrival: self.arrival,
            next,
        }))
    }

    fn lost(self, error: &io::Error) -> Heard {
        let Arrival { shared, remote, .. } = &self.arrival;
        let client = shared.config.log_ips.show(Some(remote.ip()));
        tracing::debug!(client, %error, "no request");
        shared.counters.count_refusal(RefusalCause::BadHead);
        Heard::End
    }
}

impl Slow {
    /// Ends the handshake. Who is upgraded comes back to the reactor, which does not watch the
    /// socket meanwhile.
    pub(super) async fn finish(self: Box<Self>, mailbox: Arc<Mailbox>) {
        let Self { io, arrival, next } = *self;
        let mut io = match TcpStream::from_std(io.into_std()) {
            Ok(io) => io,
            Err(error) => {
                tracing::warn!(%error, "cannot watch a socket");
                return;
            }
        };
        let (shared, remote) = (&arrival.shared, Some(arrival.remote));
        let (answer, outcome) = match next {
            Next::Read(input) => {
                // The runtime has to learn that it is writable: hyper would drop what it answers to
                // a head that is none if that could not be written at once.
                let _ = timeout_at(arrival.deadline, io.writable()).await;
                let io = Replayed::new(input, io);
                if let Some(upgraded) = http1::serve(shared, io, remote, arrival.deadline).await {
                    mailbox.adopt(upgraded.into_stream());
                }
                return;
            }
            Next::Judge(judging, read_ahead) => match timeout_at(arrival.deadline, judging).await {
                Ok(upgrade) => encode(upgrade, read_ahead),
                Err(_elapsed) => {
                    return http1::give_up(shared, io, remote, Progress::Judging).await;
                }
            },
            Next::Write(answer, outcome) => (answer, outcome),
            Next::GiveUp => return http1::give_up(shared, io, remote, Progress::NoRequest).await,
        };
        let Outcome::Begin(admission, read_ahead) = outcome else {
            return http1::answer_unread(io, &answer).await;
        };
        match timeout_at(arrival.deadline, io.write_all(&answer)).await {
            Ok(Ok(())) => mailbox.adopt(Upgraded {
                io,
                read_ahead,
                admission,
            }),
            Ok(Err(_)) | Err(_) => http1::give_up(shared, io, remote, Progress::Answered).await,
        }
    }
}

/// An answer as it is sent, and what follows it.
fn encode(upgrade: Upgrade, read_ahead: Bytes) -> (Vec<u8>, Outcome) {
    let Upgrade {
        mut response,
        admission,
    } = upgrade;
    let outcome = match admission {
        Some(admission) => Outcome::Begin(admission, read_ahead),
        None => {
            http1::close_after(&mut response);
            Outcome::End
        }
    };
    (head::encode(response), outcome)
}

/// For what the reactor is told of by the system, or a task asks again.
fn no_wake() -> Context<'static> {
    Context::from_waker(Waker::noop())
}
