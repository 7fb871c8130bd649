//! The relay at a real socket, so that scenarios about frames, upgrades and pages apply.
//!
//! It reads and writes frames with code of its own, which shares nothing with the suite's client or
//! the tests of other crates: a mistake in one of them must show at another.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use signal_conformance::{Event, Level, UrlBackend};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::backend::with_limits;
use crate::fault::{Fault, Faults};
use crate::frames::{Frames, Incoming, SocketFault};
use crate::limits::Limits;
use crate::relay::{PeerId, Relay};

/// How often timers are looked at.
const TICK: Duration = Duration::from_millis(20);

/// What all connections share.
struct Shared {
    relay: Mutex<Relay>,
    fault: Option<SocketFault>,
    started: Instant,
    /// Changes when there may be something to send.
    changed: watch::Sender<()>,
    dead: watch::Sender<bool>,
}

/// Serves on a port of its own for as long as the test runs.
pub(crate) async fn serve(fault: Option<SocketFault>, limits: Limits) -> UrlBackend {
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port is free");
    let port = listener.local_addr().expect("bound").port();
    let unlimited = fault == Some(SocketFault::MessageLengths);
    let faults = Faults([unlimited.then_some(Fault::MessageLimitMissing), None]);
    let shared = Arc::new(Shared {
        relay: Mutex::new(Relay::new(faults, limits)),
        fault,
        started: Instant::now(),
        changed: watch::Sender::new(()),
        dead: watch::Sender::new(false),
    });
    tokio::spawn(async move {
        let mut dead = shared.dead.subscribe();
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _ = dead.wait_for(|dead| *dead) => return,
            };
            let Ok((stream, _)) = accepted else { return };
            let shared = shared.clone();
            tokio::spawn(async move {
                let mut dead = shared.dead.subscribe();
                tokio::select! {
                    _ = Connection::serve(stream, shared.clone()) => {}
                    _ = dead.wait_for(|dead| *dead) => {}
                }
            });
        }
    });
    let url = UrlBackend::new(&format!("ws://127.0.0.1:{port}")).expect("an address");
    url.declare(|declared| with_limits(declared.levels([Level::Limits]), limits))
}

struct Connection {
    stream: TcpStream,
    shared: Arc<Shared>,
    peer: PeerId,
    closed: bool,
}

impl Connection {
    async fn serve(mut stream: TcpStream, shared: Arc<Shared>) -> std::io::Result<()> {
        stream.set_nodelay(true)?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await?);
        }
        let (answer, upgraded) = answer(&String::from_utf8_lossy(&head), shared.fault);
        stream.write_all(answer.as_bytes()).await?;
        if !upgraded {
            return Ok(());
        }
        let peer = shared
            .relay
            .lock()
            .expect("no panic")
            .connect("socket", 0, None);
        // What waits in the relay is what the socket has not taken.
        shared.relay.lock().expect("no panic").peer(peer).paused = true;
        let mut connection = Self {
            stream,
            shared,
            peer,
            closed: false,
        };
        let served = connection.run().await;
        connection.relay().abort(connection.peer);
        connection.shared.changed.send_replace(());
        served
    }

    fn relay(&self) -> MutexGuard<'_, Relay> {
        self.shared.relay.lock().expect("no panic")
    }

    fn has(&self, fault: SocketFault) -> bool {
        self.shared.fault == Some(fault)
    }

    async fn run(&mut self) -> std::io::Result<()> {
        let mut frames = Frames::new(self.shared.fault);
        let mut changed = self.shared.changed.subscribe();
        let mut read = [0; 16 << 10];
        loop {
            tokio::select! {
                count = self.stream.read(&mut read) => {
                    let count = count.unwrap_or(0);
                    if count == 0 {
                        let half = !frames.buffer.is_empty() && self.has(SocketFault::DiesOfHalfFrames);
                        self.shared.dead.send_if_modified(|dead| { *dead |= half; half });
                        return Ok(());
                    }
                    frames.buffer.extend_from_slice(&read[..count]);
                    if !self.receive(&mut frames).await? {
                        return Ok(());
                    }
                    self.shared.changed.send_replace(());
                }
                _ = changed.changed() => {}
                () = tokio::time::sleep(TICK) => {
                    let now = self.shared.started.elapsed().as_millis() as u64;
                    let mut relay = self.relay();
                    relay.now = relay.now.max(now);
                    relay.handle_timers();
                }
            }
            if !self.flush().await? {
                return Ok(());
            }
        }
    }

    /// Handles what has come; false ends the connection.
    async fn receive(&mut self, frames: &mut Frames) -> std::io::Result<bool> {
        loop {
            let incoming = match frames.next() {
                Ok(Some(incoming)) => incoming,
                Ok(None) => return Ok(true),
                Err(1009) => {
                    self.relay().refuse(self.peer, 1009);
                    return Ok(true);
                }
                Err(code) => {
                    self.shared.dead.send_if_modified(|dead| {
                        *dead |= self.has(SocketFault::DiesOfNoise) && code == 1002;
                        *dead
                    });
                    self.frame(8, &code.to_be_bytes()).await?;
                    return Ok(false);
                }
            };
            if let Incoming::Ping(payload) | Incoming::Pong(payload) = &incoming {
                if !self.has(SocketFault::FramesCostNothing) {
                    self.relay().frame(self.peer, payload.len());
                }
            }
            match incoming {
                _ if self.closed && !self.has(SocketFault::ReadsAfterClose) => {}
                Incoming::Text(text) => {
                    let text = String::from_utf8_lossy(&text).into_owned();
                    self.relay().receive(self.peer, &text);
                }
                Incoming::Binary(bytes) => self.relay().receive_binary(self.peer, &bytes),
                Incoming::Ping(payload) if !self.has(SocketFault::PingsUnanswered) => {
                    self.frame(10, &payload).await?
                }
                Incoming::Pong(payload) if self.has(SocketFault::PongsAreMessages) => {
                    self.frame(1, &payload).await?
                }
                Incoming::Ping(_) | Incoming::Pong(_) => {}
                Incoming::Close(payload) => {
                    self.frame(8, &payload).await?;
                    if !self.has(SocketFault::ReadsAfterClose) {
                        // What was sent before its close is delivered, and the socket is ended by
                        // the client.
                        let code = payload
                            .first_chunk()
                            .map_or(1005, |code| u16::from_be_bytes(*code));
                        self.relay().close(self.peer, code);
                        self.relay().peer(self.peer).inbox.clear();
                    }
                    self.closed = true;
                }
            }
            self.shared.changed.send_replace(());
        }
    }

    /// Sends what the relay has for this peer; false ends the connection.
    async fn flush(&mut self) -> std::io::Result<bool> {
        loop {
            let event = self.relay().peer(self.peer).inbox.pop_front();
            match event {
                Some(Event::Text(text)) => self.frame(1, text.as_bytes()).await?,
                Some(Event::Binary(bytes)) => self.frame(2, &bytes).await?,
                Some(Event::Closed { code, .. }) => {
                    self.frame(8, &code.to_be_bytes()).await?;
                    return Ok(false);
                }
                _ => return Ok(!self.closed),
            }
        }
    }

    /// A frame as servers send it, without mask.
    async fn frame(&mut self, opcode: u8, payload: &[u8]) -> std::io::Result<()> {
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
        self.stream.write_all(&frame).await
    }
}

