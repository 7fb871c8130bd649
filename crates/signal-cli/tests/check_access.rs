//! `signal check` against relays that do not let everybody in.

mod common;

use common::folder::{Folder, mint, new_key};
use common::{Relay, run, signal};

#[test]
fn a_token_is_sent_in_each_place() {
    let folder = Folder::new("check-places");
    let key = new_key(&folder, "key.jwk", &[]);
    let relay = Relay::start(&["--token-key-file", &key]);
    let token = mint(&key, &["--topics", "*", "--expires", "1h"]);
    let file = folder.write("token", &format!("{token}\n"));
    for place in ["query", "header", "protocol"] {
        let ran = run(&[
            "check",
            &relay.url(),
            "--token-file",
            &file,
            "--token-in",
            place,
        ]);
        assert_eq!(ran.code(), Some(0), "{place}: {ran:?}");
        ran.says("✅ WORKING");
        assert!(!ran.stdout.contains(&token), "{ran:?}");
    }
    let ran = run(&["check", &relay.url(), "--token", &token, "--pings", "1"]);
    assert_eq!(ran.code(), Some(0), "{ran:?}");
    ran.says("?token=***");
    assert!(!ran.stdout.contains(&token), "{ran:?}");
}

#[test]
fn a_token_comes_by_standard_input_too() {
    let folder = Folder::new("check-stdin");
    let key = new_key(&folder, "key.jwk", &[]);
    let relay = Relay::start(&["--token-key-file", &key]);
    let token = folder.write("token", &mint(&key, &["--topics", "*", "--expires", "1h"]));
    let mut command = signal(&["check", &relay.url(), "--token-file", "-"]);
    command.stdin(std::fs::File::open(token).expect("a token"));
    let ran = common::run_command(&mut command);
    assert_eq!(ran.code(), Some(0), "{ran:?}");
}

#[test]
fn a_token_for_some_topics_is_checked_with_one_of_them() {
    let folder = Folder::new("check-topics");
    let key = new_key(&folder, "key.jwk", &[]);
    let relay = Relay::start(&["--token-key-file", &key]);
    let token = mint(&key, &["--topics", "team-7/*", "--expires", "1h"]);
    let url = relay.url();
    let check = ["check", &url, "--token", &token, "--pings", "1"];

    let ran = run(&[&check[..], &["--topic-prefix", "team-7/"]].concat());
    assert_eq!(ran.code(), Some(0), "{ran:?}");
    let ran = run(&[&check[..], &["--timeout", "1s"]].concat());
    assert_eq!(ran.code(), Some(2), "{ran:?}");
    ran.says("does it allow such a topic?");
    ran.says("--topic-prefix");

    // The second client of the check is one too many in the room.
    let rights = ["--topics", "*", "--expires", "1h", "--clients-max", "1"];
    let token = mint(&key, &rights);
    let ran = run(&["check", &url, "--token", &token, "--timeout", "1s"]);
    assert_eq!(ran.code(), Some(2), "{ran:?}");
    ran.says("two clients there (clients_max)?");
}

#[test]
fn each_refusal_is_reported_with_what_to_do() {
    let folder = Folder::new("check-refused");
    let (key, other) = (
        new_key(&folder, "key.jwk", &[]),
        new_key(&folder, "other.jwk", &[]),
    );
    let relay = Relay::start(&["--token-key-file", &key, "--origins", "https://app.example"]);
    let token = mint(
        &key,
        &[
            "--topics",
            "*",
            "--expires",
            "1h",
            "--subject",
            "ann",
            "--peers-max",
            "1",
        ],
    );
    let foreign = mint(&other, &["--topics", "*", "--expires", "1h"]);
    let bearer = format!("Authorization: Bearer {token}");
    for (arguments, said, fix) in [
        (
            &[][..],
            "HTTP 401 Unauthorized, \"this relay needs a token",
            "--token-file FILE",
        ),
        (
            &["--token", "open-sesame"],
            "the token cannot be read",
            "signal token check",
        ),
        (
            &["--token", &foreign],
            "does not name a key (kid)",
            "signal token check",
        ),
        (
            &["--token", &token, "--header", &bearer],
            "HTTP 400",
            "send one token in one place",
        ),
        (
            &["--token", &token, "--origin", "https://evil.example"],
            "HTTP 403 Forbidden, \"pages of this origin",
            "add the origin to the relay's `origins`",
        ),
        (
            // The second client of the check is one too many.
            &["--token", &token],
            "HTTP 429 Too Many Requests, \"too many connections are open with your token",
            "a larger peers_max",
        ),
    ] {
        let ran = run(&[&["check", &relay.url()], arguments].concat());
        assert_eq!(ran.code(), Some(2), "{ran:?}");
        ran.says(said);
        ran.says(fix);
        for secret in [&token, &foreign] {
            assert!(!ran.stdout.contains(secret.as_str()), "{ran:?}");
        }
    }
}

#[test]
fn a_file_without_a_token_is_wrong_usage() {
    let folder = Folder::new("check-files");
    let missing = folder.path("missing");
    for (path, problem) in [
        (missing, "it cannot be read"),
        (folder.write("empty", " \n"), "it is empty"),
        (
            folder.write("two", "a.b.c\nd.e.f\n"),
            "more in it than a token",
        ),
    ] {
        let ran = run(&["check", "ws://127.0.0.1:1", "--token-file", &path]);
        assert_eq!(ran.code(), Some(64), "{ran:?}");
        ran.says(problem);
    }
}
