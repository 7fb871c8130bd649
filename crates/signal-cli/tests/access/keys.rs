//! Keys of other programs and of identity providers, and keys that change.

use serde_json::{Value, json};

use crate::ask;
use crate::common::folder::{Folder, mint, new_key};
use crate::common::{Peer, Relay, run};

/// Keys as others write them, not `signal token key`.
#[test]
fn keys_of_other_programs_are_checked_and_what_is_odd_is_said() {
    const X: &str = "YW9OQ7If505ELPPo1YuWF0kIg7JzmcrrSUo3uzmNtdI";
    let folder = Folder::new("others");
    let file = folder.path("k.jwk");
    let check = |key: &Value| {
        std::fs::write(&file, key.to_string()).expect("a folder of ours");
        run(&["config", "check", "--token-key-file", &file])
    };
    let okp = json!({"kty": "OKP", "crv": "Ed25519", "x": X});
    let with = |name: &str, value: Value| {
        let mut key = okp.clone();
        key[name] = value;
        key
    };
    for key in [
        okp.clone(),
        with("alg", json!("Ed25519")),
        with("alg", json!("EdDSA")),
        with("x5c", json!(["MIIB"])),
        json!({"keys": [okp]}),
    ] {
        let ran = check(&key);
        assert_eq!(ran.code(), Some(0), "{key}: {ran:?}");
        ran.says("who may come in: tokens of 1 key");
        assert!(!ran.stdout.contains("warning"), "{ran:?}");
    }
    let others = json!({"kty": "OKP", "crv": "X25519", "kid": "theirs", "x": X});
    let ran = check(&json!({"keys": [others, okp]}));
    assert_eq!(ran.code(), Some(0), "{ran:?}");
    ran.says(
        "warning: token_key_file: key 1 (\"theirs\") is not used: its \"crv\" is not \"Ed25519\"",
    );
    ran.says("who may come in: tokens of 1 key");
    for (key, sentence) in [
        (
            json!({"keys": [others, {"kty": "AKP"}]}),
            "none of the 2 keys of the JWK Set can be used: key 1",
        ),
        (
            json!({"kty": "OKP", "crv": "Ed448", "alg": "Ed448"}),
            "its \"crv\" is not \"Ed25519\"",
        ),
        (
            json!({"kty": "oct", "k": X}),
            "it has no \"alg\", which a secret needs",
        ),
    ] {
        let ran = check(&key);
        assert_eq!(ran.code(), Some(2), "{key}: {ran:?}");
        assert!(ran.stderr.contains(sentence), "{ran:?}");
    }
    let private = new_key(&folder, "private.jwk", &[]);
    let ran = run(&["config", "check", "--token-key-file", &private]);
    ran.says("is a private key: anyone who reads it can sign tokens");
}

#[cfg(unix)]
#[tokio::test]
async fn sighup_takes_the_new_keys_and_drops_nobody() {
    use rustix::process::Signal;

    let folder = Folder::new("rotation");
    let (key, next) = (
        new_key(&folder, "key.jwk", &[]),
        new_key(&folder, "next.jwk", &[]),
    );
    let in_use = folder.write("in-use.jwk", &std::fs::read_to_string(&key).expect("a key"));
    let mut relay = Relay::start(&["--token-key-file", &in_use]);
    let query = |key: &str| format!("token={}", mint(key, &["--topics", "*", "--expires", "1h"]));
    let mut ann = Peer::connect(&format!("{}/?{}", relay.url(), query(&key))).await;
    assert_eq!(ask(&relay, Some(&query(&next)), &[]).status, 401);

    // As if an editor were half done.
    for unusable in ["{", ""] {
        folder.write("in-use.jwk", unusable);
        relay.signal(Signal::HUP);
        let line = relay.until_logged("the old keys of tokens stay in use");
        assert_eq!(line["level"], "ERROR");
        assert_eq!(ask(&relay, Some(&query(&key)), &[]).status, 101);
        assert_eq!(ask(&relay, None, &[]).status, 401);
    }

    folder.write(
        "in-use.jwk",
        &std::fs::read_to_string(&next).expect("a key"),
    );
    relay.signal(Signal::HUP);
    relay.until_logged("the keys of tokens were read again");
    assert_eq!(ask(&relay, Some(&query(&next)), &[]).status, 101);
    assert_eq!(ask(&relay, Some(&query(&key)), &[]).status, 401);
    ann.ping().await;
    relay.assert_alive();
}

