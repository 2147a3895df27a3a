//! Dates of the proleptic Gregorian calendar in UTC. The algorithms are those of Howard Hinnant's paper
//! "chrono-compatible low-level date algorithms"; a crate of time zones is not needed for UTC.

use plimsoll_model::Timestamp;
use std::fmt;

const DAY_MS: i64 = 86_400_000;

/// A moment taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct UtcTime {
    pub year: i64,
    pub month: u8,
    pub day: u8,
    pub hour: u8,
    pub minute: u8,
    pub second: u8,
    pub ms: u16,
}

impl UtcTime {
    pub fn from_ms(t: Timestamp) -> Self {
        let (days, within) = (t.div_euclid(DAY_MS), t.rem_euclid(DAY_MS));
        let (year, month, day) = civil_from_days(days);
        let (hour, minute) = ((within / 3_600_000) as u8, (within / 60_000 % 60) as u8);
        let (second, ms) = ((within / 1_000 % 60) as u8, (within % 1_000) as u16);
        Self { year, month, day, hour, minute, second, ms }
    }
}

impl fmt::Display for UtcTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { year, month, day, hour, minute, second, ms } = self;
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
        if *ms > 0 {
            write!(f, ".{ms:03}")?;
        }
        f.write_str("Z")
    }
}

/// Days since 1970-01-01; years start in March here, so that the leap day is the last of them.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

fn civil_from_days(days: i64) -> (i64, u8, u8) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month as u8, day as u8)
}

/// Reads RFC 3339, also without seconds, without an offset (UTC), with a space for the `T`, or a date alone.
pub(super) fn parse(text: &str) -> Option<Timestamp> {
    if !text.is_ascii() {
        return None;
    }
    let (date, rest) = text.split_at_checked(10)?;
    let mut parts = date.split('-');
    let (year, month, day) =
        (number(parts.next()?, 4)?, number(parts.next()?, 2)?, number(parts.next()?, 2)?);
    let days = days_from_civil(year, month, day);
    if civil_from_days(days) != (year, month as u8, day as u8) {
        return None;
    }
    let at = days * DAY_MS;
    if rest.is_empty() {
        return Some(at);
    }
    let rest = rest.strip_prefix(['T', 't', ' '])?;
    let zone_at = rest.find(['Z', 'z', '+', '-']).unwrap_or(rest.len());
    let (clock, zone) = rest.split_at(zone_at);
    Some(at + clock_ms(clock)? - zone_ms(zone)?)
}

fn number(text: &str, digits: usize) -> Option<i64> {
    let whole = text.len() == digits && text.bytes().all(|b| b.is_ascii_digit());
    whole.then(|| text.parse().ok())?
}

fn clock_ms(text: &str) -> Option<i64> {
    let mut parts = text.splitn(3, ':');
    let (hour, minute) = (number(parts.next()?, 2)?, number(parts.next()?, 2)?);
    let (second, fraction) = match parts.next() {
        None => (0, 0.0),
        Some(s) => match s.split_once('.') {
            None => (number(s, 2)?, 0.0),
            Some((s, f)) if f.bytes().all(|b| b.is_ascii_digit()) && !f.is_empty() => {
                (number(s, 2)?, format!("0.{f}").parse::<f64>().ok()?)
            }
            Some(_) => return None,
        },
    };
    // 24:00 and leap seconds are refused: no sample lies there.
    let fits = hour < 24 && minute < 60 && second < 60;
    fits.then(|| (hour * 3_600 + minute * 60 + second) * 1_000 + (fraction * 1_000.0) as i64)
}

fn zone_ms(text: &str) -> Option<i64> {
    if matches!(text, "" | "Z" | "z") {
        return Some(0);
    }
    let (sign, rest) = text.split_at(1);
    let (hours, minutes) = rest.split_once(':')?;
    let ms = (number(hours, 2)? * 60 + number(minutes, 2)?) * 60_000;
    Some(if sign == "-" { -ms } else { ms })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_moments_are_shown() {
        let cases = [
            (0, "1970-01-01T00:00:00Z"),
            (1_700_000_000_123, "2023-11-14T22:13:20.123Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00Z"),
        ];
        for (ms, text) in cases {
            assert_eq!(UtcTime::from_ms(ms).to_string(), text);
            assert_eq!(parse(text), Some(ms));
        }
    }

    #[test]
    fn the_ends_of_time_do_not_panic() {
        assert!(UtcTime::from_ms(i64::MIN).to_string().starts_with('-'));
        assert!(UtcTime::from_ms(i64::MAX).to_string().starts_with("292278994"));
    }

    #[test]
    fn dates_that_are_not_are_refused() {
        for text in [
            "2023-02-29",
            "2023-00-10",
            "20230101",
            "2023-1-1",
            "2023-01-01T",
            "2023-01-01T10",
            "2023-01-01T10:00:60Z",
            "2023-01-01T10:00:00+1",
            "é023-01-01",
            "2023-01-01T10:00:00.Z",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
