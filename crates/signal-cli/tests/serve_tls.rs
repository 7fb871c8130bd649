//! `signal serve --tls-cert --tls-key`: what it serves, how it reloads, and what it says of files
//! that do not serve.

#![cfg(unix)]

mod common;

use std::fs;
use std::path::Path;
use std::time::SystemTime;

use common::certificate::{Certificate, DAY};
use common::{Ran, Relay, run, run_command, signal};
use rustix::process::Signal;
use serde_json::json;

fn start(certificate: &Certificate) -> Relay {
    let (cert, key) = (show(&certificate.path()), show(&certificate.key_path()));
    Relay::start(&["--tls-cert", &cert, "--tls-key", &key])
}

fn show(path: &Path) -> String {
    path.to_str().expect("a path in UTF-8").to_owned()
}

fn port(relay: &Relay) -> u16 {
    let port = relay.address().rsplit_once(':').expect("a port").1;
    port.parse().expect("a port")
}

async fn check(url: String, certificate: &Certificate) -> Ran {
    let mut command = signal(&["check", &url]);
    command
        .env("SSL_CERT_FILE", certificate.path())
        .env_remove("SSL_CERT_DIR");
    let ran = tokio::task::spawn_blocking(move || run_command(&mut command)).await;
    ran.expect("it ran")
}

#[tokio::test]
async fn peers_find_each_other_over_wss() {
    let certificate = Certificate::new();
    let relay = start(&certificate);
    let port = port(&relay);
    assert_eq!(relay.listening["url"], format!("wss://localhost:{port}"));
    relay.until_logged("the certificate is valid for 90 days");

    let mut ann = certificate.connect(port, "/").await.expect("an upgrade");
    let mut bob = certificate.connect(port, "/").await.expect("an upgrade");
    bob.subscribe("room").await;
    ann.publish("room", json!("hello")).await;
    assert_eq!(bob.receive().await["data"], "hello");
}

#[tokio::test]
async fn check_knows_it_by_both_schemes() {
    let certificate = Certificate::new();
    let relay = start(&certificate);
    let port = port(&relay);
    let secure = check(format!("wss://localhost:{port}"), &certificate).await;
    assert_eq!(secure.code(), Some(0), "{secure:?}");
    secure.says("TLS 1.3, certificate valid for 90 days");
    let plain = check(format!("ws://localhost:{port}"), &certificate).await;
    assert_eq!(plain.code(), Some(2), "{plain:?}");
    plain.says(&format!("try wss://localhost:{port}"));
}

#[tokio::test]
async fn sighup_shows_the_new_certificate_and_drops_nobody() {
    let (old, new) = (Certificate::new(), Certificate::new());
    let relay = start(&old);
    let mut peer = old.connect(port(&relay), "/").await.expect("an upgrade");
    relay.until_logged("the certificate is valid");

    fs::copy(new.path(), old.path()).expect("a copy");
    fs::copy(new.key_path(), old.key_path()).expect("a copy");
    relay.signal(Signal::HUP);
    relay.until_logged("the certificate is valid");
    new.connect(port(&relay), "/")
        .await
        .expect("the new one is shown");
    let error = old
        .connect(port(&relay), "/")
        .await
        .expect_err("the old one is not");
    assert!(error.contains("certificate"), "{error}");
    peer.ping().await;
}

/// As certbot and Kubernetes exchange them, without a word.
#[tokio::test]
async fn a_certificate_that_changes_is_read_by_itself_and_drops_nobody() {
    let (old, new) = (Certificate::new(), Certificate::new());
    let relay = start(&old);
    let mut peer = old.connect(port(&relay), "/").await.expect("an upgrade");
    relay.until_logged("the certificate is valid");

    // A renewal that is cut off in the middle is reported, once, and ends nothing.
    fs::copy(new.path(), old.path()).expect("a copy");
    let line = relay.until_logged("the old certificate stays in use");
    assert_eq!(line["level"], "ERROR");
    old.connect(port(&relay), "/")
        .await
        .expect("still the old one");

    fs::copy(new.key_path(), old.key_path()).expect("a copy");
    relay.until_logged("the certificate is valid");
    new.connect(port(&relay), "/")
        .await
        .expect("the new one is shown");
    peer.ping().await;
}

