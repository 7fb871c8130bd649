use std::fmt;

use sha2::{Digest as _, Sha256};
use signal_access::{Refused, Subject};

/// The bytes of a hash that tell subjects apart: nobody finds two with the same.
const KEY_BYTES: usize = 16;

/// Somebody who may have only so many connections at once, as the Worker tells the object.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct CappedSubject {
    /// The name as a hash: it is a tag of each of the subject's sockets, and tags are short.
    key: String,
    /// The connections that the token allows.
    peers_max: u32,
}

impl CappedSubject {
    /// Reads what [`Display`](fmt::Display) has written.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let (peers_max, key) = text.split_once(' ')?;
        let is_key = key.len() == 2 * KEY_BYTES && key.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_key.then_some(Self {
            key: key.to_owned(),
            peers_max: peers_max.parse().ok()?,
        })
    }

    /// Whether the subject may have one more connection beside so many.
    pub(crate) fn judge(&self, open: u32) -> Result<(), Refused> {
        Subject::new(self.key.as_str(), self.peers_max).judge(open)
    }

    /// The tag of the subject's sockets.
    pub(crate) fn tag(&self) -> String {
        format!("sub:{}", self.key)
    }
}

impl From<Subject> for CappedSubject {
    fn from(subject: Subject) -> Self {
        let hash = Sha256::digest(subject.name().as_bytes());
        let key = hash.iter().take(KEY_BYTES);
        Self {
            key: key.map(|byte| format!("{byte:02x}")).collect(),
            peers_max: subject.peers_max(),
        }
    }
}

impl fmt::Display for CappedSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.peers_max, self.key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capped(name: &str, peers_max: u32) -> CappedSubject {
        Subject::new(name, peers_max).into()
    }

    #[test]
    fn a_subject_comes_through_as_it_was() {
        for name in ["ann", "ÿ\u{2764}", "a b,c", &"x".repeat(256)] {
            let subject = capped(name, 3);
            assert_eq!(CappedSubject::read(&subject.to_string()), Some(subject));
        }
    }

    #[test]
    fn subjects_have_tags_of_their_own_whatever_their_tokens_allow() {
        assert_eq!(capped("ann", 1).tag(), capped("ann", 2).tag());
        assert_ne!(capped("ann", 1).tag(), capped("Ann", 1).tag());
        assert!(capped(&"x".repeat(256), 1).tag().len() < 64);
    }

    #[test]
    fn what_the_worker_did_not_write_is_none() {
        for text in ["", "3", "3 ann", "x 00112233445566778899aabbccddeeff"] {
            assert_eq!(CappedSubject::read(text), None, "{text}");
        }
    }
}
