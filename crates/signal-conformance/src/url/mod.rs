//! A live server by its address.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use async_trait::async_trait;
use thiserror::Error;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::MaybeTlsStream;
use tokio_tungstenite::tungstenite::Error as WebSocketError;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::http::header::{HeaderName, HeaderValue};
use tokio_tungstenite::tungstenite::http::{Response, Uri, uri::PathAndQuery};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use crate::{
    Backend, BackendError, Capability, ConnectError, ConnectOptions, Connection, Declared, Grant,
    HttpRequest, HttpResponse, Issuer, Level,
};

mod http;
mod socket;
#[cfg(feature = "tls")]
mod tls;

/// The largest message read: what y-webrtc's own server relays at most.
const MESSAGE_BYTES_MAX: usize = 128 << 20;

/// What the kernel keeps for a client that does not read. Left to itself it may grow to 32 MiB and
/// more, and a paused client would look like one that reads.
const RECEIVE_BUFFER_BYTES: u32 = 256 << 10;

/// A server at a `ws://` or `wss://` address.
///
/// A close with a code that may not be sent is reported as 1002, as tungstenite does.
///
/// It declares the levels `stock` and `robust`, and no limits; say more with
/// [`declare`](Self::declare) if you know it.
#[derive(Clone, Debug)]
pub struct UrlBackend {
    nodes: Vec<Uri>,
    headers: Vec<(HeaderName, HeaderValue)>,
    declared: Declared,
}

/// An address cannot be used.
#[derive(Clone, Debug, Error)]
#[error("`{url}` is not a WebSocket address: {problem}")]
pub struct UrlError {
    url: String,
    problem: String,
}

impl UrlBackend {
    /// A server at one address, used by nobody else.
    ///
    /// # Errors
    ///
    /// The address is not `ws://host[:port][/path]` or `wss://…`.
    pub fn new(url: &str) -> Result<Self, UrlError> {
        Self::cluster(&[url])
    }

    /// Several nodes of one service.
    ///
    /// # Errors
    ///
    /// One of the addresses is not `ws://host[:port][/path]` or `wss://…`.
    pub fn cluster(urls: &[&str]) -> Result<Self, UrlError> {
        let nodes = urls
            .iter()
            .map(|url| parse(url))
            .collect::<Result<Vec<_>, _>>()?;
        let can = [
            Capability::AnyOrigin,
            Capability::AnyPath,
            Capability::Guests,
            Capability::Http,
            Capability::Pause,
            Capability::Private,
            Capability::RawFrames,
            Capability::StrictFrames,
        ];
        let declared = Declared::new(urls.join(" "))
            .levels([Level::Stock, Level::Robust])
            .capabilities(can)
            .nodes(nodes.len());
        Ok(Self {
            nodes,
            headers: Vec::new(),
            declared,
        })
    }

    /// Says that others use the server too: scenarios with topics of well-known names are left out.
    #[must_use]
    pub fn shared(mut self) -> Self {
        self.declared.capabilities.remove(&Capability::Private);
        self
    }

    /// Lets scenarios wait as long as they must: 30 s and more for each of the level `lifecycle`,
    /// if [`limits`](Declared::limits) says so.
    #[must_use]
    pub fn patient(mut self) -> Self {
        self.declared.capabilities.insert(Capability::Advance);
        self
    }

    /// Says that the server asks for tokens, and who signs them: each connection brings one, and
    /// the level `access` is claimed.
    #[must_use]
    pub fn issuer(self, issuer: Issuer) -> Self {
        self.declare(|declared| {
            declared
                .levels([Level::Access])
                .capabilities([Capability::Grants])
                .issuer(issuer)
        })
    }

    /// Says that the server lets in pages of this origin and no other: the level `access` is
    /// claimed.
    #[must_use]
    pub fn only_origin(self, origin: &str) -> Self {
        self.declare(|declared| declared.levels([Level::Access]).origin(origin))
    }

    /// Sends a header with each upgrade, such as `Origin` or `Authorization`.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Changes what is declared: levels claimed, limits in force.
    #[must_use]
    pub fn declare(mut self, change: impl FnOnce(Declared) -> Declared) -> Self {
        self.declared = change(self.declared);
        self
    }

    /// The levels declared.
    #[must_use]
    pub fn levels(&self) -> &BTreeSet<Level> {
        &self.declared.levels
    }

    async fn dial(&self, node: &Uri) -> io::Result<TcpStream> {
        let host = node.host().unwrap_or_default();
        let port = if is_secure(node) { 443 } else { 80 };
        let port = node.port_u16().unwrap_or(port);
        let stream = connect((host.trim_matches(['[', ']']), port)).await?;
        // Small messages must not wait for each other.
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    async fn open(&self, node: &Uri) -> Result<MaybeTlsStream<TcpStream>, String> {
        let stream = self.dial(node).await.map_err(|error| error.to_string())?;
        if !is_secure(node) {
            return Ok(MaybeTlsStream::Plain(stream));
        }
        #[cfg(feature = "tls")]
        return tls::connect(node.host().unwrap_or_default(), stream).await;
        #[cfg(not(feature = "tls"))]
        return Err("this build has no TLS; the feature `tls` adds it".to_owned());
    }

    /// Adds a right token, if the server asks for one.
    fn with_token(&self, path: &str, grant: Option<&Grant>) -> String {
        let issuer = self.declared.issuer.as_ref();
        let token = issuer.map(|issuer| issuer.token(grant, self.unix_now()));
        with_query(path, token.map(|token| format!("token={token}")).as_deref())
    }

    fn request(&self, node: &Uri, options: &ConnectOptions) -> Result<Request, String> {
        let mut uri = node.clone().into_parts();
        let own = node.path_and_query().map_or("/", PathAndQuery::as_str);
        let mut path = match &options.path {
            Some(path) => with_query(path, node.query()),
            None => own.to_owned(),
        };
        path = with_query(&path, options.query.as_deref());
        if !options.bare {
            path = self.with_token(&path, options.grant.as_ref());
        }
        let path = path.parse::<PathAndQuery>();
        uri.path_and_query = Some(path.map_err(|error| error.to_string())?);
        let uri = Uri::from_parts(uri).map_err(|error| error.to_string())?;
        let mut request = uri
            .into_client_request()
            .map_err(|error| error.to_string())?;
        let headers = request.headers_mut();
        headers.extend(self.headers.iter().cloned());
        for (name, value) in &options.headers {
            let name: HeaderName = name.parse().map_err(|_| "no header name")?;
            headers.append(name, value.parse().map_err(|_| "no header value")?);
        }
        if let Some(origin) = &options.origin {
            headers.insert(
                "origin",
                origin
                    .parse()
                    .map_err(|_| "the origin is not a header value")?,
            );
        }
        if !options.protocols.is_empty() {
            let protocols = options.protocols.join(", ");
            headers.insert(
                "sec-websocket-protocol",
                protocols.parse().map_err(|_| "no header value")?,
            );
        }
        Ok(request)
    }
}

#[async_trait]
impl Backend for UrlBackend {
    fn declared(&self) -> Declared {
        self.declared.clone()
    }

