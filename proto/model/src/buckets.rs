//! Arithmetic on exponential buckets: what adding up native histograms needs.

use crate::{Histogram, Span};

/// Most buckets that a sum of histograms keeps; a finer one is made coarser. Senders have 160.
const MOST_BUCKETS: usize = 320;

/// The coarsest schema.
const COARSEST: i32 = -4;

/// Why two histograms cannot be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("histograms with custom bounds cannot be added")]
pub struct CustomBounds;

/// Index of a bucket after making `steps` neighbours of twice the width each: bucket `i` reaches up to `base^i`.
pub fn coarser(index: i64, steps: u32) -> i64 {
    ((index - 1) >> steps.min(62)) + 1
}

/// Spans and counts of buckets given by ascending index; equal indexes are added, buckets without a count left out, and
/// gaps of one or two filled, which is shorter than another span.
pub fn spans(buckets: impl IntoIterator<Item = (i64, f64)>) -> Option<(Vec<Span>, Vec<f64>)> {
    let (mut spans, mut counts) = (Vec::<Span>::new(), Vec::<f64>::new());
    // the index after the last bucket
    let mut end = 0i64;
    for (index, count) in buckets {
        if count == 0.0 {
            continue;
        }
        if let (Some(last), true) = (counts.last_mut(), index == end - 1) {
            *last += count;
            continue;
        }
        let gap = index - end;
        match spans.last_mut() {
            Some(span) if (0..=2).contains(&gap) => {
                span.length += gap as u32 + 1;
                counts.extend(std::iter::repeat_n(0.0, gap as usize));
            }
            _ => spans.push(Span { offset: i32::try_from(gap).ok()?, length: 1 }),
        }
        counts.push(count);
        end = index.checked_add(1)?;
    }
    Some((spans, counts))
}

/// Index and count of each bucket.
fn buckets<'a>(spans: &'a [Span], counts: &'a [f64]) -> impl Iterator<Item = (i64, f64)> + 'a {
    let mut end = 0i64;
    let indexes = spans.iter().flat_map(move |s| {
        let start = end + i64::from(s.offset);
        end = start + i64::from(s.length);
        start..end
    });
    indexes.zip(counts.iter().copied())
}

/// Both sides added, in the order of the index.
fn merged(a: Vec<(i64, f64)>, b: Vec<(i64, f64)>) -> Vec<(i64, f64)> {
    let mut all = a;
    all.extend(b);
    all.sort_by_key(|(index, _)| *index);
    all.dedup_by(|next, kept| {
        let same = next.0 == kept.0;
        if same {
            kept.1 += next.1;
        }
        same
    });
    all
}

impl Histogram {
    /// One of the same form without any observation.
    pub fn emptied(&self) -> Self {
        Self {
            schema: self.schema,
            zero_threshold: self.zero_threshold,
            custom_values: self.custom_values.clone(),
            ..Self::default()
        }
    }

    /// Adds the observations of `other`. The result has the coarser schema and the wider zero bucket of the two, and is
    /// made coarser until it has no more than 320 buckets. The same histograms give the same sum, bit for bit.
    pub fn add(&mut self, other: &Self) -> Result<(), CustomBounds> {
        if self.schema == Self::CUSTOM_SCHEMA || other.schema == Self::CUSTOM_SCHEMA {
            return Err(CustomBounds);
        }
        let schema = self.schema.min(other.schema);
        let side = |h: &Self, spans: &[Span], counts: &[f64]| -> Vec<(i64, f64)> {
            let steps = h.schema.abs_diff(schema);
            merged(buckets(spans, counts).map(|(i, c)| (coarser(i, steps), c)).collect(), Vec::new())
        };
        let mut positive = merged(
            side(self, &self.positive_spans, &self.positive_buckets),
            side(other, &other.positive_spans, &other.positive_buckets),
        );
        let mut negative = merged(
            side(self, &self.negative_spans, &self.negative_buckets),
            side(other, &other.negative_spans, &other.negative_buckets),
        );
        self.zero_count += other.zero_count;
        self.zero_threshold = self.zero_threshold.max(other.zero_threshold);
        self.schema = schema;
        for side in [&mut positive, &mut negative] {
            side.retain(|(_, count)| *count != 0.0);
            self.swallow(side);
        }
        while positive.len() + negative.len() > MOST_BUCKETS && self.schema > COARSEST {
            self.schema -= 1;
            for side in [&mut positive, &mut negative] {
                let wider = side.iter().map(|(i, c)| (coarser(*i, 1), *c)).collect();
                *side = merged(wider, Vec::new());
            }
        }
        self.count += other.count;
        self.sum += other.sum;
        // indexes came out of spans, so they fit into spans again
        (self.positive_spans, self.positive_buckets) = spans(positive).unwrap_or_default();
        (self.negative_spans, self.negative_buckets) = spans(negative).unwrap_or_default();
        Ok(())
    }

