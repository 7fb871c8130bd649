use signal_core::{Grant, Instant, TopicSet};

use crate::naive::{Meaning, Rights};
use crate::rng::Rng;

/// Topics of the explored worlds. Alike ones, to find a relay that compares too loosely, and one
/// that is longer than [`TOPIC_BYTES_MAX`].
pub(super) const TOPICS: [&str; 6] = ["t1", "t10", "T1", "t1 ", "é", "t-too-long"];

/// The longest topic in bytes.
pub(super) const TOPIC_BYTES_MAX: u32 = 8;

/// What a message means, kept beside it, so that nothing has to parse the message to know what must
/// come of it. It is spelt in ways of its own rather than by `signal_core::client`, since the core
/// is what these worlds examine.
#[derive(Clone, Debug)]
pub(super) enum Intent {
    Subscribe(Vec<&'static str>),
    Unsubscribe(Vec<&'static str>),
    Publish(Post),
    Ping,
    /// JSON that means nothing.
    Meaningless,
    /// Not JSON.
    Garbage,
    /// Longer than a message may be.
    TooBig,
}

/// A publish; no two in a world have the same number.
#[derive(Clone, Copy, Debug)]
pub(super) struct Post {
    topic: &'static str,
    number: u64,
    /// Whether a member's name is written with an escape.
    is_escaped: bool,
}

impl Post {
    /// What is to be relayed, and `clients`.
    fn members(self) -> String {
        let Self {
            topic,
            number,
            is_escaped,
        } = self;
        let kind = if is_escaped { "t\\u0079pe" } else { "type" };
        format!("\"{kind}\":\"publish\",\"topic\":\"{topic}\",\"n\":{number},\"v\":1.0")
    }
}

/// A message as it is sent.
#[derive(Clone, Debug)]
pub(super) enum Payload {
    Text(String),
    Binary(Vec<u8>),
}

impl Intent {
    pub(super) fn draw(rng: &mut Rng, number: u64, nonsense: u64) -> Self {
        if rng.percent(nonsense) {
            return match rng.below(8) {
                0..3 => Self::Meaningless,
                3..7 => Self::Garbage,
                _ => Self::TooBig,
            };
        }
        match rng.below(100) {
            0..30 => Self::Subscribe(topics(rng)),
            30..36 => Self::Unsubscribe(topics(rng)),
            36..90 => Self::Publish(Post {
                topic: topic(rng),
                number,
                is_escaped: rng.percent(20),
            }),
            _ => Self::Ping,
        }
    }

    /// What a stock client says first.
    pub(super) fn hello() -> Self {
        Self::Subscribe(vec![TOPICS[0]])
    }

    /// The same again, but for the number of a publish.
    pub(super) fn again(&self, number: u64) -> Self {
        if let Self::Publish(post) = self {
            return Self::Publish(Post { number, ..*post });
        }
        self.clone()
    }

    /// What it means to the naive room.
    pub(super) fn meaning(&self) -> Meaning {
        match self {
            Self::Subscribe(topics) => Meaning::Subscribe(topics.clone()),
            Self::Unsubscribe(topics) => Meaning::Unsubscribe(topics.clone()),
            Self::Publish(post) => Meaning::Publish {
                topic: post.topic,
                members: post.members(),
            },
            Self::Ping => Meaning::Ping,
            Self::Meaningless => Meaning::Meaningless,
            Self::Garbage => Meaning::Garbage,
            Self::TooBig => Meaning::TooBig,
        }
    }

    /// One of the ways to write it.
    pub(super) fn payload(&self, rng: &mut Rng) -> Payload {
        let spelling = rng.below(4);
        let text = match self {
            Self::Subscribe(topics) => listed("subscribe", topics, spelling),
            Self::Unsubscribe(topics) => listed("unsubscribe", topics, spelling),
            Self::Publish(post) if spelling == 0 => {
                format!("{{\"clients\":99,{}}}", post.members())
            }
            Self::Publish(post) => format!("{{{}}}", post.members()),
            Self::Ping => "{\"type\":\"ping\"}".to_owned(),
            Self::Meaningless => {
                let choices = [
                    "null",
                    "[1]",
                    "{\"type\":\"pong\"}",
                    "{\"type\":\"publish\",\"topic\":\"\"}",
                ];
                choices[spelling].to_owned()
            }
            Self::Garbage if spelling == 0 => return Payload::Binary(vec![b'"', 0xff, b'"']),
            Self::Garbage => ["", "hello", "{\"type\":", "\u{feff}{}"][spelling].to_owned(),
            Self::TooBig => format!("{{\"type\":\"ping\",\"pad\":\"{}\"}}", "x".repeat(200)),
        };
        if rng.percent(10) {
            Payload::Binary(text.into_bytes())
        } else {
            Payload::Text(text)
        }
    }
}

fn listed(kind: &str, topics: &[&str], spelling: usize) -> String {
    match topics {
        [topic] if spelling == 0 => format!("{{\"type\":\"{kind}\",\"topic\":\"{topic}\"}}"),
        _ => format!("{{\"type\":\"{kind}\",\"topics\":{topics:?}}}"),
    }
}

fn topics(rng: &mut Rng) -> Vec<&'static str> {
    (0..=rng.below(3)).map(|_| topic(rng)).collect()
}

/// The first topic half the time: a world whose peers never meet shows little.
fn topic(rng: &mut Rng) -> &'static str {
    let reach = if rng.percent(50) { 1 } else { TOPICS.len() };
    TOPICS[rng.below(reach)]
}

/// What a peer may do, said twice: to the room and to the naive one.
#[derive(Clone, Copy, Debug)]
pub(super) enum Access {
    /// Everything.
    Open,
    /// Subscribes to what begins with `t1`, publishes to `t1`.
    Guest,
    /// Subscribes to `t1` and `é`, publishes to everything.
    Speaker,
    /// Everything, where not many are: two in `t1`, and one in what else begins so.
    Shy,
}

impl Access {
    pub(super) fn draw(rng: &mut Rng) -> Self {
        match rng.below(6) {
            0 => Self::Guest,
            1 => Self::Speaker,
            2 => Self::Shy,
            _ => Self::Open,
        }
    }

    pub(super) fn grant(self, expires: Option<Instant>) -> Grant {
        let grant = match self {
            Self::Open => Grant::open(),
            Self::Guest => Grant::new(TopicSet::none().prefix("t1"), TopicSet::none().exact("t1")),
            Self::Speaker => Grant::new(TopicSet::none().exact("t1").exact("é"), TopicSet::All),
            Self::Shy => Grant::open()
                .clients_max(TopicSet::none().prefix("t1"), 2)
                .clients_max(TopicSet::none().exact("t10").prefix("t1 "), 1),
        };
        match expires {
            Some(end) => grant.expires_at(end),
            None => grant,
        }
    }

    /// The same for the naive room.
    pub(super) const fn rights(self) -> Rights {
        let (subscribe, publish): (Option<&[_]>, Option<&[_]>) = match self {
            Self::Open | Self::Shy => (None, None),
            Self::Guest => (Some(&["t1", "t10", "t1 "]), Some(&["t1"])),
            Self::Speaker => (Some(&["t1", "é"]), None),
        };
        let sizes: &[_] = match self {
            Self::Shy => &[("t1", 2), ("t10", 1), ("t1 ", 1)],
            Self::Open | Self::Guest | Self::Speaker => &[],
        };
        Rights {
            subscribe,
            publish,
            sizes,
        }
    }
}
