//! One HTTP/1.1 request on a fresh connection, with everything about it bounded.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, HeaderValue};
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::Instant;

use crate::admission::Admission;
use crate::admission::auth_result::AuthResult;
use crate::admission::refusal::{self, RefusalCause};
use crate::handshake::upgrade::{self, Body, Upgrade};
use crate::shared::Shared;

/// hyper's smallest read buffer; a smaller `header_bytes_max` is checked on the head itself.
const READ_BUFFER_MIN: usize = 8 * 1024;
/// How long and how much is read after an answer, so that it is not lost in a reset.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: u64 = 64 * 1024;

/// The answer to a request that did not come to its end.
const TIMED_OUT: &str = "HTTP/1.1 408 Request Timeout\r\nContent-Type: text/plain\r\n\
    Connection: close\r\n\r\nthe request took too long";
/// Seconds after which a client that the authorizer had no answer for may try again.
const NOT_JUDGED_RETRY: RangeInclusive<u64> = 10..=20;

/// A connection that has been upgraded.
#[derive(Debug)]
pub(crate) struct Upgraded<Io> {
    pub(crate) io: Io,
    /// What the client sent behind its request.
    pub(crate) read_ahead: Bytes,
    pub(crate) admission: Admission,
}

/// Reads one request, until then at the latest, and answers it. `None` if the answer was no
/// upgrade; the connection is closed then.
pub(crate) async fn serve<Io>(
    shared: &Arc<Shared>,
    io: Io,
    remote: Option<SocketAddr>,
    deadline: Instant,
) -> Option<Upgraded<Io>>
where
    Io: AsyncRead + AsyncWrite + Unpin,
{
    let config = &shared.config;
    let admitted = Slot::default();
    let service = service_fn(|request: Request<Incoming>| {
        let admitted = admitted.clone();
        Box::pin(async move {
            let (parts, _body) = request.into_parts();
            admitted.note_request();
            let Upgrade {
                mut response,
                admission,
            } = upgrade::answer(shared, &parts, remote).await;
            if admission.is_none() {
                close_after(&mut response);
            }
            admitted.put(admission);
            Ok::<_, Infallible>(response)
        })
    });
    let mut connection = http1::Builder::new()
        .half_close(true)
        .max_headers(config.headers_max)
        .max_header_size(config.header_bytes_max)
        .max_buf_size(config.header_bytes_max.max(READ_BUFFER_MIN))
        .serve_connection(TokioIo::new(io), service);
    let outcome = {
        let answered = std::future::poll_fn(|cx| connection.poll_without_shutdown(cx));
        tokio::time::timeout_at(deadline, answered).await
    };
    let parts = connection.into_parts();
    let io = parts.io.into_inner();
    let read_ahead = parts.read_buf;
    let admission = admitted.take();
    let shown = || config.log_ips.show(remote.map(|remote| remote.ip()));
    match outcome {
        Ok(Ok(())) => {
            if let Some(admission) = admission {
                return Some(Upgraded {
                    io,
                    read_ahead,
                    admission,
                });
            }
        }
        Ok(Err(error)) => {
            // hyper has answered 400, 414 or 431 where there was somebody to answer.
            tracing::debug!(client = shown(), %error, "no request");
            shared.counters.count_refusal(RefusalCause::BadHead);
        }
        Err(_elapsed) => {
            give_up(shared, io, remote, admitted.progress()).await;
            return None;
        }
    }
    linger(io).await;
    None
}

/// Has an answer say that it is the only one: there is one request a connection. hyper's own switch
/// for it would write `close` into the 101 too.
pub(crate) fn close_after(response: &mut Response<Body>) {
    response
        .headers_mut()
        .insert(CONNECTION, HeaderValue::from_static("close"));
}

/// Ends a connection whose time is up.
pub(crate) async fn give_up<Io>(
    shared: &Shared,
    io: Io,
    remote: Option<SocketAddr>,
    progress: Progress,
) where
    Io: AsyncRead + AsyncWrite + Unpin,
{
    let client = shared.config.log_ips.show(remote.map(|remote| remote.ip()));
    tracing::debug!(client, "the request took too long");
    shared.counters.count_refusal(RefusalCause::BadHead);
    let answer = match progress {
        Progress::NoRequest => TIMED_OUT.to_owned(),
        Progress::Judging => {
            shared.counters.count_auth(AuthResult::TimedOut);
            not_judged()
        }
        // It is on its way to a client that does not take it.
        Progress::Answered => String::new(),
    };
    answer_unread(io, answer.as_bytes()).await;
}

/// The answer to a request that the authorizer had no answer for.
fn not_judged() -> String {
    let seconds = refusal::between(NOT_JUDGED_RETRY).as_secs();
    format!(
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\n\
         Retry-After: {seconds}\r\nConnection: close\r\n\r\nyour access could not be checked in time"
    )
}

/// Answers a client of which no request is read.
pub(crate) async fn answer_unread<Io>(mut io: Io, answer: &[u8])
where
    Io: AsyncRead + AsyncWrite + Unpin,
{
    let _ = tokio::time::timeout(LINGER, io.write_all(answer)).await;
    linger(io).await;
}

/// Closes our side and reads on for a moment: a socket closed with unread input is reset, which
/// would throw our answer away.
async fn linger<Io: AsyncRead + AsyncWrite + Unpin>(mut io: Io) {
    let drain = async {
        io.shutdown().await?;
        tokio::io::copy(&mut (&mut io).take(LINGER_BYTES), &mut tokio::io::sink()).await
    };
    let _ = tokio::time::timeout(LINGER, drain).await;
}

/// Brings the admission out of hyper's service.
#[derive(Clone, Default)]
struct Slot(Arc<Mutex<SlotState>>);

#[derive(Default)]
struct SlotState {
    progress: Progress,
    admission: Option<Admission>,
}

/// How far a request has come.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Progress {
    #[default]
    NoRequest,
    Judging,
    Answered,
}

impl Slot {
    fn note_request(&self) {
        self.lock().progress = Progress::Judging;
    }

    fn progress(&self) -> Progress {
        self.lock().progress
    }

    fn put(&self, admission: Option<Admission>) {
        let mut state = self.lock();
        state.progress = Progress::Answered;
        state.admission = admission;
    }

    fn take(&self) -> Option<Admission> {
        self.lock().admission.take()
    }

    fn lock(&self) -> MutexGuard<'_, SlotState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
