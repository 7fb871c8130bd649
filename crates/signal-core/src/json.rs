//! A scanner for JSON text (RFC 8259): it checks the whole document in one pass, without recursion
//! or allocation, and hands out slices of it. Values are never decoded, because a relay passes them
//! on as they came.

use alloc::borrow::Cow;
use alloc::string::String;
use core::ops::Range;

/// The text is not JSON, or is nested too deeply.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct NotJson;

/// One member of the outermost object, undecoded.
#[derive(Clone, Debug)]
pub(crate) struct Member<'m> {
    /// The name as it stands between its quotes.
    pub(crate) name: &'m str,
    /// The value as it stands.
    pub(crate) value: &'m str,
    /// Where the member stands in the text, from the quote of the name to the end of the value.
    pub(crate) span: Range<usize>,
}

/// Checks `text` and visits the members of its outermost object, in order.
///
/// Returns where the members stand: what is between the object's braces, or `None` if the document
/// is not an object. On an error some members may have been visited already.
pub(crate) fn scan<'m>(
    text: &'m str,
    depth_max: u8,
    mut visit: impl FnMut(Member<'m>),
) -> Result<Option<Range<usize>>, NotJson> {
    let mut scanner = Scanner { text, at: 0 };
    scanner.space();
    let inside = match scanner.peek() {
        Some(b'{') => Some(scanner.members(depth_max, &mut visit)?),
        _ => scanner.value(depth_max).map(|()| None)?,
    };
    scanner.space();
    require(scanner.at == text.len())?;
    Ok(inside)
}

/// The string that `value` is, or the strings that it has as elements, each as it stands between
/// its quotes. [`scan`] has accepted it.
pub(crate) fn strings(value: &str) -> impl Iterator<Item = &str> {
    let at = usize::from(value.starts_with('['));
    let mut scanner = Scanner { text: value, at };
    core::iter::from_fn(move || {
        loop {
            scanner.space();
            let start = scanner.at;
            match scanner.peek()? {
                b'"' => scanner.string().ok()?,
                _ => scanner.value(u8::MAX).ok()?,
            }
            let element = unquoted(value.get(start..scanner.at)?);
            scanner.space();
            scanner.at += 1;
            if element.is_some() {
                return element;
            }
        }
    })
}

/// What stands between the quotes, if `value` is a string.
pub(crate) fn unquoted(value: &str) -> Option<&str> {
    value.strip_prefix('"')?.strip_suffix('"')
}

/// Decodes what [`unquoted`] gave. `None` for a lone surrogate, which no Rust string can hold.
#[inline]
pub(crate) fn decode(raw: &str) -> Option<Cow<'_, str>> {
    if raw.bytes().all(|byte| byte != b'\\') {
        return Some(Cow::Borrowed(raw));
    }
    decode_escapes(raw).map(Cow::Owned)
}

#[cold]
fn decode_escapes(raw: &str) -> Option<String> {
    chars(raw).collect()
}

/// The characters of a checked string; `None` stands for a lone surrogate.
fn chars(raw: &str) -> impl Iterator<Item = Option<char>> {
    let mut rest = raw.chars();
    core::iter::from_fn(move || {
        let decoded = match rest.next()? {
            '\\' => match rest.next()? {
                'b' => '\u{8}',
                'f' => '\u{c}',
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'u' => {
                    let (unit, after) = code_unit(rest.as_str())?;
                    rest = after.chars();
                    let low = rest.as_str().strip_prefix("\\u").and_then(code_unit);
                    return Some(match (unit, low) {
                        (0xd800..0xdc00, Some((low @ 0xdc00..0xe000, after))) => {
                            rest = after.chars();
                            char::from_u32(0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00))
                        }
                        _ => char::from_u32(unit),
                    });
                }
                other => other,
            },
            other => other,
        };
        Some(Some(decoded))
    })
}

