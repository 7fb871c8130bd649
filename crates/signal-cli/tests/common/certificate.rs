//! A certificate that signs itself, in files that go with the value.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_tungstenite::Connector;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use super::{PATIENCE, Peer};

pub const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[derive(Debug)]
pub struct Certificate {
    pub der: CertificateDer<'static>,
    folder: PathBuf,
}

impl Certificate {
    /// For localhost, for 90 days and a half.
    pub fn new() -> Self {
        Self::made("localhost", SystemTime::now() + 90 * DAY + DAY / 2)
    }

    pub fn made(host: &str, until: SystemTime) -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("signal-certificate-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).expect("a folder can be made");

        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new([host.to_owned()]).expect("parameters");
        params.not_before = (SystemTime::now() - 100 * DAY).into();
        params.not_after = until.into();
        let certificate = params.self_signed(&key).expect("a certificate");
        let made = Self {
            der: certificate.der().clone(),
            folder,
        };
        std::fs::write(made.path(), certificate.pem()).expect("a file can be written");
        std::fs::write(made.key_path(), key.serialize_pem()).expect("a file can be written");
        made
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub fn path(&self) -> PathBuf {
        self.folder.join("certificate.pem")
    }

    pub fn key_path(&self) -> PathBuf {
        self.folder.join("key.pem")
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

impl Drop for Certificate {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
