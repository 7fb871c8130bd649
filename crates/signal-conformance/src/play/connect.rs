//! The steps that begin a connection, or must not get one.

use std::collections::BTreeMap;

use super::{Outcome, Play, one_of, problem};
use crate::client::{Client, Strays};
use crate::report::Kind;
use crate::step::Connect;
use crate::template::{TemplateError, Values};
use crate::{ConnectError, ConnectOptions, Declared, Grant, HttpResponse};

/// Pings a client may send as fences: few, since servers may have a budget for pings. Further
/// fences are publishes, which a client with a grant may not be allowed to make, so it has more.
pub(super) const PINGS: u64 = 2;
const PINGS_WITH_GRANT: u64 = 4;
const ALL_STRAYS: Strays = Strays {
    answers: true,
    announcements: true,
    pongs: true,
};
/// What a client is called that is none of a scenario's.
const STAND_IN: &str = "stand-in";

/// What stands for a text in all scenarios on a backend.
pub(super) fn words(declared: &Declared) -> BTreeMap<String, String> {
    let issuer = declared.issuer.as_ref();
    let mut words = issuer.map_or_else(BTreeMap::new, |issuer| issuer.words());
    if let Some(origin) = &declared.origin {
        let host = origin.split_once("://").map_or("", |(_, host)| host);
        words.insert("origin".to_owned(), origin.clone());
        words.insert("origin_host".to_owned(), host.to_owned());
    }
    words
}

