use std::path::Path;

use crate::config::{Config, ConfigError};
use crate::credentials::Credentials;
use crate::seal::Keys;

/// What the files of the settings hold: read at the start, and on each reload.
#[derive(Debug)]
pub(crate) struct Secrets {
    pub(crate) credentials: Option<Credentials>,
    pub(crate) keys: Option<Keys>,
}

impl Secrets {
    /// Reads all files.
    ///
    /// # Errors
    ///
    /// The first that cannot be used.
    pub(crate) fn read(config: &Config) -> Result<Self, ConfigError> {
        let credentials = config.cluster_creds_file.as_deref();
        let keys = config.cluster_key_file.as_deref();
        let secrets = Self {
            credentials: credentials
                .map(|path| file("cluster_creds_file", path, Credentials::read))
                .transpose()?,
            keys: keys
                .map(|path| file("cluster_key_file", path, Keys::read))
                .transpose()?,
        };
        // Read again for each connection, by the client itself: a file that is not there is noticed
        // here.
        if let Some(path) = config.cluster_ca_file.as_deref() {
            file("cluster_ca_file", path, certificates)?;
        }
        Ok(secrets)
    }
}

/// That there is a certificate in it.
fn certificates(text: &str) -> Result<(), String> {
    if text.contains("-----BEGIN CERTIFICATE-----") {
        Ok(())
    } else {
        Err("has no certificate in it; PEM is expected".to_owned())
    }
}

/// Reads a file of text, with or without the mark that Windows' programs put before UTF-8.
fn file<T>(
    setting: &'static str,
    path: &Path,
    read: fn(&str) -> Result<T, String>,
) -> Result<T, ConfigError> {
    let unusable = |problem| ConfigError::File {
        setting,
        path: path.to_owned(),
        problem,
    };
    let bytes =
        std::fs::read(path).map_err(|error| unusable(format!("cannot be read: {error}")))?;
    let text = str::from_utf8(&bytes).map_err(|_| unusable("is not text in UTF-8".to_owned()))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    read(text).map_err(unusable)
}
