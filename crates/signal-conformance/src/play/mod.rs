//! Plays one scenario: keeps its clients and its place. What the steps do is in `act` and `expect`.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

use crate::client::{Client, Fence, Standing, describe};
use crate::log::{Direction, Log, shorten};
use crate::report::{Failure, Kind};
use crate::scenarios::basic_ids::{NO_ANSWER, NOT_ANNOUNCED, basic};
use crate::template::{TemplateError, Values};
use crate::{
    Amount, Backend, BackendError, ConnectOptions, Event, Issuer, RunOptions, Scenario, Step,
};

mod act;
mod connect;
mod expect;
mod known;
mod meet;
mod spread;

use connect::PINGS;
pub(crate) use known::Faults;
use known::Known;
use spread::Spread;

/// What went wrong, without the place.
pub(crate) struct Problem {
    expected: String,
    got: String,
    /// Where both are messages: in what they differ.
    difference: Option<String>,
    kind: Kind,
}

type Outcome<T = ()> = Result<T, Problem>;

fn problem(expected: impl Into<String>, got: impl Into<String>) -> Problem {
    Problem {
        expected: expected.into(),
        got: shorten(&got.into()),
        difference: None,
        kind: Kind::Other,
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

/// When a scenario began, by the clock of the server and by ours: either may run ahead, as where a
/// test moves time.
struct Started {
    instant: Instant,
    unix_millis: u64,
}

impl Started {
    fn now(backend: &dyn Backend) -> Self {
        Self {
            instant: Instant::now(),
            unix_millis: backend.unix_now(),
        }
    }

    fn millis_ago(&self, backend: &dyn Backend) -> u64 {
        let ours = u64::try_from(self.instant.elapsed().as_millis()).unwrap_or(u64::MAX);
        ours.max(backend.unix_now().saturating_sub(self.unix_millis))
    }
}

/// One scenario in progress.
pub(crate) struct Play<'a> {
    backend: &'a dyn Backend,
    limits: BTreeMap<String, u64>,
    words: BTreeMap<String, String>,
    issuer: Option<Issuer>,
    topic: String,
    patience: Duration,
    started: Started,
    /// Messages let pass on connections that are gone.
    strays_met: u64,
    /// Time that has passed in steps, in milliseconds of the server's.
    advanced: u64,
    clients: BTreeMap<String, Client>,
    /// How each of them connected.
    opened: BTreeMap<String, ConnectOptions>,
    nodes: usize,
    guests: Vec<Box<dyn Send>>,
    log: Log,
    /// Where it is: numbers of steps, outermost first, and rounds.
    place: Vec<String>,
    /// The step it is at.
    step: Option<&'a Step>,
    /// Whether a publish may serve as a fence.
    has_echo: bool,
    /// What is known to be wrong with the server.
    known: Known<'a>,
    /// A client that is none of the scenario's, for fences and publishes that know no other way.
    stand_in: Option<Client>,
    /// Whether that client could connect whenever it was needed.
    has_stand_in: bool,
    /// Whether pongs that were not asked for are what the scenario expects.
    is_about_keepalives: bool,
    /// Whether pongs that were not asked for do not matter.
    bears_spare_pongs: bool,
    /// Where its clients are, if they are spread over several nodes.
    spread: Option<Spread>,
}

/// The limit after which a server sends a pong unasked, if it does.
const KEEPALIVE_INTERVAL: &str = "keepalive_interval";

impl<'a> Play<'a> {
    pub(crate) fn new(
        backend: &'a dyn Backend,
        topic: String,
        options: &RunOptions,
        has_echo: bool,
        faults: Faults,
    ) -> Self {
        let declared = backend.declared();
        let nodes = declared.nodes;
        let spread = options.spread.filter(|_| nodes > 1);
        Self {
            spread: spread.map(|seed| Spread::new(seed, nodes, options.settle)),
            backend,
            words: connect::words(&declared),
            limits: declared.limits,
            issuer: declared.issuer,
            topic,
            patience: options.patience,
            started: Started::now(backend),
            strays_met: 0,
            advanced: 0,
            clients: BTreeMap::new(),
            opened: BTreeMap::new(),
            nodes: nodes.max(1),
            guests: Vec::new(),
            log: Log::default(),
            place: Vec::new(),
            step: None,
            has_echo,
            known: Known::new(faults),
            stand_in: None,
            has_stand_in: true,
            is_about_keepalives: false,
            bears_spare_pongs: false,
        }
    }

    pub(crate) async fn run(&mut self, scenario: &'a Scenario) -> Outcome {
        self.backend.begin(scenario).await?;
        self.started = Started::now(self.backend);
        let conditions = &mut scenario.when.iter();
        if let Some(spread) = &mut self.spread {
            spread.begin(scenario);
        }
        self.is_about_keepalives = conditions.any(|when| when.contains(KEEPALIVE_INTERVAL));
        self.known.begin(scenario);
        // Basic scenarios come before it is known.
        let may_come = basic(&scenario.id).is_some() || self.known.has_spare_pongs();
        self.bears_spare_pongs = may_come && !is_about_pongs(scenario);
        match self.play(scenario).await {
            Err(problem) if problem.kind == Kind::Unfenced => match self.fence_fault() {
                Some(id) => {
                    self.known.meet(id);
                    Ok(())
                }
                None => Err(problem),
            },
            outcome => outcome,
        }
    }

    async fn play(&mut self, scenario: &'a Scenario) -> Outcome {
        for (index, step) in scenario.steps.iter().enumerate() {
            if self.known.ends_at(step) {
                return Ok(());
            }
            self.take(index, step, 0).await?;
        }
        self.place = vec!["end".to_owned()];
        self.step = None;
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

    /// The known fault for which there may be no fence: without answers to pings there are few ways
    /// to know what has been handled, and a grant may not leave the one by a stand-in.
    fn fence_fault(&self) -> Option<&'static str> {
        let has_grants = || {
            let mut opened = self.opened.values();
            opened.any(|options| options.grant.is_some() || options.bare)
        };
        let has_no_way = self.known.is_blind() || !self.has_stand_in || has_grants();
        self.known.ping_fault().filter(|_| has_no_way)
    }

    /// The known fault for which it could not be judged, if there is one.
    pub(crate) fn met(&self) -> Option<&'static str> {
        let strays = self.strays_met
            + self
                .clients
                .values()
                .map(|client| client.strays_met)
                .sum::<u64>();
        let stray = self.known.stray_fault().filter(|_| strays > 0);
        self.known.met().or(stray)
    }

    /// Says where and how it failed.
    pub(crate) fn failure(self, problem: Problem) -> Failure {
        let action = match self.step {
            Some(step) => serde_json::to_string(step).unwrap_or_default(),
            None => "nothing may be left over".to_owned(),
        };
        Failure {
            step: self.place.join("."),
            action: shorten(&action),
            expected: problem.expected,
            got: problem.got,
            difference: problem.difference,
            killed_the_server: false,
            kind: problem.kind,
            log: self.log.into_entries(),
        }
    }

    /// The failure of a scenario that did not end in time.
    pub(crate) fn timed_out(self, deadline: Duration) -> Failure {
        self.failure(problem(
            format!("an end within {} s", deadline.as_secs_f64()),
            "none",
        ))
    }

    /// Takes one step, and each round of a repeat.
    fn take<'s>(
        &'s mut self,
        index: usize,
        step: &'a Step,
        round: u64,
    ) -> Pin<Box<dyn Future<Output = Outcome> + Send + 's>> {
        Box::pin(async move {
            self.place.push((index + 1).to_string());
            if let Step::Repeat { times, steps } = step {
                for round in 0..self.values(0).amount(times)? {
                    self.place.push(format!("round {}", round + 1));
                    for (index, step) in steps.iter().enumerate() {
                        self.take(index, step, round).await?;
                    }
                    self.place.pop();
                }
            } else {
                self.step = Some(step);
                self.step(step, round).await?;
            }
            self.place.pop();
            Ok(())
        })
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
            if self.try_fence(name, self.patience).await? == Fence::Unanswered {
                return Err(unanswered(name));
            }
        }
        self.spread_word(actor).await;
        Ok(())
    }

    /// Gives the other nodes time to hear of what clients other than `actor` did.
    async fn spread_word(&mut self, actor: Option<&str>) {
        let Some(spread) = &self.spread else { return };
        let nodes: BTreeSet<_> = self.opened.values().map(|options| options.node).collect();
        if nodes.len() < 2 {
            return;
        }
        let is_other = |client: &Client| Some(client.name.as_str()) != actor;
        if self
            .clients
            .values()
            .any(|client| client.unheard && is_other(client))
        {
            spread.settle().await;
            self.clients
                .values_mut()
                .for_each(|client| (client.unheard, client.uncounted) = (false, false));
        }
    }

    /// What one client publishes to several topics may overtake itself on the way to other nodes,
    /// which promise an order for each topic alone; and `clients` is right a moment after the
    /// publisher's own topics have changed.
    async fn before_text(&mut self, name: &str, text: &str) -> Outcome {
        if self.spread.is_none() {
            return Ok(());
        }
        let (client, _) = self.client(name)?;
        client.uncounted |= spread::changes_topics(text);
        let Some(topic) = spread::published_to(text) else {
            return Ok(());
        };
        let before = client.topic.replace(topic);
        let is_elsewhere = before.is_some() && before != client.topic;
        if is_elsewhere || client.uncounted {
            self.spread_word(None).await;
        }
        Ok(())
    }

    async fn try_fence(&mut self, name: &str, patience: Duration) -> Outcome<Fence> {
        let has_echo = self.has_echo;
        let (client, _) = self.client(name)?;
        let has_own = has_echo || client.may_ping();
        if has_own && self.known.has_answers() {
            let (client, log) = self.client(name)?;
            return Ok(client.fence(patience, log).await);
        }
        let mut other = self.stand_in(name).await?;
        let (client, log) = self.client(name)?;
        let fence = client.fence_by(&mut other, patience, log).await;
        self.stand_in = Some(other);
        Ok(fence)
    }

    async fn fence(&mut self, name: &str) -> Outcome {
        match self.try_fence(name, self.patience).await? {
            Fence::Passed => Ok(()),
            Fence::Unanswered => Err(unanswered(name)),
            Fence::Closed => {
                let (client, _) = self.client(name)?;
                let end = client.end().map_or("an end".to_owned(), describe);
                Err(problem(format!("{name}: an open connection"), end))
            }
        }
    }

    /// A fence must pass, after what the others sent has been handled, and nothing may come before
    /// it.
    async fn nothing(&mut self, name: &str) -> Outcome {
        self.settle(Some(name)).await?;
        self.fence(name).await?;
        let (client, _) = self.client(name)?;
        match client.left_over() {
            None => Ok(()),
            Some(event) => {
                let problem = problem(format!("{name}: nothing"), describe(event));
                Err(problem.from(None, event))
            }
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
        client.unheard = true;
        Ok(client.connection())
    }

    fn client(&mut self, name: &str) -> Outcome<(&mut Client, &mut Log)> {
        let keepalives_max = self.keepalives_max();
        match self.clients.get_mut(name) {
            Some(client) => {
                client.keepalives_max = keepalives_max;
                Ok((client, &mut self.log))
            }
            None => Err(problem(
                format!("a client `{name}`"),
                "no such client in the scenario",
            )),
        }
    }

    /// How many pongs a client may have been sent unasked. None where the scenario is about them.
    fn keepalives_max(&self) -> u64 {
        if self.bears_spare_pongs {
            return u64::MAX;
        }
        let interval = self.limits.get(KEEPALIVE_INTERVAL).copied();
        let passed = self.started.millis_ago(self.backend).max(self.advanced);
        interval
            .filter(|_| !self.is_about_keepalives)
            .and_then(|interval| passed.checked_div(interval))
            .unwrap_or_default()
    }

    fn note(&mut self, client: &str, what: &str) {
        self.log.add(client, Direction::Done, what);
    }

    /// The clients that are served, as far as is known.
    fn served(&self) -> Vec<&str> {
        let served = self.clients.values().filter(|client| client.is_served());
        served.map(|client| client.name.as_str()).collect()
    }

    /// A number before the scenario has begun; zero if it cannot be known.
    pub(crate) fn number(&self, amount: &Amount) -> u64 {
        self.values(0).amount(amount).unwrap_or_default()
    }

    fn values(&self, round: u64) -> Values<'_> {
        Values {
            topic: &self.topic,
            round,
            elapsed: self.started.millis_ago(self.backend),
            limits: &self.limits,
            served: self.served(),
            words: Cow::Borrowed(&self.words),
        }
    }
}

/// Whether a scenario sends pings, or is about answers that nobody wants. Elsewhere a pong too many
/// of a server that is known to send them is not its matter.
fn is_about_pongs(scenario: &Scenario) -> bool {
    let steps = serde_json::to_string(&scenario.steps).unwrap_or_default();
    let is_quiet = [NO_ANSWER, NOT_ANNOUNCED].contains(&scenario.id.as_str());
    is_quiet
        || ["ping", "pong"]
            .iter()
            .any(|word| steps.to_lowercase().contains(word))
}

/// Numbers of which one will do.
fn one_of(numbers: &[u16]) -> String {
    let numbers: Vec<_> = numbers.iter().map(u16::to_string).collect();
    numbers.join(" or ")
}

fn unanswered(name: &str) -> Problem {
    let mut problem = problem(
        format!("{name}: an answer to the fence (a ping, or a publish to itself)"),
        "none",
    );
    problem.kind = Kind::Unfenced;
    problem
}
