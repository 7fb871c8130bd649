//! The conformance suite on a relay, through real sockets and in real time.

#![expect(
    clippy::unwrap_used,
    reason = "a server that does not start is a failed test"
)]

mod common;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use signal_conformance::{
    Backend, BackendError, Capability, ConnectError, ConnectOptions, Connection, Declared,
    HttpRequest, HttpResponse, Level, RunOptions, Suite, UrlBackend,
};
use signal_tokio::{Config, Grant, Refusal, Relay, TopicSet, UpgradeRequest};
use tokio::net::TcpSocket;
use tokio::runtime::Runtime;

/// How many times faster the clock of the slow levels runs: pings every 1.5 s instead of 30 s, and
/// all else in proportion.
const SPEED: u32 = 20;

#[tokio::test]
async fn a_relay_on_sockets_passes_stock_robust_and_limits() {
    let levels = [Level::Stock, Level::Robust, Level::Limits];
    let backend = Sockets::start(levels, 1, |_| {}).await;
    let mut options = patient();
    options.concurrency = 8;
    run(&backend, &levels, &options).await;
}

#[tokio::test]
async fn a_relay_on_sockets_passes_lifecycle_and_access() {
    let levels = [Level::Lifecycle, Level::Access];
    let backend = Sockets::start(levels, SPEED, |config| {
        config.core.ping_interval /= SPEED;
        config.core.close_hold /= SPEED;
        config.core.keepalive_interval = Duration::ZERO;
        config.drain_seconds = 1;
    })
    .await;
    run(&backend, &levels, &patient()).await;
}

/// Apart, as what others wait for in real time is long by this clock.
#[tokio::test]
async fn a_relay_on_sockets_keeps_hidden_tabs() {
    // Half as fast as the others: a busy machine may be late by as much as an interval.
    let speed = SPEED / 2;
    let backend = Sockets::start([Level::Lifecycle], speed, |config| {
        config.core.keepalive_interval /= speed;
    })
    .await;
    let ids = ["lifecycle.keepalive", "lifecycle.keepalive_in_time"];
    let report = Suite::all().matching(&ids).run(&backend, &patient()).await;
    for id in ids {
        assert_eq!(report.summary()[id], "passed", "{}", report.to_text());
    }
}

/// For a machine with other work: all is to pass, so nothing is waited for in vain.
fn patient() -> RunOptions {
    let mut options = RunOptions::default();
    options.patience = Duration::from_secs(30);
    options.deadline = Duration::from_secs(180);
    options
}

/// Runs the scenarios of these levels; each level has some, and all pass.
async fn run(backend: &Sockets, levels: &[Level], options: &RunOptions) {
    let report = Suite::all()
        .levels(levels.iter().copied())
        .run(backend, options)
        .await;
    println!("{}", report.to_text());
    assert!(report.passed(), "{}", report.to_text());
    for level in levels {
        let passed = report.levels().get(level).map_or(0, |tally| tally.passed);
        assert!(passed > 0, "nothing of the level {level:?} ran");
    }
}

/// Some scenarios need budgets that one burst exceeds.
#[tokio::test]
async fn a_relay_with_small_budgets_passes_the_level_limits() {
    let backend = Sockets::start([Level::Limits], 1, |config| {
        config.core.messages_burst = 200;
        config.core.messages_per_second = 20;
        config.core.fan_out_burst = 10;
        config.core.fan_out_per_second = 10;
    })
    .await;
    run(&backend, &[Level::Limits], &patient()).await;
    let backend = Sockets::start([Level::Limits], 1, |config| {
        config.core.fan_out_bytes_burst = 10_000;
        config.core.fan_out_bytes_per_second = 2_000;
    })
    .await;
    let ids = ["limits.fan_out_bytes", "limits.fan_out_bytes_overdraft"];
    let report = Suite::all().matching(&ids).run(&backend, &patient()).await;
    for id in ids {
        assert_eq!(report.summary()[id], "passed", "{}", report.to_text());
    }
}

/// A topic of two is full soon, whatever shard it is in.
#[tokio::test]
async fn a_relay_with_small_topics_passes_what_is_about_them() {
    let small = |config: &mut Config| config.core.clients_max = 2;
    let backend = Sockets::start([Level::Limits], 1, small).await;
    let ids = [
        "limits.clients_at_limit",
        "limits.clients_granted",
        "limits.clients_not_heard",
        "limits.clients_place_again",
        "limits.clients_stay",
    ];
    let report = Suite::all().matching(&ids).run(&backend, &patient()).await;
    for id in ids {
        assert_eq!(report.summary()[id], "passed", "{}", report.to_text());
    }
}

/// A relay in a runtime of its own, which a restart ends with everything in it.
struct Sockets {
    url: UrlBackend,
    /// How many of the suite's seconds are one of ours.
    speed: u32,
    address: SocketAddr,
    config: Config,
    /// What [`Backend::connect`] was asked for, by the number in the query of the upgrade.
    grants: Arc<Mutex<Vec<Grant>>>,
    server: Mutex<Option<Server>>,
}

struct Server {
    relay: Relay,
    runtime: Runtime,
}

