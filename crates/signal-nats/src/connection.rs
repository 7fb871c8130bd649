//! One connection to one server.
//!
//! The client could make connections anew by itself. It is kept from that: so what signs in is what
//! the files say now, a cause is known in full, and a new connection is there before an old one
//! goes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use async_nats::{
    Auth, AuthError, Client, ConnectError, ConnectErrorKind, ConnectOptions, Event, Message,
    ServerAddr, ServerError, Subscriber,
};
use futures_util::StreamExt as _;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::problem::Problem;
use crate::seal::OVERHEAD;
use crate::server::Server;
use crate::shared::Shared;
use crate::tls_words;

/// How long the steps to a connection may take for each of a server's addresses.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long all of it may take, looking up the name included.
const OPEN_TIMEOUT: Duration = Duration::from_secs(10);
/// A server that has been silent for three of them is left: it is then as long as a node may be
/// silent.
const PING_INTERVAL: Duration = Duration::from_millis(1_500);
/// A server says that a user lacks a right a moment after it has taken the subscription.
const SETTLE: Duration = Duration::from_millis(200);
/// Messages that the client holds between us and its socket; queues in front of and behind it are
/// bounded in bytes.
const CLIENT_CAPACITY: usize = 32;
/// The same on the way in: more of the shortest batches than the client reads in one of its turns.
const SUBSCRIPTION_CAPACITY: usize = 65_536;
/// How many batches may go before a beat that is there already.
const BATCHES_BEFORE_BEAT: u32 = 64;

/// A connection with both subscriptions.
pub(crate) struct Connection {
    pub(crate) client: Client,
    /// The name of the server, and its version.
    pub(crate) name: String,
    all: Subscriber,
    own: Subscriber,
    /// Messages read so far.
    turn: u32,
    news: mpsc::UnboundedReceiver<News>,
}

/// What a connection reports.
pub(crate) enum News {
    /// The server is going to end.
    LameDuck,
    /// We do not keep up.
    Slow,
    /// The connection is of no use any more.
    Lost(Problem),
}

/// Which of the two subscriptions a message has come by.
#[derive(Clone, Copy)]
pub(crate) enum Inbox {
    All,
    Own,
}

impl Connection {
    /// Connects, signs in, and subscribes.
    pub(crate) async fn open(server: &Server, shared: &Shared) -> Result<Self, Problem> {
        let opened = timeout(OPEN_TIMEOUT, Self::open_in_time(server, shared)).await;
        opened.unwrap_or_else(|_| Err(Problem::Unreachable("timed out".to_owned())))
    }

    async fn open_in_time(server: &Server, shared: &Shared) -> Result<Self, Problem> {
        let (reports, news) = mpsc::unbounded_channel();
        let report = move |event| {
            let _ = read(event).map(|news| reports.send(news));
            std::future::ready(())
        };
        let address: ServerAddr = server
            .to_string()
            .parse()
            .map_err(|error: std::io::Error| Problem::Unreachable(error.to_string()))?;
        let options = options(server, shared).event_callback(report);
        let client = options.connect(address).await.map_err(explain)?;
        let info = client.server_info();
        let needed = shared.config.message_bytes_max + OVERHEAD;
        if info.max_payload < needed {
            return Err(Problem::SmallPayload {
                max_payload: info.max_payload,
                needed,
            });
        }
        let subscribe = async |subject: &str| {
            let subscribed = client.subscribe(subject.to_owned()).await;
            subscribed.map_err(|error| Problem::Unreachable(error.to_string()))
        };
        let (all, own) = (subscribe(&shared.all).await?, subscribe(&shared.own).await?);
        client
            .flush()
            .await
            .map_err(|error| Problem::Unreachable(error.to_string()))?;
        let name = format!("{} {}", info.server_name, info.version);
        let connection = Self {
            client,
            name: name.trim().to_owned(),
            all,
            own,
            turn: 0,
            news,
        };
        connection.settle().await
    }

    async fn settle(mut self) -> Result<Self, Problem> {
        let mut is_lame = false;
        let lost = async {
            loop {
                match self.news().await {
                    News::LameDuck => is_lame = true,
                    News::Slow => {}
                    News::Lost(problem) => return problem,
                }
            }
        };
        match timeout(SETTLE, lost).await {
            Ok(problem) => Err(problem),
            Err(_) if is_lame => Err(Problem::Unreachable("it is about to end".to_owned())),
            Err(_) => Ok(self),
        }
    }

    /// The next thing that it reports.
    pub(crate) async fn news(&mut self) -> News {
        self.news.recv().await.unwrap_or_else(ended)
    }

