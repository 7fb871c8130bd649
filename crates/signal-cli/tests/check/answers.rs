//! Answers to the upgrade that are not one, each with its cause and what to do.

use std::net::TcpListener;

use crate::common::run;
use crate::{answering, url};

#[test]
fn each_http_status_has_its_cause() {
    let cases: [(&[u8], &str, &str); 10] = [
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nokay",
            "HTTP 200 OK",
            "`Upgrade` and `Connection` headers",
        ),
        (
            b"HTTP/1.1 301 Moved Permanently\r\nLocation: https://example.org/x\r\n\r\n",
            "HTTP 301",
            "use wss://example.org/x instead",
        ),
        (
            b"HTTP/1.1 400 Bad Request\r\n\r\n",
            "HTTP 400",
            "if the server has TLS on this port, try wss://127.0.0.1:",
        ),
        (
            b"HTTP/1.1 401 Unauthorized\r\n\r\n",
            "HTTP 401",
            "pass --token-file FILE",
        ),
        (
            b"HTTP/1.1 403 Forbidden\r\nContent-Length: 11\r\n\r\nwrong \x1b[31m!",
            "HTTP 403",
            "--origin https://your.app",
        ),
        (
            b"HTTP/1.1 404 Not Found\r\n\r\n",
            "HTTP 404",
            "no WebSocket at this path",
        ),
        (
            b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 7\r\n\r\n",
            "HTTP 429",
            "retry after 7 s",
        ),
        (
            b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: Wed, 02 Dec 2026 07:28:00 GMT\r\n\r\n",
            "HTTP 503",
            "(it says: retry after Wed, 02 Dec 2026 07:28:00 GMT)",
        ),
        (
            b"HTTP/1.1 502 Bad Gateway\r\n\r\n",
            "HTTP 502",
            "the proxy does not reach the relay",
        ),
        (
            b"HTTP/1.1 503 Service Unavailable\r\n\r\n",
            "HTTP 503",
            "full or restarts",
        ),
    ];
    for (answer, what, fix) in cases {
        let ran = run(&["check", &url(answering(answer))]);
        assert_eq!(ran.code(), Some(2), "{ran:?}");
        ran.says(&format!("upgrade: the upgrade was answered with {what}"));
        ran.says(fix);
        assert!(!ran.stdout.contains('\x1b'), "{ran:?}");
    }
}

