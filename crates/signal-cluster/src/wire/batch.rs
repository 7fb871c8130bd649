use alloc::vec::Vec;

use super::frame::Frame;
use super::reader::Reader;
use super::{BATCH, begin, end, writer};
use crate::node::Node;

/// Frames from one node to another, with consecutive numbers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Batch {
    /// Who sends it.
    pub from: Node,
    /// Whom it is for.
    pub to: Node,
    /// The session of the link in which its numbers count.
    pub session: u32,
    /// The number of its first frame, or of the next one if it has none.
    pub first: u64,
    /// The last frame that its sender has heard in the other direction.
    pub heard: u64,
    /// Whether the sender asks for all after `heard` again.
    pub asks: bool,
    /// The frames.
    pub frames: Vec<Frame>,
}

impl Batch {
    /// Begins a batch in a buffer. Frames are written behind it, and then [`end`]ed.
    pub(crate) fn begin(&self, out: &mut Vec<u8>, version: u8) {
        begin(out, version, BATCH);
        self.write(out);
    }

    /// Ends a batch.
    pub(crate) fn end(out: &mut Vec<u8>) {
        end(out);
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        writer::node(out, self.from);
        writer::node(out, self.to);
        writer::number(out, self.session.into());
        writer::number(out, self.first);
        writer::number(out, self.heard);
        out.push(u8::from(self.asks));
        self.frames.iter().for_each(|frame| frame.write(out));
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let mut batch = Self {
            from: reader.node()?,
            to: reader.node()?,
            session: reader.small()?,
            first: reader.number()?,
            heard: reader.number()?,
            asks: reader.flags(1)? != 0,
            frames: Vec::new(),
        };
        while !reader.is_at_end() {
            batch.frames.push(Frame::read(reader)?);
        }
        // Its last frame has a number too.
        batch.first.checked_add(batch.frames.len() as u64)?;
        Some(batch)
    }
}
