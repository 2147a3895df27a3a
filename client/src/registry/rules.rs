//! Aggregation before sending: series that nobody asks for apart are joined in the process.
//!
//! Counts are joined by what they grew since the last flush, not by their values: so the sum of what is sent grows by
//! exactly what was counted, also when a label value loses its seat, comes back, or is forgotten.

use super::reading::{Expander, Reading, Value};
use plimsoll_model::{Labels, METRIC_NAME, Timestamp};
use std::collections::{BTreeMap, HashMap, HashSet};

/// What stands in place of the label values that have no seat.
pub const OTHER: &str = "other";

/// How much of a label value's activity is remembered from flush to flush.
const MEMORY: f64 = 0.9;

/// A rule of aggregation for the metrics of one name, or of all whose name begins so (`llm_*`), or of all (`*`).
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    metrics: String,
    what: What,
}

#[derive(Clone, Debug, PartialEq)]
enum What {
    Drop(String),
    Top { label: String, seats: usize },
    Gauges(Combine),
}

/// What becomes of gauges that a rule makes into one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Combine {
    /// Their sum.
    #[default]
    Sum,
    /// The largest.
    Max,
    /// The smallest.
    Min,
}

impl Rule {
    /// Takes `label` away; series that are the same without it are summed.
    pub fn drop_label(metrics: &str, label: &str) -> Self {
        Self { metrics: metrics.into(), what: What::Drop(label.into()) }
    }

    /// Keeps the `seats` most active values of `label` apart and sums all others under the value [`OTHER`].
    ///
    /// The activity is what the counters among `metrics` grew lately. A value gives up its seat only to one that is
    /// twice as active, so that series do not come and go with every flush.
    pub fn keep_top(metrics: &str, label: &str, seats: usize) -> Self {
        Self { metrics: metrics.into(), what: What::Top { label: label.into(), seats } }
    }

    /// How gauges are joined where other rules make one of several (by their sum).
    pub fn gauges(metrics: &str, combine: Combine) -> Self {
        Self { metrics: metrics.into(), what: What::Gauges(combine) }
    }

    fn covers(&self, name: &str) -> bool {
        match self.metrics.strip_suffix('*') {
            Some(beginning) => name.starts_with(beginning),
            None => name == self.metrics,
        }
    }
}

/// Applies rules to the readings of each flush.
#[derive(Debug, Default)]
pub(crate) struct Aggregator {
    rules: Vec<Rule>,
    /// What each metric said at the last flush, and whether it was ever told.
    inputs: HashMap<u64, Value>,
    outputs: BTreeMap<Labels, Reading>,
    /// For each rule its label values with their activity, and which of them have a seat.
    scores: Vec<HashMap<String, Score>>,
    last_flush: Timestamp,
}

#[derive(Clone, Copy, Debug, Default)]
struct Score {
    activity: f64,
    seated: bool,
    seen: bool,
}

impl Aggregator {
    pub fn new(rules: Vec<Rule>) -> Self {
        let scores = rules.iter().map(|_| HashMap::new()).collect();
        Self { rules, scores, ..Self::default() }
    }

    /// Tells `readings` to `out` as the rules want them.
    pub fn tell(&mut self, readings: &[Reading], at: Timestamp, out: &mut Expander<'_>) {
        self.seat(readings);
        let mut live = HashSet::with_capacity(readings.len());
        let mut gauges: BTreeMap<Labels, Reading> = BTreeMap::new();
        let mut told: HashSet<Labels> = HashSet::new();
        for reading in readings {
            live.insert(reading.id);
            let before = self.inputs.insert(reading.id, reading.value.clone());
            let labels = self.relabel(&reading.labels);
            if labels == reading.labels && !self.outputs.contains_key(&labels) && !self.is_ranked(reading) {
                out.tell(reading, at, before.is_none());
                continue;
            }
            match &reading.value {
                Value::Gauge(_) => self.join_gauge(&mut gauges, labels, reading),
                // Quantiles cannot be joined; each metric tells its own.
                Value::Summary(_) => out.tell(reading, at, before.is_none()),
                _ => {
                    told.insert(labels.clone());
                    self.join(labels, reading, before.as_ref(), at, out);
                }
            }
        }
        for labels in &told {
            if let Some(output) = self.outputs.get(labels) {
                out.tell(output, at, false);
            }
        }
        gauges.values().for_each(|gauge| out.tell(gauge, at, false));
        self.inputs.retain(|id, _| live.contains(id));
        // A series that nothing feeds any more ends; should it come back, it begins at zero, which is a reset.
        self.outputs.retain(|labels, _| told.contains(labels));
        self.last_flush = at;
    }

    /// Ends the gauges among `readings`.
    pub fn end(&self, readings: &[Reading], at: Timestamp, out: &mut Expander<'_>) {
        let mut ended = HashSet::new();
        for reading in readings.iter().filter(|reading| matches!(reading.value, Value::Gauge(_))) {
            let labels = self.relabel(&reading.labels);
            if ended.insert(labels.clone()) {
                out.end(&Reading { labels, ..reading.clone() }, at);
            }
        }
    }

