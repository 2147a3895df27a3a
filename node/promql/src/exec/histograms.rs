//! Range functions over native histograms.

use super::counters::{Ends, overlaps, started_anew};
use super::range::{Call, Window};
use crate::hist::{HistogramMath, Incompatible, Outcome, Total};
use crate::notes::{Notes, Operation};
use crate::plan::RangeFn;
use plimsoll_model::{Histogram, ResetHint, Timestamp};
use std::sync::Arc;

/// Notes what happened when histograms were joined; `None` when they could not be.
pub(super) fn noted(
    outcome: Result<Outcome, Incompatible>,
    operation: Operation,
    call: &Call<'_>,
    name: &str,
    notes: &mut Notes,
) -> Option<Outcome> {
    match outcome {
        Ok(outcome) => {
            if outcome.reconciled {
                notes.reconciled(call.span, operation);
            }
            Some(outcome)
        }
        Err(Incompatible) => {
            notes.mixed_schemas(call.span, name);
            None
        }
    }
}

/// Finds counter resets between neighbours that do not tell of them.
pub(super) fn find_resets(samples: &mut [(Timestamp, Arc<Histogram>)]) {
    for i in 1..samples.len() {
        let (before, now) = samples.split_at_mut(i);
        let (before, now) = (&before[i - 1].1, &mut now[0].1);
        if now.reset_hint == ResetHint::Unknown && !now.is_stale() && !before.is_stale() {
            let hint = if now.is_reset_of(before) { ResetHint::Yes } else { ResetHint::No };
            Arc::make_mut(now).reset_hint = hint;
        }
    }
}

/// What the samples of a group tell of counter resets.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct HintsSeen {
    yes: bool,
    no: bool,
}

impl HintsSeen {
    pub(super) fn see(&mut self, h: &Histogram) {
        self.yes |= h.reset_hint == ResetHint::Yes;
        self.no |= h.reset_hint == ResetHint::No;
    }

    pub(super) fn collide(self) -> bool {
        self.yes && self.no
    }
}

/// `sum_over_time` and `avg_over_time`.
pub(super) fn fold(call: &Call<'_>, w: &Window<'_>, name: &str, notes: &mut Notes) -> Option<Histogram> {
    let mut hints = HintsSeen::default();
    w.histograms.iter().for_each(|(_, h)| hints.see(h));
    let mut quiet = Notes::default();
    let mut total = Total::of(&w.histograms[0].1);
    let mut mean: Option<Total> = None;
    for (i, (_, h)) in w.histograms.iter().enumerate().skip(1) {
        let n = (i + 1) as f64;
        if let Some(mean) = &mut mean {
            add_to_mean(mean, h, n, call, name, &mut quiet).or_else(|| refuse(call, name, notes))?;
            continue;
        }
        let before = (call.function == RangeFn::Avg).then(|| total.clone());
        let joined = total.add(h);
        if joined.is_err() {
            refuse(call, name, notes);
            return None;
        }
        noted(joined, Operation::Aggregation, call, name, &mut quiet)?;
        if let Some(mut before) = before.filter(|_| total.overflows()) {
            before.scale(1.0 / (n - 1.0));
            add_to_mean(&mut before, h, n, call, name, &mut quiet)?;
            mean = Some(before);
        }
    }
    notes.merge(quiet);
    if hints.collide() {
        notes.reset_collision(call.span, Operation::Aggregation);
    }
    if let Some(mean) = mean {
        return Some(mean.finish());
    }
    if call.function == RangeFn::Avg {
        let n = w.histograms.len() as f64;
        let mut h = total.finish();
        h.divide(n);
        return Some(h);
    }
    Some(total.finish())
}

fn refuse(call: &Call<'_>, name: &str, notes: &mut Notes) -> Option<()> {
    notes.mixed_schemas(call.span, name);
    None
}