    /// The next message, or report.
    pub(crate) async fn next(&mut self) -> Result<(Inbox, Message), News> {
        let Self {
            all,
            own,
            turn,
            news,
            ..
        } = self;
        // A beat says which batches came before it: it had better not overtake them. But if there
        // are always batches, it must come through all the same.
        *turn = turn.wrapping_add(1);
        let order = if *turn % BATCHES_BEFORE_BEAT == 0 {
            [Inbox::All, Inbox::Own]
        } else {
            [Inbox::Own, Inbox::All]
        };
        let message = std::future::poll_fn(|cx| {
            for inbox in order {
                let subscriber = match inbox {
                    Inbox::All => &mut *all,
                    Inbox::Own => &mut *own,
                };
                if let Poll::Ready(message) = subscriber.poll_next_unpin(cx) {
                    return Poll::Ready(message.map(|message| (inbox, message)).ok_or_else(ended));
                }
            }
            Poll::Pending
        });
        tokio::select! {
            biased;
            news = news.recv() => Err(news.unwrap_or_else(ended)),
            message = message => message,
        }
    }
}

fn ended() -> News {
    News::Lost(Problem::Unreachable("the connection has ended".to_owned()))
}

fn options(server: &Server, shared: &Shared) -> ConnectOptions {
    let secrets = shared.secrets();
    let credentials = server
        .credentials()
        .or(secrets.credentials.as_ref())
        .cloned();
    let is_used = Arc::new(AtomicBool::new(false));
    let sign_in = move |nonce: Vec<u8>| {
        let answer = if is_used.swap(true, Ordering::Relaxed) {
            Err(AuthError::new("this connection is not made anew"))
        } else {
            match &credentials {
                None => Ok(Auth::new()),
                Some(credentials) => credentials.answer(&nonce).map_err(AuthError::new),
            }
        };
        std::future::ready(answer)
    };
    let mut options = ConnectOptions::with_auth_callback(sign_in)
        .name(format!("signal-relay {}", shared.node))
        .no_echo()
        .require_tls(server.is_tls())
        .connection_timeout(CONNECT_TIMEOUT)
        .ping_interval(PING_INTERVAL)
        .client_capacity(CLIENT_CAPACITY)
        .subscription_capacity(SUBSCRIPTION_CAPACITY)
        .ignore_discovered_servers()
        .max_reconnects(1);
    if let Some(path) = &shared.config.cluster_ca_file {
        options = options.add_root_certificates(path.clone());
    }
    options
}

/// What an event of the client means to us.
fn read(event: Event) -> Option<News> {
    Some(match event {
        Event::Disconnected | Event::Closed => ended(),
        Event::LameDuckMode => News::LameDuck,
        Event::SlowConsumer(_) | Event::ServerError(ServerError::SlowConsumer(_)) => News::Slow,
        Event::ServerError(ServerError::AuthorizationViolation) => {
            News::Lost(Problem::Credentials("authorization violation".to_owned()))
        }
        Event::ServerError(ServerError::Other(what)) => read_error(what),
        Event::Connected | Event::Draining | Event::ClientError(_) => return None,
    })
}

/// Errors are told apart by their words, as the protocol has nothing else.
fn read_error(what: String) -> News {
    let words = what.to_ascii_lowercase();
    let has = |word| words.contains(word);
    if has("permissions violation") {
        News::Lost(Problem::Rights(what))
    } else if has("slow consumer") {
        News::Slow
    } else if has("authentication") || has("authorization") || has("revoked") || has("expired") {
        News::Lost(Problem::Credentials(what))
    } else {
        News::Lost(Problem::Unreachable(what))
    }
}

/// Why there is no connection.
fn explain(error: ConnectError) -> Problem {
    let source = std::error::Error::source(&error).map(ToString::to_string);
    let what = source.unwrap_or_else(|| error.to_string());
    let what = what.trim_start_matches("nats: ").to_owned();
    match error.kind() {
        ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication => {
            Problem::Credentials(what)
        }
        ConnectErrorKind::Tls => Problem::Tls(what),
        ConnectErrorKind::ServerParse
        | ConnectErrorKind::Dns
        | ConnectErrorKind::TimedOut
        | ConnectErrorKind::Io
        | ConnectErrorKind::MaxReconnects => match (tls_error(&error), read_error(what.clone())) {
            // To the client it is an error of the socket.
            (Some(error), _) => Problem::Tls(tls_words::of(error).map_or(what, str::to_owned)),
            (None, News::Lost(problem)) => problem,
            (None, News::Slow | News::LameDuck) => {
                Problem::Unreachable("it is too slow".to_owned())
            }
        },
    }
}

fn tls_error(error: &ConnectError) -> Option<&rustls::Error> {
    let source = std::error::Error::source(error)?;
    let inner = source.downcast_ref::<std::io::Error>()?.get_ref()?;
    inner.downcast_ref()
}