/// Reads four hexadecimal digits.
fn code_unit(text: &str) -> Option<(u32, &str)> {
    let (digits, rest) = text.split_at_checked(4)?;
    Some((u32::from_str_radix(digits, 16).ok()?, rest))
}

fn require(holds: bool) -> Result<(), NotJson> {
    if holds { Ok(()) } else { Err(NotJson) }
}

struct Scanner<'m> {
    text: &'m str,
    at: usize,
}

impl<'m> Scanner<'m> {
    /// An object whose members are visited. Returns what is between its braces.
    fn members(
        &mut self,
        depth_max: u8,
        visit: &mut impl FnMut(Member<'m>),
    ) -> Result<Range<usize>, NotJson> {
        let depth_max = depth_max.checked_sub(1).ok_or(NotJson)?;
        self.at += 1;
        let inside = self.at;
        self.space();
        if self.eat(b'}') {
            return Ok(inside..inside);
        }
        loop {
            self.space();
            let start = self.at;
            self.string()?;
            let name = self.text.get(start + 1..self.at - 1).ok_or(NotJson)?;
            self.space();
            self.demand(b':')?;
            self.space();
            let value_start = self.at;
            self.value(depth_max)?;
            let value = self.text.get(value_start..self.at).ok_or(NotJson)?;
            let span = start..self.at;
            visit(Member { name, value, span });
            self.space();
            if self.eat(b'}') {
                return Ok(inside..self.at - 1);
            }
            self.demand(b',')?;
        }
    }

    /// Any value, whatever is nested in it, up to `depth_max` levels.
    fn value(&mut self, depth_max: u8) -> Result<(), NotJson> {
        let mut nesting = Nesting::default();
        loop {
            self.space();
            let opened = match self.peek().ok_or(NotJson)? {
                b'{' => {
                    nesting.open(Container::Object, depth_max)?;
                    self.at += 1;
                    self.space();
                    self.peek() != Some(b'}')
                }
                b'[' => {
                    nesting.open(Container::Array, depth_max)?;
                    self.at += 1;
                    self.space();
                    self.peek() != Some(b']')
                }
                b'"' => self.string().map(|()| false)?,
                b't' => self.literal("true").map(|()| false)?,
                b'f' => self.literal("false").map(|()| false)?,
                b'n' => self.literal("null").map(|()| false)?,
                _ => self.number().map(|()| false)?,
            };
            if opened {
                self.name_within(&nesting)?;
            } else if !self.next_element(&mut nesting)? {
                return Ok(());
            }
        }
    }

    /// After a value: closes what ends here and moves to the next element. False if nothing is open
    /// any more.
    fn next_element(&mut self, nesting: &mut Nesting) -> Result<bool, NotJson> {
        while let Some(container) = nesting.innermost() {
            self.space();
            if self.eat(b',') {
                self.name_within(nesting)?;
                return Ok(true);
            }
            self.demand(container as u8)?;
            nesting.close();
        }
        Ok(false)
    }

    /// The name before a value, where the innermost container is an object.
    fn name_within(&mut self, nesting: &Nesting) -> Result<(), NotJson> {
        if nesting.innermost() != Some(Container::Object) {
            return Ok(());
        }
        self.space();
        self.string()?;
        self.space();
        self.demand(b':')
    }

    fn string(&mut self) -> Result<(), NotJson> {
        self.demand(b'"')?;
        loop {
            self.plain_characters();
            match self.next().ok_or(NotJson)? {
                b'"' => return Ok(()),
                b'\\' => self.escape()?,
                _ => return Err(NotJson),
            }
        }
    }

    /// Skips to the next quote, backslash or control character: 32 bytes at a time, then 8, then
    /// one.
    fn plain_characters(&mut self) {
        let mut rest = self.rest();
        // Most strings are short.
        if let Some(word) = rest.first_chunk::<8>() {
            let stops = stops(*word);
            if stops != 0 {
                self.at += stops.trailing_zeros() as usize / 8;
                return;
            }
        }
        while let Some((block, after)) = rest.split_first_chunk::<32>() {
            let words = block.chunks_exact(8).filter_map(<[u8]>::first_chunk);
            // All four at once, so that the compiler can use wide registers.
            if words.fold(0, |found, word| found | stops(*word)) != 0 {
                break;
            }
            rest = after;
        }
        while let Some((word, after)) = rest.split_first_chunk::<8>() {
            let stops = stops(*word);
            if stops != 0 {
                self.at = self.text.len() - rest.len() + stops.trailing_zeros() as usize / 8;
                return;
            }
            rest = after;
        }
        let is_plain = |byte: &&u8| !matches!(byte, b'"' | b'\\' | 0..0x20);
        self.at = self.text.len() - rest.len() + rest.iter().take_while(is_plain).count();
    }

    /// What follows a backslash.
    fn escape(&mut self) -> Result<(), NotJson> {
        match self.next().ok_or(NotJson)? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Ok(()),
            b'u' => {
                let digits = self.rest().first_chunk::<4>().ok_or(NotJson)?;
                self.at += 4;
                require(digits.iter().all(u8::is_ascii_hexdigit))
            }
            _ => Err(NotJson),
        }
    }

