//! Times in flags that are not settings.

use std::time::Duration;

use signal_core::Unit;

/// Reads `30s`, `500ms`, `2m`, `1h` or a plain number of seconds.
pub(crate) fn parse_time(text: &str) -> Result<Duration, String> {
    Unit::Millis.parse(text).map(Duration::from_millis)
}
