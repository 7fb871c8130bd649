//! Relays that serve as one over a real NATS server. `SIGNAL_NATS_SERVER` names the program; `cargo
//! xtask test` installs it.

#![cfg(unix)]

mod attacked;
#[path = "../common/mod.rs"]
mod common;
mod copies;
mod forgeries;
mod nodes;
mod outsider;

use std::time::Duration;

use common::folder::Folder;
use common::{Ran, run};
use serde_json::{Value, json};
use signal_testwire::{NatsServer, until_blocking};

use nodes::{count, get, hears, is_ready, node, shown};

const KEY: &str = "a key of at least thirty-two characters";

/// The public key of a user, and a seed that does not belong to it.
const NKEY: &str = "UAAQEAYEAUDAOCAJBIFQYDIOB4IBCEQTCQKRMFYYDENBWHA5DYPSBT2P";
const OTHER_SEED: &str = "SUAAOCAJBIFQYDIOB4IBCEQTCQKRMFYYDENBWHA5DYPSAIJCEMSCKJR2OM";

#[tokio::test]
async fn peers_of_two_relays_meet() {
    let folder = Folder::new("cluster-meet");
    let Some(nats) = NatsServer::start("authorization: { user: signal, password: s3cret }") else {
        return;
    };
    let key = folder.write("key", KEY);
    let creds = folder.write("creds", "signal:s3cret");
    let files = ["--cluster-key-file", &key, "--cluster-creds-file", &creds];
    let (one, two) = (node(&nats.url(), &files), node(&nats.url(), &files));
    assert_eq!(one.listening["cluster"], nats.url());
    hears(&one, 1);
    hears(&two, 1);
    is_ready(&one);
    let (mut ann, mut bob) = (one.connect().await, two.connect().await);
    ann.subscribe("garden").await;
    bob.subscribe("garden").await;
    // Until it is known there that bob is in it.
    let heard = loop {
        ann.publish("garden", json!("hello")).await;
        let wait = tokio::time::timeout(Duration::from_millis(100), bob.receive());
        if let Ok(heard) = wait.await {
            break heard;
        }
    };
    assert_eq!(heard["data"], "hello");
    let shown = shown(&one);
    assert_eq!(shown["server"], nats.url());
    assert_eq!(shown["problem"], Value::Null);
    let metrics = get(&one, "/metrics").body;
    for line in [
        "signal_cluster_nodes 2",
        "signal_cluster_bus_up 1",
        "signal_nats_dropped_total{cause=\"bad_mac\"} 0",
    ] {
        assert!(metrics.lines().any(|it| it == line), "{line}\n{metrics}");
    }
}

#[tokio::test]
async fn a_relay_without_its_nats_server_serves_its_own_peers_and_is_ready() {
    let relay = node("nats://ann:s3cret@127.0.0.1:1", &[]);
    let line = relay.until_logged("cannot be reached");
    assert_eq!(line["server"], "nats://127.0.0.1:1");
    is_ready(&relay);
    let (mut ann, mut bob) = (relay.connect().await, relay.connect().await);
    ann.subscribe("garden").await;
    bob.subscribe("garden").await;
    ann.publish("garden", json!("hello")).await;
    assert_eq!(bob.receive().await["clients"], 2);
    let shown = shown(&relay);
    assert_eq!(
        (&shown["server"], shown["others"].as_array()),
        (&Value::Null, Some(&vec![]))
    );
    assert!(!get(&relay, "/status.json").body.contains("s3cret"));
}

#[test]
fn with_cluster_required_a_relay_is_ready_only_with_a_server() {
    let relay = node("nats://127.0.0.1:1", &["--cluster-required"]);
    let reason = r#"{"ready":false,"reason":"cluster_bus_down"}"#;
    until_blocking("it is past its first beats", || {
        let answer = get(&relay, "/readyz");
        assert_eq!(answer.status, 503);
        (answer.body == reason).then_some(())
    });
}

#[test]
fn credentials_that_were_wrong_are_read_again_once_they_have_changed() {
    let folder = Folder::new("cluster-creds");
    let Some(nats) = NatsServer::start("authorization: { user: signal, password: right }") else {
        return;
    };
    let creds = folder.write("creds", "signal:wr0ng");
    let relay = node(&nats.url(), &["--cluster-creds-file", &creds]);
    let line = relay.until_logged("refuses the credentials");
    assert_eq!(line["level"], "ERROR");
    assert!(line.to_string().contains("cluster_creds_file"), "{line}");
    folder.write("creds", "signal:right");
    relay.until_logged("connected to a NATS server");
    folder.write("creds", "");
    relay.until_logged("old credentials and keys stay in use");
    assert_eq!(shown(&relay)["server"], nats.url());
}

