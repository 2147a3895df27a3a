//! Aggregations over the values of a step: `count_values` and `quantile`.

use super::aggregate::group_rows;
use super::frame::{Frame, Row};
use crate::format::format_plain;
use crate::hist;
use crate::notes::Notes;
use crate::plan::{Aggregate, Grid};
use plimsoll_model::Labels;
use rayon::prelude::*;
use std::collections::HashMap;

/// How often each value occurs.
pub(super) fn count_values(a: &Aggregate, frame: &Frame, grid: Grid) -> Frame {
    let mut grouping = a.grouping.clone();
    if !grouping.without {
        grouping.labels.push(a.label.clone());
        grouping.labels.sort_unstable();
        grouping.labels.dedup();
    }
    let mut index: HashMap<Labels, usize> = HashMap::new();
    let mut out = Frame::new(grid.steps);
    for row in &frame.rows {
        let mut last: Option<(u64, usize)> = None;
        for step in 0..grid.steps {
            let (text, bits) = match (row.float(step), row.histogram(step)) {
                (Some(v), _) => (None, Some(v.to_bits())),
                (None, Some(h)) => (Some(hist::text(h)), None),
                (None, None) => continue,
            };
            let at = match (last, bits) {
                (Some((before, at)), Some(bits)) if before == bits => at,
                _ => {
                    let text = text.unwrap_or_else(|| format_plain(row.values[step]));
                    let key = grouping.key(&row.labels.with(&a.label, &text));
                    *index.entry(key).or_insert_with_key(|key| {
                        out.rows.push(Row::empty(key.clone(), grid.steps));
                        out.rows.len() - 1
                    })
                }
            };
            last = bits.map(|bits| (bits, at));
            let counted = &mut out.rows[at];
            counted.set(step, counted.float(step).unwrap_or(0.0) + 1.0);
        }
    }
    out
}

pub(super) fn add_counts(frame: Frame) -> Frame {
    let mut index: HashMap<Labels, usize> = HashMap::new();
    let mut out = Frame { steps: frame.steps, rows: Vec::new(), held: frame.held };
    for row in frame.rows {
        match index.get(&row.labels) {
            Some(&at) => {
                let total = &mut out.rows[at];
                for step in row.present.ones() {
                    total.set(step, total.float(step).unwrap_or(0.0) + row.values[step]);
                }
            }
            None => {
                index.insert(row.labels.clone(), out.rows.len());
                out.rows.push(row);
            }
        }
    }
    out
}

/// `quantile` over rows: a group's values of a step are gathered and sorted.
pub(super) fn quantiles(a: &Aggregate, params: &[f64], frame: &Frame, notes: &mut Notes) -> Frame {
    let (of_row, labels) = group_rows(&a.grouping, &frame.rows);
    let mut members: Vec<Vec<&Row>> = vec![Vec::new(); labels.len()];
    for (row, group) in frame.rows.iter().zip(of_row) {
        if row.histograms.as_ref().is_some_and(|h| h.iter().any(Option::is_some)) {
            notes.ignored_in_aggregation(a.input_span, a.op.name());
        }
        members[group].push(row);
    }
    let rows = labels.into_par_iter().zip(members).map(|(labels, members)| {
        let mut out = Row::empty(labels, frame.steps);
        out.drop_name = members.iter().any(|m| m.drop_name);
        let mut values = Vec::with_capacity(members.len());
        for (step, q) in params.iter().enumerate() {
            values.clear();
            values.extend(members.iter().filter_map(|m| m.float(step)));
            if !values.is_empty() {
                out.set(step, super::kernels::quantile(*q, &values));
            }
        }
        out
    });
    let mut out = Frame { steps: frame.steps, rows: rows.collect(), held: Vec::new() };
    out.rows.retain(|r| !r.is_empty());
    out
}
