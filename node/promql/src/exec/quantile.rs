//! `histogram_quantile` and `histogram_fraction`, over classic buckets (series with `le`) and native histograms.

use super::Context;
use super::bits::Bits;
use super::frame::{Frame, Row};
use crate::ast::Span;
use crate::error::Error;
use crate::format::format_open_metrics;
use crate::hist::{Bucket, HistogramMath, all_buckets};
use crate::notes::Notes;
use crate::parse::parse_number;
use crate::plan::{Fraction, Grid, Quantiles};
use plimsoll_model::{Histogram, Labels, METRIC_NAME};
use std::collections::HashMap;

const LE: &str = "le";

/// The classic buckets with equal labels, in order of their bounds.
struct Classic {
    labels: Labels,
    drop_name: bool,
    /// Bound and row; equal bounds stay apart until a step is looked at.
    rows: Vec<(f64, usize)>,
}

/// What a frame holds of histograms.
struct Sorted {
    classic: Vec<Classic>,
    /// Rows with native histograms.
    native: Vec<usize>,
    /// For native rows, the classic histogram with the same labels.
    twins: HashMap<usize, usize>,
}

fn sort_out(frame: &Frame, span: Span, delayed: bool, notes: &mut Notes) -> Sorted {
    let mut index: HashMap<Labels, usize> = HashMap::new();
    let mut sorted = Sorted { classic: Vec::new(), native: Vec::new(), twins: HashMap::new() };
    for (i, row) in frame.rows.iter().enumerate() {
        if row.histograms.is_some() {
            sorted.native.push(i);
        }
        if !row.present.any() {
            continue;
        }
        let le = row.labels.get(LE).unwrap_or("");
        let Some(bound) = parse_number(le) else {
            let name = if delayed { row.labels.get(METRIC_NAME).unwrap_or("") } else { "" };
            notes.bad_bucket(span, name, le);
            continue;
        };
        let key = row.labels.filter(|n| n != LE);
        let at = *index.entry(key).or_insert_with_key(|key| {
            sorted.classic.push(Classic { labels: key.clone(), drop_name: true, rows: Vec::new() });
            sorted.classic.len() - 1
        });
        sorted.classic[at].rows.push((bound, i));
    }
    for classic in &mut sorted.classic {
        classic.rows.sort_by(|a, b| a.0.total_cmp(&b.0));
        classic.drop_name = true;
    }
    for &i in &sorted.native {
        if let Some(&at) = index.get(&frame.rows[i].labels) {
            sorted.twins.insert(i, at);
        }
    }
    sorted
}

impl Sorted {
    /// Steps at which native and classic histograms with equal labels stand side by side: neither counts.
    fn conflicts(&self, frame: &Frame, span: Span, delayed: bool, notes: &mut Notes) -> Vec<Bits> {
        let mut out: Vec<Bits> = self.classic.iter().map(|_| Bits::none(frame.steps)).collect();
        for (&native, &classic) in &self.twins {
            for step in 0..frame.steps {
                let buckets = &self.classic[classic].rows;
                let row = &frame.rows[native];
                if row.histogram(step).is_some()
                    && buckets.iter().any(|(_, i)| frame.rows[*i].present.get(step))
                {
                    out[classic].set(step);
                    let name = if delayed { row.labels.get(METRIC_NAME).unwrap_or("") } else { "" };
                    notes.mixed_classic(span, name);
                }
            }
        }
        out
    }

    /// Calls `f` with the buckets of each classic histogram at each step.
    fn each_classic(
        &self,
        frame: &Frame,
        conflicts: &[Bits],
        delayed: bool,
        mut f: impl FnMut(usize, usize, &mut Vec<(f64, f64)>) -> f64,
    ) -> Vec<Row> {
        let mut out = Vec::with_capacity(self.classic.len());
        let mut buckets: Vec<(f64, f64)> = Vec::new();
        for (n, classic) in self.classic.iter().enumerate() {
            let mut row = Row::empty(classic.labels.clone(), frame.steps);
            for step in 0..frame.steps {
                buckets.clear();
                for &(bound, i) in &classic.rows {
                    if let Some(v) = frame.rows[i].float(step) {
                        match buckets.last_mut() {
                            Some(last) if last.0 == bound => last.1 += v,
                            _ => buckets.push((bound, v)),
                        }
                    }
                }
                if !buckets.is_empty() && !conflicts[n].get(step) {
                    row.set(step, f(n, step, &mut buckets));
                }
            }
            row.lose_name(delayed);
            out.push(row);
        }
        out
    }

