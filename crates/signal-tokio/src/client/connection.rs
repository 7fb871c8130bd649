use std::collections::{BTreeSet, VecDeque};
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde::Serialize;
use signal_core::client;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message, Utf8Bytes};

use super::backoff::Backoff;
use super::dial::{Socket, open};
use super::end::End;
use super::event::{Event, Parsed, parse};
use super::{ClientConfig, Command};

const PING: Utf8Bytes = Utf8Bytes::from_static(client::PING);
/// How long a closing handshake may take before the socket is just dropped.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// The callers that wait for the next pongs, in order; `None` where the ping was ours, after a
/// silence.
type Pings = VecDeque<Option<oneshot::Sender<()>>>;

/// The text of a publish.
pub(super) fn publish_text<T: Serialize + ?Sized>(
    topic: &str,
    data: &T,
) -> Result<String, serde_json::Error> {
    Ok(client::publish(topic, &serde_json::to_string(data)?))
}

/// The task that keeps a client connected.
pub(super) struct Task {
    pub(super) request: Request,
    pub(super) config: ClientConfig,
    pub(super) topics: BTreeSet<String>,
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) events: mpsc::Sender<Event>,
    pub(super) is_connected: Arc<AtomicBool>,
}

impl Task {
    pub(super) async fn run(mut self) {
        let mut backoff = Backoff::new(self.config.backoff_min, self.config.backoff_max);
        loop {
            let end = match self.connect().await {
                Ok(socket) => {
                    let start = Instant::now();
                    let end = self.converse(socket).await;
                    self.is_connected.store(false, Ordering::Release);
                    backoff.lasted(start.elapsed());
                    end
                }
                Err(end) => end,
            };
            let End::Lost { cause, retry_after } = end else {
                return;
            };
            let wait = backoff
                .fail(fastrand::f64())
                .max(retry_after.unwrap_or_default());
            let event = Event::Disconnected {
                cause,
                retry_in: wait,
            };
            if self.events.send(event).await.is_err() || self.wait(wait).await.is_err() {
                return;
            }
        }
    }

    /// Opens a connection; commands are taken meanwhile.
    async fn connect(&mut self) -> Result<Socket, End> {
        let limits = WebSocketConfig::default()
            .max_message_size(Some(self.config.message_bytes_max))
            .max_frame_size(Some(self.config.message_bytes_max))
            .read_buffer_size(16 * 1024);
        let request = self.request.clone();
        let connect_timeout = self.config.connect_timeout;
        let connect = async {
            match timeout(connect_timeout, open(request, limits)).await {
                Ok(result) => result,
                Err(_) => Err(End::lost(format_args!(
                    "no connection within {connect_timeout:?}"
                ))),
            }
        };
        let mut connect = pin!(connect);
        loop {
            tokio::select! {
                result = &mut connect => return result,
                command = self.commands.recv() => match command {
                    Some(command) => note(&mut self.topics, command),
                    None => return Err(End::Unwanted),
                },
            }
        }
    }

    /// Waits for the next try; commands are taken meanwhile.
    async fn wait(&mut self, wait: Duration) -> Result<(), End> {
        let mut until = pin!(sleep_until(Instant::now() + wait));
        loop {
            tokio::select! {
                () = &mut until => return Ok(()),
                () = self.events.closed() => return Err(End::Unwanted),
                command = self.commands.recv() => match command {
                    Some(command) => note(&mut self.topics, command),
                    None => return Err(End::Unwanted),
                },
            }
        }
    }

    /// Talks on a connection until it ends.
    async fn converse(&mut self, mut socket: Socket) -> End {
        let end = match self.greet(&mut socket).await {
            Ok(()) => self.exchange(&mut socket).await,
            Err(end) => end,
        };
        if matches!(end, End::Unwanted) {
            let _ = timeout(CLOSE_TIMEOUT, socket.close(None)).await;
        }
        end
    }

    /// Subscribes and announces all topics, then reports that there is a connection.
    async fn greet(&mut self, socket: &mut Socket) -> Result<(), End> {
        if !self.topics.is_empty() {
            feed(socket, client::subscribe(&self.topics)).await?;
            for topic in &self.topics {
                announce(&self.config, socket, topic).await?;
            }
            socket.flush().await.map_err(End::lost)?;
        }
        self.is_connected.store(true, Ordering::Release);
        self.events
            .send(Event::Connected)
            .await
            .map_err(|_| End::Unwanted)
    }

