use signal_core::{CloseReason, Message};

/// How a connection ended, as its client sees it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct End {
    /// The close code; 1005 for a close without one, 1006 for an end without a close.
    pub code: u16,
    /// What the close said.
    pub reason: String,
}

impl End {
    pub(crate) fn without_close() -> Self {
        Self {
            code: 1006,
            reason: String::new(),
        }
    }
}

impl From<CloseReason> for End {
    fn from(reason: CloseReason) -> Self {
        Self {
            code: reason.code(),
            reason: reason.text().to_owned(),
        }
    }
}

/// What a client sends.
#[derive(Clone, Debug)]
pub(crate) enum Up {
    Text(Message),
    Binary(Box<[u8]>),
    Pong,
    /// A close frame with this code.
    Close(Option<u16>),
    /// The connection is torn down.
    Reset,
}

/// What a host sends.
#[derive(Clone, Debug)]
pub(crate) enum Down {
    Text(Message),
    Ping,
    End(End),
}

impl Down {
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Text(message) => message.as_bytes().len(),
            Self::Ping => 0,
            Self::End(end) => end.reason.len(),
        }
    }
}
