//! Faults that earlier scenarios have found, and what is done without what they broke.
//!
//! A scenario that meets such a fault goes on as if it had not: messages are compared without what
//! is known to be wrong in them, fences go another way, and where nothing of the kind helps it ends
//! before the step that cannot pass. If nothing else is wrong with it, it is not judged, because of
//! that fault; if anything is, that is another fault.

use std::collections::BTreeMap;

use crate::client::{Strays, is_of_no_kind};
use crate::json::Value;
use crate::report::Kind;
use crate::scenarios::basic_ids::{
    ADDS, ANSWER, COUNTS, DELIVERY, EACH_PING, ECHO, EXTRA_MEMBERS, FROM_OUTSIDE, NO_ANSWER,
    NOBODY, NOT_ANNOUNCED, OUTSIDER, PINGS, PIPELINED, SENDER_ONLY,
};
use crate::scenarios::{KNOWN as KNOWN_MEMBERS, Needs};
use crate::{Event, Scenario, Step};

/// The basic scenarios that have failed, and how.
pub(crate) type Faults = BTreeMap<&'static str, Kind>;

/// What is known of a server when a scenario is played, and what of it the scenario has met.
#[derive(Default)]
pub(super) struct Known<'a> {
    faults: Faults,
    /// Those that the scenario builds on.
    held: Faults,
    needs: Needs<'a>,
    met: Option<&'static str>,
}

impl<'a> Known<'a> {
    pub(super) fn new(faults: Faults) -> Self {
        Self {
            faults,
            ..Self::default()
        }
    }

    pub(super) fn begin(&mut self, scenario: &Scenario) {
        self.needs = Needs::of(scenario);
        self.held.clone_from(&self.faults);
        self.held
            .retain(|id, _| scenario.builds_on.iter().any(|other| other == id));
    }

    /// Whether the scenario has to end before this step.
    pub(super) fn ends_at(&mut self, step: &'a Step) -> bool {
        self.needs.step(step);
        let has = |id| self.faults.contains_key(id);
        let is_blind = self.is_blind();
        let is_mute = self.has(ECHO) && has(OUTSIDER) && matches!(step, Step::Await { .. });
        let is_in_the_way = |(id, kind): (&&'static str, &Kind)| {
            let id = *id;
            let is_hard =
                self.needs.is_hard(id) || self.needs.has(id) && !can_do_without(id, *kind);
            let is_hard = is_hard || is_blind && PINGS.contains(&id);
            (is_hard || is_mute && id == ECHO).then_some(id)
        };
        let obstacle = self.held.iter().find_map(is_in_the_way);
        self.met = self.met.or(obstacle);
        obstacle.is_some()
    }

    /// Whether the scenario needs a basic one that has failed.
    pub(super) fn has(&self, id: &str) -> bool {
        self.held.contains_key(id) && self.needs.has(id)
    }

    /// Whether pings are answered, once each, and nobody else is.
    pub(super) fn has_answers(&self) -> bool {
        self.ping_fault().is_none()
    }

    /// The first known fault of pings.
    pub(super) fn ping_fault(&self) -> Option<&'static str> {
        PINGS.into_iter().find(|id| self.faults.contains_key(id))
    }

    /// Whether neither pings nor another connection can be fences.
    pub(super) fn is_blind(&self) -> bool {
        let has = |id| self.faults.contains_key(id);
        !self.has_answers() && (has(DELIVERY) || has(ADDS))
    }

    /// Whether pongs come that nobody asked for.
    pub(super) fn has_spare_pongs(&self) -> bool {
        [EACH_PING, SENDER_ONLY]
            .iter()
            .any(|id| self.faults.contains_key(id))
    }

    /// Whether fences may go by way of another connection, for want of an echo.
    pub(super) fn has_way_round(&self) -> bool {
        let has = |id| self.faults.contains_key(id);
        has(ECHO) && !has(DELIVERY) && !has(ADDS) && !has(PIPELINED)
    }

    /// Which messages a client may be sent that nobody asked for.
    pub(super) fn strays(&self) -> Strays {
        let has = |id| self.held.contains_key(id);
        Strays {
            // Fences subscribe where the scenario does not.
            answers: self.faults.contains_key(NO_ANSWER),
            announcements: [NOT_ANNOUNCED, NOBODY]
                .iter()
                .any(|id| self.faults.get(id) == Some(&Kind::Stray)),
            pongs: has(EACH_PING) || has(SENDER_ONLY),
        }
    }

    /// The known fault for which such messages come.
    pub(super) fn stray_fault(&self) -> Option<&'static str> {
        let faults = [NOT_ANNOUNCED, NOBODY, NO_ANSWER, EACH_PING, SENDER_ONLY];
        faults.into_iter().find(|id| self.faults.contains_key(id))
    }

    /// The known fault for which `clients` may be wrong.
    pub(super) fn count_fault(&self) -> Option<&'static str> {
        let is_from_outside = |id: &&str| {
            // A stand-in publishes from there.
            *id == FROM_OUTSIDE && self.has(ECHO) && self.faults.contains_key(id)
        };
        COUNTS
            .into_iter()
            .find(|id| self.has(id) || is_from_outside(id))
    }

    /// The known fault that is all in which a message differs from the one expected.
    pub(super) fn excuse_for(&self, wanted: &Value, got: &Value) -> Option<&'static str> {
        let count = self.count_fault();
        let others = Some(EXTRA_MEMBERS).filter(|id| self.has(id));
        let relevant = |value: &Value| {
            let mut value = value.clone();
            if count.is_some() {
                value = value.without(&["clients".to_owned()]);
            }
            if others.is_some() {
                value = value.with_only(&KNOWN_MEMBERS);
            }
            value
        };
        let excuse = count.or(others)?;
        (relevant(wanted) == relevant(got)).then_some(excuse)
    }

    /// Notes that a fault has been met and let pass.
    pub(super) fn meet(&mut self, id: &'static str) {
        self.met.get_or_insert(id);
    }

    /// The first fault met.
    pub(super) fn met(&self) -> Option<&'static str> {
        self.met
    }
}

/// Whether scenarios that need a basic one can be played although it failed in that way.
fn can_do_without(id: &str, kind: Kind) -> bool {
    match id {
        // Other answers and none at all are the same: pings are not sent.
        ANSWER => kind != Kind::Unfenced,
        EACH_PING | SENDER_ONLY => true,
        ECHO => kind == Kind::Missing,
        EXTRA_MEMBERS => kind == Kind::Members,
        NO_ANSWER | NOT_ANNOUNCED => kind == Kind::Stray,
        _ if COUNTS.contains(&id) => kind == Kind::Count,
        // Needed where nothing is done without it.
        _ => false,
    }
}

/// What an event comes to, where a message was expected or none.
pub(super) fn kind(wanted: Option<&Value>, event: &Event) -> Kind {
    let Event::Text(text) = event else {
        return match event {
            Event::Nothing => Kind::Missing,
            Event::Text(_) | Event::Binary(_) | Event::Pong(_) | Event::Closed { .. } => {
                Kind::Other
            }
        };
    };
    let got = Value::parse(text);
    if let Some((wanted, got)) = wanted.zip(got) {
        let uncounted = |value: &Value| value.clone().without(&["clients".to_owned()]);
        if uncounted(wanted) == uncounted(&got) {
            return Kind::Count;
        }
        if wanted.clone().with_only(&KNOWN_MEMBERS) == got.with_only(&KNOWN_MEMBERS) {
            return Kind::Members;
        }
    }
    match is_of_no_kind(text) {
        true => Kind::Stray,
        false => Kind::Other,
    }
}