    fn is_ranked(&self, reading: &Reading) -> bool {
        let name = reading.labels.metric_name().unwrap_or_default();
        let ranks = |rule: &&Rule| matches!(&rule.what, What::Top { label, .. } if reading.labels.get(label).is_some());
        self.rules.iter().filter(ranks).any(|rule| rule.covers(name))
    }

    /// Adds to the output `labels` what `reading` grew since `before`.
    fn join(
        &mut self,
        labels: Labels,
        reading: &Reading,
        before: Option<&Value>,
        at: Timestamp,
        out: &mut Expander<'_>,
    ) {
        let Some(zero) = reading.value.zero() else { return };
        let mut grown = reading.value.clone();
        if let Some(before) = before {
            grown.add(before, -1.0);
        }
        let last_flush = self.last_flush;
        let output = self.outputs.entry(labels).or_insert_with_key(|labels| {
            let born = reading.born.max(last_flush + 1).min(at - 1);
            let begun = Reading { id: 0, labels: labels.clone(), value: zero, born };
            // The beginning is told on its own; the value follows with the others.
            out.tell(&begun, born, false);
            begun
        });
        output.value.add(&grown, 1.0);
    }

    fn join_gauge(&self, gauges: &mut BTreeMap<Labels, Reading>, labels: Labels, reading: &Reading) {
        let Value::Gauge(value) = reading.value else { return };
        let name = labels.metric_name().unwrap_or_default().to_owned();
        match gauges.get_mut(&labels) {
            Some(Reading { value: Value::Gauge(joined), .. }) => {
                let how = self.rules.iter().rev().find_map(|rule| match rule.what {
                    What::Gauges(how) if rule.covers(&name) => Some(how),
                    _ => None,
                });
                *joined = match how.unwrap_or_default() {
                    Combine::Sum => *joined + value,
                    Combine::Max => joined.max(value),
                    Combine::Min => joined.min(value),
                };
            }
            _ => {
                gauges.insert(labels.clone(), Reading { labels, ..reading.clone() });
            }
        }
    }

    fn relabel(&self, labels: &Labels) -> Labels {
        let name = labels.metric_name().unwrap_or_default().to_owned();
        let mut out = labels.clone();
        for (rule, scores) in self.rules.iter().zip(&self.scores).filter(|(rule, _)| rule.covers(&name)) {
            match &rule.what {
                What::Drop(label) if label != METRIC_NAME && out.get(label).is_some() => {
                    out = out.with(label, "");
                }
                What::Top { label, .. } => {
                    let seated = |value: &str| scores.get(value).is_some_and(|score| score.seated);
                    if out.get(label).is_some_and(|value| !seated(value)) {
                        out = out.with(label, OTHER);
                    }
                }
                _ => {}
            }
        }
        out
    }

    /// Counts the activity of ranked label values, and gives the seats.
    fn seat(&mut self, readings: &[Reading]) {
        for (rule, scores) in self.rules.iter().zip(&mut self.scores) {
            let What::Top { label, seats } = &rule.what else { continue };
            for score in scores.values_mut() {
                score.activity *= MEMORY;
                score.seen = false;
            }
            for reading in readings {
                let name = reading.labels.metric_name().unwrap_or_default();
                let Some(value) = reading.labels.get(label).filter(|_| rule.covers(name)) else { continue };
                let before = self.inputs.get(&reading.id).map_or(0.0, Value::amount);
                let score = scores.entry(value.to_owned()).or_default();
                score.activity += (reading.value.amount() - before).max(0.0);
                score.seen = true;
            }
            scores.retain(|_, score| score.seen);
            give_seats(scores, *seats);
        }
    }
}

