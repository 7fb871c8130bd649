//! What is put behind each message on the bus.
//!
//! ```text
//! without a key: message instance:u64 0
//! with a key:    message instance:u64 mac:[u8; 32] 1
//! mac = HMAC-SHA256(key, len(subject):u16 subject message instance)      numbers are little-endian
//! ```
//!
//! The instance is drawn at the start of a process. By it a node knows what it has sent itself: the
//! servers keep that back on one connection, but not while a node moves from one server to another.

use std::fmt;

use bytes::{BufMut as _, Bytes, BytesMut};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

const INSTANCE_LEN: usize = 8;
const MAC_LEN: usize = 32;
/// The form without a MAC, and with one.
const PLAIN: u8 = 0;
const SIGNED: u8 = 1;
/// The most that is put behind a message.
pub(crate) const OVERHEAD: usize = INSTANCE_LEN + MAC_LEN + 1;

/// The shortest line that is a key: 24 random bytes in base64 have as many characters.
const KEY_LEN_MIN: usize = 32;
/// The most keys in a file: the one in use, and those before and after it.
const KEYS_MAX: usize = 8;

/// The keys of a cluster: the first signs, and each is good for reading. So keys can be exchanged
/// one node after another.
#[derive(Clone)]
pub(crate) struct Keys(Vec<Hmac<Sha256>>);

impl Keys {
    /// Reads the text of a file, a key in each line.
    ///
    /// # Errors
    ///
    /// What is wrong with it, and nothing of what is in it.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let lines = text.lines().map(str::trim);
        let keys: Vec<_> = lines.filter(|line| !line.is_empty()).collect();
        if keys.is_empty() {
            return Err("is empty; `openssl rand -base64 32` makes a key".to_owned());
        }
        if keys.len() > KEYS_MAX {
            return Err(format!(
                "has more than {KEYS_MAX} lines, which are a key each"
            ));
        }
        if keys.iter().any(|key| key.len() < KEY_LEN_MIN) {
            return Err(format!(
                "has a key of fewer than {KEY_LEN_MIN} characters; `openssl rand -base64 32` makes one"
            ));
        }
        let hmac = |key: &&str| {
            Hmac::new_from_slice(key.as_bytes()).expect("an HMAC takes keys of any length")
        };
        Ok(Self(keys.iter().map(hmac).collect()))
    }
}

/// Says how many there are.
impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} keys", self.0.len())
    }
}

/// Why a message is not taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Fault {
    /// This process has sent it.
    Own,
    /// It does not have the form.
    Malformed,
    /// It has no MAC, or one that is not right; or it has one, and we have no key.
    Mac,
}

/// Puts behind a message what belongs there.
pub(crate) fn seal(keys: Option<&Keys>, instance: u64, subject: &str, message: &[u8]) -> Bytes {
    let mut sealed = BytesMut::with_capacity(message.len() + OVERHEAD);
    sealed.put_slice(message);
    sealed.put_u64_le(instance);
    match keys.and_then(|keys| keys.0.first()) {
        Some(key) => {
            let mac = mac(key, subject, &sealed).finalize().into_bytes();
            sealed.put_slice(&mac);
            sealed.put_u8(SIGNED);
        }
        None => sealed.put_u8(PLAIN),
    }
    sealed.freeze()
}

/// The message without what is behind it.
///
/// # Errors
///
/// It is not for us to take.
pub(crate) fn open(
    keys: Option<&Keys>,
    instance: u64,
    subject: &str,
    mut sealed: Bytes,
) -> Result<Bytes, Fault> {
    let form = *sealed.last().ok_or(Fault::Malformed)?;
    sealed.truncate(sealed.len() - 1);
    match (form, keys) {
        (PLAIN, None) => {}
        (PLAIN, Some(_)) | (SIGNED, None) => return Err(Fault::Mac),
        (SIGNED, Some(keys)) => {
            let body_len = sealed.len().checked_sub(MAC_LEN).ok_or(Fault::Malformed)?;
            let tag = sealed.split_off(body_len);
            let is_right = |key| mac(key, subject, &sealed).verify_slice(&tag).is_ok();
            if !keys.0.iter().any(is_right) {
                return Err(Fault::Mac);
            }
        }
        _ => return Err(Fault::Malformed),
    }
    let message_len = sealed.len().checked_sub(INSTANCE_LEN);
    let sender = sealed.split_off(message_len.ok_or(Fault::Malformed)?);
    if *sender == instance.to_le_bytes() {
        return Err(Fault::Own);
    }
    Ok(sealed)
}