/// The answer to a request's head, and whether it is the upgrade.
fn answer(head: &str, fault: Option<SocketFault>) -> (String, bool) {
    let has = |of| fault == Some(of);
    let header = |name: &str| {
        let mut lines = head.lines().skip(1).filter_map(|line| line.split_once(':'));
        lines
            .find(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
    };
    let path = head.split(' ').nth(1).unwrap_or_default();
    let refuse = |status: &str| {
        (
            format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n"),
            false,
        )
    };
    let other = !has(SocketFault::OtherUpgradesRefused);
    let is_websocket = |upgrade: &&str| !other || upgrade.eq_ignore_ascii_case("websocket");
    let Some(upgrade) = header("upgrade").filter(is_websocket) else {
        if has(SocketFault::NoPage) || has(SocketFault::PageAtRootOnly) && path != "/" {
            return refuse("404 Not Found");
        }
        return (
            "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nokay".to_owned(),
            false,
        );
    };
    let case = has(SocketFault::UpgradeCaseMatters) && upgrade != "websocket";
    let version = match header("sec-websocket-version") {
        Some("13") => true,
        Some("8") => has(SocketFault::OldVersionTaken),
        _ => has(SocketFault::VersionNotChecked),
    };
    let key = header("sec-websocket-key");
    let old = has(SocketFault::OldRequestsRefused) && head.contains(" HTTP/1.0\r\n");
    let long = has(SocketFault::ManyHeadersRefused) && head.lines().count() > 16;
    if case || long || old || !version || key.is_none() && !has(SocketFault::KeyNotChecked) {
        return refuse("400 Bad Request");
    }
    if has(SocketFault::OnePath) && path != "/" {
        return refuse("404 Not Found");
    }
    if has(SocketFault::OneOrigin) && header("origin").is_some() {
        return refuse("403 Forbidden");
    }
    let accept = derive_accept_key(key.unwrap_or_default().as_bytes());
    let protocol = header("sec-websocket-protocol").and_then(|offered| offered.split(',').next());
    let protocol = protocol.filter(|_| !has(SocketFault::ProtocolIgnored));
    let protocol = protocol.map_or(String::new(), |first| {
        format!("Sec-WebSocket-Protocol: {first}\r\n")
    });
    let upgrade =
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";
    (
        format!("{upgrade}Sec-WebSocket-Accept: {accept}\r\n{protocol}\r\n"),
        true,
    )
}
