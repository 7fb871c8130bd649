//! One connection: a task that owns the socket, so that pings are answered whatever the scenario
//! does. On tungstenite, so that the suite does not judge a server by the code of this project.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::{Sink, Stream};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::{Connection, Event};

type WebSocket = WebSocketStream<MaybeTlsStream<TcpStream>>;

const CODE_NONE: u16 = 1005;
const CODE_ABNORMAL: u16 = 1006;

enum Command {
    Send(Message),
    Raw(Vec<u8>),
    Abort,
    Read(bool),
}

/// The scenario's end of the task.
pub(super) struct Socket {
    commands: mpsc::UnboundedSender<Command>,
    events: mpsc::UnboundedReceiver<Event>,
    end: Option<Event>,
    protocol: Option<String>,
}

impl Socket {
    pub(super) fn start(socket: WebSocket, protocol: Option<String>) -> Self {
        let (commands, inbox) = mpsc::unbounded_channel();
        let (outbox, events) = mpsc::unbounded_channel();
        tokio::spawn(run(socket, inbox, outbox));
        Self {
            commands,
            events,
            end: None,
            protocol,
        }
    }

    /// A task that has ended reads no commands; its last event says why.
    fn command(&self, command: Command) {
        let _ = self.commands.send(command);
    }
}

#[async_trait]
impl Connection for Socket {
    fn protocol(&self) -> Option<&str> {
        self.protocol.as_deref()
    }

    async fn send_text(&mut self, text: &str) {
        self.command(Command::Send(Message::text(text)));
    }

    async fn send_binary(&mut self, bytes: &[u8]) {
        self.command(Command::Send(Message::binary(bytes.to_vec())));
    }

    async fn send_raw(&mut self, bytes: &[u8]) {
        self.command(Command::Raw(bytes.to_vec()));
    }

    async fn receive(&mut self, patience: Duration) -> Event {
        if let Some(end) = &self.end {
            return end.clone();
        }
        let event = match tokio::time::timeout(patience, self.events.recv()).await {
            Ok(Some(event)) => event,
            Ok(None) => Event::Closed {
                code: CODE_ABNORMAL,
                reason: "the connection is gone".to_owned(),
            },
            Err(_) => Event::Nothing,
        };
        if matches!(event, Event::Closed { .. }) {
            self.end = Some(event.clone());
        }
        event
    }

    async fn close(&mut self, code: Option<u16>, reason: &str) {
        let frame = code.map(|code| CloseFrame {
            code: code.into(),
            reason: reason.into(),
        });
        self.command(Command::Send(Message::Close(frame)));
    }

    async fn abort(&mut self) {
        self.command(Command::Abort);
    }

    async fn pause(&mut self) {
        self.command(Command::Read(false));
    }

    async fn resume(&mut self) {
        self.command(Command::Read(true));
    }
}

/// What the task has to do next.
enum Turn {
    Command(Command),
    Received(Option<Result<Message, Error>>),
    /// The scenario has dropped its end.
    Dropped,
    /// Writing failed; what can still be read says why.
    Broken,
}

/// Reads and writes until the connection ends or is dropped.
async fn run(
    mut socket: WebSocket,
    mut commands: mpsc::UnboundedReceiver<Command>,
    events: mpsc::UnboundedSender<Event>,
) {
    let mut outbox = Outbox::default();
    let mut reading = true;
    let mut close = None;
    loop {
        let turn =
            poll_fn(|cx| next_turn(cx, &mut socket, &mut commands, &mut outbox, reading)).await;
        let event = match turn {
            Turn::Command(Command::Send(message)) => {
                outbox.messages.push_back(message);
                continue;
            }
            Turn::Command(Command::Raw(bytes)) => {
                // Frames before it are out: commands are taken only when the outbox is empty.
                outbox.broken |= socket.get_mut().write_all(&bytes).await.is_err();
                outbox.broken |= socket.get_mut().flush().await.is_err();
                continue;
            }
            Turn::Command(Command::Read(on)) => {
                reading = on;
                continue;
            }
            Turn::Command(Command::Abort) => return reset(&socket),
            Turn::Broken => {
                outbox.broken = true;
                continue;
            }
            Turn::Dropped => return,
            Turn::Received(Some(Ok(Message::Text(text)))) => Event::Text(text.to_string()),
            Turn::Received(Some(Ok(Message::Binary(bytes)))) => Event::Binary(bytes.to_vec()),
            Turn::Received(Some(Ok(Message::Pong(bytes)))) => Event::Pong(bytes.to_vec()),
            Turn::Received(Some(Ok(Message::Close(frame)))) => {
                close = Some(frame.map_or((CODE_NONE, String::new()), |frame| {
                    (frame.code.into(), frame.reason.to_string())
                }));
                continue;
            }
            // Answered by tungstenite.
            Turn::Received(Some(Ok(Message::Ping(_) | Message::Frame(_)))) => continue,
            Turn::Received(end) => {
                let (code, reason) = close.unwrap_or_else(|| {
                    let reason = match end {
                        Some(Err(error)) => error.to_string(),
                        Some(Ok(_)) | None => String::new(),
                    };
                    (CODE_ABNORMAL, reason)
                });
                let _ = events.send(Event::Closed { code, reason });
                return;
            }
        };
        let _ = events.send(event);
    }
}

/// Messages not yet written. Reading goes on meanwhile, or two peers with full buffers would wait
/// for each other.
#[derive(Default)]
struct Outbox {
    messages: VecDeque<Message>,
    flushing: bool,
    broken: bool,
}

fn next_turn(
    cx: &mut Context<'_>,
    socket: &mut WebSocket,
    commands: &mut mpsc::UnboundedReceiver<Command>,
    outbox: &mut Outbox,
    reading: bool,
) -> Poll<Turn> {
    let mut socket = Pin::new(socket);
    while !outbox.broken && (outbox.flushing || !outbox.messages.is_empty()) {
        let progress = match outbox.messages.pop_front() {
            Some(message) if !outbox.flushing => {
                outbox.flushing = true;
                socket.as_mut().start_send(message).map(Poll::Ready)
            }
            waiting => {
                if let Some(message) = waiting {
                    outbox.messages.push_front(message);
                }
                let flushed = socket.as_mut().poll_flush(cx);
                outbox.flushing = flushed.is_pending();
                match flushed {
                    Poll::Ready(Ok(())) => Ok(Poll::Ready(())),
                    Poll::Ready(Err(error)) => Err(error),
                    Poll::Pending => Ok(Poll::Pending),
                }
            }
        };
        match progress {
            Ok(Poll::Ready(())) => {}
            Ok(Poll::Pending) => break,
            Err(_) => return Poll::Ready(Turn::Broken),
        }
    }
    if outbox.broken || !outbox.flushing {
        match commands.poll_recv(cx) {
            Poll::Ready(Some(command)) => return Poll::Ready(Turn::Command(command)),
            Poll::Ready(None) => return Poll::Ready(Turn::Dropped),
            Poll::Pending => {}
        }
    }
    if reading {
        socket.poll_next(cx).map(Turn::Received)
    } else {
        Poll::Pending
    }
}

/// Ends the connection with a TCP reset.
fn reset(socket: &WebSocket) {
    let stream = match socket.get_ref() {
        MaybeTlsStream::Plain(stream) => stream,
        #[cfg(feature = "tls")]
        MaybeTlsStream::Rustls(stream) => stream.get_ref().0,
        _ => return,
    };
    // Without it the drop ends the connection in the ordinary way, which is an end all the same.
    let _ = stream.set_zero_linger();
}
