//! One thread of the load: a loop around the sockets.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::event::Event;
use mio::{Events, Poll, Token};

use crate::error::BenchError;
use crate::explain;
use crate::load::driver::{Driver, Step};
use crate::load::opening::Opening;
use crate::load::stage::{Shared, Stage};
use crate::load::tally::Tally;
use crate::net::connection::{Arrived, State};
use crate::net::ended::Ended;
use crate::net::frame::{self, Parsed};
use crate::net::links::Links;
use crate::net::timer::Timer;
use crate::plan::Plan;
use crate::server::{ACCEPT, Server};

/// What is read at once; the longest message must fit, and larger reads save system calls.
const BUFFER: usize = 256 * 1024;
/// The longest answer to an upgrade.
const HEAD_MAX: usize = 16 * 1024;
/// How long the loop waits at most, so that it sees the next stage.
const WAIT_MAX: Duration = Duration::from_millis(10);
/// How often it looks for messages that are overdue.
const EXPIRE_EVERY: u64 = 100_000_000;

/// A thread's place in a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seat {
    pub(crate) thread: usize,
    pub(crate) mask: [u8; 4],
    /// How many connections the threads before it open.
    pub(crate) first_connection: usize,
    /// When the run began.
    pub(crate) origin: Instant,
}

/// A thread's loop.
#[derive(Debug)]
pub(crate) struct Worker<D> {
    poll: Poll,
    timer: Timer,
    links: Links,
    driver: D,
    opening: Opening,
    tally: Tally,
    shared: Arc<Shared>,
    thread: usize,
    origin: Instant,
    timeout: u64,
    buffer: Vec<u8>,
}

impl<D: Driver> Worker<D> {
    pub(crate) fn new(
        servers: Arc<[Server]>,
        plan: &Plan,
        seat: Seat,
        shared: Arc<Shared>,
        driver: D,
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        let timer = Timer::new(poll.registry(), Token(usize::MAX))?;
        let registry = poll.registry().try_clone()?;
        Ok(Self {
            poll,
            timer,
            links: Links::new(servers, registry, seat.mask, seat.first_connection),
            opening: Opening::new(driver.connections(), plan),
            driver,
            tally: Tally::new(),
            shared,
            thread: seat.thread,
            origin: seat.origin,
            timeout: plan.timeout.as_nanos() as u64,
            buffer: vec![0; BUFFER],
        })
    }

    /// Runs to the end of the stage in which everything is awaited. A failure ends all threads.
    pub(crate) fn run(mut self) -> Option<Tally> {
        match self.turns() {
            Ok(()) => Some(self.tally),
            Err(error) => {
                self.shared.fail(error);
                None
            }
        }
    }

    fn turns(&mut self) -> Result<(), BenchError> {
        let mut events = Events::with_capacity(1_024);
        let mut expire_at = EXPIRE_EVERY;
        let mut drain_until = None;
        while !self.shared.is_stopped() {
            let stage = self.shared.stage();
            let now = self.now();
            if stage == Stage::Measure && self.tally.measured.start == u64::MAX {
                self.driver.settle(&mut self.tally);
                self.tally.measured = now..u64::MAX;
            }
            if stage == Stage::Drain && drain_until.is_none() {
                self.driver.settle(&mut self.tally);
                self.tally.measured.end = now;
                drain_until = Some(now + self.timeout);
            }
            let wake = self.act(stage, now)?;
            self.flush()?;
            self.shared.tell(
                self.thread,
                self.opening.ready(),
                self.tally.publishes,
                self.tally.deliveries,
            );
            if now >= expire_at {
                expire_at = now + EXPIRE_EVERY;
                self.driver.expire(now.saturating_sub(self.timeout));
            }
            if let Some(until) = drain_until {
                if self.driver.is_drained() || now >= until {
                    break;
                }
            }
            self.wait(&mut events, wake)?;
            let now = self.now();
            for event in &events {
                self.handle(event, stage, now)?;
            }
        }
        self.driver.expire(u64::MAX);
        self.driver.finish(&mut self.tally);
        Ok(())
    }

    fn now(&self) -> u64 {
        self.origin.elapsed().as_nanos() as u64
    }

    fn act(&mut self, stage: Stage, now: u64) -> Result<Option<u64>, BenchError> {
        if stage < Stage::Meet {
            let node = |id| self.driver.node(id);
            self.opening.advance(&mut self.links, node, stage, now)?;
            return Ok(None);
        }
        let mut step = step(&mut self.links, &mut self.tally, stage, now);
        if stage == Stage::Meet {
            if self.driver.meet(&mut step)? {
                self.shared.set_met(self.thread);
            }
            return Ok(None);
        }
        self.driver.turn(&mut step)
    }

