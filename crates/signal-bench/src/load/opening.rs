use memchr::memmem;
use signal_core::client;

use crate::error::BenchError;
use crate::explain;
use crate::load::stage::Stage;
use crate::net::links::Links;
use crate::plan::Plan;

/// How many connections may be on their way to be ready at once: fewer than the backlog of any
/// server.
const AT_ONCE: usize = 100;
/// How many of all connections are the first, at most.
const FIRST_MAX: usize = 200;

/// Opens the connections that a scenario begins with. One is ready when a ping, sent after its
/// subscription, was answered.
#[derive(Debug)]
pub(crate) struct Opening {
    all: usize,
    dialled: usize,
    ready: usize,
    timeout: u64,
    /// When the last one became ready.
    progress_at: u64,
    is_ready: Vec<bool>,
}

impl Opening {
    pub(crate) fn new(all: usize, plan: &Plan) -> Self {
        Self {
            all,
            dialled: 0,
            ready: 0,
            timeout: plan.timeout.as_nanos() as u64,
            progress_at: 0,
            is_ready: vec![false; all],
        }
    }

    pub(crate) fn ready(&self) -> usize {
        self.ready
    }

    /// Dials as many as are due, each to its node.
    pub(crate) fn advance(
        &mut self,
        links: &mut Links,
        node: impl Fn(usize) -> usize,
        stage: Stage,
        now: u64,
    ) -> Result<(), BenchError> {
        let target = match stage {
            Stage::OpenFirst => first(self.all),
            Stage::OpenHalf => half(self.all),
            Stage::Open | Stage::Meet | Stage::WarmUp | Stage::Measure | Stage::Drain => self.all,
        };
        if self.ready >= target {
            self.progress_at = now;
            return Ok(());
        }
        while self.dialled < target && self.dialled - self.ready < AT_ONCE {
            links.dial(self.dialled, node(self.dialled))?;
            self.dialled += 1;
        }
        if now > self.progress_at + self.timeout {
            let timeout = std::time::Duration::from_nanos(self.timeout);
            let first = self.is_ready.iter().position(|is_ready| !is_ready);
            return Err(explain::stuck(
                links.name(first.unwrap_or_default()),
                self.ready,
                self.all,
                timeout,
            ));
        }
        Ok(())
    }

    /// A connection is upgraded and has subscribed.
    pub(crate) fn upgraded(&mut self, links: &mut Links, id: usize) {
        if id < self.all {
            links.send_text(id, client::PING);
        }
    }

    /// Takes the answer to that ping. False if it is another message.
    pub(crate) fn take(&mut self, links: &mut Links, id: usize, payload: &[u8], now: u64) -> bool {
        let is_pong = payload.len() < 64 && memmem::find(payload, br#""pong""#).is_some();
        if !is_pong || self.is_ready.get(id) != Some(&false) {
            return false;
        }
        self.is_ready[id] = true;
        self.ready += 1;
        self.progress_at = now;
        if let Some(connection) = links.get_mut(id) {
            connection.shrink();
        }
        true
    }
}

/// How many of a thread's connections are opened before memory is measured for the first time.
pub(crate) fn first(all: usize) -> usize {
    (all / 10).min(FIRST_MAX)
}

/// How many are open when half of the others are.
pub(crate) fn half(all: usize) -> usize {
    first(all) + (all - first(all)) / 2
}
