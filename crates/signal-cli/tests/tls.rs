//! `signal check wss://…`, against a relay behind a TLS proxy.

mod common;

use std::sync::Arc;
use std::time::SystemTime;

use common::certificate::{Certificate, DAY};
use common::folder::Folder;
use common::{Ran, Relay, run_command, signal};
use rcgen::CertificateParams;
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// A proxy with a certificate that signs itself.
struct Proxy {
    port: u16,
    certificate: Certificate,
}

impl Proxy {
    /// Passes everything on to a relay. The certificate names this host and is valid until then.
    async fn start(relay: &Relay, host: &str, until: SystemTime) -> Self {
        Self::with(relay, host, until, |_| {}).await
    }

    async fn with(
        relay: &Relay,
        host: &str,
        until: SystemTime,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Self {
        let certificate = Certificate::made_with(host, until, change);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let key = PrivateKeyDer::from_pem_file(certificate.key_path()).expect("a key");
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der.clone()], key)
            .expect("a configuration");
        let (acceptor, upstream) = (
            TlsAcceptor::from(Arc::new(config)),
            relay.address().to_owned(),
        );
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, upstream) = (acceptor.clone(), upstream.clone());
                // As proxies do: small messages are not kept back.
                stream.set_nodelay(true).expect("a flag");
                tokio::spawn(async move {
                    let Ok(mut client) = acceptor.accept(stream).await else {
                        return;
                    };
                    let mut relay = TcpStream::connect(upstream)
                        .await
                        .expect("the relay listens");
                    relay.set_nodelay(true).expect("a flag");
                    let _ = tokio::io::copy_bidirectional(&mut client, &mut relay).await;
                });
            }
        });
        Self { port, certificate }
    }

    /// Checks it, trusting its certificate.
    async fn check(&self, scheme: &str) -> Ran {
        let mut command = signal(&["check", &format!("{scheme}://localhost:{}", self.port)]);
        command
            .env("SSL_CERT_FILE", self.certificate.path())
            .env_remove("SSL_CERT_DIR");
        tokio::task::spawn_blocking(move || run_command(&mut command))
            .await
            .expect("it ran")
    }
}

impl Proxy {
    /// Checks it with this flag, `--ca` with its certificate.
    async fn check_with(&self, arguments: &[&str]) -> Ran {
        let mut command = signal(&["check", &format!("wss://localhost:{}", self.port)]);
        command.args(arguments);
        if arguments.contains(&"--ca") {
            command.arg(self.certificate.path());
        }
        tokio::task::spawn_blocking(move || run_command(&mut command))
            .await
            .expect("it ran")
    }
}

#[tokio::test]
async fn a_good_certificate_has_its_days_counted() {
    let relay = Relay::start(&[]);
    let proxy = Proxy::start(&relay, "localhost", SystemTime::now() + 90 * DAY + DAY / 2).await;
    let ran = proxy.check("wss").await;
    assert_eq!(ran.code(), Some(0), "{ran:?}");
    ran.says("TLS 1.3, certificate valid for 90 days");
}

#[tokio::test]
async fn a_certificate_that_runs_out_is_a_warning() {
    let relay = Relay::start(&[]);
    let proxy = Proxy::start(&relay, "localhost", SystemTime::now() + 5 * DAY + DAY / 2).await;
    let ran = proxy.check("wss").await;
    assert_eq!(ran.code(), Some(1), "{ran:?}");
    ran.says("certificate valid for 5 days; the certificate expires in 5 days");
}

#[tokio::test]
async fn an_expired_certificate_is_reported() {
    let relay = Relay::start(&[]);
    let proxy = Proxy::start(&relay, "localhost", SystemTime::now() - DAY).await;
    let ran = proxy.check("wss").await;
    assert_eq!(ran.code(), Some(2), "{ran:?}");
    ran.says("tls: the certificate has expired");
}

#[tokio::test]
async fn a_certificate_for_another_host_is_reported() {
    let relay = Relay::start(&[]);
    let proxy = Proxy::start(&relay, "example.org", SystemTime::now() + 90 * DAY).await;
    let ran = proxy.check("wss").await;
    assert_eq!(ran.code(), Some(2), "{ran:?}");
    ran.says("tls: the certificate is not for localhost");
}

#[tokio::test]
async fn a_certificate_that_begins_later_is_reported() {
    let relay = Relay::start(&[]);
    let until = SystemTime::now() + 90 * DAY;
    let proxy = Proxy::with(&relay, "localhost", until, |params| {
        params.not_before = (SystemTime::now() + DAY).into();
    })
    .await;
    let ran = proxy.check("wss").await;
    assert_eq!(ran.code(), Some(2), "{ran:?}");
    ran.says("tls: the certificate is not valid yet");
    ran.says("check the clocks");
}