    /// Calls `f` with each native histogram.
    fn each_native(
        &self,
        frame: &Frame,
        conflicts: &[Bits],
        delayed: bool,
        mut f: impl FnMut(&str, usize, &Histogram) -> f64,
    ) -> Vec<Row> {
        let mut out = Vec::with_capacity(self.native.len());
        for &i in &self.native {
            let from = &frame.rows[i];
            let name = if delayed { from.labels.get(METRIC_NAME).unwrap_or("") } else { "" };
            let conflict = self.twins.get(&i).map(|at| &conflicts[*at]);
            let mut row = Row::empty(from.labels.clone(), frame.steps);
            for step in 0..frame.steps {
                if conflict.is_some_and(|c| c.get(step)) {
                    continue;
                }
                if let Some(h) = from.histogram(step) {
                    row.set(step, f(name, step, h));
                }
            }
            row.lose_name(delayed);
            out.push(row);
        }
        out
    }
}

impl Context<'_> {
    pub(super) fn quantiles(&self, q: &Quantiles, grid: Grid) -> Result<Frame, Error> {
        let frame = self.frame(&q.input, grid)?;
        let (delayed, span) = (self.delayed(), q.input_span);
        let mut notes = Notes::default();
        let sorted = sort_out(&frame, span, delayed, &mut notes);
        let conflicts = sorted.conflicts(&frame, span, delayed, &mut notes);
        let mut out = Frame::new(grid.steps);
        for (node, node_span) in &q.quantiles {
            let qs = self.scalars(node, grid)?;
            for bad in qs.iter().filter(|q| !(0.0..=1.0).contains(*q)) {
                notes.invalid_quantile(*node_span, *bad);
            }
            let mut rows = sorted.each_native(&frame, &conflicts, delayed, |name, step, h| {
                native_quantile(qs[step], h, name, span, &mut notes)
            });
            rows.extend(sorted.each_classic(&frame, &conflicts, delayed, |n, step, buckets| {
                let (value, forced) = classic_quantile(qs[step], buckets);
                if let Some(forced) = forced {
                    let labels = &sorted.classic[n].labels;
                    let name = if delayed { labels.get(METRIC_NAME).unwrap_or("") } else { "" };
                    notes.monotonic(span, name, grid.time(step), forced);
                }
                value
            }));
            if let (Some(label), Some(q)) = (&q.label, qs.first()) {
                let text = format_open_metrics(*q);
                rows.iter_mut().for_each(|r| r.labels = r.labels.with(label, &text));
            }
            out.rows.append(&mut rows);
        }
        self.note(notes);
        out.rows.retain(|r| !r.is_empty());
        if !delayed || q.label.is_some() {
            out.unite_equal_rows()?;
        }
        Ok(out)
    }

    pub(super) fn fraction(&self, f: &Fraction, grid: Grid) -> Result<Frame, Error> {
        let frame = self.frame(&f.input, grid)?;
        let (lower, upper) = (self.scalars(&f.lower, grid)?, self.scalars(&f.upper, grid)?);
        let (delayed, span) = (self.delayed(), f.input_span);
        let mut notes = Notes::default();
        let sorted = sort_out(&frame, span, delayed, &mut notes);
        let conflicts = sorted.conflicts(&frame, span, delayed, &mut notes);
        let mut out = Frame::new(grid.steps);
        out.rows = sorted.each_native(&frame, &conflicts, delayed, |name, step, h| {
            native_fraction(lower[step], upper[step], h, name, span, &mut notes)
        });
        out.rows.extend(sorted.each_classic(&frame, &conflicts, delayed, |_, step, buckets| {
            classic_fraction(lower[step], upper[step], buckets)
        }));
        self.note(notes);
        out.rows.retain(|r| !r.is_empty());
        if !delayed {
            out.unite_equal_rows()?;
        }
        Ok(out)
    }
}

