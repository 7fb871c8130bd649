//! The loads, as arguments of `signal bench`.

pub(crate) struct Load {
    pub(crate) name: &'static str,
    pub(crate) arguments: &'static [&'static str],
    /// How many connections share a topic.
    pub(crate) members: f64,
}

const WINDOW_1: Load = Load {
    name: "100 rooms of 10, window 1",
    arguments: &["--window", "1"],
    members: 10.0,
};
const WINDOW_8: Load = Load {
    name: "100 rooms of 10, window 8",
    arguments: &["--window", "8"],
    members: 10.0,
};
const LARGE: Load = Load {
    name: "500 in a room, window 32",
    arguments: &["--rooms", "1", "--members", "500", "--window", "32"],
    members: 500.0,
};
const PAIRS: Load = Load {
    name: "500 rooms of 2, 1.5 KB",
    arguments: &["--rooms", "500", "--members", "2", "--bytes", "1500"],
    members: 2.0,
};
const JOIN: Load = Load {
    name: "join",
    arguments: &["--scenario", "join"],
    members: 10.0,
};
const CHURN: Load = Load {
    name: "churn",
    arguments: &["--scenario", "churn"],
    members: 1.0,
};
const PACED: Load = Load {
    name: "paced, 20,000 a second",
    arguments: &["--scenario", "paced"],
    members: 10.0,
};

pub(crate) const ALONE: &[Load] = &[WINDOW_1, WINDOW_8, LARGE, PAIRS, JOIN, CHURN, PACED];

pub(crate) const ACROSS: &[Load] = &[WINDOW_1, WINDOW_8, LARGE, PAIRS, JOIN, CHURN, PACED];

pub(crate) const GROWTH: &[Load] = &[WINDOW_8, PACED];

/// What is connected before anything is said is what counts.
pub(crate) const MEMORY: &[Load] = &[
    Load {
        name: "9,000 topics of one peer",
        arguments: &["--scenario", "idle", "--connections", "9000"],
        members: 1.0,
    },
    Load {
        name: "3,000 topics of three peers, one on each node",
        arguments: &[
            "--scenario",
            "paced",
            "--rooms",
            "3000",
            "--members",
            "3",
            "--rate",
            "300",
        ],
        members: 3.0,
    },
];
