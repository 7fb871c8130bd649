use alloc::borrow::ToOwned as _;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use signal_access::{
    AddressKey, AuthResult, Denied, Judging, KeyWait, KeyWaiter, Permit, Place, Refusal,
    RefusalCause, TokenVerifier, UnixTime, choose_protocol,
};
use signal_core::{Instant, PeerId};

use super::{Connection, Pending, Relay, Stage};
use crate::decision;
use crate::pages::{self, State};
use crate::question::{NoAnswer, Question, Signature};
use crate::request::{Answer, Page, Request};
use crate::upgrade;

/// From a request to the answer that lets its client in or keeps it out.
impl Relay {
    /// Judges a request. `now` and `unix_now` are the same moment; `random` spreads those who are
    /// all refused at once.
    pub fn request(
        &mut self,
        now: Instant,
        unix_now: UnixTime,
        random: u64,
        request: &Request<'_>,
    ) -> Answer {
        if !upgrade::is_asked_for(request) {
            let state = State {
                peers: self.connections.len(),
                is_draining: self.drain.is_some(),
                has_keys: self.has_keys(),
            };
            return Answer::Page(pages::answer(request, &self.settings, state));
        }
        if let Err(page) = upgrade::check(request) {
            let refusal = Refusal::because(RefusalCause::BadRequest, random);
            self.stats.refusal(&refusal);
            return Answer::Page(page);
        }
        let answer = self.admit(now, unix_now, random, request);
        answer.unwrap_or_else(|refusal| self.refused(&refusal))
    }

    /// Goes on with a request, the host having verified the signatures that it was asked about: a
    /// bit for each, the lowest for the first, which is 1 if it is right.
    pub fn verified(
        &mut self,
        now: Instant,
        unix_now: UnixTime,
        random: u64,
        peer: PeerId,
        right: u32,
    ) -> Answer {
        let Some((place, judging)) = self.resume(peer) else {
            return gone();
        };
        let request = Request::from_bytes(&judging.request);
        if judging.keys_edition != self.keys_edition {
            // What was said is about keys that are others now.
            return self.judge_again(now, unix_now, random, peer, place, &request);
        }
        let mut position = 0;
        let judged = self
            .settings
            .access
            .judge_with(&request.parts(), unix_now, &mut |_| {
                let is_right = right.checked_shr(position).unwrap_or_default() & 1 == 1;
                position += 1;
                is_right
            });
        let judged = judged.map_err(Refusal::from);
        let permit = judged.map(|admitted| admitted.permit(unix_now, now));
        let answer = self.judged(now, random, peer, place, &request, permit);
        answer.unwrap_or_else(|refusal| self.refused(&refusal))
    }

    /// Goes on with a request that waited for keys, when a fetch has ended, whatever came of it.
    pub fn resumed(
        &mut self,
        now: Instant,
        unix_now: UnixTime,
        random: u64,
        peer: PeerId,
    ) -> Answer {
        let Some((place, judging)) = self.resume(peer) else {
            return gone();
        };
        let request = Request::from_bytes(&judging.request);
        self.judge_again(now, unix_now, random, peer, place, &request)
    }

    /// Goes on with a request about which the host's authorizer has said this, a JSON of a grant
    /// or of a refusal. What cannot be read lets nobody in.
    ///
    /// # Errors
    ///
    /// What is wrong with it, for the log, beside the answer.
    pub fn authorized(
        &mut self,
        now: Instant,
        unix_now: UnixTime,
        random: u64,
        peer: PeerId,
        answer: &str,
    ) -> (Answer, Option<String>) {
        let decision = match decision::read(answer, unix_now, now) {
            Ok(decision) => decision,
            Err(problem) => {
                let answer = self.not_judged(now, random, peer, NoAnswer::Failed);
                return (answer, Some(problem));
            }
        };
        let Some((place, judging)) = self.resume(peer) else {
            return (gone(), None);
        };
        let request = Request::from_bytes(&judging.request);
        let offers = |name: &str| {
            let mut offered = request.protocols.unwrap_or_default().split(',');
            offered.any(|offered| offered.trim() == name)
        };
        let problem = match &decision {
            Ok(Permit {
                protocol: Some(name),
                ..
            }) if !offers(name) => Some(format!("the client does not offer the protocol {name:?}")),
            Ok(_) | Err(_) => None,
        };
        let decision = match &problem {
            Some(_) => Err(failed()),
            None => decision,
        };
        let answer = self.judged(now, random, peer, place, &request, decision);
        let answer = answer.unwrap_or_else(|refusal| self.refused(&refusal));
        (answer, problem)
    }

