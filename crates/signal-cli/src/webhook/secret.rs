//! The secret that webhooks are signed with.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64ct::{Base64, Encoding};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::settings::{Mistake, Resolved};
use crate::text_file;
use crate::webhook::{SECRET, URL};

/// What Standard Webhooks puts before a secret.
const PREFIX: &str = "whsec_";
/// As Standard Webhooks bounds it.
const BYTES_MIN: usize = 24;
const BYTES_MAX: usize = 64;

/// A secret that can be read again.
pub(crate) struct Secret {
    resolved: Arc<Resolved>,
    key: Mutex<Vec<u8>>,
}

impl Secret {
    /// That of the file which the settings name.
    ///
    /// # Errors
    ///
    /// It cannot be used, or no file is named.
    pub(super) fn load(resolved: &Arc<Resolved>) -> Result<Self, Mistake> {
        let Some(path) = &resolved.settings.webhook_secret_file else {
            let example = resolved.example(SECRET, URL);
            let fix = format!("name a file with a secret too, for example {example}");
            let problem = "events are signed, so that nobody else can send such";
            return Err(resolved.mistake(URL, problem, fix));
        };
        Ok(Self {
            resolved: Arc::clone(resolved),
            key: Mutex::new(read(resolved, path)?),
        })
    }

    /// Reads it again; the next batch is signed with the new one.
    ///
    /// # Errors
    ///
    /// It cannot be used: the old one stays.
    pub(crate) fn reload(&self) -> Result<(), Mistake> {
        if let Some(path) = &self.resolved.settings.webhook_secret_file {
            *self.key() = read(&self.resolved, path)?;
            tracing::info!("the secret of the webhook was read again");
        }
        Ok(())
    }

    /// What `webhook-signature` is for a message.
    pub(super) fn sign(&self, id: &str, timestamp: u64, body: &str) -> String {
        sign(&self.key(), id, timestamp, body)
    }

    fn key(&self) -> MutexGuard<'_, Vec<u8>> {
        // No code that runs under this lock can panic.
        self.key.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret").finish_non_exhaustive()
    }
}

fn sign(key: &[u8], id: &str, timestamp: u64, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key may have any length");
    for part in [id, ".", &timestamp.to_string(), ".", body] {
        mac.update(part.as_bytes());
    }
    format!("v1,{}", Base64::encode_string(&mac.finalize().into_bytes()))
}

fn read(resolved: &Resolved, path: &Path) -> Result<Vec<u8>, Mistake> {
    let text = text_file::read(path).map_err(|error| {
        let fix = "check the path, and that the user the relay runs as may read it";
        resolved.mistake(SECRET, format!("cannot be read: {error}"), fix)
    })?;
    decode(text.trim_ascii()).map_err(|problem| {
        // Not into the same file: it may be somebody else's.
        let fix = "name a file with a secret, as this makes one: echo whsec_$(openssl rand -base64 32) > webhook.secret";
        resolved.mistake(SECRET, format!("cannot be used: {problem}"), fix)
    })
}

fn decode(text: &str) -> Result<Vec<u8>, String> {
    let encoded = text
        .strip_prefix(PREFIX)
        .ok_or_else(|| format!("a secret begins with {PREFIX}"))?;
    let key = Base64::decode_vec(encoded)
        .map_err(|_| format!("what follows {PREFIX} is not Base64, with = at its end"))?;
    match key.len() {
        BYTES_MIN..=BYTES_MAX => Ok(key),
        length => Err(format!(
            "it has {length} bytes; {BYTES_MIN} to {BYTES_MAX} is right"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the libraries of Standard Webhooks.
    #[test]
    fn a_message_is_signed_as_others_do_it() {
        let key = decode("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("a secret");
        let signature = sign(
            &key,
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            r#"{"test": 2432232314}"#,
        );
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_secret_has_its_prefix_and_its_length() {
        let of = |length: usize| {
            decode(&format!(
                "whsec_{}",
                Base64::encode_string(&vec![7; length])
            ))
        };
        for length in [0, 1, 23, 65, 1_000] {
            assert!(of(length).is_err(), "{length}");
        }
        for length in [24, 32, 64] {
            assert_eq!(of(length).map(|key| key.len()), Ok(length));
        }
        for wrong in [
            "",
            "whsec_",
            "whsec_!!!!",
            "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS",
        ] {
            assert!(decode(wrong).is_err(), "{wrong}");
        }
    }
}
