use thiserror::Error;

/// Which claim makes no sense.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum ClaimError {
    /// The claims are not a JSON object.
    #[error("its claims are not a JSON object")]
    NotObject,
    /// A claim is made twice.
    #[error("a claim is made twice")]
    Duplicate,
    /// The token does not say when it ends.
    #[error("\"exp\", when it ends, is missing")]
    NoExpiry,
    /// `exp` is not a time.
    #[error("\"exp\" is not a number of seconds since 1970")]
    Expiry,
    /// `nbf` is not a time.
    #[error("\"nbf\" is not a number of seconds since 1970")]
    NotBefore,
    /// `sub` is not a name.
    #[error("\"sub\" is not a string of 1 to 256 bytes")]
    Subject,
    /// `aud` is not an audience.
    #[error("\"aud\" is neither a string nor an array of them")]
    Audience,
    /// Topics are not in an array of strings.
    #[error("the topics it names must be arrays of strings")]
    Topics,
    /// A topic pattern is empty, or has a star that is not its end.
    #[error("a topic is empty, or has a * that is not its end")]
    Pattern,
    /// There are more than [`PATTERNS_MAX`](crate::PATTERNS_MAX) topic patterns for one right, or
    /// in `clients_max`.
    #[error("it has more than 256 topics in one place; use a prefix such as \"team-*\"")]
    TooManyTopics,
    /// `peers_max` is not a number of connections.
    #[error("\"peers_max\" is not a number from 1 to 4294967295")]
    PeersMax,
    /// `peers_max` without `sub`: there is nothing to count connections by.
    #[error("\"peers_max\" needs \"sub\", whose connections it limits")]
    PeersOfNobody,
    /// `clients_max` is not a number of clients, nor one for each of some topics.
    #[error(
        "\"clients_max\" is neither a number from 1 to 4294967295 nor an object with one for each topic"
    )]
    ClientsMax,
}
