//! Through a proxy that the environment names.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use crate::common::{Relay, run_command, signal};

/// A proxy that passes each connection on to `to`, whatever it was asked for, unless it answers
/// with `refusal`. Returns its address, and what it was asked.
fn proxy(to: String, refusal: Option<&'static str>) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    let asked = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a client");
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).expect("a request");
                head.push(byte[0]);
            }
            let head = String::from_utf8(head).expect("text");
            heard.lock().expect("no panic").push(head);
            if let Some(refusal) = refusal {
                let _ = stream.write_all(refusal.as_bytes());
                continue;
            }
            let mut server = TcpStream::connect(&to).expect("the relay listens");
            // As proxies do: small messages are not kept back.
            for socket in [&stream, &server] {
                socket.set_nodelay(true).expect("a socket");
            }
            stream.write_all(b"HTTP/1.0 200 OK\r\n\r\n").expect("room");
            let (mut from, mut back) = (
                stream.try_clone().expect("a handle"),
                server.try_clone().expect("a handle"),
            );
            std::thread::spawn(move || {
                let _ = std::io::copy(&mut back, &mut stream);
                let _ = stream.shutdown(Shutdown::Both);
            });
            std::thread::spawn(move || {
                let _ = std::io::copy(&mut from, &mut server);
                let _ = server.shutdown(Shutdown::Both);
            });
        }
    });
    (address, asked)
}

#[test]
fn a_proxy_of_the_environment_is_asked_for_the_connection_and_named_where_it_fails() {
    let relay = Relay::start(&[]);
    let (address, asked) = proxy(relay.address().to_owned(), None);
    let through = |address: SocketAddr, more: &[(&str, &str)]| {
        // A name that only the proxy has to know.
        let mut check = signal(&["check", "ws://relay.internal:4444"]);
        check.env("HTTP_PROXY", format!("http://ann:secret@{address}"));
        run_command(check.envs(more.iter().copied()))
    };
    let ran = through(address, &[]);
    assert_eq!(ran.code(), Some(0), "{ran:?}");
    ran.says(&format!(
        "through the proxy http://{address}, from HTTP_PROXY"
    ));
    assert!(!format!("{ran:?}").contains("secret"), "{ran:?}");
    let requests = asked.lock().expect("no panic").clone();
    assert_eq!(requests.len(), 3, "one for each client, and for /turn");
    assert!(
        requests[0].starts_with("CONNECT relay.internal:4444 HTTP/1.1\r\n"),
        "{requests:?}"
    );
    assert!(
        requests[0].contains("\r\nProxy-Authorization: Basic YW5uOnNlY3JldA==\r\n"),
        "{requests:?}"
    );

    let direct = through(address, &[("NO_PROXY", ".internal")]);
    direct.says("resolve: the name relay.internal cannot be resolved");

    for (refusal, what, fix) in [
        (
            "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
            "refuses to connect to relay.internal:4444: HTTP 407",
            "write user and password in HTTP_PROXY",
        ),
        (
            "HTTP/1.1 403 Forbidden\r\n\r\n",
            "HTTP 403 Forbidden",
            "have the proxy allow relay.internal:4444",
        ),
        (
            "HTTP/1.1 502 Bad Gateway\r\n\r\n",
            "HTTP 502",
            "does not reach it",
        ),
        (
            "SSH-2.0-OpenSSH\r\n\r\n",
            "gave no answer to CONNECT: not HTTP",
            "is that an HTTP proxy?",
        ),
        ("", "gave no answer to CONNECT", "it is named in HTTP_PROXY"),
    ] {
        let (address, _) = proxy(String::new(), Some(refusal));
        let ran = through(address, &[]);
        assert_eq!(ran.code(), Some(2), "{ran:?}");
        ran.says(&format!("tcp: the proxy http://{address}"));
        ran.says(what);
        ran.says(fix);
    }
    let free = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr());
    let dead = through(free.expect("a port that was free"), &[]);
    dead.says("connection refused");
    dead.says("it is named in HTTP_PROXY");
    let mut socks = signal(&["check", "wss://relay.internal"]);
    let socks = run_command(socks.env("ALL_PROXY", "socks5://127.0.0.1:1080"));
    assert_eq!(socks.code(), Some(64), "{socks:?}");
    socks.says("ALL_PROXY: a proxy by socks5:// cannot be used");
}
