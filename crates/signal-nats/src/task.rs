//! The task of a bus: has a connection, and moves messages between it and the queues.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_nats::Client;
use bytes::Bytes;
use tokio::time::{Instant, sleep, timeout};

use crate::connection::{Connection, Inbox, News};
use crate::problem::Problem;
use crate::queue::{Receiver, Sender};
use crate::server::Server;
use crate::shared::Shared;

/// How long a connection that was replaced is still read from: what was on the way to its server.
const OVERLAP: Duration = Duration::from_secs(1);

/// A message on its way out.
pub(crate) struct Outgoing {
    pub(crate) subject: String,
    /// How long the message is without what was put behind it.
    pub(crate) message_len: usize,
    pub(crate) payload: Bytes,
}

/// A connection, and which of the servers it leads to.
struct Opened {
    index: usize,
    server: Server,
    connection: Connection,
}

/// How serving over a connection ends.
enum End {
    /// Nobody sends any more.
    Closed,
    Lost(Problem),
    /// By a connection that was made for this.
    Replaced(Box<Opened>),
}

pub(crate) async fn run(
    shared: Arc<Shared>,
    mut outgoing: Receiver<Outgoing>,
    incoming: Sender<Bytes>,
) {
    let incoming = Arc::new(incoming);
    let mut next = None;
    loop {
        let mut opened = match next.take() {
            Some(opened) => opened,
            None => match reconnect(&shared, &mut outgoing).await {
                Some(opened) => opened,
                None => return,
            },
        };
        take_into_use(&shared, &opened);
        match serve(&shared, &mut opened, &mut outgoing, &incoming).await {
            End::Closed => return,
            End::Lost(problem) => lose(&shared, &opened, problem),
            End::Replaced(successor) => {
                let overlap = read_on(
                    Arc::clone(&shared),
                    opened.connection,
                    Arc::clone(&incoming),
                );
                tokio::spawn(timeout(OVERLAP, overlap));
                next = Some(*successor);
            }
        }
    }
}

/// Connects, however long it takes. Nothing if meanwhile nobody sends any more.
async fn reconnect(shared: &Arc<Shared>, outgoing: &mut Receiver<Outgoing>) -> Option<Opened> {
    let mut opening = open(shared);
    loop {
        tokio::select! {
            opened = &mut opening => return Some(opened),
            () = shared.reload.notified() => opening = open(shared),
            // What is old when there is a connection would only be in the way.
            stale = outgoing.pop() => {
                stale?;
                shared.counters.unconnected.add(1);
                shared.waiting.remove(1);
            }
        }
    }
}

type Opening = Pin<Box<dyn Future<Output = Opened> + Send>>;

/// Tries one server after another, without end.
fn open(shared: &Arc<Shared>) -> Opening {
    let shared = Arc::clone(shared);
    Box::pin(async move {
        loop {
            let (index, server, pause) = shared.servers().choose(Instant::now());
            sleep(pause).await;
            match Connection::open(&server, &shared).await {
                Ok(connection) => {
                    return Opened {
                        index,
                        server,
                        connection,
                    };
                }
                Err(problem) => {
                    shared.counters.failures.add(1);
                    let is_news = shared.servers().failed(index, &problem);
                    report(&shared, &server, problem, is_news);
                }
            }
        }
    })
}

fn take_into_use(shared: &Shared, opened: &Opened) {
    let Opened {
        index,
        server,
        connection,
    } = opened;
    shared.servers().connected(*index, Instant::now());
    shared.counters.connects.add(1);
    shared.connected(server.to_string(), connection.name.clone());
    tracing::info!(%server, name = connection.name, "connected to a NATS server of the cluster");
}

fn lose(shared: &Shared, opened: &Opened, problem: Problem) {
    shared.disconnected();
    shared.counters.disconnects.add(1);
    let is_news = shared
        .servers()
        .lost(opened.index, Instant::now(), &problem);
    report(shared, &opened.server, problem, is_news);
}

