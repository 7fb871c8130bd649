//! The README's code for a backend in Node, run by Node and judged by the verifier.

#![cfg(feature = "tokens")]

use std::process::Command;
use std::time::SystemTime;

use signal_access::{Algorithm, NewKey, TokenVerifier, UnixTime};
use signal_core::TopicSet;

/// The first block of JavaScript in the README.
fn code() -> &'static str {
    let readme = include_str!("../README.md");
    let (_, rest) = readme.split_once("```js\n").expect("a block of JavaScript");
    rest.split_once("```").expect("its end").0
}

/// Runs the code and this after it. None if there is no Node on this machine, which CI must have.
fn run(more: &str) -> Option<String> {
    let script = format!("{}\n{more}", code());
    let output = Command::new("node")
        .args(["--input-type=module", "--eval", &script])
        .output();
    let output = match output {
        Ok(output) => output,
        Err(error) => {
            signal_testwire::skipped(&format!("node: {error}; install Node 20 or newer"));
            return None;
        }
    };
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    Some(
        String::from_utf8(output.stdout)
            .expect("UTF-8")
            .trim()
            .to_owned(),
    )
}

#[test]
fn a_backend_in_node_signs_tokens_that_are_understood() {
    for algorithm in Algorithm::ALL {
        for id in [None, Some("2026")] {
            let key = NewKey::from_seed(algorithm, id, *b"a test seed, never to be used!!!");
            let jwk = key.private_jwk();
            let sign =
                format!("console.log(signToken({jwk}, 'änn', ['garden', 'team-7/notes'], 1))");
            let Some(token) = run(&sign) else { return };
            let public = key.public_jwk().unwrap_or(jwk);
            let verifier = TokenVerifier::new(&public).expect("a key");
            let now = UnixTime::since_1970(SystemTime::UNIX_EPOCH.elapsed().expect("after 1970"));
            let claims = verifier.verify(&token, now).expect("a good token");
            assert_eq!(claims.subject.as_deref(), Some("änn"));
            let topics = TopicSet::none().exact("garden").exact("team-7/notes");
            assert_eq!((&claims.subscribe, &claims.publish), (&topics, &topics));
            let left = claims.expires.saturating_since(now).as_secs();
            assert!((3_500..=3_600).contains(&left), "{left} s");
        }
    }
}

#[test]
fn names_that_would_mean_more_are_refused() {
    for room in ["*", "team-*", ""] {
        let tried = run(&format!(
            "try {{ signToken({{ alg: 'HS256', k: '' }}, 'ann', ['{room}']) }} catch (error) {{ console.log(error.message) }}"
        ));
        let Some(said) = tried else { return };
        assert_eq!(said, "not the name of a room");
    }
}
