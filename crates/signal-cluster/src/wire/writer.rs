use alloc::vec::Vec;

use crate::node::Node;

pub(super) fn node(out: &mut Vec<u8>, node: Node) {
    out.extend_from_slice(&node.id.get().to_le_bytes());
    out.extend_from_slice(&node.life.to_le_bytes());
}

/// LEB128: seven bits a byte, the lowest first.
pub(super) fn number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

pub(super) fn text(out: &mut Vec<u8>, text: &str) {
    number(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}
