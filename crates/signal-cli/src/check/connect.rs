//! The way to a server: look-up, TCP, TLS, upgrade.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http::header::{HeaderName, HeaderValue, ORIGIN};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error as SocketError, protocol::WebSocketConfig};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::check::recorder::{Done, Recorder, Stop, Work};
use crate::check::report::Problem;
use crate::check::target::Target;
use crate::check::{certificate, explain};
use crate::show;

/// A certificate that is valid for fewer days is worth a warning: the usual ones are renewed at 30.
const CERTIFICATE_DAYS_MIN: i64 = 14;
/// How long one of several addresses is tried.
const ATTEMPT: Duration = Duration::from_secs(2);
/// More than any message of a check, and not so much that a hostile server could fill the memory.
const MESSAGE_BYTES_MAX: usize = 1024 * 1024;

pub(crate) type Stream = MaybeTlsStream<TcpStream>;
pub(crate) type Socket = WebSocketStream<Stream>;

/// What to send with the upgrade.
#[derive(Clone, Debug, Default)]
pub(crate) struct Credentials {
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) origin: Option<HeaderValue>,
}

/// Connects as the first client, each part a step of its own.
pub(crate) async fn in_steps(
    target: &Target,
    credentials: &Credentials,
    recorder: &mut Recorder,
) -> Result<(Socket, SocketAddr), Stop> {
    let addresses = recorder.step("resolve", resolve(target)).await?;
    let tcp = recorder.step("tcp", tcp(target, &addresses)).await?;
    let address = tcp.peer_addr().map_err(|_| Stop)?;
    let stream = if target.secure {
        recorder.step("tls", tls(target, tcp)).await?
    } else {
        recorder.skip("tls", "not asked for by ws://");
        MaybeTlsStream::Plain(tcp)
    };
    let socket = recorder
        .step("upgrade", upgrade(target, credentials, stream))
        .await?;
    Ok((socket, address))
}

/// Connects as a further client, to the same address.
pub(crate) async fn at_once(
    target: &Target,
    credentials: &Credentials,
    address: SocketAddr,
) -> Work<Socket> {
    let tcp = tcp(target, &[address]).await?.into_value();
    let stream = if target.secure {
        tls(target, tcp).await?.into_value()
    } else {
        MaybeTlsStream::Plain(tcp)
    };
    let socket = upgrade(target, credentials, stream).await?.into_value();
    Ok(Done::new(socket, "connected"))
}

/// A connection for a plain HTTP request.
pub(crate) async fn plain(target: &Target) -> Option<Stream> {
    let addresses = resolve(target).await.ok()?.into_value();
    let tcp = tcp(target, &addresses).await.ok()?.into_value();
    if !target.secure {
        return Some(MaybeTlsStream::Plain(tcp));
    }
    Some(tls(target, tcp).await.ok()?.into_value())
}

async fn resolve(target: &Target) -> Work<Vec<SocketAddr>> {
    if let Ok(ip) = target.host.parse::<IpAddr>() {
        return Ok(Done::new(
            vec![(ip, target.port).into()],
            "an address, nothing to look up",
        ));
    }
    let found = tokio::net::lookup_host((target.host.as_str(), target.port)).await;
    let found: Vec<_> = found
        .map_err(|error| explain::name_not_found(target, &error))?
        .collect();
    let Some(first) = found.first() else {
        return Err(explain::no_addresses(target));
    };
    let others = match found.len() - 1 {
        0 => String::new(),
        others => format!(" and {}", show::count(others, "other")),
    };
    let detail = format!("{}{others}", first.ip());
    Ok(Done::new(found, detail))
}

/// Takes the first address that answers.
async fn tcp(target: &Target, addresses: &[SocketAddr]) -> Work<TcpStream> {
    let mut first_problem = None;
    for (index, &address) in addresses.iter().enumerate() {
        let is_last = index + 1 == addresses.len();
        match attempt(target, address, is_last).await {
            Ok(stream) => {
                // Without this the times of small messages would be the kernel's, not the server's.
                let _ = stream.set_nodelay(true);
                // `localhost` has an IPv6 address, too, on which few listen; every client tries
                // both.
                let problem = first_problem.filter(|_| !target.is_loopback());
                let warning = problem.map(|problem: Problem| {
                    let fix = "remove the address from the DNS records, or make it work";
                    Problem::new(format!("but {}", problem.what), fix)
                });
                return Ok(Done::new(stream, address.to_string()).warn_if(warning));
            }
            Err(problem) => {
                first_problem.get_or_insert(problem);
            }
        }
    }
    Err(first_problem.unwrap_or_else(|| explain::no_addresses(target)))
}

