//! Clients that open a room at the same moment.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{Outcome, PINGS, Play, problem};
use crate::client::{Client, describe};
use crate::json::Value;

/// How long each client is listened to in its turn.
const SLICE: Duration = Duration::from_millis(10);
/// How long a client waits whose connection was ended, before it comes back.
const PAUSE: Duration = Duration::from_millis(100);

impl Play<'_> {
    /// Lets clients find each other in a topic, and waits until each two have.
    pub(super) async fn meet(&mut self, on: &[String], topic: &str, within: Duration) -> Outcome {
        let mut heard = BTreeSet::new();
        let mut seen = BTreeSet::new();
        let mut returns = BTreeMap::<&str, u64>::new();
        for name in on {
            self.announce(name, topic, 0).await?;
        }
        let rounds = (self.patience + within).as_millis() / SLICE.as_millis();
        for _ in 0..=rounds {
            for name in on {
                let (client, log) = self.client(name)?;
                let event = client.next(SLICE, log).await;
                let life = returns.entry(name).or_default();
                if event.is_closed() {
                    *life += 1;
                    let number = *life;
                    self.come_back(name).await;
                    self.announce(name, topic, number).await?;
                    continue;
                }
                let text = event.text().unwrap_or_default();
                let Some((from, number)) = announced(on, topic, text) else {
                    continue;
                };
                // A client that came back is a new subscriber.
                if !seen.insert((name, *life, from, number)) {
                    let expected = format!("{name}: nothing twice");
                    return Err(problem(expected, describe(&event)));
                }
                heard.insert((name.as_str(), from));
            }
            if strangers(on, &heard).is_none() {
                return Ok(());
            }
        }
        let (one, other) = strangers(on, &heard).unwrap_or_default();
        Err(problem(
            format!("{one} and {other}: at least one hears the other"),
            "neither does",
        ))
    }

    async fn announce(&mut self, name: &str, topic: &str, number: u64) -> Outcome {
        let subscribe = format!(r#"{{"type":"subscribe","topics":["{topic}"]}}"#);
        let publish = format!(
            r#"{{"type":"publish","topic":"{topic}","data":{{"from":"{name}","number":{number}}}}}"#
        );
        let (client, log) = self.client(name)?;
        client.send(&subscribe, log).await;
        client.send(&publish, log).await;
        Ok(())
    }

    /// Connects again, as often as it takes, and to another node where its own is gone.
    async fn come_back(&mut self, name: &str) {
        tokio::time::sleep(PAUSE).await;
        let Some(options) = self.opened.get_mut(name) else {
            return;
        };
        self.log.add(name, crate::log::Direction::Done, "come back");
        match self.backend.connect(options.clone()).await {
            Ok(connection) => {
                let client = Client::new(name, connection, &self.topic, PINGS, self.known.strays());
                self.clients.insert(name.to_owned(), client);
            }
            // It has still ended, and so is asked again in its next turn.
            Err(_) => options.node = (options.node + 1) % self.nodes,
        }
    }
}

/// Who announced itself, and for which time, if the message is of this topic.
fn announced<'a>(on: &'a [String], topic: &str, text: &str) -> Option<(&'a str, u64)> {
    let message = Value::parse(text)?;
    let is_here = message.member("topic")?.is_string(topic);
    let data = message.member("data").filter(|_| is_here)?;
    let from = data.member("from")?;
    let from = on.iter().find(|name| from.is_string(name))?;
    let Value::Number(number) = data.member("number")? else {
        return None;
    };
    Some((from, *number as u64))
}

/// Two that do not know of each other.
fn strangers<'a>(on: &'a [String], heard: &BTreeSet<(&str, &str)>) -> Option<(&'a str, &'a str)> {
    let names = || on.iter().map(String::as_str);
    let mut pairs = names().flat_map(|one| names().map(move |other| (one, other)));
    pairs.find(|&(one, other)| {
        one != other && !heard.contains(&(one, other)) && !heard.contains(&(other, one))
    })
}
