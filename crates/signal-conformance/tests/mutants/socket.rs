//! The sound relay behind sockets that are served wrongly. Frames are read here by hand, as naive
//! servers do.

use std::sync::{Arc, Mutex, MutexGuard};

use signal_conformance::{Event, UrlBackend};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::frames::{Frame, Frames};
use crate::list::SocketMutant::{self, *};
use crate::relay::{Arrival, PeerId, Relay};

/// What all connections share.
struct Shared {
    relay: Mutex<Relay>,
    mutant: Option<SocketMutant>,
    /// Changes when there may be something to send.
    changed: watch::Sender<()>,
    /// Held by who keeps others waiting, in mutants that make others wait.
    door: tokio::sync::Mutex<()>,
    writing: tokio::sync::Mutex<()>,
    places: Arc<Semaphore>,
    /// A buffer for fragments, in the mutant that has one for all.
    fragments: Mutex<Vec<u8>>,
}

/// Serves on a port of its own for as long as the test runs.
pub(crate) async fn serve(mutant: Option<SocketMutant>) -> UrlBackend {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    let shared = Arc::new(Shared {
        relay: Mutex::new(Relay::new(None)),
        mutant,
        changed: watch::Sender::new(()),
        door: tokio::sync::Mutex::new(()),
        writing: tokio::sync::Mutex::new(()),
        places: Arc::new(Semaphore::new(16)),
        fragments: Mutex::new(Vec::new()),
    });
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // A connection that breaks is one that ends.
            tokio::spawn(serve_one(stream, shared.clone()));
        }
    });
    UrlBackend::new(&format!("ws://127.0.0.1:{port}")).expect("an address")
}

async fn serve_one(mut stream: TcpStream, shared: Arc<Shared>) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let place = match shared.mutant {
        Some(GuestsCounted) => shared.places.clone().acquire_owned().await.ok(),
        _ => None,
    };
    let door = shared.door.lock().await;
    let mut door = Some(door).filter(|_| shared.mutant == Some(SilentGuest));
    let mut head = vec![stream.read_u8().await?];
    if shared.mutant == Some(HalfHead) {
        door = Some(shared.door.lock().await);
    }
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    drop((place, door));
    let head = String::from_utf8_lossy(&head).into_owned();
    let header = |name: &str| {
        let mut lines = head.lines().skip(1).filter_map(|line| line.split_once(':'));
        let line = lines.find(|(found, _)| found.eq_ignore_ascii_case(name));
        line.map(|(_, value)| value.trim().to_owned())
    };
    let answer = |status: &str, body: &str| {
        format!(
            "HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let upgrade = header("upgrade").unwrap_or_default();
    if !upgrade.eq_ignore_ascii_case("websocket") {
        return stream.write_all(answer("200 OK", "okay").as_bytes()).await;
    }
    let lines = head.lines().count();
    let key = header("sec-websocket-key");
    let version = header("sec-websocket-version");
    let is_refused =
        version.as_deref() != Some("13") || lines > 12 && shared.mutant == Some(LinesOfHead);
    let Some(key) = key.filter(|_| !is_refused) else {
        return stream
            .write_all(answer("400 Bad Request", "").as_bytes())
            .await;
    };
    let protocol = header("sec-websocket-protocol").unwrap_or_default();
    let protocol = protocol.split(',').next().unwrap_or_default();
    let protocol = match protocol {
        "" => String::new(),
        first => format!("Sec-WebSocket-Protocol: {first}\r\n"),
    };
    let accept = derive_accept_key(key.as_bytes());
    let upgrade = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n{protocol}\r\n"
    );
    stream.write_all(upgrade.as_bytes()).await?;
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let (read, write) = stream.into_split();
    let id = lock(&shared.relay).connect("socket");
    let connection = Connection {
        shared: shared.clone(),
        id,
        path,
        write,
    };
    let served = connection.run(read).await;
    lock(&shared.relay).forget(id);
    shared.changed.send_replace(());
    served
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no panic")
}

struct Connection {
    shared: Arc<Shared>,
    id: PeerId,
    path: String,
    write: OwnedWriteHalf,
}

impl Connection {
    fn is(&self, mutant: SocketMutant) -> bool {
        self.shared.mutant == Some(mutant)
    }

