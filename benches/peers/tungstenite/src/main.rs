//! The y-webrtc protocol as one writes it on tokio-tungstenite: a map of topics behind a lock, an
//! unbounded channel for each peer, and two tasks for each connection, one that reads and one that
//! writes. Listens on 127.0.0.1:$PORT.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

const PING_INTERVAL: Duration = Duration::from_secs(30);

/// The subscribers of each topic, by the number of their connection.
type Topics = Arc<Mutex<HashMap<String, Vec<(u64, UnboundedSender<Message>)>>>>;

#[tokio::main]
async fn main() {
    let port: u16 = std::env::var("PORT")
        .ok()
        .and_then(|port| port.parse().ok())
        .expect("PORT is the port to listen on");
    let listener = TcpListener::bind(("127.0.0.1", port))
        .await
        .expect("the port is free");
    println!("listening on 127.0.0.1:{port}");
    let topics = Topics::default();
    let next_peer = Arc::new(AtomicU64::new(0));
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let topics = Arc::clone(&topics);
        let peer = next_peer.fetch_add(1, Ordering::Relaxed);
        tokio::spawn(async move {
            let _ = stream.set_nodelay(true);
            if let Ok(socket) = tokio_tungstenite::accept_async(stream).await {
                serve(socket, peer, topics).await;
            }
        });
    }
}

async fn serve(socket: WebSocketStream<TcpStream>, peer: u64, topics: Topics) {
    let (mut sink, mut stream) = socket.split();
    let (sender, mut outbox): (_, UnboundedReceiver<Message>) = mpsc::unbounded_channel();
    let writer = tokio::spawn(async move {
        let mut pings = tokio::time::interval(PING_INTERVAL);
        pings.reset();
        loop {
            let message = tokio::select! {
                message = outbox.recv() => message,
                _ = pings.tick() => Some(Message::Ping(Vec::new().into())),
            };
            let Some(message) = message else { break };
            if sink.send(message).await.is_err() {
                break;
            }
        }
    });
    let mut subscribed = Vec::new();
    while let Some(Ok(message)) = stream.next().await {
        if let Message::Text(_) | Message::Binary(_) = message {
            receive(&message, peer, &sender, &topics, &mut subscribed);
        }
    }
    for topic in subscribed {
        leave(&topics, &topic, peer);
    }
    drop(sender);
    let _ = writer.await;
}

fn receive(
    message: &Message,
    peer: u64,
    sender: &UnboundedSender<Message>,
    topics: &Topics,
    subscribed: &mut Vec<String>,
) {
    let Ok(text) = message.to_text() else { return };
    let Ok(mut value) = serde_json::from_str::<Value>(text) else {
        return;
    };
    match value["type"].as_str() {
        Some("subscribe") => {
            for topic in names(&value) {
                let mut topics = topics.lock().expect("nobody panics under this lock");
                let peers = topics.entry(topic.to_owned()).or_default();
                if peers.iter().all(|(other, _)| *other != peer) {
                    peers.push((peer, sender.clone()));
                    subscribed.push(topic.to_owned());
                }
            }
        }
        Some("unsubscribe") => {
            for topic in names(&value) {
                leave(topics, topic, peer);
                subscribed.retain(|other| other != topic);
            }
        }
        Some("publish") => {
            let topics = topics.lock().expect("nobody panics under this lock");
            let topic = value["topic"].as_str().unwrap_or_default();
            if let Some(peers) = topics.get(topic).filter(|_| !topic.is_empty()) {
                value["clients"] = json!(peers.len());
                // Serialized once; a clone of the message shares its bytes.
                let message = Message::Text(Utf8Bytes::from(value.to_string()));
                for (_, sender) in peers {
                    let _ = sender.send(message.clone());
                }
            }
        }
        Some("ping") => {
            let _ = sender.send(Message::Text(Utf8Bytes::from_static(r#"{"type":"pong"}"#)));
        }
        _ => {}
    }
}

fn names(value: &Value) -> impl Iterator<Item = &str> {
    let topics = value["topics"].as_array();
    topics.into_iter().flatten().filter_map(Value::as_str)
}

fn leave(topics: &Topics, topic: &str, peer: u64) {
    let mut topics = topics.lock().expect("nobody panics under this lock");
    if let Some(peers) = topics.get_mut(topic) {
        peers.retain(|(other, _)| *other != peer);
        if peers.is_empty() {
            topics.remove(topic);
        }
    }
}
