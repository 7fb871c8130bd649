//! The certificate of `wss://`: read, checked, and exchanged while connections go on.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::{CertifiedKey, SigningKey};
use rustls::{Error, InconsistentKeys, ServerConfig};

use crate::check::certificate;
use crate::failure::Failure;
use crate::serve::pem;
use crate::settings::{Mistake, Resolved};
use crate::text_file;

/// The one protocol that can be upgraded to a WebSocket here.
const PROTOCOL: &[u8] = b"http/1.1";
/// From when on a certificate that runs out is worth a warning. Certificates of 90 days are renewed
/// with 30 left.
const DAYS_FEW: i64 = 14;

const CERTIFICATE: &str = "tls_cert";
const KEY: &str = "tls_key";

/// The certificate in use, and where it comes from.
#[derive(Debug)]
pub(crate) struct Tls {
    certificate: File,
    key: File,
    shown: Arc<Shown>,
}

/// A file that a setting names.
#[derive(Clone, Debug)]
struct File {
    setting: &'static str,
    path: PathBuf,
    resolved: Arc<Resolved>,
}

/// What new connections are shown.
#[derive(Debug)]
pub(crate) struct Shown(RwLock<Arc<CertifiedKey>>);

impl Tls {
    /// Reads the certificate, if the settings name one.
    ///
    /// # Errors
    ///
    /// It cannot be used; the mistake names the file, the line where there is one, and the fix.
    pub(crate) fn load(resolved: &Arc<Resolved>) -> Result<Option<Self>, Mistake> {
        let file = |setting, path: &Option<PathBuf>| {
            path.clone().map(|path| File {
                setting,
                path,
                resolved: Arc::clone(resolved),
            })
        };
        let settings = &resolved.settings;
        let pair = (
            file(CERTIFICATE, &settings.tls_cert),
            file(KEY, &settings.tls_key),
        );
        let (certificate, key) = match pair {
            (Some(certificate), Some(key)) => (certificate, key),
            (None, None) => return Ok(None),
            (Some(alone), None) => return Err(alone.without(KEY, "the private key")),
            (None, Some(alone)) => return Err(alone.without(CERTIFICATE, "the certificate")),
        };
        let loaded = load_pair(&certificate, &key)?;
        Ok(Some(Self {
            certificate,
            key,
            shown: Arc::new(Shown(RwLock::new(Arc::new(loaded)))),
        }))
    }

    /// What the listeners need; they follow every [`reload`](Self::reload).
    pub(crate) fn server_config(&self) -> Result<Arc<ServerConfig>, Failure> {
        let resolver: Arc<dyn ResolvesServerCert> = Arc::<Shown>::clone(&self.shown);
        let builder = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| Failure::other(error, "this should not happen, please report it"))?;
        let mut config = builder.with_no_client_auth().with_cert_resolver(resolver);
        config.alpn_protocols = vec![PROTOCOL.to_vec()];
        Ok(Arc::new(config))
    }

    /// Reads the files again. Connections go on with what they were shown, new ones get the new
    /// certificate.
    ///
    /// # Errors
    ///
    /// It cannot be used: the old one stays.
    pub(crate) fn reload(&self) -> Result<(), Mistake> {
        let loaded = Arc::new(load_pair(&self.certificate, &self.key)?);
        *self.shown.0.write().unwrap_or_else(PoisonError::into_inner) = loaded;
        Ok(())
    }

    /// Tells how long the certificate is valid, and warns if that is not long.
    pub(crate) fn tell_validity(&self) {
        let certificate = self.certificate.path.display();
        if let Some(seconds @ 1..) = self.shown.seconds_to_begin() {
            tracing::warn!(
                %certificate,
                "the certificate is not valid yet, for {} more days, and clients will not connect; is the clock of this machine right?",
                certificate::days(seconds) + 1
            );
            return;
        }
        match self.shown.seconds_left().map(certificate::days) {
            Some(days @ ..0) => tracing::warn!(
                %certificate,
                "the certificate expired {} days ago, clients will not connect; renew it",
                -days
            ),
            Some(days @ ..DAYS_FEW) => tracing::warn!(
                %certificate,
                "the certificate is valid for {days} more days; renew it"
            ),
            Some(days) => tracing::info!(%certificate, "the certificate is valid for {days} days"),
            None => tracing::warn!(%certificate, "cannot read how long the certificate is valid"),
        }
    }

    /// What new connections are shown, now and after every [`reload`](Self::reload).
    pub(crate) fn shown(&self) -> Arc<Shown> {
        Arc::clone(&self.shown)
    }
}

impl Shown {
    /// Until the first of the certificates runs out: those of the issuers count too.
    pub(crate) fn seconds_left(&self) -> Option<i64> {
        let shown = self.current();
        let seconds = shown.cert.iter().map(|der| certificate::seconds_left(der));
        seconds.min().flatten()
    }

    /// Until the last of them is valid.
    fn seconds_to_begin(&self) -> Option<i64> {
        let shown = self.current();
        let seconds = shown
            .cert
            .iter()
            .map(|der| certificate::seconds_to_begin(der));
        seconds.max().flatten()
    }

    fn current(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current())
    }
}

