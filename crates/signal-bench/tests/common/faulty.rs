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
    /// What is published to a topic arrives on other nodes from the fourth time on.
    IsLate,
    /// Nothing arrives on other nodes.
    IsApart,
    /// A message is lost between two nodes.
    LosesBetween,
}

/// How many messages go well before.
const GOOD: usize = 20;

/// A naive relay that does one thing wrong.
#[derive(Debug)]
pub struct Faulty {
    pub address: SocketAddr,
    /// The addresses of all nodes, the first one included.
    pub nodes: Vec<SocketAddr>,
    _runtime: Runtime,
}

/// Who is subscribed to a topic.
#[derive(Clone)]
struct Member {
    id: usize,
    node: usize,
    sender: UnboundedSender<Message>,
}

#[derive(Default)]
struct State {
    connections: usize,
    topics: BTreeMap<String, Vec<Member>>,
    /// How often something was published to each topic, and to all, what only asks not included.
    asked: BTreeMap<String, usize>,
    published: usize,
    /// The message held back, and who is to get it.
    held: Option<(UnboundedSender<Message>, Message)>,
}

type Shared = Arc<Mutex<State>>;

impl Faulty {
    pub fn start(fault: Fault) -> Self {
        Self::start_nodes(1, fault)
    }

    /// Several that are one service.
    pub fn start_nodes(count: usize, fault: Fault) -> Self {
        let runtime = super::runtime();
        let shared = Shared::default();
        let nodes = (0..count).map(|node| {
            let listener = runtime
                .block_on(TcpListener::bind("127.0.0.1:0"))
                .expect("a port");
            let address = listener.local_addr().expect("an address");
            runtime.spawn(accept(listener, node, Arc::clone(&shared), fault));
            address
        });
        let nodes: Vec<_> = nodes.collect();
        Self {
            address: nodes[0],
            nodes,
            _runtime: runtime,
        }
    }
}

async fn accept(listener: TcpListener, node: usize, shared: Shared, fault: Fault) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(serve(stream, node, Arc::clone(&shared), fault));
    }
}

async fn serve(stream: TcpStream, node: usize, shared: Shared, fault: Fault) {
    // What it sends is not to wait for what was sent before.
    let _ = stream.set_nodelay(true);
    let id = {
        let mut state = shared.lock().unwrap_or_else(PoisonError::into_inner);
        state.connections += 1;
        state.connections
    };
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
                    members.push(Member {
                        id,
                        node,
                        sender: sender.clone(),
                    });
                }
            }
            Some("unsubscribe") => {
                for topic in request["topics"].as_array().expect("topics") {
                    let members = state.topics.get_mut(topic.as_str().expect("a topic"));
                    members
                        .into_iter()
                        .for_each(|members| members.retain(|member| member.id != id));
                }
            }
            Some("ping") => drop(sender.send(Message::text(r#"{"type":"pong"}"#))),
            Some("publish") => publish(&mut state, node, request, fault),
            other => panic!("the load sends {other:?}"),
        }
    }
}

/// The number of a message that only asks whether it is heard, as its marker has it.
const ASKS: &str = "pppppppp";

fn publish(state: &mut State, node: usize, mut request: Value, fault: Fault) {
    let topic = request["topic"].as_str().expect("a topic").to_owned();
    let asked = state.asked.entry(topic.clone()).or_default();
    *asked += 1;
    let stays = fault == Fault::IsApart || fault == Fault::IsLate && *asked < 4;
    let mut members = state.topics.get(&topic).cloned().unwrap_or_default();
    request["clients"] = json!(members.len());
    members.retain(|member| member.node == node || !stays);
    // Keys are sorted here, so this begins with `clients`.
    let text = request.to_string();
    state.published += usize::from(!text.contains(ASKS));
    let is_wrong = state.published == GOOD && !text.contains(ASKS);
    let message = Message::text(text);
    if is_wrong && fault == Fault::LosesBetween {
        let there = members.iter().position(|member| member.node != node);
        members.remove(there.expect("a member on another node"));
    }
    let mut receivers = members.iter().map(|member| &member.sender);
    if is_wrong {
        match fault {
            Fault::Nothing
            | Fault::Fragments
            | Fault::IsLate
            | Fault::IsApart
            | Fault::LosesBetween => {}
            Fault::Loses => drop(receivers.next()),
            Fault::Duplicates => {
                let first = &members[0].sender;
                let _ = first.send(message.clone());
            }
            Fault::Reorders => {
                let first = receivers.next().expect("a receiver").clone();
                state.held = Some((first, message.clone()));
            }
            Fault::Leaks => {
                let other = state.topics.iter().find(|(name, _)| **name != topic);
                let (_, members) = other.expect("another topic");
                let _ = members[0].sender.send(message.clone());
            }
            Fault::Stalls => std::thread::sleep(Duration::from_millis(300)),
            Fault::Closes => {
                let _ = members[0].sender.send(Message::Close(None));
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
