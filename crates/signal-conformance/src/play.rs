//! Plays one scenario.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use crate::client::{Client, Fence, Standing, describe, hex};
use crate::json::Value;
use crate::log::{Direction, Log, shorten};
use crate::report::Failure;
use crate::step::{Connect, Expect, Frame, Http};
use crate::template::{TemplateError, Values};
use crate::{
    Backend, BackendError, ConnectError, ConnectOptions, Event, Grant, HttpRequest, Scenario, Step,
};

/// Pings a client may send as fences: few, since servers may have a budget for pings. Further fences are publishes, which a
/// client with a grant may not be allowed to make, so it has more.
const PINGS: u64 = 2;
const PINGS_WITH_GRANT: u64 = 4;
/// How long a released client is waited for, and the pause between the rounds of an `await`.
const RELEASE: Duration = Duration::from_secs(1);
const AWAIT_PAUSE: Duration = Duration::from_millis(20);

/// What went wrong, without the place.
pub(crate) struct Problem {
    expected: String,
    got: String,
}

type Outcome<T = ()> = Result<T, Problem>;

fn problem(expected: impl Into<String>, got: impl Into<String>) -> Problem {
    Problem {
        expected: expected.into(),
        got: shorten(&got.into()),
    }
}

impl From<TemplateError> for Problem {
    fn from(error: TemplateError) -> Self {
        problem("a scenario that can be read", error.to_string())
    }
}

impl From<BackendError> for Problem {
    fn from(error: BackendError) -> Self {
        problem("a backend that does as it declares", error.to_string())
    }
}

/// One scenario in progress.
pub(crate) struct Play<'a> {
    backend: &'a dyn Backend,
    limits: BTreeMap<String, u64>,
    topic: String,
    patience: Duration,
    clients: BTreeMap<String, Client>,
    log: Log,
    /// Where it is: numbers of steps, outermost first, and rounds.
    place: Vec<String>,
    /// The step it is at, as JSON.
    step: String,
}

impl<'a> Play<'a> {
    pub(crate) fn new(backend: &'a dyn Backend, topic: String, patience: Duration) -> Self {
        Self {
            backend,
            limits: backend.declared().limits,
            topic,
            patience,
            clients: BTreeMap::new(),
            log: Log::default(),
            place: Vec::new(),
            step: String::new(),
        }
    }

    pub(crate) async fn run(&mut self, scenario: &Scenario) -> Outcome {
        self.backend.begin(scenario).await?;
        self.steps(&scenario.steps, 0).await?;
        self.place = vec!["end".to_owned()];
        self.step = "nothing may be left over".to_owned();
        self.settle(None).await?;
        let open = self
            .clients
            .values()
            .filter(|client| client.standing == Standing::Open);
        let open: Vec<_> = open.map(|client| client.name.clone()).collect();
        for name in &open {
            self.nothing(name).await?;
        }
        Ok(())
    }

    /// Says where and how it failed.
    pub(crate) fn failure(self, problem: Problem) -> Failure {
        Failure {
            step: self.place.join("."),
            action: shorten(&self.step),
            expected: problem.expected,
            got: problem.got,
            killed_the_server: false,
            log: self.log.into_entries(),
        }
    }

    /// The failure of a scenario that did not end in time.
    pub(crate) fn timed_out(self, deadline: Duration) -> Failure {
        self.failure(problem(format!("an end within {deadline:?}"), "none"))
    }