/// Nobody writes into it, so whoever reads it waits, and hears no other signal meanwhile.
#[cfg(unix)]
#[test]
fn a_key_file_that_has_become_a_pipe_is_left_alone() {
    use rustix::process::Signal;

    let folder = Folder::new("pipe");
    let key = new_key(&folder, "key.jwk", &[]);
    let in_use = folder.write("in-use.jwk", &std::fs::read_to_string(&key).expect("a key"));
    let relay = Relay::start(&["--token-key-file", &in_use, "--drain-seconds", "0"]);
    std::fs::remove_file(&in_use).expect("a file");
    let made = std::process::Command::new("mkfifo").arg(&in_use).status();
    assert!(made.is_ok_and(|status| status.success()));
    relay.signal(Signal::HUP);
    let line = relay.until_logged("is not read again; the old keys of tokens stay in use");
    assert_eq!(line["level"], "ERROR");
    let query = format!(
        "token={}",
        mint(&key, &["--topics", "*", "--expires", "1h"])
    );
    assert_eq!(ask(&relay, Some(&query), &[]).status, 101);
    assert_eq!(ask(&relay, None, &[]).status, 401);
    relay.terminate();
    assert_eq!(relay.wait().0, Some(0));
}

#[tokio::test]
async fn keys_that_change_are_read_by_themselves() {
    let folder = Folder::new("renewal");
    let (key, next) = (
        new_key(&folder, "key.jwk", &[]),
        new_key(&folder, "next.jwk", &[]),
    );
    let in_use = folder.write("in-use.jwk", &std::fs::read_to_string(&key).expect("a key"));
    let relay = Relay::start(&["--token-key-file", &in_use]);
    let token = mint(&next, &["--topics", "*", "--expires", "1h"]);
    let query = format!("token={token}");
    assert_eq!(ask(&relay, Some(&query), &[]).status, 401);
    folder.write(
        "in-use.jwk",
        &std::fs::read_to_string(&next).expect("a key"),
    );
    relay.until_logged("the keys of tokens were read again");
    assert_eq!(ask(&relay, Some(&query), &[]).status, 101);
}

/// What the files for identity providers say is what the program reads.
#[test]
fn the_examples_for_identity_providers_are_right() {
    let folder = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../examples/identity-providers"
    );
    for (file, issuer) in [
        ("auth0.toml", "https://tenant.eu.auth0.com/"),
        ("supabase.toml", "https://PROJECT.supabase.co/auth/v1"),
        ("keycloak.toml", "https://id.example.org/realms/main"),
    ] {
        let ran = run(&["config", "check", "--config", &format!("{folder}/{file}")]);
        assert_eq!(ran.code(), Some(0), "{ran:?}");
        ran.says(&format!(
            "tokens of keys that are fetched, issuer {issuer:?}"
        ));
    }
}

/// Nothing answers there, so nobody comes in, and it is said where an operator looks.
#[test]
fn a_relay_without_its_issuers_keys_shuts_the_door_and_says_so() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|one| one.local_addr());
    let url = format!("http://{}/jwks.json", port.expect("a free port"));
    let relay = Relay::start(&["--token-jwks-url", &url]);
    let asked = ask(&relay, Some("token=eyJhbGciOiJSUzI1NiJ9.e30.AA"), &[]);
    assert_eq!(asked.status, 503, "{asked:?}");
    assert!(asked.body.starts_with("the keys of tokens"), "{asked:?}");
    assert!(asked.header("retry-after").is_some(), "{asked:?}");
    assert_eq!(ask(&relay, None, &[]).status, 401);
    let ready = signal_testwire::ask(
        relay.address(),
        "GET /readyz HTTP/1.1\r\nHost: relay\r\n\r\n",
    );
    assert_eq!((ready.status, ready.body.contains("no_keys")), (503, true));
}

/// Keycloak's roles are inside of `realm_access`, and people write that with a dot.
#[test]
fn a_claim_that_looks_like_a_way_into_another_is_warned_of() {
    let folder = Folder::new("dotted-claims");
    let key = new_key(&folder, "key.jwk", &[]);
    let start = |claim: &str| {
        let arguments = ["--token-key-file", &key, "--token-topics-claim", claim];
        Relay::start(&arguments)
    };
    for (claim, way) in [
        ("realm_access.roles", "/realm_access/roles"),
        ("resource_access.app.roles", "/resource_access/app/roles"),
    ] {
        let found = start(claim).until_logged("is the name of one claim");
        assert_eq!(found["level"], "WARN");
        let said = found["message"].as_str().expect("a text");
        assert!(said.contains(&format!("write {way:?}")), "{said}");
    }
    for claim in ["/realm_access/roles", "https://app.example/topics", "scope"] {
        let mut relay = start(claim);
        relay.assert_alive();
        relay.terminate();
        let (_, log) = relay.wait();
        assert!(!log.contains("is the name of one claim"), "{claim}: {log}");
    }
}