impl File {
    fn read(&self) -> Result<String, Mistake> {
        text_file::read(&self.path).map_err(|error| {
            if error.kind() == io::ErrorKind::InvalidData {
                let path = self.path.display();
                let part = if self.setting == KEY { "pkey" } else { "x509" };
                let fix = match self.path.extension().and_then(|name| name.to_str()) {
                    Some("p12" | "pfx") => {
                        format!("take both out of it: openssl pkcs12 -nodes -in {path}")
                    }
                    _ => format!("if it is DER, convert it: openssl {part} -inform der -in {path}"),
                };
                return self.mistake(format!("is not a PEM file: {error}"), fix);
            }
            self.mistake(
                format!("cannot be read: {error}"),
                "check the path, and that the user the relay runs as may read it",
            )
        })
    }

    fn mistake(&self, problem: impl Into<String>, fix: impl Into<String>) -> Mistake {
        self.resolved.mistake(self.setting, problem, fix)
    }

    fn without(&self, other: &str, what: &str) -> Mistake {
        self.mistake(
            format!("{other} is missing"),
            format!(
                "name the file with {what} too, for example {}",
                self.resolved.example(other, self.setting)
            ),
        )
    }
}

fn provider() -> Arc<CryptoProvider> {
    // Named, because a process with two providers has no default.
    Arc::new(rustls::crypto::ring::default_provider())
}

fn load_pair(certificate: &File, key: &File) -> Result<CertifiedKey, Mistake> {
    let chain = read_chain(certificate)?;
    let signing = read_key(key)?;
    let pair = CertifiedKey::new(chain, Arc::clone(&signing));
    match pair.keys_match() {
        // A key of which the public half is not known may fit.
        Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(pair),
        Err(Error::InconsistentKeys(_)) => Err(explain_mismatch(pair.cert, &signing, key)),
        Err(error) => Err(certificate.mistake(
            format!("holds no usable certificate: {error}"),
            "see what is in it: openssl x509 -text -in FILE",
        )),
    }
}

fn read_chain(file: &File) -> Result<Vec<CertificateDer<'static>>, Mistake> {
    let text = file.read()?;
    let blocks = blocks(&text, file)?;
    let of_certificates = blocks.iter().filter(|block| block.label == "CERTIFICATE");
    let chain = of_certificates
        .map(|block| {
            CertificateDer::from_pem_slice(block.text.as_bytes())
                .map_err(|_| broken(block.line, "certificate", file))
        })
        .collect::<Result<Vec<_>, _>>()?;
    if !chain.is_empty() {
        return Ok(chain);
    }
    if blocks
        .iter()
        .any(|block| block.label.ends_with("PRIVATE KEY"))
    {
        return Err(file.mistake(
            "holds a private key and no certificate",
            "are tls_cert and tls_key swapped?",
        ));
    }
    Err(file.mistake(
        "holds no certificate",
        "it must hold -----BEGIN CERTIFICATE-----, first the server's own, then those of its issuers",
    ))
}

fn read_key(file: &File) -> Result<Arc<dyn SigningKey>, Mistake> {
    let text = file.read()?;
    let blocks = blocks(&text, file)?;
    let key = blocks
        .iter()
        .find(|block| block.label.ends_with("PRIVATE KEY"));
    let Some(block) = key else {
        let is_certificate = blocks.iter().any(|block| block.label == "CERTIFICATE");
        let (problem, fix) = if is_certificate {
            (
                "holds a certificate and no private key",
                "are tls_cert and tls_key swapped?",
            )
        } else {
            (
                "holds no private key",
                "it must hold -----BEGIN PRIVATE KEY-----",
            )
        };
        return Err(file.mistake(problem, fix));
    };
    if block.label.starts_with("ENCRYPTED") || block.text.contains("Proc-Type: 4,ENCRYPTED") {
        let fix = format!(
            "nobody can type it at a restart; take it off: openssl pkey -in {} -out FILE",
            file.path.display()
        );
        return Err(file.mistake(
            format!("line {}: the key has a passphrase", block.line),
            fix,
        ));
    }
    let key = PrivateKeyDer::from_pem_slice(block.text.as_bytes())
        .map_err(|_| broken(block.line, "private key", file))?;
    provider()
        .key_provider
        .load_private_key(key)
        .map_err(|error| {
            // What rustls puts before the words of its cryptography.
            let error = error.to_string();
            let error = error.trim_start_matches("unexpected error: ");
            file.mistake(
                format!(
                    "line {}: the private key cannot be used: {error}",
                    block.line
                ),
                "use RSA of 2,048 bits or more, ECDSA on P-256 or P-384, or Ed25519",
            )
        })
}

fn blocks<'a>(text: &'a str, file: &File) -> Result<Vec<pem::Block<'a>>, Mistake> {
    pem::blocks(text).map_err(|broken| {
        file.mistake(
            broken.to_string(),
            "the file seems to be cut: copy it again, whole",
        )
    })
}

fn broken(line: usize, what: &str, file: &File) -> Mistake {
    file.mistake(
        format!("line {line}: the {what} that begins here is not base64"),
        "the file seems to be damaged: copy it again, whole",
    )
}

fn explain_mismatch(
    chain: Vec<CertificateDer<'static>>,
    signing: &Arc<dyn SigningKey>,
    key: &File,
) -> Mistake {
    let fits = |der: &CertificateDer<'static>| {
        CertifiedKey::new(vec![der.clone()], Arc::clone(signing))
            .keys_match()
            .is_ok()
    };
    let fix = if chain.iter().any(fits) {
        "it is that of another certificate in the file: put that one first, its issuers behind it"
    } else {
        "use the two files that were made together; a renewal may have exchanged one of them only"
    };
    key.mistake("this key is not that of the certificate in tls_cert", fix)
}
