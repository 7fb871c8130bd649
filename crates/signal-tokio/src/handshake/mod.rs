//! From one request to its answer, without I/O.

pub(crate) mod answer;
pub(crate) mod door;
mod ending;
pub(crate) mod head;
pub(crate) mod hints;
pub(crate) mod pages;
pub(crate) mod preface;
pub(crate) mod remote;
#[cfg(feature = "tokens")]
mod turn;
pub(crate) mod unfinished;
pub(crate) mod upgrade;

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Response};
use signal_core::Instant;

use self::head::{Head, HeadReader};
use self::preface::Preface;
use self::upgrade::Upgrade;
use crate::admission::Admission;
use crate::handshake::door::Door;
use crate::handshake::remote::Remote;

/// How long and how much is read after an answer, so that it is not lost in a reset.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 64 * 1024;

/// The one request of a connection, and its answer.
///
/// ```text
///  Preface, from a proxy of the operator's that sends one
///     │ all of it
///     ▼      head complete                  judged
///  Reading ────────────────▶ Judging ───────────────────▶ Writing ──101 written──▶ Step::Begin
///     │                         │                           ▲   │
///     │ no head, time is up     │ time is up                │   └─anything else──▶ Lingering
///     └─────────────────────────┴───────────────────────────┘                          │
///                                                         end of input, time is up ▼
///     end of input, an error, time is up while a 101 is written ───────────────▶ Step::End
/// ```
///
/// The driver of a socket asks for the next [`Step`], does it, and says what came of it. When
/// [`poll_timeout`](Self::poll_timeout) has come, it calls
/// [`handle_timeout`](Self::handle_timeout).
#[derive(Debug)]
pub(crate) struct Handshake {
    door: Arc<Door>,
    remote: Remote,
    state: State,
    /// By when the state must be left: at first by when the request must be there and answered.
    deadline: Instant,
}

/// What a handshake needs next.
#[derive(Debug)]
pub(crate) enum Step {
    /// More of the request, for [`Handshake::read`], and no more than [`Handshake::wants`].
    Read,
    /// The authorizer's answer: [`Handshake::poll_judge`].
    Judge,
    /// [`Handshake::output`] to be written, and when that is empty, flushed.
    Write,
    /// Our side to be shut down, unless it [is](Handshake::is_shut); then what comes goes to
    /// [`Handshake::read`] and is thrown away. A socket that is closed with unread input is reset,
    /// and the answer perhaps lost.
    Linger,
    /// The connection to begin, with what was read of it already.
    Begin(Admission, Bytes),
    /// Nothing: the socket can be closed.
    End,
}

enum State {
    Preface(Preface),
    Reading(HeadReader),
    Judging {
        judging: Judging,
        read_ahead: Bytes,
        is_for_head: bool,
    },
    Writing {
        answer: Vec<u8>,
        written: usize,
        /// What begins once a 101 is written.
        begin: Option<(Admission, Bytes)>,
    },
    Lingering {
        is_shut: bool,
        bytes_left: usize,
    },
    Begun(Option<(Admission, Bytes)>),
    Ended,
}

/// The answer to a request, once it is there.
type Judging = Pin<Box<dyn Future<Output = Upgrade> + Send>>;

impl Handshake {
    /// The handshake of a client that has connected just now.
    pub(crate) fn new(door: &Arc<Door>, remote: Remote) -> Self {
        Self::until(door, remote, door.deadline())
    }

    /// The handshake of a client that has until `deadline` for it.
    pub(crate) fn until(door: &Arc<Door>, remote: Remote, deadline: Instant) -> Self {
        Self {
            door: Arc::clone(door),
            remote,
            state: State::Reading(HeadReader::default()),
            deadline,
        }
    }

    /// The same, which has to begin with a PROXY header.
    pub(crate) fn with_preface(mut self) -> Self {
        self.state = State::Preface(Preface::default());
        self
    }

