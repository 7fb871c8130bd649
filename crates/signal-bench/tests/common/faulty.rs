use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

/// What the server does wrong, once, after some messages.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    /// Nothing. But it writes the JSON anew, with its keys in another order.
    Nothing,
    /// Nothing. But each message comes in two frames.
    Fragments,
    /// One receiver does not get one message.
    Loses,
    /// One receiver gets one message twice.
    Duplicates,
    /// One receiver gets a message after the one that follows it.
    Reorders,
    /// A message goes to a topic it was not sent to, too.
    Leaks,
    /// Everything stands still for 300 ms.
    Stalls,
    /// It closes a connection.
    Closes,
}

/// How many messages go well before.
const GOOD: usize = 20;

/// A naive relay that does one thing wrong.
#[derive(Debug)]
pub struct Faulty {
    pub address: SocketAddr,
    _runtime: Runtime,
}

#[derive(Default)]
struct State {
    topics: BTreeMap<String, Vec<(usize, UnboundedSender<Message>)>>,
    published: usize,
    /// The message held back, and who is to get it.
    held: Option<(UnboundedSender<Message>, Message)>,
}

type Shared = Arc<Mutex<State>>;

impl Faulty {
    pub fn start(fault: Fault) -> Self {
        let runtime = super::runtime();
        let listener = runtime
            .block_on(TcpListener::bind("127.0.0.1:0"))
            .expect("a port");
        let address = listener.local_addr().expect("an address");
        runtime.spawn(accept(listener, fault));
        Self {
            address,
            _runtime: runtime,
        }
    }
}

async fn accept(listener: TcpListener, fault: Fault) {
    let shared = Shared::default();
    let mut id = 0;
    while let Ok((stream, _)) = listener.accept().await {
        id += 1;
        tokio::spawn(serve(stream, id, Arc::clone(&shared), fault));
    }
}

async fn serve(stream: TcpStream, id: usize, shared: Shared, fault: Fault) {
    let Ok(socket) = tokio_tungstenite::accept_async(stream).await else {
        return;
    };
    let (mut sink, mut incoming) = socket.split();
    let (sender, mut outgoing) = unbounded_channel();
    tokio::spawn(async move {
        while let Some(message) = outgoing.recv().await {
            if sink.send(message).await.is_err() {
                return;
            }
        }
    });
    while let Some(Ok(Message::Text(text))) = incoming.next().await {
        let request: Value = serde_json::from_str(&text).expect("the load sends JSON");
        let mut state = shared.lock().unwrap_or_else(PoisonError::into_inner);
        match request["type"].as_str() {
            Some("subscribe") => {
                for topic in request["topics"].as_array().expect("topics") {
                    let topic = topic.as_str().expect("a topic").to_owned();
                    let members = state.topics.entry(topic).or_default();
                    members.push((id, sender.clone()));
                }
            }
            Some("unsubscribe") => {
                for topic in request["topics"].as_array().expect("topics") {
                    let members = state.topics.get_mut(topic.as_str().expect("a topic"));
                    members
                        .into_iter()
                        .for_each(|members| members.retain(|(member, _)| *member != id));
                }
            }
            Some("ping") => drop(sender.send(Message::text(r#"{"type":"pong"}"#))),
            Some("publish") => publish(&mut state, request, fault),
            other => panic!("the load sends {other:?}"),
        }
    }
}

fn publish(state: &mut State, mut request: Value, fault: Fault) {
    state.published += 1;
    let is_wrong = state.published == GOOD;
    let topic = request["topic"].as_str().expect("a topic").to_owned();
    let members = state.topics.get(&topic).cloned().unwrap_or_default();
    request["clients"] = json!(members.len());
    // Keys are sorted here, so this begins with `clients`.
    let message = Message::text(request.to_string());
    let mut receivers = members.iter().map(|(_, sender)| sender);
    if is_wrong {
        match fault {
            Fault::Nothing | Fault::Fragments => {}
            Fault::Loses => drop(receivers.next()),
            Fault::Duplicates => {
                let first = &members[0].1;
                let _ = first.send(message.clone());
            }
            Fault::Reorders => {
                let first = receivers.next().expect("a receiver").clone();
                state.held = Some((first, message.clone()));
            }
            Fault::Leaks => {
                let other = state.topics.iter().find(|(name, _)| **name != topic);
                let (_, members) = other.expect("another topic");
                let _ = members[0].1.send(message.clone());
            }
            Fault::Stalls => std::thread::sleep(Duration::from_millis(300)),
            Fault::Closes => {
                let _ = members[0].1.send(Message::Close(None));
            }
        }
    }
    for receiver in receivers {
        // A receiver that has gone needs nothing.
        if fault == Fault::Fragments {
            for half in halves(&message) {
                let _ = receiver.send(half);
            }
        } else {
            let _ = receiver.send(message.clone());
        }
        if let Some((waiting, held)) = state.held.take_if(|(held, _)| held.same_channel(receiver)) {
            let _ = waiting.send(held);
        }
    }
}

/// A message as two frames.
fn halves(message: &Message) -> [Message; 2] {
    let text = message.clone().into_data();
    let middle = text.len() / 2;
    let first = Frame::message(text.slice(..middle), OpCode::Data(Data::Text), false);
    let second = Frame::message(text.slice(middle..), OpCode::Data(Data::Continue), true);
    [first, second].map(Message::Frame)
}
