//! One request for the keys of an issuer.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{ACCEPT, HOST, USER_AGENT};
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use signal_access::{JwksUrl, KEY_TEXT_BYTES_MAX};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Why there are no keys.
#[derive(Debug, Error)]
pub(super) enum FetchError {
    #[error("it cannot be connected to: {0}")]
    Connect(io::Error),
    #[error("there is no TLS with it: {0}")]
    Tls(io::Error),
    #[error("it does not speak HTTP: {0}")]
    Http(#[from] hyper::Error),
    #[error(
        "it answers with a redirect ({0}), which is not followed; name the address it leads to"
    )]
    Redirect(StatusCode),
    #[error("it answers with {0}")]
    Status(StatusCode),
    #[error("its answer is longer than 64 KiB, or broke off")]
    Body,
    #[error("its answer is not text")]
    NotText,
    #[error("it did not answer within 5 seconds")]
    TimedOut,
    #[error("its answer cannot be used: {0}")]
    Keys(signal_access::KeyError),
}

/// Fetches keys from one address.
pub(super) struct Fetch {
    url: JwksUrl,
    tls: Option<TlsConnector>,
}

impl Fetch {
    pub(super) fn new(url: JwksUrl) -> io::Result<Self> {
        let tls = url.is_secure().then(connector).transpose()?;
        Ok(Self { url, tls })
    }

    pub(super) fn url(&self) -> &JwksUrl {
        &self.url
    }

    /// The text that is there now. A redirect is not followed: it could lead anywhere, also to
    /// where only this machine gets.
    pub(super) async fn get(&self) -> Result<String, FetchError> {
        let address = (self.url.host(), self.url.port());
        let stream = TcpStream::connect(address).await;
        let stream = stream.map_err(FetchError::Connect)?;
        let Some(tls) = &self.tls else {
            return self.ask(stream).await;
        };
        let name = ServerName::try_from(self.url.host().to_owned())
            .map_err(|error| FetchError::Tls(io::Error::other(error)))?;
        let stream = tls.connect(name, stream).await.map_err(FetchError::Tls)?;
        self.ask(stream).await
    }

    async fn ask(&self, stream: impl AsyncRead + AsyncWrite + Unpin) -> Result<String, FetchError> {
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let answer = async {
            let request = Request::get(self.url.target())
                .header(HOST, self.url.authority())
                .header(ACCEPT, "application/json")
                .header(USER_AGENT, concat!("signal/", env!("CARGO_PKG_VERSION")))
                .body(Empty::<Bytes>::new())
                .expect("the address was parsed");
            let answer = sender.send_request(request).await?;
            match answer.status() {
                StatusCode::OK => {}
                status if status.is_redirection() => return Err(FetchError::Redirect(status)),
                status => return Err(FetchError::Status(status)),
            }
            let body = Limited::new(answer.into_body(), KEY_TEXT_BYTES_MAX).collect();
            let body = body.await.map_err(|_| FetchError::Body)?.to_bytes();
            String::from_utf8(body.into()).map_err(|_| FetchError::NotText)
        };
        // The connection moves the bytes, and ends with the answer.
        tokio::pin!(connection, answer);
        tokio::select! {
            biased;
            answered = &mut answer => answered,
            ended = &mut connection => match ended {
                Ok(()) => answer.await,
                Err(error) => Err(error.into()),
            },
        }
    }
}

fn connector() -> io::Result<TlsConnector> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let why = found.errors.first().map(ToString::to_string);
        let why = why.unwrap_or_else(|| "there are none".to_owned());
        let text = format!("no root certificate of the system can be used: {why}");
        return Err(io::Error::other(text));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}
