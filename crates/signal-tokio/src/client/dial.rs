use std::time::Duration;

#[cfg(feature = "tls")]
use std::sync::Arc;

use http::header::RETRY_AFTER;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use super::end::End;
use super::{ClientConfig, ClientError};

/// The longest `Retry-After` that is honoured; a client that waited hours for a mistyped header
/// would seem broken.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(300);

pub(super) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Checks an address and makes the upgrade request for it.
pub(super) fn check(url: &str, config: &ClientConfig) -> Result<Request, ClientError> {
    let wrong = |cause: String| ClientError::Address {
        // Its text goes where logs go.
        url: signal_access::redact(url).into_owned(),
        cause,
    };
    let mut request = url
        .into_client_request()
        .map_err(|error| wrong(error.to_string()))?;
    match request.uri().scheme_str() {
        Some("ws") => {}
        Some("wss") if cfg!(feature = "tls") => {}
        Some("wss") => {
            return Err(wrong(
                "signal-tokio was built without its feature `tls`".to_owned(),
            ));
        }
        _ => return Err(wrong("it begins with neither ws:// nor wss://".to_owned())),
    }
    if request.uri().host().is_none() {
        return Err(wrong("it names no host".to_owned()));
    }
    for (name, value) in &config.headers {
        request.headers_mut().append(name, value.clone());
    }
    Ok(request)
}

/// Opens a connection, with TLS by the roots of the operating system.
#[cfg(feature = "tls")]
pub(super) async fn open(request: Request, limits: WebSocketConfig) -> Result<Socket, End> {
    use tokio_tungstenite::{Connector, connect_async_tls_with_config};

    let connector = match request.uri().scheme_str() {
        Some("wss") => Connector::Rustls(tls_config().map_err(End::lost)?),
        _ => Connector::Plain,
    };
    let opening = connect_async_tls_with_config(request, Some(limits), true, Some(connector));
    opening
        .await
        .map(|(socket, _response)| socket)
        .map_err(refusal)
}

#[cfg(feature = "tls")]
fn tls_config() -> Result<Arc<rustls::ClientConfig>, String> {
    let mut roots = rustls::RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        return Err(format!(
            "the system has no certificate roots: {:?}",
            found.errors
        ));
    }
    // Named, because a process with two providers has no default.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// Opens a connection.
#[cfg(not(feature = "tls"))]
pub(super) async fn open(request: Request, limits: WebSocketConfig) -> Result<Socket, End> {
    let opening = tokio_tungstenite::connect_async_with_config(request, Some(limits), true);
    opening
        .await
        .map(|(socket, _response)| socket)
        .map_err(refusal)
}

/// What a failed upgrade says.
fn refusal(error: tungstenite::Error) -> End {
    let tungstenite::Error::Http(response) = &error else {
        return End::lost(error);
    };
    let seconds = response
        .headers()
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.parse().ok());
    let body = response.body().as_deref().unwrap_or_default();
    End::Lost {
        cause: format!(
            "the relay refused with {}: {}",
            response.status(),
            String::from_utf8_lossy(body)
        ),
        retry_after: seconds.map(|seconds| Duration::from_secs(seconds).min(RETRY_AFTER_MAX)),
    }
}
