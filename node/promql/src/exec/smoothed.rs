//! Instant selectors with `smoothed`: the value at a step lies on the line between the samples around it.

use super::Context;
use super::counters;
use super::frame::Row;
use super::histograms;
use super::window::Windows;
use crate::hist::HistogramMath;
use crate::notes::Notes;
use crate::plan::Select;
use plimsoll_model::{Labels, METRIC_NAME, ResetHint, Samples};
use std::sync::Arc;

impl Context<'_> {
    pub(super) fn smoothed_row(
        &self,
        select: &Select,
        labels: Labels,
        samples: &Samples,
        windows: &Windows,
    ) -> Row {
        let samples = super::raw::clean(samples.clone(), None);
        let name = labels.get(METRIC_NAME).unwrap_or("").to_owned();
        let mut row = Row::empty(labels, windows.steps);
        let mut notes = Notes::default();
        let times = &samples.floats.timestamps;
        let values = &samples.floats.values;
        for step in 0..windows.steps {
            let at = windows.end_of(step);
            let (from, until) = (at.saturating_sub(windows.range), at.saturating_add(windows.after));
            let (lo, hi) = (times.partition_point(|t| *t <= from), times.partition_point(|t| *t <= until));
            let histograms = &samples.histograms;
            let hlo = histograms.partition_point(|(t, _)| *t <= from);
            let hhi = histograms.partition_point(|(t, _)| *t <= until);
            if lo < hi && hlo < hhi {
                notes.mixed(select.span, &name);
                continue;
            }
            let next = times.partition_point(|t| *t < at);
            if lo < hi {
                if next < hi && times[next] == at {
                    row.set(step, values[next]);
                } else if next > lo && next < hi {
                    let sample = |i: usize| (times[i], values[i]);
                    let v = counters::interpolate(sample(next - 1), sample(next), at, false);
                    row.set(step, v);
                } else if next > lo {
                    row.set(step, values[next - 1]);
                }
                continue;
            }
            let next = histograms.partition_point(|(t, _)| *t < at);
            if next < hhi && histograms[next].0 == at {
                row.set_histogram(step, Arc::clone(&histograms[next].1));
            } else if next > hlo && next < hhi {
                let (a, b) = (&histograms[next - 1], &histograms[next]);
                if a.1.is_custom() != b.1.is_custom() {
                    notes.mixed_schemas(select.span, &name);
                    continue;
                }
                let gauge = |h: &plimsoll_model::Histogram| h.reset_hint == ResetHint::Gauge;
                let counter = !gauge(&a.1) || !gauge(&b.1);
                let h = histograms::interpolate((a.0, &a.1), (b.0, &b.1), at, counter, |outcome, op| {
                    let outcome = outcome.ok()?;
                    if outcome.reconciled {
                        notes.reconciled(select.span, op);
                    }
                    Some(outcome)
                });
                if let Some(h) = h {
                    row.set_histogram(step, Arc::new(h));
                }
            } else if next > hlo {
                let mut h = histograms[next - 1].1.as_ref().clone();
                h.reset_hint = ResetHint::Unknown;
                row.set_histogram(step, Arc::new(h));
            }
        }
        self.note(notes);
        row
    }
}
