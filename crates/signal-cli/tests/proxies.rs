//! What `signal serve` says to an operator whose proxy it does not know, and by what it knows one.

#![cfg(unix)]

mod common;

use std::io::{Read, Write};
use std::net::TcpStream;

use common::{Relay, run, run_command, signal};
use signal_testwire::{UPGRADE, ask, upgrade};

/// A relay that takes one peer from each address, those of this machine too.
fn one_for_each_address(arguments: &[&str]) -> Relay {
    let few = [
        "--limit-private-ips",
        "--peers-per-ip-max",
        "1",
        "--drain-seconds",
        "0",
    ];
    Relay::start(&[&few[..], arguments].concat())
}

/// A connection that stays, from a request with these headers.
fn stay(relay: &Relay, headers: &[(&str, &str)]) -> TcpStream {
    let mut stream = TcpStream::connect(relay.address()).expect("the relay listens");
    let request = upgrade("/", headers);
    stream.write_all(request.as_bytes()).expect("room");
    let mut begin = [0; 12];
    stream.read_exact(&mut begin).expect("an answer");
    assert_eq!(&begin, b"HTTP/1.1 101");
    stream
}

#[test]
fn a_client_refused_for_its_proxys_address_is_logged_once_with_the_missing_setting() {
    for (arguments, header, fix) in [
        (
            &[][..],
            "X-Forwarded-For",
            "name it in trusted_proxies, so that",
        ),
        (
            &[],
            "CF-Connecting-IP",
            "name it in trusted_proxies, and the header in forwarded_header, so",
        ),
        (
            &[],
            "X-Real-IP",
            "name it in trusted_proxies, and the header in forwarded_header, so",
        ),
        (
            &[],
            "Fly-Client-IP",
            "name it in trusted_proxies, and the header in forwarded_header, so",
        ),
        (
            &["--trusted-proxies", "loopback"],
            "Forwarded",
            "name the header in forwarded_header, so",
        ),
    ] {
        let relay = one_for_each_address(arguments);
        let first = stay(&relay, &[(header, "203.0.113.7")]);
        // Without the header there is no sign of a proxy.
        assert_eq!(ask(relay.address(), UPGRADE).status, 429);
        for _ in 0..3 {
            let second = upgrade("/", &[(header, "203.0.113.8")]);
            assert_eq!(ask(relay.address(), &second).status, 429, "{header}");
        }
        let line = relay.until_logged("came through a proxy");
        assert_eq!(line["header"], header.to_ascii_lowercase());
        assert_eq!(line["cause"], "peers_per_ip");
        assert_eq!(line["address"], "127.0.0.0/24");
        let message = line["message"].as_str().expect("text");
        assert!(message.contains(fix), "{message}");
        drop(first);
        relay.terminate();
        let (_, rest) = relay.wait();
        assert!(!rest.contains("came through a proxy"), "{rest}");
    }
}

#[test]
fn a_proxy_that_is_named_with_its_header_is_not_warned_of() {
    let relay = one_for_each_address(&[
        "--trusted-proxies",
        "loopback",
        "--forwarded-header",
        "CF-Connecting-IP",
    ]);
    let headers = |client| {
        [
            ("X-Forwarded-For", "192.0.2.66"),
            ("CF-Connecting-IP", client),
        ]
    };
    let ann = stay(&relay, &headers("203.0.113.7"));
    let ben = stay(&relay, &headers("203.0.113.8"));
    let again = upgrade("/", &headers("203.0.113.7"));
    assert_eq!(ask(relay.address(), &again).status, 429);
    drop((ann, ben));
    relay.terminate();
    let (_, rest) = relay.wait();
    assert!(!rest.contains("came through a proxy"), "{rest}");
}

#[test]
fn a_proxy_protocol_that_only_one_side_speaks_is_logged() {
    let relay = Relay::start(&[]);
    let v1 = format!("PROXY TCP4 203.0.113.7 10.0.0.1 1 2\r\n{UPGRADE}");
    assert_eq!(ask(relay.address(), &v1).status, 400);
    let line = relay.until_logged("began with a PROXY header");
    let message = line["message"].as_str().expect("text");
    assert!(
        message.contains("set proxy_protocol, and name it"),
        "{message}"
    );

    let relay = Relay::start(&["--proxy-protocol", "--trusted-proxies", "127.0.0.1"]);
    assert_eq!(ask(relay.address(), &v1).status, 101);
    let mut stream = TcpStream::connect(relay.address()).expect("the relay listens");
    stream.write_all(UPGRADE.as_bytes()).expect("room");
    let mut answer = Vec::new();
    // A reset is an end too.
    let _ = stream.read_to_end(&mut answer);
    assert!(answer.is_empty());
    let line = relay.until_logged("have the proxy send the header");
    assert_eq!(
        line["problem"],
        "the connection does not begin with a PROXY header"
    );
}

#[test]
fn proxy_protocol_wants_a_proxy_and_the_health_check_speaks_it() {
    let ran = run(&["serve", "--listen", "127.0.0.1:0", "--proxy-protocol"]);
    assert_eq!(ran.code(), Some(2), "{ran:?}");
    ran.says("proxy_protocol = \"true\" (flag --proxy-protocol): is read from the proxies");
    ran.says("--trusted-proxies 127.0.0.1");

    for listen in ["127.0.0.1:0", "localhost:0"] {
        let settings = [
            ("SIGNAL_PROXY_PROTOCOL", "true"),
            ("SIGNAL_TRUSTED_PROXIES", "private"),
        ];
        let mut serve = signal(&["serve", "--listen", listen]);
        serve.envs(settings);
        let relay = Relay::start_command(serve);
        let mut check = signal(&["check", "--health"]);
        check.envs(settings).env("SIGNAL_LISTEN", relay.address());
        let health = run_command(&mut check);
        assert_eq!(health.code(), Some(0), "{health:?}");
    }
}
