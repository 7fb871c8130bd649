//! A client of the NATS server that is not a node: it hears all that nodes say, and says what it
//! likes. It writes the protocol itself, so that no client library minds what it says.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};

use signal_cluster::wire::{self, Beat, Message};
use signal_cluster::{Node, NodeId};

use crate::common::PATIENCE;

/// A message, as it was on the bus.
#[derive(Clone)]
pub(crate) struct Heard {
    pub(crate) subject: String,
    pub(crate) payload: Vec<u8>,
}

impl Heard {
    /// What a node said, without what the bus has put behind it.
    pub(crate) fn message(&self) -> Option<Message> {
        let text = &self.payload[..self.payload.len().checked_sub(PLAIN_LEN)?];
        Message::decode(text, wire::OLDEST_VERSION..=wire::VERSION).ok()
    }
}

/// What `signal-nats` puts behind a message without a key: a number of the process, and the form.
const PLAIN_LEN: usize = 9;

/// A message of our own, in the form that the bus has.
pub(crate) fn sealed(message: &[u8]) -> Vec<u8> {
    [message, b"outsider", &[0]].concat()
}

/// The message in another version, with a sum that is right.
pub(crate) fn in_version(message: &Message, version: u8) -> Vec<u8> {
    let mut bytes = message.encode(wire::VERSION);
    bytes[3] = version;
    let text = bytes.len() - 8;
    let right = wire::sum(&bytes[..text]).to_le_bytes();
    bytes[text..].copy_from_slice(&right);
    bytes
}

/// The subject of one node.
pub(crate) fn inbox(node: Node) -> String {
    format!("signal.n.{}", node.id)
}

pub(crate) const ALL: &str = "signal.all";

pub(crate) struct Outsider {
    socket: TcpStream,
    heard: Arc<Mutex<Vec<Heard>>>,
    pongs: Receiver<()>,
}

impl Outsider {
    pub(crate) fn connect(server: SocketAddr) -> Self {
        let mut socket = TcpStream::connect(server).expect("the server listens");
        socket.set_nodelay(true).expect("an option");
        let heard = Arc::default();
        let (pong, pongs) = channel();
        let mut reader = BufReader::new(socket.try_clone().expect("a second handle"));
        let (mut writer, into) = (
            socket.try_clone().expect("a third"),
            Arc::clone(&heard) as Arc<Mutex<Vec<Heard>>>,
        );
        std::thread::spawn(move || {
            let mut line = String::new();
            while matches!(reader.read_line(&mut line), Ok(1..)) {
                let words: Vec<_> = line.split_whitespace().collect();
                match words[..] {
                    ["PING"] => drop(writer.write_all(b"PONG\r\n")),
                    ["PONG"] => drop(pong.send(())),
                    ["MSG", subject, .., length] => {
                        let length: usize = length.parse().expect("a length");
                        let mut payload = vec![0; length + 2];
                        if reader.read_exact(&mut payload).is_err() {
                            return;
                        }
                        payload.truncate(length);
                        let subject = subject.to_owned();
                        let mut into = into.lock().expect("nobody panics");
                        into.push(Heard { subject, payload });
                    }
                    _ => {}
                }
                line.clear();
            }
        });
        let greeting = b"CONNECT {\"verbose\":false,\"echo\":false}\r\nSUB signal.> 1\r\n";
        socket.write_all(greeting).expect("it is connected");
        let outsider = Self {
            socket,
            heard,
            pongs,
        };
        outsider.flush();
        outsider
    }

    pub(crate) fn say(&self, subject: &str, payload: &[u8]) {
        let head = format!("PUB {subject} {}\r\n", payload.len());
        let all = [head.as_bytes(), payload, b"\r\n"].concat();
        (&self.socket).write_all(&all).expect("it is connected");
    }

    /// To all nodes, and to each of those.
    pub(crate) fn say_to_each(&self, nodes: &[Node], payload: &[u8]) {
        self.say(ALL, payload);
        nodes
            .iter()
            .for_each(|node| self.say(&inbox(*node), payload));
    }

    /// Waits until the server has taken what was said.
    pub(crate) fn flush(&self) {
        (&self.socket)
            .write_all(b"PING\r\n")
            .expect("it is connected");
        self.pongs.recv_timeout(PATIENCE).expect("an answer");
    }

    /// All that it has heard.
    pub(crate) fn heard(&self) -> Vec<Heard> {
        self.heard.lock().expect("nobody panics").clone()
    }

    /// The latest beat of the node with this id that others have answered.
    pub(crate) fn latest_beat(&self, id: NodeId) -> Option<Beat> {
        let heard = self.heard.lock().expect("nobody panics");
        heard.iter().rev().find_map(|heard| match heard.message() {
            Some(Message::Beat(beat)) if beat.from.id == id && !beat.leaves => Some(beat),
            _ => None,
        })
    }
}
