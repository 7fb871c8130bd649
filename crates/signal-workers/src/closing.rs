//! Closing: what a client's close is answered with, and the codes of our own.

/// No code was sent.
const NO_CODE: u16 = 1005;
/// The connection ended without a close.
const ABNORMAL: u16 = 1006;
/// TLS failed. Never sent.
const TLS: u16 = 1015;

/// How to answer a close. Without an answer the client waits ten seconds and reports 1006.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Answer {
    /// A close with the client's own code.
    Code(u16),
    /// A close without code.
    WithoutCode,
    /// None: the peer has gone.
    Nothing,
}

/// The answer to a close with this code, as the runtime reports it.
pub(crate) fn answer(code: usize) -> Answer {
    match u16::try_from(code) {
        Ok(NO_CODE) => Answer::WithoutCode,
        Ok(ABNORMAL | TLS) => Answer::Nothing,
        Ok(code) if may_be_sent(code) => Answer::Code(code),
        Ok(_) | Err(_) => Answer::WithoutCode,
    }
}

/// Whether RFC 6455 lets a close frame carry the code.
fn may_be_sent(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

/// A close that only this adapter has a reason for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Lost {
    /// What was kept of the peer is from another version of this relay.
    Outdated,
    /// What was kept of the peer is damaged or cannot be kept.
    Damaged,
}

impl Lost {
    pub(crate) fn code(self) -> u16 {
        match self {
            Self::Outdated => 1012,
            Self::Damaged => 1011,
        }
    }

    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Outdated => "this relay was updated, please reconnect",
            Self::Damaged => "this relay lost the state of your connection, please reconnect",
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Outdated => "state_outdated",
            Self::Damaged => "state_damaged",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_close_is_answered_with_its_own_code() {
        for code in [1000, 1001, 1011, 3000, 4001, 4999] {
            assert_eq!(answer(code), Answer::Code(code as u16));
        }
    }

    #[test]
    fn a_close_without_code_is_answered_without_code() {
        assert_eq!(answer(1005), Answer::WithoutCode);
    }

    #[test]
    fn a_connection_that_broke_is_not_answered() {
        assert_eq!(answer(1006), Answer::Nothing);
        assert_eq!(answer(1015), Answer::Nothing);
    }

    #[test]
    fn a_code_that_must_not_be_sent_is_not_sent_back() {
        for code in [0, 999, 1004, 1016, 2999, 5000, 70_000] {
            assert_eq!(answer(code), Answer::WithoutCode, "{code}");
        }
    }

    #[test]
    fn the_reasons_fit_into_a_close_frame() {
        for lost in [Lost::Outdated, Lost::Damaged] {
            assert!(lost.text().len() <= 123 && may_be_sent(lost.code()));
        }
    }
}
