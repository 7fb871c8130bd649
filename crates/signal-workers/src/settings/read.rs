//! Variables, each read into what it sets.

use signal_access::Origins;
use signal_core::{Limit, Unit};

use super::{ORIGINS, ROOMS, Rooms, SettingsError, variable_name};
use crate::variable::Variable;

pub(super) fn read_limit<Owner>(
    variable: impl Fn(&str) -> Option<Variable>,
    limit: &Limit<Owner>,
    owner: &mut Owner,
) -> Result<(), SettingsError> {
    let name = variable_name(limit.name);
    let Some(value) = variable(&name) else {
        return Ok(());
    };
    let number = match &value {
        Variable::Text(text) | Variable::Scalar(text) => parse_number(limit.unit, text.trim()),
        Variable::List(_) | Variable::Object(_) | Variable::Other(_) => None,
    };
    let is_allowed = |number: &u64| limit.range.contains(number) || (limit.zero && *number == 0);
    let Some(number) = number.filter(is_allowed) else {
        let range = limit.unit.show_range(&limit.range, limit.zero);
        let wanted = match limit.unit {
            Unit::Count => format!("a whole number {range}"),
            Unit::Bytes => format!("a number of bytes {range}"),
            Unit::Millis | Unit::Seconds => format!("a number of seconds {range}"),
            Unit::Switch => "true or false".to_owned(),
        };
        return Err(unreadable(&name, &value, &wanted));
    };
    (limit.set)(owner, number);
    Ok(())
}

fn parse_number(unit: Unit, text: &str) -> Option<u64> {
    match unit {
        Unit::Count | Unit::Bytes | Unit::Seconds => text.parse().ok(),
        Unit::Millis => parse_seconds(text),
        Unit::Switch => text.parse::<bool>().ok().map(u64::from),
    }
}

/// Seconds, perhaps with a fraction, in milliseconds. To read them as a floating-point number would
/// make the Worker a twentieth larger.
fn parse_seconds(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_number =
        |digits: &str| !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
    if !is_number(whole) || !is_number(fraction) {
        return None;
    }
    let digits = fraction.chars().chain("000".chars()).take(3);
    let millis: u64 = digits.collect::<String>().parse().ok()?;
    let seconds: u64 = whole.parse().ok()?;
    seconds.checked_mul(1_000)?.checked_add(millis)
}

pub(super) fn read_rooms(value: &Variable) -> Result<Rooms, SettingsError> {
    let text = match value {
        Variable::Text(text) => text.trim(),
        Variable::Scalar(_) | Variable::List(_) | Variable::Object(_) | Variable::Other(_) => "",
    };
    let count = text
        .strip_prefix("hashed:")
        .and_then(|count| count.parse().ok());
    match (text, count) {
        ("global", _) => Ok(Rooms::Global),
        ("by-name", _) => Ok(Rooms::ByName),
        (_, Some(count @ 1..)) => Ok(Rooms::Hashed(count)),
        _ => Err(unreadable(ROOMS, value, "global, by-name or hashed:N")),
    }
}

/// A list that has no entry would let in all.
pub(super) fn read_origins(value: Variable) -> Result<Origins, SettingsError> {
    let list = value.into_list().map_err(no_origins)?;
    let entries = list.split(',').map(str::trim);
    let entries: Vec<&str> = entries.filter(|entry| !entry.is_empty()).collect();
    if entries.is_empty() {
        return Err(no_origins("empty"));
    }
    Ok(Origins::new(entries)?)
}

fn no_origins(found: &'static str) -> SettingsError {
    SettingsError::Guard {
        variable: ORIGINS,
        found,
        wanted: "origins such as https://app.example, as a text with commas or a list of texts",
        without: "let the pages of every site connect",
    }
}

fn unreadable(variable: &str, value: &Variable, wanted: &str) -> SettingsError {
    SettingsError::Unreadable {
        variable: variable.to_owned(),
        value: value.show(),
        wanted: wanted.to_owned(),
    }
}
