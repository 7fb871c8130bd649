/// An upgrade request as browsers send it, with the key of the example in RFC 6455, 1.3.
pub const UPGRADE: &str = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n\
    Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// The upgrade request to a path and its query, with these headers in addition.
pub fn upgrade(path: &str, headers: &[(&str, &str)]) -> String {
    let mut request = UPGRADE.replacen("GET / ", &format!("GET {path} "), 1);
    request.truncate(request.len() - "\r\n".len());
    for (name, value) in headers {
        request += &format!("{name}: {value}\r\n");
    }
    request + "\r\n"
}

/// The upgrade request with one thing changed.
#[track_caller]
pub fn upgrade_with(from: &str, to: &str) -> String {
    let request = UPGRADE.replace(from, to);
    assert_ne!(request, UPGRADE, "nothing was changed");
    request
}