    async fn connect(&self, options: ConnectOptions) -> Result<Box<dyn Connection>, ConnectError> {
        let node = self
            .nodes
            .get(options.node)
            .ok_or_else(|| ConnectError::Failed("no such node".to_owned()))?;
        let request = self.request(node, &options).map_err(ConnectError::Failed)?;
        let stream = self.open(node).await.map_err(ConnectError::Failed)?;
        let config = WebSocketConfig::default()
            .read_buffer_size(16 << 10)
            .max_message_size(Some(MESSAGE_BYTES_MAX))
            .max_frame_size(Some(MESSAGE_BYTES_MAX));
        match tokio_tungstenite::client_async_with_config(request, stream, Some(config)).await {
            Ok((socket, response)) => {
                let selected = response.headers().get("sec-websocket-protocol");
                let selected = selected.map(text);
                Ok(Box::new(socket::Socket::start(socket, selected)))
            }
            Err(WebSocketError::Http(response)) => Err(ConnectError::Refused(told(*response))),
            Err(error) => Err(ConnectError::Failed(error.to_string())),
        }
    }

    async fn advance(&self, time: Duration) -> Result<(), BackendError> {
        tokio::time::sleep(time).await;
        Ok(())
    }

    async fn guest(&self, bytes: &[u8]) -> Result<Box<dyn Send>, BackendError> {
        let cannot = |error: io::Error| BackendError::new(error.to_string());
        let mut stream = self.dial(&self.nodes[0]).await.map_err(cannot)?;
        stream.write_all(bytes).await.map_err(cannot)?;
        Ok(Box::new(stream))
    }

    async fn http(&self, mut request: HttpRequest) -> Result<HttpResponse, BackendError> {
        let node = &self.nodes[0];
        request.path = match request.path.as_str() {
            "" => node
                .path_and_query()
                .map_or("/", PathAndQuery::as_str)
                .to_owned(),
            path => with_query(path, node.query()),
        };
        request.path = self.with_token(&request.path, None);
        let own = self
            .headers
            .iter()
            .filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())));
        request.headers.extend(own);
        let stream = self.open(node).await.map_err(BackendError::new)?;
        let host = node.authority().map_or("", |authority| authority.as_str());
        http::exchange(stream, host, &request)
            .await
            .map_err(BackendError::new)
    }
}

/// What a server answered instead of the upgrade, as far as it came with the head.
fn told(response: Response<Option<Vec<u8>>>) -> HttpResponse {
    let (head, body) = response.into_parts();
    let answer = HttpResponse::new(head.status.as_u16(), body.unwrap_or_default());
    let headers = head.headers.iter();
    headers.fold(answer, |answer, (name, value)| {
        answer.header(name.as_str(), text(value))
    })
}

fn text(value: &HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).into_owned()
}

/// Adds to the query of a path, such as that of the backend's own address, which may hold a token.
fn with_query(path: &str, query: Option<&str>) -> String {
    match query {
        Some(query) if path.contains('?') => format!("{path}&{query}"),
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    }
}

fn is_secure(node: &Uri) -> bool {
    node.scheme_str() == Some("wss")
}

/// Connects with a receive buffer of a fixed size.
async fn connect(address: (&str, u16)) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    for address in tokio::net::lookup_host(address).await? {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES)?;
        match socket.connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn parse(url: &str) -> Result<Uri, UrlError> {
    let error = |problem: &str| UrlError {
        url: url.to_owned(),
        problem: problem.to_owned(),
    };
    let uri: Uri = url
        .parse()
        .map_err(|problem| error(&format!("{problem}")))?;
    match uri.scheme_str() {
        Some("ws" | "wss") if uri.host().is_some() => match wrong_port(&uri) {
            Some(port) => Err(error(&format!("{port} is not a port"))),
            None => Ok(uri),
        },
        _ => Err(error("it must begin with ws:// or wss:// and name a host")),
    }
}

/// What stands in the place of the port and is not one: `Uri` takes it, and has no port then.
fn wrong_port(uri: &Uri) -> Option<&str> {
    let authority = uri.authority()?.as_str();
    let behind_brackets = authority
        .rsplit_once(']')
        .map_or(authority, |(_, rest)| rest);
    let (_, port) = behind_brackets.rsplit_once(':')?;
    let is_port = uri.port_u16().is_some_and(|port| port > 0);
    (!is_port && !port.is_empty()).then_some(port)
}
