use alloc::string::String;
use alloc::vec::Vec;

use signal_core::{TopicPattern, TopicSet};

use crate::claim_error::ClaimError;

/// The most topic patterns of one right: Entra ID (Azure AD) puts up to 200 groups into a token.
/// More is what prefixes are for.
pub const PATTERNS_MAX: usize = 256;

/// Reads topics as tokens name them: `garden` is one topic, `team-*` all that begin so, `*` all
/// there are.
///
/// # Errors
///
/// If a pattern is empty or has a star that is not its end. A room whose name ends in a star
/// cannot be named alone; if others choose the names that you put into claims, refuse such names,
/// because they would be read as more.
pub fn read_topics<'a>(
    patterns: impl IntoIterator<Item = &'a str>,
) -> Result<TopicSet, ClaimError> {
    let mut set = TopicSet::none();
    read_into(&mut set, patterns)?;
    Ok(set)
}

/// Writes topics as [`read_topics`] reads them.
///
/// # Errors
///
/// If a name or a beginning is empty or has a star in it.
pub fn write_topics(set: &TopicSet) -> Result<Vec<String>, ClaimError> {
    match set {
        TopicSet::All => Ok(alloc::vec!["*".into()]),
        TopicSet::Matching(patterns) => patterns.iter().map(write).collect(),
    }
}

/// Adds topics to those that are in the set.
pub(crate) fn read_into<'a>(
    set: &mut TopicSet,
    patterns: impl IntoIterator<Item = &'a str>,
) -> Result<(), ClaimError> {
    for pattern in patterns {
        let so_far = core::mem::replace(set, TopicSet::none());
        *set = match pattern.split_once('*') {
            Some(("", "")) => TopicSet::All,
            Some((start, "")) => so_far.prefix(start),
            // A star in the middle means something that patterns cannot say.
            Some(_) => return Err(ClaimError::Pattern),
            None if pattern.is_empty() => return Err(ClaimError::Pattern),
            None => so_far.exact(pattern),
        };
    }
    Ok(())
}

fn write(pattern: &TopicPattern) -> Result<String, ClaimError> {
    let (text, end) = match pattern {
        TopicPattern::Exact(name) => (name, ""),
        TopicPattern::Prefix(start) => (start, "*"),
    };
    if text.is_empty() || text.contains('*') {
        return Err(ClaimError::Pattern);
    }
    Ok([text, end].concat())
}
