//! `signal serve` with tokens and origins.

mod common;
#[path = "../../signal-access/vectors/live.rs"]
mod live;

use common::folder::{Folder, mint};
use common::{Peer, Relay, run, run_command, signal};
use live::{Policy, Vectors};
use serde_json::{Value, json};
use signal_testwire::{Answer, upgrade};
use signal_tokio::RingKeys;

/// What verifies RS256 and ES256 in the vectors.
const PUBLIC_KEYS: RingKeys = RingKeys;

/// Asks for an upgrade as no client of a library would: whatever the query and the headers are.
fn ask(relay: &Relay, query: Option<&str>, headers: &[(&str, &str)]) -> Answer {
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    signal_testwire::ask(relay.address(), &upgrade(&format!("/{query}"), headers))
}

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
    let private = folder.key("private.jwk", &[]);
    let ran = run(&["config", "check", "--token-key-file", &private]);
    ran.says("is a private key: whoever reads it can sign tokens");
}

#[tokio::test]
async fn without_a_token_nobody_comes_in_and_with_one_two_peers_meet() {
    let folder = Folder::new("meet");
    for algorithm in ["HS256", "EdDSA"] {
        let key = folder.key(algorithm, &["--algorithm", algorithm]);
        let relay = Relay::start(&["--token-key-file", &key]);
        assert!(
            relay.listening["app"]
                .as_str()
                .is_some_and(|app| app.contains("/?token=…"))
        );

        let refused = ask(&relay, None, &[]);
        assert_eq!(refused.status, 401);
        assert_eq!(refused.header("www-authenticate"), Some("Bearer"));
        assert!(
            refused.body.starts_with("this relay needs a token"),
            "{refused:?}"
        );

        let token = mint(&key, &["--topics", "team-*", "--expires", "1h"]);
        let bearer = format!("Bearer {token}");
        let protocols = format!("signal-token, {token}");
        assert_eq!(ask(&relay, None, &[("Authorization", &bearer)]).status, 101);
        let by_protocol = ask(&relay, None, &[("Sec-WebSocket-Protocol", &protocols)]);
        assert_eq!(by_protocol.status, 101);
        assert_eq!(
            by_protocol.header("sec-websocket-protocol"),
            Some("signal-token")
        );
        assert!(
            !by_protocol.head.contains(&token),
            "only the marker comes back"
        );

        let url = format!("{}/?token={token}", relay.url());
        let (mut ann, mut ben) = (Peer::connect(&url).await, Peer::connect(&url).await);
        ben.subscribe("team-7").await;
        ben.subscribe("garden").await;
        ann.publish("garden", json!("not heard")).await;
        ann.publish("team-7", json!("heard")).await;
        assert_eq!(ben.receive().await["data"], "heard");
    }
}