#[tokio::test]
async fn the_metrics_say_how_long_the_certificate_is_valid() {
    let until = SystemTime::now() + 20 * DAY + DAY / 2;
    let (old, new) = (Certificate::made("localhost", until), Certificate::new());
    let (cert, key) = (show(&old.path()), show(&old.key_path()));
    let admin = ["--admin-listen", "127.0.0.1:0"];
    let relay = Relay::start(&[&["--tls-cert", &cert, "--tls-key", &key], &admin[..]].concat());
    assert_eq!(days_left(&relay), Some(20));

    fs::copy(new.path(), old.path()).expect("a copy");
    fs::copy(new.key_path(), old.key_path()).expect("a copy");
    relay.signal(Signal::HUP);
    relay.until_logged("the certificate is valid for 90 days");
    assert_eq!(days_left(&relay), Some(90));
    assert_eq!(days_left(&Relay::start(&admin)), None, "it has none");
}

/// Whole days, by the metrics.
fn days_left(relay: &Relay) -> Option<u64> {
    let admin = relay.listening["admin"].as_str().expect("an address");
    let request = format!("GET /metrics HTTP/1.1\r\nHost: {admin}\r\n\r\n");
    let metrics = signal_testwire::ask(admin, &request).body;
    let name = "signal_certificate_remaining_seconds ";
    let value = metrics.lines().find_map(|line| line.strip_prefix(name))?;
    Some((value.parse::<f64>().expect("a number") / DAY.as_secs_f64()) as u64)
}

#[tokio::test]
async fn a_new_certificate_that_does_not_serve_leaves_the_old_one() {
    let (old, new) = (Certificate::new(), Certificate::new());
    let relay = start(&old);
    relay.until_logged("the certificate is valid");
    // As if a renewal were half done.
    fs::copy(new.path(), old.path()).expect("a copy");
    relay.signal(Signal::HUP);
    let line = relay.until_logged("the old certificate stays in use");
    assert_eq!(line["level"], "ERROR");
    let message = line["message"].as_str().expect("a message");
    assert!(message.contains(&show(&old.key_path())), "{message}");
    assert!(
        message.contains("this key is not that of the certificate"),
        "{message}"
    );
    let mut peer = old
        .connect(port(&relay), "/")
        .await
        .expect("still the old one");
    peer.ping().await;

    fs::copy(new.key_path(), old.key_path()).expect("a copy");
    relay.signal(Signal::HUP);
    relay.until_logged("the certificate is valid");
    new.connect(port(&relay), "/")
        .await
        .expect("the new one at last");
    peer.ping().await;
}

#[tokio::test]
async fn sighup_with_nothing_to_reload_is_harmless() {
    let relay = Relay::start(&[]);
    relay.signal(Signal::HUP);
    relay.until_logged("no setting names a file that could be read again");
    relay.connect().await.ping().await;
}

#[test]
fn a_certificate_that_runs_out_is_a_warning() {
    let expired = Certificate::made("localhost", SystemTime::now() - 2 * DAY - DAY / 2);
    let line = start(&expired).until_logged("the certificate expired 3 days ago");
    assert_eq!(line["level"], "WARN");
    let short = Certificate::made("localhost", SystemTime::now() + 5 * DAY + DAY / 2);
    let line = start(&short).until_logged("the certificate is valid for 5 more days");
    assert_eq!(line["level"], "WARN");
}

#[test]
fn a_certificate_that_begins_later_is_a_warning() {
    let certificate = Certificate::new();
    let key = rcgen::KeyPair::generate().expect("a key");
    let names = ["localhost".to_owned()];
    let mut params = rcgen::CertificateParams::new(names).expect("parameters");
    params.not_before = (SystemTime::now() + 2 * DAY + DAY / 2).into();
    params.not_after = (SystemTime::now() + 90 * DAY).into();
    let late = params.self_signed(&key).expect("a certificate");
    fs::write(certificate.path(), late.pem()).expect("a file can be written");
    fs::write(certificate.key_path(), key.serialize_pem()).expect("a file can be written");
    let line = start(&certificate).until_logged("is not valid yet, for 3 more days");
    assert_eq!(line["level"], "WARN");
}

