//! Native histograms: exponential buckets that are there only where something was counted.

use plimsoll_model::{Histogram, Span};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Most buckets on both sides together; beyond it neighbours are joined. What Prometheus' clients do as well.
const MOST_BUCKETS: usize = 160;

/// Half the width of the zero bucket, 2^-128: what client libraries of Prometheus have.
const ZERO_THRESHOLD: f64 = 2.938_735_877_055_719e-39;

/// The coarsest resolution: buckets 65,536 wide, 33 of which cover all numbers.
const COARSEST: i32 = -4;

#[derive(Debug)]
pub(super) struct NativeCell(Mutex<NativeCounts>);

/// What a native histogram has counted; counts are of each bucket alone.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct NativeCounts {
    pub schema: i32,
    pub zero: f64,
    pub sum: f64,
    pub positive: BTreeMap<i32, f64>,
    pub negative: BTreeMap<i32, f64>,
}

impl NativeCell {
    pub fn new(schema: i32) -> Self {
        Self(Mutex::new(NativeCounts::zero(schema)))
    }

    fn lock(&self) -> MutexGuard<'_, NativeCounts> {
        // No code panics while it holds the lock half-way through a change.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn observe(&self, value: f64, times: u64) {
        self.lock().observe(value, times as f64);
    }

    pub fn read(&self) -> NativeCounts {
        self.lock().clone()
    }
}

impl NativeCounts {
    pub fn zero(schema: i32) -> Self {
        let (positive, negative) = (BTreeMap::new(), BTreeMap::new());
        Self { schema, zero: 0.0, sum: 0.0, positive, negative }
    }

    pub fn count(&self) -> f64 {
        self.zero + self.positive.values().chain(self.negative.values()).sum::<f64>()
    }

    fn observe(&mut self, value: f64, times: f64) {
        self.sum += value * times;
        if value.abs() <= ZERO_THRESHOLD {
            self.zero += times;
            return;
        }
        let index = index_of(value.abs(), self.schema);
        let side = if value > 0.0 { &mut self.positive } else { &mut self.negative };
        *side.entry(index).or_default() += times;
        self.bound();
    }

    /// Joins neighbours until there are few enough buckets.
    fn bound(&mut self) {
        while self.positive.len() + self.negative.len() > MOST_BUCKETS && self.schema > COARSEST {
            self.coarsen_to(self.schema - 1);
        }
    }

    fn coarsen_to(&mut self, schema: i32) {
        while self.schema > schema {
            self.schema -= 1;
            for side in [&mut self.positive, &mut self.negative] {
                let mut coarse = BTreeMap::new();
                for (index, count) in side.iter() {
                    // Bucket i ends at base^i, and the base is squared: i/2 rounded up.
                    *coarse.entry(index.div_euclid(2) + index.rem_euclid(2)).or_default() += count;
                }
                *side = coarse;
            }
        }
    }

    /// Adds `other`, times `sign`, at the coarser of the two resolutions.
    pub fn add(&mut self, other: &Self, sign: f64) {
        self.coarsen_to(other.schema);
        let mut other = other.clone();
        other.coarsen_to(self.schema);
        self.zero += sign * other.zero;
        self.sum += sign * other.sum;
        for (mine, theirs) in [(&mut self.positive, &other.positive), (&mut self.negative, &other.negative)] {
            for (index, count) in theirs {
                *mine.entry(*index).or_default() += sign * count;
            }
            mine.retain(|_, count| *count > 0.0);
        }
        self.bound();
    }

    /// The histogram as a sample holds it.
    pub fn to_model(&self) -> Histogram {
        let (positive_spans, positive_buckets) = spans(&self.positive);
        let (negative_spans, negative_buckets) = spans(&self.negative);
        Histogram {
            schema: self.schema,
            zero_threshold: ZERO_THRESHOLD,
            zero_count: self.zero,
            count: self.count(),
            sum: self.sum,
            positive_spans,
            negative_spans,
            positive_buckets,
            negative_buckets,
            ..Histogram::default()
        }
    }
}

