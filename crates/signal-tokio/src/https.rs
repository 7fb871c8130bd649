//! One request to a server that the operator names.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{HOST, USER_AGENT};
use http::request::Builder;
use http::{Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use signal_access::JwksUrl;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

pub use self::tls_fault::TlsFault;

mod tls_fault;

/// Why there is no answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum HttpsError {
    /// There is no connection.
    #[error("it cannot be connected to: {0}")]
    Connect(io::Error),
    /// The connection is not secure.
    #[error("there is no TLS with it: {0}")]
    Tls(TlsFault),
    /// What it says is not HTTP.
    #[error("it does not speak HTTP: {0}")]
    Http(#[from] hyper::Error),
    /// It sends somewhere else.
    #[error(
        "it answers with a redirect ({0}), which is not followed; name the address it leads to"
    )]
    Redirect(StatusCode),
    /// It refuses, or fails.
    #[error("it answers with {0}")]
    Status(StatusCode),
    /// The body is too long, or has no end.
    #[error("its answer is longer than {} KiB, or broke off", .0 / 1_024)]
    Body(usize),
}

/// Sends requests to one address, each over a connection of its own.
#[derive(Clone)]
pub struct HttpsClient {
    url: JwksUrl,
    tls: Option<TlsConnector>,
}

impl HttpsClient {
    /// A client for an address.
    ///
    /// # Errors
    ///
    /// The root certificates of the system cannot be read, which an address of `https` needs.
    pub fn new(url: JwksUrl) -> io::Result<Self> {
        let tls = url.is_secure().then(connector).transpose()?;
        Ok(Self { url, tls })
    }

    /// The address.
    pub fn url(&self) -> &JwksUrl {
        &self.url
    }

    /// Sends a request, and returns the answer if it is one of success. A redirect is not followed:
    /// it could lead anywhere, also to where only this machine gets.
    ///
    /// # Errors
    ///
    /// There is no such answer, or its body is longer than `bytes_max`.
    pub async fn send(
        &self,
        request: Builder,
        body: Bytes,
        bytes_max: usize,
    ) -> Result<Bytes, HttpsError> {
        let address = (self.url.host(), self.url.port());
        let stream = TcpStream::connect(address).await;
        let stream = stream.map_err(HttpsError::Connect)?;
        let _ = stream.set_nodelay(true);
        let Some(tls) = &self.tls else {
            return self.ask(stream, request, body, bytes_max).await;
        };
        let name = ServerName::try_from(self.url.host().to_owned())
            .map_err(|error| HttpsError::Tls(TlsFault::Other(error.to_string())))?;
        let stream = tls.connect(name, stream).await;
        let stream = stream.map_err(|error| HttpsError::Tls(TlsFault::of(&error)))?;
        self.ask(stream, request, body, bytes_max).await
    }

    async fn ask(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin,
        request: Builder,
        body: Bytes,
        bytes_max: usize,
    ) -> Result<Bytes, HttpsError> {
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let answer = async {
            let request = request
                .uri(self.url.target())
                .header(HOST, self.url.authority())
                .header(USER_AGENT, concat!("signal/", env!("CARGO_PKG_VERSION")))
                .body(Full::new(body))
                .expect("the address was parsed");
            let answer: Response<_> = sender.send_request(request).await?;
            match answer.status() {
                status if status.is_success() => {}
                status if status.is_redirection() => return Err(HttpsError::Redirect(status)),
                status => return Err(HttpsError::Status(status)),
            }
            let body = Limited::new(answer.into_body(), bytes_max).collect();
            Ok(body
                .await
                .map_err(|_| HttpsError::Body(bytes_max))?
                .to_bytes())
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

impl std::fmt::Debug for HttpsClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpsClient")
            .field("host", &self.url.host())
            .finish_non_exhaustive()
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
