//! Numbers and foreign text as people read them.

use std::time::Duration;

/// A time with the digits that matter.
pub(crate) fn time(time: Duration) -> String {
    let millis = time.as_secs_f64() * 1_000.0;
    if millis >= 10_000.0 {
        let seconds = format!("{:.1}", millis / 1_000.0);
        format!("{} s", seconds.trim_end_matches(".0"))
    } else if millis >= 10.0 {
        format!("{millis:.0} ms")
    } else {
        format!("{millis:.1} ms")
    }
}

/// Text that somebody else wrote: on one line, without control characters, and not longer than `length_max`.
pub(crate) fn quoted(text: &str, length_max: usize) -> String {
    let mut shown: String = text.chars().take(length_max).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    format!("{shown:?}")
}

/// A number with its noun, in the singular or the plural.
pub(crate) fn count(number: usize, noun: &str) -> String {
    if number == 1 {
        format!("1 {noun}")
    } else {
        format!("{number} {noun}s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_the_digits_that_matter() {
        assert_eq!(time(Duration::from_micros(240)), "0.2 ms");
        assert_eq!(time(Duration::from_millis(428)), "428 ms");
        assert_eq!(time(Duration::from_millis(2_000)), "2000 ms");
        assert_eq!(time(Duration::from_secs(12)), "12 s");
        assert_eq!(time(Duration::from_millis(12_340)), "12.3 s");
    }

    #[test]
    fn foreign_text_is_harmless() {
        assert_eq!(quoted("a\x1b[31m\nb", 80), r#""a\u{1b}[31m\nb""#);
        assert_eq!(quoted("abcdef", 3), r#""abc…""#);
    }
}
