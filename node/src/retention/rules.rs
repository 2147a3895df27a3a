use plimsoll_cluster_config::Period;
use plimsoll_model::{Matcher, TimeRange, Timestamp};
use plimsoll_storage::Deletion;
use serde::{Deserialize, Serialize};

/// Where the rules are kept in the general store of the ownership state.
pub const NAMESPACE: &str = "retention";
/// Their one key.
pub const RULES_KEY: &str = "rules";

/// Rules that there may be: each costs a look at the index of every shard, again and again.
const MOST_RULES: usize = 50;
const DAY_MS: i64 = 86_400_000;
/// As the setting `storage.retention`.
const LONGEST_MS: i64 = 36_500 * DAY_MS;

/// Series that match are kept for so long.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// A selector.
    #[serde(rename = "match")]
    pub selector: String,
    /// A duration of a day at least: `7d`, `400d`.
    pub keep: String,
}

/// The rules as the ownership state holds them, as JSON. Of the rules that match a series the first one counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// In order.
    pub rules: Vec<Rule>,
}

impl Document {
    /// Reads what [`Self::encode`] wrote, or what an operator sent.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(bytes).map_err(|e| {
            format!("the rules should be {{\"rules\": [{{\"match\": \"{{job=\\\"x\\\"}}\", \"keep\": \"7d\"}}]}}: {e}")
        })
    }

    /// As bytes for the ownership state.
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("text is always JSON")
    }
}

/// Rules made ready.
#[derive(Clone, Debug)]
pub struct Policy {
    default_ms: i64,
    rules: Vec<(Rule, Vec<Matcher>, i64)>,
}

/// The series of one rule that no rule before it names.
#[derive(Clone, Debug)]
pub struct Class {
    /// Its rule; none for series that no rule names.
    pub rule: Option<Rule>,
    /// How long they are kept.
    pub keep_ms: i64,
    /// What is to go of them.
    pub deletion: Deletion,
}

impl Policy {
    /// Checks the rules; an error says which one is wrong and how.
    pub fn new(default_ms: i64, document: &Document) -> Result<Self, String> {
        if document.rules.len() > MOST_RULES {
            return Err(format!(
                "there may be {MOST_RULES} rules of retention, not {}",
                document.rules.len()
            ));
        }
        let mut rules: Vec<(Rule, Vec<Matcher>, i64)> = Vec::new();
        for rule in &document.rules {
            let bad = |reason: String| format!("rule {:?}: {reason}", rule.selector);
            let matchers = plimsoll_promql::parse_selector(&rule.selector).map_err(|e| bad(e.to_string()))?;
            let keep: Period = rule
                .keep
                .parse()
                .map_err(|()| bad(format!("keep {:?} is no duration such as 90d", rule.keep)))?;
            let keep_ms = i64::try_from(keep.duration().as_millis()).unwrap_or(i64::MAX);
            if !(DAY_MS..=LONGEST_MS).contains(&keep_ms) {
                return Err(bad(format!(
                    "keep is 1d to 100y, not {}: days are deleted as a whole",
                    rule.keep
                )));
            }
            if rules.iter().any(|(_, known, _)| *known == matchers) {
                return Err(bad("it stands there twice; the first one would always count".to_owned()));
            }
            rules.push((rule.clone(), matchers, keep_ms));
        }
        Ok(Self { default_ms, rules })
    }

    /// Rules under which nothing goes.
    pub fn forever() -> Self {
        Self { default_ms: i64::MAX, rules: Vec::new() }
    }

    /// The longest time that anything is kept for: what is older is neither taken nor shown.
    pub fn longest_ms(&self) -> i64 {
        self.rules.iter().map(|(.., keep)| *keep).fold(self.default_ms, i64::max)
    }

    /// From when on something may be kept.
    pub fn oldest(&self, now: Timestamp) -> Timestamp {
        now.saturating_sub(self.longest_ms())
    }

