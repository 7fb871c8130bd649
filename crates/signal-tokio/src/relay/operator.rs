//! What whoever runs a relay can see and do of its topics and peers.

use std::sync::Arc;

use signal_core::{CloseReason, Publish, client};
use thiserror::Error;

use crate::relay::Relay;

/// Which topics to list.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TopicQuery<'q> {
    /// How their names begin.
    pub prefix: &'q str,
    /// The name that the list goes on behind: the [`next`](TopicPage::next) of the page before.
    pub after: Option<&'q str>,
    /// The most topics of a page. No lock is held for longer than it takes to read so many names.
    pub limit: usize,
}

impl Default for TopicQuery<'_> {
    fn default() -> Self {
        Self {
            prefix: "",
            after: None,
            limit: 100,
        }
    }
}

/// Some topics of a relay, sorted by the bytes of their names.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct TopicPage {
    /// Their names, and how many subscribers each has.
    pub topics: Vec<(Arc<str>, usize)>,
    /// The name to go on behind, if there are more.
    pub next: Option<Arc<str>>,
}

/// Why something was not published.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum PublishError {
    /// What was to be published is not one JSON value.
    #[error("the data is not JSON, or is nested too deeply")]
    NotJson,
    /// No topic is called that: its name is empty.
    #[error("the name of the topic is empty")]
    NoTopic,
    /// The name is longer than [`topic_bytes_max`](crate::Limits::topic_bytes_max).
    #[error("the name of the topic has more than the {0} bytes of topic_bytes_max")]
    TopicTooLong(u64),
    /// The message is longer than [`message_bytes_max`](crate::Limits::message_bytes_max).
    #[error("the message has more than the {0} bytes of message_bytes_max")]
    TooLong(u64),
}

impl Relay {
    /// Lists topics that have subscribers, a page at a time.
    ///
    /// Of a cluster these are the topics and subscribers of this node; what is published goes to
    /// all.
    ///
    /// A page is not one moment of the relay: topics come and go while it is read. One that is
    /// there from the first page to the last is listed once.
    ///
    /// ```
    /// use signal_tokio::{Config, Relay, TopicQuery};
    ///
    /// let relay = Relay::new(Config::default())?;
    /// let mut page = relay.topics(&TopicQuery::default());
    /// while let Some(after) = page.next.take() {
    ///     page = relay.topics(&TopicQuery { after: Some(&after), ..TopicQuery::default() });
    /// }
    /// # Ok::<(), signal_tokio::ConfigError>(())
    /// ```
    pub fn topics(&self, query: &TopicQuery<'_>) -> TopicPage {
        let TopicQuery {
            prefix,
            after,
            limit,
        } = *query;
        // One more for the name itself, and one to see whether there is more.
        let count = limit.saturating_add(2);
        let shards = &self.shared.rooms.shards;
        let mut topics = shards.first(prefix, after.unwrap_or_default(), count);
        topics.retain(|(topic, _)| after != Some(&**topic));
        let has_more = topics.len() > limit;
        topics.truncate(limit);
        let last = topics.last().filter(|_| has_more);
        TopicPage {
            next: last.map(|(topic, _)| Arc::clone(topic)),
            topics,
        }
    }

    /// How many subscribers a topic has here.
    pub fn subscribers(&self, topic: &str) -> usize {
        self.shared.rooms.shards.peers(topic)
    }

    /// Closes the connections that a subject has now, with [`CloseReason::ByOperator`], and returns
    /// how many they are.
    ///
    /// A stock client connects again at once. To keep somebody out, first see to it that
    /// [`Authorizer`](crate::Authorizer)s refuse them: sign no further tokens, or change the key.
    /// A connection whose upgrade is being answered at this moment may not be among those.
    pub fn close_subject(&self, subject: &str) -> usize {
        let rooms = &self.shared.rooms;
        rooms.end_subject(subject, CloseReason::ByOperator)
    }

    /// Closes the connections that subscribe to a topic now, with [`CloseReason::ByOperator`], and
    /// returns how many they are. They leave their other topics too.
    pub fn close_topic(&self, topic: &str) -> usize {
        let rooms = &self.shared.rooms;
        rooms.end_topic(topic, CloseReason::ByOperator)
    }

    /// Publishes to the subscribers of a topic, and returns how many they are. `data` is JSON text,
    /// which they get as it is.
    ///
    /// ```
    /// # let relay = signal_tokio::Relay::new(signal_tokio::Config::default())?;
    /// let clients = relay.publish("garden", r#"{"announcement":"back in five minutes"}"#)?;
    /// assert_eq!(clients, 0, "nobody is there");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// In a cluster it goes to the subscribers on all nodes, of whom those elsewhere are counted if
    /// there is a subscriber here, or a peer of this node has just published to the topic.
    ///
    /// # Errors
    ///
    /// It is not JSON, or the topic or the message is longer than a peer's may be. A peer's budgets
    /// do not count here.
    pub fn publish(&self, topic: &str, data: &str) -> Result<usize, PublishError> {
        let limits = &self.shared.rooms.limits;
        if topic.is_empty() {
            return Err(PublishError::NoTopic);
        }
        let topic_bytes_max = u64::from(limits.topic_bytes_max);
        if topic.len() as u64 > topic_bytes_max {
            return Err(PublishError::TopicTooLong(topic_bytes_max));
        }
        // By itself first: two values with a comma between them would be members of the message.
        let is_value = serde_json::from_str::<&serde_json::value::RawValue>(data).is_ok();
        let message = client::publish(topic, data);
        if message.len() > limits.message_bytes_max as usize {
            return Err(PublishError::TooLong(limits.message_bytes_max.into()));
        }
        let publish = Publish::read(&message).filter(|_| is_value);
        let publish = publish.ok_or(PublishError::NotJson)?;
        Ok(self.shared.rooms.publish(&publish, None))
    }
}
