//! Files of text as people's editors and shells write them.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// More than anything that is written by hand or made for us, certificates of all authorities
/// included. A device has no end.
const BYTES_MAX: u64 = 4 << 20;

/// The mark that Windows' programs put before UTF-8.
const BOM: &str = "\u{feff}";
/// The mark before UTF-16, in both orders of bytes.
const UTF_16: [[u8; 2]; 2] = [[0xff, 0xfe], [0xfe, 0xff]];

/// Reads a file of UTF-8, with or without the mark before it.
///
/// # Errors
///
/// The file cannot be read, has no end, or is other than UTF-8; UTF-16, which `>` writes in Windows
/// PowerShell, is named.
pub(crate) fn read(path: &Path) -> io::Result<String> {
    read_from(&mut File::open(path)?)
}

/// As [`read`], from something other than a file.
pub(crate) fn read_from(input: &mut impl Read) -> io::Result<String> {
    let mut bytes = Vec::new();
    input.take(BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > BYTES_MAX {
        let problem = format!("it is longer than {} MiB", BYTES_MAX >> 20);
        return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
    }
    decode(bytes)
}

fn decode(bytes: Vec<u8>) -> io::Result<String> {
    // Without a mark, every other byte of ASCII is zero.
    let is_wide = bytes.iter().take(2).any(|byte| *byte == 0);
    if is_wide || UTF_16.iter().any(|mark| bytes.starts_with(mark)) {
        let problem = "it is UTF-16, not UTF-8; Windows PowerShell writes that with `>`: use \
                       `| Out-File -Encoding ascii FILE` there, or save it as UTF-8";
        return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
    }
    let text = String::from_utf8(bytes)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not text in UTF-8"))?;
    Ok(match text.strip_prefix(BOM) {
        Some(rest) => rest.to_owned(),
        None => text,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_end_is_not_read_to_it() {
        let read = read_from(&mut io::repeat(b'k'));
        let error = read.expect_err("no end").to_string();
        assert_eq!(error, "it is longer than 4 MiB");
    }

    #[test]
    fn marks_before_a_text_are_cut_or_named() {
        let read = |mut bytes: &[u8]| read_from(&mut bytes).map_err(|error| error.to_string());
        assert_eq!(read(b"\xef\xbb\xbfkey"), Ok("key".to_owned()));
        assert_eq!(read("k\u{e9}y".as_bytes()), Ok("k\u{e9}y".to_owned()));
        assert_eq!(read(b""), Ok(String::new()));
        for utf_16 in [&b"\xff\xfek\0"[..], b"\xfe\xff\0k", b"k\0e\0", b"\0k\0e"] {
            assert!(
                read(utf_16).is_err_and(|error| error.contains("it is UTF-16")),
                "{utf_16:?}"
            );
        }
        assert_eq!(read(b"\x80"), Err("it is not text in UTF-8".to_owned()));
    }
}
