//! A certificate that signs itself, in files that go with the value.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use signal_testwire::Folder;
use tokio::net::TcpStream;
use tokio_tungstenite::Connector;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use super::{PATIENCE, Peer};

pub const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[derive(Debug)]
pub struct Certificate {
    pub der: CertificateDer<'static>,
    folder: Folder,
}

impl Certificate {
    /// For localhost, for 90 days and a half.
    pub fn new() -> Self {
        Self::made("localhost", SystemTime::now() + 90 * DAY + DAY / 2)
    }

    pub fn made(host: &str, until: SystemTime) -> Self {
        Self::made_with(host, until, |_| {})
    }

    /// With parameters that are changed.
    pub fn made_with(
        host: &str,
        until: SystemTime,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new([host.to_owned()]).expect("parameters");
        params.not_before = (SystemTime::now() - 100 * DAY).into();
        params.not_after = until.into();
        change(&mut params);
        let certificate = params.self_signed(&key).expect("a certificate");
        let folder = Folder::new("certificate");
        folder.write("certificate.pem", &certificate.pem());
        folder.write("key.pem", &key.serialize_pem());
        Self {
            der: certificate.der().clone(),
            folder,
        }
    }

    pub fn folder(&self) -> PathBuf {
        self.folder.path("").into()
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path("certificate.pem").into()
    }

    pub fn key_path(&self) -> PathBuf {
        self.folder.path("key.pem").into()
    }

    /// Connects by TLS, trusting this certificate alone.
    ///
    /// # Errors
    ///
    /// The server showed another one, or would not upgrade.
    pub async fn connect(&self, port: u16, path: &str) -> Result<Peer, String> {
        let request = format!("wss://localhost:{port}{path}");
        let request = request.into_client_request().expect("a request");
        self.request(port, request).await
    }

    pub async fn request(
        &self,
        port: u16,
        request: tokio_tungstenite::tungstenite::http::Request<()>,
    ) -> Result<Peer, String> {
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone()).expect("a certificate");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        // Not by name: localhost may be ::1 first.
        let stream = TcpStream::connect(("127.0.0.1", port)).await;
        let stream = stream.map_err(|error| error.to_string())?;
        let connector = Connector::Rustls(Arc::new(config));
        let connect =
            tokio_tungstenite::client_async_tls_with_config(request, stream, None, Some(connector));
        let connected = tokio::time::timeout(PATIENCE, connect)
            .await
            .expect("an upgrade in time");
        let (socket, _) = connected.map_err(|error| error.to_string())?;
        Ok(Peer(socket))
    }
}
