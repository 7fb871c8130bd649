//! How clients connect.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::token::Token;

/// How clients connect.
///
/// A client whose step has no [`token`](Self::token) gets what it needs to be let in from the
/// backend: at a server that asks for tokens, a right one with the rights of its
/// [`grant`](Self::grant).
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Connect {
    /// Who.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub on: Vec<String>,
    /// Path and query instead of the backend's own, whose query is added.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Added to the query; a template with `${token}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// Headers besides those of a WebSocket upgrade; templates with `${token}`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
    /// Subprotocols offered; templates with `${token}`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub protocols: Vec<String>,
    /// The subprotocol the server must select; the first if none is named here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selected: Option<String>,
    /// The `Origin` header; a template with `${origin}`, one that the server lets in, and
    /// `${origin_host}`, its host and port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// The grant; none allows everything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grant: Option<Grant>,
    /// What `${token}` stands for in the other members. The client brings what they say, and
    /// nothing else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<Token>,
    /// The node of the service, from 0.
    #[serde(skip_serializing_if = "is_zero")]
    pub node: usize,
}

/// What a client may do: names of topics (templates), with a `*` at the end for all that begin so.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub struct Grant {
    /// Topics it may subscribe to.
    pub subscribe: Vec<String>,
    /// Topics it may publish to.
    pub publish: Vec<String>,
    /// When the grant ends, in milliseconds from the connect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_in_ms: Option<u64>,
    /// How many subscribers topics may have with the client among them
    /// ([`ClientsMax`](crate::Capability::ClientsMax)).
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub clients_max: BTreeMap<String, u32>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde asks for a reference"
)]
fn is_zero(value: &usize) -> bool {
    *value == 0
}
