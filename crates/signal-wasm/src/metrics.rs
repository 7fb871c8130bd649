//! What is counted, as text for Prometheus: the names of `METRICS.md` in `signal-tokio`, as far as
//! a relay in JavaScript counts them.

use alloc::string::{String, ToString as _};
use core::fmt::Write as _;

use signal_access::{AuthResult, RefusalCause};
use signal_core::{CloseReason, Ignored};

use crate::stats::{Stats, TYPES};

/// What is now, beside what has been.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Now {
    pub(crate) peers: u64,
    pub(crate) peers_max: u64,
    pub(crate) handshakes: u64,
    pub(crate) topics: u64,
    pub(crate) subscriptions: u64,
    pub(crate) is_draining: bool,
    pub(crate) queues: Queues,
    pub(crate) queue_limit: u64,
}

/// What waits for peers, which the host knows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Queues {
    /// Bytes that wait for all together.
    pub bytes: u64,
    /// Bytes that wait for the one for whom most do.
    pub largest: u64,
}

/// Budgets that messages are dropped for, by the names of metrics.
const BUDGETS: [(&str, Ignored); 5] = [
    ("message", Ignored::MessageRate),
    ("bytes", Ignored::ByteRate),
    ("fan_out", Ignored::FanOutRate),
    ("fan_out_bytes", Ignored::FanOutByteRate),
    ("ping", Ignored::PingRate),
];

/// Other causes for which messages have no effect.
const CAUSES: [Ignored; 4] = [
    Ignored::NotJson,
    Ignored::Meaningless,
    Ignored::NotGranted,
    Ignored::Held,
];

pub(crate) fn text(now: &Now, stats: &Stats) -> String {
    let mut text = Text::default();
    let gauge = |text: &mut Text, name, help, value| text.one(name, "gauge", help, value);
    let mut info = text.family("signal_build_info", "gauge", "The version that runs");
    info.sample(&[("version", env!("CARGO_PKG_VERSION"))], 1);
    let state = if now.is_draining {
        "draining"
    } else {
        "serving"
    };
    let mut family = text.family(
        "signal_lifecycle",
        "gauge",
        "1 for the state the relay is in, 0 for the others",
    );
    for name in ["serving", "draining"] {
        family.sample(&[("state", name)], u64::from(name == state));
    }
    gauge(&mut text, "signal_peers", "Peers connected now", now.peers);
    gauge(
        &mut text,
        "signal_peers_max",
        "The limit on peers",
        now.peers_max,
    );
    gauge(
        &mut text,
        "signal_handshakes",
        "Upgrades that are judged or about to be complete now",
        now.handshakes,
    );
    gauge(
        &mut text,
        "signal_topics",
        "Topics with subscribers now",
        now.topics,
    );
    gauge(
        &mut text,
        "signal_subscriptions",
        "Subscriptions now: a peer in three topics counts three",
        now.subscriptions,
    );
    gauge(
        &mut text,
        "signal_queue_bytes",
        "Bytes that wait to be written to peers now",
        now.queues.bytes,
    );
    gauge(
        &mut text,
        "signal_queue_largest_bytes",
        "Bytes that wait for the one peer for which most does now",
        now.queues.largest,
    );
    gauge(
        &mut text,
        "signal_queue_limit_bytes",
        "The limit on what waits for one peer",
        now.queue_limit,
    );
    counters(&mut text, stats);
    text.0
}

fn counters(text: &mut Text, stats: &Stats) {
    let counter = "counter";
    text.one(
        "signal_upgrades_total",
        counter,
        "Upgrades accepted",
        stats.connects,
    );
    let mut family = text.family(
        "signal_refusals_total",
        counter,
        "Requests refused before the upgrade",
    );
    for cause in RefusalCause::ALL {
        family.sample(&[("cause", cause.name())], stats.refusals(cause));
    }
    let mut family = text.family(
        "signal_auth_total",
        counter,
        "Upgrades judged by token, origin or authorizer, after all cheaper checks",
    );
    for result in AuthResult::ALL {
        family.sample(&[("result", result.name())], stats.auths(result));
    }
    let mut family = text.family(
        "signal_closes_total",
        counter,
        "Connections ended; the code is that of the relay's own close frame, or none",
    );
    family.sample(&[("cause", "by_peer"), ("code", "none")], stats.by_peer);
    for reason in CloseReason::ALL {
        let code = reason.code().to_string();
        let labels = [("cause", reason.name()), ("code", code.as_str())];
        family.sample(&labels, stats.closes(reason));
    }
    let mut family = text.family(
        "signal_received_total",
        counter,
        "Messages received; other are messages without effect",
    );
    for (name, traffic) in TYPES.iter().zip(stats.messages()) {
        family.sample(&[("type", name)], traffic.count);
    }
    let mut family = text.family(
        "signal_received_bytes_total",
        counter,
        "Bytes of messages received",
    );
    for (name, traffic) in TYPES.iter().zip(stats.messages()) {
        family.sample(&[("type", name)], traffic.bytes);
    }
    let mut family = text.family(
        "signal_sent_total",
        counter,
        "Messages handed to sockets; a publish to ten counts ten",
    );
    family.sample(&[("type", "publish")], stats.deliveries);
    let mut family = text.family(
        "signal_rate_limited_total",
        counter,
        "Messages and control frames dropped because a peer's budget was used up",
    );
    for (kind, ignored) in BUDGETS {
        family.sample(&[("kind", kind)], stats.ignored(ignored));
    }
    let mut family = text.family(
        "signal_ignored_total",
        counter,
        "Messages without effect for another reason than a budget",
    );
    for cause in CAUSES {
        family.sample(&[("cause", cause.name())], stats.ignored(cause));
    }
    text.one(
        "signal_topics_skipped_total",
        counter,
        "Topics of subscribes that were skipped: no grant, or past a limit, which the log names",
        stats.topics_skipped,
    );
}

#[derive(Default)]
struct Text(String);

/// The samples of one name.
struct Family<'t> {
    text: &'t mut String,
    name: &'static str,
}

impl Text {
    fn family(&mut self, name: &'static str, kind: &str, help: &str) -> Family<'_> {
        // Writing into a string does not fail.
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
        let text = &mut self.0;
        Family { text, name }
    }

    fn one(&mut self, name: &'static str, kind: &str, help: &str, value: u64) {
        self.family(name, kind, help).sample(&[], value);
    }
}

impl Family<'_> {
    /// The values of labels come from lists in the program, so there is nothing to escape.
    fn sample(&mut self, labels: &[(&str, &str)], value: u64) {
        self.text.push_str(self.name);
        for (position, (name, label)) in labels.iter().enumerate() {
            let before = if position == 0 { '{' } else { ',' };
            let _ = write!(self.text, "{before}{name}=\"{label}\"");
        }
        let end = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.text, "{end} {value}");
    }
}