/// Says what is wrong with a server, but not again and again.
fn report(shared: &Shared, server: &Server, problem: Problem, is_news: bool) {
    if !is_news {
        tracing::debug!(%server, "the NATS server still cannot be used: {problem}");
    } else if problem.is_mistake() {
        tracing::error!(%server, "the NATS server cannot be used: {problem}");
    } else {
        tracing::warn!(%server, "the NATS server cannot be reached: {problem}");
    }
    shared.trouble(server.to_string(), problem);
}

/// Moves messages until the connection ends, another takes its place, or nobody sends any more.
async fn serve(
    shared: &Arc<Shared>,
    opened: &mut Opened,
    outgoing: &mut Receiver<Outgoing>,
    incoming: &Sender<Bytes>,
) -> End {
    let client = opened.connection.client.clone();
    let sending = send(shared, &client, outgoing);
    tokio::pin!(sending);
    let mut successor: Option<Opening> = None;
    loop {
        let next = tokio::select! {
            () = &mut sending => return End::Closed,
            () = shared.reload.notified() => {
                successor = Some(open(shared));
                continue;
            }
            successor = until(&mut successor) => return End::Replaced(Box::new(successor)),
            next = opened.connection.next() => next,
        };
        match next {
            Ok((inbox, message)) => receive(shared, inbox, message.payload, incoming),
            Err(News::Slow) => shared.counters.slow.add(1),
            Err(News::Lost(problem)) => return End::Lost(problem),
            Err(News::LameDuck) => {
                shared.counters.lame_ducks.add(1);
                shared.servers().leaves(opened.index, Instant::now());
                let server = &opened.server;
                tracing::info!(%server, "the NATS server is about to end; looking for another");
                successor = Some(open(shared));
            }
        }
    }
}

/// The successor, once there is one.
async fn until(successor: &mut Option<Opening>) -> Opened {
    match successor {
        Some(opening) => opening.await,
        None => std::future::pending().await,
    }
}

/// Sends until nobody hands over more.
async fn send(shared: &Shared, client: &Client, outgoing: &mut Receiver<Outgoing>) {
    let mut unflushed = Unflushed {
        shared,
        messages: 0,
    };
    while let Some(first) = outgoing.pop().await {
        let mut next = Some(first);
        while let Some(Outgoing {
            subject,
            message_len,
            payload,
        }) = next
        {
            unflushed.messages += 1;
            match client.publish(subject, payload).await {
                Ok(()) => shared.counters.sent(message_len),
                Err(_) => shared.counters.unconnected.add(1),
            }
            next = outgoing.try_pop();
        }
        let _ = client.flush().await;
        unflushed.end();
    }
}

/// Messages that were handed to the client and may not be out. With the connection they are lost.
struct Unflushed<'s> {
    shared: &'s Shared,
    messages: usize,
}

impl Unflushed<'_> {
    fn end(&mut self) {
        self.shared
            .waiting
            .remove(std::mem::take(&mut self.messages));
    }
}

impl Drop for Unflushed<'_> {
    fn drop(&mut self) {
        self.end();
    }
}

fn receive(shared: &Shared, inbox: Inbox, sealed: Bytes, incoming: &Sender<Bytes>) {
    let subject = match inbox {
        Inbox::All => &shared.all,
        Inbox::Own => &shared.own,
    };
    let Some(message) = shared.open(subject, sealed) else {
        return;
    };
    let bytes = message.len();
    if incoming.push(bytes, message) {
        shared.counters.received(bytes);
    } else {
        shared.counters.unread.add(1);
    }
}

/// Reads what is still on its way over a connection that was replaced.
async fn read_on(shared: Arc<Shared>, mut connection: Connection, incoming: Arc<Sender<Bytes>>) {
    while let Ok((inbox, message)) = connection.next().await {
        receive(&shared, inbox, message.payload, &incoming);
    }
}