/// Tries one address; if there are others, not for long.
async fn attempt(
    target: &Target,
    address: SocketAddr,
    is_last: bool,
) -> Result<TcpStream, Problem> {
    let connect = TcpStream::connect(address);
    let connected = if is_last {
        connect.await
    } else {
        let limited = tokio::time::timeout(ATTEMPT, connect).await;
        limited.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()))
    };
    connected.map_err(|error| explain::tcp(target, address, &error))
}

async fn tls(target: &Target, tcp: TcpStream) -> Work<Stream> {
    let name = ServerName::try_from(target.host.clone()).map_err(|_| {
        let what = format!("{} cannot be the name in a certificate", target.host);
        Problem::new(what, "use the host name that the certificate is for")
    })?;
    let connector = TlsConnector::from(Arc::new(client_config()?));
    let stream = connector
        .connect(name, tcp)
        .await
        .map_err(|error| explain::tls(target, &error))?;
    let (_, session) = stream.get_ref();
    let version = match session.protocol_version() {
        Some(rustls::ProtocolVersion::TLSv1_3) => "TLS 1.3",
        _ => "TLS 1.2",
    };
    let certificate = session.peer_certificates().and_then(|chain| chain.first());
    let days = certificate.and_then(|certificate| certificate::days_left(certificate));
    let detail = match days {
        Some(days) => format!("{version}, certificate valid for {days} days"),
        None => version.to_owned(),
    };
    let warning = days.filter(|days| *days < CERTIFICATE_DAYS_MIN).map(|_| {
        Problem::new(
            "the certificate runs out soon",
            "renew it, and see why that was not done by itself",
        )
    });
    Ok(Done::new(MaybeTlsStream::Rustls(stream), detail).warn_if(warning))
}

/// TLS as browsers have it, with the authorities that this machine trusts.
fn client_config() -> Result<ClientConfig, Problem> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        return Err(Problem::new(
            "this machine has no list of certificate authorities",
            "install one (Debian: apt-get install ca-certificates), or name a file in SSL_CERT_FILE",
        ));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Problem::new(error.to_string(), "please report this"))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

async fn upgrade(target: &Target, credentials: &Credentials, stream: Stream) -> Work<Socket> {
    let mut request = target
        .url()
        .into_client_request()
        .map_err(|error| Problem::new(error.to_string(), "check the address"))?;
    if let Some(origin) = &credentials.origin {
        request.headers_mut().insert(ORIGIN, origin.clone());
    }
    for (name, value) in &credentials.headers {
        request.headers_mut().append(name, value.clone());
    }
    let config = WebSocketConfig::default()
        .max_message_size(Some(MESSAGE_BYTES_MAX))
        .max_frame_size(Some(MESSAGE_BYTES_MAX));
    match tokio_tungstenite::client_async_with_config(request, stream, Some(config)).await {
        Ok((socket, _)) => Ok(Done::new(socket, "HTTP 101, a WebSocket")),
        Err(SocketError::Http(response)) => Err(explain::refused(target, &response)),
        Err(error) => Err(explain::not_http(target, &error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_that_does_not_work_is_a_warning_except_for_localhost() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a free port");
        let works = listener.local_addr().expect("bound");
        let dead = std::net::TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr());
        let addresses = [dead.expect("a port that was free"), works];
        for (url, warns) in [("ws://example.org", true), ("ws://localhost", false)] {
            let target: Target = url.parse().expect("an address");
            let done = tcp(&target, &addresses)
                .await
                .expect("the second address works");
            assert_eq!(
                format!("{done:?}").contains("connection refused"),
                warns,
                "{done:?}"
            );
        }
    }
}
