//! `histogram_quantile` and `histogram_fraction`, over classic buckets (series with `le`) and native histograms.

use super::Context;
use super::bits::Bits;
use super::frame::{Frame, Row};
use super::ranks::{classic_fraction, classic_quantile, native_fraction, native_quantile};
use crate::ast::Span;
use crate::error::Error;
use crate::format::format_open_metrics;
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
