use serde::Serialize;

/// What has happened, as it stands in a batch.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Event {
    TopicOpened {
        topic: Box<str>,
    },
    TopicEmptied {
        topic: Box<str>,
    },
    PeerIn {
        peer: u64,
        subject: Option<Box<str>>,
    },
    PeerOut {
        peer: u64,
        subject: Option<Box<str>>,
    },
    /// How many since the last that said so.
    Refused {
        cause: &'static str,
        count: u64,
    },
}

impl Event {
    /// How many bytes of names it holds, and a bit more for itself.
    pub(super) fn bytes(&self) -> usize {
        const SELF: usize = 64;
        SELF + match self {
            Self::TopicOpened { topic } | Self::TopicEmptied { topic } => topic.len(),
            Self::PeerIn { subject, .. } | Self::PeerOut { subject, .. } => {
                subject.as_ref().map_or(0, |subject| subject.len())
            }
            Self::Refused { .. } => 0,
        }
    }
}
