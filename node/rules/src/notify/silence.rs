//! Silences, as Alertmanager's API knows them.

use super::Matchers;
use plimsoll_model::{MatchOp, Matcher, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Matchers of a silence.
const MATCHERS: usize = 100;

/// A silence: alerts that fit are told to nobody while it lasts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Silence {
    /// Its name, given when it is made.
    pub id: String,
    /// All have to fit.
    pub matchers: Vec<SilenceMatcher>,
    /// From when on.
    pub starts_at: Timestamp,
    /// Until when.
    pub ends_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
    /// By whom.
    pub created_by: String,
    /// Why.
    pub comment: String,
}

/// A matcher, as Alertmanager writes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SilenceMatcher {
    /// The label.
    pub name: String,
    /// The value or pattern.
    pub value: String,
    /// Whether it is a pattern.
    pub is_regex: bool,
    /// Whether it is to be equal rather than not.
    #[serde(default = "yes")]
    pub is_equal: bool,
}

fn yes() -> bool {
    true
}

/// Where a silence stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SilenceState {
    /// Not yet.
    Pending,
    /// Now.
    Active,
    /// No more.
    Expired,
}

impl SilenceState {
    /// As Alertmanager writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Expired => "expired",
        }
    }
}

impl SilenceMatcher {
    /// In the words of the model.
    pub fn matcher(&self) -> Matcher {
        let op = match (self.is_regex, self.is_equal) {
            (false, true) => MatchOp::Equal,
            (false, false) => MatchOp::NotEqual,
            (true, true) => MatchOp::Regex,
            (true, false) => MatchOp::NotRegex,
        };
        Matcher::new(&self.name, op, &self.value)
    }
}

impl Silence {
    /// Where it stands at `now`.
    pub fn state(&self, now: Timestamp) -> SilenceState {
        match now {
            _ if now >= self.ends_at => SilenceState::Expired,
            _ if now < self.starts_at => SilenceState::Pending,
            _ => SilenceState::Active,
        }
    }

    /// Its matchers, ready.
    pub fn matchers(&self) -> Result<Matchers, String> {
        Matchers::new(&self.matchers.iter().map(SilenceMatcher::matcher).collect::<Vec<_>>())
    }

    /// What is wrong with it, if anything is.
    pub fn check(&self, now: Timestamp) -> Result<(), String> {
        if self.matchers.is_empty() || self.matchers.len() > MATCHERS {
            return Err(format!("a silence has 1 to {MATCHERS} matchers"));
        }
        if self.matchers.iter().any(|m| m.name.is_empty()) {
            return Err("a matcher has no name".to_owned());
        }
        let matchers = self.matchers()?;
        if matchers.fit(&BTreeMap::new()) {
            return Err(
                "at least one matcher must not fit the empty value, or everything would be silent".to_owned()
            );
        }
        if self.ends_at <= self.starts_at {
            return Err("the end must be after the start".to_owned());
        }
        if self.ends_at <= now {
            return Err("the end must not be in the past".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn silence(matchers: &[(&str, &str, bool, bool)]) -> Silence {
        let one = |(n, v, is_regex, is_equal): &(&str, &str, bool, bool)| SilenceMatcher {
            name: (*n).to_owned(),
            value: (*v).to_owned(),
            is_regex: *is_regex,
            is_equal: *is_equal,
        };
        Silence {
            id: "x".to_owned(),
            matchers: matchers.iter().map(one).collect(),
            starts_at: 100,
            ends_at: 200,
            updated_at: 0,
            created_by: String::new(),
            comment: String::new(),
        }
    }

    #[test]
    fn a_silence_lasts_from_its_start_to_its_end() {
        let s = silence(&[("a", "b", false, true)]);
        let states = [50, 100, 199, 200].map(|now| s.state(now).name());
        assert_eq!(states, ["pending", "active", "active", "expired"]);
    }

    #[test]
    fn a_silence_of_everything_or_of_nothing_is_refused() {
        assert_eq!(silence(&[("a", "b", false, true)]).check(0), Ok(()));
        for bad in [
            &[][..],
            &[("a", ".*", true, true)],
            &[("a", "(", true, true)],
            &[("a", "x", false, false)],
            &[("", "x", false, true)],
        ] {
            assert!(silence(bad).check(0).is_err(), "{bad:?}");
        }
        assert!(silence(&[("a", "b", false, true)]).check(300).is_err());
        let fits =
            silence(&[("a", "b|c", true, true), ("d", "e", false, false)]).matchers().expect("matchers");
        assert!(fits.fit(&[("a".to_owned(), "c".to_owned())].into()));
        assert!(!fits.fit(&[("a".to_owned(), "c".to_owned()), ("d".to_owned(), "e".to_owned())].into()));
    }
}
