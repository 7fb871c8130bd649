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
    /// Which topic it is about, if it is.
    pub(super) fn topic(&self) -> Option<&str> {
        match self {
            Self::TopicOpened { topic } | Self::TopicEmptied { topic } => Some(topic),
            Self::PeerIn { .. } | Self::PeerOut { .. } | Self::Refused { .. } => None,
        }
    }

    /// Whether the topic, which must be the same, is after both as it was before.
    pub(super) fn is_undone_by(&self, next: &Self) -> bool {
        matches!(
            (self, next),
            (Self::TopicOpened { .. }, Self::TopicEmptied { .. })
                | (Self::TopicEmptied { .. }, Self::TopicOpened { .. })
        )
    }

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