#[tokio::test]
async fn what_a_server_refuses_is_one_error_and_the_relay_serves_its_own_peers() {
    let nkey = format!("authorization: {{ users: [{{ nkey: {NKEY} }}] }}");
    for (conf, creds, words) in [
        (
            "authorization: { user: signal, password: right }",
            "signal:wr0ng",
            "refuses the credentials",
        ),
        (
            "authorization: { user: signal, password: right }",
            "wr0ng-t0ken",
            "refuses the credentials",
        ),
        (
            "authorization: { token: right }",
            "wr0ng-t0ken",
            "refuses the credentials",
        ),
        (
            "authorization: { token: right }",
            "signal:wr0ng",
            "refuses the credentials",
        ),
        (&nkey, OTHER_SEED, "refuses the credentials"),
        ("max_payload: 65536", "", "max_payload is 65536 bytes"),
    ] {
        let folder = Folder::new("bus-refused");
        let Some(nats) = NatsServer::start(conf) else {
            return;
        };
        let creds_file = folder.write("creds", creds);
        let with_creds = ["--cluster-creds-file", &creds_file];
        let more = if creds.is_empty() {
            &[][..]
        } else {
            &with_creds[..]
        };
        let relay = node(&nats.url(), more);
        let line = relay.until_logged(words);
        assert_eq!(line["level"], "ERROR", "{line}");
        assert!(
            creds.is_empty() || !line.to_string().contains(creds),
            "{line}"
        );
        let problem = until_blocking("the page names it", || {
            shown(&relay)["problem"].as_str().map(str::to_owned)
        });
        assert!(problem.contains(words), "{problem}");
        assert_eq!(shown(&relay)["server"], Value::Null);
        assert_eq!(count(&relay, "signal_cluster_bus_up"), 0.0);
        assert!(count(&relay, "signal_nats_failures_total") >= 1.0);
        let (mut ann, mut bob) = (relay.connect().await, relay.connect().await);
        ann.subscribe("garden").await;
        bob.subscribe("garden").await;
        ann.publish("garden", json!("hello")).await;
        assert_eq!(bob.receive().await["clients"], 2);
    }
}

/// What `serve` and `config check` say of these settings.
fn refused(arguments: &[&str]) -> Ran {
    let checked = run(&[&["config", "check"], arguments].concat());
    assert_eq!(checked.code(), Some(2), "{checked:?}");
    let served = run(&[&["serve", "--listen", "127.0.0.1:0"], arguments].concat());
    assert_eq!(served.code(), Some(2), "{served:?}");
    assert_eq!(served.stderr, checked.stderr);
    served
}

#[test]
fn what_cannot_be_used_is_an_error_at_the_start() {
    let folder = Folder::new("cluster-refused");
    let (empty, short) = (folder.write("empty", ""), folder.write("short", "sh0rt"));
    let one = ["--cluster-nats", "nats://127.0.0.1:1"];
    for (file, path, words) in [
        ("creds", "no-such-file", "cannot be read"),
        ("creds", empty.as_str(), "is neither a .creds file nor"),
        ("ca", empty.as_str(), "has no certificate"),
        ("key", empty.as_str(), "is empty"),
        ("key", short.as_str(), "fewer than 32 characters"),
    ] {
        let flag = format!("--cluster-{file}-file");
        let ran = refused(&[&one[..], &[&flag, path]].concat());
        ran.says(&format!("cluster_{file}_file = "));
        ran.says(words);
        assert!(!ran.stderr.contains("sh0rt"), "{}", ran.stderr);
        refused(&[&flag, path]).says("without cluster_nats this relay joins no cluster");
    }
    refused(&["--cluster-required"]).says("without cluster_nats");
    refused(&["--cluster-nats", ""]).says("serve as one relay by itself");
    refused(&[&one[..], &["--cluster-prefix", "a.>"]].concat()).says("cluster_prefix = ");
    refused(&[&one[..], &["--cluster-dead-after", "1s"]].concat()).says("because cluster_beat is");
    refused(
        &[
            &one[..],
            &[
                "--message-bytes-max",
                "1MiB",
                "--outbound-bytes-max",
                "4MiB",
            ],
        ]
        .concat(),
    )
    .says("cluster_batch_bytes_max");
}

#[test]
fn what_stands_before_the_at_sign_is_shown_nowhere() {
    let with_login = "nats://ann:s3cret@127.0.0.1:1";
    let printed = run(&["config", "print", "--cluster-nats", with_login]);
    printed.says("nats://***@127.0.0.1:1");
    let folder = Folder::new("cluster-secret");
    let creds = folder.write("creds", "ann:s3cret");
    let both = refused(&["--cluster-nats", with_login, "--cluster-creds-file", &creds]);
    both.says("an address in cluster_nats does too");
    let wrong = refused(&["--cluster-nats", "nats://ann:s3cret@a/path"]);
    wrong.says("nothing may follow the port");
    for ran in [printed, both, wrong] {
        assert!(
            !format!("{}{}", ran.stdout, ran.stderr).contains("s3cret"),
            "{ran:?}"
        );
    }
}