/// Takes the `n`th histogram into a running mean, which cannot overflow.
fn add_to_mean(
    mean: &mut Total,
    h: &Histogram,
    n: f64,
    call: &Call<'_>,
    name: &str,
    notes: &mut Notes,
) -> Option<()> {
    mean.scale((n - 1.0) / n);
    let mut part = h.clone();
    part.divide(n);
    noted(mean.add(&part), Operation::Aggregation, call, name, notes).map(|_| ())
}

fn start_of(w: &Window<'_>, i: usize) -> (Timestamp, Timestamp) {
    (w.histogram_starts.get(i).copied().unwrap_or(0), w.histograms[i].0)
}

/// The difference between the last and the first histogram, with what was lost by resets.
pub(super) fn increase(call: &Call<'_>, w: &Window<'_>, name: &str, notes: &mut Notes) -> Option<Histogram> {
    let points = w.histograms;
    let counter = call.function != RangeFn::Delta;
    let gauge = |h: &Histogram| h.reset_hint == ResetHint::Gauge;
    let (first, last) = (&*points[0].1, &*points[points.len() - 1].1);
    if counter && (gauge(first) || gauge(last)) {
        notes.not_counter(call.span, name);
    }
    let second = &*points[1].1;
    let mut from = first.clone();
    let reset_at_once =
        counter && (started_anew(start_of(w, 0), start_of(w, 1)) || second.is_reset_of(first));
    if reset_at_once {
        // The first sample is not looked at, so neither is its layout.
        from = Histogram {
            schema: second.schema,
            custom_values: second.custom_values.clone(),
            ..Histogram::default()
        };
    }
    let custom = from.is_custom();
    let inner = &points[1..points.len() - 1];
    let mixed = last.is_custom() != custom || counter && inner.iter().any(|(_, h)| h.is_custom() != custom);
    if mixed {
        notes.mixed_schemas(call.span, name);
        return None;
    }
    if counter && inner.iter().any(|(_, h)| gauge(h)) {
        notes.not_counter(call.span, name);
    }
    let mut total = Total::of(last);
    noted(total.subtract(&from), Operation::Subtraction, call, name, notes)?;
    if counter {
        let mut warned = false;
        let mut before = &from;
        for (i, (_, h)) in points.iter().enumerate().skip(1) {
            let (earlier, now) = (start_of(w, i - 1), start_of(w, i));
            if !warned && overlaps(earlier, now.0) {
                notes.overlap(call.span, name);
                warned = true;
            }
            if started_anew(earlier, now) || h.is_reset_of(before) {
                noted(total.add(before), Operation::Addition, call, name, notes)?;
            }
            before = h;
        }
    } else if !gauge(first) || !gauge(last) {
        notes.not_gauge(call.span, name);
    }
    total.reset_hint = ResetHint::Gauge;
    Some(total.finish())
}

/// A counter that began inside the window at zero gains what its first sample has.
pub(super) fn plus_first(
    increase: Option<Histogram>,
    call: &Call<'_>,
    w: &Window<'_>,
    name: &str,
    notes: &mut Notes,
) -> Option<Histogram> {
    let first = &*w.histograms[0].1;
    let Some(increase) = increase else { return Some(first.clone()) };
    let mut total = Total::of(&increase);
    noted(total.add(first), Operation::Addition, call, name, notes)?;
    Some(total.finish())
}

/// `irate` and `idelta` of two histograms.
pub(super) fn instant_rate(
    call: &Call<'_>,
    w: &Window<'_>,
    (a, b): (usize, usize),
    started_anew: bool,
    name: &str,
    notes: &mut Notes,
) -> Option<Histogram> {
    let rate = call.function == RangeFn::Irate;
    let ((t0, before), (t1, now)) = (&w.histograms[a], &w.histograms[b]);
    let seconds = (t1 - t0) as f64 / 1000.0;
    if seconds == 0.0 {
        return None;
    }
    let gauge = |h: &Histogram| h.reset_hint == ResetHint::Gauge;
    if rate && (gauge(before) || gauge(now)) {
        notes.not_counter(call.span, name);
    }
    if !rate && (!gauge(before) || !gauge(now)) {
        notes.not_gauge(call.span, name);
    }
    let mut total = Total::of(now);
    if !rate || !started_anew && !now.is_reset_of(before) {
        noted(total.subtract(before), Operation::Subtraction, call, name, notes)?;
    }
    total.reset_hint = ResetHint::Gauge;
    let mut out = total.finish();
    if rate {
        out.divide(seconds);
    }
    Some(out)
}