    fn steps<'s>(
        &'s mut self,
        steps: &'s [Step],
        round: u64,
    ) -> Pin<Box<dyn Future<Output = Outcome> + Send + 's>> {
        Box::pin(async move {
            for (index, step) in steps.iter().enumerate() {
                self.place.push((index + 1).to_string());
                if let Step::Repeat { times, steps } = step {
                    for round in 0..self.values(0).amount(times)? {
                        self.place.push(format!("round {}", round + 1));
                        self.steps(steps, round).await?;
                        self.place.pop();
                    }
                } else {
                    self.step = serde_json::to_string(step).unwrap_or_default();
                    self.step(step, round).await?;
                }
                self.place.pop();
            }
            Ok(())
        })
    }

    async fn step(&mut self, step: &Step, round: u64) -> Outcome {
        match step {
            Step::Connect(connect) => self.connect(connect).await,
            Step::ExpectRefused { status } => self.expect_refused(status).await,
            Step::Send { on, text, race } => {
                let text = self.values(round).text(text)?;
                for name in on {
                    if !race {
                        self.settle(Some(name)).await?;
                    }
                    let (client, log) = self.client(name)?;
                    client.send(&text, log).await;
                }
                Ok(())
            }
            Step::SendBinary { on, bytes } => {
                let bytes = self.values(round).bytes(bytes)?;
                for name in on {
                    self.settle(Some(name)).await?;
                    let (client, log) = self.client(name)?;
                    client.send_binary(&bytes, log).await;
                }
                Ok(())
            }
            Step::SendFrame(frame) => {
                let bytes = encode(frame, &self.values(round))?;
                self.send_raw(&frame.on, &bytes).await
            }
            Step::SendRaw { on, bytes } => {
                let bytes = self.values(round).bytes(bytes)?;
                self.send_raw(on, &bytes).await
            }
            Step::Expect(expect) => {
                for name in &expect.on {
                    self.expect(name, expect, round).await?;
                }
                Ok(())
            }
            Step::ExpectSameOrder { on, count, members } => {
                let count = self.values(round).amount(count)?;
                self.expect_same_order(on, count, members).await
            }
            Step::ExpectPongFrame { on, bytes } => {
                let bytes = self.values(round).bytes(bytes)?;
                for name in on {
                    let event = self.next(name, Duration::ZERO).await?;
                    if event != Event::Pong(bytes.clone()) {
                        let expected = format!("{name}: a pong frame with {}", hex(&bytes));
                        return Err(problem(expected, describe(&event)));
                    }
                }
                Ok(())
            }
            Step::ExpectClosed { on, codes, within } => {
                let within = within
                    .as_ref()
                    .map_or(Ok(0), |ms| self.values(round).amount(ms))?;
                for name in on {
                    self.expect_closed(name, codes, Duration::from_millis(within))
                        .await?;
                }
                Ok(())
            }
            Step::ExpectOpen { on } => {
                for name in on {
                    self.fence(name).await?;
                }
                Ok(())
            }
            Step::ExpectNothing { on } => {
                self.settle(None).await?;
                for name in on {
                    self.nothing(name).await?;
                }
                Ok(())
            }
            Step::Await { on, text, expect } => {
                let (text, expect) = (
                    self.values(round).text(text)?,
                    self.values(round).text(expect)?,
                );
                for name in on {
                    self.settle(Some(name)).await?;
                    self.await_answer(name, &text, &expect).await?;
                }
                Ok(())
            }
            Step::Close { on, code, reason } => {
                for name in on {
                    self.settle(Some(name)).await?;
                    self.note(
                        name,
                        &format!(
                            "close {}",
                            code.map_or("without code".to_owned(), |code| code.to_string())
                        ),
                    );
                    self.leave(name)?.close(*code, reason).await;
                }
                Ok(())
            }
            Step::Abort { on } => {
                for name in on {
                    self.settle(Some(name)).await?;
                    self.note(name, "abort");
                    self.leave(name)?.abort().await;
                }
                Ok(())
            }
            Step::Pause { on } => {
                self.settle(None).await?;
                for name in on {
                    self.note(name, "stop reading");
                    let (client, _) = self.client(name)?;
                    client.standing = Standing::Paused;
                    client.connection().pause().await;
                }
                Ok(())
            }
            Step::Resume { on } => {
                for name in on {
                    self.note(name, "read again");
                    let (client, _) = self.client(name)?;
                    client.standing = Standing::Open;
                    client.connection().resume().await;
                }
                Ok(())
            }
            Step::Release { on } => {
                for name in on {
                    let (client, log) = self.client(name)?;
                    client.fence(RELEASE, log).await;
                    client.standing = Standing::Released;
                }
                Ok(())
            }
            Step::Advance { ms } => {
                let ms = self.values(round).amount(ms)?;
                self.settle(None).await?;
                self.note("", &format!("{ms} ms pass"));
                Ok(self.backend.advance(Duration::from_millis(ms)).await?)
            }
            Step::Restart => {
                self.settle(None).await?;
                self.note("", "restart");
                Ok(self.backend.restart().await?)
            }
            Step::Hibernate => {
                self.settle(None).await?;
                self.note("", "hibernate");
                Ok(self.backend.hibernate().await?)
            }
            Step::Drain => {
                self.settle(None).await?;
                self.note("", "drain");
                Ok(self.backend.drain().await?)
            }
            Step::Http(http) => self.http(http).await,
            Step::Repeat { .. } => unreachable!("`steps` unrolls them"),
        }
    }

    async fn connect(&mut self, connect: &Connect) -> Outcome {
        let values = self.values(0);
        let fill = |topics: &[String]| {
            topics
                .iter()
                .map(|topic| values.text(topic))
                .collect::<Result<Vec<_>, _>>()
        };
        let grant = match &connect.grant {
            Some(grant) => Some(Grant {
                subscribe: fill(&grant.subscribe)?,
                publish: fill(&grant.publish)?,
                expires_in_ms: grant.expires_in_ms,
            }),
            None => None,
        };
        for name in &connect.on {
            let options = ConnectOptions {
                client: name.clone(),
                path: connect.path.clone(),
                protocols: connect.protocols.clone(),
                origin: connect.origin.clone(),
                grant: grant.clone(),
                node: connect.node,
            };
            self.note(name, "connect");
            let connecting = tokio::time::timeout(self.patience, self.backend.connect(options));
            let connection = match connecting.await {
                Ok(Ok(connection)) => connection,
                Ok(Err(error)) => {
                    return Err(problem(format!("{name}: a connection"), error.to_string()));
                }
                Err(_) => return Err(problem(format!("{name}: a connection"), "no answer")),
            };
            let pings = if connect.grant.is_some() {
                PINGS_WITH_GRANT
            } else {
                PINGS
            };
            self.clients.insert(
                name.clone(),
                Client::new(name, connection, &self.topic, pings),
            );
        }
        Ok(())
    }

    async fn expect_refused(&mut self, statuses: &[u16]) -> Outcome {
        let expected = format!("a refusal with HTTP status {statuses:?}");
        match self.backend.connect(ConnectOptions::default()).await {
            Err(ConnectError::Refused { status }) if statuses.contains(&status) => Ok(()),
            Err(error) => Err(problem(expected, error.to_string())),
            Ok(_) => Err(problem(expected, "a connection")),
        }
    }

    async fn send_raw(&mut self, on: &[String], bytes: &[u8]) -> Outcome {
        for name in on {
            self.settle(Some(name)).await?;
            let (client, log) = self.client(name)?;
            client.send_raw(bytes, log).await;
        }
        Ok(())
    }

    async fn expect(&mut self, name: &str, expect: &Expect, round: u64) -> Outcome {
        let text = self.values(round).text(&expect.text)?;
        let part = expect
            .contains
            .as_ref()
            .map(|part| self.values(round).text(part))
            .transpose()?;
        let event = self.next(name, Duration::ZERO).await?;
        let wrong = |what: &str| {
            Err(problem(
                format!("{name}: {what}{}", shorten(&text)),
                describe(&event),
            ))
        };
        let Event::Text(got) = &event else {
            return wrong("");
        };
        if expect.exact && *got != text {
            return wrong("exactly ");
        }
        let Some(value) = Value::parse(got) else {
            return wrong("JSON equal to ");
        };
        if Value::parse(&text).is_none_or(|expected| expected != value) {
            return wrong("");
        }
        if let Some(part) = part.filter(|part| !got.contains(part.as_str())) {
            return wrong(&format!("with the bytes `{part}`, "));
        }
        if let Some(name) = expect.once.iter().find(|name| value.count(name) > 1) {
            return wrong(&format!("`{name}` only once, "));
        }
        Ok(())
    }

    async fn expect_same_order(
        &mut self,
        on: &[String],
        count: u64,
        members: &[String; 2],
    ) -> Outcome {
        let mut first: Option<Vec<Value>> = None;
        for name in on {
            let mut messages = Vec::new();
            let mut next: Vec<(Value, f64)> = Vec::new();
            for _ in 0..count {
                let event = self.next(name, Duration::ZERO).await?;
                let expected = || {
                    format!(
                        "{name}: message {} of {count}, in the order of its sender",
                        messages.len() + 1
                    )
                };
                let value = match &event {
                    Event::Text(text) => Value::parse(text),
                    _ => None,
                };
                let Some(value) = value else {
                    return Err(problem(expected(), describe(&event)));
                };
                let (Some(from), Some(Value::Number(number))) =
                    (value.member(&members[0]), value.member(&members[1]))
                else {
                    return Err(problem(expected(), describe(&event)));
                };
                let at = next
                    .iter()
                    .position(|(sender, _)| sender == from)
                    .unwrap_or_else(|| {
                        next.push((from.clone(), 0.0));
                        next.len() - 1
                    });
                if next[at].1 != *number {
                    return Err(problem(expected(), describe(&event)));
                }
                next[at].1 += 1.0;
                messages.push(value);
            }
            match &first {
                Some(first) if *first != messages => {
                    return Err(problem(
                        format!("{name}: the order in which {} received", on[0]),
                        "another order",
                    ));
                }
                Some(_) => {}
                None => first = Some(messages),
            }
        }
        Ok(())
    }

    async fn expect_closed(&mut self, name: &str, codes: &[u16], within: Duration) -> Outcome {
        let expected = match codes {
            [] => format!("{name}: closed"),
            codes => format!("{name}: closed with one of {codes:?}"),
        };
        let event = self.next(name, within).await?;
        match &event {
            Event::Closed { code, .. } if codes.is_empty() || codes.contains(code) => {}
            _ => return Err(problem(expected, describe(&event))),
        }
        self.client(name)?.0.standing = Standing::Closing;
        Ok(())
    }

    async fn await_answer(&mut self, name: &str, text: &str, expect: &str) -> Outcome {
        let rounds = self.patience.as_millis() / AWAIT_PAUSE.as_millis();
        let wanted = Value::parse(expect);
        let mut last = Event::Nothing;
        for _ in 0..=rounds {
            let (client, log) = self.client(name)?;
            client.send(text, log).await;
            last = self.next(name, Duration::ZERO).await?;
            match &last {
                Event::Text(got) if Value::parse(got) == wanted => return Ok(()),
                Event::Text(_) => {}
                _ => break,
            }
            let (client, log) = self.client(name)?;
            match client.next(AWAIT_PAUSE, log).await {
                Event::Nothing => {}
                event => {
                    return Err(problem(
                        format!("{name}: one answer to each message"),
                        describe(&event),
                    ));
                }
            }
        }
        Err(problem(
            format!("{name}: in the end {}", shorten(expect)),
            describe(&last),
        ))
    }

    async fn http(&mut self, http: &Http) -> Outcome {
        let values = self.values(0);
        let request = HttpRequest {
            method: http.method.clone(),
            path: values.text(&http.path)?,
            headers: http.headers.clone(),
        };
        let response = self.backend.http(request).await?;
        let body = String::from_utf8_lossy(&response.body);
        let expected = format!("HTTP status {:?}, body {:?}", http.status, http.body);
        let right = http.status.contains(&response.status)
            && http.body.as_ref().is_none_or(|wanted| *wanted == body);
        if right {
            Ok(())
        } else {
            Err(problem(expected, format!("{} {body:?}", response.status)))
        }
    }

    /// Makes sure that what clients other than `actor` sent has been handled.
    async fn settle(&mut self, actor: Option<&str>) -> Outcome {
        let waiting = self.clients.values().filter(|client| {
            client.unsettled
                && client.standing == Standing::Open
                && Some(client.name.as_str()) != actor
        });
        let waiting: Vec<_> = waiting.map(|client| client.name.clone()).collect();
        for name in &waiting {
            let patience = self.patience;
            let (client, log) = self.client(name)?;
            if client.fence(patience, log).await == Fence::Unanswered {
                return Err(unanswered(name));
            }
        }
        Ok(())
    }

    async fn fence(&mut self, name: &str) -> Outcome {
        let patience = self.patience;
        let (client, log) = self.client(name)?;
        match client.fence(patience, log).await {
            Fence::Passed => Ok(()),
            Fence::Unanswered => Err(unanswered(name)),
            Fence::Closed => {
                let end = client.next(patience, log).await;
                Err(problem(
                    format!("{name}: an open connection"),
                    describe(&end),
                ))
            }
        }
    }

    /// A fence must pass, and nothing may come before it.
    async fn nothing(&mut self, name: &str) -> Outcome {
        self.fence(name).await?;
        let (client, _) = self.client(name)?;
        match client.left_over() {
            None => Ok(()),
            Some(event) => Err(problem(format!("{name}: nothing"), describe(event))),
        }
    }

    async fn next(&mut self, name: &str, within: Duration) -> Outcome<Event> {
        let patience = self.patience + within;
        let (client, log) = self.client(name)?;
        Ok(client.next(patience, log).await)
    }

    fn leave(&mut self, name: &str) -> Outcome<&mut dyn crate::Connection> {
        let (client, _) = self.client(name)?;
        client.standing = Standing::Closing;
        client.unsettled = false;
        Ok(client.connection())
    }

    fn client(&mut self, name: &str) -> Outcome<(&mut Client, &mut Log)> {
        match self.clients.get_mut(name) {
            Some(client) => Ok((client, &mut self.log)),
            None => Err(problem(
                format!("a client `{name}`"),
                "no such client in the scenario",
            )),
        }
    }

    fn note(&mut self, client: &str, what: &str) {
        self.log.add(client, Direction::Done, what);
    }

    fn values(&self, round: u64) -> Values<'_> {
        Values {
            topic: &self.topic,
            round,
            limits: &self.limits,
        }
    }
}

fn unanswered(name: &str) -> Problem {
    problem(
        format!("{name}: an answer to the fence (a ping, or a publish to itself)"),
        "none",
    )
}

/// A frame as a client sends it, with a mask of zeros if any.
fn encode(frame: &Frame, values: &Values<'_>) -> Result<Vec<u8>, TemplateError> {
    let payload = values.bytes(&frame.bytes)?;
    let length = match &frame.announce {
        Some(amount) => values.amount(amount)?,
        None => payload.len() as u64,
    };
    let mask_bit = if frame.masked { 0x80 } else { 0 };
    let mut bytes = vec![frame.first];
    match length {
        0..=125 => bytes.push(mask_bit | length as u8),
        126..=0xffff => {
            bytes.push(mask_bit | 126);
            bytes.extend((length as u16).to_be_bytes());
        }
        _ => {
            bytes.push(mask_bit | 127);
            bytes.extend(length.to_be_bytes());
        }
    }
    if frame.masked {
        bytes.extend([0; 4]);
    }
    bytes.extend(payload);
    Ok(bytes)
}
