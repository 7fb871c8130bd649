use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;

/// One encoded text message on its way to peers.
///
/// Cloning it copies a pointer: all receivers of a publish share one payload. An adapter that needs
/// another form (a framed buffer, say) makes it once for each [`Sink::send`](crate::Sink::send),
/// not once for each receiver.
#[derive(Clone)]
pub struct Message(Payload);

#[derive(Clone)]
enum Payload {
    Static(&'static str),
    Shared(Arc<str>),
}

impl Message {
    /// The answer to a ping, byte for byte what y-webrtc's server sends.
    pub const PONG: Self = Self(Payload::Static(r#"{"type":"pong"}"#));

    /// The text to send.
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Payload::Static(text) => text,
            Payload::Shared(text) => text,
        }
    }

    /// The text to send, in UTF-8.
    pub fn as_bytes(&self) -> &[u8] {
        self.as_str().as_bytes()
    }
}

impl From<String> for Message {
    fn from(text: String) -> Self {
        Self(Payload::Shared(text.into()))
    }
}

impl PartialEq for Message {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Message {}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}