impl Sockets {
    async fn start(
        levels: impl IntoIterator<Item = Level>,
        speed: u32,
        change: impl FnOnce(&mut Config),
    ) -> Self {
        let config = common::config(change);
        let grants = Arc::default();
        let (server, address) = Server::start(&config, &grants, "127.0.0.1:0".parse().unwrap());
        let mut limits = told_limits(address).await;
        for (name, limit) in &mut limits {
            if matches!(
                name.as_str(),
                "ping_interval" | "keepalive_interval" | "close_hold"
            ) {
                *limit *= u64::from(speed);
            }
        }
        let url = UrlBackend::new(&format!("ws://{address}"))
            .unwrap()
            .patient();
        let url = url.declare(|declared| {
            let can = [
                Capability::ClientsMax,
                Capability::Drain,
                Capability::Grants,
                Capability::Restart,
            ];
            let declared = declared.levels(levels).capabilities(can);
            limits
                .into_iter()
                .fold(declared, |declared, (name, value)| {
                    declared.limit(name, value)
                })
        });
        Self {
            url,
            speed,
            address,
            config,
            grants,
            server: Mutex::new(Some(server)),
        }
    }

    fn server(&self) -> MutexGuard<'_, Option<Server>> {
        self.server.lock().unwrap()
    }

    fn relay(&self) -> Result<Relay, BackendError> {
        let server = self.server();
        let server = server
            .as_ref()
            .ok_or_else(|| BackendError::new("there is no server"))?;
        Ok(server.relay.clone())
    }
}

impl Server {
    fn start(
        config: &Config,
        grants: &Arc<Mutex<Vec<Grant>>>,
        address: SocketAddr,
    ) -> (Self, SocketAddr) {
        let grants = Arc::clone(grants);
        let judge = move |request: &UpgradeRequest<'_>| {
            let Some(number) = request
                .uri
                .query()
                .and_then(|query| query.strip_prefix("grant="))
            else {
                return Ok(Grant::open());
            };
            let grant = number
                .parse()
                .ok()
                .and_then(|number: usize| grants.lock().unwrap().get(number).cloned());
            grant.ok_or_else(|| Refusal::new(401, "no such grant"))
        };
        let relay = Relay::with_authorizer(config.clone(), judge).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let listener = {
            let _inside = runtime.enter();
            let socket = TcpSocket::new_v4().unwrap();
            socket.set_reuseaddr(true).unwrap();
            socket.bind(address).unwrap();
            socket.listen(256).unwrap()
        };
        let address = listener.local_addr().unwrap();
        let serving = relay.clone();
        runtime.spawn(async move { serving.serve(listener).await });
        (Self { relay, runtime }, address)
    }
}

/// Ends a runtime and with it every connection.
async fn end(runtime: Runtime) {
    let ending = move || runtime.shutdown_timeout(Duration::from_secs(5));
    tokio::task::spawn_blocking(ending).await.expect("no panic");
}

/// What the relay says its limits are.
async fn told_limits(address: SocketAddr) -> BTreeMap<String, u64> {
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let (mut wire, _) =
        common::Wire::request(stream, "GET /limits HTTP/1.1\r\nHost: a\r\n\r\n").await;
    serde_json::from_str(&wire.rest().await).expect("limits by name")
}

/// Names; a `*` at the end stands for all that begin so.
fn topic_set(names: &[String]) -> TopicSet {
    names
        .iter()
        .fold(TopicSet::none(), |set, name| match name.strip_suffix('*') {
            Some(start) => set.prefix(start),
            None => set.exact(name),
        })
}

#[async_trait]
impl Backend for Sockets {
    fn declared(&self) -> Declared {
        self.url.declared()
    }

    async fn connect(
        &self,
        mut options: ConnectOptions,
    ) -> Result<Box<dyn Connection>, ConnectError> {
        if let Some(asked) = options.grant.take() {
            let mut grant = Grant::new(topic_set(&asked.subscribe), topic_set(&asked.publish));
            if let Some(millis) = asked.expires_in_ms {
                let relay = self
                    .relay()
                    .map_err(|error| ConnectError::Failed(error.to_string()))?;
                grant = grant.expires_at(
                    relay
                        .now()
                        .saturating_add(Duration::from_millis(millis) / self.speed),
                );
            }
            for (topics, max) in asked.clients_max {
                grant = grant.clients_max(topic_set(&[topics]), max);
            }
            let mut grants = self.grants.lock().unwrap();
            grants.push(grant);
            options.path = Some(format!("/?grant={}", grants.len() - 1));
        }
        self.url.connect(options).await
    }

    async fn advance(&self, time: Duration) -> Result<(), BackendError> {
        self.url.advance(time / self.speed).await
    }

    async fn restart(&self) -> Result<(), BackendError> {
        let server = self.server().take();
        if let Some(server) = server {
            end(server.runtime).await;
        }
        let (server, _) = Server::start(&self.config, &self.grants, self.address);
        *self.server() = Some(server);
        Ok(())
    }

    async fn drain(&self) -> Result<(), BackendError> {
        let relay = self.relay()?;
        tokio::spawn(async move { relay.drain().await });
        Ok(())
    }

    async fn guest(&self, bytes: &[u8]) -> Result<Box<dyn Send>, BackendError> {
        self.url.guest(bytes).await
    }

    async fn http(&self, request: HttpRequest) -> Result<HttpResponse, BackendError> {
        self.url.http(request).await
    }
}

impl Drop for Sockets {
    fn drop(&mut self) {
        // A runtime must not be dropped, and so waited for, inside another.
        if let Some(server) = self.server().take() {
            server.runtime.shutdown_background();
        }
    }
}