    /// Moves buckets that lie within the zero bucket into it. One that lies there in part widens it.
    fn swallow(&mut self, side: &mut Vec<(i64, f64)>) {
        let within = |index: i64, threshold: f64, schema: i32| lower_bound(index, schema) < threshold;
        let swallowed = side.iter().take_while(|(i, _)| within(*i, self.zero_threshold, self.schema)).count();
        if self.zero_threshold == 0.0 || swallowed == 0 {
            return;
        }
        let upper = lower_bound(side[swallowed - 1].0 + 1, self.schema);
        self.zero_count += side.drain(..swallowed).map(|(_, c)| c).sum::<f64>();
        self.zero_threshold = self.zero_threshold.max(upper);
    }
}

/// Where the bucket begins: `base^(index - 1)`. By square roots and products alone, which IEEE 754 rounds in one way:
/// replicas must agree to the last bit.
fn lower_bound(index: i64, schema: i32) -> f64 {
    let exponent = index.saturating_sub(1);
    if schema <= 0 {
        return power_of_two(exponent.saturating_mul(1 << schema.unsigned_abs().min(4)));
    }
    let (mut bound, mut root) = (power_of_two(exponent >> schema), 2f64);
    for bit in (0..schema).rev() {
        root = root.sqrt();
        if exponent >> bit & 1 == 1 {
            bound *= root;
        }
    }
    bound
}

fn power_of_two(exponent: i64) -> f64 {
    match exponent {
        -1022..=1023 => f64::from_bits(((exponent + 1023) as u64) << 52),
        1024.. => f64::INFINITY,
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn histogram(schema: i32, positive: &[(i64, f64)]) -> Histogram {
        let (positive_spans, positive_buckets) = spans(positive.iter().copied()).expect("small indexes");
        let count = positive.iter().map(|(_, c)| c).sum();
        Histogram { schema, positive_spans, positive_buckets, count, sum: count, ..Histogram::default() }
    }

    fn indexes(h: &Histogram) -> Vec<(i64, f64)> {
        buckets(&h.positive_spans, &h.positive_buckets).filter(|(_, c)| *c != 0.0).collect()
    }

    #[test]
    fn the_coarser_schema_wins_and_counts_add_up() {
        let mut a = histogram(1, &[(1, 1.0), (2, 2.0), (3, 3.0), (10, 4.0)]);
        a.add(&histogram(0, &[(1, 10.0), (2, 20.0), (7, 1.0)])).expect("exponential");
        assert_eq!(a.schema, 0);
        assert_eq!(indexes(&a), vec![(1, 13.0), (2, 23.0), (5, 4.0), (7, 1.0)]);
        assert_eq!((a.count, a.validate()), (41.0, Ok(())));
    }

    #[test]
    fn a_wider_zero_bucket_swallows_what_lies_in_it() {
        let mut a = histogram(0, &[(-3, 1.0), (0, 2.0), (4, 3.0)]);
        let zero = Histogram { zero_threshold: 0.75, zero_count: 5.0, count: 5.0, ..Histogram::default() };
        a.add(&zero).expect("exponential");
        // (1/2, 1] is cut by 0.75, so the zero bucket grows to its end
        assert_eq!((a.zero_count, a.zero_threshold), (8.0, 1.0));
        assert_eq!(indexes(&a), vec![(4, 3.0)]);
    }

    #[test]
    fn a_sum_with_too_many_buckets_becomes_coarser() {
        let mut a = histogram(8, &[(0, 1.0)]);
        let wide: Vec<(i64, f64)> = (0..2000).map(|i| (i, 1.0)).collect();
        a.add(&histogram(8, &wide)).expect("exponential");
        assert!(a.positive_buckets.len() <= MOST_BUCKETS && a.schema < 8, "{}", a.schema);
        assert_eq!(a.positive_buckets.iter().sum::<f64>(), 2001.0);
    }

    #[test]
    fn bounds_are_powers_of_the_base() {
        for (index, schema, want) in [
            (1, 0, 1.0),
            (2, 0, 2.0),
            (0, 0, 0.5),
            (2, -2, 16.0),
            (2, 1, 2f64.sqrt()),
            (3, 1, 2.0),
            (1025, 8, 16.0),
        ] {
            assert_eq!(lower_bound(index, schema), want);
        }
        assert_eq!((lower_bound(i64::MIN, 8), lower_bound(i64::MAX, -4)), (0.0, f64::INFINITY));
    }

    proptest! {
        #[test]
        fn sums_keep_every_observation_in_any_order(
            parts in proptest::collection::vec((-4i32..=8, proptest::collection::btree_map(-300i64..300, 1u8..9, 0..20)), 1..6)
        ) {
            let parts: Vec<Histogram> = parts.into_iter().map(|(schema, buckets)| {
                let buckets: Vec<(i64, f64)> = buckets.into_iter().map(|(i, c)| (i, f64::from(c))).collect();
                histogram(schema, &buckets)
            }).collect();
            let total: f64 = parts.iter().map(|h| h.count).sum();
            let add = |order: &mut dyn Iterator<Item = &Histogram>| {
                let mut sum = Histogram { schema: 8, ..Histogram::default() };
                order.for_each(|h| sum.add(h).expect("exponential"));
                sum
            };
            let forth = add(&mut parts.iter());
            prop_assert_eq!(forth.validate(), Ok(()));
            prop_assert_eq!(forth.count, total);
            prop_assert_eq!(forth.positive_buckets.iter().sum::<f64>(), total);
            prop_assert_eq!(forth, add(&mut parts.iter().rev()));
        }
    }
}
