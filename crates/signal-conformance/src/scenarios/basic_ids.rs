//! The ids of the basic scenarios, and the order in which they build on one another.

/// Without it, fences go by way of another connection, and a server that says nothing to a ping may
/// be there still.
pub(crate) const ANSWER: &str = "basics.answer";
pub(crate) const DELIVERY: &str = "basics.delivery";
/// Without it, fences are pings and never publishes.
pub(crate) const ECHO: &str = "basics.echo";
pub(crate) const OUTSIDER: &str = "basics.outsider";
pub(crate) const COUNT: &str = "basics.count";
pub(crate) const UNSUBSCRIBE: &str = "basics.unsubscribe";
pub(crate) const CLOSE: &str = "basics.close";
// The same for what others name best, each near its own kind.
pub(crate) const EACH_PING: &str = "ping.each";
pub(crate) const SENDER_ONLY: &str = "ping.sender_only";
pub(crate) const NO_ANSWER: &str = "subscribe.no_answer";
pub(crate) const NOT_ANNOUNCED: &str = "subscribe.not_announced";
pub(crate) const MANY_TOPICS: &str = "subscribe.many_topics";
/// Without it a fence has no topic beside those of its client.
pub(crate) const ADDS: &str = "subscribe.adds";
pub(crate) const FEWER: &str = "subscribe.unsubscribe";
pub(crate) const OWN_ONLY: &str = "subscribe.unsubscribe_own_only";
pub(crate) const UNKNOWN: &str = "subscribe.unsubscribe_unknown";
pub(crate) const PIPELINED: &str = "subscribe.pipelined";
pub(crate) const FROM_OUTSIDE: &str = "publish.from_outside";
pub(crate) const ALONE: &str = "publish.alone";
pub(crate) const NOBODY: &str = "publish.nobody";
pub(crate) const NO_HISTORY: &str = "publish.no_history";
pub(crate) const WITHOUT_DATA: &str = "publish.without_data";
pub(crate) const EXTRA_MEMBERS: &str = "publish.extra_members";
pub(crate) const STRING: &str = "publish.string";
pub(crate) const STRINGS: &str = "publish.strings";
pub(crate) const LONG_DATA: &str = "publish.long_data";
pub(crate) const IN_ORDER: &str = "order.one_topic";
pub(crate) const ABORT: &str = "closing.abort";

/// All of them. Each may build on those before it, and they are run in this order.
pub(super) const ORDER: [&str; 28] = [
    ANSWER,
    NO_ANSWER,
    NOT_ANNOUNCED,
    DELIVERY,
    EACH_PING,
    SENDER_ONLY,
    ECHO,
    PIPELINED,
    OUTSIDER,
    NOBODY,
    COUNT,
    ALONE,
    FROM_OUTSIDE,
    UNSUBSCRIBE,
    MANY_TOPICS,
    ADDS,
    STRING,
    STRINGS,
    WITHOUT_DATA,
    EXTRA_MEMBERS,
    LONG_DATA,
    IN_ORDER,
    OWN_ONLY,
    FEWER,
    UNKNOWN,
    NO_HISTORY,
    CLOSE,
    ABORT,
];

/// Those without which a ping is not a fence, and what follows it cannot be judged.
pub(crate) const PINGS: [&str; 3] = [ANSWER, EACH_PING, SENDER_ONLY];

/// Those that concern the number in `clients`.
pub(crate) const COUNTS: [&str; 6] = [COUNT, ALONE, FROM_OUTSIDE, FEWER, CLOSE, ABORT];

/// A basic scenario's id, if it is one.
pub(crate) fn basic(id: &str) -> Option<&'static str> {
    ORDER.into_iter().find(|basic| *basic == id)
}
