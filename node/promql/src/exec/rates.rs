//! Range functions window by window: the way for windows that no kernel takes.

use super::kernels::{average, neumaier, quantile, sum, variance};
use super::range::{Call, Point, Window};
use crate::notes::Notes;
use crate::plan::RangeFn;
use plimsoll_model::Timestamp;

/// The answer for one window, if there is one.
pub(super) fn evaluate(call: &Call<'_>, w: &Window<'_>, name: &str, notes: &mut Notes) -> Option<Point> {
    use RangeFn as F;
    match call.function {
        F::Rate | F::Increase | F::Delta | F::Irate | F::Idelta | F::Resets | F::Changes => {
            return super::counters::evaluate(call, w, name, notes);
        }
        F::Sum | F::Avg | F::Last | F::First => return either(call, w, name, notes),
        F::Count => return Some(Point::Float((w.values.len() + w.histograms.len()) as f64)),
        F::Present | F::Absent => return Some(Point::Float(1.0)),
        F::TsOfFirst => return times(w, |t| t.first().copied(), i64::min),
        F::TsOfLast => return times(w, |t| t.last().copied(), i64::max),
        _ => {}
    }
    if w.values.is_empty() {
        return None;
    }
    let arg = |i: usize| call.args.get(i).map_or(f64::NAN, |a| a[w.step]);
    if call.function == F::Quantile && !(0.0..=1.0).contains(&arg(0)) {
        notes.invalid_quantile(call.span, arg(0));
    }
    if !w.histograms.is_empty() {
        notes.ignored_in_range(call.span, name);
    }
    let two = w.values.len() >= 2;
    let value = match call.function {
        F::Min => extreme(w, |v, best| v < best || best.is_nan()).0,
        F::Max => extreme(w, |v, best| v > best || best.is_nan()).0,
        F::TsOfMin => extreme(w, |v, best| v <= best || best.is_nan()).1,
        F::TsOfMax => extreme(w, |v, best| v >= best || best.is_nan()).1,
        F::Quantile => quantile(arg(0), w.values),
        F::Mad => mad(w.values),
        F::Stdvar => variance(w.values),
        F::Stddev => variance(w.values).sqrt(),
        F::Deriv if two => regression(w, w.times[0]).0,
        F::PredictLinear if two => {
            let (slope, intercept) = regression(w, call.grid.time(w.step));
            slope * arg(0) + intercept
        }
        F::Smoothing if two => smoothing(w.values, arg(0), arg(1)),
        _ => return None,
    };
    Some(Point::Float(value))
}

/// The earlier or later of the floats' and the histograms' timestamps, in seconds.
fn times(
    w: &Window<'_>,
    pick: impl Fn(&[Timestamp]) -> Option<Timestamp>,
    join: fn(i64, i64) -> i64,
) -> Option<Point> {
    let histogram_times: Vec<Timestamp> = w.histograms.iter().map(|(t, _)| *t).collect();
    let t = match (pick(w.times), pick(&histogram_times)) {
        (Some(a), Some(b)) => join(a, b),
        (a, b) => a.or(b)?,
    };
    Some(Point::Float(t as f64 / 1000.0))
}

/// Functions that answer with a histogram when the samples are histograms.
fn either(call: &Call<'_>, w: &Window<'_>, name: &str, notes: &mut Notes) -> Option<Point> {
    let mixed = !w.values.is_empty() && !w.histograms.is_empty();
    match call.function {
        RangeFn::Last | RangeFn::First => {
            let last = call.function == RangeFn::Last;
            let (f, h) = if last {
                (w.times.len().wrapping_sub(1), w.histograms.len().wrapping_sub(1))
            } else {
                (0, 0)
            };
            let float_wins = match (w.times.get(f), w.histograms.get(h)) {
                (Some(t), Some((u, _))) => {
                    if last {
                        t > u
                    } else {
                        t < u
                    }
                }
                (float, _) => float.is_some(),
            };
            if float_wins {
                return Some(Point::Float(w.values[f]));
            }
            w.histograms.get(h).map(|(_, h)| Point::Histogram((**h).clone()))
        }
        _ if mixed => {
            notes.mixed(call.span, name);
            None
        }
        _ if w.values.is_empty() => super::histograms::fold(call, w, name, notes).map(Point::Histogram),
        RangeFn::Sum => Some(Point::Float(sum(w.values))),
        _ => Some(Point::Float(average(w.values))),
    }
}

/// The value that wins by `better`, and its time in seconds.
fn extreme(w: &Window<'_>, better: impl Fn(f64, f64) -> bool) -> (f64, f64) {
    let (mut best, mut at) = (w.values[0], w.times[0]);
    for (&v, &t) in w.values.iter().zip(w.times) {
        if better(v, best) {
            (best, at) = (v, t);
        }
    }
    (best, at as f64 / 1000.0)
}

/// Median absolute deviation.
fn mad(values: &[f64]) -> f64 {
    if values.iter().any(|v| v.is_nan()) {
        return f64::NAN;
    }
    let median = quantile(0.5, values);
    let deviations: Vec<f64> = values.iter().map(|v| (v - median).abs()).collect();
    quantile(0.5, &deviations)
}

/// Slope and value at `origin` of the line that fits best.
fn regression(w: &Window<'_>, origin: Timestamp) -> (f64, f64) {
    let first = w.values[0];
    if w.values.iter().skip(1).all(|v| *v == first) {
        return if first.is_infinite() { (f64::NAN, f64::NAN) } else { (0.0, first) };
    }
    let zero = (0.0, 0.0);
    let (mut sx, mut sy, mut sxy, mut sxx) = (zero, zero, zero, zero);
    for (&t, &y) in w.times.iter().zip(w.values) {
        let x = (t - origin) as f64 / 1000.0;
        sx = neumaier(x, sx.0, sx.1);
        sy = neumaier(y, sy.0, sy.1);
        sxy = neumaier(x * y, sxy.0, sxy.1);
        sxx = neumaier(x * x, sxx.0, sxx.1);
    }
    let n = w.values.len() as f64;
    let total = |(s, c): (f64, f64)| s + c;
    let (sx, sy, sxy, sxx) = (total(sx), total(sy), total(sxy), total(sxx));
    let slope = (sxy - sx * sy / n) / (sxx - sx * sx / n);
    (slope, sy / n - slope * sx / n)
}

/// Double exponential smoothing. <https://en.wikipedia.org/wiki/Exponential_smoothing>
fn smoothing(values: &[f64], factor: f64, trend_factor: f64) -> f64 {
    let mut level = values[0];
    let mut trend = values[1] - values[0];
    let mut before = 0.0;
    for (i, &v) in values.iter().enumerate().skip(1) {
        if i > 1 {
            trend = trend_factor * (level - before) + (1.0 - trend_factor) * trend;
        }
        let next = factor * v + (1.0 - factor) * (level + trend);
        (before, level) = (level, next);
    }
    level
}

/// Samples of a range selector with `anchored` or `smoothed`: the ends of the window get a sample each.
pub(super) fn extend_floats(
    floats: &[(Timestamp, f64)],
    start: Timestamp,
    end: Timestamp,
    smoothed: bool,
) -> Vec<(Timestamp, f64)> {
    let Some(ends) = super::counters::Ends::find(floats.len(), |i| floats[i].0, start, end, smoothed) else {
        return Vec::new();
    };
    let (left, right) = ends.values(|i| floats[i], start, end, smoothed, false);
    let mut out = vec![(start, left)];
    out.extend(floats.iter().copied().filter(|(t, _)| *t > start && *t < end));
    out.push((end, right));
    out
}
