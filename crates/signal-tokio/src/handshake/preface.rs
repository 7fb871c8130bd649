//! What a proxy says of its client before anything else: the PROXY protocol, versions 1 and 2.
//!
//! <https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt>

use std::net::SocketAddr;

use proxy_header::{Error, ParseConfig, ProxyHeader};

/// The shortest header of either version: `PROXY UNKNOWN` and the end of its line.
const BYTES_LEAST: usize = 15;
/// How each version begins.
const V1: &[u8] = b"PROXY ";
const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// Where version 2 says how much follows, and where that begins.
const V2_LENGTH: usize = 14;
const V2_HEAD: usize = 16;
/// The longest header. Addresses take 36 bytes, and what balancers add (a name, an id, the client's
/// certificate by its name) some hundred.
const BYTES_MAX: usize = 4_096;

/// Collects such a header. It asks for no more than is sure to belong to it, so what follows stays
/// in the socket for the next reader: us, or the TLS library.
#[derive(Debug, Default)]
pub(crate) struct Preface(Vec<u8>);

/// Why it is not one.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum BadPreface {
    #[error("the connection does not begin with a PROXY header")]
    Missing,
    #[error("the PROXY header is malformed")]
    Malformed,
    #[error("the PROXY header is too long")]
    TooLong,
}

impl Preface {
    /// Whether nothing has come yet.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many bytes may be read next.
    pub(crate) fn wants(&self) -> usize {
        let bytes = self.0.len();
        if bytes < BYTES_LEAST {
            return BYTES_LEAST - bytes;
        }
        // A line ends where it ends.
        let length = self.v2_length().unwrap_or(bytes + 1);
        length.saturating_sub(bytes).max(1)
    }

    /// Takes the next piece. Returns the client's address once all is there, and no address if the
    /// proxy connects on its own behalf, for a health check.
    pub(crate) fn read(&mut self, piece: &[u8]) -> Result<Option<Option<SocketAddr>>, BadPreface> {
        self.0.extend_from_slice(piece);
        if !is_begun(&self.0) {
            return Err(BadPreface::Missing);
        }
        let v2_length = self.v2_length();
        if v2_length.unwrap_or(self.0.len()) > BYTES_MAX {
            return Err(BadPreface::TooLong);
        }
        match ProxyHeader::parse(&self.0, ParseConfig::default()) {
            Ok((header, _)) => Ok(Some(header.proxied_address().map(|both| both.source))),
            // By its own word there is no more of it.
            Err(Error::BufferTooShort) if v2_length.is_none_or(|length| self.0.len() < length) => {
                Ok(None)
            }
            Err(_) => Err(BadPreface::Malformed),
        }
    }

    /// How long it is, if it is of version 2. Before that is known: as long as that takes.
    fn v2_length(&self) -> Option<usize> {
        if !self.0.starts_with(V2) {
            return None;
        }
        let rest = self.0.get(V2_LENGTH..V2_HEAD);
        let rest = rest.map_or(0, |rest| usize::from(rest[0]) << 8 | usize::from(rest[1]));
        Some(V2_HEAD + rest)
    }
}

/// Whether this is such a header, as far as it goes.
pub(crate) fn is_begun(bytes: &[u8]) -> bool {
    [V1, V2].iter().any(|begin| {
        let length = begin.len().min(bytes.len());
        begin[..length] == bytes[..length]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const V2_PROXIED: &[u8] =
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xcb\0\x71\x07\x0a\0\0\x01\x12\x67\x11\x5c";
    const V2_LOCAL: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";

    /// Reads as much as is wanted each time. Returns what came of it, and how much was read.
    fn read(bytes: &[u8]) -> (Result<Option<Option<SocketAddr>>, BadPreface>, usize) {
        let (mut preface, mut read) = (Preface::default(), 0);
        while read < bytes.len() {
            let end = (read + preface.wants()).min(bytes.len());
            let outcome = preface.read(&bytes[read..end]);
            read = end;
            match outcome {
                Ok(None) => {}
                done => return (done, read),
            }
        }
        (Ok(None), read)
    }

    #[test]
    fn both_versions_are_read_and_nothing_behind_them() {
        let v6: SocketAddr = "[2001:db8::7]:51234".parse().expect("an address");
        let v4: SocketAddr = "203.0.113.7:4711".parse().expect("an address");
        for (header, client) in [
            (
                &b"PROXY TCP4 203.0.113.7 10.0.0.1 4711 4444\r\n"[..],
                Some(v4),
            ),
            (
                b"PROXY TCP6 2001:db8::7 2001:db8::1 51234 443\r\n",
                Some(v6),
            ),
            (b"PROXY UNKNOWN\r\n", None),
            (b"PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n", None),
            (V2_PROXIED, Some(v4)),
            (V2_LOCAL, None),
        ] {
            let all = [header, b"GET / HTTP/1.1\r\n\r\n"].concat();
            let shown = String::from_utf8_lossy(header);
            assert_eq!(read(&all), (Ok(Some(client)), header.len()), "{shown}");
            for end in 1..header.len() {
                assert_eq!(read(&header[..end]), (Ok(None), end), "{shown} to {end}");
            }
        }
    }

    #[test]
    fn what_is_not_one_is_noticed_and_bounded() {
        let long = [V2, b"\x21\x11\xff\xff"].concat();
        let line = [b"PROXY UNKNOWN ", &[b'x'; 200][..], b"\r\n"].concat();
        let v2_short = [V2, b"\x21\x11\0\x04\xcb\0\x71\x07"].concat();
        for (bytes, bad) in [
            (&b"GET / HTTP/1.1\r\n\r\n"[..], BadPreface::Missing),
            (
                b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03\0\0\0\0",
                BadPreface::Missing,
            ),
            (b"PROXY TCP4 203.0.113.7\r\n 1 2 3", BadPreface::Malformed),
            (
                b"PROXY TCP5 203.0.113.7 10.0.0.1 1 2\r\n",
                BadPreface::Malformed,
            ),
            (
                b"PROXY TCP4 203.0.113.777 10.0.0.1 1 2\r\n",
                BadPreface::Malformed,
            ),
            (&line, BadPreface::Malformed),
            (&long, BadPreface::TooLong),
            (&v2_short, BadPreface::Malformed),
        ] {
            let (outcome, _) = read(bytes);
            assert_eq!(outcome, Err(bad), "{}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn any_bytes_are_survived() {
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..20_000 {
            let begin = [V1, V2, b"PROXY TCP4 ", b"", V2_PROXIED][random.usize(..5)];
            let mut bytes = begin.to_vec();
            bytes.extend((0..random.usize(..40)).map(|_| random.u8(..)));
            if let Some(at) = bytes.len().checked_sub(1).map(|last| random.usize(..=last)) {
                bytes[at] = random.u8(..);
            }
            let (_, read) = read(&bytes);
            assert!(read <= bytes.len());
        }
    }
}
