//! Partial states of groups: what a shard knows of each group, in columns over the steps, and how states of
//! several shards are joined.

use super::bits::Bits;
use super::frame::{Frame, Row, labels_as_bytes};
use crate::ast::{AggregateOp, Span};
use crate::hist::{HistogramMath, Total};
use crate::notes::{Notes, Operation};
use plimsoll_model::{Histogram, Labels, METRIC_NAME, ResetHint};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// The state of one group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Group {
    #[serde(with = "labels_as_bytes")]
    pub(crate) labels: Labels,
    drop_name: bool,
    /// Where there was a float (any sample for `count` and `group`).
    seen: Bits,
    /// Sum; extreme; mean of deviations.
    a: Vec<f64>,
    /// Compensation of the sum; squared deviations.
    b: Vec<f64>,
    /// Number of samples.
    n: Vec<f64>,
    /// Running means at steps where the sum of an average would overflow.
    means: BTreeMap<usize, (f64, f64)>,
    histograms: BTreeMap<usize, HistogramState>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct HistogramState {
    total: Total,
    n: f64,
    /// Whether `total` is a mean, because the sum would overflow.
    is_mean: bool,
    incompatible: bool,
    reset_seen: bool,
    no_reset_seen: bool,
}

/// All groups of an aggregation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Groups {
    pub(crate) op: AggregateOp,
    pub(crate) steps: usize,
    pub(crate) groups: Vec<Group>,
}

impl Groups {
    pub(crate) fn new(op: AggregateOp, steps: usize, labels: Vec<Labels>) -> Self {
        let groups = labels.into_iter().map(|labels| Group::new(op, steps, labels)).collect();
        Self { op, steps, groups }
    }

    /// Takes `row` into the group number `group`.
    pub(crate) fn add(&mut self, group: usize, row: &Row, name: &str, span: Span, notes: &mut Notes) {
        let op = self.op;
        let group = &mut self.groups[group];
        group.drop_name |= row.drop_name;
        match op {
            AggregateOp::Count | AggregateOp::Group => group.count(row),
            AggregateOp::Sum | AggregateOp::Avg => {
                group.sum(row, op == AggregateOp::Avg);
                if let Some(histograms) = &row.histograms {
                    let name = row.labels.get(METRIC_NAME).unwrap_or(name);
                    group.sum_histograms(histograms, op == AggregateOp::Avg, name, span, notes);
                }
            }
            _ => {
                if row.histograms.as_ref().is_some_and(|h| h.iter().any(Option::is_some)) {
                    notes.ignored_in_aggregation(span, op.name());
                }
                match op {
                    AggregateOp::Min => group.extreme(row, |v, best| v < best),
                    AggregateOp::Max => group.extreme(row, |v, best| v > best),
                    _ => group.deviate(row),
                }
            }
        }
    }

    /// Joins the groups of another shard or block.
    pub(crate) fn join(&mut self, other: Self, span: Span, notes: &mut Notes) {
        let mut index: HashMap<Labels, usize> =
            self.groups.iter().enumerate().map(|(i, g)| (g.labels.clone(), i)).collect();
        for group in other.groups {
            match index.get(&group.labels) {
                Some(&at) => self.groups[at].join(self.op, group, span, notes),
                None => {
                    index.insert(group.labels.clone(), self.groups.len());
                    self.groups.push(group);
                }
            }
        }
    }

    /// Joins groups that stand at the same places.
    pub(crate) fn join_aligned(&mut self, other: Self, span: Span, notes: &mut Notes) {
        for (mine, theirs) in self.groups.iter_mut().zip(other.groups) {
            mine.join(self.op, theirs, span, notes);
        }
    }

    /// The values of the groups.
    pub(crate) fn finish(self, span: Span, notes: &mut Notes) -> Frame {
        let mut frame = Frame::new(self.steps);
        for group in self.groups {
            let row = group.finish(self.op, self.steps, span, notes);
            if !row.is_empty() {
                frame.rows.push(row);
            }
        }
        frame
    }
}

impl Group {
    fn new(op: AggregateOp, steps: usize, labels: Labels) -> Self {
        use AggregateOp::{Avg, Count, Group as G, Max, Min, Stddev, Stdvar, Sum};
        let column = |wanted: bool| if wanted { vec![0.0; steps] } else { Vec::new() };
        Self {
            labels,
            drop_name: false,
            seen: Bits::none(steps),
            a: column(!matches!(op, Count | G)),
            b: column(matches!(op, Sum | Avg | Stddev | Stdvar)),
            n: column(!matches!(op, Sum | Min | Max | G)),
            means: BTreeMap::new(),
            histograms: BTreeMap::new(),
        }
    }

    fn count(&mut self, row: &Row) {
        let presence = row.presence();
        self.seen.union(&presence);
        if self.n.is_empty() {
            return;
        }
        if presence.is_full() {
            self.n.iter_mut().for_each(|n| *n += 1.0);
        } else {
            presence.ones().for_each(|step| self.n[step] += 1.0);
        }
    }

