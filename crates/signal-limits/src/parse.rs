//! Numbers of limits as people write them. Without floating point, whose reader would be a tenth
//! of a small WebAssembly module.

use alloc::format;
use alloc::string::String;
use core::time::Duration;

use crate::Unit;

const NANOS_PER_SECOND: u128 = 1_000_000_000;
/// The decimal places of a time that are read.
const PLACES: usize = 9;

impl Unit {
    /// Reads a number as [`show`](Self::show) writes it, and in other usual ways: `64KiB` or a
    /// plain number of bytes, `30s`, `500ms`, `2m`, `0.5` or a plain number of seconds, `10_000`,
    /// `true` or `off`.
    ///
    /// # Errors
    ///
    /// What is wrong with the text, and what could stand there instead.
    pub fn parse(self, text: &str) -> Result<u64, String> {
        match self {
            Self::Bytes => parse_size(text),
            Self::Millis => parse_millis(text),
            Self::Seconds => match parse_millis(text)? {
                millis if millis % 1_000 == 0 => Ok(millis / 1_000),
                _ => Err("not a whole number of seconds".into()),
            },
            Self::Switch => parse_switch(text).map(u64::from),
            Self::Count => parse_count(text),
        }
    }
}

fn parse_size(text: &str) -> Result<u64, String> {
    let hint = || String::from("not a size; write bytes, or a number with KiB, MiB or GiB");
    let (number, unit) = split(text);
    let factor: u64 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        // A thousand or 1,024: guessing would be wrong for somebody.
        "kb" | "mb" | "gb" => {
            let letter = unit.get(..1).unwrap_or_default().to_ascii_uppercase();
            return Err(format!(
                "{unit} could mean two sizes; write {number}{letter}iB (times 1,024)"
            ));
        }
        _ => return Err(hint()),
    };
    let number: u64 = number.parse().map_err(|_| hint())?;
    number
        .checked_mul(factor)
        .ok_or_else(|| "more than any size can be".into())
}

/// What is less than a millisecond is dropped.
fn parse_millis(text: &str) -> Result<u64, String> {
    parse_time(text)?
        .as_millis()
        .try_into()
        .map_err(|_| "more than any time can be".into())
}

/// Reads a time: seconds, or a number with `ms`, `s`, `m` or `h`.
///
/// # Errors
///
/// Why it is not one.
pub fn parse_time(text: &str) -> Result<Duration, String> {
    let hint = || String::from("not a time; write seconds, or a number with ms, s, m or h");
    let (number, unit) = split(text);
    let millis_in_unit: u128 = match unit.to_ascii_lowercase().as_str() {
        "ms" => 1,
        "" | "s" => 1_000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        _ => return Err(hint()),
    };
    let (whole, places) = number.split_once('.').unwrap_or((number, "0"));
    let places = places.get(..PLACES).unwrap_or(places);
    let whole: u64 = whole.parse().map_err(|_| hint())?;
    let fraction: u128 = format!("{places:0<PLACES$}").parse().map_err(|_| hint())?;
    let billionths = u128::from(whole) * NANOS_PER_SECOND + fraction;
    let nanos = billionths * millis_in_unit / 1_000;
    let seconds = u64::try_from(nanos / NANOS_PER_SECOND).map_err(|_| hint())?;
    let rest = u32::try_from(nanos % NANOS_PER_SECOND).map_err(|_| hint())?;
    Ok(Duration::new(seconds, rest))
}

/// Reads a whole number, `_` and `,` between the digits allowed.
fn parse_count(text: &str) -> Result<u64, String> {
    let digits = text.trim().replace(['_', ','], "");
    digits.parse().map_err(|_| "not a whole number".into())
}

fn parse_switch(text: &str) -> Result<bool, String> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Ok(true),
        "false" | "no" | "off" | "0" => Ok(false),
        _ => Err("neither true nor false".into()),
    }
}

/// Digits and what follows them.
fn split(text: &str) -> (&str, &str) {
    let text = text.trim();
    let is_after = |char: char| !char.is_ascii_digit() && char != '.';
    let end = text.find(is_after).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(end).unwrap_or((text, ""));
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
            assert_eq!(Unit::Bytes.parse(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn an_ambiguous_size_is_not_guessed() {
        assert_eq!(
            Unit::Bytes.parse("64kB").unwrap_err(),
            "kB could mean two sizes; write 64KiB (times 1,024)"
        );
        for wrong in ["", "KiB", "-1", "1.5MiB", "64 parsecs", "99999999999GiB"] {
            assert!(Unit::Bytes.parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn times_are_read() {
        for (text, millis) in [
            ("30", 30_000),
            ("30s", 30_000),
            ("500ms", 500),
            ("0.5", 500),
            ("0.0015", 1),
            ("1.9999999999", 1_999),
            ("2m", 120_000),
            ("0.25h", 900_000),
            ("1h", 3_600_000),
        ] {
            assert_eq!(Unit::Millis.parse(text), Ok(millis), "{text}");
        }
        for wrong in [
            "",
            "s",
            "-1",
            "1d",
            "1.2.3s",
            "soon",
            ".",
            "5.é",
            "1. 5",
            "99999999999999999999",
        ] {
            assert!(Unit::Millis.parse(wrong).is_err(), "{wrong}");
        }
        assert_eq!(Unit::Seconds.parse("2m"), Ok(120));
        assert!(Unit::Seconds.parse("1500ms").is_err());
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
                assert_eq!(unit.parse(&unit.show(number)), Ok(number), "{number}");
            }
        }
    }
}
