//! What is expected of a server, one line for each step.

use super::build::{publish, published, words};
use crate::step::Expect;
use crate::{Amount, Scenario, Step};

impl Scenario {
    pub(super) fn expect(self, on: &str, text: &str) -> Self {
        self.expect_with(on, text, |_| {})
    }

    pub(super) fn expect_with(
        self,
        on: &str,
        text: &str,
        change: impl FnOnce(&mut Expect),
    ) -> Self {
        let mut expect = Expect {
            on: words(on),
            text: text.to_owned(),
            eventually: false,
            exact: false,
            contains: None,
            once: Vec::new(),
            ignoring: Vec::new(),
            if_open: false,
        };
        change(&mut expect);
        self.step(Step::Expect(expect))
    }

    /// Expects a publish to `${t}`.
    pub(super) fn expect_publish(self, on: &str, members: &str, clients: usize) -> Self {
        self.expect(on, &published("${t}", members, clients))
    }

    pub(super) fn expect_pong(self, on: &str) -> Self {
        self.expect(on, r#"{"type":"pong"}"#)
    }

    pub(super) fn expect_closed(self, on: &str, codes: &[u16]) -> Self {
        self.step(Step::ExpectClosed {
            on: words(on),
            codes: codes.to_vec(),
            within: None,
            eventually: false,
        })
    }

    /// Expects a close after the hold of a refused peer.
    pub(super) fn expect_refused_peer(self, on: &str, code: u16) -> Self {
        self.expect_end_of_hold(on, code, false)
    }

    /// The same for a peer that may have received something before it was refused.
    pub(super) fn expect_refused_in_the_end(self, on: &str, code: u16) -> Self {
        self.expect_end_of_hold(on, code, true)
    }

    fn expect_end_of_hold(self, on: &str, code: u16, eventually: bool) -> Self {
        self.step(Step::ExpectClosed {
            on: words(on),
            codes: vec![code],
            within: Some("2*close_hold".into()),
            eventually,
        })
    }

    pub(super) fn expect_nothing(self, on: &str) -> Self {
        self.step(Step::ExpectNothing { on: words(on) })
    }

    pub(super) fn expect_open(self, on: &str) -> Self {
        self.step(Step::ExpectOpen { on: words(on) })
    }

    pub(super) fn expect_some(self, on: &str, at_least: &str, at_most: &str) -> Self {
        let (at_least, at_most) = (at_least.into(), at_most.into());
        self.step(Step::ExpectSome {
            on: words(on),
            at_least,
            at_most,
        })
    }

    /// Publishes to `${t}` until `clients` is as expected. Only for a sender that is the only one
    /// to receive it.
    pub(super) fn await_clients(self, on: &str, clients: usize) -> Self {
        self.await_publish(on, "${t}", clients, |_, _| {})
    }

    /// The same, with a sum as the count, such as `1+open.x`; those of `x` that are still served
    /// receive the last of these publishes, too.
    pub(super) fn await_count(self, on: &str, clients: &str) -> Self {
        let text = publish("${t}", r#""data":"count""#);
        let expect = format!(
            r#"{{"type":"publish","topic":"${{t}}","data":"count","clients":${{{clients}}}}}"#
        );
        self.step(Step::Await {
            on: words(on),
            text,
            expect,
            within: None,
            race: false,
        })
    }

    /// The same before a refused peer is closed: within half of its hold.
    pub(super) fn await_clients_in_hold(self, on: &str, clients: usize) -> Self {
        self.await_publish(on, "${t}", clients, |within, race| {
            *within = Some("close_hold/2".into());
            *race = true;
        })
    }

    pub(super) fn await_publish(
        self,
        on: &str,
        topic: &str,
        clients: usize,
        change: impl FnOnce(&mut Option<Amount>, &mut bool),
    ) -> Self {
        let text = publish(topic, r#""data":"count""#);
        let expect = published(topic, r#""data":"count""#, clients);
        let (mut within, mut race) = (None, false);
        change(&mut within, &mut race);
        self.step(Step::Await {
            on: words(on),
            text,
            expect,
            within,
            race,
        })
    }
}
