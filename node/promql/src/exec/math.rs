//! Functions and operators that look at one sample of one series at a time.

use super::frame::{Frame, Row};
use super::incompatible;
use crate::ast::{BinaryOp, Span};
use crate::date::{Date, days_in_month};
use crate::error::Error;
use crate::hist::{HistogramMath, Incompatible, Total, all_buckets, trim};
use crate::notes::{Notes, Operation};
use crate::plan::{DateFn, Grid, HistogramStat, MathFn, VectorScalar};
use plimsoll_model::{Histogram, Labels, ResetHint};
use std::sync::Arc;

/// The larger one; NaN wins, as in Go.
pub(super) fn go_max(a: f64, b: f64) -> f64 {
    if a == f64::INFINITY || b == f64::INFINITY {
        f64::INFINITY
    } else if a.is_nan() || b.is_nan() {
        f64::NAN
    } else {
        a.max(b)
    }
}

/// The smaller one; NaN wins, as in Go.
pub(super) fn go_min(a: f64, b: f64) -> f64 {
    -go_max(-a, -b)
}

/// Applies `f` to all floats; histograms are left out.
fn floats(frame: &mut Frame, delayed: bool, mut f: impl FnMut(usize, f64) -> f64) {
    for row in &mut frame.rows {
        row.histograms = None;
        if row.present.is_full() {
            for (step, v) in row.values.iter_mut().enumerate() {
                *v = f(step, *v);
            }
        } else {
            let Row { values, present, .. } = row;
            for step in present.ones() {
                values[step] = f(step, values[step]);
            }
        }
        row.lose_name(delayed);
    }
}

pub(super) fn map(function: MathFn, args: &[Vec<f64>], frame: &mut Frame, delayed: bool) {
    let arg = |i: usize, step: usize| args[i][step];
    let plain: fn(f64) -> f64 = match function {
        MathFn::Clamp | MathFn::ClampMax | MathFn::ClampMin | MathFn::Round => {
            return with_args(function, args, frame, delayed, arg);
        }
        MathFn::Abs => f64::abs,
        MathFn::Acos => f64::acos,
        MathFn::Acosh => f64::acosh,
        MathFn::Asin => f64::asin,
        MathFn::Asinh => f64::asinh,
        MathFn::Atan => f64::atan,
        MathFn::Atanh => f64::atanh,
        MathFn::Ceil => f64::ceil,
        MathFn::Cos => f64::cos,
        MathFn::Cosh => f64::cosh,
        MathFn::Deg => |v| v * 180.0 / std::f64::consts::PI,
        MathFn::Exp => f64::exp,
        MathFn::Floor => f64::floor,
        MathFn::Ln => f64::ln,
        MathFn::Log10 => f64::log10,
        MathFn::Log2 => f64::log2,
        MathFn::Rad => |v| v * std::f64::consts::PI / 180.0,
        MathFn::Sgn => |v| {
            if v < 0.0 {
                -1.0
            } else if v > 0.0 {
                1.0
            } else {
                v
            }
        },
        MathFn::Sin => f64::sin,
        MathFn::Sinh => f64::sinh,
        MathFn::Sqrt => f64::sqrt,
        MathFn::Tan => f64::tan,
        MathFn::Tanh => f64::tanh,
    };
    floats(frame, delayed, |_, v| plain(v));
}

fn with_args(
    function: MathFn,
    args: &[Vec<f64>],
    frame: &mut Frame,
    delayed: bool,
    arg: impl Fn(usize, usize) -> f64,
) {
    match function {
        MathFn::Clamp => {
            floats(frame, delayed, |step, v| go_max(arg(0, step), go_min(arg(1, step), v)));
            // An upper limit below the lower one leaves nothing.
            for step in (0..frame.steps).filter(|s| arg(1, *s) < arg(0, *s)) {
                frame.rows.iter_mut().for_each(|r| r.present.clear(step));
            }
        }
        MathFn::ClampMax => {
            floats(frame, delayed, |step, v| go_max(f64::NEG_INFINITY, go_min(arg(0, step), v)))
        }
        MathFn::ClampMin => floats(frame, delayed, |step, v| go_max(arg(0, step), go_min(f64::INFINITY, v))),
        _ => floats(frame, delayed, |step, v| {
            // The inverse causes fewer inaccuracies.
            let inverse = 1.0 / if args.is_empty() { 1.0 } else { arg(0, step) };
            (v * inverse + 0.5).floor() / inverse
        }),
    }
}

pub(super) fn negate(frame: &mut Frame, delayed: bool) {
    for row in &mut frame.rows {
        row.values.iter_mut().for_each(|v| *v = -*v);
        for slot in row.histograms.iter_mut().flat_map(|h| h.iter_mut()).flatten() {
            Arc::make_mut(slot).scale(-1.0);
        }
        row.lose_name(delayed);
    }
}

