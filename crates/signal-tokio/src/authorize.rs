//! Who decides what a peer may do.

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;

use http::{HeaderMap, Method, Uri};
use signal_core::Grant;

use crate::refusal::Refusal;

/// What is known of a client before it is accepted.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct UpgradeRequest<'a> {
    /// The method; always `GET`.
    pub method: &'a Method,
    /// Path and query as sent.
    pub uri: &'a Uri,
    /// The headers as sent. `Origin`, `Authorization` and `X-Forwarded-For` are whatever the client wrote.
    pub headers: &'a HeaderMap,
    /// The other end of the socket, where it is known: the client, or the proxy before us.
    pub remote: Option<SocketAddr>,
}

/// The answer of an [`Authorizer`], perhaps later.
pub type Authorization<'a> = Pin<Box<dyn Future<Output = Result<Grant, Refusal>> + Send + 'a>>;

/// Judges a client by its upgrade request, before it is accepted.
///
/// It is asked after all cheaper checks have passed, and has what is left of
/// [`handshake_timeout`](crate::Config::handshake_timeout). A closure that needs no `await` is an authorizer as it is:
///
/// ```
/// use signal_tokio::{Config, Grant, Refusal, Relay, UpgradeRequest, http::StatusCode};
///
/// let judge = |request: &UpgradeRequest<'_>| match request.uri.query() {
///     Some("token=open-sesame") => Ok(Grant::open()),
///     _ => Err(Refusal::new(StatusCode::UNAUTHORIZED, "wrong token")),
/// };
/// let relay = Relay::with_authorizer(Config::default(), judge)?;
/// # Ok::<(), signal_tokio::ConfigError>(())
/// ```
pub trait Authorizer: Send + Sync + 'static {
    /// Decides what the client may do, or why it may not come in.
    ///
    /// The expiry of the grant counts in the relay's time, which [`Relay::now`](crate::Relay::now) tells.
    fn authorize<'a>(&'a self, request: &'a UpgradeRequest<'a>) -> Authorization<'a>;
}

impl<F> Authorizer for F
where
    F: Fn(&UpgradeRequest<'_>) -> Result<Grant, Refusal> + Send + Sync + 'static,
{
    fn authorize<'a>(&'a self, request: &'a UpgradeRequest<'a>) -> Authorization<'a> {
        Box::pin(std::future::ready(self(request)))
    }
}

/// Lets everyone in, to every topic.
pub(crate) struct Everyone;

impl Authorizer for Everyone {
    fn authorize<'a>(&'a self, _request: &'a UpgradeRequest<'a>) -> Authorization<'a> {
        Box::pin(std::future::ready(Ok(Grant::open())))
    }
}

impl fmt::Debug for dyn Authorizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authorizer")
    }
}
