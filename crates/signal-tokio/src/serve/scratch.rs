//! The buffers of a thread, which its connections borrow for a moment. So an idle one needs none.

use std::cell::Cell;
use std::collections::VecDeque;
use std::ops::{Deref, DerefMut};

use bytes::Bytes;

/// What one read may bring. Small enough that one peer's burst cannot fill the queues of others
/// before they had their turn to write, large enough that a session description comes in one read.
pub(crate) const READ_BYTES: usize = 16 * 1024;

thread_local! {
    static INPUT: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
    static OUTPUT: Cell<(VecDeque<Bytes>, Vec<u8>)> = const { Cell::new((VecDeque::new(), Vec::new())) };
}

/// The read buffer of this thread, on loan.
pub(crate) struct Input(Vec<u8>);

pub(crate) fn input() -> Input {
    let mut buffer = INPUT.take();
    buffer.resize(READ_BYTES, 0);
    Input(buffer)
}

impl Deref for Input {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl DerefMut for Input {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        INPUT.set(std::mem::take(&mut self.0));
    }
}

/// What a write of this thread needs, on loan: the frames on their way, and room for a copy of
/// small ones.
pub(crate) struct Output((VecDeque<Bytes>, Vec<u8>));

pub(crate) fn output() -> Output {
    Output(OUTPUT.take())
}

impl Output {
    pub(crate) fn parts(&mut self) -> (&mut VecDeque<Bytes>, &mut Vec<u8>) {
        (&mut self.0.0, &mut self.0.1)
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        OUTPUT.set(std::mem::take(&mut self.0));
    }
}