#[test]
fn files_of_other_forms_are_reported_with_the_command_that_converts_them() {
    let good = Certificate::new();
    let write = |name: &str, bytes: &[u8]| {
        let path = good.folder().join(name);
        fs::write(&path, bytes).expect("a file can be written");
        show(&path)
    };
    let (cert, key) = (show(&good.path()), show(&good.key_path()));
    let der = write("cert.der", &good.der);
    let key_der = write("key.der", b"\x30\x81\x87\x02\x01\x00\x30\x13");
    let bundle = write("both.pfx", b"\x30\x82\x09\xa1\x02\x01\x03");
    for (cert, key, said) in [
        (&der, &key, format!("openssl x509 -inform der -in {der}")),
        (
            &cert,
            &key_der,
            format!("openssl pkey -inform der -in {key_der}"),
        ),
        (&bundle, &key, format!("openssl pkcs12 -nodes -in {bundle}")),
    ] {
        let ran = run(&["serve", "--tls-cert", cert, "--tls-key", key]);
        assert_eq!(ran.code(), Some(2), "{ran:?}");
        ran.says("is not a PEM file");
        ran.says(&said);
    }
}

/// Starts with these files and returns what it said; it must not start.
#[track_caller]
fn mistake(certificate: &Certificate, cert: &str, key: &str) -> Ran {
    let (cert_path, key_path) = (certificate.path(), certificate.key_path());
    fs::write(&cert_path, cert).expect("a file can be written");
    fs::write(&key_path, key).expect("a file can be written");
    let arguments = [
        "--tls-cert",
        &show(&cert_path),
        "--tls-key",
        &show(&key_path),
    ];
    let checked = run(&[&["config", "check"], &arguments[..]].concat());
    let served = run(&[&["serve", "--listen", "127.0.0.1:0"], &arguments[..]].concat());
    assert_eq!(checked.code(), Some(2), "{checked:?}");
    assert_eq!(checked.stderr, served.stderr, "both tell the same");
    served
}

#[test]
fn files_that_cannot_be_used_are_reported_with_line_and_fix() {
    let folder = Certificate::new();
    let (cert, key) = (read(&folder.path()), read(&folder.key_path()));
    let other = read(&Certificate::new().path());

    let ran = mistake(&folder, "hello\n", &key);
    ran.says(&format!(
        "tls_cert = {:?} (flag --tls-cert): holds no certificate",
        show(&folder.path())
    ));
    ran.says("first the server's own");

    mistake(&folder, &key, &cert).says("are tls_cert and tls_key swapped?");
    mistake(&folder, &cert, &cert).says("holds a certificate and no private key");
    mistake(&folder, &other, &key).says("this key is not that of the certificate in tls_cert");
    mistake(&folder, &format!("{other}{cert}"), &key).says("put that one first");

    let cut = &cert[..cert.len() - 10];
    mistake(&folder, cut, &key).says("line 1: BEGIN CERTIFICATE without its END");
    let damaged = cert.replace("MII", "M?I");
    let damaged = format!(
        "# my certificate\n{}",
        if damaged == cert {
            cert.replacen("MI", "M?", 1)
        } else {
            damaged
        }
    );
    mistake(&folder, &damaged, &key).says("line 2: the certificate that begins here is not base64");
    let empty = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    mistake(&folder, empty, &key).says("holds no usable certificate");

    let locked =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let ran = mistake(&folder, &cert, locked);
    ran.says("line 1: the key has a passphrase");
    ran.says("openssl pkey -in");
    let odd = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    let ran = mistake(&folder, &cert, odd);
    ran.says("line 1: the private key cannot be used");
    assert!(!ran.stderr.contains("unexpected"), "{ran:?}");
}

#[test]
fn a_missing_file_and_half_a_pair_are_reported() {
    let certificate = Certificate::new();
    let path = show(&certificate.path());
    let missing = format!("{path}.missing");
    let ran = run(&["serve", "--tls-cert", &missing, "--tls-key", &path]);
    assert_eq!(ran.code(), Some(2), "{ran:?}");
    ran.says("cannot be read: No such file or directory");
    ran.says("check the path");

    let ran = run(&["serve", "--tls-cert", &path]);
    assert_eq!(ran.code(), Some(2), "{ran:?}");
    ran.says("tls_key is missing");
    ran.says("for example --tls-key ");
    let ran = run_command(signal(&["serve"]).env("SIGNAL_TLS_KEY", &path));
    ran.says("(environment variable SIGNAL_TLS_KEY): tls_cert is missing");
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).expect("a file")
}
