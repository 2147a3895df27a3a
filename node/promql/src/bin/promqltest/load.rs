//! What `load` stores: samples as described, with what a storage would know of counter resets.

use crate::script::Load;
use plimsoll_model::{Histogram, Labels, METRIC_NAME, ResetHint, Span};
use plimsoll_promql::memory::{MemorySource, Sample};
use plimsoll_promql::{Described, histogram_was_reset};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Stores the series of `load`.
pub fn store(load: &Load, into: &mut MemorySource) -> Result<(), String> {
    for (series, starts) in &load.series {
        let mut before: Option<Arc<Histogram>> = None;
        for (i, value) in series.values.iter().enumerate() {
            let time = i as i64 * load.step_ms;
            let start = starts.as_ref().and_then(|s| s.get(i)).copied().flatten();
            let start = start.map_or(0, |offset| time + offset);
            match value {
                Described::Omitted => {}
                Described::Float(v) => {
                    into.put(&series.labels, time, Sample::Float(*v), start);
                    before = None;
                }
                Described::Histogram(h, _) => {
                    let h = Arc::new(with_hint(h, before.as_deref()));
                    into.put(&series.labels, time, Sample::Histogram(Arc::clone(&h)), start);
                    before = Some(h);
                }
            }
        }
    }
    if load.with_custom_buckets { store_custom_buckets(load, into) } else { Ok(()) }
}

/// A storage compares a histogram with the one before it and keeps the outcome.
fn with_hint(h: &Histogram, before: Option<&Histogram>) -> Histogram {
    let mut out = h.clone();
    if h.reset_hint == ResetHint::Gauge {
        return out;
    }
    let Some(before) = before.filter(|b| b.reset_hint != ResetHint::Gauge) else {
        out.reset_hint = ResetHint::Unknown;
        return out;
    };
    out.reset_hint = ResetHint::Unknown;
    if out.is_stale() || before.is_stale() {
        return out;
    }
    // Only the samples after the first of a chunk are known to follow without a reset; a reset or another layout
    // begins a chunk, of which nothing is known.
    let same_layout = out.schema == before.schema
        && out.zero_threshold == before.zero_threshold
        && out.custom_values == before.custom_values;
    if same_layout && !histogram_was_reset(&out, before) {
        out.reset_hint = ResetHint::No;
    }
    out
}

/// A classic histogram at one time.
#[derive(Default)]
struct Classic {
    /// Cumulative counts by bound.
    buckets: Vec<(f64, f64)>,
    count: Option<f64>,
    sum: f64,
}

fn store_custom_buckets(load: &Load, into: &mut MemorySource) -> Result<(), String> {
    let mut all: BTreeMap<Labels, BTreeMap<i64, Classic>> = BTreeMap::new();
    for (series, _) in &load.series {
        let name = series.labels.metric_name().unwrap_or("");
        let suffix = ["_bucket", "_count", "_sum"].into_iter().find(|s| name.ends_with(s));
        let Some(suffix) = suffix else { continue };
        let base = &name[..name.len() - suffix.len()];
        let labels = series.labels.with(METRIC_NAME, base).filter(|n| n != "le");
        let bound = match series.labels.get("le").unwrap_or("") {
            "+Inf" => f64::INFINITY,
            text => text.parse().unwrap_or(f64::NAN),
        };
        if suffix == "_bucket" && bound.is_nan() {
            continue;
        }
        for (i, value) in series.values.iter().enumerate() {
            let Described::Float(v) = value else { continue };
            let time = i as i64 * load.step_ms;
            let classic = all.entry(labels.clone()).or_default().entry(time).or_default();
            match suffix {
                "_bucket" => classic.buckets.push((bound, *v)),
                "_count" => classic.count = Some(*v),
                _ => classic.sum = *v,
            }
        }
    }
    for (labels, times) in all {
        let mut before: Option<Histogram> = None;
        for (time, classic) in times {
            let h = with_hint(&classic.convert()?, before.as_ref());
            into.put(&labels, time, Sample::Histogram(Arc::new(h.clone())), 0);
            before = Some(h);
        }
    }
    Ok(())
}

impl Classic {
    fn convert(mut self) -> Result<Histogram, String> {
        self.buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        self.buckets.dedup_by(|a, b| a.0 == b.0);
        let last = self.buckets.last().map_or(0.0, |b| b.1);
        let count = self.count.unwrap_or(last);
        if self.buckets.last().is_none_or(|b| b.0 != f64::INFINITY) {
            self.buckets.push((f64::INFINITY, count));
        }
        let mut h = Histogram {
            schema: Histogram::CUSTOM_SCHEMA,
            count,
            sum: self.sum,
            positive_spans: vec![Span { offset: 0, length: self.buckets.len() as u32 }],
            ..Histogram::default()
        };
        let mut below = 0.0;
        for (bound, cumulative) in self.buckets {
            if cumulative < below {
                return Err("count is not cumulative".into());
            }
            h.positive_buckets.push(cumulative - below);
            below = cumulative;
            if bound.is_finite() {
                h.custom_values.push(bound);
            }
        }
        Ok(h)
    }
}
