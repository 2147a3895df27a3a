//! The data between operators: a row for each series, a column value for each step.

use super::bits::Bits;
use crate::budget::Held;
use crate::error::Error;
use crate::source::is_metadata;
use plimsoll_model::{Histogram, Labels};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::HashMap;
use std::sync::Arc;

/// The histograms of a row, one slot a step.
pub(crate) type Histograms = Vec<Option<Arc<Histogram>>>;

/// One series over all steps.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Row {
    #[serde(with = "labels_as_bytes")]
    pub(crate) labels: Labels,
    /// Whether the name goes at the end of the query.
    pub(crate) drop_name: bool,
    /// A value for each step; meaningless where it is not present.
    pub(crate) values: Vec<f64>,
    /// Where there is a float.
    pub(crate) present: Bits,
    /// Where there is a histogram; a step has a float or a histogram.
    pub(crate) histograms: Option<Box<Histograms>>,
}

/// Labels on the wire are their canonical bytes.
pub(crate) mod labels_as_bytes {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(labels: &Labels, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_bytes(labels.as_bytes())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Labels, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Labels;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("canonical label bytes")
            }
            fn visit_bytes<E: serde::de::Error>(self, v: &[u8]) -> Result<Labels, E> {
                Labels::from_bytes(v).map_err(E::custom)
            }
            fn visit_byte_buf<E: serde::de::Error>(self, v: Vec<u8>) -> Result<Labels, E> {
                self.visit_bytes(&v)
            }
            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<Labels, A::Error> {
                let mut bytes = Vec::new();
                while let Some(b) = seq.next_element::<u8>()? {
                    bytes.push(b);
                }
                self.visit_bytes(&bytes)
            }
        }
        d.deserialize_bytes(Visitor)
    }
}

impl Row {
    pub(crate) fn empty(labels: Labels, steps: usize) -> Self {
        Self { labels, values: vec![0.0; steps], present: Bits::none(steps), ..Self::default() }
    }

    #[inline]
    pub(crate) fn float(&self, step: usize) -> Option<f64> {
        self.present.get(step).then(|| self.values[step])
    }

    #[inline]
    pub(crate) fn histogram(&self, step: usize) -> Option<&Arc<Histogram>> {
        self.histograms.as_ref().and_then(|h| h[step].as_ref())
    }

    #[inline]
    pub(crate) fn has(&self, step: usize) -> bool {
        self.present.get(step) || self.histogram(step).is_some()
    }

    pub(crate) fn is_empty(&self) -> bool {
        !self.present.any() && self.histograms.as_ref().is_none_or(|h| h.iter().all(Option::is_none))
    }

    /// Where there is a sample of either kind.
    pub(crate) fn presence(&self) -> Bits {
        let mut bits = self.present.clone();
        for (i, h) in self.histograms.iter().flat_map(|h| h.iter().enumerate()) {
            if h.is_some() {
                bits.set(i);
            }
        }
        bits
    }

    #[inline]
    pub(crate) fn set(&mut self, step: usize, value: f64) {
        self.values[step] = value;
        self.present.set(step);
    }

    pub(crate) fn set_histogram(&mut self, step: usize, h: Arc<Histogram>) {
        let steps = self.values.len();
        self.histograms.get_or_insert_with(|| Box::new(vec![None; steps]))[step] = Some(h);
    }

    /// Forgets the name: at once, or at the end of the query.
    pub(crate) fn lose_name(&mut self, delayed: bool) {
        if delayed {
            self.drop_name = true;
        } else if !self.labels.is_empty() {
            self.labels = without_metadata(&self.labels);
        }
    }

    fn absorb(&mut self, other: Self) -> Result<(), Error> {
        for step in 0..self.values.len() {
            match (other.float(step), other.histogram(step)) {
                (None, None) => {}
                _ if self.has(step) => return Err(same_labels()),
                (Some(v), _) => self.set(step, v),
                (None, Some(h)) => self.set_histogram(step, Arc::clone(h)),
            }
        }
        Ok(())
    }
}

pub(crate) fn without_metadata(labels: &Labels) -> Labels {
    if labels.iter().any(|(n, _)| is_metadata(n)) {
        labels.filter(|n| !is_metadata(n))
    } else {
        labels.clone()
    }
}

pub(crate) fn same_labels() -> Error {
    Error::Evaluation("vector cannot contain metrics with the same labelset".into())
}

/// Rows over the same steps.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Frame {
    pub(crate) steps: usize,
    pub(crate) rows: Vec<Row>,
    /// What the rows hold of the query's budget.
    #[serde(skip)]
    pub(crate) held: Vec<Held>,
}

impl Clone for Frame {
    /// The copy is not counted against the budget: it is made for one step or handed out.
    fn clone(&self) -> Self {
        Self { steps: self.steps, rows: self.rows.clone(), held: Vec::new() }
    }
}

impl PartialEq for Frame {
    fn eq(&self, other: &Self) -> bool {
        self.steps == other.steps && self.rows == other.rows
    }
}

impl Frame {
    pub(crate) fn new(steps: usize) -> Self {
        Self { steps, ..Self::default() }
    }

    /// Joins rows with equal labels; two samples at one step are an error.
    pub(crate) fn unite_equal_rows(&mut self) -> Result<(), Error> {
        if self.rows.len() < 2 {
            return Ok(());
        }
        let mut seen: HashMap<Labels, usize> = HashMap::with_capacity(self.rows.len());
        let mut duplicate = false;
        for (i, row) in self.rows.iter().enumerate() {
            duplicate |= seen.insert(row.labels.clone(), i).is_some();
        }
        if !duplicate {
            return Ok(());
        }
        seen.clear();
        let mut rows: Vec<Row> = Vec::with_capacity(self.rows.len());
        for row in std::mem::take(&mut self.rows) {
            match seen.get(&row.labels) {
                Some(&at) => rows[at].absorb(row)?,
                None => {
                    seen.insert(row.labels.clone(), rows.len());
                    rows.push(row);
                }
            }
        }
        self.rows = rows;
        Ok(())
    }

    /// Repeats the only step `steps` times.
    pub(crate) fn repeat(mut self, steps: usize) -> Self {
        if steps == self.steps {
            return self;
        }
        self.rows.retain(|r| !r.is_empty());
        for row in &mut self.rows {
            let float = row.float(0);
            let histogram = row.histogram(0).cloned();
            row.values = vec![float.unwrap_or(0.0); steps];
            row.present = if float.is_some() { Bits::all(steps) } else { Bits::none(steps) };
            row.histograms = histogram.map(|h| Box::new(vec![Some(h); steps]));
        }
        self.steps = steps;
        self
    }
}

/// What an operator answers.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    /// A number for each step.
    Scalar(Vec<f64>),
    /// Rows.
    Vector(Frame),
}

impl Value {
    pub(crate) fn vector(self) -> Result<Frame, Error> {
        match self {
            Self::Vector(frame) => Ok(frame),
            Self::Scalar(_) => Err(Error::Evaluation("expected an instant vector, got a scalar".into())),
        }
    }

    pub(crate) fn scalar(self) -> Result<Vec<f64>, Error> {
        match self {
            Self::Scalar(values) => Ok(values),
            Self::Vector(_) => Err(Error::Evaluation("expected a scalar, got an instant vector".into())),
        }
    }
}
