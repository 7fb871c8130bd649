//! WebSocket frames: as little of RFC 6455 as a load needs.

use std::ops::Range;

pub(crate) const CONTINUATION: u8 = 0x0;
pub(crate) const TEXT: u8 = 0x1;
pub(crate) const BINARY: u8 = 0x2;
pub(crate) const CLOSE: u8 = 0x8;
pub(crate) const PING: u8 = 0x9;
pub(crate) const PONG: u8 = 0xA;

/// The longest frame taken from a server; far beyond what signaling needs.
pub(crate) const PAYLOAD_MAX: usize = 16 << 20;

/// What stands at the beginning of some bytes.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Parsed {
    /// A whole frame.
    Frame {
        opcode: u8,
        is_last: bool,
        /// Where its payload is; the next frame begins where that ends.
        payload: Range<usize>,
    },
    /// A part of a frame that will have this many bytes, as far as is known.
    Partial(usize),
    /// Not a frame that a server may send.
    Malformed(&'static str),
}

/// Reads one frame of a server in place.
#[inline]
pub(crate) fn parse(bytes: &[u8]) -> Parsed {
    let [first, second, ..] = *bytes else {
        return Parsed::Partial(2);
    };
    if second & 0x80 != 0 {
        return Parsed::Malformed("a masked frame");
    }
    if first & 0x70 != 0 {
        return Parsed::Malformed("a frame with reserved bits, but no extension was agreed on");
    }
    let (start, length) = match second {
        126 => match bytes.get(2..4) {
            Some(length) => (4, usize::from(u16::from_be_bytes([length[0], length[1]]))),
            None => return Parsed::Partial(4),
        },
        127 => match bytes.get(2..10).map(<[u8; 8]>::try_from) {
            Some(Ok(length)) => match usize::try_from(u64::from_be_bytes(length)) {
                Ok(length) if length <= PAYLOAD_MAX => (10, length),
                _ => return Parsed::Malformed("a frame of more than 16 MiB"),
            },
            _ => return Parsed::Partial(10),
        },
        short => (2, usize::from(short)),
    };
    if bytes.len() < start + length {
        return Parsed::Partial(start + length);
    }
    Parsed::Frame {
        opcode: first & 0x0F,
        is_last: first & 0x80 != 0,
        payload: start..start + length,
    }
}

/// Appends a whole masked frame.
pub(crate) fn encode(out: &mut Vec<u8>, opcode: u8, mask: [u8; 4], payload: &[u8]) {
    out.push(0x80 | opcode);
    match payload.len() {
        length @ 0..=125 => out.push(0x80 | length as u8),
        length @ 126..=0xFFFF => {
            out.push(0x80 | 126);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            out.push(0x80 | 127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&mask);
    let key = mask.iter().cycle();
    out.extend(payload.iter().zip(key).map(|(byte, key)| byte ^ key));
}

/// How many bytes come before the payload of a masked frame.
pub(crate) fn header_len(payload_len: usize) -> usize {
    match payload_len {
        0..=125 => 6,
        126..=0xFFFF => 8,
        _ => 14,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unmasked(length: usize) -> Vec<u8> {
        let mut frame = Vec::new();
        encode(&mut frame, TEXT, [0; 4], &vec![b'x'; length]);
        let header = header_len(length);
        frame[1] &= 0x7F;
        frame.drain(header - 4..header);
        frame
    }

    #[test]
    fn a_frame_is_read_at_every_length_and_from_every_part() {
        for length in [0, 1, 125, 126, 65_535, 65_536] {
            let frame = unmasked(length);
            let start = frame.len() - length;
            let whole = Parsed::Frame {
                opcode: TEXT,
                is_last: true,
                payload: start..frame.len(),
            };
            assert_eq!(parse(&frame), whole);
            for part in 0..frame.len().min(20) {
                if part < frame.len() {
                    let parsed = parse(&frame[..part]);
                    assert!(
                        matches!(parsed, Parsed::Partial(all) if all > part && all <= frame.len()),
                        "{length} {part}: {parsed:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn what_no_server_may_send_is_named() {
        assert!(matches!(parse(&[0x81, 0x80]), Parsed::Malformed(_)));
        assert!(matches!(parse(&[0xC1, 0x01]), Parsed::Malformed(_)));
        let huge = [0x81, 127, 1, 0, 0, 0, 0, 0, 0, 0];
        assert!(matches!(parse(&huge), Parsed::Malformed(_)));
    }

    #[test]
    fn a_frame_is_masked() {
        let mut out = Vec::new();
        encode(&mut out, TEXT, [1, 2, 3, 4], b"\x01\x02\x03\x04\x01");
        assert_eq!(out, [0x81, 0x85, 1, 2, 3, 4, 0, 0, 0, 0, 0]);
    }
}
