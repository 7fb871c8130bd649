//! The steps that judge what the server does.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::known::{self, Known};
use super::{Outcome, Play, Problem, one_of, problem};
use crate::client::{Fence, Standing, describe, hex};
use crate::json::{Value, difference};
use crate::log::shorten;
use crate::scenarios::basic_ids::{ECHO, OUTSIDER};
use crate::step::{Expect, Http};
use crate::{Event, HttpRequest};

/// The pause between the rounds of an `await`.
const AWAIT_PAUSE: Duration = Duration::from_millis(20);
/// How many of these wait for a count that is known to be wrong.
const ROUNDS_IN_VAIN: u128 = 10;
/// How long a client that is let go is waited for.
const RELEASE: Duration = Duration::from_secs(1);

impl Play<'_> {
    pub(super) async fn expect(&mut self, name: &str, expect: &Expect, round: u64) -> Outcome {
        if expect.if_open && !self.client(name)?.0.is_served() {
            return Ok(());
        }
        let text = self.values(round).text(&expect.text)?;
        let part = expect
            .contains
            .as_ref()
            .map(|part| self.values(round).text(part))
            .transpose()?;
        let read = |text: &str| Value::parse(text).map(|value| value.without(&expect.ignoring));
        let wanted = read(&text);
        if self.is_lost_echo(name, wanted.as_ref()).await? {
            return Ok(());
        }
        let excuse = |known: &Known<'_>, found: Option<&Value>| {
            let (wanted, found) = wanted.as_ref().zip(found)?;
            known.excuse_for(wanted, found)
        };
        let event = loop {
            let event = self.next(name, Duration::ZERO).await?;
            let is_other = event.text().is_some_and(|got| {
                let found = read(got);
                found != wanted && excuse(&self.known, found.as_ref()).is_none()
            });
            if !(expect.eventually && is_other) {
                break event;
            }
        };
        let wrong = |what: &str| {
            let expected = format!("{name}: {what}{}", shorten(&text));
            let problem = problem(expected, describe(&event));
            Err(problem.from(wanted.as_ref(), &event))
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
        let found = read(got);
        if wanted != found {
            if let Some(fault) = excuse(&self.known, found.as_ref()) {
                self.known.meet(fault);
                return Ok(());
            }
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

    /// Whether a message is one that its receiver has published itself and, as is known, does not
    /// get. Where it can be, a stand-in publishes it again.
    async fn is_lost_echo(&mut self, name: &str, wanted: Option<&Value>) -> Outcome<bool> {
        let Some(wanted) = wanted.filter(|_| self.known.has(ECHO)) else {
            return Ok(false);
        };
        let (client, _) = self.client(name)?;
        if !client.has_published(wanted) {
            return Ok(false);
        }
        if client.unsettled {
            self.fence(name).await?;
        }
        let is_single = self.clients.len() == 1;
        let (client, _) = self.client(name)?;
        let next = client
            .left_over()
            .and_then(Event::text)
            .and_then(Value::parse);
        if next.is_some_and(|next| client.has_published(&next)) {
            return Ok(false);
        }
        let last = client.last_sent(wanted).filter(|_| is_single);
        self.known.meet(ECHO);
        match last.filter(|_| !self.known.has(OUTSIDER)) {
            Some(text) => self.publish_for(name, &text).await.map(|()| false),
            None => Ok(true),
        }
    }

    /// Lets a stand-in publish what a client would get no echo of.
    async fn publish_for(&mut self, name: &str, text: &str) -> Outcome {
        let mut other = self.stand_in(name).await?;
        other.send(text, &mut self.log).await;
        self.stand_in = Some(other);
        Ok(())
    }

    pub(super) async fn expect_same_order(
        &mut self,
        on: &[String],
        count: u64,
        members: &[String; 2],
        or_closed: bool,
    ) -> Outcome {
        let mut first: Option<Vec<Value>> = None;
        for name in on {
            let mut messages = Vec::new();
            let mut senders = Senders::default();
            for number in 1..=count {
                let event = self.next(name, Duration::ZERO).await?;
                match event.text().and_then(Value::parse) {
                    None if or_closed && event.is_closed() => return Ok(()),
                    Some(message) if senders.is_next(&message, members) => messages.push(message),
                    _ => {
                        let place = format!("{name}: message {number} of {count}");
                        return Err(problem(
                            format!("{place}, in its sender's order"),
                            describe(&event),
                        ));
                    }
                }
            }
            if first.get_or_insert_with(|| messages.clone()) != &messages {
                let expected = format!("{name}: the order in which {} received", on[0]);
                return Err(problem(expected, "another order"));
            }
        }
        Ok(())
    }

    pub(super) async fn expect_closed(
        &mut self,
        name: &str,
        codes: &[u16],
        within: Duration,
        eventually: bool,
    ) -> Outcome {
        let expected = match codes {
            [] => format!("{name}: closed"),
            codes => format!("{name}: closed with {}", one_of(codes)),
        };
        let mut event = self.next(name, within).await?;
        while eventually && event.text().is_some() {
            event = self.next(name, within).await?;
        }
        let (client, _) = self.client(name)?;
        client.standing = Standing::Closing;
        let right = |code| codes.is_empty() || codes.contains(&code);
        if matches!(event, Event::Closed { code, .. } if right(code)) {
            return Ok(());
        }
        Err(problem(expected, describe(&event)))
    }

    pub(super) async fn await_answer(
        &mut self,
        name: &str,
        text: &str,
        expect: &str,
        within: Duration,
    ) -> Outcome {
        let mut rounds = within.as_millis() / AWAIT_PAUSE.as_millis();
        if self.known.count_fault().is_some() {
            rounds = rounds.min(ROUNDS_IN_VAIN);
        }
        let has_echo = !self.known.has(ECHO);
        let wanted = Value::parse(expect);
        let mut last = Event::Nothing;
        for _ in 0..=rounds {
            if has_echo {
                let (client, log) = self.client(name)?;
                client.send(text, log).await;
            } else {
                self.known.meet(ECHO);
                self.publish_for(name, text).await?;
            }
            last = self.next(name, Duration::ZERO).await?;
            let Some(got) = last.text() else { break };
            if Value::parse(got) == wanted {
                return Ok(());
            }
            let (client, log) = self.client(name)?;
            let more = client.next(AWAIT_PAUSE, log).await;
            if more != Event::Nothing {
                let expected = format!("{name}: one answer to each message");
                return Err(problem(expected, describe(&more)));
            }
        }
        let found = last.text().and_then(Value::parse);
        let excuse = wanted.as_ref().zip(found.as_ref());
        let excuse = excuse.and_then(|(wanted, found)| self.known.excuse_for(wanted, found));
        if let Some(fault) = excuse {
            self.known.meet(fault);
            return Ok(());
        }
        let problem = problem(
            format!("{name}: in the end {}", shorten(expect)),
            describe(&last),
        );
        Err(problem.from(wanted.as_ref(), &last))
    }

    pub(super) async fn expect_pong_frame(&mut self, name: &str, bytes: &[u8]) -> Outcome {
        let event = self.next(name, Duration::ZERO).await?;
        if matches!(&event, Event::Pong(got) if got == bytes) {
            return Ok(());
        }
        let expected = format!("{name}: a pong frame with {}", hex(bytes));
        Err(problem(expected, describe(&event)))
    }

    /// Takes what has come until a fence passes, and says how much it was.
    pub(super) async fn count(&mut self, name: &str) -> Outcome<u64> {
        self.settle(Some(name)).await?;
        self.fence(name).await?;
        let (client, _) = self.client(name)?;
        Ok(client.take_left_over() as u64)
    }

    pub(super) async fn release(&mut self, name: &str, silent: bool) -> Outcome {
        let fence = self.try_fence(name, RELEASE).await?;
        let (client, _) = self.client(name)?;
        client.standing = Standing::Released;
        match client.left_over() {
            Some(event)
                if silent && !(fence == Fence::Closed && matches!(event, Event::Closed { .. })) =>
            {
                Err(problem(
                    format!("{name}: nothing, or a close"),
                    describe(event),
                ))
            }
            _ => Ok(()),
        }
    }

    pub(super) async fn http(&mut self, http: &Http) -> Outcome {
        let values = self.values(0);
        let request = HttpRequest {
            method: http.method.clone(),
            path: values.text(&http.path)?,
            headers: http.headers.clone(),
            old: http.old,
        };
        let response = self.backend.http(request).await;
        let response =
            response.map_err(|error| problem("an answer to an HTTP request", error.to_string()))?;
        let body = String::from_utf8_lossy(&response.body);
        let statuses = one_of(&http.status);
        let expected = match &http.body {
            Some(body) => format!("HTTP status {statuses} and the body `{body}`"),
            None => format!("HTTP status {statuses}"),
        };
        let right = http.status.contains(&response.status)
            && http.body.as_ref().is_none_or(|wanted| *wanted == body);
        if right {
            Ok(())
        } else {
            let body = if body.is_empty() {
                "no body".to_owned()
            } else {
                format!("the body `{}`", body.trim_end())
            };
            Err(problem(
                expected,
                format!("HTTP status {} and {body}", response.status),
            ))
        }
    }
}

impl Problem {
    /// Adds what the event comes to, and in what a message differs from the one expected.
    pub(super) fn from(mut self, wanted: Option<&Value>, event: &Event) -> Self {
        let got = event.text().and_then(Value::parse);
        if let Some((wanted, got)) = wanted.zip(got.as_ref()) {
            self.difference = difference(wanted, got);
        }
        self.kind = known::kind(wanted, event);
        self
    }
}

pub(super) fn expect_in(name: &str, count: u64, range: &RangeInclusive<u64>) -> Outcome {
    if range.contains(&count) {
        return Ok(());
    }
    let expected = format!("{name}: {} to {} messages", range.start(), range.end());
    Err(problem(expected, count.to_string()))
}

/// Who has sent how many of the messages that came to one client.
#[derive(Default)]
struct Senders(Vec<(Value, f64)>);

impl Senders {
    /// Whether the message is the next one of its sender.
    fn is_next(&mut self, message: &Value, members: &[String; 2]) -> bool {
        let member = |name| message.member("data").and_then(|data| data.member(name));
        let (from, number) = (member(&members[0]), member(&members[1]));
        let (Some(from), Some(Value::Number(number))) = (from, number) else {
            return false;
        };
        match self.0.iter_mut().find(|(sender, _)| sender == from) {
            Some((_, next)) if *next == *number => *next += 1.0,
            None if *number == 0.0 => self.0.push((from.clone(), 1.0)),
            Some(_) | None => return false,
        }
        true
    }
}
