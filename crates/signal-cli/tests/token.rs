//! `signal token` as people use it.

mod common;

use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;

use common::folder::{Folder, mint, new_key};
use common::{Ran, run, run_command, signal};

/// Checks a token that comes by standard input.
fn check(key: &str, token: &str, arguments: &[&str]) -> Ran {
    let mut command = signal(&[&["token", "check", "-", "--key-file", key], arguments].concat());
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(token.as_bytes()).expect("it reads");
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    let ran = Ran {
        status: output.status,
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    };
    let shows =
        |part: &str| part.len() > 20 && (ran.stdout.contains(part) || ran.stderr.contains(part));
    assert!(
        !token.trim().split('.').any(shows),
        "the token is shown: {ran:?}"
    );
    ran
}

#[test]
fn a_token_is_minted_and_explained_with_either_algorithm() {
    let folder = Folder::new("explained");
    for algorithm in ["HS256", "eddsa"] {
        let key = new_key(
            &folder,
            algorithm,
            &["--algorithm", algorithm, "--id", "2026"],
        );
        let rights = [
            "--topics",
            "garden,team-7/*",
            "--publish",
            "mail",
            "--subject",
            "ann",
        ];
        let token = mint(
            &key,
            &[&rights[..], &["--expires", "8h", "--peers-max", "2"]].concat(),
        );
        let ran = check(&key, &format!(" {token}\n"), &[]);
        assert_eq!(ran.code(), Some(0), "{ran:?}");
        for line in [
            "✅ VALID: a relay with this key lets its bearer in for another 7 h 59 min",
            "subject     \"ann\"",
            "subscribe   \"garden\", all that begin with \"team-7/\"",
            "publish     \"garden\", all that begin with \"team-7/\", \"mail\"",
            " UTC (in 7 h 59 min)",
            "at once     2 connections",
        ] {
            ran.says(line);
        }
        let by_argument = run(&["token", "check", &token, "--key-file", &key]);
        assert_eq!(by_argument.stdout, ran.stdout);
    }
}

#[test]
fn how_many_clients_topics_may_have_is_minted_and_explained() {
    let folder = Folder::new("clients");
    let key = new_key(&folder, "key.jwk", &[]);
    for (flag, line) in [
        ("50", "clients     at most 50 in every topic\n"),
        (
            "trial=4,team-7/*=50",
            "clients     at most 50 in all that begin with \"team-7/\", 4 in \"trial\"\n",
        ),
        (
            "50,a=b=4,a=b=3",
            "clients     at most 50 in every topic, 3 in \"a=b\"\n",
        ),
    ] {
        let token = mint(
            &key,
            &["--topics", "*", "--expires", "1h", "--clients-max", flag],
        );
        let ran = check(&key, &token, &[]);
        assert_eq!(ran.code(), Some(0), "{ran:?}");
        ran.says(line);
    }
    for (flag, why) in [
        ("0", "a number from 1"),
        ("-1", "a number from 1"),
        ("1.5", "a number from 1"),
        ("4294967296", "a number from 1"),
        ("", "a number from 1"),
        ("team", "a number from 1"),
        ("team=", "a number from 1"),
        ("50,", "a number from 1"),
        ("=4", "a topic is empty"),
        ("a*b=4", "a * that is not its end"),
    ] {
        let flag = format!("--clients-max={flag}");
        let ran = run(&[
            "token",
            "mint",
            "--key-file",
            &key,
            "--topics",
            "*",
            "--expires",
            "1h",
            &flag,
        ]);
        assert_eq!(ran.code(), Some(2), "{flag}: {ran:?}");
        ran.says(why);
        assert!(ran.stdout.is_empty(), "{ran:?}");
    }
}

