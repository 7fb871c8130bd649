//! Stock-like clients with expired tokens against `signal serve`, and an honest pair meanwhile.

mod client;
mod pair;
mod process;
mod report;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::{Duration, SystemTime};

use signal_access::{Algorithm, Claims, NewKey, TokenSigner, UnixTime};
use signal_core::TopicSet;
use tokio::task::JoinSet;
use tokio::time::Instant;

use client::Answers;
use pair::{Latencies, Pair};
use process::{Process, Usage};

pub(crate) type Error = Box<dyn std::error::Error + Send + Sync>;

/// What a storm is made of.
pub(crate) struct Storm<'a> {
    /// The built `signal` command.
    pub(crate) program: &'a Path,
    /// Where the key and the log of the relay are put.
    pub(crate) folder: &'a Path,
    pub(crate) clients: u32,
    /// How long the honest pair is alone first.
    pub(crate) quiet: Duration,
    pub(crate) length: Duration,
}

/// What was seen in one stretch of time.
pub(crate) struct Stretch {
    pub(crate) length: Duration,
    pub(crate) before: Usage,
    pub(crate) after: Usage,
    pub(crate) pair: Latencies,
}

/// What was seen in all.
pub(crate) struct Outcome {
    pub(crate) clients: u32,
    pub(crate) quiet: Stretch,
    pub(crate) storm: Stretch,
    /// What the clients of the storm were answered.
    pub(crate) answers: Answers,
}

impl Stretch {
    /// What was logged in it.
    pub(crate) fn log_bytes(&self) -> u64 {
        self.after.log_bytes - self.before.log_bytes
    }
}

impl Outcome {
    /// How often the clients of the storm tried.
    pub(crate) fn tries(&self) -> u64 {
        self.answers.values().sum()
    }

    /// How often they can have tried, by the law that they keep to.
    pub(crate) fn tries_max(&self) -> u64 {
        client::tries_max(self.clients, self.storm.length)
    }
}

impl Storm<'_> {
    /// Runs it. Each client has a token and an address (127.1.0.0/16) of its own, and the relay
    /// holds such addresses to their limits as if they were of the internet.
    pub(crate) async fn run(&self) -> Result<Outcome, Error> {
        // Signatures of this kind are the ones that cost most to verify.
        let key = NewKey::from_seed(Algorithm::EdDsa, None, [7; 32]).private_jwk();
        let key_file = self.folder.join("key.json");
        std::fs::write(&key_file, &key)?;
        let signer = TokenSigner::new(&key)?;
        let arguments = [
            "--token-key-file",
            key_file.to_str().ok_or("the folder's name is not UTF-8")?,
            "--limit-private-ips",
        ];
        let relay = Process::start(self.program, &arguments, self.folder)?;
        let now = UnixTime::since_1970(SystemTime::UNIX_EPOCH.elapsed()?);
        let good = token(
            &signer,
            "honest",
            now.saturating_add(Duration::from_secs(3_600)),
        )?;
        let url = format!("ws://{}/?token={good}", relay.address);
        let mut pair = Pair::connect(&url).await?;
        let quiet = self.watch(&relay, &mut pair, self.quiet).await?;

        let expired = UnixTime::from_secs(now.as_secs() - 3_600);
        let tokens = (0..self.clients)
            .map(|number| token(&signer, &format!("client {number}"), expired))
            .collect::<Result<Vec<_>, _>>()?;
        let shown = tokens.last().cloned().unwrap_or_default();
        // Not on the pair's thread, or its latency would be that of the storm itself.
        let (address, length) = (relay.address, self.length);
        let storming = std::thread::spawn(move || knock_with_all(address, tokens, length));
        let storm = self.watch(&relay, &mut pair, self.length).await?;
        let answers = storming.join().map_err(|_| "the storm panicked")??;
        if relay.log()?.contains(&shown) {
            return Err("the relay logged a token".into());
        }
        Ok(Outcome {
            clients: self.clients,
            quiet,
            storm,
            answers,
        })
    }

    async fn watch(
        &self,
        relay: &Process,
        pair: &mut Pair,
        length: Duration,
    ) -> Result<Stretch, Error> {
        let before = relay.usage()?;
        let start = Instant::now();
        let latencies = pair.talk_until(start + length).await?;
        let length = start.elapsed();
        Ok(Stretch {
            length,
            before,
            after: relay.usage()?,
            pair: latencies,
        })
    }
}

/// Lets a client knock with each of these tokens. Blocks until all have ended.
fn knock_with_all(
    relay: SocketAddr,
    tokens: Vec<String>,
    length: Duration,
) -> Result<Answers, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let end = Instant::now() + length;
        let mut clients = JoinSet::new();
        for (number, token) in (0..).zip(tokens) {
            let from = source(number);
            clients.spawn(async move { client::knock_until(end, relay, from, &token).await });
        }
        let mut answers = Answers::new();
        for (status, count) in clients.join_all().await.into_iter().flatten() {
            *answers.entry(status).or_default() += count;
        }
        Ok(answers)
    })
}

fn token(signer: &TokenSigner, subject: &str, expires: UnixTime) -> Result<String, Error> {
    let mut claims = Claims::until(expires);
    claims.subject = Some(subject.to_owned());
    claims.subscribe = TopicSet::All;
    claims.publish = TopicSet::All;
    Ok(signer.sign(&claims)?)
}

/// An address of its own for each client, and any port.
fn source(number: u32) -> SocketAddr {
    let base = u32::from(Ipv4Addr::new(127, 1, 0, 1));
    (Ipv4Addr::from(base + number % 65_000), 0).into()
}
