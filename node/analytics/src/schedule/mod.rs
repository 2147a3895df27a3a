//! Reports that are sent by themselves: what, when, where to. All times are UTC.

mod when;

pub use when::{When, WhenError};

use crate::render::Format;
use crate::report::Kind;
use crate::{Compare, Period};
use plimsoll_model::Timestamp;
use serde::{Deserialize, Serialize};

const NAME_CHARS: usize = 64;
const URL_BYTES: usize = 2048;
/// Reports closer together than this are what a dashboard is for.
const LEAST_GAP_MS: i64 = 5 * 60_000;

/// A schedule, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// Its name.
    pub name: String,
    /// Which report.
    pub report: Kind,
    /// When: `daily at 07:00`, `mon at 07:00`, `hourly`, or five fields of cron; UTC.
    pub when: String,
    /// Where to.
    pub to: Target,
    /// In which form.
    #[serde(default = "html")]
    pub format: Format,
    /// The length of the period in milliseconds; from one due time to the next where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period_ms: Option<i64>,
    /// What it is held against.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compare: Option<String>,
    /// Labels that rows are told apart by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub by: Vec<String>,
    /// Only series that this selects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<String>,
    /// When it was made; nothing is due before.
    #[serde(default)]
    pub created_ms: Timestamp,
}

/// Where a report goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Target {
    /// A file in the folder `reports` of the data folder of the node that makes it.
    File,
    /// An address that it is posted to.
    Webhook(String),
}

/// What is wrong with a schedule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Wrong(String);

fn html() -> Format {
    Format::Html
}

/// Whether a name can be a file's and a label's: letters, digits, `.`, `_`, `-`, and no `.` in front.
pub fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    !name.is_empty() && name.len() <= NAME_CHARS && name.chars().all(plain) && !name.starts_with('.')
}

impl Schedule {
    /// Checks it, `now` being the moment.
    pub fn check(&self, now: Timestamp) -> Result<(), Wrong> {
        let wrong = |text: String| Err(Wrong(text));
        if !is_name(&self.name) {
            let rule = "1 to 64 letters, digits, `.`, `_` and `-`, and no `.` in front";
            return wrong(format!("a schedule's name has {rule}"));
        }
        let when = When::parse(&self.when).map_err(|e| Wrong(e.to_string()))?;
        let mut last = now;
        for _ in 0..24 {
            let Some(next) = when.next(last) else {
                return wrong(format!("{:?} is never due", self.when));
            };
            if last != now && next - last < LEAST_GAP_MS {
                return wrong("a report is sent every five minutes at most: choose rarer times".to_owned());
            }
            last = next;
        }
        if let Target::Webhook(url) = &self.to {
            let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
            let host = rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'));
            if !host || url.len() > URL_BYTES || url.chars().any(|c| c.is_whitespace() || c.is_control()) {
                return wrong("a webhook is an address such as https://host/path".to_owned());
            }
        }
        if let Some(compare) = &self.compare {
            Compare::parse(compare).map_err(|e| Wrong(e.to_string()))?;
            if self.report == Kind::Health {
                return wrong("health is told for now, and not compared".to_owned());
            }
        }
        if self.period_ms.is_some_and(|ms| Period::new(0, ms).is_err()) {
            return wrong("the period is a duration of at most 400 days".to_owned());
        }
        if let Some(selector) = &self.selector {
            plimsoll_promql::parse_selector(selector).map_err(|e| Wrong(format!("match: {e}")))?;
        }
        Ok(())
    }

    /// The last due time up to `now`, if it is after `done`, the one that was seen to last, and after the schedule was
    /// made. Of several that were missed it is the last: the others are over.
    pub fn due(&self, now: Timestamp, done: Option<Timestamp>) -> Option<Timestamp> {
        let due = When::parse(&self.when).ok()?.latest(now)?;
        let after = done.unwrap_or(i64::MIN).max(self.created_ms);
        (due > after).then_some(due)
    }

    /// The period of the report that is due at `due`.
    pub fn period(&self, due: Timestamp) -> Period {
        let from = match self.period_ms {
            Some(ms) => due - ms,
            None => When::parse(&self.when).ok().and_then(|w| w.latest(due - 1)).unwrap_or(due - 86_400_000),
        };
        Period { from, to: due }
    }

    /// The file of the report that is due at `due`: the same one when it is made again.
    pub fn file(&self, due: Timestamp) -> String {
        format!("{}-{}.{}", self.name, crate::time::compact(due), self.format.ending())
    }
}
