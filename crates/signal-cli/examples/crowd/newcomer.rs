//! Newcomers, on a thread of their own so that the crowd does not delay them here.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use signal_testwire::UPGRADE;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpSocket;
use tokio_rustls::TlsConnector;

use super::Error;
use super::waits::Waits;

/// Newcomers each second.
const PER_SECOND: u32 = 25;
/// A newcomer without a 101 by then has failed.
const PATIENCE: Duration = Duration::from_secs(10);
/// The crowd is there by then.
const WARM_UP: Duration = Duration::from_secs(4);

/// How newcomers speak TLS.
#[derive(Clone)]
pub(super) struct Tls(TlsConnector);

impl Tls {
    /// With trust in the certificates of a file.
    pub(super) fn trusting(file: &str) -> Result<Self, Error> {
        let mut roots = rustls::RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(file)? {
            roots.add(certificate?)?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self(Arc::new(config).into()))
    }
}

/// The thread of the newcomers.
pub(super) struct Newcomers(JoinHandle<Waits>);

impl Newcomers {
    pub(super) fn start(
        address: SocketAddr,
        tls: Option<Tls>,
        is_over: Arc<AtomicBool>,
    ) -> Result<Self, Error> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let all = move || runtime.block_on(come(address, tls, &is_over));
        Ok(Self(std::thread::spawn(all)))
    }

    pub(super) fn join(self) -> Result<Waits, Error> {
        self.0.join().map_err(|_| "the newcomers panicked".into())
    }
}

async fn come(address: SocketAddr, tls: Option<Tls>, is_over: &AtomicBool) -> Waits {
    tokio::time::sleep(WARM_UP).await;
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / PER_SECOND);
    let mut all = tokio::task::JoinSet::new();
    let mut number = 0;
    while !is_over.load(Ordering::Relaxed) {
        ticks.tick().await;
        number += 1;
        let tls = tls.clone();
        all.spawn(async move {
            let start = Instant::now();
            match tokio::time::timeout(PATIENCE, one(address, number, tls)).await {
                Ok(Ok(())) => Some(start.elapsed()),
                Ok(Err(_)) | Err(_) => None,
            }
        });
    }
    let ended = all.join_all().await;
    let waits: Vec<Duration> = ended.iter().copied().flatten().collect();
    let failures = ended.len() - waits.len();
    Waits::new(waits, failures)
}

/// One newcomer, from an address that nobody else has.
async fn one(address: SocketAddr, number: u32, tls: Option<Tls>) -> Result<(), Error> {
    let [_, _, high, low] = number.to_be_bytes();
    let socket = TcpSocket::new_v4()?;
    socket.bind(([127, 2, high, low], 0).into())?;
    let stream = socket.connect(address).await?;
    match tls {
        None => upgrade(stream).await,
        Some(Tls(connector)) => {
            let name = ServerName::try_from("localhost")?;
            upgrade(connector.connect(name, stream).await?).await
        }
    }
}

async fn upgrade(mut io: impl AsyncRead + AsyncWrite + Unpin) -> Result<(), Error> {
    io.write_all(UPGRADE.as_bytes()).await?;
    let mut answer = [0; 12];
    io.read_exact(&mut answer).await?;
    if &answer == b"HTTP/1.1 101" {
        Ok(())
    } else {
        Err("not upgraded".into())
    }
}
