//! Percent-encoding, as it stands in a URL's query.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

/// Decodes what is percent-encoded in a URL: `%41` to `A`. `None` if a sign of percent has no two
/// digits behind it, or the result is not UTF-8.
#[cfg(feature = "claims")]
pub fn decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('%') {
        return Some(Cow::Borrowed(text));
    }
    let bytes: Option<Vec<u8>> = Bytes(text.as_bytes()).collect();
    String::from_utf8(bytes?).ok().map(Cow::Owned)
}

/// Encodes what is neither a letter or digit of ASCII nor one of `plain`, and ends before the text
/// would be longer than that.
#[cfg(feature = "tokens")]
pub(crate) fn encode(text: &str, plain: &str, bytes_max: usize) -> String {
    const DIGITS: [char; 16] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F',
    ];
    let digit = |number: u8| DIGITS.get(usize::from(number)).copied().unwrap_or_default();
    let mut encoded = String::new();
    for letter in text.chars() {
        let is_plain = letter.is_ascii_alphanumeric() || plain.contains(letter);
        let length = if is_plain { 1 } else { 3 * letter.len_utf8() };
        if encoded.len() + length > bytes_max {
            break;
        }
        if is_plain {
            encoded.push(letter);
            continue;
        }
        for byte in letter.encode_utf8(&mut [0; 4]).bytes() {
            encoded.extend(['%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
    encoded
}

/// Decodes what can be decoded, and again what that results in, until nothing is left; for looking,
/// not for using.
pub(crate) fn decode_fully(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let mut decoded: Vec<u8> = Vec::with_capacity(text.len());
    for byte in text.bytes() {
        decoded.push(byte);
        // A decoded byte may complete another escape. Each round drops two bytes, so all of them
        // together are linear.
        while let Some((rest, last)) = decoded.split_last_chunk::<3>() {
            let Some((byte, _)) = escaped(last) else {
                break;
            };
            let length = rest.len();
            decoded.truncate(length);
            decoded.push(byte);
        }
    }
    Cow::Owned(String::from_utf8_lossy(&decoded).into_owned())
}

/// The decoded bytes of a text; `None` for a sign of percent that means nothing.
#[cfg(feature = "claims")]
struct Bytes<'a>(&'a [u8]);

#[cfg(feature = "claims")]
impl Iterator for Bytes<'_> {
    type Item = Option<u8>;

    fn next(&mut self) -> Option<Option<u8>> {
        let (&first, after) = self.0.split_first()?;
        if first != b'%' {
            self.0 = after;
            return Some(Some(first));
        }
        let decoded = escaped(self.0);
        self.0 = decoded.map_or(after, |(_, rest)| rest);
        Some(decoded.map(|(byte, _)| byte))
    }
}

/// The byte that a text beginning with `%41` stands for, and what follows.
fn escaped(text: &[u8]) -> Option<(u8, &[u8])> {
    let ([b'%', high, low], rest) = text.split_first_chunk::<3>()? else {
        return None;
    };
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let byte = digit(high)? * 16 + digit(low)?;
    Some((u8::try_from(byte).ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(feature = "claims")]
    #[test]
    fn decodes_once_and_strictly() {
        assert_eq!(decode("a.b").as_deref(), Some("a.b"));
        assert_eq!(decode("a%2Eb%2ec").as_deref(), Some("a.b.c"));
        assert_eq!(decode("%2541").as_deref(), Some("%41"));
        for wrong in ["%", "%4", "%4g", "a%", "%ff"] {
            assert_eq!(decode(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn decodes_to_the_end_and_loosely() {
        assert_eq!(decode_fully("%25254fk%"), "Ok%");
        assert_eq!(decode_fully("%%34%31"), "A");
        assert_eq!(
            decode_fully(&["%", &"25".repeat(100_000), "41"].concat()),
            "A"
        );
        assert_eq!(decode_fully("%ff%ff"), "\u{fffd}\u{fffd}");
    }
}
