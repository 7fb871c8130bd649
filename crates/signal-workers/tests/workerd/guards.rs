//! A variable that keeps people out and cannot be used lets nobody in, whatever it is.

use signal_access::{Algorithm, NewKey};

use crate::front::upgrade;
use crate::workerd;

/// What is not a text that says something.
const UNUSABLE: [(&str, &str); 10] = [
    ("", ""),
    ("", "  "),
    ("JSON ", "[]"),
    ("JSON ", "{}"),
    ("JSON ", "7"),
    ("JSON ", "true"),
    ("JSON ", "false"),
    ("JSON ", "null"),
    ("JSON ", "[1]"),
    ("JSON ", "[[\"https://a.example\"]]"),
];

fn key() -> String {
    NewKey::from_seed(Algorithm::Hs256, None, [7; 32]).private_jwk()
}

/// Whether nobody is let in with these variables, and the log names this.
async fn is_shut(name: &str, variables: &[(&str, &str)], named: &str) -> Option<bool> {
    let server = workerd(name, variables).await?;
    let status = upgrade(&server, "/", &[]).await.status;
    let log = server.log();
    if status == 500 && log.contains(named) && log.contains(r#""what":"settings""#) {
        return Some(true);
    }
    println!("{variables:?}: {status}, {log}");
    Some(false)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guard_that_is_there_and_unusable_lets_nobody_in() {
    let key = key();
    let guards = [
        ("SIGNAL_ORIGINS", false),
        ("TOKEN_KEYS", false),
        ("TOKEN_JWKS_URL", false),
        ("TOKEN_ISSUER", true),
        ("TOKEN_AUDIENCE", true),
        ("TOKEN_TOPICS_CLAIM", true),
        ("TOKEN_TOPICS_DEFAULT", true),
        ("TOKEN_IN", true),
        ("SIGNAL_PEERS_MAX", false),
        ("SIGNAL_ROOMS", false),
    ];
    let mut open = Vec::new();
    for (guard, needs_keys) in guards {
        for (number, (kind, value)) in UNUSABLE.into_iter().enumerate() {
            if guard == "SIGNAL_PEERS_MAX" && value == "7" {
                continue;
            }
            let variable = format!("{kind}{guard}");
            let mut variables = vec![(variable.as_str(), value)];
            if needs_keys {
                variables.push(("TOKEN_KEYS", &key));
            }
            let name = format!("guard-{guard}-{number}").to_lowercase();
            match is_shut(&name, &variables, guard).await {
                Some(true) => {}
                Some(false) => open.push(variable),
                None => return,
            }
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_is_nearly_that_of_a_guard_lets_nobody_in() {
    let key = key();
    let mut open = Vec::new();
    for (found, value) in [
        ("SIGNAL_ORIGIN", "https://a.example"),
        ("signal_origins", "https://a.example"),
        ("SIGNAL_TOKEN_KEYS", &key),
        ("TOKEN_KEY", &key),
        ("tokenKeys", &key),
        ("TOKENS_KEYS", &key),
        ("TOKEN_JWKS_URI", "https://id.example/keys"),
        ("TOKEN_ISSUERS", "https://id.example"),
        ("SIGNAL_TURN_SECRET", "0123456789abcdef"),
        ("SIGNAL_TRUSTED_PROXIES", "10.0.0.0/8"),
        ("SIGNAL_WEBHOOK_SECRET", "0123456789abcdef"),
        ("SIGNAL_ADMIN_KEY_FILE", "key"),
        ("TOKEN_IN", "query"),
    ] {
        let name = format!("near-{found}");
        match is_shut(&name, &[(found, value)], found).await {
            Some(true) => {}
            Some(false) => open.push(found),
            None => return,
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn turn_servers_that_are_there_and_unusable_let_nobody_in() {
    let urls = ("TURN_URLS", "turn:turn.example.org");
    for (number, (kind, value)) in UNUSABLE.into_iter().enumerate() {
        let variable = format!("{kind}TURN_SECRET");
        let name = format!("guard-turn-{number}");
        let variables = [(variable.as_str(), value), urls];
        match is_shut(&name, &variables, "TURN_SECRET").await {
            Some(is_shut) => assert!(is_shut, "{variable}"),
            None => return,
        }
    }
}