    async fn run(mut self, mut read: OwnedReadHalf) -> std::io::Result<()> {
        let mut changed = self.shared.changed.subscribe();
        let mut frames = Frames::new(self.shared.mutant);
        let mut chunk = [0; 16 << 10];
        loop {
            // What is not read waits in the kernel, and what is not written in the relay.
            tokio::select! {
                count = read.read(&mut chunk) => {
                    let count = count.unwrap_or(0);
                    if count == 0 {
                        return Ok(());
                    }
                    frames.push(&chunk[..count]);
                    while let Some(frame) = frames.next() {
                        if !self.frame(frame, &mut frames).await? {
                            return Ok(());
                        }
                        if self.is(OneFrameEachRead) {
                            break;
                        }
                    }
                    lock(&self.shared.relay).run();
                    self.shared.changed.send_replace(());
                }
                _ = changed.changed() => {}
            }
            loop {
                let event = lock(&self.shared.relay).peer(self.id).outbox.pop_front();
                match event {
                    Some(Event::Text(text)) => {
                        let text = if self.is(PathDecides) {
                            text.replace(&format!("\"topic\":\"{}", self.path), "\"topic\":\"")
                        } else {
                            text
                        };
                        self.write(1, text.as_bytes()).await?;
                    }
                    Some(Event::Closed { code, .. }) => {
                        self.write(8, &code.to_be_bytes()).await?;
                        return Ok(());
                    }
                    _ => break,
                }
            }
        }
    }

    /// Handles a frame; false ends the connection.
    async fn frame(&mut self, frame: Frame, frames: &mut Frames) -> std::io::Result<bool> {
        let payload = frame.payload;
        match frame.opcode {
            _ if !frame.is_right => {
                self.write(8, &frame.code.to_be_bytes()).await?;
                return Ok(false);
            }
            0..=2 => {
                let message = if self.is(FragmentsShared) {
                    frames.message(
                        frame.fin,
                        frame.opcode,
                        payload,
                        &mut lock(&self.shared.fragments),
                    )
                } else {
                    frames.message_of_own(frame.fin, frame.opcode, payload)
                };
                let Some((opcode, message)) = message else {
                    return Ok(true);
                };
                let message = self.at_path(message);
                if opcode == 1 && std::str::from_utf8(&message).is_err() {
                    self.write(8, &1007_u16.to_be_bytes()).await?;
                    return Ok(false);
                }
                let arrival = if opcode == 1 {
                    Arrival::Text(message)
                } else {
                    Arrival::Binary(message)
                };
                lock(&self.shared.relay).arrive(self.id, arrival);
            }
            8 if self.is(CloseUnanswered) => return Ok(false),
            8 => {
                // What came before it is delivered first.
                lock(&self.shared.relay).run();
                self.write(8, &payload).await?;
                return Ok(false);
            }
            9 => {
                self.write(10, &payload).await?;
                if self.is(PingFrameCounts) {
                    self.write(1, br#"{"type":"pong"}"#).await?;
                }
                if self.is(FragmentsSpoiltByPing) {
                    frames.forget();
                }
            }
            _ => return Ok(!self.is(PongFrameUnasked)),
        }
        Ok(true)
    }

    /// Puts the path before topics, in the mutant where it decides.
    fn at_path(&self, message: Vec<u8>) -> Vec<u8> {
        if !self.is(PathDecides) {
            return message;
        }
        let text = String::from_utf8_lossy(&message).into_owned();
        let text = text.replace("\"topic\":\"", &format!("\"topic\":\"{}", self.path));
        text.replace("\"topics\":[\"", &format!("\"topics\":[\"{}", self.path))
            .into_bytes()
    }

    async fn write(&mut self, opcode: u8, payload: &[u8]) -> std::io::Result<()> {
        let mut frame = vec![0x80 | opcode];
        match payload.len() {
            length @ 0..=125 => frame.push(length as u8),
            length @ 126..=0xffff => {
                frame.push(126);
                frame.extend((length as u16).to_be_bytes());
            }
            length => {
                frame.push(127);
                frame.extend((length as u64).to_be_bytes());
            }
        }
        frame.extend_from_slice(payload);
        let writing = self.shared.writing.lock().await;
        let _writing = Some(writing).filter(|_| self.shared.mutant == Some(BlockingWrites));
        self.write.write_all(&frame).await
    }
}
