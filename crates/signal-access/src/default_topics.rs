use alloc::borrow::ToOwned as _;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use signal_core::TopicSet;
use thiserror::Error;

use crate::topics::PATTERNS_MAX;

/// What stands for the subject of a token.
const SUBJECT: &str = "{sub}";

/// The topics of a token that names none: a list of patterns, in which `{sub}` stands for who the
/// bearer is.
///
/// An identity provider's tokens say who somebody is, not which topics they may use.
///
/// What is put in for `{sub}` is a name, never a pattern, and it can open nothing of anyone else's:
/// a pattern such as `user/{sub}/*` gives nothing to a `sub` with a slash in it, for which it
/// could be another's beginning.
///
/// ```
/// use signal_access::DefaultTopics;
///
/// let topics: DefaultTopics = "lobby, user/{sub}/*".parse()?;
/// let ann = topics.of(Some("ann"));
/// assert!(ann.contains("user/ann/notes") && !ann.contains("user/ben/notes"));
/// assert!(!topics.of(Some("*")).contains("user/ben/notes"));
/// assert!(topics.of(None).contains("lobby"));
/// # Ok::<(), signal_access::DefaultTopicsError>(())
/// ```
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct DefaultTopics(Vec<Template>);

#[derive(Clone, Debug, Eq, PartialEq)]
struct Template {
    before: String,
    /// What follows `{sub}`, if that is in it.
    after: Option<String>,
    has_star: bool,
}

impl DefaultTopics {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The topics of this subject.
    pub fn of(&self, subject: Option<&str>) -> TopicSet {
        let none = TopicSet::none();
        self.0.iter().fold(none, |set, one| one.add(set, subject))
    }
}

impl Template {
    fn add(&self, set: TopicSet, subject: Option<&str>) -> TopicSet {
        let name = match (&self.after, subject) {
            (None, _) => self.before.clone(),
            (Some(_), None) => return set,
            (Some(after), Some(subject)) => {
                // With the end of one subject in another, its beginning would be another's.
                let end = after.chars().next();
                if self.has_star && end.is_none_or(|end| subject.contains(end)) {
                    return set;
                }
                [&self.before, subject, after].concat()
            }
        };
        match (self.has_star, name.is_empty()) {
            (true, true) => TopicSet::All,
            (true, false) => set.prefix(&name),
            (false, _) => set.exact(&name),
        }
    }

    fn parse(pattern: &str) -> Result<Self, DefaultTopicsError> {
        let (name, has_star) = match pattern.split_once('*') {
            Some((name, "")) => (name, true),
            Some(_) => return Err(DefaultTopicsError::Star),
            None if pattern.is_empty() => return Err(DefaultTopicsError::Empty),
            None => (pattern, false),
        };
        let (before, after) = match name.split_once(SUBJECT) {
            Some((before, after)) => (before, Some(after)),
            None => (name, None),
        };
        let braces = |text: &str| text.contains(['{', '}']);
        if braces(before) || after.is_some_and(braces) {
            return Err(DefaultTopicsError::Placeholder);
        }
        if has_star && after == Some("") {
            return Err(DefaultTopicsError::NoEnd);
        }
        Ok(Self {
            before: before.to_owned(),
            after: after.map(str::to_owned),
            has_star,
        })
    }
}

/// Reads `none`, or patterns with commas between them.
impl FromStr for DefaultTopics {
    type Err = DefaultTopicsError;

    fn from_str(text: &str) -> Result<Self, DefaultTopicsError> {
        if text.trim() == "none" {
            return Ok(Self::default());
        }
        let patterns = text.split(',').map(str::trim).map(Template::parse);
        let patterns: Vec<Template> = patterns.collect::<Result<_, _>>()?;
        if patterns.len() > PATTERNS_MAX {
            return Err(DefaultTopicsError::TooMany);
        }
        Ok(Self(patterns))
    }
}

/// Writes what [`FromStr`] reads.
impl fmt::Display for DefaultTopics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("none");
        }
        for (position, one) in self.0.iter().enumerate() {
            let comma = if position == 0 { "" } else { "," };
            write!(f, "{comma}{}", one.before)?;
            if let Some(after) = &one.after {
                write!(f, "{SUBJECT}{after}")?;
            }
            if one.has_star {
                f.write_str("*")?;
            }
        }
        Ok(())
    }
}

/// Why patterns cannot be used.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum DefaultTopicsError {
    /// There is nothing between two commas.
    #[error("a topic is empty")]
    Empty,
    /// A star is not the end of a pattern.
    #[error("a topic has a * that is not its end")]
    Star,
    /// A brace is not that of the one `{sub}` that may be in a pattern.
    #[error("a topic has a brace in it that is not of one {{sub}}")]
    Placeholder,
    /// The star follows `{sub}`: what is ann's would be anna's, too.
    #[error(
        "a topic has {{sub}}* in it, which would open the topics of others whose sub begins alike; write {{sub}}/*"
    )]
    NoEnd,
    /// There are more than [`PATTERNS_MAX`].
    #[error("there are more than 256 topics")]
    TooMany,
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;

    use super::*;

    fn of(patterns: &str, subject: &str) -> TopicSet {
        let topics: DefaultTopics = patterns.parse().expect("patterns");
        assert_eq!(topics.to_string(), patterns);
        topics.of(Some(subject))
    }

    #[test]
    fn patterns_are_those_of_tokens_with_the_subject_in_them() {
        assert_eq!(of("none", "ann"), TopicSet::none());
        assert_eq!(of("*", "ann"), TopicSet::All);
        assert_eq!(of("a,b/*", "ann"), TopicSet::none().exact("a").prefix("b/"));
        assert_eq!(
            of("{sub},user/{sub}/*", "auth0|5f7c"),
            TopicSet::none()
                .exact("auth0|5f7c")
                .prefix("user/auth0|5f7c/")
        );
    }

    #[test]
    fn no_subject_opens_what_is_anothers() {
        assert_eq!(of("u/{sub}", "*"), TopicSet::none().exact("u/*"));
        assert_eq!(of("u/{sub}/*", "ben/x"), TopicSet::none());
        assert_eq!(
            of("u/{sub}/*", "{sub}"),
            TopicSet::none().prefix("u/{sub}/")
        );
        assert_eq!(of("{sub}-rooms-*", "a-rooms-b"), TopicSet::none());
    }

    #[test]
    fn patterns_that_mean_nothing_or_too_much_are_refused() {
        use DefaultTopicsError as E;
        for (text, error) in [
            ("", E::Empty),
            ("a,,b", E::Empty),
            ("a*b", E::Star),
            ("**", E::Star),
            ("user/{sub}*", E::NoEnd),
            ("user/{id}/*", E::Placeholder),
            ("{sub}/{sub}", E::Placeholder),
            ("{sub", E::Placeholder),
        ] {
            assert_eq!(text.parse::<DefaultTopics>(), Err(error), "{text}");
        }
        let many = alloc::vec!["a"; 257].join(",");
        assert_eq!(many.parse::<DefaultTopics>(), Err(E::TooMany));
    }
}