    /// Reads, writes and obeys. Nothing here waits for only one of the three: a user who publishes
    /// before reading events, and a relay that sends before reading us, must not lock each other
    /// out.
    async fn exchange(&mut self, socket: &mut Socket) -> End {
        let interval = self.config.ping_interval;
        let mut heard_at = Instant::now();
        let mut has_asked = false;
        let mut pings = Pings::new();
        let mut is_flushed = true;
        let mut room_for_event = None;
        loop {
            let silence_ends = heard_at + if has_asked { interval * 2 } else { interval };
            let may_read = room_for_event.is_some();
            tokio::select! {
                room = self.events.clone().reserve_owned(), if !may_read => match room {
                    Ok(room) => room_for_event = Some(room),
                    Err(_) => return End::Unwanted,
                },
                () = self.events.closed() => return End::Unwanted,
                arrived = turn(socket, &mut is_flushed, may_read) => {
                    let text = match arrived {
                        Arrived::Flushed => continue,
                        Arrived::Message(message) => match text_of(message) {
                            Ok(text) => text,
                            Err(end) => return end,
                        },
                    };
                    heard_at = Instant::now();
                    has_asked = false;
                    match text.map(parse) {
                        Some(Parsed::Publish(message)) => {
                            room_for_event.take().map(|room| room.send(Event::Message(message)));
                        }
                        Some(Parsed::Pong) => {
                            pings.pop_front().flatten().map(|answer| answer.send(()));
                        }
                        Some(Parsed::Unknown) | None => {}
                    }
                }
                command = self.commands.recv(), if is_flushed => {
                    let Some(command) = command else { return End::Unwanted };
                    if let Err(end) = self.execute(socket, command, &mut pings).await {
                        return end;
                    }
                    is_flushed = false;
                }
                () = sleep_until(silence_ends), if may_read => {
                    if has_asked {
                        return End::lost(format_args!("the relay was silent for {:?}", interval * 2));
                    }
                    has_asked = true;
                    // Otherwise what is stuck on its way would be answered just as well.
                    if is_flushed {
                        pings.push_back(None);
                        if let Err(end) = feed(socket, PING).await {
                            return end;
                        }
                        is_flushed = false;
                    }
                }
            }
        }
    }

    async fn execute(
        &mut self,
        socket: &mut Socket,
        command: Command,
        pings: &mut Pings,
    ) -> Result<(), End> {
        match command {
            Command::Subscribe(topic) => {
                if self.topics.insert(topic.clone()) {
                    feed(socket, client::subscribe([&topic])).await?;
                    announce(&self.config, socket, &topic).await?;
                }
            }
            Command::Unsubscribe(topic) => {
                if self.topics.remove(&topic) {
                    feed(socket, client::unsubscribe([&topic])).await?;
                }
            }
            Command::Send(text) => feed(socket, text).await?,
            Command::Ping(answer) => {
                pings.push_back(Some(answer));
                feed(socket, PING).await?;
            }
        }
        Ok(())
    }
}

/// What one turn on a socket brought.
enum Arrived {
    Flushed,
    Message(Option<Result<Message, tungstenite::Error>>),
}

/// Waits until everything is written or, if `may_read`, something has been read; works on both
/// meanwhile.
async fn turn(socket: &mut Socket, is_flushed: &mut bool, may_read: bool) -> Arrived {
    poll_fn(|cx| {
        if !*is_flushed {
            match socket.poll_flush_unpin(cx) {
                Poll::Ready(Ok(())) => {
                    *is_flushed = true;
                    return Poll::Ready(Arrived::Flushed);
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Arrived::Message(Some(Err(error)))),
                Poll::Pending => {}
            }
        }
        if may_read {
            socket.poll_next_unpin(cx).map(Arrived::Message)
        } else {
            Poll::Pending
        }
    })
    .await
}

/// The text of a message; `None` for one that is only a sign of life.
fn text_of(message: Option<Result<Message, tungstenite::Error>>) -> Result<Option<Utf8Bytes>, End> {
    match message {
        Some(Ok(Message::Text(text))) => Ok(Some(text)),
        Some(Ok(Message::Close(close))) => Err(closed(close)),
        Some(Ok(Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {
            Ok(None)
        }
        Some(Err(error)) => Err(End::lost(error)),
        None => Err(End::lost("the relay ended the connection")),
    }
}

/// Keeps what outlives a connection of a command that came while there is none.
fn note(topics: &mut BTreeSet<String>, command: Command) {
    match command {
        Command::Subscribe(topic) => {
            topics.insert(topic);
        }
        Command::Unsubscribe(topic) => {
            topics.remove(&topic);
        }
        // Was on its way when the connection broke. A ping's caller hears of it by the dropped
        // channel.
        Command::Send(_) | Command::Ping(_) => {}
    }
}

async fn announce(config: &ClientConfig, socket: &mut Socket, topic: &str) -> Result<(), End> {
    let Some(data) = config
        .announce
        .as_ref()
        .and_then(|announce| announce(topic))
    else {
        return Ok(());
    };
    feed(socket, publish_text(topic, &data).map_err(End::lost)?).await
}

async fn feed(socket: &mut Socket, text: impl Into<Utf8Bytes>) -> Result<(), End> {
    socket
        .feed(Message::Text(text.into()))
        .await
        .map_err(End::lost)
}

fn closed(close: Option<tungstenite::protocol::CloseFrame>) -> End {
    match close {
        Some(close) => End::lost(format_args!(
            "the relay closed with {}: {}",
            u16::from(close.code),
            close.reason
        )),
        None => End::lost("the relay closed without a reason"),
    }
}