    fn number(&mut self) -> Result<(), NotJson> {
        self.eat(b'-');
        if !self.eat(b'0') {
            self.digits()?;
        }
        if self.eat(b'.') {
            self.digits()?;
        }
        if self.eat(b'e') || self.eat(b'E') {
            let _sign = self.eat(b'+') || self.eat(b'-');
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), NotJson> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        require(self.at > start)
    }

    fn literal(&mut self, word: &str) -> Result<(), NotJson> {
        require(self.rest().starts_with(word.as_bytes()))?;
        self.at += word.len();
        Ok(())
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn demand(&mut self, byte: u8) -> Result<(), NotJson> {
        require(self.eat(byte))
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn rest(&self) -> &'m [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }
}

/// The first of eight bytes that is a quote, a backslash or a control character gets its high bit
/// set; bytes after it may, too. Zero if there is none.
fn stops(bytes: [u8; 8]) -> u64 {
    const ONES: u64 = u64::MAX / 0xff;
    const HIGHS: u64 = ONES << 7;
    let word = u64::from_le_bytes(bytes);
    // A byte that is less than what is taken off borrows from the one above it, so its high bit
    // gets set. With their second bit turned over, control characters stay below 0x20 and the
    // quote, 0x22, becomes 0x20.
    let controls_and_quotes = (word ^ (ONES * 0x02)).wrapping_sub(ONES * 0x21);
    let backslashes = (word ^ (ONES * u64::from(b'\\'))).wrapping_sub(ONES);
    // What had its high bit set before is not ASCII.
    (controls_and_quotes | backslashes) & !word & HIGHS
}

/// An array or an object, by the bracket that ends it.
#[derive(Clone, Copy, Eq, PartialEq)]
#[repr(u8)]
enum Container {
    Array = b']',
    Object = b'}',
}

/// The containers that are open, one bit each, so that depth costs neither stack nor heap.
#[derive(Default)]
struct Nesting {
    /// The innermost container is the lowest bit; a set bit is an object.
    objects: u128,
    depth: u8,
}

impl Nesting {
    fn open(&mut self, container: Container, depth_max: u8) -> Result<(), NotJson> {
        require(u32::from(self.depth) < u32::from(depth_max).min(u128::BITS))?;
        self.objects = self.objects << 1 | u128::from(container == Container::Object);
        self.depth += 1;
        Ok(())
    }

    fn close(&mut self) {
        self.objects >>= 1;
        self.depth = self.depth.saturating_sub(1);
    }

    fn innermost(&self) -> Option<Container> {
        match (self.depth, self.objects & 1) {
            (0, _) => None,
            (_, 0) => Some(Container::Array),
            _ => Some(Container::Object),
        }
    }
}