    fn wait(&mut self, events: &mut Events, wake: Option<u64>) -> Result<(), BenchError> {
        let now = self.now();
        let timeout = wake.map_or(WAIT_MAX, |wake| self.timer.set(wake, now, WAIT_MAX));
        match self.poll.poll(events, Some(timeout)) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            Err(error) => Err(BenchError::new(
                format!("the sockets cannot be polled: {error}"),
                "this should not happen, please report it",
            )),
        }
    }

    fn flush(&mut self) -> Result<(), BenchError> {
        let stage = self.shared.stage();
        for (id, error) in self.links.flush() {
            self.cut(id, &error, stage)?;
        }
        Ok(())
    }

    fn handle(&mut self, event: &Event, stage: Stage, now: u64) -> Result<(), BenchError> {
        let id = event.token().0;
        let Some(connection) = self.links.get(id) else {
            return Ok(());
        };
        let is_unread = connection.is_unread;
        if connection.state == State::Connecting && !self.links.connected(id)? {
            return Ok(());
        }
        // Of a connection that is not read, only its end matters.
        if is_unread && (event.is_read_closed() || event.is_error()) {
            return self.cut(id, &io::ErrorKind::ConnectionReset.into(), stage);
        }
        if event.is_writable() {
            if let Some(connection) = self.links.get_mut(id) {
                if let Err(error) = connection.flush() {
                    return self.cut(id, &error, stage);
                }
            }
        }
        if event.is_readable() || event.is_read_closed() || event.is_error() {
            self.read(id, event.is_read_closed(), stage, now)?;
        }
        Ok(())
    }

    /// Reads all there is. `is_ending` says that an end follows what is there.
    fn read(
        &mut self,
        id: usize,
        is_ending: bool,
        stage: Stage,
        now: u64,
    ) -> Result<(), BenchError> {
        loop {
            let Some(connection) = self.links.get_mut(id) else {
                return Ok(());
            };
            if connection.state == State::Closed || connection.is_unread {
                return Ok(());
            }
            match connection.read(&mut self.buffer) {
                Ok(Arrived::Nothing) => return Ok(()),
                Ok(Arrived::End) => {
                    let end = io::Error::new(io::ErrorKind::UnexpectedEof, "without a close frame");
                    return self.cut(id, &end, stage);
                }
                Ok(Arrived::Bytes(0)) => {}
                Ok(Arrived::Bytes(length)) => self.take(id, length, stage, now)?,
                Ok(Arrived::Last(length)) => {
                    self.take(id, length, stage, now)?;
                    if !is_ending {
                        return Ok(());
                    }
                }
                Err(error) => return self.cut(id, &error, stage),
            }
        }
    }

    /// Takes what was read, and keeps the part of a frame that ends it.
    fn take(&mut self, id: usize, length: usize, stage: Stage, now: u64) -> Result<(), BenchError> {
        let mut at = 0;
        if self
            .links
            .get(id)
            .is_some_and(|connection| connection.state == State::Upgrading)
        {
            match self.upgrade(id, length, stage, now)? {
                Some(end) => at = end,
                None => return self.keep(id, 0..length),
            }
        }
        while at < length {
            match frame::parse(&self.buffer[at..length]) {
                Parsed::Frame {
                    opcode,
                    is_last,
                    payload,
                } => {
                    let (start, end) = (at + payload.start, at + payload.end);
                    if opcode == frame::TEXT && is_last {
                        self.message(id, start..end, stage, now);
                    } else {
                        self.rare(id, opcode, is_last, start..end, stage, now)?;
                    }
                    at = end;
                }
                Parsed::Partial(_) => break,
                Parsed::Malformed(what) => return Err(explain::malformed(&self.links, id, what)),
            }
        }
        self.keep(id, at..length)
    }

    fn keep(&mut self, id: usize, rest: std::ops::Range<usize>) -> Result<(), BenchError> {
        if rest.is_empty() {
            return Ok(());
        }
        let Self { links, buffer, .. } = self;
        if let Some(connection) = links.get_mut(id) {
            connection.partial.extend_from_slice(&buffer[rest]);
        }
        Ok(())
    }

    /// The answer to the upgrade, if all of it is there: returns where it ends.
    fn upgrade(
        &mut self,
        id: usize,
        length: usize,
        stage: Stage,
        now: u64,
    ) -> Result<Option<usize>, BenchError> {
        let bytes = &self.buffer[..length];
        let Some(end) = memchr::memmem::find(bytes, b"\r\n\r\n") else {
            if length > HEAD_MAX || !b"HTTP/1.1 ".starts_with(&bytes[..length.min(9)]) {
                let head = String::from_utf8_lossy(&bytes[..length.min(80)]);
                return Err(explain::refused(self.links.name(id), id + 1, &head));
            }
            return Ok(None);
        };
        let head = String::from_utf8_lossy(&bytes[..end]);
        let is_accepted = head.lines().any(|line| {
            line.split_once(':').is_some_and(|(name, value)| {
                name.eq_ignore_ascii_case("Sec-WebSocket-Accept") && value.trim() == ACCEPT
            })
        });
        if !head.starts_with("HTTP/1.1 101") || !is_accepted {
            return Err(explain::refused(self.links.name(id), id + 1, &head));
        }
        if let Some(connection) = self.links.get_mut(id) {
            connection.state = State::Open;
        }
        let mut step = step(&mut self.links, &mut self.tally, stage, now);
        self.driver.opened(&mut step, id);
        self.opening.upgraded(&mut self.links, id);
        Ok(Some(end + 4))
    }

    #[inline]
    fn message(&mut self, id: usize, payload: std::ops::Range<usize>, stage: Stage, now: u64) {
        let payload = &self.buffer[payload];
        if stage < Stage::WarmUp && self.opening.take(&mut self.links, id, payload, now) {
            return;
        }
        let mut step = step(&mut self.links, &mut self.tally, stage, now);
        self.driver.message(&mut step, id, payload);
    }

    /// Control frames, and messages in several frames.
    #[cold]
    fn rare(
        &mut self,
        id: usize,
        opcode: u8,
        is_last: bool,
        payload: std::ops::Range<usize>,
        stage: Stage,
        now: u64,
    ) -> Result<(), BenchError> {
        match opcode {
            frame::PING => {
                self.links.send(id, frame::PONG, &self.buffer[payload]);
                self.tally.pings_answered += 1;
            }
            frame::PONG => {}
            frame::CLOSE => return self.closed(id, payload, stage),
            frame::TEXT | frame::BINARY | frame::CONTINUATION => {
                let Some(connection) = self.links.get_mut(id) else {
                    return Ok(());
                };
                let fragments = &mut connection.fragments;
                fragments.extend_from_slice(&self.buffer[payload]);
                if fragments.len() > frame::PAYLOAD_MAX {
                    let what = "a message of more than 16 MiB";
                    return Err(explain::malformed(&self.links, id, what));
                }
                if !is_last {
                    return Ok(());
                }
                let whole = std::mem::take(&mut connection.fragments);
                if stage < Stage::WarmUp && self.opening.take(&mut self.links, id, &whole, now) {
                    return Ok(());
                }
                let mut step = step(&mut self.links, &mut self.tally, stage, now);
                self.driver.message(&mut step, id, &whole);
            }
            _ => {
                return Err(explain::malformed(
                    &self.links,
                    id,
                    "a frame with a reserved opcode",
                ));
            }
        }
        Ok(())
    }

    fn closed(
        &mut self,
        id: usize,
        payload: std::ops::Range<usize>,
        stage: Stage,
    ) -> Result<(), BenchError> {
        let payload = &self.buffer[payload];
        let code = payload.first_chunk().map(|code| u16::from_be_bytes(*code));
        let reason = payload.get(2..).unwrap_or_default();
        let reason = String::from_utf8_lossy(reason).into_owned();
        self.end(id, &Ended::Closed(code, reason), stage)
    }

    fn cut(&mut self, id: usize, error: &io::Error, stage: Stage) -> Result<(), BenchError> {
        self.end(id, &Ended::Cut(error.to_string()), stage)
    }

    fn end(&mut self, id: usize, how: &Ended, stage: Stage) -> Result<(), BenchError> {
        self.links.end(id);
        let now = self.now();
        let mut step = step(&mut self.links, &mut self.tally, stage, now);
        self.driver.ended(&mut step, id, how)
    }
}

fn step<'a>(links: &'a mut Links, tally: &'a mut Tally, stage: Stage, now: u64) -> Step<'a> {
    Step {
        links,
        tally,
        stage,
        now,
    }
}
