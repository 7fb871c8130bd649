//! The way to a server: look-up, TCP, TLS, upgrade.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::check::answer::upgrade;
use crate::check::recorder::{Done, Recorder, Stop, Work};
use crate::check::report::Problem;
use crate::check::stream::{Credentials, Socket, Stream};
use crate::check::target::Target;
use crate::check::way::Way;
use crate::check::{certificate, explain};
use crate::{any_certificate, show};

/// A certificate that is valid for fewer days is worth a warning: the usual ones are renewed at 30.
const CERTIFICATE_DAYS_MIN: i64 = 14;
/// How long one of several addresses is tried.
const ATTEMPT: Duration = Duration::from_secs(2);

/// Connects as the first client, each part a step of its own.
pub(crate) async fn in_steps(
    target: &Target,
    way: &Way,
    credentials: &Credentials,
    recorder: &mut Recorder,
) -> Result<(Socket, SocketAddr), Stop> {
    let first = way.proxy.as_ref().map_or(target, |proxy| &proxy.target);
    let addresses = recorder.step("resolve", resolve(first)).await?;
    let (stream, address) = recorder.step("tcp", reach(target, way, &addresses)).await?;
    let stream = if target.secure {
        recorder.step("tls", tls(target, way, stream)).await?
    } else {
        recorder.skip("tls", "not asked for by ws://");
        stream
    };
    let socket = recorder
        .step("upgrade", upgrade(target, credentials, stream))
        .await?;
    Ok((socket, address))
}

/// Connects as a further client, to the same address.
pub(crate) async fn at_once(
    target: &Target,
    way: &Way,
    credentials: &Credentials,
    address: SocketAddr,
) -> Work<Socket> {
    let stream = again(target, way, address).await?;
    let socket = upgrade(target, credentials, stream).await?.into_value();
    Ok(Done::new(socket, "connected"))
}

/// A further connection to the same address.
pub(crate) async fn again(
    target: &Target,
    way: &Way,
    address: SocketAddr,
) -> Result<Stream, Problem> {
    let (stream, _) = reach(target, way, &[address]).await?.into_value();
    if !target.secure {
        return Ok(stream);
    }
    Ok(tls(target, way, stream).await?.into_value())
}

/// A connection for a plain HTTP request.
pub(crate) async fn plain(target: &Target) -> Option<Stream> {
    let way = Way::default();
    let addresses = resolve(target).await.ok()?.into_value();
    let (stream, _) = reach(target, &way, &addresses).await.ok()?.into_value();
    if !target.secure {
        return Some(stream);
    }
    Some(tls(target, &way, stream).await.ok()?.into_value())
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

/// Connects to the target, or to the proxy before it and through that. Returns the address too, for
/// further clients.
async fn reach(target: &Target, way: &Way, addresses: &[SocketAddr]) -> Work<(Stream, SocketAddr)> {
    let Some(proxy) = &way.proxy else {
        let done = tcp(target, addresses).await?;
        let address = peer(done.value())?;
        return Ok(done.map(|tcp| (Box::new(tcp) as Stream, address)));
    };
    let tcp = tcp(&proxy.target, addresses).await;
    let (name, variable) = (proxy.name(), proxy.variable);
    let tcp = tcp.map_err(|problem| {
        let what = format!("the proxy {name}: {}", problem.what);
        let fix =
            format!("it is named in {variable}: is it running there, and reachable from here?");
        Problem::new(what, fix)
    });
    let tcp = tcp?.into_value();
    let address = peer(&tcp)?;
    let mut stream: Stream = Box::new(tcp);
    if proxy.target.secure {
        stream = tls(&proxy.target, &Way::default(), stream)
            .await?
            .into_value();
    }
    let stream = proxy.connect(target, stream).await?;
    let detail = format!("through the proxy {name}, from {variable}");
    Ok(Done::new((stream, address), detail))
}

fn peer(tcp: &TcpStream) -> Result<SocketAddr, Problem> {
    let fix = "did the server, or a proxy in between, end? look into their logs";
    tcp.peer_addr()
        .map_err(|error| Problem::new(format!("the connection ended at once: {error}"), fix))
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

async fn tls(target: &Target, way: &Way, stream: Stream) -> Work<Stream> {
    let name = ServerName::try_from(target.host.clone()).map_err(|_| {
        let what = format!("{} cannot be the name in a certificate", target.host);
        Problem::new(what, "use the host name that the certificate is for")
    })?;
    let connector = TlsConnector::from(Arc::new(client_config(way)?));
    let stream = connector
        .connect(name, stream)
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
    let unchecked = way.is_insecure.then(|| {
        Problem::new(
            "the certificate was not checked, because of --insecure",
            "browsers will check it: see whether this passes without --insecure, or with --ca FILE",
        )
    });
    let soon = days.filter(|days| *days < CERTIFICATE_DAYS_MIN);
    let warning = soon.map(|days| {
        let when = match days {
            ..=-1 => "has expired".to_owned(),
            0 => "expires today".to_owned(),
            1 => "expires in 1 day".to_owned(),
            days => format!("expires in {days} days"),
        };
        Problem::new(
            format!("the certificate {when}"),
            "renew it, and see why that was not done by itself",
        )
    });
    let stream: Stream = Box::new(stream);
    Ok(Done::new(stream, detail)
        .warn_if(unchecked)
        .warn_if(warning))
}

/// TLS as browsers have it, with the authorities that this machine trusts, and that of `--ca`.
fn client_config(way: &Way) -> Result<ClientConfig, Problem> {
    if way.is_insecure {
        return any_certificate::client_config()
            .map_err(|error| Problem::new(error.to_string(), "please report this"));
    }
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if let Some(file) = &way.ca {
        add_from(file, &mut roots)?;
    }
    if roots.is_empty() {
        return Err(Problem::new(
            "this machine has no list of certificate authorities",
            "install one (Debian: apt-get install ca-certificates), or name a file in --ca or SSL_CERT_FILE",
        ));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Problem::new(error.to_string(), "please report this"))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

/// Adds the certificates of a file in PEM.
fn add_from(file: &Path, roots: &mut RootCertStore) -> Result<(), Problem> {
    let unfit = |problem: String| {
        let what = format!(
            "the file of --ca, {}, cannot be used: {problem}",
            file.display()
        );
        Problem::new(
            what,
            "name a file in PEM with the certificate of the authority, or the server's own if it signs itself",
        )
    };
    let certificates =
        CertificateDer::pem_file_iter(file).map_err(|error| unfit(error.to_string()))?;
    let mut count = 0;
    for certificate in certificates {
        let certificate = certificate.map_err(|error| unfit(error.to_string()))?;
        roots
            .add(certificate)
            .map_err(|error| unfit(error.to_string()))?;
        count += 1;
    }
    match count {
        0 => Err(unfit("there is no certificate in it".to_owned())),
        _ => Ok(()),
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
