//! What the tokens of a past range cost by a price book, whatever book held then.

use super::Error;
use super::store::Store;
use plimsoll_agents::{Book, Costs, Pico, Steps, TOKENS};
use plimsoll_model::{Labels, LabelsBuilder, METRIC_NAME, Matcher, Timestamp};
use std::collections::{BTreeMap, HashMap};

/// Samples of one stretch are read at a time.
const STRETCH_MS: i64 = 6 * 3_600_000;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// After this.
    pub start: Timestamp,
    /// Up to this.
    pub end: Timestamp,
    /// Which tokens.
    pub matchers: Vec<Matcher>,
    /// Labels by which the answer is split.
    pub by: Vec<String>,
}

/// Tokens of a group and what they cost.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Costed {
    /// Tokens.
    pub tokens: f64,
    /// Tokens without a price.
    pub unpriced: f64,
    /// What the others cost.
    pub cost: Pico,
}

/// What tokens cost by `book`. Counts what each series rose by; one that begins in the range begins with 0 where this node
/// made it, and where somebody sent it, its first value counts.
pub async fn recost(store: &Store, book: &Book, wanted: &Wanted) -> Result<BTreeMap<Labels, Costed>, Error> {
    let selector = selector(&wanted.matchers);
    let mut last: HashMap<Labels, f64> = HashMap::new();
    let before = format!("last_over_time({selector}[{}ms])", store.retention_ms);
    for (labels, value) in store.vector(before, wanted.start).await? {
        last.insert(labels.with(METRIC_NAME, TOKENS), value);
    }
    let mut groups: BTreeMap<Labels, Costed> = BTreeMap::new();
    let mut from = wanted.start;
    while from < wanted.end {
        let to = (from + STRETCH_MS).min(wanted.end);
        for series in store.samples(&selector, from, to).await? {
            let labels = series.labels.with(METRIC_NAME, TOKENS);
            let steps = rises(&mut last, &labels, &series.floats);
            let costs = Costs::of(book, &labels, &steps);
            let group = groups.entry(group(&labels, &wanted.by)).or_default();
            group.tokens += steps.values().sum::<f64>();
            group.unpriced += costs.unpriced.values().sum::<f64>();
            costs.priced.values().for_each(|cost| group.cost += *cost);
        }
        from = to;
    }
    Ok(groups)
}

/// What a series rose by, at each of its samples.
fn rises(last: &mut HashMap<Labels, f64>, labels: &Labels, samples: &[(Timestamp, f64)]) -> Steps {
    let mut steps = Steps::new();
    let mut before = last.get(labels).copied();
    for (at, value) in samples {
        let rise = match before {
            Some(before) if *value >= before => value - before,
            _ => *value,
        };
        if rise != 0.0 {
            *steps.entry(*at).or_default() += rise;
        }
        before = Some(*value);
    }
    if let Some(value) = before {
        last.insert(labels.clone(), value);
    }
    steps
}

fn group(labels: &Labels, by: &[String]) -> Labels {
    let mut group = LabelsBuilder::default();
    for label in by {
        group.push(label, labels.get(label).unwrap_or(""));
    }
    group.finish().unwrap_or_default()
}

fn selector(matchers: &[Matcher]) -> String {
    let others =
        matchers.iter().map(|m| format!(",\"{}\"{}{}", m.name, m.op.symbol(), super::quoted(&m.value)));
    format!("{{{METRIC_NAME}=\"{TOKENS}\"{}}}", others.collect::<String>())
}
