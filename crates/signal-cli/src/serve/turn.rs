//! The TURN servers for which credentials are given out, with their secret.

use std::sync::Arc;

use signal_access::{TurnSecretError, TurnServers};
use signal_tokio::Relay;

use crate::settings::{Mistake, Resolved};
use crate::text_file;

const URLS: &str = "turn_urls";
const SECRET_FILE: &str = "turn_secret_file";

/// Reads what the settings say of TURN servers, with the secret.
///
/// # Errors
///
/// One setting is missing, or the secret cannot be used; the mistake says why, and nothing of what
/// is in the file.
pub(crate) fn load(resolved: &Resolved) -> Result<Option<TurnServers>, Mistake> {
    let settings = &resolved.settings;
    let (urls, path) = match (&settings.turn_urls, &settings.turn_secret_file) {
        (Some(urls), Some(path)) => (urls.clone(), path),
        (None, None) => return Ok(None),
        (Some(_), None) => return Err(alone(resolved, URLS, SECRET_FILE)),
        (None, Some(_)) => return Err(alone(resolved, SECRET_FILE, URLS)),
    };
    let secret = text_file::read(path).map_err(|error| {
        let fix = "check the path, and that the user the relay runs as may read it";
        resolved.mistake(SECRET_FILE, format!("cannot be read: {error}"), fix)
    })?;
    let servers = TurnServers::new(urls, &secret, settings.turn_ttl);
    servers.map(Some).map_err(|error| {
        let fix = match error {
            TurnSecretError::Form => {
                "write the value of static-auth-secret into it, and nothing else"
            }
            TurnSecretError::Short(_) | _ => {
                "make one with `openssl rand -hex 32`, for this file and as static-auth-secret of the TURN server"
            }
        };
        resolved.mistake(SECRET_FILE, format!("cannot be used: {error}"), fix)
    })
}

fn alone(resolved: &Resolved, given: &str, missing: &str) -> Mistake {
    let example = resolved.example(missing, given);
    let problem = format!("needs {missing} beside it, and there is none");
    let fix = format!("write that too, for example {example}, or leave {given} out");
    resolved.mistake(given, problem, fix)
}

/// The servers that a relay gives out credentials for, whose secret can be read again.
#[derive(Debug)]
pub(crate) struct Turn {
    resolved: Arc<Resolved>,
    relay: Relay,
}

impl Turn {
    /// Those of the settings, if these name some.
    pub(crate) fn new(resolved: &Arc<Resolved>, relay: &Relay) -> Option<Self> {
        resolved.settings.turn_secret_file.as_ref()?;
        Some(Self {
            resolved: Arc::clone(resolved),
            relay: relay.clone(),
        })
    }

    /// Reads the secret again.
    ///
    /// # Errors
    ///
    /// It cannot be used: the old one stays.
    pub(crate) fn reload(&self) -> Result<(), Mistake> {
        self.relay.set_turn_servers(load(&self.resolved)?);
        tracing::info!("the secret of TURN servers was read again");
        Ok(())
    }
}
