//! A naive relay of somebody else: it writes blanks and line breaks into its JSON, sorts members,
//! and may keep publishers from getting their own messages.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio_tungstenite::tungstenite::Message;

type Peers = BTreeMap<u64, (UnboundedSender<String>, BTreeSet<String>)>;

/// Serves on a port of its own for as long as the test runs.
pub fn serve(has_echo: bool) -> SocketAddr {
    serve_with(has_echo, true)
}

/// Serves with TCP_NODELAY or without.
pub fn serve_with(has_echo: bool, has_nodelay: bool) -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    listener.set_nonblocking(true).expect("a socket for tokio");
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.expect("a runtime").block_on(async move {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
            let peers = Arc::new(Mutex::new(Peers::new()));
            for id in 0.. {
                let (stream, _) = listener.accept().await.expect("a connection");
                let _ = stream.set_nodelay(has_nodelay);
                tokio::spawn(serve_one(stream, id, peers.clone(), has_echo));
            }
        });
    });
    address
}

async fn serve_one(
    stream: tokio::net::TcpStream,
    id: u64,
    peers: Arc<Mutex<Peers>>,
    has_echo: bool,
) {
    let Ok(mut socket) = tokio_tungstenite::accept_async(stream).await else {
        return;
    };
    let (send, mut outbox) = unbounded_channel();
    peers
        .lock()
        .expect("no panic")
        .insert(id, (send, BTreeSet::new()));
    loop {
        tokio::select! {
            message = socket.next() => match message {
                Some(Ok(message @ (Message::Text(_) | Message::Binary(_)))) => {
                    if let Ok(message) = serde_json::from_slice(&message.into_data()) {
                        receive(&mut peers.lock().expect("no panic"), id, message, has_echo);
                    }
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => break,
            },
            Some(text) = outbox.recv() => {
                let _ = socket.send(Message::text(text)).await;
            }
        }
    }
    peers.lock().expect("no panic").remove(&id);
}

fn receive(peers: &mut Peers, id: u64, mut message: Value, has_echo: bool) {
    let topics = message["topics"].as_array().into_iter().flatten();
    let topics = topics.filter_map(Value::as_str).map(str::to_owned);
    let topics: BTreeSet<String> = topics.collect();
    let own = peers.get_mut(&id).expect("it is connected");
    match message["type"].as_str() {
        Some("subscribe") => own.1.extend(topics),
        Some("unsubscribe") => own.1.retain(|topic| !topics.contains(topic)),
        Some("ping") => {
            let _ = own.0.send(r#"{"type":"pong"}"#.to_owned());
        }
        Some("publish") => {
            let Some(topic) = message["topic"].as_str().filter(|topic| !topic.is_empty()) else {
                return;
            };
            let is_subscribed = |topics: &BTreeSet<String>| topics.contains(topic);
            let all: Vec<_> = peers
                .iter()
                .filter(|(_, (_, topics))| is_subscribed(topics))
                .collect();
            let count = all.len();
            let to: Vec<_> = all
                .into_iter()
                .filter(|(other, _)| has_echo || **other != id)
                .map(|(_, (send, _))| send.clone())
                .collect();
            message["clients"] = count.into();
            let text = serde_json::to_string_pretty(&message).expect("JSON");
            for send in to {
                let _ = send.send(text.clone());
            }
        }
        _ => {}
    }
}