/// The histogram at `t` between two samples; a counter that was reset began at nothing.
pub(super) fn interpolate(
    a: (Timestamp, &Histogram),
    b: (Timestamp, &Histogram),
    t: Timestamp,
    counter: bool,
    mut note: impl FnMut(Result<Outcome, Incompatible>, Operation) -> Option<Outcome>,
) -> Option<Histogram> {
    if t == a.0 {
        return Some(a.1.clone());
    }
    if t == b.0 {
        return Some(b.1.clone());
    }
    let fraction = (t - a.0) as f64 / (b.0 - a.0) as f64;
    if counter && b.1.is_reset_of(a.1) {
        let mut out = b.1.clone();
        out.scale(fraction);
        return Some(out);
    }
    let mut total = Total::of(b.1);
    note(total.subtract(a.1), Operation::Subtraction)?;
    total.scale(fraction);
    note(total.add(a.1), Operation::Addition)?;
    Some(total.finish())
}

/// `rate`, `increase` and `delta` with `anchored` or `smoothed`.
pub(super) fn extended_rate(
    call: &Call<'_>,
    w: &Window<'_>,
    name: &str,
    notes: &mut Notes,
) -> Option<Histogram> {
    let counter = call.function != RangeFn::Delta;
    let points = w.histograms;
    let ends = Ends::find(points.len(), |i| points[i].0, w.start, w.end, call.smoothed)?;
    let used = &points[ends.first..=ends.last];
    let custom = used[0].1.is_custom();
    for (_, h) in used {
        if h.is_custom() != custom {
            notes.mixed_schemas(call.span, name);
            return None;
        }
        if counter && h.reset_hint == ResetHint::Gauge {
            notes.not_counter(call.span, name);
        }
    }
    let at = |i: usize| (points[i].0, &*points[i].1);
    let mut between = |a: usize, b: usize, t: Timestamp| {
        interpolate(at(a), at(b), t, counter, |outcome, op| noted(outcome, op, call, name, notes))
    };
    let left_cut = call.smoothed && points[ends.first].0 < w.start;
    let left = if left_cut {
        between(ends.first, ends.first + 1, w.start)?
    } else {
        points[ends.first].1.as_ref().clone()
    };
    let right = if call.smoothed && ends.last > 0 && points[ends.last].0 > w.end {
        between(ends.last - 1, ends.last, w.end)?
    } else {
        points[ends.last].1.as_ref().clone()
    };
    let gauge = |h: &Histogram| h.reset_hint == ResetHint::Gauge;
    if !counter && (!gauge(&left) || !gauge(&right)) {
        notes.not_gauge(call.span, name);
    }
    let mut total = Total::of(&right);
    noted(total.subtract(&left), Operation::Subtraction, call, name, notes)?;
    if counter {
        let mut first = ends.first + 1;
        let mut before = &left;
        if left_cut && points[ends.first + 1].1.is_reset_of(&points[ends.first].1) {
            // The interpolation at the left spans this reset already.
            before = &points[ends.first + 1].1;
            first += 1;
        }
        if first <= ends.last {
            for (_, h) in &points[first..ends.last] {
                if h.is_reset_of(before) {
                    noted(total.add(before), Operation::Addition, call, name, notes)?;
                }
                before = h;
            }
            if right.is_reset_of(before) {
                noted(total.add(before), Operation::Addition, call, name, notes)?;
            }
        }
    }
    total.reset_hint = ResetHint::Gauge;
    let mut out = total.finish();
    if call.function == RangeFn::Rate {
        out.divide(call.range_ms as f64 / 1000.0);
    }
    Some(out)
}
