use alloc::borrow::Cow;
use alloc::vec::Vec;
use core::ops::Range;

use crate::json::{self, Member, NotJson};
use crate::publish::{Body, Publish};

/// What a peer asks for, after [`Peer::receive`](crate::Peer::receive) has judged it.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Request<'m> {
    /// Add the peer to these topics. It was in none of them before.
    Subscribe {
        /// The topics, decoded, each once.
        topics: Vec<Cow<'m, str>>,
        /// How many entries were skipped: no grant, too long, or too many.
        skipped: usize,
    },
    /// Remove the peer from these topics. It was in all of them.
    Unsubscribe {
        /// The topics, decoded, each once.
        topics: Vec<Cow<'m, str>>,
    },
    /// Send this to all subscribers of its topic, then tell the peer's state with
    /// [`Peer::delivered`](crate::Peer::delivered) how many there were.
    Publish(Publish<'m>),
    /// Answer with [`Message::PONG`](crate::Message::PONG).
    Ping,
    /// Do nothing.
    Ignored(Ignored),
}

/// Why a message has no effect. For counting; the peer is never told.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Ignored {
    /// It is not JSON, not UTF-8, or nested too deeply.
    NotJson,
    /// It is JSON, but nothing this protocol gives a meaning to.
    Meaningless,
    /// A publish to a topic the peer has no grant for.
    NotGranted,
    /// The peer's budget for messages is used up.
    MessageRate,
    /// The peer's budget for deliveries is overdrawn.
    FanOutRate,
    /// The peer's budget for pings is used up.
    PingRate,
    /// The peer has been refused and waits for its close.
    Held,
}

impl Ignored {
    /// All reasons, for hosts that count them.
    pub const ALL: [Self; 7] = [
        Self::NotJson,
        Self::Meaningless,
        Self::NotGranted,
        Self::MessageRate,
        Self::FanOutRate,
        Self::PingRate,
        Self::Held,
    ];

    /// The name in metrics, logs and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotJson => "not_json",
            Self::Meaningless => "meaningless",
            Self::NotGranted => "not_granted",
            Self::MessageRate => "message_rate",
            Self::FanOutRate => "fan_out_rate",
            Self::PingRate => "ping_rate",
            Self::Held => "held",
        }
    }
}

/// A message by its grammar alone, before grants and budgets.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Parsed<'m> {
    Subscribe(Names<'m>),
    Unsubscribe(Names<'m>),
    Publish(Publish<'m>),
    Ping,
    Meaningless,
}

/// The topics that a subscribe or an unsubscribe names, not yet decoded.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Names<'m> {
    One(&'m str),
    Array(&'m str),
}

impl<'m> Names<'m> {
    /// Calls `each` with every topic, decoded; `None` for one that holds a lone surrogate and so
    /// matches nothing.
    pub(crate) fn for_each(self, mut each: impl FnMut(Option<Cow<'m, str>>)) {
        match self {
            Self::One(raw) => each(json::decode(raw)),
            Self::Array(array) => json::strings(array).for_each(|raw| each(json::decode(raw))),
        }
    }
}

/// Reads a message.
pub(crate) fn parse(text: &str, depth_max: u8) -> Result<Parsed<'_>, NotJson> {
    let mut fields = Fields::default();
    let Some(inside) = json::scan(text, depth_max, |member| fields.see(member))? else {
        return Ok(Parsed::Meaningless);
    };
    let Some(kind) = fields.kind.string() else {
        return Ok(Parsed::Meaningless);
    };
    let is = |name| json::decodes_to(kind, name);
    Ok(if is("publish") {
        fields
            .publish(text, inside)
            .map_or(Parsed::Meaningless, Parsed::Publish)
    } else if is("ping") {
        Parsed::Ping
    } else if is("subscribe") {
        fields
            .names()
            .map_or(Parsed::Meaningless, Parsed::Subscribe)
    } else if is("unsubscribe") {
        fields
            .names()
            .map_or(Parsed::Meaningless, Parsed::Unsubscribe)
    } else {
        Parsed::Meaningless
    })
}

/// The members this protocol interprets: the last of each, and where those stand that must not be
/// relayed.
#[derive(Default)]
struct Fields<'m> {
    kind: Field<'m>,
    topic: Field<'m>,
    topics: Field<'m>,
    cuts: Vec<Range<usize>>,
}

/// The last member of one name.
#[derive(Default)]
struct Field<'m>(Option<Member<'m>>);

impl<'m> Field<'m> {
    fn string(&self) -> Option<&'m str> {
        json::unquoted(self.0.as_ref()?.value)
    }
}

impl<'m> Fields<'m> {
    fn see(&mut self, member: Member<'m>) {
        let is = |name| json::decodes_to(member.name, name);
        let field = if is("type") {
            &mut self.kind
        } else if is("topic") {
            &mut self.topic
        } else if is("topics") {
            &mut self.topics
        } else if is("clients") {
            self.cuts.push(member.span);
            return;
        } else {
            return;
        };
        if let Some(earlier) = field.0.replace(member) {
            self.cuts.push(earlier.span);
        }
    }

    /// What a subscribe or an unsubscribe names: `topics` if it is there, otherwise a single
    /// `topic`.
    fn names(&self) -> Option<Names<'m>> {
        match &self.topics.0 {
            Some(topics) => topics
                .value
                .starts_with('[')
                .then_some(Names::Array(topics.value)),
            None => self.topic.string().map(Names::One),
        }
    }

    fn publish(mut self, text: &'m str, inside: Range<usize>) -> Option<Publish<'m>> {
        let topic = json::decode(self.topic.string()?)?;
        if topic.is_empty() {
            return None;
        }
        self.cuts.sort_unstable_by_key(|cut| cut.start);
        for cut in &mut self.cuts {
            *cut = cut.start - inside.start..cut.end - inside.start;
        }
        Some(Publish {
            topic,
            body: Body {
                inside: text.get(inside)?,
                cuts: self.cuts,
            },
        })
    }
}
