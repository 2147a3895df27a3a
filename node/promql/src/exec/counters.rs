//! The rate family window by window: start timestamps, histograms, `anchored` and `smoothed`.

use super::histograms;
use super::range::{Call, Point, Window};
use crate::hist::HistogramMath;
use crate::notes::Notes;
use crate::plan::RangeFn;
use plimsoll_model::Timestamp;

pub(super) fn evaluate(call: &Call<'_>, w: &Window<'_>, name: &str, notes: &mut Notes) -> Option<Point> {
    match call.function {
        RangeFn::Irate | RangeFn::Idelta => instant_rate(call, w, name, notes),
        RangeFn::Resets | RangeFn::Changes => count(call, w),
        _ if !w.values.is_empty() && !w.histograms.is_empty() => {
            notes.mixed(call.span, name);
            None
        }
        _ if call.anchored || call.smoothed => {
            if w.values.is_empty() {
                return histograms::extended_rate(call, w, name, notes).map(Point::Histogram);
            }
            extended_rate(call, w).map(Point::Float)
        }
        _ => extrapolated_rate(call, w, name, notes),
    }
}

/// Whether the start timestamp tells that the counter began anew between two samples.
pub(super) fn started_anew(before: (Timestamp, Timestamp), now: (Timestamp, Timestamp)) -> bool {
    let ((before_start, before_time), (start, time)) = (before, now);
    if start == 0 || start >= time || start < before_time {
        return false;
    }
    if start > before_time {
        return true;
    }
    // The start is the sample before: so it is for deltas, and for cumulative series whose start is not known.
    before_start <= before_time && before_start != 0 && before_start != before_time
}

pub(super) fn overlaps(before: (Timestamp, Timestamp), start: Timestamp) -> bool {
    start != 0 && start < before.1 && start != before.0
}

fn start_of(starts: &[Timestamp], i: usize) -> Timestamp {
    starts.get(i).copied().unwrap_or(0)
}

/// The difference of the floats of a counter, with what was lost by resets.
fn float_increase(call: &Call<'_>, w: &Window<'_>, name: &str, notes: &mut Notes) -> f64 {
    let mut result = w.values[w.values.len() - 1] - w.values[0];
    if call.function == RangeFn::Delta {
        return result;
    }
    let mut warned = false;
    for i in 1..w.values.len() {
        let before = (start_of(w.float_starts, i - 1), w.times[i - 1]);
        let now = (start_of(w.float_starts, i), w.times[i]);
        if !warned && overlaps(before, now.0) {
            notes.overlap(call.span, name);
            warned = true;
        }
        if w.values[i] < w.values[i - 1] || started_anew(before, now) {
            result += w.values[i - 1];
        }
    }
    result
}

fn extrapolated_rate(call: &Call<'_>, w: &Window<'_>, name: &str, notes: &mut Notes) -> Option<Point> {
    let counter = call.function != RangeFn::Delta;
    let of_floats = w.histograms.is_empty();
    let times: Vec<Timestamp> = w.histograms.iter().map(|(t, _)| *t).collect();
    let (times, starts) =
        if of_floats { (w.times, w.float_starts) } else { (times.as_slice(), w.histogram_starts) };
    let (first, last) = (*times.first()?, *times.last()?);
    let gaps = times.len() - 1;
    let mut float = 0.0;
    let mut histogram = None;
    if of_floats {
        float = float_increase(call, w, name, notes);
    } else if gaps > 0 {
        histogram = Some(histograms::increase(call, w, name, notes)?);
    }
    let mut to_start = (first - w.start) as f64 / 1000.0;
    let mut to_end = (w.end - last) as f64 / 1000.0;
    let mut sampled = (last - first) as f64 / 1000.0;
    let average = if gaps > 0 { sampled / gaps as f64 } else { 0.0 };
    let threshold = average * 1.1;
    let born = start_of(starts, 0);
    if counter && born != 0 && born > w.start && born < first {
        // The counter began inside the window: there was a zero, nothing is to be guessed.
        to_start = 0.0;
        sampled = (last - born) as f64 / 1000.0;
        if of_floats {
            float += w.values[0];
        } else {
            histogram = Some(histograms::plus_first(histogram, call, w, name, notes)?);
        }
    } else if gaps == 0 {
        return None;
    } else {
        if to_start >= threshold {
            to_start = average / 2.0;
        }
        let (count, total) = match &histogram {
            Some(h) => (w.histograms[0].1.count, h.count),
            None => (w.values[0], float),
        };
        if counter && total > 0.0 && count >= 0.0 {
            to_start = to_start.min(sampled * (count / total));
        }
    }
    if to_end >= threshold {
        to_end = average / 2.0;
    }
    let mut factor = if sampled == 0.0 { 1.0 } else { (sampled + to_start + to_end) / sampled };
    if call.function == RangeFn::Rate {
        factor /= call.range_ms as f64 / 1000.0;
    }
    Some(match histogram {
        Some(mut h) => {
            h.scale(factor);
            Point::Histogram(h)
        }
        None => Point::Float(float * factor),
    })
}

