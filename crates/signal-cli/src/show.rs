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

/// A long time, in the two largest units that it has.
pub(crate) fn span(time: Duration) -> String {
    const UNITS: [(u64, &str); 4] = [(86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")];
    let seconds = time.as_secs();
    let first = UNITS.iter().position(|(size, _)| seconds >= *size);
    let Some(first) = first else {
        return "less than a second".to_owned();
    };
    let mut rest = seconds;
    let parts = UNITS[first..].iter().take(2).filter_map(|(size, unit)| {
        let number = rest / size;
        rest %= size;
        (number > 0).then(|| format!("{number} {unit}"))
    });
    parts.collect::<Vec<_>>().join(" ")
}

/// Seconds since 1970 as a date, in the time of Greenwich.
pub(crate) fn utc(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = date(days);
    let (hour, minute, second) = (rest / 3_600, rest / 60 % 60, rest % 60);
    format!("{year}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

/// The date this many days after 1970 began, counted in years of 400 that begin on the first of
/// March, where leap days are last.
fn date(days: u64) -> (u64, u64, u64) {
    const DAYS_PER_ERA: u64 = 146_097;
    /// From the first of March of the year 0 to 1970.
    const OFFSET: u64 = 719_468;
    let days = days.saturating_add(OFFSET);
    let (era, day) = (days / DAYS_PER_ERA, days % DAYS_PER_ERA);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, next_year) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    (era * 400 + year + next_year, month, day)
}

/// Text that somebody else wrote: on one line, without control characters, and not longer than
/// `length_max`.
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
    fn long_times_have_two_units() {
        for (seconds, shown) in [
            (0, "less than a second"),
            (59, "59 s"),
            (60, "1 min"),
            (28_799, "7 h 59 min"),
            (86_400, "1 d"),
            (86_460, "1 d"),
            (90_000, "1 d 1 h"),
        ] {
            assert_eq!(span(Duration::from_secs(seconds)), shown);
        }
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, shown) in [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_782_399, "2000-02-28 23:59:59 UTC"),
            (951_782_400, "2000-02-29 00:00:00 UTC"),
            (951_868_800, "2000-03-01 00:00:00 UTC"),
            (1_800_000_000, "2027-01-15 08:00:00 UTC"),
            (4_102_444_799, "2099-12-31 23:59:59 UTC"),
            (4_107_542_400, "2100-03-01 00:00:00 UTC"),
            (253_402_300_799, "9999-12-31 23:59:59 UTC"),
        ] {
            assert_eq!(utc(seconds), shown);
        }
    }

    #[test]
    fn foreign_text_is_harmless() {
        assert_eq!(quoted("a\x1b[31m\nb", 80), r#""a\u{1b}[31m\nb""#);
        assert_eq!(quoted("abcdef", 3), r#""abc…""#);
    }
}