/// The bucket of `value`, which is positive: the least index with `value <= 2^(index * 2^-schema)`.
fn index_of(value: f64, schema: i32) -> i32 {
    // The infinite belongs into the last bucket that a finite value can have.
    let value = value.min(f64::MAX);
    let fineness = f64::from(schema).exp2();
    let bound = |index: i32| (f64::from(index) / fineness).exp2();
    let index = (value.log2() * fineness).ceil() as i32;
    // The logarithm may err by a bucket where the value is on a bound.
    if value <= bound(index - 1) {
        index - 1
    } else if value > bound(index) {
        index + 1
    } else {
        index
    }
}

/// Runs of buckets; gaps of up to two are bridged by empty buckets, which cost less than a new run.
fn spans(side: &BTreeMap<i32, f64>) -> (Vec<Span>, Vec<f64>) {
    let (mut spans, mut counts) = (Vec::<Span>::new(), Vec::new());
    let mut next = 0;
    for (index, count) in side {
        let gap = index - next;
        match spans.last_mut() {
            Some(run) if gap <= 2 => {
                run.length += gap as u32 + 1;
                counts.extend(std::iter::repeat_n(0.0, gap as usize));
            }
            _ => spans.push(Span { offset: gap, length: 1 }),
        }
        counts.push(*count);
        next = index + 1;
    }
    (spans, counts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};

    #[test]
    fn powers_of_two_lie_on_the_upper_bound_of_their_bucket() {
        for (value, schema, index) in [
            (1.0, 0, 0),
            (2.0, 0, 1),
            (2.1, 0, 2),
            (4.0, 0, 2),
            (1.0, 3, 0),
            (2.0, 3, 8),
            (0.5, 3, -8),
            (16.0, -1, 2),
        ] {
            assert_eq!(index_of(value, schema), index, "{value} at {schema}");
        }
        assert!(index_of(f64::INFINITY, 8) <= 1024 << 8);
    }

    #[test]
    fn neighbours_are_joined_as_the_schema_says() {
        let mut counts = NativeCounts::zero(1);
        for value in [1.1, 1.5, 2.1, 3.0, 5.0] {
            counts.observe(value, 1.0);
        }
        counts.coarsen_to(0);
        assert_eq!(counts.positive, BTreeMap::from([(1, 2.0), (2, 2.0), (3, 1.0)]));
    }

    fn counted(values: &[f64], schema: i32) -> NativeCounts {
        let mut counts = NativeCounts::zero(schema);
        values.iter().for_each(|v| counts.observe(*v, 1.0));
        counts
    }

    proptest! {
        #[test]
        fn buckets_stay_few_and_count_everything(values in vec(-1e300..1e300f64, 1..400), schema in -4..=8i32) {
            let counts = counted(&values, schema);
            prop_assert!(counts.positive.len() + counts.negative.len() <= MOST_BUCKETS);
            prop_assert_eq!(counts.count(), values.len() as f64);
            let model = counts.to_model();
            prop_assert_eq!(model.validate(), Ok(()));
            let total: f64 = model.positive_buckets.iter().chain(&model.negative_buckets).sum();
            prop_assert_eq!(total + model.zero_count, values.len() as f64);
        }

        #[test]
        fn a_value_lies_in_its_bucket(value in 1e-30..1e30f64, schema in -4..=8i32) {
            let (index, fineness) = (f64::from(index_of(value, schema)), f64::from(schema).exp2());
            prop_assert!(value <= (index / fineness).exp2() && value > ((index - 1.0) / fineness).exp2());
        }

        #[test]
        fn what_is_added_and_taken_away_is_gone(a in vec(1e-3..1e3f64, 0..50), b in vec(1e-3..1e3f64, 0..50)) {
            let (first, second) = (counted(&a, 3), counted(&b, 1));
            let mut sum = first.clone();
            sum.add(&second, 1.0);
            prop_assert_eq!(sum.count(), (a.len() + b.len()) as f64);
            sum.add(&second, -1.0);
            let mut coarse = first;
            coarse.coarsen_to(sum.schema);
            prop_assert_eq!(sum.positive, coarse.positive);
        }
    }
}
