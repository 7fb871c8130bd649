//! The level `access` on a relay that asks for tokens and has a list of origins, as anybody can run
//! it by address.

#![cfg(feature = "tokens")]

mod common;

use std::time::Duration;

use signal_conformance::{Capability, Issuer, Level, Report, RunOptions, Suite, UrlBackend};
use signal_tokio::signal_access::{Access, Algorithm, NewKey, Origins, TokenVerifier};
use signal_tokio::{AccessAuthorizer, Relay};
use tokio::net::TcpListener;

const AUDIENCE: &str = "relay.example";
const ORIGIN: &str = "https://app.example:8443";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_with_a_public_key_and_an_audience_passes_access() {
    let key = NewKey::from_seed(Algorithm::EdDsa, Some("2026"), [7; 32]);
    let public = key.public_jwk().expect("EdDSA has one");
    let verifier = TokenVerifier::new(&public).expect("a key");
    let issuer = Issuer::new(&key.private_jwk()).expect("a key that signs");
    let server = serve(
        verifier.with_audience(AUDIENCE),
        issuer.with_audience(AUDIENCE),
    )
    .await;
    let report = run(&server).await;
    // What moves time is run in `conformance.rs`, faster; no relay on sockets sleeps.
    assert_eq!(
        skipped(&report),
        [
            "access.before_expiry",
            "access.clients_max.hibernation",
            "access.expiry",
            "access.hibernation",
        ]
    );
}

/// In mid-rotation the relay has the old key and the new one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_with_two_secrets_passes_access() {
    let [old, new] = ["2025", "2026"].map(|id| {
        NewKey::from_seed(Algorithm::Hs256, Some(id), [id.as_bytes()[3]; 32]).private_jwk()
    });
    let keys = format!(r#"{{"keys":[{old},{new}]}}"#);
    let verifier = TokenVerifier::new(&keys).expect("two keys");
    let server = serve(verifier, Issuer::new(&new).expect("a key that signs")).await;
    let report = run(&server).await;
    assert_eq!(
        skipped(&report),
        [
            "access.before_expiry",
            "access.clients_max.hibernation",
            "access.expiry",
            "access.hibernation",
            "access.token.audience_look_alike",
            "access.token.audiences",
            "access.token.public_key_as_secret",
        ]
    );
}

/// A relay on a port of its own, for as long as the test runs.
async fn serve(verifier: TokenVerifier, issuer: Issuer) -> UrlBackend {
    let access = Access {
        origins: Origins::new([ORIGIN]).expect("an origin"),
        tokens: Some(verifier),
    };
    let config = common::config(|_| {});
    let hold = config.core.close_hold.as_millis();
    let relay = Relay::with_authorizer(config, AccessAuthorizer::new(access)).expect("settings");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move { relay.serve(listener).await });
    let backend = UrlBackend::new(&format!("ws://{address}")).expect("an address");
    backend
        .issuer(issuer)
        .only_origin(ORIGIN)
        .declare(|declared| {
            declared
                .capabilities([Capability::ClientsMax])
                .limit("close_hold", u64::try_from(hold).expect("a short hold"))
                .limit("topics_per_peer_max", 1_000)
        })
}

/// Also the level `stock`, with a token in each connection.
async fn run(server: &UrlBackend) -> Report {
    let mut options = RunOptions::default();
    options.concurrency = 8;
    // For a machine with other work: all is to pass, so nothing is waited for in vain.
    options.patience = Duration::from_secs(30);
    options.deadline = Duration::from_secs(180);
    let suite = Suite::all().levels([Level::Stock, Level::Access]);
    let report = suite.run(server, &options).await;
    assert!(report.passed(), "{}", report.to_text());
    report
}

fn skipped(report: &Report) -> Vec<String> {
    let access = |id: &str| id.starts_with("access.");
    let results = report.summary().into_iter();
    results
        .filter(|(id, grade)| access(id) && grade != "passed")
        .map(|(id, _)| id)
        .collect()
}
