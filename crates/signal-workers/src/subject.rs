//! Subjects on their way from the Worker to the object, and in what the object keeps.

use sha2::{Digest as _, Sha256};
use signal_access::Subject;

/// The bytes of a hash that tell subjects apart: nobody finds two with the same.
const KEY_BYTES: usize = 16;
/// Stands for a token that does not limit its subject.
const ANY: &str = "any";

/// The subject by the hash of its name, which is short however long the name is, and reveals
/// nothing.
pub(crate) fn hashed(subject: &Subject) -> Subject {
    let hash = Sha256::digest(subject.name().as_bytes());
    let key = hash.iter().take(KEY_BYTES);
    let key: String = key.map(|byte| format!("{byte:02x}")).collect();
    match subject.peers_max() {
        Some(peers_max) => Subject::new(key, peers_max),
        None => Subject::uncapped(key),
    }
}

/// A hashed subject as text.
pub(crate) fn write(subject: &Subject) -> String {
    let key = subject.name();
    match subject.peers_max() {
        Some(peers_max) => format!("{peers_max} {key}"),
        None => format!("{ANY} {key}"),
    }
}

/// Reads what [`write`] has written.
pub(crate) fn read(text: &str) -> Option<Subject> {
    let (peers_max, key) = text.split_once(' ')?;
    let is_key = key.len() == 2 * KEY_BYTES && key.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_key {
        return None;
    }
    match peers_max {
        ANY => Some(Subject::uncapped(key)),
        _ => Some(Subject::new(key, peers_max.parse().ok()?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_comes_through_as_it_was() {
        for name in ["ann", "ÿ\u{2764}", "a b,c", &"x".repeat(256)] {
            for subject in [Subject::new(name, 3), Subject::uncapped(name)] {
                let subject = hashed(&subject);
                assert_eq!(read(&write(&subject)), Some(subject));
            }
        }
    }

    #[test]
    fn subjects_have_keys_of_their_own_whatever_their_tokens_allow() {
        let key = |name: &str, peers_max| {
            let subject = hashed(&Subject::new(name, peers_max));
            subject.name().to_string()
        };
        assert_eq!(key("ann", 1), key("ann", 2));
        assert_ne!(key("ann", 1), key("Ann", 1));
        assert_eq!(key(&"x".repeat(256), 1).len(), 32);
    }

    #[test]
    fn what_the_worker_did_not_write_is_none() {
        for text in ["", "3", "3 ann", "x 00112233445566778899aabbccddeeff"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
