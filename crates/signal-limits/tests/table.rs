//! What a declared table says and does.

use std::time::Duration;

use signal_limits::{LimitValue, Unit};

signal_limits::limits! {
    /// The limits of a test.
    #[derive(Clone, Debug, PartialEq)]
    pub struct Limits {
        /// Not a limit.
        pub name: &'static str = "test",
    }

    /// All of them.
    pub const ALL = [
        depth_max: u8 { default: 128, unit: Count, range: 1..=128, scope: Peer,
            what: "Deepest nesting",
            past: "ignored",
            why: "a test" },
        idle_timeout: Duration { default: 60_000, unit: Millis, range: 1_000..=3_600_000, zero: true, scope: Address,
            what: "Longest silence",
            past: "closed",
            why: "a test" },
        files_max: usize { default: 64, default_from: "from the system", unit: Count, range: 1..=1 << 20, scope: Relay,
            what: "Files at once",
            past: "refused",
            why: "a test" },
        strict: bool { default: 1, unit: Switch, range: 0..=1, scope: Relay,
            what: "Whether to be strict",
            past: "nothing",
            why: "a test" },
    ];
}

fn error(limits: &Limits) -> Option<String> {
    let mut errors = Limits::ALL.iter().map(|limit| limit.check(limits));
    Some(errors.find_map(Result::err)?.to_string())
}

#[test]
fn defaults_are_those_of_the_rows() {
    let limits = Limits::default();
    assert_eq!(limits.name, "test");
    for limit in Limits::ALL {
        assert_eq!((limit.get)(&limits), (limit.default)(), "{}", limit.name);
    }
    assert_eq!(limits.idle_timeout, Duration::from_secs(60));
    assert!(limits.strict);
    assert_eq!(error(&limits), None);
}

#[test]
fn every_field_is_written_through_its_row() {
    let mut limits = Limits::default();
    for limit in Limits::ALL {
        (limit.set)(&mut limits, 0);
        assert_eq!((limit.get)(&limits), 0, "{}", limit.name);
    }
}

#[test]
fn zero_beside_the_range_is_allowed_only_where_the_row_says_so() {
    let limits = |depth_max, millis| Limits {
        depth_max,
        idle_timeout: Duration::from_millis(millis),
        ..Limits::default()
    };
    assert_eq!(error(&limits(1, 0)), None);
    assert_eq!(
        error(&limits(0, 0)).as_deref(),
        Some("depth_max is 0, but must be from 1 to 128")
    );
    assert_eq!(
        error(&limits(1, 999)).as_deref(),
        Some("idle_timeout is 999ms, but must be 0 or from 1s to 1h")
    );
}

#[test]
fn a_narrower_range_names_the_limit_it_follows_from() {
    let depth = &Limits::ALL[0];
    let narrow = depth.check_in(1..=16, Some("files_max"), &Limits::default());
    assert_eq!(
        narrow.expect_err("128 is more than 16").to_string(),
        "depth_max is 128, but must be from 1 to 16 because of files_max"
    );
}

#[test]
fn a_number_the_field_cannot_hold_becomes_the_nearest() {
    assert_eq!(u8::from_number(1_000), u8::MAX);
    assert!(bool::from_number(7));
    assert_eq!(Duration::MAX.into_number(), u64::MAX);
}

#[test]
fn numbers_are_shown_in_the_largest_unit_in_which_they_are_whole() {
    let shown = [
        Unit::Count.show(1_024),
        Unit::Bytes.show(64 << 10),
        Unit::Bytes.show(1_500),
        Unit::Millis.show(1_500),
        Unit::Millis.show(0),
        Unit::Seconds.show(90),
        Unit::Switch.show(1),
    ];
    assert_eq!(
        shown,
        ["1024", "64KiB", "1500", "1500ms", "0", "90s", "true"]
    );
}