/// The samples at the ends of an extended window.
pub(super) struct Ends {
    pub(super) first: usize,
    pub(super) last: usize,
}

impl Ends {
    /// `None` when no sample lies after the start.
    pub(super) fn find(
        len: usize,
        time: impl Fn(usize) -> Timestamp,
        start: Timestamp,
        end: Timestamp,
        smoothed: bool,
    ) -> Option<Self> {
        let mut last = len.checked_sub(1)?;
        let search = |fits: &dyn Fn(Timestamp) -> bool| (0..last).find(|i| fits(time(*i))).unwrap_or(last);
        let first = search(&|t| t > start).saturating_sub(1);
        if smoothed {
            last = search(&|t| t >= end);
        }
        if time(last) <= start || smoothed && time(first) > end {
            return None;
        }
        Some(Self { first, last })
    }

    /// The values at the start and the end of the window.
    pub(super) fn values(
        &self,
        sample: impl Fn(usize) -> (Timestamp, f64),
        start: Timestamp,
        end: Timestamp,
        smoothed: bool,
        counter: bool,
    ) -> (f64, f64) {
        let (first, last) = (sample(self.first), sample(self.last));
        let left = if smoothed && first.0 < start {
            interpolate(first, sample(self.first + 1), start, counter)
        } else {
            first.1
        };
        let right = if smoothed && self.last > 0 && last.0 > end {
            interpolate(sample(self.last - 1), last, end, counter)
        } else {
            last.1
        };
        (left, right)
    }
}

/// The value at `t` between two samples; a counter that fell began at zero.
pub(super) fn interpolate(a: (Timestamp, f64), b: (Timestamp, f64), t: Timestamp, counter: bool) -> f64 {
    let from = if counter && b.1 < a.1 { 0.0 } else { a.1 };
    from + (b.1 - from) * (t - a.0) as f64 / (b.0 - a.0) as f64
}

fn extended_rate(call: &Call<'_>, w: &Window<'_>) -> Option<f64> {
    let counter = call.function != RangeFn::Delta;
    let ends = Ends::find(w.times.len(), |i| w.times[i], w.start, w.end, call.smoothed)?;
    let sample = |i: usize| (w.times[i], w.values[i]);
    let (left, right) = ends.values(sample, w.start, w.end, call.smoothed, counter);
    let mut result = right - left;
    if counter {
        let mut before = left;
        let inner = (ends.first..=ends.last).filter(|i| w.times[*i] > w.start && w.times[*i] < w.end);
        for v in inner.map(|i| w.values[i]).chain([right]) {
            if v < before {
                result += before;
            }
            before = v;
        }
    }
    if call.function == RangeFn::Rate {
        result /= call.range_ms as f64 / 1000.0;
    }
    Some(result)
}

/// A float or a histogram of a window, in order of time.
#[derive(Clone, Copy)]
enum Item {
    Float(usize),
    Histogram(usize),
}

