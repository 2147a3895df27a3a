//! Warnings and infos that travel with an answer, each once, with the place in the query that they are about.

use crate::ast::Span;
use crate::format::{format_general, format_two_digits};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How serious a note is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Severity {
    /// The answer is probably not what was meant.
    Warning,
    /// Something worth knowing.
    Info,
}

/// A note about an answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Note {
    /// How serious it is.
    pub severity: Severity,
    /// Its text, without the place.
    pub text: String,
    /// What it is about.
    pub span: Span,
    detail: Detail,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Detail {
    None,
    /// Buckets that were made monotonic.
    Monotonic {
        first: i64,
        last: i64,
        least: f64,
        greatest: f64,
        difference: f64,
        count: u64,
    },
    /// How often start times overlapped.
    Overlap(u64),
}

/// All notes of a query, by text.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Notes(BTreeMap<String, Note>);

/// What was done to a histogram.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Operation {
    Addition,
    Subtraction,
    Aggregation,
}

impl Operation {
    fn name(self) -> &'static str {
        match self {
            Self::Addition => "addition",
            Self::Subtraction => "subtraction",
            Self::Aggregation => "aggregation",
        }
    }
}

fn named(text: String, metric: &str) -> String {
    if metric.is_empty() { text } else { format!("{text} for metric name {metric:?}") }
}

impl Notes {
    /// Adds a warning.
    pub(crate) fn warn(&mut self, span: Span, text: impl Into<String>) {
        self.add(Note {
            severity: Severity::Warning,
            text: format!("PromQL warning: {}", text.into()),
            span,
            detail: Detail::None,
        });
    }

    /// Adds an info.
    pub(crate) fn info(&mut self, span: Span, text: impl Into<String>) {
        self.add(Note {
            severity: Severity::Info,
            text: format!("PromQL info: {}", text.into()),
            span,
            detail: Detail::None,
        });
    }

    fn add(&mut self, mut note: Note) {
        if let Some(before) = self.0.get(&note.text) {
            note.detail.join(&before.detail);
        }
        self.0.insert(note.text.clone(), note);
    }

    /// Adds the notes of `other`.
    pub(crate) fn merge(&mut self, other: Self) {
        for note in other.0.into_values() {
            self.add(note);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The notes of one severity as text, with the place in `query`.
    pub fn texts(&self, severity: Severity, query: &str) -> Vec<String> {
        self.0.values().filter(|n| n.severity == severity).map(|n| n.render(query)).collect()
    }

    pub(crate) fn mixed(&mut self, span: Span, metric: &str) {
        self.warn(span, format!("encountered a mix of histograms and floats for metric name {metric:?}"));
    }

    pub(crate) fn mixed_schemas(&mut self, span: Span, metric: &str) {
        let text = "vector contains a mix of histograms with exponential and custom buckets schemas \
                    for metric name";
        self.warn(span, format!("{text} {metric:?}"));
    }

    pub(crate) fn not_counter(&mut self, span: Span, metric: &str) {
        self.warn(span, format!("this native histogram metric is not a counter: {metric:?}"));
    }

    pub(crate) fn not_gauge(&mut self, span: Span, metric: &str) {
        self.warn(span, format!("this native histogram metric is not a gauge: {metric:?}"));
    }

    pub(crate) fn reset_collision(&mut self, span: Span, operation: Operation) {
        self.warn(span, format!("conflicting counter resets during histogram {}", operation.name()));
    }

    pub(crate) fn reconciled(&mut self, span: Span, operation: Operation) {
        self.info(span, format!("mismatched custom buckets were reconciled during {}", operation.name()));
    }

    pub(crate) fn ignored_in_range(&mut self, span: Span, metric: &str) {
        let text = "ignored histograms in a range containing both floats and histograms for metric name";
        self.info(span, format!("{text} {metric:?}"));
    }

    pub(crate) fn ignored_in_aggregation(&mut self, span: Span, aggregation: &str) {
        self.info(span, format!("ignored histogram in {aggregation} aggregation"));
    }

    pub(crate) fn invalid_quantile(&mut self, span: Span, q: f64) {
        self.warn(span, format!("quantile value should be between 0 and 1, got {}", format_general(q)));
    }

    pub(crate) fn incompatible_types(&mut self, span: Span, left: &str, op: &str, right: &str) {
        let text = "incompatible sample types encountered for binary operator";
        self.info(span, format!("{text} {op:?}: {left} {op} {right}"));
    }

    pub(crate) fn bad_bucket(&mut self, span: Span, metric: &str, label: &str) {
        let text = format!("bucket label \"le\" is missing or has a malformed value of {label:?}");
        self.warn(span, named(text, metric));
    }

    pub(crate) fn mixed_classic(&mut self, span: Span, metric: &str) {
        self.warn(span, named("vector contains a mix of classic and native histograms".into(), metric));
    }

    pub(crate) fn quantile_of_nan(&mut self, span: Span, metric: &str, skewed: bool) {
        let what = if skewed { "skewed higher" } else { "NaN" };
        let text = format!("input to histogram_quantile has NaN observations, result is {what}");
        self.info(span, named(text, metric));
    }

    pub(crate) fn fraction_of_nan(&mut self, span: Span, metric: &str) {
        let text = "input to histogram_fraction has NaN observations, which are excluded from all fractions";
        self.info(span, named(text.into(), metric));
    }

    pub(crate) fn overlap(&mut self, span: Span, metric: &str) {
        let text = "sample has start time that overlaps with previous sample timestamp";
        self.add(Note {
            severity: Severity::Warning,
            text: format!("PromQL warning: {text} for metric {metric:?}"),
            span,
            detail: Detail::Overlap(1),
        });
    }

    pub(crate) fn monotonic(&mut self, span: Span, metric: &str, time: i64, forced: (f64, f64, f64)) {
        let text = "input to histogram_quantile needed to be fixed for monotonicity (see \
                    https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile)";
        let (least, greatest, difference) = forced;
        self.add(Note {
            severity: Severity::Info,
            text: format!("PromQL info: {}", named(text.into(), metric)),
            span,
            detail: Detail::Monotonic { first: time, last: time, least, greatest, difference, count: 1 },
        });
    }
}

impl Detail {
    fn join(&mut self, before: &Self) {
        match (self, before) {
            (Self::Overlap(n), Self::Overlap(m)) => *n += m,
            (
                Self::Monotonic { first, last, least, greatest, difference, count },
                Self::Monotonic { first: f, last: l, least: le, greatest: g, difference: d, count: c },
            ) => {
                *first = (*first).min(*f);
                *last = (*last).max(*l);
                *least = least.min(*le);
                *greatest = greatest.max(*g);
                *difference = difference.max(*d);
                *count += c;
            }
            _ => {}
        }
    }
}

impl Note {
    fn render(&self, query: &str) -> String {
        let (line, column) = self.span.line_column(query);
        let text = &self.text;
        match &self.detail {
            Detail::Overlap(n) if *n > 1 => format!("{text} ({n} occurrences) ({line}:{column})"),
            Detail::Monotonic { first, last, least, greatest, difference, count } => format!(
                "{text}, from buckets {} to {}, with a max diff of {}, over {count} samples from {} to {} \
                 ({line}:{column})",
                format_general(*least),
                format_general(*greatest),
                format_two_digits(*difference),
                crate::date::rfc3339(*first),
                crate::date::rfc3339(*last),
            ),
            _ => format!("{text} ({line}:{column})"),
        }
    }
}
