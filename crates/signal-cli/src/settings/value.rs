//! Sizes and times as people write them.

use std::time::Duration;

const SIZES: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];

/// Reads `64KiB`, `1 MiB` or a plain number of bytes.
pub(crate) fn parse_size(text: &str) -> Result<u64, String> {
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
pub(crate) fn parse_count(text: &str) -> Result<u64, String> {
    let digits = text.trim().replace(['_', ','], "");
    digits.parse().map_err(|_| "not a whole number".to_owned())
}

pub(crate) fn parse_switch(text: &str) -> Result<bool, String> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Ok(true),
        "false" | "no" | "off" | "0" => Ok(false),
        _ => Err("neither true nor false".to_owned()),
    }
}

/// A size with the largest unit in which it is whole.
pub(crate) fn show_size(bytes: u64) -> String {
    let unit = SIZES
        .iter()
        .find(|(_, size)| bytes >= *size && bytes % size == 0);
    unit.map_or_else(
        || bytes.to_string(),
        |(unit, size)| format!("{}{unit}", bytes / size),
    )
}

pub(crate) fn show_time(millis: u64) -> String {
    if millis % 1_000 == 0 {
        format!("{}s", millis / 1_000)
    } else {
        format!("{millis}ms")
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
    fn sizes_are_read_and_shown() {
        for (text, bytes) in [
            ("65536", 65_536),
            ("64KiB", 65_536),
            ("1 MiB", 1 << 20),
            ("2k", 2_048),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        assert_eq!(show_size(65_536), "64KiB");
        assert_eq!(show_size(1 << 20), "1MiB");
        assert_eq!(show_size(1_000), "1000");
        assert_eq!(show_size(0), "0");
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
    fn times_are_read_and_shown() {
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
        assert_eq!(show_time(30_000), "30s");
        assert_eq!(show_time(1_500), "1500ms");
    }

    #[test]
    fn what_is_shown_can_be_read_again() {
        for number in [0, 1, 999, 1_000, 1_024, 65_536, 1 << 20, 3 << 30, 1_500] {
            assert_eq!(parse_size(&show_size(number)), Ok(number));
            assert_eq!(
                parse_time(&show_time(number)),
                Ok(Duration::from_millis(number))
            );
        }
    }
}
