//! What the suite needs to hold a server to its tokens and origins.

use std::path::PathBuf;
use std::time::SystemTime;

use clap::Args;
use signal_conformance::{Issuer, UrlBackend};

use crate::check::CONFORMANCE;
use crate::check::SUITE;
use crate::check::target::Target;
use crate::check::usage;
use crate::failure::Failure;
use crate::token::key_file;

/// What the server asks of its clients.
#[derive(Args, Debug)]
#[command(next_help_heading = CONFORMANCE)]
pub(crate) struct AccessFlags {
    /// The server asks for tokens, which this key signs: a JWK with its private half; runs the
    /// level `access`, too
    #[arg(long, value_name = "FILE", requires = SUITE, conflicts_with_all = ["token", "token_file"])]
    token_key_file: Option<PathBuf>,

    /// The server lets in only tokens for this audience
    #[arg(long, value_name = "NAME", requires = "token_key_file")]
    token_audience: Option<String>,

    /// The server lets in pages of this origin and of no other; runs the level `access`, too
    #[arg(long, value_name = "ORIGIN", requires = SUITE, value_parser = origin)]
    only_origin: Option<String>,
}

impl AccessFlags {
    /// The issuer that signs the tokens, if the server asks for some.
    pub(crate) fn issuer(&self) -> Result<Option<Issuer>, Failure> {
        let Some(path) = &self.token_key_file else {
            return Ok(None);
        };
        let read = key_file::read(path)
            .and_then(|key| Issuer::new(&key).map_err(|error| key_file::explain(path, &error)));
        let issuer = read.map_err(as_usage)?;
        Ok(Some(match &self.token_audience {
            Some(audience) => issuer.with_audience(audience),
            None => issuer,
        }))
    }

    /// Tells the suite what the server asks for.
    pub(crate) fn declare(&self, backend: UrlBackend, issuer: Option<Issuer>) -> UrlBackend {
        let backend = match issuer {
            Some(issuer) => backend.issuer(issuer),
            None => backend,
        };
        match &self.only_origin {
            Some(origin) => backend.only_origin(origin),
            None => backend,
        }
    }

    /// Whether it is unknown which clients the server lets in.
    pub(crate) fn is_empty(&self) -> bool {
        self.token_key_file.is_none() && self.only_origin.is_none()
    }
}

/// The same failure with the exit code of this command.
fn as_usage(failure: Failure) -> Failure {
    match failure {
        Failure::Usage { what, fix, .. } => usage(what, fix),
        Failure::Settings(_) | Failure::Other { .. } => failure,
    }
}

/// The server with a right token in its address, to see whether it is there at all.
pub(crate) fn with_token(target: &Target, issuer: Option<&Issuer>) -> Target {
    let elapsed = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    let now = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
    match issuer {
        Some(issuer) => target.clone().with_token(&issuer.token(None, now)),
        None => target.clone(),
    }
}

fn origin(text: &str) -> Result<String, String> {
    signal_access::Origins::new([text]).map_err(|error| error.to_string())?;
    if text.contains('*') {
        return Err("name one origin, of which others are made that look like it".to_owned());
    }
    Ok(text.to_owned())
}
