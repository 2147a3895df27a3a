use crate::time::utc;
use plimsoll_model::Timestamp;
use time::Weekday;

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 1440 * MINUTE_MS;
/// Days that are searched: the 29th of February comes once in eight years at the worst.
const SEARCH_DAYS: i64 = 9 * 366;

/// Due times, to the minute, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct When {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// Both days of the month and of the week are given: either is enough, as cron has it.
    either: bool,
}

/// A text that says no time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a time (UTC): write hourly, `daily at 07:00`, `mon at 07:00`, `monthly at 07:00`, or five fields of \
     cron such as `0 7 * * 1-5`"
)]
pub struct WhenError(String);

const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

impl When {
    /// Reads a text.
    pub fn parse(text: &str) -> Result<Self, WhenError> {
        let lower = text.trim().to_ascii_lowercase();
        Self::words(&lower).or_else(|| Self::cron(&lower)).ok_or_else(|| WhenError(text.to_owned()))
    }

    /// `daily at 07:00` and its like.
    fn words(text: &str) -> Option<Self> {
        let (day, clock) = match text.split_once(" at ") {
            Some((day, clock)) => (day.trim(), clock_of(clock.trim())?),
            None => (text, (0, 0)),
        };
        let (hour, minute) = clock;
        let fields = match day.trim_start_matches('@') {
            "hourly" if !text.contains(" at ") => "0 * * * *".to_owned(),
            "daily" | "every day" => format!("{minute} {hour} * * *"),
            "weekly" => format!("{minute} {hour} * * 1"),
            "monthly" => format!("{minute} {hour} 1 * *"),
            day => {
                let name = day.strip_prefix("every ").unwrap_or(day);
                let full = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];
                let at =
                    full.iter().zip(WEEKDAYS).position(|(full, short)| name == *full || name == short)?;
                format!("{minute} {hour} * * {at}")
            }
        };
        Self::cron(&fields)
    }

    fn cron(text: &str) -> Option<Self> {
        let mut fields = text.split_whitespace();
        let (minute, hour, day, month, weekday) =
            (fields.next()?, fields.next()?, fields.next()?, fields.next()?, fields.next()?);
        if fields.next().is_some() {
            return None;
        }
        let mut weekdays = set(weekday, 0, 7, &WEEKDAYS, 0)?;
        // 7 is Sunday too
        weekdays |= weekdays >> 7 & 1;
        Some(Self {
            minutes: set(minute, 0, 59, &[], 0)?,
            hours: set(hour, 0, 23, &[], 0)?,
            days: set(day, 1, 31, &[], 0)?,
            months: set(month, 1, 12, &MONTHS, 1)?,
            weekdays,
            either: !day.starts_with('*') && !weekday.starts_with('*'),
        })
    }

    /// The first due time after `after`.
    pub fn next(&self, after: Timestamp) -> Option<Timestamp> {
        let first = (after.div_euclid(MINUTE_MS) + 1) * MINUTE_MS;
        let day = first.div_euclid(DAY_MS);
        (day..=day + SEARCH_DAYS).filter(|day| self.has_day(*day)).find_map(|day| {
            let start = day * DAY_MS;
            let from = ((first - start).max(0) / MINUTE_MS) as u32;
            (from..1440).find(|m| self.has_minute(*m)).map(|m| start + i64::from(m) * MINUTE_MS)
        })
    }

    /// The last due time up to and with `now`.
    pub fn latest(&self, now: Timestamp) -> Option<Timestamp> {
        let day = now.div_euclid(DAY_MS);
        (day - SEARCH_DAYS..=day).rev().filter(|day| self.has_day(*day)).find_map(|day| {
            let start = day * DAY_MS;
            let until = ((now - start) / MINUTE_MS).min(1439) as u32;
            (0..=until).rev().find(|m| self.has_minute(*m)).map(|m| start + i64::from(m) * MINUTE_MS)
        })
    }

    fn has_minute(&self, minute: u32) -> bool {
        self.hours >> (minute / 60) & 1 == 1 && self.minutes >> (minute % 60) & 1 == 1
    }

    fn has_day(&self, day: i64) -> bool {
        let date = utc(day * DAY_MS);
        let weekday = match date.weekday() {
            Weekday::Sunday => 0,
            other => other.number_from_monday(),
        };
        let of_month = self.days >> date.day() & 1 == 1;
        let of_week = self.weekdays >> weekday & 1 == 1;
        let fits = if self.either { of_month || of_week } else { of_month && of_week };
        self.months >> u8::from(date.month()) & 1 == 1 && fits
    }
}

fn clock_of(text: &str) -> Option<(u32, u32)> {
    let (hour, minute) = text.strip_suffix(" utc").unwrap_or(text).split_once(':')?;
    let two = |t: &str| (t.len() <= 2 && t.bytes().all(|b| b.is_ascii_digit())).then(|| t.parse().ok())?;
    let (hour, minute): (u32, u32) = (two(hour)?, two(minute)?);
    (hour < 24 && minute < 60).then_some((hour, minute))
}

/// Numbers, names, ranges, steps and lists of them, as bits.
fn set(text: &str, low: u32, high: u32, names: &[&str], first: u32) -> Option<u64> {
    let number = |t: &str| -> Option<u32> {
        let named = names.iter().position(|n| *n == t).map(|at| at as u32 + first);
        named.or_else(|| t.parse().ok()).filter(|n| (low..=high).contains(n))
    };
    let mut bits = 0u64;
    for part in text.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, step.parse::<u32>().ok().filter(|s| *s > 0)?),
            None => (part, 1),
        };
        let (from, to) = match range.split_once('-') {
            _ if range == "*" => (low, high),
            Some((from, to)) => (number(from)?, number(to)?),
            None if part.contains('/') => (number(range)?, high),
            None => (number(range)?, number(range)?),
        };
        if from > to {
            return None;
        }
        (from..=to).step_by(step as usize).for_each(|n| bits |= 1 << n);
    }
    Some(bits)
}
