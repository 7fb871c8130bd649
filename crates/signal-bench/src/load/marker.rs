//! The marker in each message: who sent it, and which of theirs it is.
//!
//! Twenty ASCII characters inside a string of `data`. A server may move it, by writing the JSON
//! anew, but has no reason to change it. So no JSON is parsed: the marker is looked for where the
//! last one was, then everywhere.

use memchr::memmem::Finder;

/// What no other part of a message contains.
const MAGIC: &[u8; 4] = b"~sb~";

/// The number of a message that asks whether it is heard, which no message of a load reaches.
const PROBE: u32 = u32::MAX;

/// The length of a marker in bytes.
pub(crate) const LEN: usize = 20;

/// Which message it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Marker {
    /// The flow: one sender's messages to one room.
    pub(crate) flow: u32,
    /// The number of the message in its flow.
    pub(crate) sequence: u32,
}

impl Marker {
    /// That of a message which belongs to no flow and is not judged: it asks whether it is heard.
    pub(crate) fn probe(number: u32) -> Self {
        Self {
            flow: number,
            sequence: PROBE,
        }
    }

    pub(crate) fn is_probe(self) -> bool {
        self.sequence == PROBE
    }

    /// The marker as characters.
    pub(crate) fn encode(self) -> [u8; LEN] {
        let mut bytes = [0; LEN];
        bytes[..4].copy_from_slice(MAGIC);
        bytes[4..12].copy_from_slice(&letters(self.flow));
        bytes[12..].copy_from_slice(&letters(self.sequence));
        bytes
    }

    fn decode(bytes: &[u8; LEN]) -> Option<Self> {
        let [m0, m1, m2, m3, rest @ ..] = bytes;
        if [*m0, *m1, *m2, *m3] != *MAGIC {
            return None;
        }
        let (flow, sequence) = rest.split_first_chunk::<8>()?;
        Some(Self {
            flow: number(*flow)?,
            sequence: number(*sequence.first_chunk::<8>()?)?,
        })
    }
}

/// Eight letters from `a` to `p`, four bits each.
fn letters(number: u32) -> [u8; 8] {
    std::array::from_fn(|index| b'a' + (number >> (28 - 4 * index) & 0xF) as u8)
}

/// The number of eight letters, all at once.
#[inline]
fn number(letters: [u8; 8]) -> Option<u32> {
    let nibbles = u64::from_be_bytes(letters).wrapping_sub(0x6161_6161_6161_6161);
    if nibbles & 0xF0F0_F0F0_F0F0_F0F0 != 0 {
        return None;
    }
    let bytes = (nibbles | nibbles >> 4) & 0x00FF_00FF_00FF_00FF;
    let pairs = (bytes | bytes >> 8) & 0x0000_FFFF_0000_FFFF;
    Some((pairs | pairs >> 16) as u32)
}

/// Finds markers in deliveries.
#[derive(Debug)]
pub(crate) struct Search {
    magic: Finder<'static>,
    /// Where the last marker was.
    last: usize,
}

impl Search {
    pub(crate) fn new() -> Self {
        Self {
            magic: Finder::new(MAGIC),
            last: 0,
        }
    }

    /// The marker of a message, if it has one.
    #[inline]
    pub(crate) fn find(&mut self, message: &[u8]) -> Option<Marker> {
        if let Some(marker) = at(message, self.last) {
            return Some(marker);
        }
        self.last = self.magic.find(message)?;
        at(message, self.last)
    }
}

#[inline]
fn at(message: &[u8], start: usize) -> Option<Marker> {
    Marker::decode(message.get(start..)?.first_chunk()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_marker_comes_back() {
        for number in [0, 1, 15, 16, 0xDEAD_BEEF, u32::MAX] {
            let marker = Marker {
                flow: number,
                sequence: !number,
            };
            assert_eq!(Marker::decode(&marker.encode()), Some(marker));
        }
    }

    #[test]
    fn a_marker_is_found_wherever_the_server_put_it() {
        let marker = Marker {
            flow: 7,
            sequence: 99,
        };
        let text = String::from_utf8(marker.encode().to_vec()).unwrap();
        let mut search = Search::new();
        for message in [
            format!(r#"{{"type":"publish","data":"{text}xx"}}"#),
            format!(r#"{{"type":"publish","data":"{text}xx","clients":10}}"#),
            format!(r#"{{"clients":10,"data":"{text}xx"}}"#),
            text.clone(),
        ] {
            assert_eq!(search.find(message.as_bytes()), Some(marker), "{message}");
        }
    }

    #[test]
    fn text_without_a_marker_has_none() {
        let mut search = Search::new();
        for message in ["", "~sb~", r#"{"type":"pong"}"#, "~sb~aaaaaaaaaaaaaaaz"] {
            assert_eq!(search.find(message.as_bytes()), None, "{message}");
        }
    }
}
