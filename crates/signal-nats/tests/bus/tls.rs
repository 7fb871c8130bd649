//! Servers whose certificates are signed by an authority of their own.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    SanType,
};
use signal_nats::{Config, Problem};
use signal_testwire::{Folder, NatsServer};

use crate::node::{ANN, BOB, Node, config, meet};

/// An authority, and a server with a certificate by it for 127.0.0.1.
struct Secured {
    server: NatsServer,
    authority: String,
    folder: Folder,
}

impl Secured {
    fn start() -> Option<Self> {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut CertificateParams)) -> Option<Self> {
        let folder = Folder::new("nats-files");
        let authority = authority();
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("a name");
        change(&mut params);
        let certificate = params.signed_by(&key, &authority).expect("a certificate");
        let cert = folder.write("cert.pem", &certificate.pem());
        let key = folder.write("key.pem", &key.serialize_pem());
        let server = NatsServer::start(&format!(
            "tls {{ cert_file: {cert:?}, key_file: {key:?}, timeout: 60 }}"
        ))?;
        Some(Self {
            server,
            authority: folder.write("ca.pem", &authority.pem()),
            folder,
        })
    }

    fn config(&self, authority: Option<String>) -> Config {
        let mut config = config(&[&format!("tls://{}", self.server.clients)]);
        config.cluster_ca_file = authority.map(Into::into);
        config
    }
}

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    CertifiedIssuer::self_signed(params, key).expect("a certificate")
}

#[tokio::test]
async fn a_server_with_a_certificate_of_the_named_authority_is_used() {
    let Some(secured) = Secured::start() else {
        return;
    };
    let authority = || Some(secured.authority.clone());
    let mut ann = Node::connected(ANN, secured.config(authority())).await;
    let mut bob = Node::connected(BOB, secured.config(authority())).await;
    meet(&mut ann, &mut bob, BOB).await;
    // A server that asks for TLS gets it without being named as such.
    let mut plain = config(&[&secured.server.url()]);
    plain.cluster_ca_file = authority().map(Into::into);
    Node::connected(ANN, plain).await;
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted_is_a_problem_that_names_the_setting() {
    let Some(secured) = Secured::start() else {
        return;
    };
    let other = secured.folder.write("other.pem", &authority().pem());
    for trusted in [None, Some(other)] {
        let node = Node::start(ANN, secured.config(trusted));
        let problem = node.has_problem().await;
        let said = "its certificate comes from an authority this machine does not know";
        assert!(problem.starts_with(said), "{problem}");
        assert!(
            problem.ends_with("(see cluster_ca_file, and tls:// in cluster_nats)"),
            "{problem}"
        );
        assert!(!node.handle.status().is_connected());
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_certificate_is_a_sentence() {
    let name = |params: &mut CertificateParams| {
        params.subject_alt_names =
            vec![SanType::DnsName("nats.example".try_into().expect("a name"))];
    };
    let over = |params: &mut CertificateParams| {
        params.not_after = rcgen::date_time_ymd(2020, 1, 1);
    };
    let later = |params: &mut CertificateParams| {
        params.not_before = rcgen::date_time_ymd(2999, 1, 1);
    };
    let client = |params: &mut CertificateParams| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    };
    let authority = |params: &mut CertificateParams| {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    };
    type Change = fn(&mut CertificateParams);
    let cases: [(Change, &str); 5] = [
        (name, "its certificate is not for this name"),
        (over, "its certificate has expired"),
        (later, "its certificate is not valid yet"),
        (client, "its certificate is not one for servers"),
        (
            authority,
            "its certificate is one of an authority (CA:TRUE)",
        ),
    ];
    for (change, said) in cases {
        let Some(secured) = Secured::with(change) else {
            return;
        };
        let node = Node::start(ANN, secured.config(Some(secured.authority.clone())));
        let problem = node.has_problem().await;
        assert!(problem.starts_with(said), "{problem}");
    }
}

#[tokio::test]
async fn tls_is_not_given_up_for_a_server_that_has_none() {
    let Some(server) = NatsServer::start("") else {
        return;
    };
    let node = Node::start(ANN, config(&[&format!("tls://{}", server.clients)]));
    let problem = node.has_problem().await;
    assert!(!node.handle.status().is_connected(), "{problem}");
    let status = node.handle.status();
    assert!(
        matches!(status.problem, Some((_, Problem::Tls(_)))),
        "{status:?}"
    );
}

#[tokio::test]
async fn a_file_without_certificates_is_an_error_at_once() {
    let folder = Folder::new("nats-files");
    let mut config = config(&["tls://127.0.0.1:1"]);
    let file = folder.write("empty.pem", "");
    config.cluster_ca_file = Some(file.clone().into());
    let error = signal_nats::Nats::start(ANN, config).expect_err("no certificate");
    assert_eq!(
        error.to_string(),
        format!("cluster_ca_file: {file} has no certificate in it; PEM is expected")
    );
}