fn almost_equal(a: f64, b: f64) -> bool {
    const TOLERANCE: f64 = 1e-12;
    if a == b {
        return true;
    }
    let sum = a.abs() + b.abs();
    let difference = (a - b).abs();
    if a == 0.0 || b == 0.0 || sum < f64::MIN_POSITIVE {
        return difference < TOLERANCE * f64::MIN_POSITIVE;
    }
    difference / sum.min(f64::MAX) < TOLERANCE
}

/// Least bound, greatest bound and greatest difference of what was raised.
type Forced = (f64, f64, f64);

/// Makes cumulative counts rise. Tiny differences come from arithmetic and are not worth a word.
fn make_monotonic(buckets: &mut [(f64, f64)]) -> Option<Forced> {
    let mut forced: Option<Forced> = None;
    let mut before = buckets[0].1;
    for (bound, count) in buckets.iter_mut().skip(1) {
        if *count == before {
            continue;
        }
        if almost_equal(before, *count) {
            *count = before;
        } else if *count < before {
            let (least, greatest, difference) = forced.unwrap_or((f64::INFINITY, f64::NEG_INFINITY, 0.0));
            forced = Some((least.min(*bound), greatest.max(*bound), difference.max(before - *count)));
            *count = before;
        } else {
            before = *count;
        }
    }
    forced
}

/// The quantile of cumulative counts by upper bound.
pub(super) fn classic_quantile(q: f64, buckets: &mut [(f64, f64)]) -> (f64, Option<Forced>) {
    if q.is_nan() {
        return (f64::NAN, None);
    }
    if q < 0.0 {
        return (f64::NEG_INFINITY, None);
    }
    if q > 1.0 {
        return (f64::INFINITY, None);
    }
    let last = buckets.len() - 1;
    if buckets[last].0 != f64::INFINITY {
        return (f64::NAN, None);
    }
    let forced = make_monotonic(buckets);
    let total = buckets[last].1;
    if last == 0 || total == 0.0 || total.is_nan() {
        return (f64::NAN, forced);
    }
    let mut rank = q * total;
    let at = buckets[..last].partition_point(|(_, count)| *count < rank || count.is_nan());
    let value = if at == last {
        buckets[last - 1].0
    } else if at == 0 && buckets[0].0 <= 0.0 {
        buckets[0].0
    } else {
        let (end, mut count) = buckets[at];
        let mut start = 0.0;
        if at > 0 {
            start = buckets[at - 1].0;
            count -= buckets[at - 1].1;
            rank -= buckets[at - 1].1;
        }
        start + (end - start) * (rank / count)
    };
    (value, forced)
}

fn classic_fraction(lower: f64, upper: f64, buckets: &[(f64, f64)]) -> f64 {
    let last = buckets.len() - 1;
    let total = buckets[last].1;
    if buckets[last].0 != f64::INFINITY || total == 0.0 || lower.is_nan() || upper.is_nan() {
        return f64::NAN;
    }
    if lower >= upper {
        return 0.0;
    }
    let mut start = if buckets[0].0 <= 0.0 { f64::NEG_INFINITY } else { 0.0 };
    let mut rank = 0.0;
    let mut ranks = [None, None];
    for &(end, count) in buckets {
        for (slot, v) in ranks.iter_mut().zip([lower, upper]) {
            if slot.is_some() {
                continue;
            }
            if start >= v {
                *slot = Some(rank);
            } else if end > v {
                *slot = Some(if start == f64::NEG_INFINITY {
                    count
                } else {
                    rank + (count - rank) * (v - start) / (end - start)
                });
            }
        }
        rank = count;
        start = end;
    }
    let rank_of = |slot: Option<f64>| slot.filter(|r| *r <= total).unwrap_or(total);
    (rank_of(ranks[1]) - rank_of(ranks[0])) / total
}

