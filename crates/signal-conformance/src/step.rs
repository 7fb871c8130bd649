//! The steps of a scenario.

use serde::{Deserialize, Serialize};

use crate::Amount;
pub use crate::connect::{Connect, Grant};
pub use crate::token::{Token, TokenKey};

/// One step. Clients have names; a step on several clients is taken on each in turn.
///
/// Steps are causally ordered: before another client acts, the runner makes sure with a fence (a
/// ping and its pong) that what the earlier ones sent has been handled. What one client sends in
/// successive steps goes out without waiting. Every message a client receives must be expected, in
/// order; at the end a fence on each open client shows that nothing was left over.
///
/// Strings in `text` and `bytes` are templates, see [`template`](crate::template).
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Step {
    /// Opens a connection for each client.
    Connect(Connect),
    /// Attempts a connection, which must be refused before the upgrade.
    ///
    /// If there is a token in it, no part of the answer may hold it.
    ExpectRefused {
        /// The HTTP statuses that will do.
        status: Vec<u16>,
        /// How the answer's `WWW-Authenticate` must begin, if that matters.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        challenge: Option<String>,
        /// How to connect; `on` is empty.
        #[serde(flatten)]
        connect: Connect,
    },
    /// Sends a text message.
    Send {
        /// Who sends.
        on: Vec<String>,
        /// The message.
        text: String,
        /// Whether to send without waiting until what other clients sent was handled.
        #[serde(default, skip_serializing_if = "is_false")]
        race: bool,
    },
    /// Sends a binary message.
    SendBinary {
        /// Who sends.
        on: Vec<String>,
        /// The message.
        bytes: String,
    },
    /// Sends one WebSocket frame, right or wrong.
    SendFrame(Frame),
    /// Opens connections that send these bytes, perhaps none, and then nothing more. They stay
    /// until the scenario ends.
    Guests {
        /// How many.
        count: Amount,
        /// The bytes: no whole request.
        bytes: String,
    },
    /// Writes bytes to the connection, past the WebSocket layer.
    SendRaw {
        /// Who sends.
        on: Vec<String>,
        /// The bytes.
        bytes: String,
    },
    /// The next message must be this one.
    Expect(Expect),
    /// The same messages must come to all clients, in the same order, with each sender's own in the
    /// order it sent them.
    ExpectSameOrder {
        /// Who receives.
        on: Vec<String>,
        /// How many messages.
        count: Amount,
        /// Members of each message's `data`: who sent it, and its number from 0.
        members: [String; 2],
        /// Whether the connection may end instead, before all have come.
        #[serde(default, skip_serializing_if = "is_false")]
        or_closed: bool,
    },
    /// The server must send a pong frame with this payload.
    ExpectPongFrame {
        /// Who receives.
        on: Vec<String>,
        /// The payload.
        bytes: String,
    },
    /// The connection must end, with nothing received before unless that is allowed.
    ExpectClosed {
        /// Whose.
        on: Vec<String>,
        /// The codes that will do (1005: a close without code, 1006: no close at all). None: any.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        codes: Vec<u16>,
        /// How much longer than usual it may take, in milliseconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        within: Option<Amount>,
        /// Whether messages may come before, which then do not matter.
        #[serde(default, skip_serializing_if = "is_false")]
        eventually: bool,
    },
    /// The connection must work: a fence passes.
    ExpectOpen {
        /// Whose.
        on: Vec<String>,
    },
    /// Nothing may have been sent to the client: a fence passes, and nothing comes before it.
    ExpectNothing {
        /// Who receives nothing.
        on: Vec<String>,
    },
    /// So many messages must have come by the time a fence passes, whatever they say.
    ExpectSome {
        /// Who receives.
        on: Vec<String>,
        /// At least so many.
        at_least: Amount,
        /// At most so many.
        at_most: Amount,
    },
    /// Sends a message again and again until the answer is the expected one. For what has no fence,
    /// such as the moment a server notices that a connection is gone.
    Await {
        /// Who sends and receives.
        on: Vec<String>,
        /// The message sent.
        text: String,
        /// The message that must come in the end.
        expect: String,
        /// How long it may take in milliseconds, instead of the usual patience.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        within: Option<Amount>,
        /// Whether to begin without waiting until what other clients sent was handled.
        #[serde(default, skip_serializing_if = "is_false")]
        race: bool,
    },
    /// Starts the closing handshake. The answer is expected with [`Step::ExpectClosed`].
    Close {
        /// Who closes.
        on: Vec<String>,
        /// The code; none sends an empty close.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<u16>,
        /// The reason.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        reason: String,
    },
    /// Ends the connection without a close (a TCP reset).
    Abort {
        /// Whose.
        on: Vec<String>,
    },
    /// Stops reading, so that pings are not answered either.
    Pause {
        /// Who.
        on: Vec<String>,
    },
    /// Reads again.
    Resume {
        /// Who.
        on: Vec<String>,
    },
    /// Waits until the server has dealt with the client, then lets it be, closed or open.
    Release {
        /// Who.
        on: Vec<String>,
        /// Whether it may have received nothing until then but a close.
        #[serde(default, skip_serializing_if = "is_false")]
        silent: bool,
    },
    /// Lets time pass.
    Advance {
        /// Milliseconds.
        ms: Amount,
    },
    /// Ends the server and starts it again.
    Restart,
    /// Makes the server forget all but what it stored, and wake up.
    Hibernate,
    /// Tells the server to shut down in an orderly way.
    Drain,
    /// A plain HTTP request and its answer.
    Http(Http),
    /// Clients do at once what a stock client does when it opens a room: each subscribes to a
    /// topic and publishes to it, without waiting for the others. Of each two, one must hear the
    /// other, and nothing may come twice. A client whose connection the server ends connects and
    /// does so again, as the stock client does. What comes later is let be.
    Meet {
        /// Who.
        on: Vec<String>,
        /// Where.
        topic: String,
        /// How much longer than usual it may take, in milliseconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        within: Option<Amount>,
    },
    /// Ends a node at once, with its connections.
    KillNode {
        /// Which, from 0.
        node: usize,
    },
    /// Tells a node to shut down in an orderly way, and waits until it has.
    DrainNode {
        /// Which, from 0.
        node: usize,
    },
    /// Starts a node that has ended, and waits until it is ready.
    StartNode {
        /// Which, from 0.
        node: usize,
    },
    /// Ends what carries messages from node to node.
    StopBus,
    /// Starts it again.
    StartBus,
    /// Takes steps again and again; `${n}` counts from 0.
    Repeat {
        /// How often.
        times: Amount,
        /// What.
        steps: Vec<Step>,
    },
}

