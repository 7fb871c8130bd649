//! The key of the admin API.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::settings::{Mistake, Resolved};
use crate::text_file;

const NAME: &str = "admin_key_file";
/// As 128 random bits are in hexadecimal: too many to be guessed.
const CHARACTERS_MIN: usize = 32;
/// What fits into a header, with room for the others.
const CHARACTERS_MAX: usize = 1_024;

/// A key that can be read again. It is kept as its hash alone: so it can be compared in the same
/// time whatever is sent, and stands in no memory for long.
pub(crate) struct ApiKey {
    resolved: Arc<Resolved>,
    hash: Mutex<Hash>,
}

type Hash = [u8; 32];

impl ApiKey {
    /// That of the file which the settings name, if they name one.
    ///
    /// # Errors
    ///
    /// It cannot be used; the mistake says why, and nothing of what is in the file.
    pub(crate) fn load(resolved: &Arc<Resolved>) -> Result<Option<Arc<Self>>, Mistake> {
        let Some(path) = &resolved.settings.admin_key_file else {
            return Ok(None);
        };
        let hash = read(resolved, path)?;
        Ok(Some(Arc::new(Self {
            resolved: Arc::clone(resolved),
            hash: Mutex::new(hash),
        })))
    }

    /// Reads the key again. Requests are judged by the new one from then on.
    ///
    /// # Errors
    ///
    /// It cannot be used: the old one stays.
    pub(crate) fn reload(&self) -> Result<(), Mistake> {
        if let Some(path) = &self.resolved.settings.admin_key_file {
            *self.hash() = read(&self.resolved, path)?;
            // Not before: a reader of this line may rely on the new key.
            tracing::info!("the key of the admin API was read again");
        }
        Ok(())
    }

    /// Whether this is the key.
    pub(super) fn is(&self, sent: &[u8]) -> bool {
        hash(sent).ct_eq(&*self.hash()).into()
    }

    fn hash(&self) -> MutexGuard<'_, Hash> {
        // No code that runs under this lock can panic.
        self.hash.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKey").finish_non_exhaustive()
    }
}

fn read(resolved: &Resolved, path: &Path) -> Result<Hash, Mistake> {
    let text = text_file::read(path).map_err(|error| {
        let fix = "check the path, and that the user the relay runs as may read it";
        resolved.mistake(NAME, format!("cannot be read: {error}"), fix)
    })?;
    let key = text.trim_ascii();
    judge(key).map_err(|problem| {
        // Not into the same file: it may be somebody else's.
        let fix = "name a file with a key, as this makes one: openssl rand -hex 32 > admin.key";
        resolved.mistake(NAME, format!("cannot be used: {problem}"), fix)
    })?;
    Ok(hash(key.as_bytes()))
}

fn judge(key: &str) -> Result<(), String> {
    if key.contains(|letter: char| !letter.is_ascii_graphic()) {
        return Err(
            "a key is one word of letters, digits and signs, as a header can carry it".to_owned(),
        );
    }
    match key.len() {
        CHARACTERS_MIN..=CHARACTERS_MAX => Ok(()),
        0 => Err("the file is empty".to_owned()),
        length if length < CHARACTERS_MIN => Err(format!(
            "its key has {length} characters, which can be guessed; {CHARACTERS_MIN} is the least"
        )),
        length => Err(format!(
            "its key has {length} characters; {CHARACTERS_MAX} is the most"
        )),
    }
}

fn hash(key: &[u8]) -> Hash {
    Sha256::digest(key).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_long_enough_not_to_be_guessed_and_fits_a_header() {
        let of = |length: usize| judge(&"k".repeat(length));
        for length in [0, 1, 31, 1_025, 1_000_000] {
            assert!(of(length).is_err(), "{length}");
        }
        for length in [32, 64, 1_024] {
            assert_eq!(of(length), Ok(()), "{length}");
        }
        for letter in [' ', '\n', '\t', '\0', '\u{7f}', 'é'] {
            let key = format!("{}{letter}{}", "k".repeat(20), "k".repeat(20));
            assert!(judge(&key).is_err(), "{letter:?}");
        }
    }
}