    /// Goes on with a request about which there is no answer: the door stays shut.
    pub fn not_judged(&mut self, now: Instant, random: u64, peer: PeerId, why: NoAnswer) -> Answer {
        let Some((place, judging)) = self.resume(peer) else {
            return gone();
        };
        let refusal = match why {
            NoAnswer::Late => Refusal::not_judged(random),
            NoAnswer::Failed => failed(),
        };
        let request = Request::from_bytes(&judging.request);
        let answer = self.judged(now, random, peer, place, &request, Err(refusal));
        answer.unwrap_or_else(|refusal| self.refused(&refusal))
    }

    fn admit(
        &mut self,
        now: Instant,
        unix_now: UnixTime,
        random: u64,
        request: &Request<'_>,
    ) -> Result<Answer, Refusal> {
        if self.drain.is_some() {
            return Err(Refusal::because(RefusalCause::Draining, random));
        }
        if self.connections.len() >= self.settings.peers_max as usize {
            return Err(Refusal::because(RefusalCause::PeersMax, random));
        }
        if self.judged >= self.settings.handshakes_max {
            return Err(Refusal::because(RefusalCause::HandshakesMax, random));
        }
        // What an authorizer looks up costs more than the request did, and so does a signature of a
        // pair of keys.
        let tokens = self.settings.access.tokens.as_ref();
        let has_public_keys = tokens.is_some_and(TokenVerifier::has_public_keys);
        let is_costly = self.host.authorizes || has_public_keys || self.published.is_some();
        let judging = match is_costly {
            true => Judging::Costly,
            false => Judging::Cheap,
        };
        let place = self.door.enter(now, self.address(request), judging)?;
        let peer = self.name();
        let verdict = self.judge_new(now, unix_now, random, request);
        self.carry_out(now, random, peer, place, request, verdict)
    }

    /// Judges a request that has just come. It waits where the keys that are known are not enough.
    fn judge_new(
        &mut self,
        now: Instant,
        unix_now: UnixTime,
        random: u64,
        request: &Request<'_>,
    ) -> Verdict {
        let published = self.published.as_ref();
        let wait = match published.is_some_and(|published| published.is_overdue(now)) {
            true => self.wait(now, random),
            false => None,
        };
        if let Some(verdict) = wait {
            return verdict;
        }
        match self.judge(now, unix_now, request) {
            Ok(verdict) => verdict,
            Err(denied) => {
                let wait = match denied.awaits_keys() {
                    true => self.wait(now, random),
                    false => None,
                };
                wait.unwrap_or_else(|| Verdict::Judged(Err(denied.into())))
            }
        }
    }

    /// Has a request wait for keys, or refuses it because too many do; `None` if there is no fetch
    /// to wait for.
    fn wait(&mut self, now: Instant, random: u64) -> Option<Verdict> {
        match self.published.as_mut()?.wait(now) {
            KeyWait::Waits(waiter) => Some(Verdict::Waits(waiter)),
            KeyWait::Full => Some(Verdict::Judged(Err(Refusal::keys_awaited(random)))),
            KeyWait::Refused => None,
        }
    }

    /// Judges a request as far as that can be done here.
    fn judge(
        &self,
        now: Instant,
        unix_now: UnixTime,
        request: &Request<'_>,
    ) -> Result<Verdict, Denied> {
        let mut signatures = Vec::new();
        let judged = self
            .settings
            .access
            .judge_with(&request.parts(), unix_now, &mut |check| {
                signatures.push(Signature::from(check));
                false
            });
        if !signatures.is_empty() {
            return Ok(Verdict::Asks(Question::Signatures(signatures)));
        }
        judged.map(|admitted| match self.host.authorizes {
            true => Verdict::Asks(Question::Authorizer),
            false => Verdict::Judged(Ok(admitted.permit(unix_now, now))),
        })
    }

    /// Judges a request with the keys that there are now. It has waited already.
    fn judge_again(
        &mut self,
        now: Instant,
        unix_now: UnixTime,
        random: u64,
        peer: PeerId,
        place: Place,
        request: &Request<'_>,
    ) -> Answer {
        let verdict = self.judge(now, unix_now, request);
        let verdict = verdict.unwrap_or_else(|denied| Verdict::Judged(Err(denied.into())));
        let answer = self.carry_out(now, random, peer, place, request, verdict);
        answer.unwrap_or_else(|refusal| self.refused(&refusal))
    }

