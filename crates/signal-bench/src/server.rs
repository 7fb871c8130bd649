use std::net::{IpAddr, SocketAddr};

/// The server to put under load: where it is, and what the upgrade request says.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Server {
    /// Where to connect to. Names are resolved by the caller, once, so that no look-up is measured.
    pub address: SocketAddr,
    /// The `Host` header.
    pub host: String,
    /// Path and query of the upgrade request.
    pub path: String,
    /// Further headers, such as `Origin` or `Authorization`.
    pub headers: Vec<(String, String)>,
    /// How reports name it. No secrets: it is printed.
    pub name: String,
}

impl Server {
    /// A server without TLS at the root path.
    pub fn at(address: SocketAddr) -> Self {
        Self {
            address,
            host: address.to_string(),
            path: "/".to_owned(),
            headers: Vec::new(),
            name: format!("ws://{address}"),
        }
    }

    /// Whether it runs on this machine.
    pub fn is_loopback(&self) -> bool {
        self.address.ip().to_canonical().is_loopback()
    }

    /// Whether connections can come from any address of 127.0.0.0/8.
    pub(crate) fn has_many_sources(&self) -> bool {
        matches!(self.address.ip(), IpAddr::V4(ip) if ip.is_loopback())
    }

    /// The upgrade request. The key is constant: it only proves that the answer comes from a
    /// WebSocket server.
    pub(crate) fn request(&self) -> Vec<u8> {
        let mut request = format!(
            "GET {} HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n",
            self.path, self.host
        );
        for (name, value) in &self.headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str("\r\n");
        request.into_bytes()
    }
}

/// The nonce of every upgrade: sixteen zeros.
const KEY: &str = "AAAAAAAAAAAAAAAAAAAAAA==";
/// The only right answer to it (RFC 6455, 4.2.2).
pub(crate) const ACCEPT: &str = "ICX+Yqv66kxgM0FcWaLWlFLwTAI=";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_has_the_headers_of_the_caller() {
        let mut server = Server::at("127.0.0.1:4444".parse().unwrap());
        server.path = "/?token=x".to_owned();
        server.headers = vec![("Origin".to_owned(), "https://a.example".to_owned())];
        let request = String::from_utf8(server.request()).unwrap();
        assert!(request.starts_with("GET /?token=x HTTP/1.1\r\nHost: 127.0.0.1:4444\r\n"));
        assert!(request.ends_with("\r\nOrigin: https://a.example\r\n\r\n"));
    }
}
