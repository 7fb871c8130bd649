//! The loads, and how many times better this relay is to be.

use super::results::Measurement;

/// One load.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// The arguments of `signal bench`.
    pub(crate) load: &'static [&'static str],
    /// Others for a quick look, if it would take too long.
    pub(crate) quick: Option<&'static [&'static str]>,
    /// Whether a second round would show the same, so that there is none.
    pub(crate) is_steady: bool,
    /// What of it counts.
    pub(crate) goals: &'static [Goal],
}

/// One row of the table: how many times less of this the relay is to take than y-webrtc's server,
/// Bun, and tungstenite.
pub(crate) struct Goal {
    pub(crate) what: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) value: fn(&Measurement) -> f64,
    pub(crate) at_least: [Option<f64>; 3],
}

/// "Not worse", of numbers that are never twice the same.
const NOT_WORSE: f64 = 0.95;

const fn cpu(at_least: [Option<f64>; 3]) -> Goal {
    Goal {
        what: "CPU",
        unit: "µs",
        value: |measurement| measurement.cpu,
        at_least,
    }
}

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "100 rooms of 10, window 1",
        load: &["--rooms", "100", "--members", "10", "--window", "1"],
        quick: None,
        is_steady: false,
        goals: &[cpu([Some(2.0), Some(1.0), Some(1.4)])],
    },
    Scenario {
        name: "100 rooms of 10, window 8",
        load: &["--rooms", "100", "--members", "10", "--window", "8"],
        quick: None,
        is_steady: false,
        goals: &[cpu([Some(10.0), Some(1.1), Some(6.0)])],
    },
    Scenario {
        name: "500 in a room, window 32",
        load: &["--rooms", "1", "--members", "500", "--window", "32"],
        quick: None,
        is_steady: false,
        goals: &[cpu([Some(25.0), Some(1.1), Some(14.0)])],
    },
    Scenario {
        name: "the same with 3 KB",
        load: &[
            "--rooms",
            "1",
            "--members",
            "500",
            "--window",
            "32",
            "--bytes",
            "3000",
        ],
        quick: None,
        is_steady: false,
        goals: &[cpu([Some(20.0), Some(1.5), None])],
    },
    Scenario {
        name: "500 rooms of 2, 1.5 KB",
        load: &[
            "--rooms",
            "500",
            "--members",
            "2",
            "--window",
            "1",
            "--bytes",
            "1500",
        ],
        quick: None,
        is_steady: false,
        goals: &[cpu([Some(2.5), Some(1.4), Some(1.5)])],
    },
    Scenario {
        name: "join",
        load: &["--scenario", "join"],
        quick: None,
        is_steady: false,
        goals: &[cpu([Some(12.0), Some(1.8), Some(6.0)])],
    },
    Scenario {
        name: "churn",
        load: &["--scenario", "churn"],
        quick: None,
        is_steady: false,
        goals: &[cpu([Some(4.0), Some(1.1), Some(1.6)])],
    },
    Scenario {
        name: "paced, 20,000 a second",
        load: &["--scenario", "paced", "--rate", "20000"],
        quick: None,
        is_steady: false,
        goals: &[
            Goal {
                what: "p50",
                unit: "ms",
                value: |measurement| measurement.p50,
                at_least: [Some(1.0), Some(NOT_WORSE), Some(NOT_WORSE)],
            },
            Goal {
                what: "p99",
                unit: "ms",
                value: |measurement| measurement.p99,
                at_least: [Some(1.0), Some(NOT_WORSE), Some(NOT_WORSE)],
            },
        ],
    },
    Scenario {
        name: "idle connections",
        load: &["--scenario", "idle", "--connections", "10000"],
        quick: Some(&["--scenario", "idle", "--connections", "2000"]),
        is_steady: true,
        goals: &[Goal {
            what: "memory",
            unit: "bytes",
            value: |measurement| measurement.memory,
            at_least: [Some(8.0), Some(2.5), Some(100.0)],
        }],
    },
];