#[test]
fn the_public_half_verifies_and_does_not_sign() {
    let folder = Folder::new("public");
    let key = new_key(&folder, "private.jwk", &[]);
    let public = folder.path("public.jwk");
    let ran = run(&["token", "key", "--public", &key]);
    assert_eq!(ran.code(), Some(0), "{ran:?}");
    assert!(!ran.stdout.contains("\"d\""), "{ran:?}");
    std::fs::write(&public, &ran.stdout).expect("a file can be written");

    let token = mint(&key, &["--topics", "*", "--expires", "1h"]);
    let ran = check(&public, &token, &[]);
    assert_eq!(ran.code(), Some(0), "{ran:?}");
    ran.says("topics      every topic");

    let ran = run(&["token", "mint", "--key-file", &public, "--expires", "1h"]);
    assert_eq!(ran.code(), Some(2), "{ran:?}");
    ran.says("it is a public key, which cannot sign");
    ran.says("the public one is for the relay");

    let shared = new_key(&folder, "shared.jwk", &["--algorithm", "HS256"]);
    let ran = run(&["token", "key", "--public", &shared]);
    assert_eq!(ran.code(), Some(2), "{ran:?}");
    ran.says("holds an HS256 key, which has no public half");
}

#[test]
fn each_refusal_says_why_and_what_to_do() {
    let folder = Folder::new("refusals");
    let key = new_key(
        &folder,
        "key.jwk",
        &["--algorithm", "HS256", "--id", "2026"],
    );
    let other = new_key(
        &folder,
        "other.jwk",
        &["--algorithm", "HS256", "--id", "2026"],
    );
    let named = new_key(
        &folder,
        "named.jwk",
        &["--algorithm", "HS256", "--id", "2027"],
    );
    let edwards = new_key(&folder, "edwards.jwk", &["--id", "2026"]);
    let token = |key: &str, more: &[&str]| {
        mint(key, &[&["--topics", "*", "--expires", "1h"], more].concat())
    };
    let good = token(&key, &[]);
    let expired = include_str!("../../signal-access/vectors/tokens.json");
    let expired: serde_json::Value = serde_json::from_str(expired).expect("JSON");
    let row = expired["rows"]
        .as_array()
        .and_then(|rows| rows.iter().find(|row| row["name"] == "expired in 2001"));
    let row = row.expect("a row");
    let old = row["query"]
        .as_str()
        .and_then(|query| query.strip_prefix("token="))
        .expect("a token");
    let old_key = folder.write("old.jwk", &expired["relays"]["hs256"]["keys"].to_string());
    for (key, token, arguments, why, fix) in [
        (
            &key,
            "open-sesame",
            &[][..],
            "it is not three parts of base64url",
            "pass the whole token",
        ),
        (
            &key,
            "",
            &[],
            "it is not three parts of base64url",
            "pass the whole token",
        ),
        (
            &key,
            &good[..good.len() - 2],
            &[],
            "the token cannot be read",
            "pass the whole token",
        ),
        (
            &key,
            &token(&other, &[]),
            &[],
            "the signature of the token is wrong",
            "signed with another",
        ),
        (
            &key,
            &token(&named, &[]),
            &[],
            "does not name a key (kid)",
            "add the key that signed it",
        ),
        (
            &key,
            &token(&edwards, &[]),
            &[],
            "signed with an algorithm",
            "the key of the relay",
        ),
        (
            &key,
            &token(&key, &["--not-before", "30m"]),
            &[],
            "not valid yet",
            "from        ",
        ),
        (
            &key,
            &token(&key, &["--audience", "relay"]),
            &[],
            "this relay has none",
            "audience    \"relay\"",
        ),
        (
            &key,
            &good,
            &["--audience", "relay"],
            "the token has no audience",
            "token_audience",
        ),
        (
            &key,
            &"x".repeat(13_000),
            &[],
            "longer than 12288 bytes",
            "leave groups",
        ),
        (
            &old_key,
            old,
            &[],
            "the token has expired",
            "until       2001-09-09 01:46:40 UTC (",
        ),
    ] {
        let ran = check(key, token, arguments);
        assert_eq!(ran.code(), Some(1), "{ran:?}");
        ran.says("❌ REFUSED: ");
        ran.says(why);
        ran.says(fix);
    }
    let ran = check(
        &key,
        &token(&key, &["--audience", "relay"]),
        &["--audience", "relay"],
    );
    assert_eq!(ran.code(), Some(0), "{ran:?}");
}

