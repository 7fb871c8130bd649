use std::path::PathBuf;

/// What `cargo xtask test` has installed for a test, by the variable that names it. Without it the
/// test that asks skips itself by returning early, but not in CI, where it fails.
#[must_use]
pub fn installed(variable: &str) -> Option<PathBuf> {
    let path = std::env::var_os(variable).map(PathBuf::from);
    if path.is_none() {
        skipped(&format!(
            "{variable} is not set (`cargo xtask test` sets it)"
        ));
    }
    path
}

/// Reports why the test that calls this cannot run on this machine, and is about to return.
///
/// # Panics
///
/// In CI, where nothing is skipped.
pub fn skipped(why: &str) {
    skipped_where(std::env::var("CI").ok().as_deref(), why);
}

/// With the value of `CI`, of which `xtask` thinks the same.
#[expect(clippy::print_stderr, reason = "seen by those who run the tests")]
fn skipped_where(ci: Option<&str>, why: &str) {
    assert!(!matches!(ci, Some("true" | "1")), "{why}");
    eprintln!("skipped: {why}");
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use super::*;

    #[test]
    fn what_skips_a_test_fails_it_in_ci() {
        for ci in [None, Some(""), Some("false")] {
            skipped_where(ci, "needs root");
        }
        for ci in ["true", "1"] {
            assert!(catch_unwind(|| skipped_where(Some(ci), "needs root")).is_err());
        }
    }
}
