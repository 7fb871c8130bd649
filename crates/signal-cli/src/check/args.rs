use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args};
use http::header::{HeaderName, HeaderValue};
use signal_core::parse_time;

use crate::check::CONFORMANCE;
use crate::check::SUITE;
use crate::check::access::AccessFlags;
use crate::check::format::Format;
use crate::check::options::Options;
use crate::check::stream::Credentials;
use crate::check::target::Target;
use crate::check::way::{Proxy, Way};
use crate::token::TokenFlags;

/// What to check, and how.
#[derive(Args, Debug)]
#[command(group = ArgGroup::new(SUITE).multiple(true))]
pub(crate) struct CheckArgs {
    /// The server, such as wss://signal.example.org or localhost:4444
    #[arg(required_unless_present_any = ["health", "list", "export", "cluster"])]
    pub(crate) url: Option<Target>,

    /// Ask the relay on this machine whether it turns, by its own settings: a health check for
    /// containers
    ///
    /// The settings are those of the relay that is the first process here, as in a container;
    /// without one, those in this environment, as `serve` would read them. A relay that is full or
    /// draining is healthy.
    #[arg(long, conflicts_with_all = ["url", "conformance", "cluster", "list", "export"])]
    pub(crate) health: bool,

    /// How to write the report
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: Format,

    /// How long each step may take
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = timeout)]
    pub(crate) timeout: Duration,

    /// A connection step or ping that takes longer is reported as slow
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = parse_time)]
    slow: Duration,

    /// How many pings to measure: three at once, the others a second apart
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=3_600))]
    pings: u16,

    #[command(flatten)]
    token: TokenFlags,

    /// How the names of the check's own topics begin, such as `team-7/` for a token that allows
    /// `team-7/*`
    #[arg(
        long,
        value_name = "START",
        default_value = "signal-check-",
        conflicts_with_all = ["conformance", "cluster"]
    )]
    topic_prefix: String,

    /// Sent as the address of the page the client runs in, such as `https://your.app`
    #[arg(long, value_name = "URL")]
    origin: Option<HeaderValue>,

    /// A header to send with the upgrade; may be repeated
    #[arg(long = "header", value_name = "NAME: VALUE", value_parser = header)]
    headers: Vec<(HeaderName, HeaderValue)>,

    /// A file in PEM with an authority of your own, or a certificate that signs itself, to believe
    /// beside those of this machine
    #[arg(long, value_name = "FILE", conflicts_with_all = ["conformance", "cluster"])]
    ca: Option<PathBuf>,

    /// Believe any certificate; reported as a warning
    #[arg(long, conflicts_with_all = ["ca", "conformance", "cluster"])]
    insecure: bool,

    /// Check several addresses as one service: the conformance suite with peers placed on them at
    /// random, and its level `cluster`
    #[arg(
        long,
        value_name = "URL",
        num_args = 2..,
        group = SUITE,
        conflicts_with_all = ["url", "health", "list", "export", "start"],
        help_heading = CONFORMANCE
    )]
    pub(crate) cluster: Vec<Target>,

    /// Places the peers of --cluster as the run did that printed this number
    #[arg(long, value_name = "N", requires = "cluster", help_heading = CONFORMANCE)]
    pub(crate) seed: Option<u64>,

    /// Run the conformance suite instead, each level reported apart
    #[arg(long, group = SUITE, help_heading = CONFORMANCE)]
    pub(crate) conformance: bool,

    /// Also send what kills fragile servers (level `robust`); other users of the server would be
    /// cut off
    #[arg(long, requires = SUITE, help_heading = CONFORMANCE)]
    pub(crate) hostile: bool,

    /// Needed with --hostile for a server that is not on this machine
    #[arg(long, requires = "hostile", help_heading = CONFORMANCE)]
    pub(crate) i_own_this_server: bool,

    /// Start the server with this command, and again whenever it died; so all that kills it is
    /// found, not just the first
    #[arg(long, value_name = "COMMAND", requires = SUITE, help_heading = CONFORMANCE)]
    pub(crate) start: Option<String>,

    /// Only scenarios of this level; may be repeated
    #[arg(long = "level", value_name = "LEVEL", value_parser = level, help_heading = CONFORMANCE)]
    pub(crate) levels: Vec<signal_conformance::Level>,

    /// Only this scenario, or all whose id begins with it, such as `publish`; may be repeated
    #[arg(long = "scenario", value_name = "ID", help_heading = CONFORMANCE)]
    pub(crate) scenarios: Vec<String>,

    /// A limit of the server, such as message_bytes_max=65536, which the level `limits` then
    /// checks; may be repeated
    ///
    /// Sizes in bytes, times in milliseconds. A relay of this project reports its limits itself.
    #[arg(long = "limit", value_name = "NAME=NUMBER", value_parser = limit, help_heading = CONFORMANCE)]
    pub(crate) limits: Vec<(String, u64)>,

    /// Also run scenarios that wait until a timer of the server runs out: a minute each
    #[arg(long, requires = SUITE, help_heading = CONFORMANCE)]
    pub(crate) patient: bool,

    /// End the run after so many seconds; what is not done by then is reported as not run
    ///
    /// The default is 600, with --cluster 1800, and with --patient 3600.
    #[arg(long, value_name = "N", requires = SUITE, value_parser = clap::value_parser!(u64).range(1..), help_heading = CONFORMANCE)]
    pub(crate) max_seconds: Option<u64>,

    /// End the run at the first failure
    #[arg(long, requires = SUITE, help_heading = CONFORMANCE)]
    pub(crate) fail_fast: bool,

    /// Also run scenarios that cannot pass because something basic failed
    #[arg(long, requires = SUITE, conflicts_with = "fail_fast", help_heading = CONFORMANCE)]
    pub(crate) keep_going: bool,

    /// Show no progress
    #[arg(long, requires = SUITE, help_heading = CONFORMANCE)]
    pub(crate) quiet: bool,

    #[command(flatten)]
    pub(crate) access: AccessFlags,

    /// List the scenarios and end
    #[arg(long, help_heading = CONFORMANCE)]
    pub(crate) list: bool,

    /// Print the scenarios as JSON, for a runner in another language, and end
    #[arg(long, conflicts_with = "list", help_heading = CONFORMANCE)]
    pub(crate) export: bool,
}

