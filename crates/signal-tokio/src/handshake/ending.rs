//! Handshakes that end before their answer: too late, or for another's sake.

use std::fmt;

use signal_access::{AuthResult, Refusal, RefusalCause};
use signal_core::Instant;

use super::unfinished::WaitsFor;
use super::{Handshake, State, head, upgrade};

impl Handshake {
    /// Does what is due, which is nothing before [`poll_timeout`](Self::poll_timeout).
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if now < self.deadline {
            return;
        }
        match &self.state {
            State::Preface(preface) => {
                let is_silent = preface.is_empty();
                self.leave(is_silent, &"the PROXY header took too long");
            }
            State::Reading(reader) => {
                let late = Refusal::because(RefusalCause::BadHead, 0);
                if !reader.is_empty() {
                    self.note(&late.body());
                }
                self.refuse(now, &upgrade::refused(&late));
            }
            State::Judging { .. } => {
                self.door.counters.count_auth(AuthResult::TimedOut);
                let late = Refusal::not_judged(fastrand::u64(..));
                self.note(&late.body());
                self.refuse(now, &upgrade::refused(&late));
            }
            State::Writing { begin: Some(_), .. } | State::Begun(_) => {
                self.leave(false, &"the answer was not taken in time");
            }
            State::Writing { begin: None, .. } | State::Lingering { .. } | State::Ended => {
                self.state = State::Ended;
            }
        }
    }

    /// Ends it, because another needs its place. Returns what can still be said to the client, in
    /// as much as the socket takes it at once.
    pub(crate) fn evict(&mut self) -> Vec<u8> {
        let client = self.door.config.log_ips.show(self.remote.ip());
        tracing::debug!(client, "ended to make room for another handshake");
        let answer = match &self.state {
            State::Reading(reader) if !reader.is_empty() => {
                let random = fastrand::u64(..);
                let refusal = Refusal::because(RefusalCause::HandshakesMax, random);
                head::encode(&upgrade::refused(&refusal), false)
            }
            State::Preface(_)
            | State::Reading(_)
            | State::Judging { .. }
            | State::Writing { .. }
            | State::Lingering { .. }
            | State::Begun(_)
            | State::Ended => Vec::new(),
        };
        self.state = State::Ended;
        answer
    }

    /// What it waits for, if it has to.
    pub(crate) fn waits_for(&self) -> WaitsFor {
        match &self.state {
            State::Preface(_) | State::Reading(_) | State::Writing { begin: Some(_), .. } => {
                WaitsFor::Client
            }
            State::Judging { .. } | State::Begun(_) => WaitsFor::Relay,
            State::Writing { begin: None, .. } | State::Lingering { .. } | State::Ended => {
                WaitsFor::End
            }
        }
    }

    /// Ends without an answer. One that has sent nothing is not refused: browsers connect ahead of
    /// need, and balancers to see whether somebody listens.
    pub(super) fn leave(&mut self, is_silent: bool, why: &dyn fmt::Display) {
        if !is_silent {
            self.note(why);
        }
        self.state = State::Ended;
    }

    /// Counts a request that did not come to its end.
    pub(super) fn note(&self, why: &dyn fmt::Display) {
        let client = self.door.config.log_ips.show(self.remote.ip());
        tracing::debug!(client, %why, "no request");
        self.door.counters.count_refusal(RefusalCause::BadHead);
    }
}