fn items(w: &Window<'_>, floats_from: usize, histograms_from: usize) -> Vec<Item> {
    let mut out = Vec::with_capacity(w.values.len() + w.histograms.len());
    let (mut f, mut h) = (floats_from, histograms_from);
    while f < w.values.len() || h < w.histograms.len() {
        if h >= w.histograms.len() || f < w.values.len() && w.times[f] < w.histograms[h].0 {
            out.push(Item::Float(f));
            f += 1;
        } else {
            out.push(Item::Histogram(h));
            h += 1;
        }
    }
    out
}

/// `resets` and `changes`.
fn count(call: &Call<'_>, w: &Window<'_>) -> Option<Point> {
    let (mut from, mut histograms_from) = (0, 0);
    if call.anchored {
        // The last sample at or before the start of the window is where counting begins.
        let floats = w.times.partition_point(|t| *t <= w.start);
        let histograms = w.histograms.partition_point(|(t, _)| *t <= w.start);
        if floats >= w.times.len() && histograms >= w.histograms.len() {
            return None;
        }
        let float_time = floats.checked_sub(1).map(|i| w.times[i]);
        let histogram_time = histograms.checked_sub(1).map(|i| w.histograms[i].0);
        (from, histograms_from) = match (float_time, histogram_time) {
            (None, None) => (0, 0),
            (Some(f), h) if h.is_none_or(|h| f >= h) => (floats - 1, histograms),
            _ => (floats, histograms - 1),
        };
    }
    let items = items(w, from, histograms_from);
    let resets = call.function == RangeFn::Resets;
    let time = |i: Item| match i {
        Item::Float(i) => (start_of(w.float_starts, i), w.times[i]),
        Item::Histogram(i) => (start_of(w.histogram_starts, i), w.histograms[i].0),
    };
    let counted = items.windows(2).filter(|pair| match (pair[0], pair[1]) {
        (Item::Float(a), Item::Float(b)) => {
            let (x, y) = (w.values[a], w.values[b]);
            if resets {
                y < x || started_anew(time(pair[0]), time(pair[1]))
            } else {
                x != y && !(x.is_nan() && y.is_nan())
            }
        }
        (Item::Histogram(a), Item::Histogram(b)) => {
            let (x, y) = (&w.histograms[a].1, &w.histograms[b].1);
            if resets {
                started_anew(time(pair[0]), time(pair[1])) || y.is_reset_of(x)
            } else {
                !y.same_as(x)
            }
        }
        _ => true,
    });
    Some(Point::Float(counted.count() as f64))
}

/// `irate` and `idelta`: the last two samples.
fn instant_rate(call: &Call<'_>, w: &Window<'_>, name: &str, notes: &mut Notes) -> Option<Point> {
    let rate = call.function == RangeFn::Irate;
    let from = w.values.len().saturating_sub(2);
    let histograms_from = w.histograms.len().saturating_sub(2);
    let items = items(w, from, histograms_from);
    let pair = items.get(items.len().checked_sub(2)?..)?;
    let result = match (pair[0], pair[1]) {
        (Item::Float(a), Item::Float(b)) => {
            let before = (start_of(w.float_starts, a), w.times[a]);
            let now = (start_of(w.float_starts, b), w.times[b]);
            let seconds = (now.1 - before.1) as f64 / 1000.0;
            if seconds == 0.0 {
                return None;
            }
            let (x, y) = (w.values[a], w.values[b]);
            let reset = rate && (y < x || started_anew(before, now));
            let difference = if reset { y } else { y - x };
            Point::Float(if rate { difference / seconds } else { difference })
        }
        (Item::Histogram(a), Item::Histogram(b)) => {
            let before = (start_of(w.histogram_starts, a), w.histograms[a].0);
            let now = (start_of(w.histogram_starts, b), w.histograms[b].0);
            let anew = rate && started_anew(before, now);
            Point::Histogram(histograms::instant_rate(call, w, (a, b), anew, name, notes)?)
        }
        _ => {
            notes.mixed(call.span, name);
            return None;
        }
    };
    Some(result)
}
