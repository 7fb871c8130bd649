//! Sizes and times as people write them.

use std::time::Duration;

use signal_core::{LimitValue, Unit};

/// Reads a number of a limit as [`Unit::show`] writes it, and in other usual ways.
pub(crate) fn parse_number(unit: Unit, text: &str) -> Result<u64, String> {
    match unit {
        Unit::Bytes => parse_size(text),
        Unit::Millis => parse_time(text).map(Duration::into_number),
        Unit::Seconds => match parse_time(text)? {
            time if time.subsec_nanos() == 0 => Ok(time.as_secs()),
            _ => Err("not a whole number of seconds".to_owned()),
        },
        Unit::Switch => parse_switch(text).map(u64::from),
        Unit::Count => parse_count(text),
    }
}

/// Reads `64KiB`, `1 MiB` or a plain number of bytes.
fn parse_size(text: &str) -> Result<u64, String> {
    let hint = "write bytes, or a number with KiB, MiB or GiB";
    let (number, unit) = split(text);
    let factor = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        // A thousand or 1,024: guessing would be wrong for somebody.
        "kb" | "mb" | "gb" => {
            let letter = unit[..1].to_uppercase();
            return Err(format!(
                "{unit} could mean two sizes; write {number}{letter}iB (times 1,024)"
            ));
        }
        _ => return Err(format!("not a size; {hint}")),
    };
    let number: u64 = number.parse().map_err(|_| format!("not a size; {hint}"))?;
    number
        .checked_mul(factor)
        .ok_or_else(|| "more than any size can be".to_owned())
}

/// Reads `30s`, `500ms`, `2m`, `1h` or a plain number of seconds.
pub(crate) fn parse_time(text: &str) -> Result<Duration, String> {
    let hint = "not a time; write seconds, or a number with ms, s, m or h";
    let (number, unit) = split(text);
    let factor = match unit.to_ascii_lowercase().as_str() {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3_600.0,
        _ => return Err(hint.to_owned()),
    };
    let number: f64 = number.parse().map_err(|_| hint.to_owned())?;
    Duration::try_from_secs_f64(number * factor).map_err(|_| hint.to_owned())
}

/// Reads a whole number, `_` and `,` between the digits allowed.
fn parse_count(text: &str) -> Result<u64, String> {
    let digits = text.trim().replace(['_', ','], "");
    digits.parse().map_err(|_| "not a whole number".to_owned())
}

fn parse_switch(text: &str) -> Result<bool, String> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Ok(true),
        "false" | "no" | "off" | "0" => Ok(false),
        _ => Err("neither true nor false".to_owned()),
    }
}

/// Digits and what follows them.
fn split(text: &str) -> (&str, &str) {
    let text = text.trim();
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    (number, unit.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read() {
        for (text, bytes) in [
            ("65536", 65_536),
            ("64KiB", 65_536),
            ("1 MiB", 1 << 20),
            ("2k", 2_048),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn an_ambiguous_size_is_not_guessed() {
        assert_eq!(
            parse_size("64kB").unwrap_err(),
            "kB could mean two sizes; write 64KiB (times 1,024)"
        );
        for wrong in ["", "KiB", "-1", "1.5MiB", "64 parsecs", "99999999999GiB"] {
            assert!(parse_size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn times_are_read() {
        for (text, millis) in [
            ("30", 30_000),
            ("30s", 30_000),
            ("500ms", 500),
            ("0.5", 500),
            ("2m", 120_000),
            ("1h", 3_600_000),
        ] {
            assert_eq!(
                parse_time(text),
                Ok(Duration::from_millis(millis)),
                "{text}"
            );
        }
        for wrong in ["", "s", "-1", "1d", "1.2.3s", "soon"] {
            assert!(parse_time(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_shown_can_be_read_again() {
        for number in [
            0,
            1,
            999,
            1_000,
            1_024,
            65_536,
            1 << 20,
            3 << 30,
            1_500,
            86_400_000,
        ] {
            for unit in [Unit::Count, Unit::Bytes, Unit::Millis, Unit::Seconds] {
                let shown = unit.show(number);
                assert_eq!(parse_number(unit, &shown), Ok(number), "{shown}");
            }
        }
    }
}
