//! What carries the frames of a connection.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::task::{Context, Poll};

use crate::frame::{FrameError, Incoming};
use crate::hub::batch::Queued;

/// The things in which a stream of bytes and a stream of messages differ.
pub(crate) trait Transport {
    /// Reads once, and hands what has arrived to `handle` until that breaks. How many bytes it was.
    fn read(
        &mut self,
        cx: &mut Context<'_>,
        handle: &mut impl FnMut(Incoming<'_>) -> ControlFlow<()>,
    ) -> Poll<Result<usize, ReadError>>;

    /// How much it keeps of messages whose end is missing.
    fn held_bytes(&self) -> usize {
        0
    }

    /// How much it may keep of what was written and is not flushed.
    fn unflushed_bytes(&self) -> usize {
        0
    }

    /// How many records of TLS have arrived since it was asked.
    fn take_records(&mut self) -> usize {
        0
    }

    /// Drops what it keeps of messages, because nothing more will be read.
    fn forget_input(&mut self) {}

    /// Writes what it takes of these frames: so many of their bytes, at least one.
    fn write(
        &mut self,
        cx: &mut Context<'_>,
        frames: &VecDeque<Queued>,
    ) -> Poll<Result<usize, Gone>>;

    /// Does the same with the last frames of the connection, which is [closed](Self::close) or
    /// [ended](Self::end) as soon as all of them are taken.
    fn write_last(
        &mut self,
        cx: &mut Context<'_>,
        frames: &VecDeque<Queued>,
    ) -> Poll<Result<usize, Gone>> {
        self.write(cx, frames)
    }

    /// Passes on what was written and is held back; true if there was any.
    fn flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, Gone>>;

    /// Takes a step towards the end of the connection, once our close frame is written. Gone when
    /// it is there; ready when there is another step to take, with how many bytes this one has
    /// thrown away.
    fn close(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, Gone>>;

    /// Ends a connection that is [spent](Self::is_spent), right before it is dropped.
    fn end(&mut self) {}

    /// Ends the connection so that the kernel forgets what it could not send.
    fn reset(&mut self);

    /// Whether nothing of the peer's lies unread, so that a connection whose close frames are
    /// exchanged can be dropped. False where that cannot be known.
    fn is_spent(&self) -> bool {
        false
    }
}

/// The connection is over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gone;

/// Why no more is read.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ReadError {
    /// The peer has gone, or ended its side.
    Gone,
    /// It has sent a frame that cannot be read.
    Frame(FrameError),
}
