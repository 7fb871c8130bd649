//! What a host is to do, as bytes that it reads with a `DataView`.
//!
//! Records follow each other, each beginning at a multiple of four bytes. All numbers have four
//! bytes, least first.
//!
//! | Record | Numbers, then bytes |
//! |---|---|
//! | send | 1, receivers, bytes of the text, each receiver; the text |
//! | ping | 2, peer |
//! | close | 3, peer, code, whether to drop what is queued (1) and the connection with it (2), bytes of the reason; the reason |
//! | hold | 4, peer: read no more of it |
//! | upgrade | 5, peer, bytes of the subprotocol, 0 for none; the subprotocol |
//! | page | 6, status, bytes of each; the body, then names and values of headers by turns, each ended by a line feed |
//! | text | 7, bytes; a text |
//! | signatures | 8, peer, how many, then of each: position of the key, bytes of what is signed, bytes of the signature; the two |
//! | authorize | 9, peer |
//! | notice | 10, bytes; a text for the log |
//! | look | 11, how many, each peer: tell how full their queues are, when the runtime has had a chance to write; of 0, all |
//! | within | 12, peer: what waits for it may, and it is told again when more does |
//! | keys | 13, peer |

use alloc::string::String;
use alloc::vec::Vec;
use signal_core::{CloseReason, Message, PeerId, Sink};

use crate::question::{Question, Signature};
use crate::request::Page;

const SEND: u32 = 1;
const PING: u32 = 2;
const CLOSE: u32 = 3;
const HOLD: u32 = 4;
const UPGRADE: u32 = 5;
const PAGE: u32 = 6;
const TEXT: u32 = 7;
const SIGNATURES: u32 = 8;
const AUTHORIZE: u32 = 9;
const NOTICE: u32 = 10;
const LOOK: u32 = 11;
const WITHIN: u32 = 12;
const KEYS: u32 = 13;

/// Beyond this the memory of one large output is given back.
const KEPT_BYTES_MAX: usize = 256 * 1024;

/// The flat output of one call.
#[derive(Debug, Default)]
pub struct Output {
    bytes: Vec<u8>,
    /// How many bytes are to be sent, to all who get them together.
    sent: u64,
}

impl Output {
    /// One with nothing in it.
    pub const fn new() -> Self {
        Self {
            bytes: Vec::new(),
            sent: 0,
        }
    }

    /// What is written.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Forgets what is written.
    pub fn clear(&mut self) {
        self.sent = 0;
        self.bytes.clear();
        self.bytes.shrink_to(KEPT_BYTES_MAX);
    }

    pub(crate) fn hold(&mut self, peer: PeerId) {
        self.numbers([HOLD, number(peer)]);
    }

    /// Asks how full the queues of these peers are; of none, those of all.
    pub(crate) fn look(&mut self, peers: &[PeerId]) {
        self.numbers([LOOK, peers.len() as u32]);
        for peer in peers {
            self.numbers([number(*peer)]);
        }
    }

    pub(crate) fn within(&mut self, peer: PeerId) {
        self.numbers([WITHIN, number(peer)]);
    }

    /// How many bytes are to be sent since this was asked last.
    pub(crate) fn take_sent(&mut self) -> u64 {
        core::mem::take(&mut self.sent)
    }

    pub(crate) fn upgrade(&mut self, peer: PeerId, protocol: &str) {
        self.numbers([UPGRADE, number(peer), length(protocol)]);
        self.text(protocol);
    }

    pub(crate) fn ask(&mut self, peer: PeerId, question: &Question) {
        match question {
            Question::Keys => self.numbers([KEYS, number(peer)]),
            Question::Authorizer => self.numbers([AUTHORIZE, number(peer)]),
            Question::Signatures(signatures) => {
                self.numbers([SIGNATURES, number(peer), signatures.len() as u32]);
                for Signature {
                    key,
                    message,
                    signature,
                } in signatures
                {
                    self.numbers([*key as u32, message.len() as u32, signature.len() as u32]);
                    self.raw(message);
                    self.raw(signature);
                }
            }
        }
    }

    /// Writes a text for the host's log.
    pub(crate) fn notice(&mut self, text: &str) {
        self.numbers([NOTICE, length(text)]);
        self.text(text);
    }

    pub(crate) fn page(&mut self, page: &Page) {
        let headers: String = page
            .headers
            .iter()
            .flat_map(|(name, value)| [name, "\n", value.as_ref(), "\n"])
            .collect();
        let status = page.status.into();
        self.numbers([PAGE, status, length(&page.body), length(&headers)]);
        self.text(&page.body);
        self.text(&headers);
    }

    /// Writes a text for the host itself.
    pub fn tell(&mut self, text: &str) {
        self.numbers([TEXT, length(text)]);
        self.text(text);
    }

    fn numbers<const N: usize>(&mut self, numbers: [u32; N]) {
        for number in numbers {
            self.bytes.extend(number.to_le_bytes());
        }
    }

    fn text(&mut self, text: &str) {
        self.raw(text.as_bytes());
    }

    fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
        let whole = self.bytes.len().next_multiple_of(4);
        self.bytes.resize(whole, 0);
    }
}

impl Sink for Output {
    fn send(&mut self, to: &[PeerId], message: &Message) {
        let text = message.as_str();
        let bytes = (to.len() as u64).saturating_mul(text.len() as u64);
        self.sent = self.sent.saturating_add(bytes);
        self.numbers([SEND, to.len() as u32, length(text)]);
        for peer in to {
            self.numbers([number(*peer)]);
        }
        self.text(text);
    }

    fn ping(&mut self, to: PeerId) {
        self.numbers([PING, number(to)]);
    }

    fn close(&mut self, peer: PeerId, reason: CloseReason) {
        let (code, text) = (reason.code().into(), reason.text());
        // Whoever is ended for the memory it holds is not to hold it until its client answers.
        let drops = match reason == CloseReason::MemoryMax {
            true => 2,
            false => reason.drops_queue().into(),
        };
        self.numbers([CLOSE, number(peer), code, drops, length(text)]);
        self.text(text);
    }
}

/// A host's name of a peer has 32 bits.
fn number(peer: PeerId) -> u32 {
    peer.as_u64() as u32
}

fn length(text: &str) -> u32 {
    text.len() as u32
}

#[cfg(test)]
mod tests {
    use alloc::string::String;

    use super::*;

    #[test]
    fn a_text_that_goes_to_many_is_written_once_and_padded() {
        let mut output = Output::default();
        output.send(
            &[PeerId::new(7), PeerId::new(9)],
            &Message::from(String::from("hello")),
        );
        output.ping(PeerId::new(7));
        let expected = [1, 2, 5, 7, 9, u32::from_le_bytes(*b"hell"), 0x6f, 2, 7];
        let expected: Vec<u8> = expected.iter().flat_map(|n| n.to_le_bytes()).collect();
        assert_eq!(output.bytes(), expected);
    }

    #[test]
    fn the_memory_of_a_large_output_is_given_back() {
        let mut output = Output::default();
        output.tell(&"x".repeat(4 * KEPT_BYTES_MAX));
        output.clear();
        assert!(output.bytes().is_empty() && output.bytes.capacity() <= KEPT_BYTES_MAX);
    }
}
