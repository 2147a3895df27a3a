//! Native histograms one after another, each as the difference to the one before.
//!
//! ```text
//! record    flags u8: bits 0-1 reset hint, 0x04 a layout follows
//!           layout: schema zigzag varint, zero threshold 8 bytes, positive then negative spans (varint count, each
//!                   zigzag varint offset, varint length), varint counts of positive and negative buckets,
//!                   custom bounds (varint count, 8 bytes each)
//!           numbers: count, zero count, sum, positive buckets, negative buckets
//! number    varint word: bit 0 clear: word >> 1 is the zigzag difference to the same number of the record before;
//!           word 1: 8 bytes; word 3: the same bits as before
//! ```
//! A layout makes the numbers before it all 0. Timestamps are kept beside the stream.

use super::decimal;
use super::pack::{take_byte, take_slice};
use plimsoll_model::{Histogram, ResetHint, Span, varint};
use std::sync::Arc;

const HINT: u8 = 3;
const LAYOUT: u8 = 4;
const RAW: u64 = 1;
const SAME: u64 = 3;

/// Appends the record of `h`, which follows `before`.
pub(crate) fn put(out: &mut Vec<u8>, before: Option<&Histogram>, h: &Histogram) {
    let before = before.filter(|b| same_layout(b, h));
    out.push(h.reset_hint as u8 | if before.is_none() { LAYOUT } else { 0 });
    if before.is_none() {
        put_layout(out, h);
    }
    match before {
        Some(b) => numbers(b).zip(numbers(h)).for_each(|(b, v)| put_number(out, b, v)),
        None => numbers(h).for_each(|v| put_number(out, 0.0, v)),
    }
}

fn same_layout(a: &Histogram, b: &Histogram) -> bool {
    let bits = |v: &[f64]| v.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
    a.schema == b.schema
        && a.zero_threshold.to_bits() == b.zero_threshold.to_bits()
        && a.positive_spans == b.positive_spans
        && a.negative_spans == b.negative_spans
        && a.positive_buckets.len() == b.positive_buckets.len()
        && a.negative_buckets.len() == b.negative_buckets.len()
        && (a.custom_values.is_empty() && b.custom_values.is_empty()
            || bits(&a.custom_values) == bits(&b.custom_values))
}

fn numbers(h: &Histogram) -> impl Iterator<Item = f64> {
    let buckets = h.positive_buckets.iter().chain(&h.negative_buckets).copied();
    [h.count, h.zero_count, h.sum].into_iter().chain(buckets)
}

fn put_number(out: &mut Vec<u8>, before: f64, v: f64) {
    if before.to_bits() == v.to_bits() {
        // The difference 0 is as short, but only exact integers have one.
        varint::put(out, if decimal::integer(v, 0).is_some() { 0 } else { SAME });
        return;
    }
    match (decimal::integer(before, 0), decimal::integer(v, 0)) {
        (Some(b), Some(m)) => varint::put(out, varint::zigzag(m - b) << 1),
        _ => {
            varint::put(out, RAW);
            out.extend_from_slice(&v.to_bits().to_le_bytes());
        }
    }
}

fn put_layout(out: &mut Vec<u8>, h: &Histogram) {
    varint::put_signed(out, i64::from(h.schema));
    out.extend_from_slice(&h.zero_threshold.to_bits().to_le_bytes());
    for spans in [&h.positive_spans, &h.negative_spans] {
        varint::put(out, spans.len() as u64);
        for s in spans {
            varint::put_signed(out, i64::from(s.offset));
            varint::put(out, u64::from(s.length));
        }
    }
    for n in [h.positive_buckets.len(), h.negative_buckets.len(), h.custom_values.len()] {
        varint::put(out, n as u64);
    }
    for v in &h.custom_values {
        out.extend_from_slice(&v.to_bits().to_le_bytes());
    }
}

/// Takes `n` records off the front of `input`; `None` when the bytes are no such records.
pub(crate) fn take(input: &mut &[u8], n: usize) -> Option<Vec<Arc<Histogram>>> {
    // A record is four bytes at least.
    let mut out: Vec<Arc<Histogram>> = Vec::with_capacity(n.min(input.len() / 4));
    for _ in 0..n {
        let h = take_one(input, out.last().map(|h| &**h))?;
        out.push(Arc::new(h));
    }
    Some(out)
}

fn take_one(input: &mut &[u8], before: Option<&Histogram>) -> Option<Histogram> {
    let flags = take_byte(input)?;
    let mut h = if flags & LAYOUT != 0 { take_layout(input)? } else { before?.clone() };
    h.reset_hint = match flags & HINT {
        0 => ResetHint::Unknown,
        1 => ResetHint::Yes,
        2 => ResetHint::No,
        _ => ResetHint::Gauge,
    };
    let head = [&mut h.count, &mut h.zero_count, &mut h.sum];
    for v in head.into_iter().chain(&mut h.positive_buckets).chain(&mut h.negative_buckets) {
        match varint::take(input)? {
            RAW => *v = take_float(input)?,
            SAME => {}
            word if word & 1 == 0 => {
                let m = decimal::integer(*v, 0)?.wrapping_add(varint::unzigzag(word >> 1));
                *v = m as f64;
            }
            _ => return None,
        }
    }
    Some(h)
}

