//! What clients send and where they come from, made fit for logs.

use std::fmt::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::Uri;

use crate::config::LogIps;

/// Characters of a client's text that are shown. Enough to recognise a path, too few to fill a disk
/// with.
const CHARS_MAX: usize = 100;

impl LogIps {
    /// The field of a log line for a client's address.
    pub(crate) fn show(self, ip: Option<IpAddr>) -> Option<tracing::field::DisplayValue<ShownIp>> {
        let ip = ip?.to_canonical();
        let shown = match self {
            Self::Short => ShownIp::network(ip),
            Self::Full => ShownIp { ip, bits: None },
            Self::None => return None,
        };
        Some(tracing::field::display(shown))
    }
}

/// An address, or the network that stands for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ShownIp {
    ip: IpAddr,
    bits: Option<u8>,
}

impl ShownIp {
    fn network(ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(ip) => Self {
                ip: Ipv4Addr::from(u32::from(ip) & (u32::MAX << 8)).into(),
                bits: Some(24),
            },
            IpAddr::V6(ip) => Self {
                ip: Ipv6Addr::from(u128::from(ip) & (u128::MAX << 80)).into(),
                bits: Some(48),
            },
        }
    }
}

impl fmt::Display for ShownIp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.ip)?;
        match self.bits {
            Some(bits) => write!(f, "/{bits}"),
            None => Ok(()),
        }
    }
}

/// The path that a client asked for: without its query, which is where secrets are, and with a
/// token cut out if there is one all the same.
pub(crate) fn path(uri: &Uri) -> String {
    text(&signal_access::redact(uri.path()))
}

/// A client's text on one line: cut, and with everything escaped that a terminal or a reader might
/// take for something else.
pub(crate) fn text(text: &str) -> String {
    let mut shown = String::new();
    let mut chars = text.chars();
    for char in chars.by_ref().take(CHARS_MAX) {
        match char {
            ' '..='~' if char != '\\' => shown.push(char),
            // Writing to a `String` cannot fail.
            _ => _ = write!(shown, "{}", char.escape_default()),
        }
    }
    if chars.next().is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(mode: LogIps, ip: &str) -> Option<String> {
        let ip = ip.parse().expect("an address");
        mode.show(Some(ip)).map(|shown| format!("{shown:?}"))
    }

    #[test]
    fn an_address_is_shortened_unless_asked_for() {
        for (ip, short) in [
            ("203.0.113.77", "203.0.113.0/24"),
            ("::ffff:203.0.113.77", "203.0.113.0/24"),
            ("2001:db8:aaaa:bbbb::1", "2001:db8:aaaa::/48"),
            ("::1", "::/48"),
        ] {
            assert_eq!(show(LogIps::default(), ip).as_deref(), Some(short));
        }
        let whole = show(LogIps::Full, "203.0.113.77");
        assert_eq!(whole.as_deref(), Some("203.0.113.77"));
        assert_eq!(show(LogIps::None, "203.0.113.77"), None);
        assert!(LogIps::Full.show(None).is_none());
    }

    #[test]
    fn a_text_stays_on_its_line_and_moves_no_cursor() {
        assert_eq!(text("/a room/1"), "/a room/1");
        assert_eq!(
            text("a\r\n2026 WARN \u{1b}[2J\u{202e}é\\n\u{7f}"),
            r"a\r\n2026 WARN \u{1b}[2J\u{202e}\u{e9}\\n\u{7f}"
        );
    }

    #[test]
    fn a_long_text_is_cut() {
        assert_eq!(text(&"x".repeat(CHARS_MAX)), "x".repeat(CHARS_MAX));
        let cut = text(&"\u{1b}".repeat(1 << 20));
        assert!(cut.ends_with('…') && cut.len() < 1_000, "{}", cut.len());
    }

    #[test]
    fn a_path_is_shown_without_query_and_token() {
        let shown = |uri: &str| path(&uri.parse().expect("a URI"));
        assert_eq!(shown("/room?token=secret&key=secret"), "/room");
        assert_eq!(shown("/room;token=secret"), "/room;token=***");
        assert_eq!(shown("ws://relay.example/room"), "/room");
    }
}
