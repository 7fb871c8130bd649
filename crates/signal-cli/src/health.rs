//! `signal check --health`: whether the relay of this container or machine turns.
//!
//! By the settings of that relay, so that one health check holds for every configuration: it asks
//! where the relay listens, by TLS if it has a certificate, for a page that needs no token and is
//! answered by a full relay and a draining one too. To end those would cost every peer its
//! connection.

#[cfg(target_os = "linux")]
mod process;

use std::fmt::Write as _;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use signal_tokio::Listen;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::any_certificate;
use crate::check::Outcome;
use crate::failure::Failure;
use crate::settings::{Environment, Given, Settings, resolve};

/// Docker knows 0 and 1 alone.
const HEALTHY: u8 = 0;
const UNHEALTHY: u8 = 1;

const REQUEST: &str = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/// What a proxy sends for a connection of its own, if it has to name its clients.
const PROXY: &[u8] = b"PROXY UNKNOWN\r\n";

/// The first line of an answer and no more.
const LINE_BYTES_MAX: u64 = 256;

/// Asks the relay, which may take this long in all.
///
/// # Errors
///
/// Only if nothing could be asked at all.
pub(crate) fn run(timeout: Duration) -> Result<Outcome, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime
        .map_err(|error| Failure::other(error, "this should not happen, please report it"))?;
    let (given, environment) = relays_own().unwrap_or((Given::default(), Environment::read()));
    let resolved = match resolve(&given, &environment) {
        Ok(resolved) => resolved,
        Err(mistakes) => {
            let mut text = "unhealthy: no relay runs with these settings\n".to_owned();
            for mistake in mistakes {
                // Writing to a String cannot fail.
                let _ = writeln!(text, "{mistake}");
            }
            return Ok(outcome(text, UNHEALTHY));
        }
    };
    let settings = &resolved.settings;
    let start = Instant::now();
    let asked = runtime.block_on(async {
        let asked = tokio::time::timeout(timeout, ask(settings)).await;
        asked.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    });
    let (address, took) = (&settings.listen, start.elapsed());
    Ok(match asked {
        Ok(status) if status.contains(" 200 ") => outcome(
            format!("healthy: {address} answered in {took:.1?}\n"),
            HEALTHY,
        ),
        Ok(status) => outcome(
            format!("unhealthy: {address} answered {status:?}\n"),
            UNHEALTHY,
        ),
        Err(error) => outcome(
            format!("unhealthy: {address} did not answer in {took:.1?}: {error}\n"),
            UNHEALTHY,
        ),
    })
}

fn outcome(text: String, exit_code: u8) -> Outcome {
    Outcome { text, exit_code }
}

/// What the relay that runs here was started with, as far as the system shows it.
#[cfg(target_os = "linux")]
fn relays_own() -> Option<(Given, Environment)> {
    process::settings()
}

#[cfg(not(target_os = "linux"))]
fn relays_own() -> Option<(Given, Environment)> {
    None
}

/// The first line of the answer.
async fn ask(settings: &Settings) -> io::Result<String> {
    let both = [
        IpAddr::from(Ipv4Addr::LOCALHOST),
        Ipv6Addr::LOCALHOST.into(),
    ];
    match &settings.listen {
        #[cfg(unix)]
        Listen::Unix { path, .. } => {
            let stream = tokio::net::UnixStream::connect(path).await?;
            ask_by(settings, stream, None).await
        }
        // By IPv4 too, where it is for both.
        Listen::Localhost(port) | Listen::Everywhere(port) => {
            let addresses = both.map(|ip| (ip, *port).into());
            ask_by_tcp(settings, &addresses).await
        }
        Listen::Address(address) => {
            let ip = match address.ip() {
                IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
                IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
                ip @ (IpAddr::V4(_) | IpAddr::V6(_)) => ip,
            };
            ask_by_tcp(settings, &[(ip, address.port()).into()]).await
        }
    }
}

async fn ask_by_tcp(settings: &Settings, addresses: &[SocketAddr]) -> io::Result<String> {
    let stream = TcpStream::connect(addresses).await?;
    let from = stream.local_addr()?.ip();
    ask_by(settings, stream, Some(from)).await
}

async fn ask_by(
    settings: &Settings,
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    from: Option<IpAddr>,
) -> io::Result<String> {
    // At a Unix socket everybody is a proxy.
    let is_proxy = from.is_none_or(|ip| settings.relay.trusted_proxies.contains(ip));
    if settings.relay.proxy_protocol && is_proxy {
        stream.write_all(PROXY).await?;
    }
    if settings.tls_cert.is_none() {
        return exchange(stream).await;
    }
    let name = ServerName::from(IpAddr::from(Ipv4Addr::LOCALHOST));
    // Its certificate is for the name by which others know it, and one that has expired is not
    // fixed by a restart.
    let connector = TlsConnector::from(Arc::new(any_certificate::client_config()?));
    exchange(connector.connect(name, stream).await?).await
}

async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<String> {
    stream.write_all(REQUEST.as_bytes()).await?;
    stream.flush().await?;
    let mut line = String::new();
    let mut reader = BufReader::new(tokio::io::AsyncReadExt::take(stream, LINE_BYTES_MAX));
    reader.read_line(&mut line).await?;
    Ok(line.trim_end().to_owned())
}