fn take_layout(input: &mut &[u8]) -> Option<Histogram> {
    let schema = i32::try_from(varint::take_signed(input)?).ok()?;
    let zero_threshold = take_float(input)?;
    let (positive_spans, negative_spans) = (take_spans(input)?, take_spans(input)?);
    let mut count = || usize::try_from(varint::take(input)?).ok();
    let (positive, negative, custom) = (count()?, count()?, count()?);
    let custom_values = take_slice(input, custom.checked_mul(8)?)?;
    let float = |c: &[u8]| f64::from_bits(u64::from_le_bytes(c.try_into().expect("chunks of eight bytes")));
    let custom_values = custom_values.chunks_exact(8).map(float).collect();
    // Every bucket takes a byte at least, so forged counts cannot make us allocate without bound.
    if positive > input.len() || negative > input.len() {
        return None;
    }
    Some(Histogram {
        schema,
        zero_threshold,
        positive_spans,
        negative_spans,
        positive_buckets: vec![0.0; positive],
        negative_buckets: vec![0.0; negative],
        custom_values,
        ..Histogram::default()
    })
}

fn take_spans(input: &mut &[u8]) -> Option<Vec<Span>> {
    let n = usize::try_from(varint::take(input)?).ok().filter(|n| *n <= input.len())?;
    let mut out = Vec::with_capacity(n);
    for _ in 0..n {
        let offset = i32::try_from(varint::take_signed(input)?).ok()?;
        out.push(Span { offset, length: u32::try_from(varint::take(input)?).ok()? });
    }
    Some(out)
}

fn take_float(input: &mut &[u8]) -> Option<f64> {
    Some(f64::from_bits(u64::from_le_bytes(take_slice(input, 8)?.try_into().ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn number() -> impl Strategy<Value = f64> {
        prop_oneof![5 => (0u32..1000).prop_map(f64::from), 1 => any::<u64>().prop_map(f64::from_bits)]
    }

    fn histogram() -> impl Strategy<Value = Histogram> {
        let buckets = || proptest::collection::vec(number(), 0..4);
        let spans = || {
            proptest::collection::vec(
                (-2i32..2, 0u32..3).prop_map(|(offset, length)| Span { offset, length }),
                0..2,
            )
        };
        let hint = prop_oneof![
            Just(ResetHint::Unknown),
            Just(ResetHint::Yes),
            Just(ResetHint::No),
            Just(ResetHint::Gauge)
        ];
        let numbers = (number(), number(), number(), number());
        (hint, 0i32..2, numbers, spans(), spans(), buckets(), buckets(), buckets()).prop_map(
            |(reset_hint, schema, (zero_threshold, zero_count, count, sum), p, n, pb, nb, custom_values)| {
                Histogram {
                    reset_hint,
                    schema,
                    zero_threshold,
                    zero_count,
                    count,
                    sum,
                    positive_spans: p,
                    negative_spans: n,
                    positive_buckets: pb,
                    negative_buckets: nb,
                    custom_values,
                }
            },
        )
    }

    fn bytes_of(h: &Histogram) -> Vec<u8> {
        let mut out = Vec::new();
        h.encode(&mut out);
        out
    }

    proptest! {
        #[test]
        fn histograms_come_back_bit_for_bit(all in proptest::collection::vec(histogram(), 0..20)) {
            let mut out = Vec::new();
            for (i, h) in all.iter().enumerate() {
                put(&mut out, i.checked_sub(1).map(|b| &all[b]), h);
            }
            let mut input = &out[..];
            let back = take(&mut input, all.len()).expect("own bytes");
            prop_assert!(input.is_empty());
            for (a, b) in all.iter().zip(&back) {
                prop_assert_eq!(bytes_of(a), bytes_of(b));
            }
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100), n in 0usize..50) {
            let _ = take(&mut &bytes[..], n);
        }
    }

    #[test]
    fn records_are_golden() {
        let a = Histogram {
            positive_spans: vec![Span { offset: -1, length: 1 }],
            positive_buckets: vec![4.0],
            count: 4.0,
            sum: 1.5,
            ..Histogram::default()
        };
        let b = Histogram { reset_hint: ResetHint::No, positive_buckets: vec![5.0], count: 5.0, ..a.clone() };
        let mut out = Vec::new();
        put(&mut out, None, &a);
        put(&mut out, Some(&a), &b);
        let expected = [
            &[4u8, 0][..],
            &[0; 8],
            &[1, 1, 1, 0, 1, 0, 0],
            &[16, 0, 1, 0, 0, 0, 0, 0, 0, 0xf8, 0x3f, 16],
            &[2, 4, 0, 3, 4],
        ];
        assert_eq!(out, expected.concat());
    }
}
