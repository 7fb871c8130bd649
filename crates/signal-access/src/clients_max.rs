use alloc::vec::Vec;

use serde_json::Value;
use signal_core::TopicSet;

use crate::claim_error::ClaimError;
#[cfg(feature = "tokens")]
use crate::topics::write_topics;
use crate::topics::{PATTERNS_MAX, read_topics};

/// Reads the claim `clients_max`: how many clients topics may have, for
/// [`Grant::clients_max`](signal_core::Grant::clients_max). It is a number for all topics, or an
/// object with a number for each pattern, as [`read_topics`] reads it.
///
/// # Errors
///
/// If it is anything else. It is a guard, so one that cannot be read is never read as none.
pub fn read_clients_max(claim: &Value) -> Result<Vec<(TopicSet, u32)>, ClaimError> {
    let Value::Object(numbers) = claim else {
        return Ok(alloc::vec![(TopicSet::all(), number(claim)?)]);
    };
    if numbers.len() > PATTERNS_MAX {
        return Err(ClaimError::TooManyTopics);
    }
    // Somebody meant to limit something.
    if numbers.is_empty() {
        return Err(ClaimError::ClientsMax);
    }
    numbers
        .iter()
        .map(|(pattern, max)| Ok((read_topics([pattern.as_str()])?, number(max)?)))
        .collect()
}

fn number(value: &Value) -> Result<u32, ClaimError> {
    let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
    let number = number.filter(|number| *number > 0);
    number.ok_or(ClaimError::ClientsMax)
}

/// What holds of all numbers, read or about to be signed.
pub(crate) fn check(numbers: &[(TopicSet, u32)]) -> Result<(), ClaimError> {
    let mut patterns = 0;
    for (topics, max) in numbers {
        let count = match topics {
            TopicSet::All => 1,
            TopicSet::Matching(patterns) => patterns.len(),
        };
        if *max == 0 || count == 0 {
            return Err(ClaimError::ClientsMax);
        }
        patterns += count;
    }
    if patterns > PATTERNS_MAX {
        return Err(ClaimError::TooManyTopics);
    }
    Ok(())
}

/// Writes the claim as [`read_clients_max`] reads it.
#[cfg(feature = "tokens")]
pub(crate) fn write(numbers: &[(TopicSet, u32)]) -> Result<Value, ClaimError> {
    if let [(TopicSet::All, max)] = numbers {
        return Ok((*max).into());
    }
    let mut claim = serde_json::Map::new();
    for (topics, max) in numbers {
        for pattern in write_topics(topics)? {
            // Of two numbers the smaller holds.
            let known = claim.get(&pattern).and_then(Value::as_u64);
            let max = known.map_or(u64::from(*max), |known| known.min(u64::from(*max)));
            claim.insert(pattern, max.into());
        }
    }
    Ok(Value::Object(claim))
}