/// One WebSocket frame as a client sends it. The mask, if any, is four zero bytes.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Frame {
    /// Who sends.
    pub on: Vec<String>,
    /// The first byte: FIN is 0x80, the reserved bits 0x70, the opcode 0x0f.
    pub first: u8,
    /// Whether it is masked, as a client's frames must be.
    pub masked: bool,
    /// The payload.
    pub bytes: String,
    /// The length in the header, where it is not that of the payload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub announce: Option<Amount>,
}

/// A message that must come.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Expect {
    /// Who receives.
    pub on: Vec<String>,
    /// The message; equal means equal after `JSON.parse`.
    pub text: String,
    /// Whether other messages may come before it, which then do not matter.
    #[serde(default, skip_serializing_if = "is_false")]
    pub eventually: bool,
    /// Whether it must be the same bytes.
    #[serde(default, skip_serializing_if = "is_false")]
    pub exact: bool,
    /// A part that must be in it byte for byte.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contains: Option<String>,
    /// Members that may be there only once, however they are escaped.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub once: Vec<String>,
    /// Members that may be there or not, whatever their values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignoring: Vec<String>,
    /// Whether a client that is not served any more, as far as is known, need not receive it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub if_open: bool,
}

/// A plain HTTP request and what must be answered.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Http {
    /// The method.
    pub method: String,
    /// Path and query, to which the query of the backend's own is added; empty for the backend's
    /// own.
    pub path: String,
    /// Headers besides `Host` and `Connection: close`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
    /// Whether the request is of HTTP/1.0 and not of HTTP/1.1.
    #[serde(default, skip_serializing_if = "is_false")]
    pub old: bool,
    /// The statuses that will do.
    pub status: Vec<u16>,
    /// The body, if it matters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde asks for a reference"
)]
pub(crate) fn is_false(value: &bool) -> bool {
    !value
}
