use super::Index;
use super::pattern::{Pattern, Patterns};
use crate::Error;
use plimsoll_model::{MatchOp, Matcher};
use roaring::RoaringBitmap;
use std::sync::Arc;

/// A matcher made ready.
struct Condition {
    name: String,
    test: Test,
    negated: bool,
}

enum Test {
    Equal(String),
    Pattern(Arc<Pattern>),
}

impl Test {
    fn matches(&self, value: &str) -> bool {
        match self {
            Self::Equal(v) => v == value,
            Self::Pattern(p) => p.matches(value),
        }
    }
}

/// Matchers made ready, to be asked of an index.
pub(crate) struct Conditions(Vec<Condition>);

impl Conditions {
    /// Compiles `matchers`; a regex that is malformed or too large is an error.
    pub(crate) fn new(matchers: &[Matcher], patterns: &Patterns) -> Result<Self, Error> {
        let condition = |m: &Matcher| {
            let test = match m.op {
                MatchOp::Equal | MatchOp::NotEqual => Test::Equal(m.value.clone()),
                MatchOp::Regex | MatchOp::NotRegex => Test::Pattern(patterns.get(&m.value)?),
            };
            let negated = matches!(m.op, MatchOp::NotEqual | MatchOp::NotRegex);
            Ok(Condition { name: m.name.clone(), test, negated })
        };
        matchers.iter().map(condition).collect::<Result<_, Error>>().map(Self)
    }
}

impl Index {
    /// The series of `among` that meet all conditions. A label that is absent has the empty value.
    pub(crate) fn matching(&self, conditions: &Conditions, among: &RoaringBitmap) -> RoaringBitmap {
        // Equality is the cheapest and the most selective: it goes first.
        let mut order: Vec<&Condition> = conditions.0.iter().collect();
        order.sort_by_key(|c| (c.negated, !matches!(c.test, Test::Equal(_))));
        let mut result: Option<RoaringBitmap> = None;
        for c in order {
            if result.as_ref().is_some_and(RoaringBitmap::is_empty) {
                break;
            }
            // Where an absent label meets the condition, the series that have another value are taken away;
            // elsewhere the series that have a good value are kept.
            let absent_counts = c.test.matches("") != c.negated;
            let with = self.having(&c.name, &c.test, c.negated == absent_counts);
            let base = result.take();
            result = Some(match (absent_counts, base) {
                (false, Some(mut base)) => {
                    base &= with;
                    base
                }
                (false, None) => with & among,
                (true, base) => base.unwrap_or_else(|| among.clone()) - with,
            });
        }
        match result {
            Some(mut result) => {
                result &= among;
                result
            }
            None => among.clone(),
        }
    }

    /// Series with a value of `name` for which the test answers `wanted`.
    fn having(&self, name: &str, test: &Test, wanted: bool) -> RoaringBitmap {
        let mut out = RoaringBitmap::new();
        let Some(name) = self.name(name) else { return out };
        let literals = match test {
            Test::Equal(v) => Some(std::slice::from_ref(v)),
            Test::Pattern(p) => p.literals(),
        };
        if let (Some(literals), true) = (literals, wanted) {
            for p in literals.iter().filter_map(|v| self.pair_of(name, v)) {
                self.pairs[p as usize].series.add_to(&mut out);
            }
            return out;
        }
        for p in &self.names[name as usize].pairs {
            let pair = &self.pairs[p as usize];
            if test.matches(&pair.value) == wanted {
                pair.series.add_to(&mut out);
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use plimsoll_model::Labels;
    use proptest::prelude::*;

    fn small() -> impl Strategy<Value = String> {
        prop_oneof![Just(""), Just("a"), Just("b"), Just("ab"), Just("abc")].prop_map(str::to_owned)
    }

    fn matcher() -> impl Strategy<Value = Matcher> {
        let op = prop_oneof![
            Just(MatchOp::Equal),
            Just(MatchOp::NotEqual),
            Just(MatchOp::Regex),
            Just(MatchOp::NotRegex)
        ];
        let value = prop_oneof![
            small(),
            prop_oneof![
                Just("a|b"),
                Just("a.*"),
                Just(".*"),
                Just(".+"),
                Just("a?"),
                Just(".*b.*"),
                Just("|a")
            ]
            .prop_map(str::to_owned)
        ];
        let name = prop_oneof![Just("x"), Just("y"), Just("never")];
        (name, op, value).prop_map(|(n, o, v)| Matcher::new(n, o, v))
    }

    fn meets(m: &Matcher, labels: &Labels) -> bool {
        let value = labels.get(&m.name).unwrap_or("");
        let regex = || regex_automata::meta::Regex::new(&format!("^(?s:{})$", m.value)).expect("a regex");
        match m.op {
            MatchOp::Equal => value == m.value,
            MatchOp::NotEqual => value != m.value,
            MatchOp::Regex => regex().is_match(value),
            MatchOp::NotRegex => !regex().is_match(value),
        }
    }

    proptest! {
        #[test]
        fn matchers_choose_what_a_scan_chooses(
            series in proptest::collection::vec((small(), small()), 1..30),
            matchers in proptest::collection::vec(matcher(), 0..4),
        ) {
            let mut index = Index::default();
            let mut all = std::collections::BTreeMap::new();
            for (x, y) in series {
                let labels = Labels::from_pairs([("x", x), ("y", y)]).expect("labels");
                all.insert(index.define(&labels).0.0, labels);
            }
            let conditions = Conditions::new(&matchers, &Patterns::default()).expect("good regexes");
            let found: Vec<u32> = index.matching(&conditions, index.all()).into_iter().collect();
            let expected: Vec<u32> =
                all.iter().filter(|(_, l)| matchers.iter().all(|m| meets(m, l))).map(|(r, _)| *r).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
