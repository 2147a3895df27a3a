//! Series of an agent and their values, and histograms among them.

use plimsoll_client::Sample;
use plimsoll_model::{Labels, METRIC_NAME, Timestamp};

/// All series of an agent.
pub(super) struct Book {
    base: Vec<(String, String)>,
    series: Vec<Labels>,
    values: Vec<f64>,
}

impl Book {
    /// A book whose series all have the labels `base`.
    pub fn new(base: &[(&str, &str)]) -> Self {
        let base = base.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Self { base, series: Vec::new(), values: Vec::new() }
    }

    /// A series more; answers its place.
    pub fn counter(&mut self, name: &str, labels: &[(&str, &str)]) -> usize {
        let base = self.base.iter().map(|(k, v)| (k.as_str(), v.as_str()));
        let pairs = base.chain([(METRIC_NAME, name)]).chain(labels.iter().copied()).collect::<Vec<_>>();
        self.series.push(Labels::from_pairs(pairs).expect("constant names, each once"));
        self.values.push(0.0);
        self.series.len() - 1
    }

    /// Raises a series.
    pub fn add(&mut self, series: usize, by: f64) {
        self.values[series] += by;
    }

    /// Sets a series.
    pub fn set(&mut self, series: usize, to: f64) {
        self.values[series] = to;
    }

    /// All series as they stand.
    pub fn samples(&self, now: Timestamp) -> Vec<Sample> {
        let pairs = self.series.iter().zip(&self.values);
        pairs.map(|(labels, value)| Sample::float(labels.clone(), now, *value)).collect()
    }
}

/// A classic histogram in a book.
pub(super) struct Curve {
    bounds: &'static [f64],
    /// Places of the buckets, the sum and the count.
    first: usize,
}

impl Curve {
    /// A histogram more.
    pub fn new(book: &mut Book, name: &str, labels: &[(&str, &str)], bounds: &'static [f64]) -> Self {
        let bucket = format!("{name}_bucket");
        let first = book.series.len();
        for le in bounds.iter().map(f64::to_string).chain(["+Inf".to_owned()]) {
            book.counter(&bucket, &[labels, &[("le", &le)]].concat());
        }
        book.counter(&format!("{name}_sum"), labels);
        book.counter(&format!("{name}_count"), labels);
        Self { bounds, first }
    }

    /// Counts `value`.
    pub fn observe(&self, book: &mut Book, value: f64) {
        for (i, bound) in self.bounds.iter().enumerate() {
            book.add(self.first + i, f64::from(u8::from(value <= *bound)));
        }
        let infinite = self.first + self.bounds.len();
        book.add(infinite, 1.0);
        book.add(infinite + 1, value);
        book.add(infinite + 2, 1.0);
    }
}