impl Play<'_> {
    pub(super) async fn connect(&mut self, connect: &Connect) -> Outcome {
        for name in &connect.on {
            let (mut options, _) = self.prepare(connect)?;
            options.client.clone_from(name);
            if let Some(spread) = &self.spread {
                options.node = spread.node(name, options.node);
            }
            let first = options.protocols.first().cloned();
            let selected = connect.selected.clone().or(first);
            self.note(name, "connect");
            self.opened.insert(name.clone(), options.clone());
            let connecting = tokio::time::timeout(self.patience, self.backend.connect(options));
            let connection = match connecting.await {
                Ok(Ok(connection)) => connection,
                Ok(Err(error)) => {
                    let got = turned_away(&error).map_or_else(
                        || error.to_string(),
                        |meaning| format!("{error}: {meaning}"),
                    );
                    return Err(problem(format!("{name}: a connection"), got));
                }
                Err(_) => return Err(problem(format!("{name}: a connection"), "no answer")),
            };
            if connection.protocol() != selected.as_deref() {
                return Err(problem(
                    format!("{name}: {}", subprotocol(selected.as_deref())),
                    subprotocol(connection.protocol()),
                ));
            }
            let pings = if !self.has_echo && !self.known.has_way_round() {
                u64::MAX
            } else if connect.grant.is_some() || connect.token.is_some() {
                PINGS_WITH_GRANT
            } else {
                PINGS
            };
            let client = Client::new(name, connection, &self.topic, pings, self.known.strays());
            if let Some(before) = self.clients.insert(name.clone(), client) {
                self.strays_met += before.strays_met;
            }
        }
        Ok(())
    }

    /// A client beside those of the scenario, on the node of one of them.
    pub(super) async fn stand_in(&mut self, beside: &str) -> Outcome<Client> {
        if let Some(client) = self.stand_in.take() {
            return Ok(client);
        }
        let options = ConnectOptions {
            client: STAND_IN.to_owned(),
            node: self.opened.get(beside).map_or(0, |options| options.node),
            ..ConnectOptions::default()
        };
        let connecting = tokio::time::timeout(self.patience, self.backend.connect(options));
        let connection = match connecting.await {
            Ok(Ok(connection)) => connection,
            failed => {
                let got = failed.map(|refused| refused.err().map(|error| error.to_string()));
                let got = got.ok().flatten().unwrap_or("no answer".to_owned());
                let mut problem = problem(format!("{STAND_IN}: a connection"), got);
                problem.kind = Kind::Unfenced;
                self.has_stand_in = false;
                return Err(problem);
            }
        };
        Ok(Client::new(
            STAND_IN,
            connection,
            &self.topic,
            u64::MAX,
            ALL_STRAYS,
        ))
    }

    pub(super) async fn expect_refused(
        &mut self,
        connect: &Connect,
        statuses: &[u16],
        challenge: Option<&str>,
    ) -> Outcome {
        let (options, token) = self.prepare(connect)?;
        let expected = format!("a refusal with HTTP status {}", one_of(statuses));
        let connecting = tokio::time::timeout(self.patience, self.backend.connect(options));
        let answer = match connecting.await {
            Ok(Err(ConnectError::Refused(answer))) => answer,
            Ok(Err(error)) => return Err(problem(expected, error.to_string())),
            Ok(Ok(_)) => return Err(problem(expected, "a connection")),
            Err(_) => return Err(problem(expected, "no answer")),
        };
        if !statuses.contains(&answer.status) {
            return Err(problem(expected, answer.status.to_string()));
        }
        let value = answer.value("www-authenticate");
        if challenge.is_some_and(|begin| !value.is_some_and(|value| value.starts_with(begin))) {
            return Err(problem(
                format!("WWW-Authenticate: {}…", challenge.unwrap_or_default()),
                value.map_or("no such header".to_owned(), |value| format!("`{value}`")),
            ));
        }
        match token.filter(|token| tells(&answer, token)) {
            Some(_) => Err(problem("an answer without the token", "the token in it")),
            None => Ok(()),
        }
    }

    /// Fills in what a connection begins with, and makes its token.
    fn prepare(&self, connect: &Connect) -> Outcome<(ConnectOptions, Option<String>)> {
        let now = (self.backend.unix_now() / 1_000).to_string();
        let mut values = self.values(0).with([("now", now)]);
        let token = match &connect.token {
            Some(token) => {
                let issuer = self.issuer.as_ref().ok_or_else(|| {
                    problem("a backend that does as it declares", "no issuer of tokens")
                })?;
                Some(issuer.mint(token, &values)?)
            }
            None => None,
        };
        values = values.with([("token", token.clone().unwrap_or_default())]);
        let text = |template: &Option<String>| {
            template
                .as_ref()
                .map(|template| values.text(template))
                .transpose()
        };
        let options = ConnectOptions {
            client: String::new(),
            path: connect.path.clone(),
            query: text(&connect.query)?,
            headers: connect
                .headers
                .iter()
                .map(|(name, value)| Ok((name.clone(), values.text(value)?)))
                .collect::<Result<_, TemplateError>>()?,
            protocols: texts(&values, &connect.protocols)?,
            origin: text(&connect.origin)?,
            grant: match &connect.grant {
                Some(grant) => Some(Grant {
                    subscribe: texts(&values, &grant.subscribe)?,
                    publish: texts(&values, &grant.publish)?,
                    expires_in_ms: grant.expires_in_ms,
                    clients_max: grant
                        .clients_max
                        .iter()
                        .map(|(topics, max)| Ok((values.text(topics)?, *max)))
                        .collect::<Result<_, TemplateError>>()?,
                }),
                None => None,
            },
            bare: connect.token.is_some(),
            node: connect.node,
        };
        Ok((options, token))
    }
}

/// What it means that a server lets nobody in from an address for now.
fn turned_away(error: &ConnectError) -> Option<&'static str> {
    let ConnectError::Refused(answer) = error else {
        return None;
    };
    match answer.status {
        429 => Some(
            "its address is turned away; after a single close, or while others from there are connected, C5 forbids that",
        ),
        503 => Some("the server says that it is busy, or shuts down"),
        _ => None,
    }
}

fn subprotocol(name: Option<&str>) -> String {
    name.map_or("no subprotocol".to_owned(), |name| {
        format!("the subprotocol `{name}`")
    })
}

fn texts(values: &Values<'_>, templates: &[String]) -> Result<Vec<String>, TemplateError> {
    templates
        .iter()
        .map(|template| values.text(template))
        .collect()
}

/// Whether an answer holds the token. One of a few characters may stand anywhere.
fn tells(answer: &HttpResponse, token: &str) -> bool {
    const TELLING: usize = 16;
    let body = String::from_utf8_lossy(&answer.body);
    let mut texts = answer.headers.iter().map(|(_, value)| value.as_str());
    token.len() >= TELLING && (body.contains(token) || texts.any(|text| text.contains(token)))
}
