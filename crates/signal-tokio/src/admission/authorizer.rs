//! Who decides what a peer may do.

use std::fmt;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;

use http::{HeaderMap, Method, Uri};
use signal_access::{Judging, Permit, Refusal};
use signal_core::{Grant, Instant};

/// What is known of a client before it is accepted.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct UpgradeRequest<'a> {
    /// The method; always `GET`.
    pub method: &'a Method,
    /// Path and query as sent. The query may hold a token, so it is not for logs.
    pub uri: &'a Uri,
    /// The headers as sent. `Origin`, `Authorization` and `X-Forwarded-For` are whatever the client
    /// wrote.
    pub headers: &'a HeaderMap,
    /// The other end of the socket, where it is known: the client, or the proxy before us.
    pub remote: Option<SocketAddr>,
    /// The client's address, where it is known: the one that all limits per address count by.
    pub client: Option<IpAddr>,
    /// The time as the relay counts it, for the expiry of grants.
    pub now: Instant,
}

/// Leaves out what may hold a secret: the query, and the values of headers.
impl fmt::Debug for UpgradeRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpgradeRequest")
            .field("method", self.method)
            .field("path", &self.uri.path())
            .field("headers", &self.headers.keys().collect::<Vec<_>>())
            .field("remote", &self.remote)
            .field("client", &self.client)
            .field("now", &self.now)
            .finish()
    }
}

/// The answer of an [`Authorizer`], perhaps later.
pub type Authorization<'a> = Pin<Box<dyn Future<Output = Result<Permit, Refusal>> + Send + 'a>>;

/// Judges a client by its upgrade request, before it is accepted.
///
/// It is asked after all cheaper checks have passed, those of the client's address among them, and
/// has what is left of [`handshake_timeout`](crate::Config::handshake_timeout). A closure that
/// needs no `await` is an authorizer as it is, whether it returns a [`Grant`] or a [`Permit`]:
///
/// ```
/// use signal_tokio::{Config, Grant, Refusal, Relay, UpgradeRequest};
///
/// let judge = |request: &UpgradeRequest<'_>| match request.uri.query() {
///     Some("token=open-sesame") => Ok(Grant::open()),
///     _ => Err(Refusal::new(401, "wrong token")),
/// };
/// let relay = Relay::with_authorizer(Config::default(), judge)?;
/// # Ok::<(), signal_tokio::ConfigError>(())
/// ```
///
/// # Cookies
///
/// Browsers send a page's cookies with every WebSocket to their site, whichever page opens it, and
/// the same-origin policy does not apply to WebSockets. So an authorizer that judges by a cookie
/// alone lets any page on the internet in as the user who is logged in (cross-site WebSocket
/// hijacking). Compare `Origin` with a list of your own first, and refuse with 403 what is not on
/// it:
///
/// ```
/// use signal_tokio::{Grant, Refusal, UpgradeRequest};
/// # fn is_logged_in(_cookie: &str) -> bool { true }
///
/// let judge = |request: &UpgradeRequest<'_>| {
///     let header = |name| request.headers.get(name).and_then(|value| value.to_str().ok());
///     if header("origin") != Some("https://app.example.org") {
///         return Err(Refusal::new(403, "pages of this origin may not connect"));
///     }
///     match header("cookie") {
///         Some(cookie) if is_logged_in(cookie) => Ok(Grant::open()),
///         _ => Err(Refusal::new(401, "please log in")),
///     }
/// };
/// # let _: &dyn Fn(&UpgradeRequest<'_>) -> Result<Grant, Refusal> = &judge;
/// ```
pub trait Authorizer: Send + Sync + 'static {
    /// Decides what the client may do, or why it may not come in.
    ///
    /// The expiry of the grant counts in the relay's time, which [`UpgradeRequest::now`] and
    /// [`Relay::now`](crate::Relay::now) give.
    fn authorize<'a>(&'a self, request: &'a UpgradeRequest<'a>) -> Authorization<'a>;

    /// What an answer costs. As long as somebody behind an address behaves, a [`Judging::Cheap`]
    /// authorizer is asked however many bad tokens come from there, so that they do not keep out
    /// the good ones; a [`Judging::Costly`] one, which is the default, only so often.
    ///
    /// A closure is cheap, as it cannot wait.
    fn judging(&self) -> Judging {
        Judging::Costly
    }

    /// Whether it can let anyone in yet, for `/readyz`. One that first has to fetch what it judges
    /// by says no until it has.
    fn is_ready(&self) -> bool {
        true
    }
}

impl<F, P> Authorizer for F
where
    F: Fn(&UpgradeRequest<'_>) -> Result<P, Refusal> + Send + Sync + 'static,
    P: Into<Permit>,
{
    fn authorize<'a>(&'a self, request: &'a UpgradeRequest<'a>) -> Authorization<'a> {
        Box::pin(std::future::ready(self(request).map(Into::into)))
    }

    fn judging(&self) -> Judging {
        Judging::Cheap
    }
}

/// Lets everyone in, to every topic.
pub(crate) struct Everyone;

impl Authorizer for Everyone {
    fn authorize<'a>(&'a self, _request: &'a UpgradeRequest<'a>) -> Authorization<'a> {
        Box::pin(std::future::ready(Ok(Grant::open().into())))
    }

    fn judging(&self) -> Judging {
        Judging::Cheap
    }
}

impl fmt::Debug for dyn Authorizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authorizer")
    }
}
