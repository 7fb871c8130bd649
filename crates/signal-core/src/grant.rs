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
    /// `None` is every topic for both: what most have takes no room.
    scope: Option<Box<Scope>>,
    expires: Option<Instant>,
}

/// The topics of a grant that does not cover all.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Scope {
    subscribe: TopicSet,
    publish: TopicSet,
}

impl Grant {
    /// A grant for every topic, without end: what a relay without tokens gives to everyone.
    pub const fn open() -> Self {
        Self {
            scope: None,
            expires: None,
        }
    }

    /// A grant to subscribe and to publish to these topics, without end.
    pub fn new(subscribe: TopicSet, publish: TopicSet) -> Self {
        let is_open = subscribe == TopicSet::All && publish == TopicSet::All;
        let scope = Scope { subscribe, publish };
        Self {
            scope: (!is_open).then(|| Box::new(scope)),
            expires: None,
        }
    }

    /// The same grant with an end, at which the peer is refused.
    #[must_use]
    pub fn expires_at(mut self, end: Instant) -> Self {
        self.expires = Some(end);
        self
    }

    /// When the grant ends.
    pub const fn expires(&self) -> Option<Instant> {
        self.expires
    }

    /// Whether the grant covers subscribing to `topic`.
    pub fn may_subscribe(&self, topic: &str) -> bool {
        self.subscribe().contains(topic)
    }

    /// Whether the grant covers publishing to `topic`.
    pub fn may_publish(&self, topic: &str) -> bool {
        self.publish().contains(topic)
    }

    pub(crate) fn subscribe(&self) -> &TopicSet {
        let scope = self.scope.as_deref();
        scope.map_or(&TopicSet::All, |scope| &scope.subscribe)
    }

    pub(crate) fn publish(&self) -> &TopicSet {
        let scope = self.scope.as_deref();
        scope.map_or(&TopicSet::All, |scope| &scope.publish)
    }

    pub(crate) fn is_expired(&self, now: Instant) -> bool {
        self.expires.is_some_and(|end| end <= now)
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