    fn sum(&mut self, row: &Row, average: bool) {
        self.seen.union(&row.present);
        if average {
            return self.average(row);
        }
        let add = |a: &mut f64, b: &mut f64, v: f64| {
            (*a, *b) = super::kernels::neumaier(v, *a, *b);
        };
        if row.present.is_full() {
            for ((a, b), v) in self.a.iter_mut().zip(&mut self.b).zip(&row.values) {
                add(a, b, *v);
            }
        } else {
            for step in row.present.ones() {
                add(&mut self.a[step], &mut self.b[step], row.values[step]);
            }
        }
    }

    fn average(&mut self, row: &Row) {
        if row.present.is_full() && self.means.is_empty() {
            let sums = self.a.iter().zip(&row.values);
            let overflow = sums.fold(0u64, |any, (a, v)| any | u64::from((a + v).is_infinite()));
            if overflow == 0 {
                let columns = self.a.iter_mut().zip(&mut self.b).zip(&mut self.n);
                for (((a, b), n), v) in columns.zip(&row.values) {
                    (*a, *b) = super::kernels::neumaier(*v, *a, *b);
                    *n += 1.0;
                }
                return;
            }
        }
        for step in row.present.ones() {
            let v = row.values[step];
            self.n[step] += 1.0;
            let n = self.n[step];
            if let Some((mean, c)) = self.means.get_mut(&step) {
                let q = (n - 1.0) / n;
                (*mean, *c) = super::kernels::neumaier(v / n, q * *mean, q * *c);
                continue;
            }
            let (s, c) = super::kernels::neumaier(v, self.a[step], self.b[step]);
            if s.is_infinite() && n > 1.0 {
                let (mean, c) = (self.a[step] / (n - 1.0), self.b[step] / (n - 1.0));
                let q = (n - 1.0) / n;
                self.means.insert(step, super::kernels::neumaier(v / n, q * mean, q * c));
            } else {
                (self.a[step], self.b[step]) = (s, c);
            }
        }
    }

    fn extreme(&mut self, row: &Row, better: impl Fn(f64, f64) -> bool) {
        if row.present.is_full() && self.seen.is_full() {
            for (best, v) in self.a.iter_mut().zip(&row.values) {
                *best = if better(*v, *best) || best.is_nan() { *v } else { *best };
            }
            return;
        }
        for step in row.present.ones() {
            let (v, best) = (row.values[step], self.a[step]);
            if !self.seen.get(step) || better(v, best) || best.is_nan() {
                self.a[step] = v;
            }
        }
        self.seen.union(&row.present);
    }

    /// Welford's update.
    fn deviate(&mut self, row: &Row) {
        for step in row.present.ones() {
            let v = row.values[step];
            self.n[step] += 1.0;
            if self.n[step] == 1.0 {
                self.a[step] = v;
                self.b[step] = if v.is_finite() { 0.0 } else { f64::NAN };
                continue;
            }
            let delta = v - self.a[step];
            self.a[step] += delta / self.n[step];
            self.b[step] += delta * (v - self.a[step]);
        }
        self.seen.union(&row.present);
    }

    fn sum_histograms(
        &mut self,
        histograms: &[Option<Arc<Histogram>>],
        average: bool,
        name: &str,
        span: Span,
        notes: &mut Notes,
    ) {
        for (step, h) in histograms.iter().enumerate() {
            let Some(h) = h else { continue };
            let state = HistogramState::of(h);
            match self.histograms.get_mut(&step) {
                Some(total) => total.join(state, average, name, span, notes),
                None => {
                    self.histograms.insert(step, state);
                }
            }
        }
    }

    fn join(&mut self, op: AggregateOp, other: Self, span: Span, notes: &mut Notes) {
        self.drop_name |= other.drop_name;
        match op {
            AggregateOp::Count => self.n.iter_mut().zip(&other.n).for_each(|(n, m)| *n += m),
            AggregateOp::Sum => {
                for (step, (s, c)) in other.a.iter().zip(&other.b).enumerate() {
                    let (t, d) = super::kernels::neumaier(*s, self.a[step], self.b[step]);
                    (self.a[step], self.b[step]) = (t, if t.is_infinite() { 0.0 } else { d + c });
                }
            }
            AggregateOp::Avg => other.seen.ones().for_each(|step| self.join_average(&other, step)),
            AggregateOp::Min | AggregateOp::Max => {
                let row = Row { values: other.a.clone(), present: other.seen.clone(), ..Row::default() };
                if op == AggregateOp::Min {
                    self.extreme(&row, |v, best| v < best);
                } else {
                    self.extreme(&row, |v, best| v > best);
                }
            }
            AggregateOp::Stddev | AggregateOp::Stdvar => {
                other.seen.ones().for_each(|step| self.join_deviations(&other, step));
            }
            _ => {}
        }
        self.seen.union(&other.seen);
        for (step, state) in other.histograms {
            match self.histograms.get_mut(&step) {
                Some(mine) => mine.join(state, op == AggregateOp::Avg, "", span, notes),
                None => {
                    self.histograms.insert(step, state);
                }
            }
        }
    }

