//! Reads the one thing of a certificate that is reported: when it is valid.

use std::time::{SystemTime, UNIX_EPOCH};

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

const SECONDS_PER_DAY: i64 = 86_400;

/// How many whole days a certificate in DER is valid from now on; `None` if it cannot be read.
pub(crate) fn days_left(certificate: &[u8]) -> Option<i64> {
    seconds_left(certificate).map(days)
}

/// The same in seconds.
pub(crate) fn seconds_left(certificate: &[u8]) -> Option<i64> {
    let (_, not_after) = validity(certificate)?;
    Some(not_after - now()?)
}

/// How many seconds it takes until the certificate begins to be valid; none are left of most.
pub(crate) fn seconds_to_begin(certificate: &[u8]) -> Option<i64> {
    let (not_before, _) = validity(certificate)?;
    Some(not_before - now()?)
}

fn now() -> Option<i64> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(now.as_secs()).ok()
}

/// Whole days; less than a day in the past is one day ago.
pub(crate) fn days(seconds: i64) -> i64 {
    seconds.div_euclid(SECONDS_PER_DAY)
}

/// `Certificate { tbs { [version], serial, algorithm, issuer, validity { notBefore, notAfter }, …`
/// as Unix times.
fn validity(certificate: &[u8]) -> Option<(i64, i64)> {
    let (certificate, _) = read(certificate, SEQUENCE)?;
    let (mut tbs, _) = read(certificate, SEQUENCE)?;
    if let Some((_, rest)) = read(tbs, VERSION) {
        tbs = rest;
    }
    let (_serial, rest) = read(tbs, INTEGER)?;
    let (_algorithm, rest) = read(rest, SEQUENCE)?;
    let (_issuer, rest) = read(rest, SEQUENCE)?;
    let (validity, _) = read(rest, SEQUENCE)?;
    let (not_before, rest) = read_time(validity)?;
    let (not_after, _) = read_time(rest)?;
    Some((not_before, not_after))
}

/// The content of an element with this tag, and what follows it.
fn read(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&first, rest) = der.split_first()?;
    if first != tag {
        return None;
    }
    let (&length, rest) = rest.split_first()?;
    let (length, rest) = if length < 0x80 {
        (usize::from(length), rest)
    } else {
        let digits = usize::from(length & 0x7f);
        if digits > 4 {
            return None;
        }
        let (digits, rest) = rest.split_at_checked(digits)?;
        (
            digits
                .iter()
                .fold(0, |length, digit| length << 8 | usize::from(*digit)),
            rest,
        )
    };
    rest.split_at_checked(length)
}

fn read_time(der: &[u8]) -> Option<(i64, &[u8])> {
    if let Some((time, rest)) = read(der, UTC_TIME) {
        let (year, time) = time.split_at_checked(2)?;
        let year = number(year)?;
        // RFC 5280: two digits from 50 on are of the last century.
        let century = if year < 50 { 2_000 } else { 1_900 };
        return Some((unix_time(century + year, time)?, rest));
    }
    let (time, rest) = read(der, GENERALIZED_TIME)?;
    let (year, time) = time.split_at_checked(4)?;
    Some((unix_time(number(year)?, time)?, rest))
}

/// `MMDDhhmmssZ` of a year.
fn unix_time(year: i64, time: &[u8]) -> Option<i64> {
    let part = |at: usize| time.get(at..at + 2).and_then(number);
    let (month, day) = (part(0)?, part(2)?);
    let seconds = part(4)? * 3_600 + part(6)? * 60 + part(8)?;
    Some(days_since_1970(year, month, day) * SECONDS_PER_DAY + seconds)
}

/// Counts in years that begin in March, so that leap days come last.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let month = (month + 9) % 12;
    let leap_days = year / 4 - year / 100 + year / 400;
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    year * 365 + leap_days + day_of_year - 719_468
}

fn number(digits: &[u8]) -> Option<i64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_as_the_calendar_does() {
        assert_eq!(days_since_1970(1970, 1, 1), 0);
        assert_eq!(days_since_1970(2000, 2, 29), 11_016);
        assert_eq!(days_since_1970(2026, 11, 23), 20_780);
    }

    #[test]
    fn both_forms_of_time_are_read() {
        let utc = [&[UTC_TIME, 13][..], b"261123120000Z"].concat();
        assert_eq!(
            read_time(&utc),
            Some((20_780 * SECONDS_PER_DAY + 43_200, &[][..]))
        );
        let general = [&[GENERALIZED_TIME, 15][..], b"20261123120000Z"].concat();
        assert_eq!(
            read_time(&general),
            Some((20_780 * SECONDS_PER_DAY + 43_200, &[][..]))
        );
    }

    #[test]
    fn what_is_not_a_certificate_shows_nothing() {
        for garbage in [
            &[][..],
            &[0x30],
            &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff],
            b"hello",
        ] {
            assert_eq!(validity(garbage), None);
        }
    }
}
