//! Budgets: a limit for a period, and what becomes of it.

use crate::document::{Fault, matches, read};
use crate::money::Pico;
use crate::{SESSION_LABEL, SOURCE_LABEL};
use plimsoll_model::{Labels, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use time::{Date, Duration, Month, OffsetDateTime};

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// Labels that a budget may be split by.
const MOST_GROUPS: usize = 8;

/// How long a budget lasts, by UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Period {
    /// From midnight.
    Day,
    /// From Monday.
    Week,
    /// From the first of the month.
    Month,
}

/// As it is written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    name: String,
    limit_usd: String,
    period: Period,
    #[serde(default, rename = "match", skip_serializing_if = "BTreeMap::is_empty")]
    matching: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    group: Vec<String>,
}

/// A budget.
#[derive(Clone, Debug, PartialEq)]
pub struct Budget {
    document: Document,
    limit: Pico,
}

impl Budget {
    /// Reads and checks a budget.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let document: Document = read(text)?;
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        let name = &document.name;
        if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
            return Err(Fault::new("name", "has 1 to 64 letters, digits, `.`, `_` and `-`"));
        }
        let limit = Pico::amount(&document.limit_usd).map_err(|e| Fault::new("limit_usd", e))?;
        if limit.0 == 0 {
            return Err(Fault::new("limit_usd", "must be more than 0"));
        }
        let own = ["__name__", SOURCE_LABEL, "budget", "period", "window", ""];
        for (at, label) in document.group.iter().enumerate() {
            let twice = document.group[..at].contains(label);
            if own.contains(&label.as_str()) || label == SESSION_LABEL || twice {
                return Err(Fault::new("group", format!("{label:?} cannot be a group")));
            }
        }
        if document.group.len() > MOST_GROUPS || document.matching.len() > MOST_GROUPS {
            return Err(Fault::new("group", format!("at most {MOST_GROUPS} groups and matched labels")));
        }
        if let Some(empty) = document.matching.keys().find(|label| label.is_empty()) {
            return Err(Fault::new("match", format!("{empty:?} is no label")));
        }
        Ok(Self { document, limit })
    }

    /// The budget as text.
    pub fn text(&self) -> String {
        toml::to_string(&self.document).unwrap_or_default()
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.document.name
    }

    /// What may be spent in a period, of each group.
    pub fn limit(&self) -> Pico {
        self.limit
    }

    /// How long it lasts.
    pub fn period(&self) -> Period {
        self.document.period
    }

    /// Labels and patterns of their values, in which `*` stands for any text.
    pub fn matching(&self) -> &BTreeMap<String, String> {
        &self.document.matching
    }

    /// Labels by which it is split.
    pub fn group(&self) -> &[String] {
        &self.document.group
    }

    /// Whether what these labels of a cost stand for is paid from it.
    pub fn takes(&self, cost: &Labels) -> bool {
        self.document.matching.iter().all(|(label, pattern)| matches(pattern, cost.get(label).unwrap_or("")))
    }
}

impl Period {
    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
        }
    }

    /// The period that `at` lies in: its first moment and that of the next one.
    pub fn around(self, at: Timestamp) -> (Timestamp, Timestamp) {
        let day =
            OffsetDateTime::from_unix_timestamp(at.div_euclid(1000)).map_or(Date::MIN, OffsetDateTime::date);
        let (first, next) = match self {
            Self::Day => (day, day + Duration::DAY),
            Self::Week => {
                let monday = day - Duration::days(i64::from(day.weekday().number_days_from_monday()));
                (monday, monday + Duration::WEEK)
            }
            Self::Month => {
                let first = day.replace_day(1).unwrap_or(day);
                let year = first.year() + i32::from(first.month() == Month::December);
                (first, Date::from_calendar_date(year, first.month().next(), 1).unwrap_or(first))
            }
        };
        let ms = |day: Date| day.midnight().assume_utc().unix_timestamp() * 1000;
        (ms(first), ms(next))
    }
}

/// What was spent of a budget by a group, at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Figures {
    /// Since the period began.
    pub period: Pico,
    /// In the last hour.
    pub hour: Pico,
    /// In the last six hours.
    pub six_hours: Pico,
    /// In the last day.
    pub day: Pico,
    /// Since when there is anything to know: a younger budget has no whole day behind it.
    pub since: Timestamp,
}

/// How a budget stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Standing {
    /// Spent in this period.
    pub spent: Pico,
    /// Spending of the last hour as a multiple of what would spend the limit evenly over the period.
    pub burn_1h: f64,
    /// The same of six hours.
    pub burn_6h: f64,
    /// What will have been spent at the end of the period when the last day's pace goes on.
    pub forecast_usd: f64,
    /// Days until the limit is reached at that pace; infinite when nothing is spent, 0 when it is reached.
    pub days_left: f64,
}

impl Standing {
    /// How `budget` stands at `now`.
    pub fn of(budget: &Budget, figures: Figures, now: Timestamp) -> Self {
        let (first, next) = budget.period().around(now);
        let limit = budget.limit().dollars();
        let even = limit / (next - first) as f64;
        // a budget of ten minutes has spent nothing in the fifty before them
        let burn = |spent: Pico, window: i64| spent.dollars() / window as f64 / even;
        let pace_ms = (now - figures.since).clamp(HOUR_MS, DAY_MS);
        let pace = figures.day.dollars() / pace_ms as f64;
        let left = limit - figures.period.dollars();
        let days_left = match (left <= 0.0, pace > 0.0) {
            (true, _) => 0.0,
            (false, true) => left / pace / DAY_MS as f64,
            (false, false) => f64::INFINITY,
        };
        Self {
            spent: figures.period,
            burn_1h: burn(figures.hour, HOUR_MS),
            burn_6h: burn(figures.six_hours, 6 * HOUR_MS),
            forecast_usd: figures.period.dollars() + pace * (next - now) as f64,
            days_left,
        }
    }
}
