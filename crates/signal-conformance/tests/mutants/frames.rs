//! Frames from bytes, and messages from frames.

use crate::list::SocketMutant::{self, *};

pub(crate) struct Frame {
    pub(crate) fin: bool,
    pub(crate) opcode: u8,
    pub(crate) payload: Vec<u8>,
    /// Whether it is as RFC 6455 asks; otherwise the connection ends with `code`.
    pub(crate) is_right: bool,
    pub(crate) code: u16,
}

pub(crate) struct Frames {
    mutant: Option<SocketMutant>,
    buffer: Vec<u8>,
    first_mask: Option<[u8; 4]>,
    /// The message in fragments: opcode, how many there were, and what they held.
    open: Option<u8>,
    fragments: usize,
    own: Vec<u8>,
}

const LENGTH_MAX: usize = 100 << 20;

impl Frames {
    pub(crate) fn new(mutant: Option<SocketMutant>) -> Self {
        Self {
            mutant,
            buffer: Vec::new(),
            first_mask: None,
            open: None,
            fragments: 0,
            own: Vec::new(),
        }
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    pub(crate) fn next(&mut self) -> Option<Frame> {
        let frame = self.take();
        if frame.is_none() && self.mutant == Some(ReadsOfFour) {
            self.buffer.clear();
        }
        frame
    }

    fn take(&mut self) -> Option<Frame> {
        let (first, second) = (*self.buffer.first()?, *self.buffer.get(1)?);
        let (mut length, mut at) = (usize::from(second & 0x7f), 2);
        let extended = match length {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        if extended > 0 {
            let bytes = self.buffer.get(at..at + extended)?;
            length = bytes
                .iter()
                .fold(0, |sum, byte| sum << 8 | usize::from(*byte));
            at += extended;
        }
        let opcode = first & 0x0f;
        let is_control = opcode >= 8;
        let is_signed = extended == 2 && length >= 0x8000 && self.mutant == Some(LengthSigned);
        let is_wrong = first & 0x70 != 0
            || second & 0x80 == 0
            || (3..8).contains(&opcode)
            || opcode > 10
            || is_control && (first & 0x80 == 0 || length > 125)
            || opcode == 0 && self.open.is_none()
            || (1..3).contains(&opcode) && self.open.is_some()
            || is_signed;
        if is_wrong || length > LENGTH_MAX {
            let code = if is_wrong { 1002 } else { 1009 };
            return Some(self.wrong(code));
        }
        let mask: [u8; 4] = self.buffer.get(at..at + 4)?.try_into().ok()?;
        at += 4;
        let mut payload = self.buffer.get(at..at + length)?.to_vec();
        self.buffer.drain(..at + length);
        let first_mask = *self.first_mask.get_or_insert(mask);
        let mask = if self.mutant == Some(MaskOfFirstFrame) {
            first_mask
        } else {
            mask
        };
        for (at, byte) in payload.iter_mut().enumerate() {
            *byte ^= mask[at % 4];
        }
        if opcode == 8 && !is_close(&payload) {
            return Some(self.wrong(1002));
        }
        if self.mutant == Some(LengthOf126) && length == 126 {
            return self.take();
        }
        let fin = first & 0x80 != 0;
        if !is_control {
            self.open = self.open.or(Some(opcode)).filter(|_| !fin);
            // The opcode of the whole is kept beside.
        }
        Some(Frame {
            fin,
            opcode,
            payload,
            is_right: true,
            code: 1000,
        })
    }

    fn wrong(&mut self, code: u16) -> Frame {
        self.buffer.clear();
        Frame {
            fin: true,
            opcode: 8,
            payload: Vec::new(),
            is_right: false,
            code,
        }
    }

    pub(crate) fn forget(&mut self) {
        self.own.clear();
    }

    pub(crate) fn message_of_own(
        &mut self,
        fin: bool,
        opcode: u8,
        payload: Vec<u8>,
    ) -> Option<(u8, Vec<u8>)> {
        let mut own = std::mem::take(&mut self.own);
        let message = self.message(fin, opcode, payload, &mut own);
        self.own = own;
        message
    }

    /// The message that this frame completes; the first byte of the buffer is the opcode.
    pub(crate) fn message(
        &mut self,
        fin: bool,
        opcode: u8,
        payload: Vec<u8>,
        buffer: &mut Vec<u8>,
    ) -> Option<(u8, Vec<u8>)> {
        if opcode != 0 {
            self.fragments = 0;
            if self.mutant != Some(FragmentsShared) || buffer.is_empty() {
                *buffer = vec![opcode];
            }
        }
        if buffer.is_empty() {
            buffer.push(1);
        }
        self.fragments += 1;
        let is_empty = payload.is_empty();
        match self.mutant {
            Some(FirstFragment) if opcode == 0 => {}
            Some(LastFragment) => {
                buffer.truncate(1);
                buffer.extend(payload);
            }
            _ => buffer.extend(payload),
        }
        let ends = fin || is_empty && self.mutant == Some(EmptyFragmentEnds);
        if !ends {
            return None;
        }
        let mut message = std::mem::take(buffer);
        let opcode = message.remove(0);
        let is_dropped = self.fragments > 3 && self.mutant == Some(FragmentsOfThree);
        (!is_dropped).then_some((opcode, message))
    }
}

fn is_close(payload: &[u8]) -> bool {
    let Some((code, reason)) = payload.split_first_chunk() else {
        return payload.is_empty();
    };
    let code = u16::from_be_bytes(*code);
    let is_known = (1000..=1003).contains(&code)
        || (1007..=1014).contains(&code)
        || (3000..5000).contains(&code);
    is_known && std::str::from_utf8(reason).is_ok()
}