/// Cuts the zero bucket at zero when values lie on one side alone.
fn narrow_zero(h: &Histogram, b: &mut Bucket) {
    if h.negative_buckets.is_empty() && !h.positive_buckets.is_empty() {
        b.lower = 0.0;
    } else if h.positive_buckets.is_empty() && !h.negative_buckets.is_empty() {
        b.upper = 0.0;
    }
}

fn native_quantile(q: f64, h: &Histogram, name: &str, span: Span, notes: &mut Notes) -> f64 {
    if q < 0.0 {
        return f64::NEG_INFINITY;
    }
    if q > 1.0 {
        return f64::INFINITY;
    }
    if h.count == 0.0 || q.is_nan() {
        return f64::NAN;
    }
    // Values that are NaN lie in no bucket, so then ranks count from below.
    let upward = h.sum.is_nan() || q < 0.5;
    let mut buckets = all_buckets(h);
    if !upward {
        buckets.reverse();
    }
    let rank = if upward { q * h.count } else { (1.0 - q) * h.count };
    let (mut count, mut rest) = (0.0, buckets.as_slice());
    let mut b = Bucket { lower: 0.0, upper: 0.0, count: 0.0 };
    while let Some((next, tail)) = rest.split_first() {
        (b, rest) = (*next, tail);
        if b.count == 0.0 {
            continue;
        }
        count += b.count;
        if count >= rank {
            break;
        }
    }
    if h.is_custom() {
        if b.lower == f64::NEG_INFINITY {
            if b.upper <= 0.0 {
                return b.upper;
            }
            b.lower = 0.0;
        } else if b.upper == f64::INFINITY {
            return b.lower;
        }
    } else if b.lower < 0.0 && b.upper > 0.0 {
        narrow_zero(h, &mut b);
    }
    count = count.min(h.count);
    if count < rank {
        if h.sum.is_nan() {
            notes.quantile_of_nan(span, name, false);
            return f64::NAN;
        }
        return b.upper;
    }
    let inside = if upward { rank - (count - b.count) } else { count - rank };
    if h.sum.is_nan() && count + rest.iter().map(|b| b.count).sum::<f64>() < h.count {
        notes.quantile_of_nan(span, name, true);
    }
    let fraction = inside / b.count;
    if h.is_custom() || b.lower <= 0.0 && b.upper >= 0.0 {
        return b.lower + (b.upper - b.lower) * fraction;
    }
    let (low, high) = (b.lower.abs().log2(), b.upper.abs().log2());
    if b.lower > 0.0 {
        (low + (high - low) * fraction).exp2()
    } else {
        -(high + (low - high) * (1.0 - fraction)).exp2()
    }
}

fn native_fraction(lower: f64, upper: f64, h: &Histogram, name: &str, span: Span, notes: &mut Notes) -> f64 {
    if h.count == 0.0 || lower.is_nan() || upper.is_nan() {
        return f64::NAN;
    }
    if lower >= upper {
        return 0.0;
    }
    let buckets = all_buckets(h);
    let mut rank = 0.0;
    let mut ranks = [None, None];
    for bucket in &buckets {
        let mut b = *bucket;
        let zero = b.lower <= 0.0 && b.upper >= 0.0;
        if zero {
            narrow_zero(h, &mut b);
        }
        for (slot, v) in ranks.iter_mut().zip([lower, upper]) {
            if slot.is_some() {
                continue;
            }
            if b.lower >= v {
                *slot = Some(rank);
            } else if b.upper > v {
                let linear = h.is_custom() || zero;
                *slot = Some(if linear && b.lower == f64::NEG_INFINITY {
                    b.count
                } else {
                    rank + b.count * b.fraction_below(v, linear)
                });
            }
        }
        rank += b.count;
    }
    let mut total = h.count;
    if h.sum.is_nan() {
        total = buckets.iter().map(|b| b.count).sum();
        if total < h.count {
            notes.fraction_of_nan(span, name);
        }
    }
    let rank_of = |slot: Option<f64>| slot.filter(|r| *r <= total).unwrap_or(total);
    (rank_of(ranks[1]) - rank_of(ranks[0])) / h.count
}
