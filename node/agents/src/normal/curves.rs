use super::increase::Steps;
use super::{Lacks, Row, STEP_MS, State, TOUCH_MS, Total, Window};
use crate::money::Pico;
use plimsoll_model::{Labels, Timestamp};
use std::collections::BTreeMap;

/// How each canonical series goes on in a window.
#[derive(Clone, Debug, Default)]
pub(super) struct Curves {
    counts: BTreeMap<Labels, Steps>,
    money: BTreeMap<Labels, BTreeMap<Timestamp, Pico>>,
    gauges: BTreeMap<Labels, Steps>,
    /// Samples as they should be, from `rows` on.
    pub(super) points: BTreeMap<Labels, BTreeMap<Timestamp, f64>>,
}

impl Curves {
    pub(super) fn count(&mut self, labels: &Labels, steps: &Steps) {
        let to = self.counts.entry(labels.clone()).or_default();
        for (at, amount) in steps {
            *to.entry(*at).or_default() += amount;
        }
    }

    pub(super) fn spend(&mut self, labels: &Labels, steps: &BTreeMap<Timestamp, Pico>) {
        let to = self.money.entry(labels.clone()).or_default();
        for (at, amount) in steps {
            *to.entry(*at).or_default() += *amount;
        }
    }

    pub(super) fn gauge(&mut self, labels: &Labels, steps: &Steps) {
        self.gauges.entry(labels.clone()).or_default().extend(steps);
    }

    /// The samples that the store does not have as they should be. One that was written before and has no place now
    /// gets the value that its series has at that time: nothing has to be deleted to take an increase back.
    pub(super) fn rows(&mut self, state: &State, window: Window<'_>, lacks: &mut Lacks) -> Vec<Row> {
        for (labels, steps) in &self.counts {
            let total = state.total(labels, lacks);
            let mut value = total.value;
            let mut next = |amount: &f64| {
                value += amount;
                value
            };
            let points = steps.iter().map(|(at, amount)| (*at, next(amount))).collect();
            self.points.insert(labels.clone(), with_foot(total, points));
        }
        for (labels, steps) in &self.money {
            let total = state.total(labels, lacks);
            let mut value = Pico::of_dollars(total.value);
            let mut next = |amount: &Pico| {
                value += *amount;
                value.dollars()
            };
            let points = steps.iter().map(|(at, amount)| (*at, next(amount))).collect();
            self.points.insert(labels.clone(), with_foot(total, points));
        }
        self.points.extend(self.gauges.iter().map(|(labels, steps)| (labels.clone(), steps.clone())));
        let mut rows = Vec::new();
        let none = BTreeMap::new();
        for (labels, points) in &self.points {
            let stored = window.stored.get(labels).unwrap_or(&none);
            for (at, value) in points.iter().filter(|(at, value)| stored.get(*at) != Some(*value)) {
                rows.push(Row { labels: labels.clone(), timestamp: *at, value: *value });
            }
        }
        for (labels, stored) in window.stored {
            let points = self.points.get(labels).unwrap_or(&none);
            let orphans = stored.range(state.at + 1..=window.to).filter(|(at, _)| !points.contains_key(*at));
            for (at, present) in orphans {
                let before = points.range(..*at).next_back().map(|(_, value)| *value);
                let value = before.unwrap_or_else(|| state.total(labels, lacks).value);
                if value != *present {
                    rows.push(Row { labels: labels.clone(), timestamp: *at, value });
                }
            }
        }
        rows
    }
}

/// `points` with the old value a step before a rise that follows a silence, and 0 before the first sample ever.
fn with_foot(total: Total, points: BTreeMap<Timestamp, f64>) -> BTreeMap<Timestamp, f64> {
    let (mut before, mut value) = (total.at, total.value);
    let mut feet = Vec::new();
    for (at, next) in &points {
        if *next != value && before.is_none_or(|before| at - before > TOUCH_MS) {
            feet.push((at - STEP_MS, value));
        }
        (before, value) = (Some(*at), *next);
    }
    let mut out: BTreeMap<Timestamp, f64> = feet.into_iter().collect();
    out.extend(points);
    out
}
