/// The first byte of a text frame that is a whole message.
pub const TEXT: u8 = 0x81;
/// The first byte of a binary frame that is a whole message.
pub const BINARY: u8 = 0x82;
/// The first byte of a close frame.
pub const CLOSE: u8 = 0x88;
/// The first byte of a ping frame.
pub const PING: u8 = 0x89;
/// The first byte of a pong frame.
pub const PONG: u8 = 0x8a;

/// The mask of [`frame`].
pub const MASK: [u8; 4] = [0x5a, 0x01, 0xc3, 0x7e];

/// A frame as a client sends it.
pub fn frame(first_byte: u8, payload: &[u8]) -> Vec<u8> {
    frame_masked(MASK, first_byte, payload)
}

/// A frame with this mask; a mask of zeros leaves the payload as it is.
pub fn frame_masked(mask: [u8; 4], first_byte: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = frame_header(mask, first_byte, payload.len() as u64);
    let start = frame.len();
    frame.extend_from_slice(payload);
    if mask != [0; 4] {
        for (byte, key) in frame[start..].iter_mut().zip(mask.iter().cycle()) {
            *byte ^= key;
        }
    }
    frame
}

/// Everything of a client's frame but the payload, which may be longer than anybody would send.
pub fn frame_header(mask: [u8; 4], first_byte: u8, payload_len: u64) -> Vec<u8> {
    const MASKED: u8 = 0x80;
    let mut header = vec![first_byte];
    match payload_len {
        0..=125 => header.push(MASKED | payload_len as u8),
        126..=0xffff => {
            header.push(MASKED | 126);
            header.extend_from_slice(&(payload_len as u16).to_be_bytes());
        }
        _ => {
            header.push(MASKED | 127);
            header.extend_from_slice(&payload_len.to_be_bytes());
        }
    }
    header.extend_from_slice(&mask);
    header
}

/// One frame from the relay.
#[derive(Debug, Eq, PartialEq)]
pub struct Frame {
    /// The FIN bit, the reserved bits and the opcode.
    pub first_byte: u8,
    /// What follows the header.
    pub payload: Vec<u8>,
}

impl Frame {
    /// The text of a text frame.
    #[track_caller]
    pub fn text(&self) -> String {
        assert_eq!(self.first_byte, TEXT, "not a text frame: {self:?}");
        String::from_utf8(self.payload.clone()).expect("text is UTF-8")
    }

    /// The JSON of a text frame.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.text()).expect("JSON")
    }

    /// The code of a close frame.
    #[track_caller]
    pub fn close_code(&self) -> u16 {
        assert_eq!(self.first_byte, CLOSE, "not a close frame: {self:?}");
        u16::from_be_bytes([self.payload[0], self.payload[1]])
    }

    /// The frame that `input` begins with, and how many bytes it takes there; `None` if it is not
    /// all there.
    pub(crate) fn parse(input: &[u8]) -> Option<(Self, usize)> {
        let (&first_byte, &length) = (input.first()?, input.get(1)?);
        assert!(length < 0x80, "a server's frame is not masked: {input:x?}");
        let (start, length) = match length {
            126 => (
                4,
                u16::from_be_bytes(*input.get(2..)?.first_chunk()?).into(),
            ),
            127 => (10, u64::from_be_bytes(*input.get(2..)?.first_chunk()?)),
            _ => (2, length.into()),
        };
        let end = start + usize::try_from(length).expect("a length that fits into memory");
        let payload = input.get(start..end)?.to_vec();
        Some((
            Self {
                first_byte,
                payload,
            },
            end,
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_that_of_the_specification() {
        // The examples of RFC 6455, 5.7.
        let mask = [0x37, 0xfa, 0x21, 0x3d];
        let expected = [
            0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58,
        ];
        assert_eq!(frame_masked(mask, TEXT, b"Hello"), expected);
        let (hello, length) = Frame::parse(&[0x81, 5, b'H', b'e', b'l', b'l', b'o', 0x89]).unwrap();
        assert_eq!((hello.text().as_str(), length), ("Hello", 7));
    }

    #[test]
    fn lengths_take_as_many_bytes_as_they_need() {
        for (length, header) in [
            (125, &[0x82, 0xfd][..]),
            (126, &[0x82, 0xfe, 0x00, 0x7e]),
            (65_535, &[0x82, 0xfe, 0xff, 0xff]),
            (65_536, &[0x82, 0xff, 0, 0, 0, 0, 0, 1, 0, 0]),
        ] {
            let expected = [header, &[0; 4]].concat();
            assert_eq!(frame_header([0; 4], BINARY, length), expected, "{length}");
            // The same from a server, without the mask.
            let mut served = header.to_vec();
            served[1] &= 0x7f;
            served.resize(header.len() + length as usize, 7);
            let (frame, end) = Frame::parse(&served).unwrap();
            assert_eq!((frame.payload.len(), end), (length as usize, served.len()));
            assert_eq!(Frame::parse(&served[..end - 1]), None, "{length}");
        }
    }
}