fn give_seats(scores: &mut HashMap<String, Score>, seats: usize) {
    let mut waiting: Vec<(f64, String)> =
        scores.iter().filter(|(_, s)| !s.seated).map(|(value, s)| (s.activity, value.clone())).collect();
    // The most active first; equals by their names, so that the same run gives the same seats.
    waiting.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    let mut taken: Vec<(f64, String)> =
        scores.iter().filter(|(_, s)| s.seated).map(|(value, s)| (s.activity, value.clone())).collect();
    taken.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    let mut change = |value: &str, seated| {
        if let Some(score) = scores.get_mut(value) {
            score.seated = seated;
        }
    };
    for (activity, newcomer) in waiting {
        if taken.len() < seats {
            change(&newcomer, true);
            taken.push((activity, newcomer));
            taken.sort_by(|a, b| b.0.total_cmp(&a.0));
            continue;
        }
        match taken.last() {
            Some((least, holder)) if activity > 2.0 * least => {
                change(holder, false);
                change(&newcomer, true);
                taken.pop();
                taken.push((activity, newcomer));
                taken.sort_by(|a, b| b.0.total_cmp(&a.0));
            }
            _ => break,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Sample, SampleValue};
    use proptest::{collection::vec, prelude::*};

    fn counter(id: u64, pairs: &[(&str, &str)], value: f64) -> Reading {
        let labels = Labels::from_pairs(pairs.iter().copied()).expect("labels");
        Reading { id, labels, value: Value::Counter(value), born: 0 }
    }

    fn told(
        aggregator: &mut Aggregator,
        readings: &[Reading],
        at: Timestamp,
    ) -> Vec<(String, Timestamp, f64)> {
        let mut out = Expander { common: &[], out: Vec::new() };
        aggregator.tell(readings, at, &mut out);
        let show = |s: Sample| match s.value {
            SampleValue::Float(v) => (s.labels.to_string(), s.timestamp, v),
            SampleValue::Histogram(_) => panic!("no histogram was told"),
        };
        out.out.into_iter().map(show).collect()
    }

    #[test]
    fn series_without_rules_are_told_as_they_are_with_their_beginning() {
        let mut a = Aggregator::new(Vec::new());
        let x = |v| [counter(1, &[("__name__", "x")], v)];
        assert_eq!(told(&mut a, &x(3.0), 10), [("x".into(), 0, 0.0), ("x".into(), 10, 3.0)]);
        assert_eq!(told(&mut a, &x(4.0), 20), [("x".into(), 20, 4.0)]);
    }

    #[test]
    fn a_dropped_label_sums_and_goes_on_when_a_part_is_gone() {
        let mut a = Aggregator::new(vec![Rule::drop_label("x*", "pod")]);
        let x = |id, pod, v| counter(id, &[("__name__", "xs"), ("pod", pod)], v);
        let first = told(&mut a, &[x(1, "a", 3.0), x(2, "b", 4.0)], 10);
        assert_eq!(first, [("xs".into(), 1, 0.0), ("xs".into(), 10, 7.0)]);
        // One pod is forgotten, another begins anew under the same labels: what is counted only grows.
        let second = told(&mut a, &[x(1, "a", 5.0), x(3, "b", 1.0)], 20);
        assert_eq!(second, [("xs".into(), 20, 10.0)]);
    }

    #[test]
    fn the_most_active_sessions_keep_their_own_series() {
        let mut a = Aggregator::new(vec![Rule::keep_top("t", "session", 2)]);
        let t = |id: u64, v| counter(id, &[("__name__", "t"), ("session", &format!("s{id}"))], v);
        let latest = |told: Vec<(String, Timestamp, f64)>, at| -> BTreeMap<String, f64> {
            told.into_iter().filter(|(_, t, _)| *t == at).map(|(series, _, v)| (series, v)).collect()
        };
        let show = |session: &str| format!("t{{session={session:?}}}");
        let first = latest(told(&mut a, &[t(1, 1.0), t(2, 10.0), t(3, 100.0)], 10), 10);
        let expected = [(show("other"), 1.0), (show("s2"), 10.0), (show("s3"), 100.0)];
        assert_eq!(first, BTreeMap::from(expected));
        // The first becomes the busiest and takes the seat of the quietest; its past stays where it was counted.
        let second = latest(told(&mut a, &[t(1, 1001.0), t(2, 12.0), t(3, 100.0)], 20), 20);
        let expected = [(show("other"), 3.0), (show("s1"), 1000.0), (show("s3"), 100.0)];
        assert_eq!(second, BTreeMap::from(expected));
    }

    #[test]
    fn gauges_are_joined_as_told() {
        let rules = vec![Rule::drop_label("*", "w"), Rule::gauges("peak", Combine::Max)];
        let mut a = Aggregator::new(rules);
        let gauge = |id, name, w, v| Reading {
            value: Value::Gauge(v),
            ..counter(id, &[("__name__", name), ("w", w)], 0.0)
        };
        let readings = [
            gauge(1, "peak", "a", 3.0),
            gauge(2, "peak", "b", 5.0),
            gauge(3, "n", "a", 3.0),
            gauge(4, "n", "b", 5.0),
        ];
        assert_eq!(told(&mut a, &readings, 10), [("n".into(), 10, 8.0), ("peak".into(), 10, 5.0)]);
    }

    proptest! {
        /// Whoever has a seat when: the increases of all that is told are the increases of all that was counted.
        #[test]
        fn nothing_is_counted_twice_or_lost(flushes in vec(vec(0..50u32, 6), 1..20), seats in 0..4usize) {
            let mut a = Aggregator::new(vec![Rule::keep_top("*", "s", seats)]);
            let mut totals = [0.0; 6];
            let mut last: HashMap<String, f64> = HashMap::new();
            let mut increase = 0.0;
            for (n, growth) in flushes.iter().enumerate() {
                for (total, more) in totals.iter_mut().zip(growth) {
                    *total += f64::from(*more);
                }
                let readings: Vec<_> = (0..6)
                    .map(|id| counter(id as u64, &[("__name__", "x"), ("s", &format!("v{id}"))], totals[id]))
                    .collect();
                for (series, _, value) in told(&mut a, &readings, 1000 * (n as i64 + 1)) {
                    let before = last.insert(series, value).unwrap_or(0.0);
                    increase += if value >= before { value - before } else { value };
                }
            }
            prop_assert_eq!(increase, totals.iter().sum::<f64>());
        }
    }
}
