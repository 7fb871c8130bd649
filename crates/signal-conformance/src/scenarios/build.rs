//! How scenarios are written down: one line for each step.

use crate::step::{Connect, Frame, Http};
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

pub(super) fn limits(id: &str, requirements: &str, title: &str) -> Scenario {
    scenario(Level::Limits, id, requirements, title)
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