/// The rows that hold at any time; those that need another clock are for the crates.
#[tokio::test]
async fn every_shared_vector_is_answered_as_written() {
    let folder = Folder::new("vectors");
    let vectors = Vectors::read();
    let (mut asked, mut wrong) = (0, Vec::new());
    for (name, policy) in &vectors.relays {
        let relay = start(&folder, name, policy);
        let address = relay.address().parse().expect("an address");
        for row in vectors.rows_for(name).filter(|row| row.now.is_none()) {
            wrong.extend(row.differences(policy, address).await);
            asked += 1;
        }
    }
    assert!(asked > 150, "{asked} rows");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn start(folder: &Folder, name: &str, policy: &Policy) -> Relay {
    let origins = (!policy.origins.is_empty()).then(|| policy.origins.join(","));
    let settings = [
        (
            "--token-key-file",
            policy.keys().map(|keys| folder.write(name, &keys)),
        ),
        ("--token-audience", policy.audience.clone()),
        ("--token-in", policy.token_in.clone()),
        ("--token-issuer", policy.issuer.clone()),
        ("--token-topics-claim", policy.topics_claim.clone()),
        ("--token-topics-default", policy.topics_default.clone()),
        ("--origins", origins),
    ];
    let given = settings
        .iter()
        .filter_map(|(flag, value)| Some([*flag, value.as_deref()?]));
    Relay::start(&given.flatten().collect::<Vec<_>>())
}

#[test]
fn what_cannot_be_used_is_told_at_the_start() {
    let folder = Folder::new("mistakes");
    let weak = folder.write(
        "weak.jwk",
        r#"{"kty":"oct","alg":"HS256","k":"aHVudGVyMg"}"#,
    );
    let missing = folder.path("missing.jwk");
    for (variable, value, example) in [
        (
            "SIGNAL_TOKEN_AUDIENCE",
            "relay",
            "SIGNAL_TOKEN_KEY_FILE=/etc/signal/relay.jwk",
        ),
        (
            "SIGNAL_TLS_CERT",
            "a.pem",
            "SIGNAL_TLS_KEY=/etc/signal/privkey.pem",
        ),
        (
            "SIGNAL_TLS_KEY",
            "a.pem",
            "SIGNAL_TLS_CERT=/etc/signal/fullchain.pem",
        ),
        (
            "SIGNAL_ORIGINS",
            "a.example",
            "SIGNAL_ORIGINS=https://app.example.org",
        ),
    ] {
        let ran = run_command(signal(&["config", "check"]).env(variable, value));
        assert_eq!(ran.code(), Some(2), "{ran:?}");
        ran.says(&format!("for example {example}"));
    }
    for command in ["serve", "config check"] {
        let words: Vec<&str> = command.split(' ').collect();
        for (arguments, problem, fix) in [
            (
                ["--token-key-file", &missing],
                "cannot be read",
                "signal token key --out FILE",
            ),
            (
                ["--token-key-file", &weak],
                "shorter than 32 bytes",
                "make a longer secret",
            ),
            (
                ["--token-audience", "relay"],
                "without keys no token is looked at",
                "--token-key-file",
            ),
            (
                ["--origins", "app.example"],
                "`app.example` is not an origin",
                "--origins",
            ),
        ] {
            let ran = run(&[&words[..], &arguments].concat());
            assert_eq!(ran.code(), Some(2), "{ran:?}");
            ran.says(problem);
            ran.says(fix);
            ran.says(&format!("(flag {})", arguments[0]));
            assert!(!ran.stderr.contains("aHVudGVyMg"), "{ran:?}");
        }
    }
}

/// What keeps someone out, with an advice that is right.
const GUARDS: [(&str, &str); 7] = [
    ("admin_hosts", "signal.internal"),
    ("tls_cert", "/etc/signal/fullchain.pem"),
    ("tls_key", "/etc/signal/privkey.pem"),
    ("token_key_file", "/etc/signal/relay.jwk"),
    ("token_audience", "signal.example.org"),
    ("origins", "https://app.example.org"),
    ("trusted_proxies", "127.0.0.1"),
];

/// Each would start an open relay if it counted as not written.
#[test]
fn a_guard_that_is_empty_or_of_a_wrong_type_is_a_mistake_wherever_it_is_written() {
    let folder = Folder::new("guards");
    for (name, example) in GUARDS {
        let (flag, variable) = (name.replace('_', "-"), name.to_uppercase());
        for empty in ["", " ", ",", " , "] {
            let ran = run(&["config", "check", &format!("--{flag}={empty}")]);
            assert_eq!(ran.code(), Some(2), "--{flag}={empty:?}: {ran:?}");
            ran.says(&format!("{name} = {empty:?} (flag --{flag}): is empty"));
            ran.says(&format!(
                "write for example --{flag} {example}, or leave it out to "
            ));

            let mut command = signal(&["serve"]);
            let ran = run_command(command.env(format!("SIGNAL_{variable}"), empty));
            assert_eq!(ran.code(), Some(2), "SIGNAL_{variable}={empty:?}: {ran:?}");
            ran.says(&format!(
                "(environment variable SIGNAL_{variable}): is empty"
            ));
            ran.says(&format!(
                "write for example SIGNAL_{variable}={example}, or leave it out to "
            ));
        }
        for wrong in [
            "\"\"",
            "\" , \"",
            "[]",
            "[\"\"]",
            "[5]",
            "5",
            "false",
            "{}",
            "1979-05-27",
        ] {
            let file = folder.write("guard.toml", &format!("{name} = {wrong}\n"));
            let ran = run(&["config", "check", "--config", &file]);
            assert_eq!(ran.code(), Some(2), "{name} = {wrong}: {ran:?}");
            ran.says(&format!("({file}, line 1): "));
            ran.says(&format!("write for example {name} = {example:?}"));
        }
    }
    let ran = run(&["config", "check", "--config", ""]);
    assert_eq!(ran.code(), Some(2), "{ran:?}");
    let ran = run_command(signal(&["config", "check"]).env("SIGNAL_CONFIG", ""));
    assert_eq!(ran.code(), Some(2), "{ran:?}");
    let ran = run_command(signal(&["config", "check"]).env("SIGNAL_LIMIT_PRIVATE_IPS", ""));
    assert_eq!(ran.code(), Some(2), "{ran:?}");
}

#[test]
fn a_list_in_the_file_may_be_a_list() {
    let folder = Folder::new("list");
    let text = "origins = [\"https://a.example\", \"https://*.b.example\"]\ntrusted_proxies = [\"10.0.0.0/8\"]\n";
    let file = folder.write("list.toml", text);
    let ran = run(&["config", "print", "--config", &file]);
    ran.says("origins = \"https://a.example,https://*.b.example\"");
    ran.says("trusted_proxies = \"10.0.0.0/8\"");
}

#[test]
fn a_key_file_that_is_empty_a_folder_or_not_a_key_is_a_mistake() {
    let folder = Folder::new("key-files");
    let unusable = ["", " \n", "null", "[]", "{\"keys\":[]}", "not a key"];
    let mut files: Vec<String> = unusable
        .iter()
        .map(|text| folder.write(&format!("{}.jwk", text.len()), text))
        .collect();
    files.push(folder.path("."));
    for file in files {
        let ran = run(&["serve", "--token-key-file", &file]);
        assert_eq!(ran.code(), Some(2), "{file}: {ran:?}");
        ran.says("(flag --token-key-file): cannot be ");
    }
}

/// `>` in Windows PowerShell writes UTF-16, its `Out-File -Encoding utf8` a mark before UTF-8.
#[test]
fn files_of_windows_are_read_or_named() {
    let folder = Folder::new("windows");
    let text = std::fs::read_to_string(folder.key("key.jwk", &[])).expect("a key");
    let marked = folder.write("marked.jwk", &format!("\u{feff}{text}"));
    let config = folder.write("marked.toml", "\u{feff}peers_max = 7\n");
    let ran = run(&[
        "config",
        "check",
        "--token-key-file",
        &marked,
        "--config",
        &config,
    ]);
    assert_eq!(ran.code(), Some(0), "{ran:?}");
    ran.says("tokens of 1 key");
    assert_eq!(
        mint(&marked, &["--topics", "*", "--expires", "1h"])
            .split('.')
            .count(),
        3
    );

    let utf_16: Vec<u8> = format!("\u{feff}{text}")
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let wide = folder.path("wide.jwk");
    std::fs::write(&wide, utf_16).expect("a file");
    for command in [
        &["serve", "--token-key-file", &wide][..],
        &["serve", "--config", &wide],
        &["serve", "--tls-cert", &wide, "--tls-key", &wide],
        &[
            "token",
            "mint",
            "--key-file",
            &wide,
            "--topics",
            "*",
            "--expires",
            "1h",
        ],
    ] {
        let ran = run(command);
        assert_eq!(ran.code(), Some(2), "{ran:?}");
        ran.says("it is UTF-16, not UTF-8");
        ran.says("Out-File -Encoding ascii");
    }
}

/// Python's websocket-client and React Native send the address that they connect to.
#[test]
fn programs_that_name_the_relay_itself_as_their_origin_are_let_in() {
    let relay = Relay::start(&["--origins", "https://app.example.org,http://localhost:*"]);
    let own = format!("http://{}", relay.address());
    for (origin, status) in [
        (own.as_str(), 101),
        ("https://app.example.org/", 101),
        ("http://localhost:3000", 101),
        ("http://relay.example", 403),
        ("null", 403),
        ("https://app.example.org, https://evil.example", 403),
    ] {
        let request = upgrade("/", &[("Origin", origin)]);
        let request = request.replace("Host: localhost", &format!("Host: {}", relay.address()));
        let answer = signal_testwire::ask(relay.address(), &request);
        assert_eq!(answer.status, status, "{origin}");
    }
}

#[test]
fn the_start_says_who_may_come_in() {
    let folder = Folder::new("who");
    let key = folder.key("key.jwk", &[]);
    let open = Relay::start(&[]);
    assert_eq!(open.listening["who_may_come_in"], "anyone, to every topic");
    let guards = [
        "--token-key-file",
        &key,
        "--token-audience",
        "relay",
        "--origins",
        "https://a.example,https://*.b.example",
    ];
    let who = "tokens of 1 key, audience \"relay\"; origins https://a.example, https://*.b.example";
    let guarded = Relay::start(&guards);
    assert_eq!(guarded.listening["who_may_come_in"], who);
    let check = run(&[&["config", "check"][..], &guards].concat());
    check.says(&format!("who may come in: {who}"));
}

#[test]
fn config_print_names_the_file_and_nothing_in_it() {
    let folder = Folder::new("print");
    let key = folder.key("key.jwk", &["--algorithm", "HS256"]);
    let text = std::fs::read_to_string(&key).expect("a key");
    let secret: Value = serde_json::from_str(&text).expect("JSON");
    let arguments = [
        "config",
        "print",
        "--token-key-file",
        &key,
        "--origins",
        "https://App.example:443",
    ];
    let ran = run(&arguments);
    assert_eq!(ran.code(), Some(0), "{ran:?}");
    ran.says(&format!("token_key_file = {key:?}"));
    ran.says("origins = \"https://app.example\"");
    assert!(
        !ran.stdout.contains(secret["k"].as_str().expect("a secret")),
        "{ran:?}"
    );
}

#[cfg(unix)]
#[tokio::test]
async fn sighup_takes_the_new_keys_and_drops_nobody() {
    use rustix::process::Signal;

    let folder = Folder::new("rotation");
    let (key, next) = (folder.key("key.jwk", &[]), folder.key("next.jwk", &[]));
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

#[tokio::test]
async fn keys_that_change_are_read_by_themselves() {
    let folder = Folder::new("renewal");
    let (key, next) = (folder.key("key.jwk", &[]), folder.key("next.jwk", &[]));
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

#[cfg(unix)]
#[tokio::test]
async fn a_token_stands_in_no_log() {
    let folder = Folder::new("log");
    let key = folder.key("key.jwk", &[]);
    // The last client may still be there, and would be closed at some moment of a longer drain.
    let drain = ["--drain-seconds", "0"];
    let relay = Relay::start(&[&["--token-key-file", &key, "--log", "trace"], &drain[..]].concat());
    let token = mint(
        &key,
        &["--topics", "*", "--expires", "1h", "--subject", "ann"],
    );
    let (_, secret) = token.rsplit_once('.').expect("three parts");
    let forged = token.replace(secret, &secret.chars().rev().collect::<String>());
    for token in [&token, &forged] {
        let (query, bearer) = (format!("token={token}"), format!("Bearer {token}"));
        let protocols = format!("signal-token, {token}");
        ask(&relay, Some(&query), &[]);
        ask(&relay, None, &[("Authorization", &bearer)]);
        ask(&relay, None, &[("Sec-WebSocket-Protocol", &protocols)]);
        ask(&relay, Some(&query), &[("Authorization", &bearer)]);
    }
    Peer::connect(&format!("{}/?token={token}", relay.url()))
        .await
        .ping()
        .await;
    relay.terminate();
    let (_, log) = relay.wait();
    assert!(log.contains("drained"), "the whole log: {log}");
    for part in token.split('.').chain(forged.split('.')) {
        assert!(!log.contains(part), "{log}");
    }
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

#[test]
fn an_address_of_keys_that_others_could_answer_at_is_a_mistake() {
    for (url, sentence) in [
        (
            "http://id.example.org/keys",
            "http is for this machine alone",
        ),
        ("https://ann:secret@id.example.org/", "a name or password"),
        ("id.example.org/keys", "not an address of the form https://"),
    ] {
        let ran = run(&["config", "check", "--token-jwks-url", url]);
        assert_eq!(ran.code(), Some(2), "{ran:?}");
        assert!(ran.stderr.contains(sentence), "{ran:?}");
    }
    let folder = Folder::new("two-places");
    let key = folder.key("key.jwk", &[]);
    let url = "https://id.example.org/keys";
    let ran = run(&[
        "config",
        "check",
        "--token-key-file",
        &key,
        "--token-jwks-url",
        url,
    ]);
    assert_eq!(ran.code(), Some(2), "{ran:?}");
    assert!(ran.stderr.contains("come from one place"), "{ran:?}");
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
