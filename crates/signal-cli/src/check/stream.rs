//! What the parts of a check hand to each other: connections, and what is sent with the upgrade.

use http::header::{HeaderName, HeaderValue};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::WebSocketStream;

/// A connection, whatever it goes through.
pub(crate) trait Io: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

pub(crate) type Stream = Box<dyn Io>;
pub(crate) type Socket = WebSocketStream<Stream>;

/// What to send with the upgrade.
#[derive(Clone, Debug, Default)]
pub(crate) struct Credentials {
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) origin: Option<HeaderValue>,
}