    /// What is left of a handshake whose answer is known before the request.
    #[cfg(feature = "tls")]
    pub(crate) fn answered(door: &Arc<Door>, remote: Remote, response: &Response<Bytes>) -> Self {
        let now = door.clock.now();
        let mut handshake = Self::until(door, remote, now);
        handshake.refuse(now, response);
        handshake
    }

    pub(crate) fn door(&self) -> &Arc<Door> {
        &self.door
    }

    /// Who has connected, as far as it is known by now.
    pub(crate) fn remote(&self) -> Remote {
        self.remote
    }

    /// Whether its PROXY header is still to come.
    pub(crate) fn awaits_preface(&self) -> bool {
        matches!(self.state, State::Preface(_))
    }

    /// Whether it has come to its end.
    pub(crate) fn is_ended(&self) -> bool {
        matches!(self.state, State::Ended)
    }

    /// How many bytes may be read at once.
    pub(crate) fn wants(&self) -> usize {
        match &self.state {
            State::Preface(preface) => preface.wants(),
            State::Reading(_)
            | State::Judging { .. }
            | State::Writing { .. }
            | State::Lingering { .. }
            | State::Begun(_)
            | State::Ended => usize::MAX,
        }
    }

    /// Takes what has arrived, which is nothing at the end of the client's side.
    pub(crate) fn read(&mut self, now: Instant, input: &[u8]) {
        match &mut self.state {
            State::Preface(preface) if input.is_empty() => {
                let is_silent = preface.is_empty();
                self.leave(is_silent, &"the proxy left");
            }
            State::Preface(preface) => match preface.read(input) {
                Ok(None) => {}
                Ok(Some(client)) => {
                    self.remote = client.map_or(self.remote, Remote::at);
                    self.state = State::Reading(HeadReader::default());
                }
                // There is nothing that a proxy would do with an answer.
                Err(bad) => {
                    let (config, problem) = (&self.door.config, bad.to_string());
                    self.door.hints.no_preface(config, self.remote, &problem);
                    self.leave(false, &bad);
                }
            },
            State::Reading(reader) if input.is_empty() => {
                let is_silent = reader.is_empty();
                self.leave(is_silent, &"the client left");
            }
            State::Reading(reader) => match reader.read(input, &self.door.config) {
                Ok(None) => {}
                Ok(Some(head)) => self.judge(head),
                Err(bad) => {
                    if preface::is_begun(input) {
                        self.door.hints.preface(&self.door.config, self.remote);
                    }
                    self.note(&bad.body());
                    self.refuse(now, &pages::text(bad.status(), bad.body()));
                }
            },
            State::Lingering { bytes_left, .. } => {
                *bytes_left = bytes_left.saturating_sub(input.len());
                if input.is_empty() || *bytes_left == 0 {
                    self.state = State::Ended;
                }
            }
            // Nobody asked for it.
            State::Judging { .. } | State::Writing { .. } | State::Begun(_) | State::Ended => {}
        }
    }

    /// Asks the authorizer.
    pub(crate) fn poll_judge(&mut self, now: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let State::Judging {
            judging,
            read_ahead,
            is_for_head,
        } = &mut self.state
        else {
            return Poll::Ready(());
        };
        let Upgrade {
            response,
            admission,
        } = ready!(judging.as_mut().poll(cx));
        let (read_ahead, is_for_head) = (std::mem::take(read_ahead), *is_for_head);
        self.write(now, head::encode(&response, is_for_head), {
            admission.map(|admission| (admission, read_ahead))
        });
        Poll::Ready(())
    }

    /// What is to be written.
    pub(crate) fn output(&self) -> &[u8] {
        match &self.state {
            State::Writing {
                answer, written, ..
            } => answer.get(*written..).unwrap_or_default(),
            State::Preface(_)
            | State::Reading(_)
            | State::Judging { .. }
            | State::Lingering { .. }
            | State::Begun(_)
            | State::Ended => &[],
        }
    }

