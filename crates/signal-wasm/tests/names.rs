//! The same names and defaults as everywhere.

use signal_tokio::{Config, metrics};
use signal_wasm::{Host, Queues, Relay, Settings};

#[test]
fn every_limit_is_one_of_signal_serve_with_the_same_default() {
    for limit in Settings::LIMITS {
        let theirs = Config::LIMITS.iter().find(|one| one.name == limit.name);
        let theirs = theirs.unwrap_or_else(|| panic!("{} is not a limit there", limit.name));
        assert_eq!(limit.unit, theirs.unit, "{}", limit.name);
        // Theirs follow from open files and memory, of which a module knows nothing.
        if !["handshakes_max", "memory_max", "peers_max"].contains(&limit.name) {
            assert_eq!((limit.default)(), (theirs.default)(), "{}", limit.name);
        }
    }
}

#[test]
fn every_metric_is_one_of_signal_serve_with_the_same_kind_and_labels() {
    let relay = Relay::new(Settings::default(), Host::default()).expect("a relay");
    let text = relay.metrics(Queues::default());
    let mut kind = "";
    for line in text.lines() {
        if let Some(family) = line.strip_prefix("# TYPE ") {
            kind = family.split(' ').next_back().expect("a kind");
        }
        if line.starts_with('#') {
            continue;
        }
        let (name, labels) = line.split_once([' ', '{']).expect("a sample");
        let theirs = metrics::RELAY.iter().find(|metric| metric.name == name);
        let theirs = theirs.unwrap_or_else(|| panic!("{name} is not a metric there"));
        // The older format has no kind for a metric whose value carries no information.
        let expected = if theirs.kind() == "info" {
            "gauge"
        } else {
            theirs.kind()
        };
        assert_eq!(kind, expected, "{name}");
        for label in theirs.labels {
            assert!(labels.contains(&format!("{label}=\"")), "{line}");
        }
    }
    assert!(
        text.contains("signal_closes_total{cause=\"too_big\",code=\"1009\"} 0\n"),
        "{text}"
    );
}