/// Replaces each value, a Unix time in seconds, by a part of its date. Names are left to the caller.
pub(super) fn date(function: DateFn, frame: &mut Frame) {
    let part = |v: f64| {
        let d = Date::of_unix(v as i64);
        let n = match function {
            DateFn::DayOfMonth => d.day,
            DateFn::DayOfWeek => d.weekday,
            DateFn::DayOfYear => d.day_of_year,
            DateFn::DaysInMonth => days_in_month(d.year, d.month),
            DateFn::Hour => d.second / 3600,
            DateFn::Minute => d.second / 60 % 60,
            DateFn::Month => d.month,
            DateFn::Year => d.year,
        };
        n as f64
    };
    // Beyond these no calendar helps; the conversion would overflow.
    let bounded = |v: f64| if v.abs() < 1e15 { part(v) } else { f64::NAN };
    for row in &mut frame.rows {
        row.histograms = None;
        row.values.iter_mut().for_each(|v| *v = bounded(*v));
    }
}

/// The time of each step wherever there is a sample.
pub(super) fn eval_time(frame: &mut Frame, grid: Grid, delayed: bool) {
    for row in &mut frame.rows {
        row.present = row.presence();
        row.histograms = None;
        row.values = grid.times().map(|t| t as f64 / 1000.0).collect();
        row.lose_name(delayed);
    }
}

pub(super) fn histogram_stat(stat: HistogramStat, frame: &mut Frame, delayed: bool) {
    for row in &mut frame.rows {
        let histograms = row.histograms.take();
        let mut out = Row::empty(std::mem::take(&mut row.labels), frame.steps);
        out.drop_name = row.drop_name;
        for (step, h) in histograms.iter().flat_map(|h| h.iter().enumerate()) {
            if let Some(h) = h {
                out.set(step, figure(stat, h));
            }
        }
        *row = out;
        row.lose_name(delayed);
    }
}

fn figure(stat: HistogramStat, h: &Histogram) -> f64 {
    match stat {
        HistogramStat::Avg => h.sum / h.count,
        HistogramStat::Count => h.count,
        HistogramStat::Sum => h.sum,
        HistogramStat::Stdvar => variance(h),
        HistogramStat::Stddev => variance(h).sqrt(),
    }
}

/// The variance, as if all values of a bucket lay at its middle (the geometric one for exponential buckets).
fn variance(h: &Histogram) -> f64 {
    let mean = h.sum / h.count;
    let (mut total, mut lost) = (0.0, 0.0);
    for b in all_buckets(h).iter().filter(|b| b.count != 0.0) {
        let middle = if h.is_custom() {
            (b.upper + b.lower) / 2.0
        } else if b.lower <= 0.0 && b.upper >= 0.0 {
            0.0
        } else {
            let geometric = (b.upper * b.lower).sqrt();
            if b.upper < 0.0 { -geometric } else { geometric }
        };
        let delta = middle - mean;
        (total, lost) = super::kernels::neumaier(b.count * delta * delta, total, lost);
    }
    (total + lost) / h.count
}

/// The only float of each step, else NaN.
pub(super) fn scalar_of(frame: &Frame) -> Vec<f64> {
    let mut out = vec![f64::NAN; frame.steps];
    let mut found = vec![0u8; frame.steps];
    for row in &frame.rows {
        for step in row.present.ones() {
            found[step] = found[step].saturating_add(1);
            out[step] = if found[step] == 1 { row.values[step] } else { f64::NAN };
        }
    }
    out
}

/// One series without labels.
pub(super) fn vector_of(values: Vec<f64>) -> Frame {
    let steps = values.len();
    let row = Row { values, present: super::bits::Bits::all(steps), ..Row::empty(Labels::default(), 0) };
    Frame { steps, rows: vec![row], held: Vec::new() }
}

fn truth(v: bool) -> f64 {
    f64::from(u8::from(v))
}

pub(super) fn scalar_binary(op: BinaryOp, a: f64, b: f64) -> f64 {
    if op.is_comparison() { truth(compares(op, a, b)) } else { arithmetic(op, a, b) }
}

#[inline]
fn compares(op: BinaryOp, a: f64, b: f64) -> bool {
    match op {
        BinaryOp::Equal => a == b,
        BinaryOp::NotEqual => a != b,
        BinaryOp::Greater => a > b,
        BinaryOp::Less => a < b,
        BinaryOp::GreaterEqual => a >= b,
        _ => a <= b,
    }
}

#[inline]
pub(super) fn arithmetic(op: BinaryOp, a: f64, b: f64) -> f64 {
    match op {
        BinaryOp::Add => a + b,
        BinaryOp::Sub => a - b,
        BinaryOp::Mul => a * b,
        BinaryOp::Div => a / b,
        BinaryOp::Mod => a % b,
        BinaryOp::Pow => a.powf(b),
        BinaryOp::Atan2 => a.atan2(b),
        _ => f64::NAN,
    }
}

/// A sample of either kind, borrowed.
#[derive(Clone, Copy)]
pub(super) enum Item<'a> {
    Float(f64),
    Histogram(&'a Arc<Histogram>),
}

