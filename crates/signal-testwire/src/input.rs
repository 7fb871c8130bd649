/// What has come from the relay and was not taken yet.
#[derive(Default)]
pub(crate) struct Input(Vec<u8>);

impl Input {
    pub(crate) fn extend(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// Where to read more into.
    pub(crate) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// How many bytes a head takes that is all there, with the blank line behind it.
    pub(crate) fn head_len(&self) -> Option<usize> {
        let blank_line = b"\r\n\r\n";
        let start = self.0.windows(4).position(|bytes| bytes == blank_line)?;
        Some(start + blank_line.len())
    }

    /// Takes so many bytes, which must be text.
    pub(crate) fn take_text(&mut self, length: usize) -> String {
        let rest = self.0.split_off(length);
        String::from_utf8(std::mem::replace(&mut self.0, rest)).expect("this is text")
    }

    /// Drops so many bytes.
    pub(crate) fn skip(&mut self, length: usize) {
        self.0.drain(..length);
    }
}

impl std::fmt::Debug for Input {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(&self.0))
    }
}
