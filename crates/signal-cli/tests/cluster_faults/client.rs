//! Clients that publish, listen, come back as a stock client does, and write down what they see.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use signal_testwire::stock_wait;
use tokio::net::TcpStream;
use tokio::sync::{Barrier, watch};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::record::{Connection, Heard, Pair, Sent, Time};

/// How long a node may take to answer before a client tries the next one.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Where the nodes are, and what time it is.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) urls: Vec<String>,
    pub(crate) start: Instant,
}

impl World {
    pub(crate) fn now(&self) -> Time {
        self.start.elapsed()
    }

    async fn connect(&self, node: usize) -> Option<Socket> {
        let connect = tokio_tungstenite::connect_async(&self.urls[node]);
        let (socket, _) = timeout(CONNECT_TIMEOUT, connect).await.ok()?.ok()?;
        if let MaybeTlsStream::Plain(stream) = socket.get_ref() {
            let _ = stream.set_nodelay(true);
        }
        Some(socket)
    }
}

/// What all clients do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Order {
    /// Publish and listen. Who is elsewhere goes back to its own node when the number grows.
    Talk { homecoming: u32 },
    /// Only listen.
    Listen,
    /// Return what was written down.
    End,
}

/// A client in one room.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    pub(crate) number: usize,
    pub(crate) room: usize,
    /// The node that it is on while that runs.
    pub(crate) home: usize,
    /// Whether it waits for that node rather than to go to another.
    pub(crate) stays: bool,
    pub(crate) interval: Duration,
}

impl Client {
    pub(crate) async fn run(
        self,
        world: Arc<World>,
        mut orders: watch::Receiver<Order>,
    ) -> Vec<Connection> {
        let mut connections = Vec::new();
        let (mut node, mut failures, mut number) = (self.home, 0, 0);
        while *orders.borrow() != Order::End {
            let Some(socket) = world.connect(node).await else {
                failures += 1;
                if !self.stays {
                    node = (node + 1) % world.urls.len();
                }
                sleep(stock_wait(failures)).await;
                continue;
            };
            failures = 0;
            let talk = Talk {
                client: &self,
                world: &world,
                node,
                number: &mut number,
            };
            let (connection, is_called_home) = talk.run(socket, &mut orders).await;
            connections.extend(connection);
            if is_called_home {
                node = self.home;
            }
            sleep(stock_wait(failures)).await;
        }
        connections
    }
}

/// A client on one connection.
struct Talk<'a> {
    client: &'a Client,
    world: &'a World,
    node: usize,
    number: &'a mut u64,
}

