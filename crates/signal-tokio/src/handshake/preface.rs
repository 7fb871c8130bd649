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
/// What version 2 says at this place when a client is named, and where the addresses' family is.
const V2_COMMAND: usize = 12;
const V2_PROXY: u8 = 0x21;
const V2_FAMILY: usize = 13;
/// The field with the header's checksum.
const CRC32C: u8 = 3;
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
    #[error("the PROXY header has a wrong checksum")]
    Checksum,
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
            Ok(_) if v2_length.is_some() && !is_sum_right(&self.0) => Err(BadPreface::Checksum),
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

/// Whether the checksum of a whole header of version 2 is that of its bytes, if it has one: a
/// receiver must see to that. What is not about a client is not looked at.
fn is_sum_right(header: &[u8]) -> bool {
    let addresses = match header[V2_FAMILY] >> 4 {
        1 => 12,
        2 => 36,
        3 => 216,
        _ => return true,
    };
    if header[V2_COMMAND] != V2_PROXY {
        return true;
    }
    let mut fields = header.get(V2_HEAD + addresses..).unwrap_or_default();
    while let [kind, high, low, rest @ ..] = fields {
        let length = usize::from(*high) << 8 | usize::from(*low);
        let Some((value, behind)) = rest.split_at_checked(length) else {
            return true;
        };
        if *kind == CRC32C {
            let at = header.len() - rest.len();
            let mut zeroed = header.to_vec();
            zeroed[at..at + length].fill(0);
            return value == crc32c(&zeroed).to_be_bytes();
        }
        fields = behind;
    }
    true
}

/// The checksum of Castagnoli (RFC 9260, appendix A), a bit at a time: headers are short, and only
/// proxies send them.
fn crc32c(bytes: &[u8]) -> u32 {
    let sum = bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
            let carry = if sum & 1 == 1 { 0x82f6_3b78 } else { 0 };
            sum >> 1 ^ carry
        })
    });
    !sum
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
    fn a_checksum_that_is_there_is_that_of_the_header() {
        // The check value that catalogues of checksums have for it.
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        let with = |before: &[u8], sum: &[u8], behind: &[u8]| {
            let mut header = V2_PROXIED.to_vec();
            header.extend_from_slice(before);
            header.extend_from_slice(&[CRC32C, 0, sum.len() as u8]);
            let at = header.len();
            header.extend_from_slice(&vec![0; sum.len()]);
            header.extend_from_slice(behind);
            let length = (header.len() - V2_HEAD) as u16;
            header[V2_LENGTH..V2_HEAD].copy_from_slice(&length.to_be_bytes());
            let right = crc32c(&header).to_be_bytes();
            header[at..at + sum.len()].copy_from_slice(sum);
            (header, right)
        };
        let name = b"\x02\0\x07relay.a";
        for (before, behind) in [
            (&b""[..], &b""[..]),
            (name, b""),
            (b"", name),
            (name, name),
            (name, b"\x04\xff\xff"),
        ] {
            let (_, right) = with(before, &[0; 4], behind);
            let (header, _) = with(before, &right, behind);
            let length = header.len();
            let client = "203.0.113.7:4711".parse().expect("an address");
            assert_eq!(read(&header), (Ok(Some(Some(client))), length));
            for wrong in [
                with(before, &[0; 4], behind).0,
                with(before, &right[..3], behind).0,
                with(before, &[&right[..], &[0]].concat(), behind).0,
                {
                    let mut changed = header.clone();
                    changed[V2_HEAD] ^= 1;
                    changed
                },
            ] {
                let length = wrong.len();
                assert_eq!(read(&wrong), (Err(BadPreface::Checksum), length));
            }
        }
        // A proxy that speaks for itself, and one whose fields end too early.
        let mut local = with(b"", &[1; 4], b"").0;
        local[V2_COMMAND] = 0x20;
        assert_eq!(read(&local).0, Ok(Some(None)));
        let cut = with(b"\x02\xff\xff", &[1; 4], b"").0;
        assert!(read(&cut).0.is_ok_and(|header| header.is_some()));
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