    fn carry_out(
        &mut self,
        now: Instant,
        random: u64,
        peer: PeerId,
        place: Place,
        request: &Request<'_>,
        verdict: Verdict,
    ) -> Result<Answer, Refusal> {
        let (question, waiter) = match verdict {
            Verdict::Judged(judged) => {
                return self.judged(now, random, peer, place, request, judged);
            }
            Verdict::Asks(question) => (question, None),
            Verdict::Waits(waiter) => (Question::Keys, Some(waiter)),
        };
        self.judged = self.judged.saturating_add(1);
        let stage = Stage::Judging(Pending {
            request: request.to_bytes(),
            keys_edition: self.keys_edition,
            waiter,
        });
        self.connections.insert(peer, Connection::new(place, stage));
        Ok(Answer::Ask { peer, question })
    }

    /// Takes up a request whose question is answered.
    fn resume(&mut self, peer: PeerId) -> Option<(Place, Pending)> {
        let connection = self.connections.remove(&peer)?;
        match connection.stage {
            Stage::Judging(judging) => {
                self.judged = self.judged.saturating_sub(1);
                self.stop_waiting(&judging);
                Some((connection.place, judging))
            }
            Stage::Upgrading(_) | Stage::Open | Stage::Closing => {
                // Asked twice, which changes nothing.
                self.connections.insert(peer, connection);
                None
            }
        }
    }

    /// Lets a client in, or gives its place back.
    fn judged(
        &mut self,
        now: Instant,
        random: u64,
        peer: PeerId,
        mut place: Place,
        request: &Request<'_>,
        judged: Result<Permit, Refusal>,
    ) -> Result<Answer, Refusal> {
        let permit = match self.permit(now, random, &mut place, judged) {
            Ok(permit) => permit,
            Err(refusal) => {
                self.door.leave(now, place);
                return Err(refusal);
            }
        };
        let offered = request.protocols.as_slice().iter().copied();
        let protocol = match permit.protocol {
            Some(protocol) => Some(protocol.into_owned()),
            None => choose_protocol(offered).map(str::to_owned),
        };
        let stage = Stage::Upgrading(permit.grant);
        self.connections.insert(peer, Connection::new(place, stage));
        self.begin_upgrade(now, peer);
        Ok(Answer::Upgrade { peer, protocol })
    }

    fn permit(
        &mut self,
        now: Instant,
        random: u64,
        place: &mut Place,
        judged: Result<Permit, Refusal>,
    ) -> Result<Permit, Refusal> {
        let mut permit = match judged {
            Ok(permit) => permit,
            Err(refusal) => {
                self.stats.auth(refusal.auth());
                if refusal.is_denial() {
                    self.door.deny(now, place)?;
                }
                return Err(refusal);
            }
        };
        // It may have begun while the request was judged.
        if self.drain.is_some() {
            return Err(Refusal::because(RefusalCause::Draining, random));
        }
        self.door.admit(place, permit.subject.take())?;
        self.stats.auth(AuthResult::Granted);
        Ok(permit)
    }

    fn refused(&mut self, refusal: &Refusal) -> Answer {
        self.stats.refusal(refusal);
        Answer::Page(Page::from(refusal))
    }

    /// The address that a connection counts for; none for one that is left alone.
    fn address(&self, request: &Request<'_>) -> Option<AddressKey> {
        let remote = request.remote_ip()?;
        let forwarded = request.forwarded_for.as_slice().iter().copied();
        let client = self.settings.trusted_proxies.client(remote, forwarded);
        let address = AddressKey::new(client);
        (self.settings.addresses.limit_private_ips || !address.is_private()).then_some(address)
    }

    /// A name that no connection has. They come round after four billion connections.
    fn name(&mut self) -> PeerId {
        loop {
            let peer = PeerId::new(self.next_peer.into());
            self.next_peer = self.next_peer.checked_add(1).unwrap_or(1);
            if !self.connections.contains_key(&peer) {
                return peer;
            }
        }
    }
}

/// What comes of a request so far.
enum Verdict {
    Judged(Result<Permit, Refusal>),
    Asks(Question),
    Waits(KeyWaiter),
}

/// The authorizer has failed, which is not the client's fault.
fn failed() -> Refusal {
    Refusal::new(500, "your access could not be checked")
}

/// An answer for a client that has gone away in the meantime, or has one already.
fn gone() -> Answer {
    Answer::Page(Page::text(400, "this request is over"))
}