    /// Notes that so much of it was. None means that the socket never takes more.
    pub(crate) fn written(&mut self, bytes: usize) {
        match &mut self.state {
            State::Writing { .. } if bytes == 0 => self.fail(&io::ErrorKind::WriteZero.into()),
            State::Writing { written, .. } => *written += bytes,
            State::Preface(_)
            | State::Reading(_)
            | State::Judging { .. }
            | State::Lingering { .. }
            | State::Begun(_)
            | State::Ended => {}
        }
    }

    /// Notes that nothing of it is held back any more.
    pub(crate) fn flushed(&mut self, now: Instant) {
        if let State::Writing { begin, .. } = &mut self.state {
            self.state = match begin.take() {
                begun @ Some(_) => State::Begun(begun),
                None => {
                    self.deadline = now.saturating_add(LINGER);
                    State::Lingering {
                        is_shut: false,
                        bytes_left: LINGER_BYTES,
                    }
                }
            };
        }
    }

    /// Whether our side has been shut down.
    pub(crate) fn is_shut(&self) -> bool {
        matches!(self.state, State::Lingering { is_shut: true, .. })
    }

    /// Notes that our side has been shut down.
    pub(crate) fn shut(&mut self) {
        if let State::Lingering { is_shut, .. } = &mut self.state {
            *is_shut = true;
        }
    }

    /// Notes that the socket has failed.
    pub(crate) fn fail(&mut self, error: &io::Error) {
        let is_silent = match &self.state {
            State::Preface(preface) => preface.is_empty(),
            State::Reading(reader) => reader.is_empty(),
            State::Judging { .. } | State::Writing { begin: Some(_), .. } | State::Begun(_) => {
                false
            }
            // It has its refusal, and is counted.
            State::Writing { begin: None, .. } | State::Lingering { .. } | State::Ended => {
                self.state = State::Ended;
                return;
            }
        };
        self.leave(is_silent, error);
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called.
    pub(crate) fn poll_timeout(&self) -> Instant {
        self.deadline
    }

    /// What to do next. Asking changes nothing, except that [`Step::Begin`] is handed out once.
    ///
    /// A driver asks instead of being called, because it alone knows whether its socket is ready:
    /// the task waits for it, the reactor comes back with the next event. Neither keeps a state of
    /// its own, so a judge that is pending and an answer half written are here for both.
    pub(crate) fn step(&mut self) -> Step {
        match &mut self.state {
            State::Preface(_) | State::Reading(_) => Step::Read,
            State::Judging { .. } => Step::Judge,
            State::Writing { .. } => Step::Write,
            State::Lingering { .. } => Step::Linger,
            State::Begun(begun) => match begun.take() {
                Some((admission, read_ahead)) => Step::Begin(admission, read_ahead),
                None => Step::End,
            },
            State::Ended => Step::End,
        }
    }

    fn judge(&mut self, head: Head) {
        let Head {
            request,
            read_ahead,
        } = head;
        let (door, remote) = (Arc::clone(&self.door), self.remote);
        let is_for_head = request.method == Method::HEAD;
        self.state = State::Judging {
            judging: Box::pin(async move { answer::answer(&door, &request, remote).await }),
            read_ahead,
            is_for_head,
        };
    }

    fn refuse(&mut self, now: Instant, response: &Response<Bytes>) {
        self.write(now, head::encode(response, false), None);
    }

    fn write(&mut self, now: Instant, answer: Vec<u8>, begin: Option<(Admission, Bytes)>) {
        if begin.is_none() {
            self.deadline = now.saturating_add(LINGER);
        }
        self.state = State::Writing {
            answer,
            written: 0,
            begin,
        };
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without what the client sent, which may hold a token.
        f.write_str(match self {
            Self::Preface(_) => "Preface",
            Self::Reading(_) => "Reading",
            Self::Judging { .. } => "Judging",
            Self::Writing { .. } => "Writing",
            Self::Lingering { .. } => "Lingering",
            Self::Begun(_) => "Begun",
            Self::Ended => "Ended",
        })
    }
}

#[cfg(test)]
mod tests;