/// What a server on its way to a 101 may get wrong, and what stands in the way before it.
#[test]
fn each_answer_that_is_not_an_upgrade_has_its_own_sentence() {
    let cases: [(&[u8], &str, &str); 27] = [
        // HAProxy's own answer.
        (
            b"HTTP/1.0 502 Bad Gateway\r\nCache-Control: no-cache\r\nContent-Type: text/html\r\n\r\n<html><body><h1>502</h1></body></html>",
            "answered with HTTP 502 Bad Gateway, a page",
            "the proxy does not reach the relay",
        ),
        (b"HTTP/1.1 520 \r\n\r\n", "HTTP 520 Web Server Returned an Unknown Error, by Cloudflare", "does not understand"),
        (b"HTTP/1.1 521 <none>\r\nServer: cloudflare\r\n\r\n", "HTTP 521 Web Server Is Down, by Cloudflare", "firewall let Cloudflare"),
        (b"HTTP/1.1 522 \r\n\r\n", "HTTP 522 Connection Timed Out", "port open to Cloudflare"),
        (b"HTTP/1.1 523 \r\n\r\n", "HTTP 523 Origin Is Unreachable", "DNS record"),
        (b"HTTP/1.1 524 \r\n\r\n", "HTTP 524 A Timeout Occurred", "hang?"),
        (b"HTTP/1.1 525 \r\n\r\n", "HTTP 525 SSL Handshake Failed", "encryption mode"),
        (b"HTTP/1.1 526 \r\n\r\n", "HTTP 526 Invalid SSL Certificate", "Full (strict)"),
        (b"HTTP/1.1 530 \r\n\r\nerror code: 1033", "HTTP 530 Origin DNS or Tunnel Error", "cloudflared"),
        (
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
            "HTTP 101 came without `Sec-WebSocket-Accept`",
            "`Sec-WebSocket-Key`",
        ),
        (
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x3JJHMbDL1EzLkh9GBhXDw==\r\n\r\n",
            "HTTP 101 came with a wrong `Sec-WebSocket-Accept`, \"x3JJ",
            "is to another request",
        ),
        (
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\r\n",
            "HTTP 101 came without `Upgrade: websocket`",
            "drops the header",
        ),
        (
            b"HTTP/1.0 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
            "HTTP 101 came by HTTP/1.0",
            "answer in HTTP/1.1",
        ),
        (
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Protocol: chat\r\n\r\n",
            "HTTP 101 came with `Sec-WebSocket-Protocol: chat`, which was not asked for",
            "has to leave it out",
        ),
        (
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
            "HTTP 101 came with `Sec-WebSocket-Extensions: permessage-deflate`, which",
            "has to leave it out",
        ),
        (
            b"HTTP/1.1 403 Forbidden\r\nServer: cloudflare\r\ncf-mitigated: challenge\r\n\r\n<html><head><title>Just a moment...</title>",
            "HTTP 403 Forbidden, a page titled \"Just a moment...\"",
            "leave this path out of its challenges",
        ),
        (
            b"HTTP/1.1 403 Forbidden\r\nServer: cloudflare\r\n\r\n<html><title>Attention Required! | Cloudflare</title>",
            "HTTP 403 Forbidden, a page titled \"Attention Required! | Cloudflare\"",
            "Cloudflare refuses this, and not the relay",
        ),
        (
            b"HTTP/1.1 403 Forbidden\r\nServer: awselb/2.0\r\n\r\n<html><title>403 Forbidden</title>",
            "HTTP 403 Forbidden, a page titled \"403 Forbidden\"",
            "AWS WAF at a load balancer refuses this",
        ),
        (
            b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"staging\"\r\n\r\n",
            "HTTP 401 Unauthorized",
            "a proxy before the relay asks for a name and a password (Basic)",
        ),
        (
            b"HTTP/1.1 400 Bad Request\r\nServer: nginx\r\n\r\n<html><head><title>400 The plain HTTP request was sent to HTTPS port</title>",
            "the server speaks TLS on this port: HTTP 400",
            "try wss://127.0.0.1:",
        ),
        (
            b"\x15\x03\x01\x00\x02\x02\x46",
            "the server speaks TLS on this port",
            "try wss://127.0.0.1:",
        ),
        (
            b"HTTP/1.1 302 Found\r\nLocation: https://team.cloudflareaccess.com/cdn-cgi/access/x\r\n\r\n",
            "HTTP 302 Found",
            "a login page guards this address",
        ),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 77\r\n\r\n<!DOCTYPE html><html><head><TITLE>\n Sign in |  Example </TITLE></head></html>",
            "answered with HTTP 200 OK, a page titled \"Sign in | Example\"",
            "a login page guards this address",
        ),
        (
            b"HTTP/1.1 200 \0\r\n\r\n",
            "and is malformed or without an end",
            "has to answer in HTTP/1.1",
        ),
        (b"", "the server closed the connection without an answer", "try wss://127.0.0.1:"),
        (b"HTTP/1.1 101 Switch", "the server closed the connection in the middle of its answer, after 19 bytes", "did the server, or"),
        (b"\0\0\x12\x04\0\0\0\0\0", "the server answered in HTTP/2", "speak HTTP/1.1"),
    ];
    for (answer, what, fix) in cases {
        let ran = run(&["check", &url(answering(answer))]);
        assert_eq!(ran.code(), Some(2), "{ran:?}");
        ran.says("upgrade: ");
        ran.says(what);
        ran.says(fix);
    }
}

#[test]
fn what_is_not_http_is_reported() {
    let ran = run(&["check", &url(answering(b"SSH-2.0-OpenSSH_9.2\r\n"))]);
    assert_eq!(ran.code(), Some(2), "{ran:?}");
    ran.says("upgrade: the upgrade was not answered with HTTP");
}

#[test]
fn a_server_that_never_answers_runs_into_the_timeout() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    let ran = run(&["check", &url(address), "--timeout", "1s"]);
    assert_eq!(ran.code(), Some(2), "{ran:?}");
    ran.says("the server took the connection but gave no answer within 1000 ms");
    drop(listener);
}
