//! One request for the keys of an issuer.

use std::io;

use bytes::Bytes;
use http::Request;
use http::header::ACCEPT;
use signal_access::{JwksUrl, KEY_TEXT_BYTES_MAX};
use thiserror::Error;

use crate::https::{HttpsClient, HttpsError};

/// Why there are no keys.
#[derive(Debug, Error)]
pub(super) enum FetchError {
    #[error(transparent)]
    Https(#[from] HttpsError),
    #[error("its answer is not text")]
    NotText,
    #[error("it did not answer within 5 seconds")]
    TimedOut,
    #[error("its answer cannot be used: {0}")]
    Keys(signal_access::KeyError),
}

/// Fetches keys from one address.
pub(super) struct Fetch(HttpsClient);

impl Fetch {
    pub(super) fn new(url: JwksUrl) -> io::Result<Self> {
        HttpsClient::new(url).map(Self)
    }

    pub(super) fn url(&self) -> &JwksUrl {
        self.0.url()
    }

    /// The text that is there now.
    pub(super) async fn get(&self) -> Result<String, FetchError> {
        let request = Request::get("/").header(ACCEPT, "application/json");
        let body = self
            .0
            .send(request, Bytes::new(), KEY_TEXT_BYTES_MAX)
            .await?;
        String::from_utf8(body.into()).map_err(|_| FetchError::NotText)
    }
}