impl CheckArgs {
    /// The server with the token in its address, or all nodes of a cluster.
    pub(crate) fn targets(&self) -> Vec<Target> {
        let targets = self.url.iter().chain(&self.cluster);
        let with_token = |target: &Target| match self.token.in_address() {
            Some(token) => target.clone().with_token(token),
            None => target.clone(),
        };
        targets.map(with_token).collect()
    }

    /// Whether the suite is run.
    pub(crate) fn is_conformance(&self) -> bool {
        self.conformance || !self.cluster.is_empty()
    }

    /// Whether it names a part of the suite or what the suite expects.
    pub(crate) fn is_choosing(&self) -> bool {
        !self.levels.is_empty() || !self.scenarios.is_empty() || !self.limits.is_empty()
    }

    /// How to check.
    ///
    /// # Errors
    ///
    /// The environment names a proxy that cannot be used.
    pub(crate) fn options(&self, target: &Target) -> Result<Options, String> {
        // The suite has connections of its own.
        let proxy = match self.is_conformance() {
            true => None,
            false => Proxy::find(target, |name| std::env::var(name).ok())?,
        };
        Ok(Options {
            way: Way {
                ca: self.ca.clone(),
                is_insecure: self.insecure,
                proxy,
            },
            credentials: Credentials {
                headers: self
                    .headers
                    .iter()
                    .cloned()
                    .chain(self.token.header())
                    .collect(),
                origin: self.origin.clone(),
            },
            timeout: self.timeout,
            slow: self.slow,
            pings: self.pings.into(),
            topic_prefix: self.topic_prefix.clone(),
        })
    }
}

pub(crate) fn timeout(text: &str) -> Result<Duration, String> {
    let time = parse_time(text)?;
    if time.is_zero() {
        return Err("it must be longer than nothing".to_owned());
    }
    Ok(time)
}

pub(crate) fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text.split_once(':').ok_or("write it as 'Name: value'")?;
    let name = name
        .trim()
        .parse()
        .map_err(|_| format!("{name:?} is not a header name"))?;
    let value = value
        .trim()
        .parse()
        .map_err(|_| "the value has characters no header may have")?;
    Ok((name, value))
}

fn level(text: &str) -> Result<signal_conformance::Level, String> {
    let levels = signal_conformance::Level::ALL;
    levels
        .into_iter()
        .find(|level| level.name() == text)
        .ok_or_else(|| {
            let names = levels.map(signal_conformance::Level::name).join(", ");
            format!("the levels are {names}")
        })
}

fn limit(text: &str) -> Result<(String, u64), String> {
    let (name, value) = text.split_once('=').ok_or("write it as name=number")?;
    let value = value
        .trim()
        .parse()
        .map_err(|_| format!("{value:?} is not a whole number"))?;
    Ok((name.trim().replace('-', "_"), value))
}
