use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::Instant;

/// What one peer may do: which topics it may subscribe and publish to, and until when.
///
/// The host turns a token into a grant before the connection is accepted; the core knows
/// nothing else about access. What a grant does not cover is skipped without an answer, because
/// stock clients subscribe every room they have on every server they know.
///
/// ```
/// use signal_core::{Grant, Instant, TopicSet};
///
/// let team = TopicSet::none().prefix("team-7/");
/// let grant = Grant::new(team.clone().exact("lobby"), team)
///     .expires_at(Instant::from_millis(60_000));
/// assert!(grant.may_subscribe("team-7/notes"));
/// assert!(!grant.may_publish("lobby"));
/// ```
///
/// By default it is [`open`](Self::open).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Grant {
    /// `None` is [`OPEN`]: what most have takes no room.
    terms: Option<Box<Terms>>,
}

/// What a grant says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Terms {
    pub(crate) subscribe: TopicSet,
    pub(crate) publish: TopicSet,
    pub(crate) clients_max: Vec<(TopicSet, u32)>,
    expires: Option<Instant>,
}

/// Every topic for both, each of any size, without end.
static OPEN: Terms = Terms {
    subscribe: TopicSet::All,
    publish: TopicSet::All,
    clients_max: Vec::new(),
    expires: None,
};

impl Grant {
    /// A grant for every topic, without end: what a relay without tokens gives to everyone.
    pub const fn open() -> Self {
        Self { terms: None }
    }

    /// A grant to subscribe and to publish to these topics, without end.
    pub fn new(subscribe: TopicSet, publish: TopicSet) -> Self {
        let mut terms = OPEN.clone();
        (terms.subscribe, terms.publish) = (subscribe, publish);
        let terms = (terms != OPEN).then(|| Box::new(terms));
        Self { terms }
    }

    /// The same grant, by which its peer is let in to none of these topics that has `max`
    /// subscribers already, and is not heard there from outside.
    ///
    /// It is for rooms of a size that somebody has paid for, say. It makes a topic smaller for this
    /// peer and for no other, each of which has a grant of its own, and never larger than the
    /// [`clients_max`](field@crate::Limits::clients_max) of the limits lets it be. Of several
    /// numbers that a topic has, in however many calls, the smallest holds.
    ///
    /// ```
    /// use signal_core::{Grant, TopicSet};
    ///
    /// let grant = Grant::open()
    ///     .clients_max(TopicSet::all(), 50)
    ///     .clients_max(TopicSet::none().prefix("trial/"), 4);
    /// assert_eq!(grant.clients_max_of("trial/notes"), Some(4));
    /// ```
    #[must_use]
    pub fn clients_max(mut self, topics: TopicSet, max: u32) -> Self {
        let terms = self.terms.get_or_insert_with(|| Box::new(OPEN.clone()));
        terms.clients_max.push((topics, max));
        self
    }

    /// The same grant with an end, at which the peer is refused.
    #[must_use]
    pub fn expires_at(mut self, end: Instant) -> Self {
        let terms = self.terms.get_or_insert_with(|| Box::new(OPEN.clone()));
        terms.expires = Some(end);
        self
    }

    /// When the grant ends.
    pub fn expires(&self) -> Option<Instant> {
        self.terms.as_ref().and_then(|terms| terms.expires)
    }

    /// Whether the grant covers subscribing to `topic`.
    pub fn may_subscribe(&self, topic: &str) -> bool {
        self.terms().subscribe.contains(topic)
    }

    /// Whether the grant covers publishing to `topic`.
    pub fn may_publish(&self, topic: &str) -> bool {
        self.terms().publish.contains(topic)
    }

    /// How many subscribers `topic` may have with this peer among them, if the grant says.
    pub fn clients_max_of(&self, topic: &str) -> Option<u32> {
        let numbers = self.terms().clients_max.iter();
        let of_topic = numbers.filter(|(topics, _)| topics.contains(topic));
        of_topic.map(|(_, max)| *max).min()
    }

    pub(crate) fn terms(&self) -> &Terms {
        self.terms.as_deref().unwrap_or(&OPEN)
    }

    pub(crate) fn is_expired(&self, now: Instant) -> bool {
        self.expires().is_some_and(|end| end <= now)
    }
}

/// A set of topics: all, or those that equal or begin with one of some names.
///
/// Names are compared code point by code point, like topics.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum TopicSet {
    /// Every topic.
    All,
    /// The topics that match one of these patterns.
    Matching(Vec<TopicPattern>),
}

impl TopicSet {
    /// Every topic.
    pub const fn all() -> Self {
        Self::All
    }

    /// The empty set.
    pub const fn none() -> Self {
        Self::Matching(Vec::new())
    }

    /// This set and the one topic `name`.
    #[must_use]
    pub fn exact(self, name: &str) -> Self {
        self.with(TopicPattern::Exact(name.into()))
    }

    /// This set and every topic that begins with `start`.
    #[must_use]
    pub fn prefix(self, start: &str) -> Self {
        self.with(TopicPattern::Prefix(start.into()))
    }

    /// Whether `topic` is in the set.
    pub fn contains(&self, topic: &str) -> bool {
        match self {
            Self::All => true,
            Self::Matching(patterns) => patterns.iter().any(|pattern| pattern.matches(topic)),
        }
    }

    fn with(mut self, pattern: TopicPattern) -> Self {
        if let Self::Matching(patterns) = &mut self {
            patterns.push(pattern);
        }
        self
    }
}

/// One entry of a [`TopicSet`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum TopicPattern {
    /// The topic of exactly this name.
    Exact(Box<str>),
    /// Every topic that begins so.
    Prefix(Box<str>),
}

impl TopicPattern {
    fn matches(&self, topic: &str) -> bool {
        match self {
            Self::Exact(name) => topic == &**name,
            Self::Prefix(start) => topic.starts_with(&**start),
        }
    }
}