/// The relay is a client of TLS itself, and says the same of what it meets.
#[tokio::test(flavor = "multi_thread")]
async fn servers_that_the_relay_asks_have_their_certificates_explained_too() {
    let upstream = Relay::start(&[]);
    let folder = Folder::new("tls-faults");
    let secret = folder.write(
        "secret",
        "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
    );
    let authority = |params: &mut CertificateParams| {
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    };
    let late = |params: &mut CertificateParams| {
        params.not_before = (SystemTime::now() + DAY).into();
    };
    type Change = fn(&mut CertificateParams);
    let cases: [(&str, Change, &str); 4] = [
        (
            "localhost",
            authority,
            "the certificate is one of an authority (CA:TRUE)",
        ),
        ("localhost", late, "the certificate is not valid yet"),
        (
            "example.org",
            |_| {},
            "the certificate is not for this name",
        ),
        (
            "localhost",
            |params| params.not_after = (SystemTime::now() - DAY).into(),
            "the certificate has expired",
        ),
    ];
    for (host, change, said) in cases {
        let until = SystemTime::now() + 90 * DAY;
        let proxy = Proxy::with(&upstream, host, until, change).await;
        let url = format!("https://localhost:{}/here", proxy.port);
        for arguments in [
            &["--webhook-url", &url, "--webhook-secret-file", &secret][..],
            &["--token-jwks-url", &url],
        ] {
            let start = ["serve", "--listen", "127.0.0.1:0"];
            let mut command = signal(&[&start[..], arguments].concat());
            command.env("SSL_CERT_FILE", proxy.certificate.path());
            let relay = Relay::start_command(command);
            if arguments[0] == "--webhook-url" {
                relay.connect().await.subscribe("room").await;
            }
            let wanted = format!("there is no TLS with it: {said}");
            let found = tokio::task::block_in_place(|| relay.until_logged(&wanted));
            assert_ne!(found["level"], "INFO", "{found}");
        }
    }
}

/// As plain `openssl req -x509` makes one: an authority's, that is a server's too.
#[tokio::test]
async fn a_certificate_of_an_authority_in_place_of_a_servers_is_reported() {
    let relay = Relay::start(&[]);
    let until = SystemTime::now() + 90 * DAY;
    let proxy = Proxy::with(&relay, "localhost", until, |params| {
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    })
    .await;
    for ran in [proxy.check("wss").await, proxy.check_with(&["--ca"]).await] {
        assert_eq!(ran.code(), Some(2), "{ran:?}");
        ran.says("tls: the certificate is one of an authority (CA:TRUE)");
        ran.says("-addext basicConstraints=critical,CA:FALSE -addext subjectAltName=DNS:localhost");
    }
    let ran = proxy.check_with(&["--insecure"]).await;
    assert_eq!(ran.code(), Some(1), "{ran:?}");
    ran.says("the certificate was not checked, because of --insecure");
}

#[tokio::test]
async fn a_certificate_of_a_client_in_place_of_a_servers_is_reported() {
    let relay = Relay::start(&[]);
    let until = SystemTime::now() + 90 * DAY;
    let proxy = Proxy::with(&relay, "localhost", until, |params| {
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    })
    .await;
    for ran in [proxy.check("wss").await, proxy.check_with(&["--ca"]).await] {
        assert_eq!(ran.code(), Some(2), "{ran:?}");
        ran.says("tls: the certificate is not one for servers");
        ran.says("get one for serverAuth");
    }
}

#[tokio::test]
async fn an_authority_of_ones_own_is_believed_by_its_file() {
    let relay = Relay::start(&[]);
    let until = SystemTime::now() + 90 * DAY;
    let proxy = Proxy::start(&relay, "localhost", until).await;
    let ran = proxy.check_with(&["--ca"]).await;
    assert_eq!(ran.code(), Some(0), "{ran:?}");
    let url = format!("wss://localhost:{}", proxy.port);
    for (file, what) in [
        (
            "/no/such/file.pem",
            "the file of --ca, /no/such/file.pem, cannot be used",
        ),
        ("Cargo.toml", "there is no certificate in it"),
    ] {
        let mut command = signal(&["check", &url, "--ca", file]);
        command.current_dir(env!("CARGO_MANIFEST_DIR"));
        let ran = tokio::task::spawn_blocking(move || run_command(&mut command));
        let ran = ran.await.expect("it ran");
        assert_eq!(ran.code(), Some(2), "{ran:?}");
        ran.says(what);
    }
}

#[tokio::test]
async fn an_unknown_authority_is_reported() {
    let relay = Relay::start(&[]);
    let proxy = Proxy::start(&relay, "localhost", SystemTime::now() + 90 * DAY).await;
    let stranger = Proxy {
        port: proxy.port,
        certificate: Certificate::new(),
    };
    let ran = stranger.check("wss").await;
    assert_eq!(ran.code(), Some(2), "{ran:?}");
    ran.says("an authority this machine does not know");
    ran.says("SSL_CERT_FILE");
}

#[tokio::test]
async fn ws_and_wss_mixed_up_is_reported() {
    let relay = Relay::start(&[]);
    let proxy = Proxy::start(&relay, "localhost", SystemTime::now() + 90 * DAY).await;
    let ran = proxy.check("ws").await;
    assert_eq!(ran.code(), Some(2), "{ran:?}");
    ran.says(&format!("try wss://localhost:{}", proxy.port));

    let url = format!("wss://{}", relay.address());
    let mut command = signal(&["check", &url]);
    command.env("SSL_CERT_FILE", proxy.certificate.path());
    let ran = tokio::task::spawn_blocking(move || run_command(&mut command))
        .await
        .expect("it ran");
    assert_eq!(ran.code(), Some(2), "{ran:?}");
    ran.says("the server does not speak TLS on this port");
    ran.says(&format!("try ws://{}", relay.address()));
}
