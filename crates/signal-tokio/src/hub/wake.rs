//! How a connection learns that its queue has something for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{self, Waker};

use crate::hub::memory::Account;
use crate::lock::Lock;

/// The connection that empties a queue, and with it, where what its peer holds is counted.
#[derive(Debug)]
pub(crate) enum Owner {
    /// One that lives in a reactor, which has an account for all of its connections.
    Reactor(Home),
    /// One that is a task.
    Task(Account),
}

impl Owner {
    pub(crate) fn account(&self) -> &Account {
        match self {
            Self::Reactor(home) => &home.mailbox.account,
            Self::Task(account) => account,
        }
    }
}

impl Default for Owner {
    fn default() -> Self {
        Self::Task(Account::default())
    }
}

/// Who has to be woken for what has come into a queue.
#[derive(Debug)]
pub(crate) enum Wake<'q> {
    /// Nobody: the connection knows that there is something, or is awake and will look.
    Nobody,
    /// The task of the connection, which sleeps.
    Task(Waker),
    /// The reactor where the connection lives, to write its queue at the end of the round.
    Write(&'q Home),
    /// The same, to write before anything else is read: much waits already.
    Hurry(&'q Home),
    /// The same, to give the connection a turn in which it learns why it is to end.
    Turn(&'q Home),
}

impl Wake<'_> {
    pub(super) fn wake(self) {
        match self {
            Self::Nobody => {}
            Self::Task(waker) => waker.wake(),
            Self::Write(home) => home.write(),
            Self::Hurry(home) => home.mailbox.is_urgent.store(true, Ordering::Relaxed),
            Self::Turn(home) => home.turn(),
        }
    }
}

/// Tells a reactor which of its connections have something to write and which are to have a turn.
///
/// Any thread may put something in, and only the first to do so since the reactor looked wakes it:
/// a publish to a thousand connections of another thread is one wake-up.
#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    /// Where what the peers of the reactor hold is counted.
    account: Account,
    state: Lock<State>,
    /// Whether what is to be written should not wait for the end of the round.
    is_urgent: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    notes: Notes,
    /// Wakes the reactor; `None` while it is awake.
    waker: Option<Waker>,
    /// Whether the reactor is gone.
    is_closed: bool,
}

/// What a mailbox holds.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    /// Connections whose queues have something to write.
    pub(crate) to_write: Vec<u32>,
    /// Connections that have to hear of something else.
    pub(crate) to_turn: Vec<u32>,
}

/// A connection's place in the reactor of a thread. A note for a place that somebody else has by
/// now does no harm: it is one look in vain.
#[derive(Clone, Debug)]
pub(crate) struct Home {
    mailbox: Arc<Mailbox>,
    place: u32,
}

impl Home {
    pub(crate) fn new(mailbox: Arc<Mailbox>, place: u32) -> Self {
        Self { mailbox, place }
    }

    /// Has the connection's queue written.
    fn write(&self) {
        self.mailbox.put(|notes| notes.to_write.push(self.place));
    }

    /// Gives the connection a turn.
    fn turn(&self) {
        self.mailbox.put(|notes| notes.to_turn.push(self.place));
    }
}

impl task::Wake for Home {
    fn wake(self: Arc<Self>) {
        self.turn();
    }
}

impl Mailbox {
    pub(crate) fn new(account: Account) -> Self {
        Self {
            account,
            ..Self::default()
        }
    }

    /// Exchanges all but `to_write` for what is in `notes`, which is nothing.
    pub(crate) fn take_turns(&self, notes: &mut Notes) {
        let mut state = self.state.lock();
        std::mem::swap(&mut state.notes.to_turn, &mut notes.to_turn);
    }

    /// Whether to write before anything else is read.
    pub(crate) fn is_urgent(&self) -> bool {
        self.is_urgent.load(Ordering::Relaxed)
    }

    /// Exchanges `to_write` alone.
    pub(crate) fn take_writes(&self, notes: &mut Notes) {
        self.is_urgent.store(false, Ordering::Relaxed);
        std::mem::swap(&mut self.state.lock().notes.to_write, &mut notes.to_write);
    }

    /// Arranges a wake-up for the next note; false if there is one.
    pub(crate) fn sleep(&self, waker: &Waker) -> bool {
        let mut state = self.state.lock();
        if !state.notes.are_none() {
            return false;
        }
        match &mut state.waker {
            Some(known) => known.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
        true
    }

    /// Takes nothing from now on, and drops what has come.
    pub(crate) fn close(&self) {
        let notes = {
            let mut state = self.state.lock();
            state.is_closed = true;
            state.waker = None;
            std::mem::take(&mut state.notes)
        };
        // Outside of the lock: who is dropped may have something to say to others here.
        drop(notes);
    }

    fn put(&self, put: impl FnOnce(&mut Notes)) {
        let waker = {
            let mut state = self.state.lock();
            if state.is_closed {
                return;
            }
            put(&mut state.notes);
            state.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Notes {
    fn are_none(&self) -> bool {
        self.to_write.is_empty() && self.to_turn.is_empty()
    }
}
