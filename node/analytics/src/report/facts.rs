//! Increases under their names and labels, and which name counts where several say the same.

use crate::increase::Group;
use std::collections::{BTreeMap, BTreeSet};

/// Names of one thing, the canonical one first.
pub(super) type Family = [&'static str];

pub(super) const LOOPS: [&str; 2] = ["loop_execution_duration_seconds", "loop_execution_duration"];
pub(super) const ERRORS: [&str; 2] = ["loop_errors_total", "loop_errors"];
pub(super) const TOKENS: [&str; 3] = ["llm_tokens_total", "llm_tokens_used_total", "llm_tokens_used"];
pub(super) const COST: [&str; 1] = ["llm_cost_usd_total"];
pub(super) const TOOLS: [&str; 2] = ["tool_invocations_total", "tool_invocations"];
pub(super) const TOOL_SECONDS: [&str; 1] = ["tool_duration_seconds"];

const PARTS: [&str; 4] = ["", "_bucket", "_sum", "_count"];

pub(super) fn with_parts(histograms: &Family, counters: &Family) -> Vec<String> {
    let parts = histograms.iter().flat_map(|name| PARTS.map(|part| format!("{name}{part}")));
    parts.chain(counters.iter().map(|name| (*name).to_owned())).collect()
}

pub(super) fn plain(families: &[&Family]) -> Vec<String> {
    families.iter().flat_map(|f| f.iter()).map(|name| (*name).to_owned()).collect()
}

/// What was counted for a report. The first label is the metric's name, then come the report's keys.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Names of the keys.
    pub keys: Vec<String>,
    labels: Vec<String>,
    groups: Vec<Group>,
}

impl Facts {
    /// `groups` as [`crate::increase`] answers them for `__name__`, `keys` and `labels`, in this order.
    pub fn new(keys: Vec<String>, labels: &[&str], groups: Vec<Group>) -> Self {
        Self { keys, labels: labels.iter().map(|l| (*l).to_owned()).collect(), groups }
    }

    /// The labels to ask for.
    pub fn by(keys: &[String], labels: &[&str]) -> Vec<String> {
        let name = std::iter::once(plimsoll_model::METRIC_NAME.to_owned());
        name.chain(keys.iter().cloned()).chain(labels.iter().map(|l| (*l).to_owned())).collect()
    }

    /// Whether nothing was counted at all.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// The groups of a metric.
    pub(super) fn of<'a>(&'a self, name: &'a str) -> impl Iterator<Item = Fact<'a>> {
        let named = self.groups.iter().filter(move |g| g.key.first().is_some_and(|n| n == name));
        named.map(|group| Fact { facts: self, group })
    }

    /// The name of a family that is counted: the first that is there. The same loop may be told under two names, so
    /// that both together would count twice; the others are named in a note.
    pub(super) fn choose(
        &self,
        family: &Family,
        parts: bool,
        notes: &mut Vec<String>,
    ) -> Option<&'static str> {
        let there = |name: &&&'static str| {
            let all: &[&str] = if parts { &PARTS } else { &[""] };
            all.iter().any(|part| self.of(&format!("{name}{part}")).next().is_some())
        };
        let mut found = family.iter().filter(there);
        let chosen = found.next().copied()?;
        let total = |name: &str| -> f64 {
            let counter = if parts { format!("{name}_count") } else { name.to_owned() };
            self.of(&counter).map(Fact::total).sum()
        };
        // one that says the same is another name for it, and nothing is missing
        let differs = |other: &&&'static str| {
            let (own, others) = (total(chosen), total(other));
            (own - others).abs() > 1e-9 * own.abs()
        };
        for other in found.filter(differs) {
            notes.push(format!(
                "{other} has samples too and is not counted, because {chosen} is there: map one onto the other"
            ));
        }
        Some(chosen)
    }

    /// Notes on what could not be added.
    pub(super) fn left_out(&self, notes: &mut Vec<String>) {
        let names: BTreeSet<&str> = self
            .groups
            .iter()
            .filter(|g| g.left_out > 0)
            .filter_map(|g| g.key.first().map(String::as_str))
            .collect();
        for name in names {
            notes.push(format!(
                "{name} has native histograms with buckets that cannot be added to the others; some are left out"
            ));
        }
    }
}

/// A group with its labels.
#[derive(Clone, Copy)]
pub(super) struct Fact<'a> {
    facts: &'a Facts,
    pub group: &'a Group,
}

impl<'a> Fact<'a> {
    pub fn keys(self) -> Vec<String> {
        self.group.key.iter().skip(1).take(self.facts.keys.len()).cloned().collect()
    }

    pub fn label(self, name: &str) -> &'a str {
        let own = self.facts.labels.iter().position(|l| l == name).map(|at| 1 + self.facts.keys.len() + at);
        let at = own.or_else(|| self.facts.keys.iter().position(|k| k == name).map(|at| 1 + at));
        at.and_then(|at| self.group.key.get(at)).map_or("", String::as_str)
    }

    pub fn total(self) -> f64 {
        self.group.total.value()
    }
}

/// A histogram of a family under one set of keys, in either form.
#[derive(Clone, Debug, Default)]
pub(super) struct Durations {
    classic: BTreeMap<u64, (f64, f64)>,
    classic_count: f64,
    classic_sum: f64,
    native: plimsoll_promql::HistogramIncrease,
}

impl Durations {
    pub fn bucket(&mut self, le: &str, count: f64) {
        let bound = match le {
            "+Inf" | "Inf" => Some(f64::INFINITY),
            le => le.parse::<f64>().ok().filter(|b| !b.is_nan()),
        };
        if let Some(bound) = bound {
            // the order of the bits of positive floats is that of the numbers; negative durations are not told apart
            self.classic.entry(bound.max(0.0).to_bits()).or_insert((bound, 0.0)).1 += count;
        }
    }

    pub fn count(&mut self, count: f64) {
        self.classic_count += count;
    }

    pub fn sum(&mut self, sum: f64) {
        self.classic_sum += sum;
    }

    /// False when it cannot be added.
    pub fn native(&mut self, h: &plimsoll_promql::HistogramIncrease) -> bool {
        self.native.join(h.clone()).is_some()
    }

    /// Observations and their sum. Where both forms are there they tell the same twice, and the native one counts.
    pub fn figures(&self) -> (f64, f64) {
        let buckets = self.classic.last_key_value().map_or(0.0, |(_, (_, count))| *count);
        let classic = if self.classic_count > 0.0 { self.classic_count } else { buckets };
        match self.native.histogram() {
            Some(h) if h.count > 0.0 => (h.count, h.sum),
            _ => (classic, self.classic_sum),
        }
    }

    pub fn quantile(&self, q: f64) -> Option<f64> {
        let value = match self.native.histogram() {
            Some(h) if h.count > 0.0 => plimsoll_promql::quantile_of_histogram(q, &h),
            _ => {
                let mut buckets: Vec<(f64, f64)> = self.classic.values().copied().collect();
                plimsoll_promql::quantile_of_buckets(q, &mut buckets)
            }
        };
        value.is_finite().then_some(value)
    }
}

impl Durations {
    /// Adds another histogram of the same family, each in the form that counts for it.
    pub fn merge(&mut self, other: &Self) {
        let native = other.native.histogram().is_some_and(|h| h.count > 0.0);
        if native && self.native(&other.native) {
            return;
        }
        for (bits, (bound, count)) in &other.classic {
            self.classic.entry(*bits).or_insert((*bound, 0.0)).1 += count;
        }
        self.classic_count += other.classic_count;
        self.classic_sum += other.classic_sum;
    }
}