#[test]
fn a_key_that_cannot_be_used_is_reported_without_showing_it() {
    let folder = Folder::new("keys");
    let write = |name: &str, text: &str| {
        let path = folder.path(name);
        std::fs::write(&path, text).expect("a file can be written");
        path
    };
    let missing = folder.path("missing.jwk");
    for (path, why) in [
        (missing, "cannot be read"),
        (
            write("text.jwk", "hunter2-hunter2-hunter2"),
            "not a JSON object",
        ),
        (
            write(
                "short.jwk",
                r#"{"kty":"oct","alg":"HS256","k":"aHVudGVyMg"}"#,
            ),
            "shorter than 32 bytes",
        ),
        (
            write("none.jwk", r#"{"kty":"oct","k":"aHVudGVyMg"}"#),
            "it has no \"alg\", which a secret needs",
        ),
        (
            write("twice.jwk", r#"{"kty":"oct","kty":"oct","k":"aHVudGVyMg"}"#),
            "a name stands twice",
        ),
    ] {
        let ran = run(&["token", "check", "a.b.c", "--key-file", &path]);
        assert_eq!(ran.code(), Some(2), "{ran:?}");
        ran.says(why);
        ran.says(&path);
        assert!(
            !ran.stderr.contains("hunter2") && !ran.stderr.contains("aHVudGVyMg"),
            "{ran:?}"
        );
    }
}

#[test]
fn claims_that_make_no_sense_are_not_signed() {
    let folder = Folder::new("claims");
    let key = new_key(&folder, "key.jwk", &[]);
    for (arguments, why) in [
        (
            &["--topics", "team-*-notes", "--expires", "1h"][..],
            "a * that is not its end",
        ),
        (&["--topics", "", "--expires", "1h"], "a topic is empty"),
        (&["--topics", "*"], "--expires"),
        (&["--topics", "*", "--expires", "soon"], "such as 8h"),
        (&["--topics", "*", "--expires", "0s"], "a second at least"),
        (
            &["--topics", "*", "--expires", "1h", "--peers-max", "2"],
            "--subject",
        ),
        (
            &[
                "--topics",
                "*",
                "--expires",
                "1h",
                "--subject",
                "ann",
                "--peers-max",
                "0",
            ],
            "\"peers_max\" is not a number",
        ),
    ] {
        let ran = run(&[&["token", "mint", "--key-file", &key], arguments].concat());
        assert_eq!(ran.code(), Some(2), "{ran:?}");
        ran.says(why);
        assert!(ran.stdout.is_empty(), "{ran:?}");
    }
    let ran = run(&["token", "mint", "--key-file", &key, "--expires", "1h"]);
    assert_eq!(ran.code(), Some(0), "{ran:?}");
    ran.says("allows no topic at all");
}

#[test]
fn a_key_is_never_overwritten_and_is_only_for_its_owner() {
    let folder = Folder::new("files");
    let key = new_key(&folder, "key.jwk", &[]);
    let before = std::fs::read_to_string(&key).expect("a key");
    let ran = run(&["token", "key", "--out", &key]);
    assert_eq!(ran.code(), Some(2), "{ran:?}");
    ran.says("name a file that does not exist yet");
    assert_eq!(std::fs::read_to_string(&key).expect("a key"), before);
    only_for_its_owner(Path::new(&key));
    let printed = [run(&["token", "key"]).stdout, run(&["token", "key"]).stdout];
    assert_ne!(printed[0], printed[1], "keys are random");
}

#[cfg(unix)]
fn only_for_its_owner(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::metadata(path)
        .expect("a file")
        .permissions()
        .mode();
    assert_eq!(mode & 0o077, 0, "{mode:o}");
}

#[cfg(not(unix))]
fn only_for_its_owner(_: &Path) {}

#[test]
fn the_key_file_may_come_from_the_environment() {
    let folder = Folder::new("environment");
    let key = new_key(&folder, "key.jwk", &[]);
    let ran = run_command(
        signal(&["token", "mint", "--topics", "*", "--expires", "1d"])
            .env("SIGNAL_TOKEN_KEY_FILE", &key),
    );
    assert_eq!(ran.code(), Some(0), "{ran:?}");
    assert_eq!(check(&key, &ran.stdout, &[]).code(), Some(0));
}
