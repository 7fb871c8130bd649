use std::time::Duration;

use signal_core::{CloseReason, PeerId};

use super::explain::Problem;
use super::explorer::{Actor, Explorer};
use super::intent::{Access, Intent, Payload};
use crate::{Jump, PeerOptions, RoomId};

/// What people, networks and hosts do.
impl Explorer {
    /// One thing happens, whatever it may be.
    pub(super) fn act(&mut self) -> Result<(), Problem> {
        let actor = self.choose_actor();
        let habits = self.habits;
        if self.rng.percent(habits.hibernate) {
            self.world.hibernate(actor.room);
            self.judge.judge(&self.world)?;
        }
        if self.rng.percent(habits.stall) {
            self.stall(actor.peer);
        } else if self.rng.percent(habits.vanish) {
            self.expect_losses(actor.peer);
            self.world.drop_silently(actor.peer);
            self.retire(actor.peer);
        } else if self.rng.percent(habits.leave) {
            self.leave(actor);
        } else if self.rng.percent(habits.jump) {
            self.jump(actor.room);
        } else if self.rng.percent(habits.refuse) {
            self.world.refuse(actor.peer, CloseReason::Protocol);
        } else if self.rng.percent(habits.restart) {
            if self.rng.percent(50) {
                self.world.drain(actor.room);
            }
            self.world.restart(actor.room);
        } else if self.rng.percent(60) {
            self.write(actor.peer);
        } else {
            return self.pass_time();
        }
        Ok(())
    }

    /// An actor that is connected; closed ones come back first, as stock clients do.
    fn choose_actor(&mut self) -> Actor {
        let has_room = self.actors.len() < self.peers_max;
        if self.actors.is_empty() || (has_room && self.rng.percent(30)) {
            return self.connect(None);
        }
        let chosen = self
            .rng
            .pick(&self.actors)
            .copied()
            .expect("it is not empty");
        if self.world.can_send(chosen.peer) {
            return chosen;
        }
        self.retire(chosen.peer);
        self.connect(Some(chosen.peer))
    }

    fn connect(&mut self, before: Option<PeerId>) -> Actor {
        let room = RoomId(self.rng.below(self.world.config().rooms));
        let access = Access::draw(&mut self.rng);
        let lifetime = self.rng.duration(Duration::ZERO, Duration::from_secs(60));
        let does_expire = self.rng.percent(self.habits.expire);
        let expires = does_expire.then(|| self.world.clock(room).saturating_add(lifetime));
        let mut options = PeerOptions::new().room(room).grant(access.grant(expires));
        let is_slow = self.rng.percent(self.habits.slow);
        if is_slow {
            let pace = self
                .rng
                .duration(Duration::from_millis(50), Duration::from_secs(5));
            options = options.pace(pace);
        }
        let peer = match before {
            Some(before) => self.world.reconnect(before, options),
            None => self.world.connect_with(options),
        };
        self.judge.open(peer, room, access, expires);
        self.judge.dossier(peer).is_healthy = !is_slow;
        let actor = Actor { peer, room };
        self.actors.push(actor);
        if self.rng.percent(80) {
            self.send(peer, Intent::hello());
        }
        actor
    }

    /// A few messages in a row, so that budgets are met and links have something to carry.
    fn write(&mut self, peer: PeerId) {
        let is_flood = self.rng.percent(self.habits.flood);
        let count = 1 + self.rng.below(if is_flood { 40 } else { 4 });
        let repeated = self.rng.percent(20).then(|| self.intent());
        for _ in 0..count {
            let intent = match &repeated {
                Some(intent) => intent.again(self.next_number()),
                None => self.intent(),
            };
            self.send(peer, intent);
        }
    }

    fn intent(&mut self) -> Intent {
        let number = self.next_number();
        Intent::draw(&mut self.rng, number, self.habits.nonsense)
    }

    fn next_number(&mut self) -> u64 {
        self.written += 1;
        self.written
    }

    fn send(&mut self, peer: PeerId, intent: Intent) {
        let payload = intent.payload(&mut self.rng);
        match &payload {
            Payload::Text(text) => self.world.send(peer, text.as_str()),
            Payload::Binary(bytes) => self.world.send_binary(peer, bytes),
        }
        self.judge.dossier(peer).sent.push_back((intent, payload));
    }

    fn stall(&mut self, peer: PeerId) {
        self.judge.dossier(peer).is_healthy = false;
        if self.rng.percent(70) {
            self.world.stall(peer);
        } else {
            self.world.resume(peer);
        }
    }

    fn leave(&mut self, actor: Actor) {
        self.retire(actor.peer);
        match self.rng.below(3) {
            0 => self.world.disconnect(actor.peer),
            1 => {
                self.expect_losses(actor.peer);
                self.world.abort(actor.peer);
            }
            _ => {
                self.expect_losses(actor.peer);
                self.connect(Some(actor.peer));
            }
        }
    }

    /// By any time, or to the very edge at which a deadline comes or counts as late.
    fn jump(&mut self, room: RoomId) {
        let any = self
            .rng
            .duration(Duration::from_millis(1), Duration::from_secs(100));
        let to_next = self
            .world
            .room(room)
            .poll_timeout()
            .map_or(any, |next| next.saturating_since(self.world.clock(room)));
        let jump = match self.rng.below(6) {
            0..3 => Jump::Back(any),
            3 => Jump::Forward(to_next),
            4 => Jump::Forward(to_next + self.world.config().limits.ping_interval),
            _ => Jump::Forward(any),
        };
        self.world.jump_clock(room, jump);
    }

    /// A few things that are due happen; or a moment passes, or long enough for deadlines.
    fn pass_time(&mut self) -> Result<(), Problem> {
        match self.rng.below(10) {
            0..5 => (0..=self.rng.below(20)).try_for_each(|_| self.step()),
            5..8 => self.advance(Duration::from_secs(3)),
            _ => self.advance(Duration::from_secs(40)),
        }
    }

    fn advance(&mut self, most: Duration) -> Result<(), Problem> {
        let time = self.rng.duration(Duration::ZERO, most);
        let end = self.world.now().saturating_add(time);
        while self.world.next_due().is_some_and(|due| due <= end) {
            self.step()?;
        }
        self.world.advance(end.saturating_since(self.world.now()));
        self.judge.judge(&self.world)?;
        self.judge.inspect_time(&self.world)
    }

    /// From now on the peer may miss messages, and nobody is to blame.
    fn expect_losses(&mut self, peer: PeerId) {
        let dossier = self.judge.dossier(peer);
        dossier.is_healthy = false;
        dossier.may_miss = true;
    }

    fn retire(&mut self, peer: PeerId) {
        self.actors.retain(|actor| actor.peer != peer);
    }
}