impl Talk<'_> {
    /// Until the connection ends. The second is whether the client is to go to its own node.
    async fn run(
        self,
        mut socket: Socket,
        orders: &mut watch::Receiver<Order>,
    ) -> (Option<Connection>, bool) {
        let topic = format!("room-{}", self.client.room);
        let subscribe = json!({"type": "subscribe", "topics": [topic]});
        let begin = [subscribe, json!({"type": "ping"})];
        for message in begin {
            if socket
                .send(Message::text(message.to_string()))
                .await
                .is_err()
            {
                return (None, false);
            }
        }
        let order = *orders.borrow_and_update();
        let mut is_talking = matches!(order, Order::Talk { .. });
        let mut opened: Option<Connection> = None;
        let mut ticks = interval(self.client.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                message = socket.next() => {
                    let now = self.world.now();
                    let text = match message {
                        Some(Ok(Message::Text(text))) => text,
                        Some(Ok(Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => continue,
                        Some(Ok(Message::Close(_)) | Err(_)) | None => {
                            if let Some(connection) = &mut opened {
                                connection.closed = Some(now);
                            }
                            return (opened, false);
                        }
                    };
                    let message: Value = serde_json::from_str(&text).expect("JSON");
                    match &mut opened {
                        None if message["type"] == "pong" => opened = Some(self.connection(now)),
                        // It is subscribed, and does not know yet.
                        None => {}
                        Some(connection) => connection.heard.extend(heard(&message, now)),
                    }
                }
                _ = ticks.tick(), if is_talking && opened.is_some() => {
                    let Some(connection) = &mut opened else { continue };
                    *self.number += 1;
                    connection.sent.push(Sent { number: *self.number, at: self.world.now() });
                    let publish = json!({
                        "type": "publish",
                        "topic": topic,
                        "from": self.client.number,
                        "number": *self.number,
                    });
                    // Where that fails the end of the connection comes next.
                    let _ = socket.send(Message::text(publish.to_string())).await;
                }
                _ = orders.changed() => {
                    let order = *orders.borrow_and_update();
                    is_talking = matches!(order, Order::Talk { .. });
                    if order == Order::End {
                        return (opened, false);
                    }
                    if is_talking && self.node != self.client.home {
                        let _ = socket.close(None).await;
                        if let Some(connection) = &mut opened {
                            connection.closed = Some(self.world.now());
                        }
                        return (opened, true);
                    }
                }
            }
        }
    }

    fn connection(&self, opened: Time) -> Connection {
        Connection {
            client: self.client.number,
            room: self.client.room,
            node: self.node,
            opened,
            closed: None,
            sent: Vec::new(),
            heard: Vec::new(),
        }
    }
}

fn heard(message: &Value, at: Time) -> Option<Heard> {
    let from = message["from"].as_u64()?;
    Some(Heard {
        from: usize::try_from(from).ok()?,
        number: message["number"].as_u64()?,
        clients: message["clients"].as_u64()?,
        at,
    })
}

/// Two that open a room of their own on two nodes in the same moment, announce themselves once on
/// each connection, and stay until one has heard the other.
pub(crate) async fn pair(world: Arc<World>, number: usize, nodes: [usize; 2]) -> Pair {
    let barrier = Barrier::new(2);
    let (met, is_met) = watch::channel(None);
    let opened = watch::Sender::new(Time::ZERO);
    let side = |index: usize| {
        let (world, barrier, met, opened) = (&world, &barrier, &met, &opened);
        let mut is_met = is_met.clone();
        async move {
            let topic = format!("pair-{number}");
            let announce = async {
                let (mut node, mut failures, mut life) = (nodes[index], 0, 0);
                loop {
                    let Some(socket) = world.connect(node).await else {
                        failures += 1;
                        node = (node + 1) % world.urls.len();
                        sleep(stock_wait(failures)).await;
                        continue;
                    };
                    failures = 0;
                    if life == 0 {
                        barrier.wait().await;
                        opened.send_replace(world.now());
                    }
                    life += 1;
                    if hear_other(socket, &topic, index).await {
                        met.send_replace(Some(world.now()));
                        return;
                    }
                    sleep(stock_wait(failures)).await;
                }
            };
            tokio::select! {
                () = announce => {}
                _ = is_met.changed() => {}
            }
        }
    };
    tokio::join!(side(0), side(1));
    Pair {
        opened: *opened.borrow(),
        met: *is_met.borrow(),
    }
}

/// Announces itself, and listens. False where the connection has ended before the other was heard.
async fn hear_other(mut socket: Socket, topic: &str, own: usize) -> bool {
    let subscribe = json!({"type": "subscribe", "topics": [topic]});
    let announce = json!({"type": "publish", "topic": topic, "from": own});
    for message in [subscribe, announce] {
        if socket
            .send(Message::text(message.to_string()))
            .await
            .is_err()
        {
            return false;
        }
    }
    while let Some(Ok(message)) = socket.next().await {
        let Message::Text(text) = message else {
            continue;
        };
        let message: Value = serde_json::from_str(&text).expect("JSON");
        if message["from"]
            .as_u64()
            .is_some_and(|from| from != own as u64)
        {
            return true;
        }
    }
    false
}