    fn join_average(&mut self, other: &Self, step: usize) {
        let (n, m) = (self.n[step], other.n[step]);
        self.n[step] = n + m;
        let (s, c) = super::kernels::neumaier(other.a[step], self.a[step], self.b[step]);
        let plain = !self.means.contains_key(&step) && !other.means.contains_key(&step);
        if plain && !s.is_infinite() {
            (self.a[step], self.b[step]) = (s, c + other.b[step]);
            return;
        }
        let mean = |g: &Self, count: f64| match g.means.get(&step) {
            Some((mean, c)) => mean + c,
            None if count == 0.0 => 0.0,
            None => g.a[step] / count + g.b[step] / count,
        };
        let (p, q) = (n / (n + m), m / (n + m));
        let joined = mean(self, n) * p + mean(other, m) * q;
        self.means.insert(step, (joined, 0.0));
    }

    /// Chan, Golub, LeVeque: "Updating formulae and a pairwise algorithm for computing sample variances", 1979.
    fn join_deviations(&mut self, other: &Self, step: usize) {
        let (n, m) = (self.n[step], other.n[step]);
        if n == 0.0 {
            (self.a[step], self.b[step], self.n[step]) = (other.a[step], other.b[step], m);
            return;
        }
        let delta = other.a[step] - self.a[step];
        let total = n + m;
        self.a[step] += delta * m / total;
        self.b[step] += other.b[step] + delta * delta * n * m / total;
        self.n[step] = total;
    }

    fn finish(self, op: AggregateOp, steps: usize, span: Span, notes: &mut Notes) -> Row {
        let mut row = Row::empty(self.labels, steps);
        row.drop_name = self.drop_name;
        for step in self.seen.ones() {
            if self.histograms.contains_key(&step) {
                notes.warn(span, "encountered a mix of histograms and floats for aggregation");
                continue;
            }
            let value = match op {
                AggregateOp::Count => self.n[step],
                AggregateOp::Group => 1.0,
                AggregateOp::Sum => self.a[step] + self.b[step],
                AggregateOp::Avg => match self.means.get(&step) {
                    Some((mean, c)) => mean + c,
                    None => self.a[step] / self.n[step] + self.b[step] / self.n[step],
                },
                AggregateOp::Stdvar => self.b[step] / self.n[step],
                AggregateOp::Stddev => (self.b[step] / self.n[step]).sqrt(),
                _ => self.a[step],
            };
            row.set(step, value);
        }
        for (step, state) in self.histograms {
            if self.seen.get(step) || state.incompatible {
                continue;
            }
            if state.reset_seen && state.no_reset_seen {
                notes.reset_collision(span, Operation::Aggregation);
            }
            let mut h = state.total.finish();
            if op == AggregateOp::Avg && !state.is_mean {
                h.divide(state.n);
            }
            row.set_histogram(step, Arc::new(h));
        }
        row
    }
}

impl HistogramState {
    fn of(h: &Histogram) -> Self {
        Self {
            total: Total::of(h),
            n: 1.0,
            is_mean: false,
            incompatible: false,
            reset_seen: h.reset_hint == ResetHint::Yes,
            no_reset_seen: h.reset_hint == ResetHint::No,
        }
    }

    fn join(&mut self, mut other: Self, average: bool, name: &str, span: Span, notes: &mut Notes) {
        if self.incompatible || other.incompatible {
            self.incompatible = true;
            return;
        }
        self.reset_seen |= other.reset_seen;
        self.no_reset_seen |= other.no_reset_seen;
        let n = self.n + other.n;
        let before = average.then(|| self.total.clone());
        let mut outcome = Ok(crate::hist::Outcome::default());
        let mut overflow = self.is_mean || other.is_mean;
        if !overflow {
            outcome = self.total.join(other.total.clone());
            overflow = average && self.total.overflows();
        }
        if let Some(mine) = before.filter(|_| overflow && outcome.is_ok()) {
            self.total = mine;
            let part = |is_mean: bool, count: f64| if is_mean { count / n } else { 1.0 / n };
            self.total.scale(part(self.is_mean, self.n));
            other.total.scale(part(other.is_mean, other.n));
            outcome = self.total.join(other.total);
            self.is_mean = true;
        }
        self.n = n;
        match outcome {
            Err(_) => {
                notes.mixed_schemas(span, name);
                self.incompatible = true;
            }
            Ok(outcome) if outcome.reconciled => notes.reconciled(span, Operation::Aggregation),
            Ok(_) => {}
        }
    }
}
