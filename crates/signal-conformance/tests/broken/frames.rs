//! Reads WebSocket frames as RFC 6455 asks, unless a fault leaves one rule out.

use crate::limits::MESSAGE_BYTES_MAX;

/// What the server at the socket does wrong.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum SocketFault {
    // Rules for frames that are not checked.
    ReservedBits,
    ReservedOpcodes,
    Masks,
    ControlFragments,
    ControlLengths,
    CloseLengths,
    CloseCodes,
    CloseReasons,
    Continuations,
    InnerTexts,
    TextEncoding,
    HeaderLengths,
    MessageLengths,
    // Frames that are right but not served.
    FragmentsApart,
    FragmentsOfTextOnly,
    PingsUnanswered,
    PongsAreMessages,
    FramesCostNothing,
    ReadsAfterClose,
    DiesOfNoise,
    DiesOfHalfFrames,
    // Upgrades and pages.
    OneOrigin,
    OnePath,
    ProtocolIgnored,
    NoPage,
    PageAtRootOnly,
    VersionNotChecked,
    OldVersionTaken,
    KeyNotChecked,
    UpgradeCaseMatters,
    ManyHeadersRefused,
    OldRequestsRefused,
    OtherUpgradesRefused,
}

/// What came in.
#[derive(Debug)]
pub(crate) enum Incoming {
    Text(Vec<u8>),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Vec<u8>),
}

/// Turns bytes into messages.
pub(crate) struct Frames {
    pub(crate) buffer: Vec<u8>,
    fault: Option<SocketFault>,
    /// The opcode and the payload so far of a message in fragments.
    open: Option<(u8, Vec<u8>)>,
    /// After a violation nothing more is read.
    deaf: bool,
}

impl Frames {
    pub(crate) fn new(fault: Option<SocketFault>) -> Self {
        Self {
            buffer: Vec::new(),
            fault,
            open: None,
            deaf: false,
        }
    }

    /// The next message, if it is there; or the code to close with.
    pub(crate) fn next(&mut self) -> Result<Option<Incoming>, u16> {
        let next = if self.deaf { Ok(None) } else { self.read() };
        self.deaf |= next.is_err();
        next
    }

    fn read(&mut self) -> Result<Option<Incoming>, u16> {
        while let Some((first, payload)) = self.frame()? {
            let (fin, opcode) = (first & 0x80 != 0, first & 0x0f);
            if let Some(incoming) = self.message(fin, opcode, payload)? {
                return Ok(Some(incoming));
            }
        }
        Ok(None)
    }

    /// The first byte and the payload of the next frame.
    fn frame(&mut self) -> Result<Option<(u8, Vec<u8>)>, u16> {
        let [first, second, rest @ ..] = self.buffer.as_slice() else {
            return Ok(None);
        };
        let (first, second) = (*first, *second);
        let control = first & 0x08 != 0;
        self.rule(SocketFault::ReservedBits, first & 0x70 == 0, 1002)?;
        self.rule(
            SocketFault::ReservedOpcodes,
            matches!(first & 0x0f, 0..=2 | 8..=10),
            1002,
        )?;
        self.rule(SocketFault::Masks, second & 0x80 != 0, 1002)?;
        self.rule(
            SocketFault::ControlFragments,
            !control || first & 0x80 != 0,
            1002,
        )?;
        self.rule(
            SocketFault::ControlLengths,
            !control || second & 0x7f < 126,
            1002,
        )?;
        let length_bytes = match second & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let Some((length, rest)) = rest.split_at_checked(length_bytes) else {
            return Ok(None);
        };
        let length = match length {
            [] => u64::from(second & 0x7f),
            bytes => bytes
                .iter()
                .fold(0, |length, byte| length << 8 | u64::from(*byte)),
        };
        self.rule(
            SocketFault::HeaderLengths,
            length <= MESSAGE_BYTES_MAX as u64,
            1009,
        )?;
        let mask_bytes = if second & 0x80 == 0 { 0 } else { 4 };
        let Some((mask, rest)) = rest.split_at_checked(mask_bytes) else {
            return Ok(None);
        };
        let Some(payload) = usize::try_from(length)
            .ok()
            .and_then(|length| rest.get(..length))
        else {
            return Ok(None);
        };
        let unmask =
            |(index, byte): (usize, &u8)| byte ^ mask.get(index % 4).copied().unwrap_or_default();
        let payload: Vec<u8> = payload.iter().enumerate().map(unmask).collect();
        self.buffer
            .drain(..2 + length_bytes + mask_bytes + payload.len());
        Ok(Some((first, payload)))
    }

    fn message(
        &mut self,
        fin: bool,
        opcode: u8,
        payload: Vec<u8>,
    ) -> Result<Option<Incoming>, u16> {
        match opcode {
            8 => {
                self.check_close(&payload)?;
                // The suite's client could not tell an answer with such a code from one with 1002.
                let ignored = !has_allowed_code(&payload);
                return Ok((!ignored).then_some(Incoming::Close(payload)));
            }
            9 => return Ok(Some(Incoming::Ping(payload))),
            10 => return Ok(Some(Incoming::Pong(payload))),
            0 => self.rule(SocketFault::Continuations, self.open.is_some(), 1002)?,
            _ => self.rule(SocketFault::InnerTexts, self.open.is_none(), 1002)?,
        }
        let apart = self.fault == Some(SocketFault::FragmentsApart);
        let (kind, mut message) = if opcode == 0 {
            self.open.take().unwrap_or((1, Vec::new()))
        } else {
            (opcode, Vec::new())
        };
        message.extend(payload);
        self.rule(
            SocketFault::MessageLengths,
            message.len() <= MESSAGE_BYTES_MAX,
            1009,
        )?;
        let early = self.fault == Some(SocketFault::FragmentsOfTextOnly);
        if kind == 1 && early && std::str::from_utf8(&message).is_err() {
            return Err(1007);
        }
        if !fin && !apart {
            self.open = Some((kind, message));
            return Ok(None);
        }
        if kind == 2 {
            return Ok(Some(Incoming::Binary(message)));
        }
        self.rule(
            SocketFault::TextEncoding,
            std::str::from_utf8(&message).is_ok(),
            1007,
        )?;
        Ok(Some(Incoming::Text(message)))
    }

    fn check_close(&self, payload: &[u8]) -> Result<(), u16> {
        self.rule(SocketFault::CloseLengths, payload.len() != 1, 1002)?;
        self.rule(SocketFault::CloseCodes, has_allowed_code(payload), 1002)?;
        let reason = payload.get(2..).unwrap_or_default();
        self.rule(
            SocketFault::CloseReasons,
            std::str::from_utf8(reason).is_ok(),
            1007,
        )
    }

    fn rule(&self, rule: SocketFault, kept: bool, code: u16) -> Result<(), u16> {
        if kept || self.fault == Some(rule) {
            Ok(())
        } else {
            Err(code)
        }
    }
}

fn has_allowed_code(close: &[u8]) -> bool {
    let code = close.first_chunk().map(|code| u16::from_be_bytes(*code));
    code.is_none_or(|code| matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999))
}