    /// What is to go at `now`, by rule and last for what no rule names. Days go as a whole, when the last sample of them
    /// is too old; what is kept longest goes to the millisecond.
    pub fn classes(&self, now: Timestamp) -> Vec<Class> {
        let all: Vec<Matcher> = Vec::new();
        let rules = self.rules.iter().map(|(rule, matchers, keep)| (Some(rule), matchers, *keep));
        let mut before: Vec<Vec<Matcher>> = Vec::new();
        let mut classes = Vec::new();
        for (rule, matchers, keep_ms) in rules.chain([(None, &all, self.default_ms)]) {
            let cut = now.saturating_sub(keep_ms);
            let end = cut.saturating_sub(cut.rem_euclid(DAY_MS)).max(self.oldest(now)).saturating_sub(1);
            let deletion = Deletion {
                number: 0,
                any_of: vec![matchers.clone()],
                none_of: before.clone(),
                range: TimeRange { start: Timestamp::MIN, end },
            };
            classes.push(Class { rule: rule.cloned(), keep_ms, deletion });
            before.push(matchers.clone());
        }
        classes
    }

    /// The deletions that carry the rules out, beside the expiry of all that is older than [`Self::oldest`].
    pub fn deletions(&self, now: Timestamp) -> Vec<Deletion> {
        let longest = self.longest_ms();
        let shorter = self.classes(now).into_iter().filter(|class| class.keep_ms < longest);
        shorter.map(|class| class.deletion).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = 20_000 * DAY_MS + 5;

    fn document(rules: &[(&str, &str)]) -> Document {
        let rule =
            |(selector, keep): &(&str, &str)| Rule { selector: (*selector).into(), keep: (*keep).into() };
        Document { rules: rules.iter().map(rule).collect() }
    }

    #[test]
    fn without_rules_only_the_expiry_of_all_is_needed() {
        let policy = Policy::new(30 * DAY_MS, &Document::default()).expect("no rules");
        assert_eq!(policy.oldest(NOW), NOW - 30 * DAY_MS);
        assert_eq!(policy.deletions(NOW), []);
        let class = &policy.classes(NOW)[0];
        assert_eq!(class.deletion.range.end, NOW - 30 * DAY_MS - 1, "to the millisecond");
    }

    #[test]
    fn each_class_goes_by_whole_days_and_leaves_out_what_rules_before_it_name() {
        let rules = document(&[("{job=\"debug\"}", "2d"), ("{job=~\"d.*\"}", "400d")]);
        let policy = Policy::new(30 * DAY_MS, &rules).expect("good rules");
        assert_eq!(policy.oldest(NOW), NOW - 400 * DAY_MS);
        let deletions = policy.deletions(NOW);
        let ends: Vec<i64> = deletions.iter().map(|d| d.range.end).collect();
        assert_eq!(ends, [19_998 * DAY_MS - 1, 19_970 * DAY_MS - 1]);
        assert_eq!(deletions[0].any_of, [[Matcher::equal("job", "debug")]]);
        assert!(deletions[0].none_of.is_empty());
        assert_eq!((deletions[1].any_of[0].len(), deletions[1].none_of.len()), (0, 2));
        assert!(deletions.iter().all(|d| d.number == 0), "they come again and again");
    }

    #[test]
    fn rules_that_cannot_be_meant_are_refused_with_what_is_wrong() {
        for (rules, reason) in [
            (document(&[("{job=", "7d")]), "{job="),
            (document(&[("{job=\"a\"}", "1h")]), "1d to 100y"),
            (document(&[("{job=\"a\"}", "soon")]), "soon"),
            (document(&[("{job=\"a\"}", "7d"), ("{job=\"a\"}", "8d")]), "twice"),
            (document(&vec![("{job=\"a\"}", "7d"); 51]), "50 rules"),
        ] {
            let error = Policy::new(DAY_MS, &rules).expect_err(reason);
            assert!(error.contains(reason), "{error}");
        }
        assert!(Document::read(b"{\"rules\": [{\"matc\": \"x\"}]}").is_err());
        let good = document(&[("up", "7d")]);
        assert_eq!(Document::read(&good.encode()), Ok(good));
        assert_eq!(Policy::forever().oldest(NOW), NOW - i64::MAX);
    }
}
