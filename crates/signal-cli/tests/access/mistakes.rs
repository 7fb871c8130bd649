//! What guards the relay and cannot be used is a mistake, and no relay starts.

use crate::common::folder::{Folder, mint, new_key};
use crate::common::{run, run_command, signal};

#[test]
fn settings_that_cannot_be_used_are_reported_at_the_start() {
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
            (
                ["--origins", "https://app.example/room"],
                "`https://app.example/room` is not an origin",
                "no path",
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
const GUARDS: [(&str, &str); 9] = [
    ("admin_hosts", "signal.internal"),
    ("tls_cert", "/etc/signal/fullchain.pem"),
    ("tls_key", "/etc/signal/privkey.pem"),
    ("token_key_file", "/etc/signal/relay.jwk"),
    ("token_audience", "signal.example.org"),
    ("token_in", "query"),
    ("origins", "https://app.example.org"),
    ("trusted_proxies", "127.0.0.1"),
    ("forwarded_header", "x-forwarded-for"),
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

#[test]
fn a_key_in_another_form_is_named_with_what_makes_a_jwk_of_it() {
    let folder = Folder::new("key-forms");
    for (name, text, problem, fix) in [
        (
            "public.pem",
            "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA915MwOU87FELgiJUQ3F2V/imUY7veLjwHtPkoRfjNHg=\n-----END PUBLIC KEY-----\n",
            "cannot be used: it is PEM",
            "export({format:\"jwk\"})",
        ),
        (
            "certificates.json",
            "{\"1e9gdk7\": \"-----BEGIN CERTIFICATE-----\\nMIIDHDCC\\n-----END CERTIFICATE-----\\n\"}",
            "cannot be used: it is PEM",
            "at which its issuer has the JWK Set",
        ),
        (
            "secret.txt",
            "super-secret-jwt-token-with-at-least-32-characters-long",
            "is not a JSON object",
            "a secret alone is written as {\"kty\":\"oct\",\"alg\":\"HS256\",\"k\":",
        ),
    ] {
        let file = folder.write(name, text);
        let ran = run(&["config", "check", "--token-key-file", &file]);
        assert_eq!(ran.code(), Some(2), "{ran:?}");
        ran.says(problem);
        ran.says(fix);
        assert!(!ran.stderr.contains("super-secret"), "{ran:?}");
    }
}

/// `>` in Windows PowerShell writes UTF-16, its `Out-File -Encoding utf8` a mark before UTF-8.
#[test]
fn files_of_windows_are_read_or_named() {
    let folder = Folder::new("windows");
    let text = std::fs::read_to_string(new_key(&folder, "key.jwk", &[])).expect("a key");
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
    let key = new_key(&folder, "key.jwk", &[]);
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
