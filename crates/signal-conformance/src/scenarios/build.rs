//! How scenarios are written down: one line for each step.

use crate::step::{Connect, Expect, Frame, Http};
use crate::{Amount, Capability, Grant, Level, Scenario, Step};

/// Starts a scenario. `requirements` and clients below are lists separated by spaces.
pub(super) fn scenario(level: Level, id: &str, requirements: &str, title: &str) -> Scenario {
    Scenario {
        id: id.to_owned(),
        title: title.to_owned(),
        level,
        requirements: words(requirements),
        needs: Default::default(),
        when: Vec::new(),
        builds_on: Vec::new(),
        should: false,
        alone: false,
        steps: Vec::new(),
    }
}

pub(super) fn stock(id: &str, requirements: &str, title: &str) -> Scenario {
    scenario(Level::Stock, id, requirements, title)
}

pub(super) fn words(list: &str) -> Vec<String> {
    list.split_whitespace().map(str::to_owned).collect()
}

/// Topics as a JSON array; `""` stands for the empty one.
fn topics(list: &str) -> String {
    let topics: Vec<_> = list
        .split_whitespace()
        .map(|topic| format!("\"{}\"", topic.trim_matches('"')))
        .collect();
    topics.join(",")
}

/// A publish to a topic, with further members.
pub(super) fn publish(topic: &str, members: &str) -> String {
    format!(r#"{{"type":"publish","topic":"{topic}",{members}}}"#)
}

/// What the subscribers get of it.
pub(super) fn published(topic: &str, members: &str, clients: usize) -> String {
    format!(r#"{{"type":"publish","topic":"{topic}",{members},"clients":{clients}}}"#)
}

impl Scenario {
    pub(super) fn needs(mut self, needs: impl IntoIterator<Item = Capability>) -> Self {
        self.needs.extend(needs);
        self
    }

    pub(super) fn step(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    /// Applies further steps.
    pub(super) fn then(self, steps: impl FnOnce(Self) -> Self) -> Self {
        steps(self)
    }

    pub(super) fn connect(self, on: &str) -> Self {
        self.connect_with(on, |_| {})
    }

    pub(super) fn connect_with(self, on: &str, change: impl FnOnce(&mut Connect)) -> Self {
        let mut connect = Connect {
            on: words(on),
            ..Connect::default()
        };
        change(&mut connect);
        self.step(Step::Connect(connect))
    }

    /// Expects an upgrade to be refused with one of these statuses, and perhaps a challenge.
    pub(super) fn expect_refused(
        self,
        status: &[u16],
        challenge: Option<&str>,
        change: impl FnOnce(&mut Connect),
    ) -> Self {
        let mut connect = Connect::default();
        change(&mut connect);
        self.step(Step::ExpectRefused {
            status: status.to_vec(),
            challenge: challenge.map(str::to_owned),
            connect,
        })
    }

    /// Connects with rights to subscribe and to publish.
    pub(super) fn connect_granted(self, on: &str, subscribe: &str, publish: &str) -> Self {
        let grant = Grant {
            subscribe: words(subscribe),
            publish: words(publish),
            ..Grant::default()
        };
        self.connect_with(on, |connect| connect.grant = Some(grant))
            .needs([Capability::Grants])
    }

    /// Connects with every right and so many clients in these topics.
    pub(super) fn connect_sized(self, on: &str, numbers: &[(&str, u32)]) -> Self {
        let all = || vec!["*".to_owned()];
        let numbers = numbers.iter().copied();
        let grant = Grant {
            subscribe: all(),
            publish: all(),
            clients_max: numbers
                .map(|(topics, max)| (topics.to_owned(), max))
                .collect(),
            ..Grant::default()
        };
        self.connect_with(on, |connect| connect.grant = Some(grant))
            .needs([Capability::Grants, Capability::ClientsMax])
    }

    /// Connects clients and subscribes them to `${t}`.
    pub(super) fn room(self, on: &str) -> Self {
        self.connect(on).subscribe(on, "${t}")
    }

    pub(super) fn send(self, on: &str, text: &str) -> Self {
        self.step(Step::Send {
            on: words(on),
            text: text.to_owned(),
            race: false,
        })
    }

    /// Sends without waiting for what others sent before.
    pub(super) fn race(self, on: &str, text: &str) -> Self {
        self.step(Step::Send {
            on: words(on),
            text: text.to_owned(),
            race: true,
        })
    }

    pub(super) fn subscribe(self, on: &str, list: &str) -> Self {
        self.send(
            on,
            &format!(r#"{{"type":"subscribe","topics":[{}]}}"#, topics(list)),
        )
    }

    pub(super) fn unsubscribe(self, on: &str, list: &str) -> Self {
        self.send(
            on,
            &format!(r#"{{"type":"unsubscribe","topics":[{}]}}"#, topics(list)),
        )
    }

    /// Publishes to `${t}`.
    pub(super) fn publish(self, on: &str, members: &str) -> Self {
        self.send(on, &publish("${t}", members))
    }

    pub(super) fn ping(self, on: &str) -> Self {
        self.send(on, r#"{"type":"ping"}"#)
    }

    /// A ping that no runtime answers by itself, since it is not the stock client's spelling.
    pub(super) fn judged_ping(self, on: &str) -> Self {
        self.send(on, r#"{"type": "ping"}"#)
    }

    pub(super) fn binary(self, on: &str, bytes: &str) -> Self {
        self.step(Step::SendBinary {
            on: words(on),
            bytes: bytes.to_owned(),
        })
    }

    /// Sends a masked frame; `first` is FIN, reserved bits and opcode.
    pub(super) fn frame(self, on: &str, first: u8, bytes: &str) -> Self {
        self.any_frame(on, first, true, bytes, None)
    }

    pub(super) fn any_frame(
        self,
        on: &str,
        first: u8,
        masked: bool,
        bytes: &str,
        announce: Option<Amount>,
    ) -> Self {
        let frame = Frame {
            on: words(on),
            first,
            masked,
            bytes: bytes.to_owned(),
            announce,
        };
        self.step(Step::SendFrame(frame))
            .needs([Capability::RawFrames])
    }

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

    pub(super) fn close(self, on: &str, code: Option<u16>) -> Self {
        self.step(Step::Close {
            on: words(on),
            code,
            reason: String::new(),
        })
    }

    pub(super) fn abort(self, on: &str) -> Self {
        self.step(Step::Abort { on: words(on) })
    }

    pub(super) fn guests(self, count: u64, bytes: &str) -> Self {
        self.step(Step::Guests {
            count: count.into(),
            bytes: bytes.to_owned(),
        })
        .needs([Capability::Guests])
    }

    pub(super) fn pause(self, on: &str) -> Self {
        self.step(Step::Pause { on: words(on) })
            .needs([Capability::Pause])
    }

    pub(super) fn release(self, on: &str) -> Self {
        self.step(Step::Release {
            on: words(on),
            silent: false,
        })
    }

    /// Lets a client be that may have received no answer.
    pub(super) fn release_silent(self, on: &str) -> Self {
        self.step(Step::Release {
            on: words(on),
            silent: true,
        })
    }

    pub(super) fn expect_some(self, on: &str, at_least: &str, at_most: &str) -> Self {
        let (at_least, at_most) = (at_least.into(), at_most.into());
        self.step(Step::ExpectSome {
            on: words(on),
            at_least,
            at_most,
        })
    }

    /// Runs while no other scenario does.
    pub(super) fn alone(mut self) -> Self {
        self.alone = true;
        self
    }

    /// Says without which scenario, which comes before it, this one cannot pass; the basics are
    /// found by themselves.
    pub(super) fn builds_on(mut self, id: &str) -> Self {
        self.builds_on.push(id.to_owned());
        self
    }

    /// Says that the requirement is a SHOULD.
    pub(super) fn should(mut self) -> Self {
        self.should = true;
        self
    }

    pub(super) fn when(mut self, condition: &str) -> Self {
        self.when.push(condition.to_owned());
        self
    }

    pub(super) fn advance(self, ms: &str) -> Self {
        self.step(Step::Advance { ms: ms.into() })
            .needs([Capability::Advance])
    }

    pub(super) fn http(self, method: &str, path: &str, status: &[u16], body: Option<&str>) -> Self {
        let http = Http {
            method: method.to_owned(),
            path: path.to_owned(),
            headers: Vec::new(),
            old: false,
            status: status.to_vec(),
            body: body.map(str::to_owned),
        };
        self.step(Step::Http(http)).needs([Capability::Http])
    }

    pub(super) fn repeat(self, times: impl Into<Amount>, steps: impl FnOnce(Self) -> Self) -> Self {
        let mut inner = self;
        let outer = std::mem::take(&mut inner.steps);
        let mut inner = steps(inner);
        let steps = std::mem::replace(&mut inner.steps, outer);
        inner.step(Step::Repeat {
            times: times.into(),
            steps,
        })
    }
}