impl Item<'_> {
    pub(super) fn of(row: &Row, step: usize) -> Option<Item<'_>> {
        match row.float(step) {
            Some(v) => Some(Item::Float(v)),
            None => row.histogram(step).map(Item::Histogram),
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Item::Float(_) => "float",
            Item::Histogram(_) => "histogram",
        }
    }
}

/// The result of a binary operation.
pub(super) enum Combined {
    Float(f64),
    Histogram(Arc<Histogram>),
}

/// `left op right` between two samples: the result, and whether a filter keeps it.
pub(super) fn combine(
    op: BinaryOp,
    left: Item<'_>,
    right: Item<'_>,
    span: Span,
    notes: &mut Notes,
) -> Option<(Combined, bool)> {
    use Item::{Float, Histogram as H};
    let made = |h: Histogram| Some((Combined::Histogram(Arc::new(h)), true));
    let scaled = |h: &Histogram, by: f64, divide: bool| {
        let mut out = h.clone();
        if divide {
            out.divide(by)
        } else {
            out.scale(by)
        }
        made(Total::of(&out).finish())
    };
    match (left, right, op) {
        (Float(a), Float(b), op) if op.is_comparison() => Some((Combined::Float(a), compares(op, a, b))),
        (Float(a), Float(b), op) if op.changes_schema() => {
            Some((Combined::Float(arithmetic(op, a, b)), true))
        }
        (Float(by), H(h), BinaryOp::Mul) | (H(h), Float(by), BinaryOp::Mul) => scaled(h, by, false),
        (H(h), Float(by), BinaryOp::Div) => scaled(h, by, true),
        (H(h), Float(at), BinaryOp::TrimUpper) => made(trim(h, at, true)),
        (H(h), Float(at), BinaryOp::TrimLower) => made(trim(h, at, false)),
        (H(a), H(b), BinaryOp::Equal) => Some((Combined::Histogram(Arc::clone(a)), a.same_as(b))),
        (H(a), H(b), BinaryOp::NotEqual) => Some((Combined::Histogram(Arc::clone(a)), !a.same_as(b))),
        (H(a), H(b), BinaryOp::Add | BinaryOp::Sub) => sum(op, a, b, span, notes),
        _ => {
            incompatible(notes, span, left.kind(), op, right.kind());
            None
        }
    }
}

fn sum(
    op: BinaryOp,
    a: &Histogram,
    b: &Histogram,
    span: Span,
    notes: &mut Notes,
) -> Option<(Combined, bool)> {
    let mut total = Total::of(a);
    let (outcome, operation) = if op == BinaryOp::Add {
        (total.add(b), Operation::Addition)
    } else {
        (total.subtract(b), Operation::Subtraction)
    };
    let Ok(outcome) = outcome else {
        let Incompatible = Incompatible;
        notes.warn(
            span,
            format!("incompatible bucket layout encountered for binary operator {}", op.symbol()),
        );
        return None;
    };
    if outcome.collision {
        notes.reset_collision(span, operation);
    }
    if outcome.reconciled {
        notes.reconciled(span, operation);
    }
    if op == BinaryOp::Sub {
        total.reset_hint = ResetHint::Gauge;
    }
    Some((Combined::Histogram(Arc::new(total.finish())), true))
}

/// A vector with a scalar; a comparison keeps the vector's value on whichever side it stood.
pub(super) fn vector_scalar(
    v: &VectorScalar,
    scalars: &[f64],
    frame: &mut Frame,
    delayed: bool,
    notes: &mut Notes,
) -> Result<(), Error> {
    let drops = v.op.changes_schema() || v.return_bool;
    for row in &mut frame.rows {
        if row.histograms.is_none() && v.op.changes_schema() {
            for (value, s) in row.values.iter_mut().zip(scalars) {
                let (a, b) = if v.swapped { (*s, *value) } else { (*value, *s) };
                *value = arithmetic(v.op, a, b);
            }
        } else {
            let mut out = Row::empty(row.labels.clone(), frame.steps);
            out.drop_name = row.drop_name;
            for (step, s) in scalars.iter().enumerate() {
                let Some(item) = Item::of(row, step) else { continue };
                let (a, b) = if v.swapped { (Item::Float(*s), item) } else { (item, Item::Float(*s)) };
                let Some((result, keep)) = combine(v.op, a, b, v.span, notes) else { continue };
                if v.return_bool {
                    out.set(step, truth(keep));
                } else if keep {
                    match (v.op.is_comparison(), item, result) {
                        (true, Item::Float(f), _) | (false, _, Combined::Float(f)) => out.set(step, f),
                        (true, Item::Histogram(h), _) => out.set_histogram(step, Arc::clone(h)),
                        (false, _, Combined::Histogram(h)) => out.set_histogram(step, h),
                    }
                }
            }
            *row = out;
        }
        if drops {
            row.lose_name(delayed);
        }
    }
    Ok(())
}
