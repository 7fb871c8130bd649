//! RFC 6455 frames, as a server reads and writes them.
//!
//! The relay has its own decoder because of what a connection costs while it is quiet and while it
//! talks. tungstenite's keeps its buffers for as long as the connection lives, reserves the whole
//! announced length on the header alone, and cannot say whether it is at rest. This one works in
//! place on a buffer that the thread lends it, holds nothing between two frames, and copies only a
//! frame that arrived in pieces. The Autobahn cases in `tests/autobahn.rs` hold it to the RFC.

mod decoder;

use bytes::{BufMut, Bytes, BytesMut};
use signal_core::Delivery;

pub(crate) use decoder::Decoder;

/// The longest header of a server's frame: two bytes, and eight of extended length.
pub(crate) const HEADER_BYTES_MAX: usize = 10;

/// What a frame carries.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Opcode {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

impl Opcode {
    fn from_bits(bits: u8) -> Option<Self> {
        Some(match bits {
            0 => Self::Continuation,
            1 => Self::Text,
            2 => Self::Binary,
            8 => Self::Close,
            9 => Self::Ping,
            10 => Self::Pong,
            _ => return None,
        })
    }

    const fn bits(self) -> u8 {
        match self {
            Self::Continuation => 0,
            Self::Text => 1,
            Self::Binary => 2,
            Self::Close => 8,
            Self::Ping => 9,
            Self::Pong => 10,
        }
    }

    const fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

/// One whole message, or one frame that is not a message, lent to the handler.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Incoming<'a> {
    Text(&'a str),
    Binary(&'a [u8]),
    /// Has come and is kept, and is not the last of its message.
    Fragment,
    Ping(&'a [u8]),
    Pong(&'a [u8]),
    /// The code, if there was one, and the reason.
    Close(Option<(u16, &'a str)>),
    /// A close that is answered already, by the library that reads the frames where we do not.
    Closed,
}

/// Why the stream of frames cannot go on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum FrameError {
    /// A frame broke the RFC.
    Protocol,
    /// A frame, or the message its fragments make, is longer than allowed; decided on the header.
    TooBig,
    /// A text or a close reason is not UTF-8.
    InvalidUtf8,
}

/// Encodes one unfragmented, unmasked server frame.
pub(crate) fn encode(opcode: Opcode, payload: &[u8]) -> BytesMut {
    let mut frame = BytesMut::with_capacity(encoded_len(payload.len()));
    put(&mut frame, opcode, payload);
    frame
}

/// Encodes one behind others.
fn put(frames: &mut BytesMut, opcode: Opcode, payload: &[u8]) {
    put_header(frames, opcode, payload.len());
    frames.put_slice(payload);
}

/// Encodes a publish as a text frame.
pub(crate) fn encode_publish(publish: &Delivery<'_>) -> BytesMut {
    let mut frame = BytesMut::with_capacity(encoded_len(publish.len()));
    put_publish(&mut frame, publish);
    frame
}

/// Encodes a publish as a text frame behind others.
pub(crate) fn put_publish(frames: &mut BytesMut, publish: &Delivery<'_>) {
    put_header(frames, Opcode::Text, publish.len());
    publish.for_each_slice(|slice| frames.put_slice(slice.as_bytes()));
}

fn put_header(frames: &mut BytesMut, opcode: Opcode, payload_bytes: usize) {
    frames.put_u8(0x80 | opcode.bits());
    match payload_bytes {
        length @ 0..=125 => frames.put_u8(length as u8),
        length @ 126..=0xffff => {
            frames.put_u8(126);
            frames.put_u16(length as u16);
        }
        length => {
            frames.put_u8(127);
            frames.put_u64(length as u64);
        }
    }
}

/// How long a server frame of so much payload is.
pub(crate) const fn encoded_len(payload_bytes: usize) -> usize {
    payload_bytes
        + match payload_bytes {
            0..=125 => 2,
            126..=0xffff => 4,
            _ => HEADER_BYTES_MAX,
        }
}

/// Encodes a close frame.
pub(crate) fn encode_close(close: Option<(u16, &str)>) -> BytesMut {
    let Some((code, reason)) = close else {
        return encode(Opcode::Close, &[]);
    };
    let mut payload = code.to_be_bytes().to_vec();
    payload.extend_from_slice(reason.as_bytes());
    encode(Opcode::Close, &payload)
}

/// Takes an encoded server frame apart again, for transports that frame themselves.
pub(crate) fn split(frame: &Bytes) -> Option<(Opcode, Bytes)> {
    let (&first, &second) = (frame.first()?, frame.get(1)?);
    let header_bytes = match second {
        126 => 4,
        127 => 10,
        _ => 2,
    };
    Some((
        Opcode::from_bits(first & 0x0f)?,
        frame.slice(header_bytes.min(frame.len())..),
    ))
}

#[cfg(test)]
mod tests;
