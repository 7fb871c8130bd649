//! The client's half of the protocol: what it sends, as text, and what it reads.
//!
//! It holds no state. A client subscribes anew on each connection and announces itself, sends
//! [`PING`] when it has heard nothing for a while, and ignores what [`read`] does not know
//! ([`protocol`](crate::protocol), section 12).
//!
//! ```
//! use signal_core::client::{self, Incoming};
//!
//! assert_eq!(client::subscribe(["garden"]), r#"{"type":"subscribe","topics":["garden"]}"#);
//! assert_eq!(
//!     client::publish("garden", "[1, 2]"),
//!     r#"{"type":"publish","topic":"garden","data":[1, 2]}"#
//! );
//!
//! let text = r#"{"type":"publish","topic":"garden","data":[1, 2],"clients":2}"#;
//! let Some(Incoming::Publish(publish)) = client::read(text) else {
//!     return Err("not a publish");
//! };
//! assert_eq!((&*publish.topic, publish.data, publish.clients), ("garden", Some("[1, 2]"), Some(2)));
//! # Ok(())
//! ```

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;
use core::fmt::Write as _;

use crate::json;

/// Asks for a pong, byte for byte as stock clients do.
pub const PING: &str = r#"{"type":"ping"}"#;

/// Subscribes to topics.
pub fn subscribe<T: AsRef<str>>(topics: impl IntoIterator<Item = T>) -> String {
    name_topics("subscribe", topics)
}

/// Ends subscriptions.
pub fn unsubscribe<T: AsRef<str>>(topics: impl IntoIterator<Item = T>) -> String {
    name_topics("unsubscribe", topics)
}

/// Publishes `data` to a topic. It is JSON text and goes out as it is, unchecked: of a message that
/// is not JSON a relay only counts how often it comes.
pub fn publish(topic: &str, data: &str) -> String {
    let mut text = String::from(r#"{"type":"publish","topic":"#);
    push_string(&mut text, topic);
    text + r#","data":"# + data + "}"
}

/// What a relay sends.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Incoming<'m> {
    /// Somebody published to a topic the client is subscribed to, perhaps it itself.
    Publish(Received<'m>),
    /// The answer to a [`PING`].
    Pong,
}

/// A publish as a subscriber gets it.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Received<'m> {
    /// The topic, decoded.
    pub topic: Cow<'m, str>,
    /// The member `data`, as the JSON text that it was sent as. Publishers may leave it out.
    pub data: Option<&'m str>,
    /// How many peers the publish went to, if the relay counts them.
    pub clients: Option<u64>,
}

/// Reads a message of a relay. `None` for all that a client is to ignore: what is not JSON, and
/// types it does not know.
pub fn read(text: &str) -> Option<Incoming<'_>> {
    let (mut kind, mut topic, mut data, mut clients) = (None, None, None, None);
    json::scan(text, u8::MAX, |member| {
        let field = match json::decode(member.name).as_deref() {
            Some("type") => &mut kind,
            Some("topic") => &mut topic,
            Some("data") => &mut data,
            Some("clients") => &mut clients,
            _ => return,
        };
        *field = Some(member.value);
    })
    .ok()?;
    match &*json::decode(json::unquoted(kind?)?)? {
        "publish" => Some(Incoming::Publish(Received {
            topic: json::decode(json::unquoted(topic?)?)?,
            data,
            clients: clients.and_then(|clients| clients.parse().ok()),
        })),
        "pong" => Some(Incoming::Pong),
        _ => None,
    }
}

fn name_topics<T: AsRef<str>>(kind: &str, topics: impl IntoIterator<Item = T>) -> String {
    let mut text = format!(r#"{{"type":"{kind}","topics":["#);
    for (place, topic) in topics.into_iter().enumerate() {
        if place > 0 {
            text.push(',');
        }
        push_string(&mut text, topic.as_ref());
    }
    text.push_str("]}");
    text
}

/// Writes a JSON string.
fn push_string(text: &mut String, string: &str) {
    text.push('"');
    for char in string.chars() {
        match char {
            '"' | '\\' => text.extend(['\\', char]),
            // Writing into a string does not fail.
            ..' ' => drop(write!(text, "\\u{:04x}", u32::from(char))),
            _ => text.push(char),
        }
    }
    text.push('"');
}
