//! Texts on their way in: each as its length in four bytes, least first, and its bytes. And how
//! full queues are: three doubles for each.

use alloc::vec::Vec;

use signal_backpressure::Level;
use signal_core::PeerId;

/// Stands for a text that is not there.
const NONE: u32 = u32::MAX;

/// The texts in these bytes; one that is cut short or not UTF-8 is not there.
pub(crate) fn read(bytes: &[u8]) -> impl Iterator<Item = Option<&str>> {
    let mut rest = bytes;
    core::iter::from_fn(move || {
        let (length, after) = rest.split_first_chunk()?;
        let length = u32::from_le_bytes(*length);
        let size = if length == NONE { 0 } else { length as usize };
        let text = after.get(..size).filter(|_| length != NONE);
        rest = after.get(size..).unwrap_or_default();
        Some(text.and_then(|text| core::str::from_utf8(text).ok()))
    })
}

/// Texts as [`read`] reads them.
pub(crate) fn write<'a>(texts: impl IntoIterator<Item = Option<&'a str>>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for text in texts {
        let length = text.map_or(NONE, |text| text.len() as u32);
        bytes.extend(length.to_le_bytes());
        bytes.extend(text.unwrap_or_default().as_bytes());
    }
    bytes
}

/// Peers and how full their queues are; one that is cut short is not there.
pub(crate) fn read_levels(bytes: &[u8]) -> impl Iterator<Item = (PeerId, Level)> {
    let (doubles, _) = bytes.as_chunks();
    let mut numbers = doubles
        .iter()
        .map(|bytes| f64::from_le_bytes(*bytes) as u64);
    core::iter::from_fn(move || {
        let (peer, waiting, queued) = (numbers.next()?, numbers.next()?, numbers.next()?);
        Some((PeerId::new(peer), Level { waiting, queued }))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_one_after_the_other() {
        let bytes = b"\x02\0\0\0ab\xff\xff\xff\xff\0\0\0\0\x01\0\0\0\xff";
        let texts: Vec<_> = read(bytes).collect();
        assert_eq!(texts, [Some("ab"), None, Some(""), None]);
    }

    #[test]
    fn what_is_written_is_read_again() {
        let texts = [Some("ab"), None, Some(""), Some("ü")];
        assert!(read(&write(texts)).eq(texts));
    }

    #[test]
    fn levels_are_read_by_threes() {
        let numbers = [7.0, 1e12, 2e12, 8.0, 1.0];
        let bytes: Vec<u8> = numbers.iter().flat_map(|n: &f64| n.to_le_bytes()).collect();
        let level = Level {
            waiting: 1_000_000_000_000,
            queued: 2_000_000_000_000,
        };
        let levels: Vec<_> = read_levels(&bytes).collect();
        assert_eq!(levels, [(PeerId::new(7), level)]);
    }

    #[test]
    fn what_is_cut_short_is_not_there() {
        assert_eq!(read(b"\x09\0\0\0ab").collect::<Vec<_>>(), [None]);
        assert_eq!(read(b"\x09\0").count(), 0);
    }
}