/// Over the subject too: what was meant for one node is not good for another.
fn mac(key: &Hmac<Sha256>, subject: &str, body: &[u8]) -> Hmac<Sha256> {
    let mut mac = key.clone();
    let length = u16::try_from(subject.len()).unwrap_or(u16::MAX);
    mac.update(&length.to_le_bytes());
    mac.update(subject.as_bytes());
    mac.update(body);
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "an old key of at least 32 characters";
    const NEW: &str = "a new key, at least 32 characters too";

    fn keys(lines: &[&str]) -> Keys {
        Keys::read(&lines.join("\n")).expect("keys")
    }

    #[test]
    fn what_was_sealed_is_opened_by_others_and_not_by_the_sender() {
        let key = keys(&[OLD]);
        for key in [None, Some(&key)] {
            for message in [&b""[..], b"SGC...", &[1; 1_000]] {
                let sealed = seal(key, 1, "signal.all", message);
                assert!(sealed.len() <= message.len() + OVERHEAD);
                let opened = open(key, 2, "signal.all", sealed.clone());
                assert_eq!(opened.as_deref(), Ok(message));
                assert_eq!(open(key, 1, "signal.all", sealed), Err(Fault::Own));
            }
        }
    }

    #[test]
    fn with_a_key_nothing_is_taken_that_was_not_signed_with_it_for_this_subject() {
        let (old, new) = (keys(&[OLD]), keys(&[NEW]));
        let sealed = seal(Some(&old), 1, "signal.n.1", b"message");
        let open = |keys, subject, sealed: &Bytes| open(keys, 2, subject, sealed.clone());
        assert_eq!(open(Some(&new), "signal.n.1", &sealed), Err(Fault::Mac));
        assert_eq!(open(None, "signal.n.1", &sealed), Err(Fault::Mac));
        assert_eq!(open(Some(&old), "signal.n.2", &sealed), Err(Fault::Mac));
        let plain = seal(None, 1, "signal.n.1", b"message");
        assert_eq!(open(Some(&old), "signal.n.1", &plain), Err(Fault::Mac));
        for index in 0..sealed.len() {
            let mut forged = sealed.to_vec();
            forged[index] ^= 1;
            assert!(open(Some(&old), "signal.n.1", &forged.into()).is_err());
            assert!(open(Some(&old), "signal.n.1", &sealed.slice(..index)).is_err());
        }
    }

    #[test]
    fn keys_are_exchanged_one_node_after_another() {
        let steps = [
            keys(&[OLD]),
            keys(&[OLD, NEW]),
            keys(&[NEW, OLD]),
            keys(&[NEW]),
        ];
        for pair in steps.windows(2) {
            for (from, to) in [(&pair[0], &pair[1]), (&pair[1], &pair[0])] {
                let sealed = seal(Some(from), 1, "s", b"message");
                assert_eq!(
                    open(Some(to), 2, "s", sealed).as_deref(),
                    Ok(&b"message"[..])
                );
            }
        }
    }

    #[test]
    fn a_file_without_good_keys_is_refused_without_showing_them() {
        for text in ["", "\n\n", "short", &format!("{OLD}\nshort")] {
            let error = Keys::read(text).expect_err(text);
            assert!(!error.contains("short") && !error.contains(OLD), "{error}");
        }
        assert!(Keys::read(&format!("{OLD}\n").repeat(9)).is_err());
        assert_eq!(format!("{:?}", keys(&[OLD, NEW])), "2 keys");
    }

    #[test]
    fn garbage_is_refused() {
        let key = keys(&[OLD]);
        for garbage in [&b""[..], b"\0", b"\x01", b"1234567\0", &[1; 40], &[9; 99]] {
            for key in [None, Some(&key)] {
                assert!(open(key, 1, "s", Bytes::from_static(b"x").slice(..0)).is_err());
                let opened = open(key, 1, "s", Bytes::copy_from_slice(garbage));
                assert!(opened.is_err(), "{garbage:?}");
            }
        }
    }
}
