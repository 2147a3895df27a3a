//! The answer to a query.

use super::frame::{Frame, Row, labels_as_bytes};
use crate::budget::Held;
use crate::notes::{Notes, Severity};
use crate::plan::Grid;
use plimsoll_model::{FloatColumn, Histogram, Labels, Samples, Timestamp};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A sample of an answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Point {
    /// A number.
    Float(f64),
    /// A native histogram.
    Histogram(Arc<Histogram>),
}

/// One series at one time.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Its labels.
    pub labels: Labels,
    /// Its sample.
    pub point: Point,
}

/// One series over a range of time.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct RangeSeries {
    /// Its labels.
    #[serde(with = "labels_as_bytes")]
    pub labels: Labels,
    /// Its floats in order of time.
    pub floats: Vec<(Timestamp, f64)>,
    /// Its histograms in order of time.
    pub histograms: Vec<(Timestamp, Arc<Histogram>)>,
    /// What the samples hold of the query's budget.
    #[serde(skip)]
    pub(crate) _held: Arc<Held>,
}

impl PartialEq for RangeSeries {
    fn eq(&self, other: &Self) -> bool {
        self.labels == other.labels && self.floats == other.floats && self.histograms == other.histograms
    }
}

impl RangeSeries {
    pub(super) fn of_row(row: &Row, grid: Grid) -> Self {
        let histograms = row
            .histograms
            .iter()
            .flat_map(|h| h.iter().enumerate())
            .filter_map(|(i, h)| h.as_ref().map(|h| (grid.time(i), Arc::clone(h))))
            .collect();
        Self {
            labels: row.labels.clone(),
            floats: row.present.ones().map(|i| (grid.time(i), row.values[i])).collect(),
            histograms,
            _held: Arc::default(),
        }
    }

    pub(super) fn samples(&self) -> Samples {
        let (timestamps, values): (Vec<_>, Vec<_>) = self.floats.iter().copied().unzip();
        let floats = FloatColumn { timestamps: Arc::new(timestamps), values };
        Samples { floats, histograms: self.histograms.clone() }
    }
}

/// The value of a query.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A number at the time of the query.
    Scalar(Timestamp, f64),
    /// A text at the time of the query.
    String(Timestamp, String),
    /// Series at the time of the query, in the order of the query.
    Vector(Timestamp, Vec<Series>),
    /// Series over time, in order of their labels.
    Matrix(Vec<RangeSeries>),
}

/// What a query took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Samples read from the sources.
    pub samples_read: u64,
    /// Series selected from the sources.
    pub series: u64,
}

/// A value and what is to be said about it.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The value.
    pub value: Value,
    /// Notes that the answer is probably not what was meant, with their places.
    pub warnings: Vec<String>,
    /// Notes worth knowing, with their places.
    pub infos: Vec<String>,
    /// What the query took.
    pub stats: Stats,
}

impl Answer {
    pub(super) fn new(value: Value, notes: &Notes, query: &str, stats: Stats) -> Self {
        let warnings = notes.texts(Severity::Warning, query);
        let infos = notes.texts(Severity::Info, query);
        Self { value, warnings, infos, stats }
    }
}

/// The rows of a frame as series of one time, in order.
pub(super) fn vector_of(frame: Frame) -> Vec<Series> {
    let series = |row: Row| {
        let point = match (row.float(0), row.histogram(0)) {
            (Some(v), _) => Point::Float(v),
            (None, Some(h)) => Point::Histogram(Arc::clone(h)),
            (None, None) => return None,
        };
        Some(Series { labels: row.labels, point })
    };
    frame.rows.into_iter().filter_map(series).collect()
}

/// The rows of a frame as series over time, sorted.
pub(super) fn matrix_of(frame: Frame, grid: Grid) -> Vec<RangeSeries> {
    let mut out: Vec<RangeSeries> =
        frame.rows.iter().filter(|r| !r.is_empty()).map(|r| RangeSeries::of_row(r, grid)).collect();
    out.sort_by(|a, b| a.labels.cmp(&b.labels));
    out
}
