//! Section 2: transport, and what RFC 6455 asks of any server.

use super::build::{publish, published, stock};
use crate::Capability::{AnyOrigin, AnyPath, Http};
use crate::Scenario;
use crate::Step;
use crate::step::Http as Request;

const FIN: u8 = 0x80;
const CONTINUATION: u8 = 0x0;
const TEXT: u8 = 0x1;
const PING: u8 = 0x9;
const PONG: u8 = 0xa;

pub(super) fn scenarios() -> Vec<Scenario> {
    vec![
        stock(
            "transport.any_path",
            "T1",
            "the upgrade is accepted on any path with any query, and all share the topics",
        )
        .needs([AnyPath, Http])
        .connect_with("a", |connect| connect.path = Some("/".to_owned()))
        .connect_with("b", |connect| {
            connect.path = Some("/any/path?room=1&x=y".to_owned())
        })
        .subscribe("a b", "${t}")
        .publish("a", r#""data":1"#)
        .expect_publish("a b", r#""data":1"#, 2),
        stock(
            "transport.any_origin",
            "T3",
            "a page of any origin may connect",
        )
        .needs([AnyOrigin, Http])
        .connect_with("a", |connect| {
            connect.origin = Some("https://app.example".to_owned())
        })
        .expect_open("a"),
        stock(
            "transport.subprotocol",
            "T3",
            "the first subprotocol offered is selected, and none if none is offered",
        )
        .should()
        .needs([Http])
        .connect_with("a", |connect| {
            connect.protocols = vec!["one".to_owned(), "two".to_owned()]
        })
        .connect("b")
        .expect_open("a b"),
        stock(
            "transport.okay",
            "T2",
            "a plain GET is answered with 200 and okay",
        )
        .should()
        .http("GET", "/", &[200], Some("okay")),
        stock(
            "transport.okay_on_any_path",
            "T2",
            "a plain GET on another path, with a query, is answered too",
        )
        .should()
        .http("GET", "/some/path?x=1", &[200], Some("okay")),
        stock(
            "transport.version",
            "T1",
            "an upgrade without a WebSocket version is refused",
        )
        .should()
        .needs([Http])
        .step(upgrade_to("websocket", &[KEY], &[400, 426])),
        stock(
            "transport.upgrade_case",
            "T1",
            "the case of Upgrade: WebSocket does not matter",
        )
        .needs([Http])
        .step(upgrade_to("WebSocket", &[VERSION, KEY], &[101])),
        stock("transport.key", "T1", "an upgrade without a key is refused")
            .needs([Http])
            .step(upgrade_to("websocket", &[VERSION], &[400, 426])),
        stock(
            "transport.only_text",
            "T4",
            "messages are sent as text, whatever came in",
        )
        .room("a b")
        .binary("a", r#"{"type":"publish","topic":"${t}","data":1}"#)
        .expect_publish("a b", r#""data":1"#, 2)
        .binary("a", r#"{"type":"ping"}"#)
        .expect_pong("a"),
        stock(
            "transport.binary",
            "T5",
            "binary messages are read like text: subscribe, publish, unsubscribe, ping",
        )
        .connect("a b")
        .binary("a b", r#"{"type":"subscribe","topics":["${t}","${t}-é"]}"#)
        .binary("a", r#"{"type":"publish","topic":"${t}-é","data":"日本"}"#)
        .expect("a b", &published("${t}-é", r#""data":"日本""#, 2))
        .binary("b", r#"{"type":"unsubscribe","topics":["${t}"]}"#)
        .publish("a", r#""data":2"#)
        .expect_publish("a", r#""data":2"#, 1)
        .expect_nothing("b")
        .binary("b", r#"{"type":"ping"}"#)
        .expect_pong("b"),
        stock(
            "transport.fragments",
            "T1",
            "a message in fragments, with a ping between them, is one message",
        )
        .room("a b")
        .frame("a", TEXT, r#"{"type":"publish","to"#)
        .frame("a", CONTINUATION, r#"pic":"${t}","#)
        .frame("a", FIN | PING, "between")
        .frame("a", FIN | CONTINUATION, r#""data":"é"}"#)
        .step(Step::ExpectPongFrame {
            on: vec!["a".to_owned()],
            bytes: "between".to_owned(),
        })
        .expect_publish("a b", r#""data":"é""#, 2),
        stock(
            "transport.fragment_inside_character",
            "T1",
            "a fragment may end inside a character",
        )
        .room("a")
        .frame(
            "a",
            TEXT,
            r#"{"type":"publish","topic":"${t}","data":"${hex:c3}"#,
        )
        .frame("a", FIN | CONTINUATION, r#"${hex:a9}"}"#)
        .expect_publish("a", r#""data":"é""#, 1),
        stock(
            "transport.many_fragments",
            "T1",
            "a message may be in any number of fragments, empty ones among them",
        )
        .room("a b")
        .frame("a", TEXT, "")
        .frame("a", CONTINUATION, r#"{"type":"publish","#)
        .frame("a", CONTINUATION, "")
        .frame("a", CONTINUATION, r#""topic":"${t}""#)
        .repeat(20, |s| s.frame("a", CONTINUATION, r#","m${n}":1"#))
        .frame("a", CONTINUATION, "}")
        .frame("a", FIN | CONTINUATION, "")
        .then(|s| {
            let members: Vec<_> = (0..20).map(|at| format!(r#""m{at}":1"#)).collect();
            s.expect_publish("a b", &members.join(","), 2)
        }),
        stock(
            "transport.lengths",
            "T1",
            "messages are read and relayed at all lengths where frames are written differently",
        )
        .room("a b")
        .then(|s| {
            let lengths = [
                113, 114, 123, 124, 125, 126, 127, 128, 129, 255, 256, 257, 4_095, 4_096, 4_097,
                16_383, 16_384, 16_385, 32_767, 32_768, 32_769,
            ];
            lengths.into_iter().fold(s, |s, length| {
                let data = format!(r#""data":"${{pad_to:{length}}}""#);
                let longer = format!(r#""clients":2,"data":"${{pad_to:{}}}""#, length + 12);
                s.publish("a", &data)
                    .expect("b a", &publish("${t}", &longer))
            })
        }),
        stock(
            "transport.browser_headers",
            "T1 T3",
            "an upgrade as browsers send it, with some twenty headers, is accepted",
        )
        .needs([Http])
        .step(upgrade_as_browser()),
        stock(
            "transport.http_1_0",
            "T1",
            "the upgrade is accepted in a request of HTTP/1.0, as nginx sends it by default",
        )
        .needs([Http])
        .should()
        .step(Step::Http(Request {
            old: true,
            ..upgrade("websocket", &[VERSION, KEY], &[101])
        })),
        stock(
            "transport.ping_frame",
            "T1",
            "a ping frame is answered with a pong frame of the same payload",
        )
        .connect("a")
        .frame("a", FIN | PING, "${hex:00ff10}hello")
        .step(Step::ExpectPongFrame {
            on: vec!["a".to_owned()],
            bytes: "${hex:00ff10}hello".to_owned(),
        }),
        stock(
            "transport.pong_frame",
            "T1",
            "a pong frame nobody asked for is ignored",
        )
        .connect("a")
        .frame("a", FIN | PONG, "hello")
        .expect_nothing("a"),
    ]
}

const VERSION: (&str, &str) = ("Sec-WebSocket-Version", "13");
pub(super) const KEY: (&str, &str) = ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");

/// What Firefox sends, with a cookie and what proxies add.
fn upgrade_as_browser() -> Step {
    let headers = [
        ("Connection", "keep-alive, Upgrade"),
        ("Upgrade", "websocket"),
        VERSION,
        KEY,
        ("Accept", "*/*"),
        ("Accept-Encoding", "gzip, deflate, br, zstd"),
        ("Accept-Language", "de,en-US;q=0.7,en;q=0.3"),
        ("Cache-Control", "no-cache"),
        ("Cookie", "theme=dark; session=0123456789abcdef"),
        ("Pragma", "no-cache"),
        ("Sec-Fetch-Dest", "empty"),
        ("Sec-Fetch-Mode", "websocket"),
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-GPC", "1"),
        (
            "Sec-WebSocket-Extensions",
            "permessage-deflate; client_max_window_bits",
        ),
        (
            "User-Agent",
            "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
        ),
        ("Via", "1.1 proxy.example"),
        ("X-Forwarded-For", "192.0.2.1, 198.51.100.7"),
        ("X-Forwarded-Proto", "https"),
        ("X-Request-Id", "7b2d7a0e-6f3c-4f0e-9d3d-0f6c2f7a9e11"),
    ];
    Step::Http(request(&headers, &[101]))
}

/// An upgrade with these headers of its own, and what must be answered.
pub(super) fn upgrade_to(protocol: &str, headers: &[(&str, &str)], status: &[u16]) -> Step {
    Step::Http(upgrade(protocol, headers, status))
}

fn upgrade(protocol: &str, headers: &[(&str, &str)], status: &[u16]) -> Request {
    let given = [("Connection", "Upgrade"), ("Upgrade", protocol)];
    let headers: Vec<_> = given.iter().chain(headers).copied().collect();
    request(&headers, status)
}

/// A request with these headers that is to be answered like any other.
pub(super) fn plain_get(headers: &[(&str, &str)]) -> Step {
    Step::Http(Request {
        body: Some("okay".to_owned()),
        ..request(headers, &[200])
    })
}

fn request(headers: &[(&str, &str)], status: &[u16]) -> Request {
    let headers = headers.iter();
    let headers = headers.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Request {
        method: "GET".to_owned(),
        path: String::new(),
        headers: headers.collect(),
        old: false,
        status: status.to_vec(),
        body: None,
    }
}
