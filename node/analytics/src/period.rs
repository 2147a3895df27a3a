use plimsoll_model::Timestamp;

const DAY_MS: i64 = 86_400_000;
/// Longer periods are refused: a report reads every sample of them.
pub const LONGEST_MS: i64 = 400 * DAY_MS;

/// What a report is about: after `from`, up to and with `to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// The last moment before it.
    pub from: Timestamp,
    /// Its last moment.
    pub to: Timestamp,
}

/// Which earlier period a report is held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compare {
    /// The one that ends where this one begins.
    Previous,
    /// The same hours of the week before.
    LastWeek,
    /// The one that began so many milliseconds before this one.
    Before(i64),
}

/// Why something is not a period or a comparison.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It ends before it begins.
    #[error("the report's end must be after its begin: set `to` later than `from`")]
    Reversed,
    /// It is too long.
    #[error("a report covers at most 400 days: choose a later `from`")]
    TooLong,
    /// Not a comparison.
    #[error("{0:?} is nothing to compare with: write previous, week, or a duration such as 1d")]
    Compare(String),
}

impl Period {
    /// A period, checked.
    pub fn new(from: Timestamp, to: Timestamp) -> Result<Self, Error> {
        match to.checked_sub(from) {
            Some(length) if length > LONGEST_MS => Err(Error::TooLong),
            Some(length) if length > 0 => Ok(Self { from, to }),
            Some(_) => Err(Error::Reversed),
            None => Err(Error::TooLong),
        }
    }

    /// How long it is.
    pub fn length_ms(&self) -> i64 {
        self.to - self.from
    }

    /// The earlier period of equal length.
    pub fn earlier(&self, compare: Compare) -> Self {
        let by = match compare {
            Compare::Previous => self.length_ms(),
            Compare::LastWeek => 7 * DAY_MS,
            Compare::Before(ms) => ms,
        };
        Self { from: self.from.saturating_sub(by), to: self.to.saturating_sub(by) }
    }
}

impl Compare {
    /// Reads `previous`, `week` or a duration.
    pub fn parse(text: &str) -> Result<Self, Error> {
        match text {
            "previous" => Ok(Self::Previous),
            "week" => Ok(Self::LastWeek),
            _ => match plimsoll_promql::parse_duration(text) {
                Some(ms) if ms > 0 => Ok(Self::Before(ms)),
                _ => Err(Error::Compare(text.to_owned())),
            },
        }
    }

    /// As a person says it.
    pub fn name(&self) -> String {
        match self {
            Self::Previous => "the previous period".to_owned(),
            Self::LastWeek => "the same period last week".to_owned(),
            Self::Before(ms) => format!("{} before", plimsoll_promql::format_duration(*ms)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn earlier_periods_have_the_same_length() {
        let day = Period::new(10 * DAY_MS, 11 * DAY_MS).expect("a day");
        assert_eq!(day.earlier(Compare::Previous), Period { from: 9 * DAY_MS, to: 10 * DAY_MS });
        assert_eq!(day.earlier(Compare::LastWeek), Period { from: 3 * DAY_MS, to: 4 * DAY_MS });
        assert_eq!(day.earlier(Compare::Before(5)), Period { from: 10 * DAY_MS - 5, to: 11 * DAY_MS - 5 });
    }

    #[test]
    fn what_is_no_period_or_comparison_is_refused() {
        assert_eq!(Period::new(5, 5), Err(Error::Reversed));
        assert_eq!(Period::new(0, LONGEST_MS + 1), Err(Error::TooLong));
        assert_eq!(Period::new(i64::MIN, i64::MAX), Err(Error::TooLong));
        assert_eq!(Compare::parse("1d12h"), Ok(Compare::Before(36 * 3_600_000)));
        for text in ["", "yesterday", "0s", "-1d", "1"] {
            assert!(Compare::parse(text).is_err(), "{text}");
        }
    }
}
