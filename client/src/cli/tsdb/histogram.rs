//! Chunks of native histograms, with whole and with fractional counts.
//!
//! After the number of samples and the flags about counter resets comes the layout that all samples share: schema, zero
//! threshold, spans. Then the samples: counts of whole numbers by the change of their change, fractional ones by XOR.

use super::Fault;
use super::bits::{Bits, XorValue};
use plimsoll_model::{Histogram, ResetHint, Span, Timestamp};
use std::sync::Arc;

/// Most buckets of a layout that are believed.
const MOST_BUCKETS: u64 = 100_000;

type Sample = (Timestamp, Arc<Histogram>);

/// The samples of a chunk; `floats` tells whether its counts are fractional.
pub(super) fn histograms(chunk: &[u8], floats: bool) -> Result<Vec<Sample>, Fault> {
    let (header, rest) = chunk.split_first_chunk::<3>().ok_or("a chunk has no header")?;
    let count = u16::from_be_bytes([header[0], header[1]]);
    let hint = match header[2] >> 6 {
        0b11 => ResetHint::Gauge,
        _ => ResetHint::Unknown,
    };
    let mut bits = Bits::new(rest);
    let mut samples = Vec::with_capacity(usize::from(count));
    if count == 0 {
        return Ok(samples);
    }
    let layout = Histogram { reset_hint: hint, ..layout(&mut bits)? };
    let positive = spanned(&layout.positive_spans)?;
    let buckets = positive + spanned(&layout.negative_spans)?;
    let mut state = State::default();
    for n in 0..count {
        let h =
            if floats { state.float(&mut bits, n, buckets)? } else { state.whole(&mut bits, n, buckets)? };
        let mut histogram = Histogram { count: h.count, zero_count: h.zero, sum: h.sum, ..layout.clone() };
        if !histogram.is_stale() {
            let (above, below) = h.buckets.split_at(positive);
            // Whole counts are told as the difference to the bucket before.
            let absolute = |side: &[f64]| if floats { side.to_vec() } else { summed(side) };
            (histogram.positive_buckets, histogram.negative_buckets) = (absolute(above), absolute(below));
        } else {
            histogram = Histogram { sum: h.sum, ..Histogram::default() };
        }
        samples.push((state.at, Arc::new(histogram)));
    }
    Ok(samples)
}

fn summed(differences: &[f64]) -> Vec<f64> {
    let next = |so_far: &mut f64, difference: &f64| {
        *so_far += difference;
        Some(*so_far)
    };
    differences.iter().scan(0.0, next).collect()
}

fn spanned(spans: &[Span]) -> Result<usize, Fault> {
    let total: u64 = spans.iter().map(|s| u64::from(s.length)).sum();
    if total > MOST_BUCKETS { Err("a histogram has too many buckets".into()) } else { Ok(total as usize) }
}

fn layout(bits: &mut Bits<'_>) -> Result<Histogram, Fault> {
    // A byte stands for a power of two from 2^-243 on, for 0, or for a float that follows.
    let zero_threshold = match bits.take(8)? {
        0 => 0.0,
        255 => f64::from_bits(bits.take(64)?),
        n => f64::from(n as i32 - 244).exp2(),
    };
    let schema = small_int(bits)?;
    let schema = i32::try_from(schema).map_err(|_| "a schema is no small number")?;
    let positive_spans = spans(bits)?;
    let negative_spans = spans(bits)?;
    let custom_values = if schema == Histogram::CUSTOM_SCHEMA { custom_bounds(bits)? } else { Vec::new() };
    Ok(Histogram {
        schema,
        zero_threshold,
        positive_spans,
        negative_spans,
        custom_values,
        ..Histogram::default()
    })
}

fn spans(bits: &mut Bits<'_>) -> Result<Vec<Span>, Fault> {
    let count = small_uint(bits)?;
    if count > MOST_BUCKETS {
        return Err("a histogram has too many spans".into());
    }
    (0..count)
        .map(|_| {
            let length = u32::try_from(small_uint(bits)?).map_err(|_| "a span is too long")?;
            let offset = i32::try_from(small_int(bits)?).map_err(|_| "a span is too far away")?;
            Ok(Span { offset, length })
        })
        .collect()
}

/// Bounds: whole thousandths as a number, all others as a float behind a zero.
fn custom_bounds(bits: &mut Bits<'_>) -> Result<Vec<f64>, Fault> {
    let count = small_uint(bits)?;
    if count > MOST_BUCKETS {
        return Err("a histogram has too many bounds".into());
    }
    (0..count)
        .map(|_| {
            Ok(match small_uint(bits)? {
                0 => f64::from_bits(bits.take(64)?),
                n => (n - 1) as f64 / 1000.0,
            })
        })
        .collect()
}

/// A number in one of nine sizes, told by how many ones stand before it; numbers with a sign are centred.
fn small_int(bits: &mut Bits<'_>) -> Result<i64, Fault> {
    let size = size(bits)?;
    if size == 0 {
        return Ok(0);
    }
    let raw = bits.take(size)? as i64;
    Ok(if size < 64 && raw > 1 << (size - 1) { raw - (1 << size) } else { raw })
}

fn small_uint(bits: &mut Bits<'_>) -> Result<u64, Fault> {
    let size = size(bits)?;
    if size == 0 { Ok(0) } else { bits.take(size) }
}

fn size(bits: &mut Bits<'_>) -> Result<u32, Fault> {
    Ok([0, 3, 6, 9, 12, 18, 25, 56, 64][bits.ones(8)? as usize])
}

/// What the next sample is told against.
#[derive(Default)]
struct State {
    at: Timestamp,
    step: i64,
    sum: XorValue,
    /// Whole counts with their last change: all, zero bucket, then the buckets.
    whole: Vec<(i64, i64)>,
    /// Fractional counts in the same order.
    float: Vec<XorValue>,
}

struct Counts {
    count: f64,
    zero: f64,
    sum: f64,
    buckets: Vec<f64>,
}

impl State {
    fn whole(&mut self, bits: &mut Bits<'_>, n: u16, buckets: usize) -> Result<Counts, Fault> {
        if n == 0 {
            self.at = small_int(bits)?;
            self.whole = vec![(small_uint(bits)? as i64, 0), (small_uint(bits)? as i64, 0)];
            self.sum = XorValue::first(bits.take(64)?);
            for _ in 0..buckets {
                self.whole.push((small_int(bits)?, 0));
            }
        } else {
            self.step = match n {
                1 => small_uint(bits)? as i64,
                _ => self.step.wrapping_add(small_int(bits)?),
            };
            self.at = self.at.wrapping_add(self.step);
            self.change(0, n, small_int(bits)?);
            self.change(1, n, small_int(bits)?);
            self.sum.next(bits)?;
            // A stale marker has no buckets.
            let told = if plimsoll_model::is_stale(self.sum.value()) { 2 } else { self.whole.len() };
            for i in 2..told {
                self.change(i, n, small_int(bits)?);
            }
        }
        let buckets = self.whole[2..].iter().map(|(count, _)| *count as f64).collect();
        Ok(Counts {
            count: self.whole[0].0 as f64,
            zero: self.whole[1].0 as f64,
            sum: self.sum.value(),
            buckets,
        })
    }

    fn change(&mut self, i: usize, n: u16, change: i64) {
        let (count, last) = &mut self.whole[i];
        *last = if n == 1 { change } else { last.wrapping_add(change) };
        *count = count.wrapping_add(*last);
    }

    fn float(&mut self, bits: &mut Bits<'_>, n: u16, buckets: usize) -> Result<Counts, Fault> {
        if n == 0 {
            self.at = small_int(bits)?;
            self.float = vec![XorValue::first(bits.take(64)?), XorValue::first(bits.take(64)?)];
            self.sum = XorValue::first(bits.take(64)?);
            for _ in 0..buckets {
                self.float.push(XorValue::first(bits.take(64)?));
            }
        } else {
            let change = small_int(bits)?;
            self.step = if n == 1 { change } else { self.step.wrapping_add(change) };
            self.at = self.at.wrapping_add(self.step);
            self.float[0].next(bits)?;
            self.float[1].next(bits)?;
            self.sum.next(bits)?;
            if !plimsoll_model::is_stale(self.sum.value()) {
                for value in &mut self.float[2..] {
                    value.next(bits)?;
                }
            }
        }
        let value = |v: &XorValue| v.value();
        let buckets = self.float[2..].iter().map(value).collect();
        Ok(Counts {
            count: value(&self.float[0]),
            zero: value(&self.float[1]),
            sum: self.sum.value(),
            buckets,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::bits_writer::Writer;
    use super::*;
    use proptest::{collection::vec, prelude::*};

    /// A sample: time, zero count, sum, and the counts of three buckets above zero and one below.
    type Row = (i64, u32, f64, [u32; 4]);

    fn head(rows: &[Row]) -> Writer {
        let mut out = Writer::default();
        out.put(rows.len() as u64, 16);
        out.put(0, 8);
        // A threshold of 2^-3 is told as 0.5 * 2^(241 - 243).
        out.put(241, 8);
        out.small(-2, true);
        out.small(2, false);
        for (length, offset) in [(2, -3), (1, 4)] {
            out.small(length, false);
            out.small(offset, true);
        }
        out.small(1, false);
        out.small(1, false);
        out.small(7, true);
        out
    }

    fn count(row: &Row) -> i64 {
        i64::from(row.1) + row.3.iter().map(|n| i64::from(*n)).sum::<i64>()
    }

    /// Whole counts as they are told: all, zero bucket, then each bucket less the one before it on its side.
    fn told(row: &Row) -> [i64; 6] {
        let b = row.3.map(i64::from);
        [count(row), i64::from(row.1), b[0], b[1] - b[0], b[2] - b[1], b[3]]
    }

    fn whole_chunk(rows: &[Row]) -> Vec<u8> {
        let mut out = head(rows);
        let mut window = (99, 0);
        let step = |n: usize| rows[n].0.wrapping_sub(rows[n - 1].0);
        let change = |n: usize, i: usize| told(&rows[n])[i] - told(&rows[n - 1])[i];
        for (n, row) in rows.iter().enumerate() {
            match n {
                0 => out.small(row.0, true),
                1 => out.small(step(1), false),
                _ => out.small(step(n).wrapping_sub(step(n - 1)), true),
            }
            for i in 0..6 {
                if i == 2 {
                    match n {
                        0 => out.put(row.2.to_bits(), 64),
                        _ => out.value(rows[n - 1].2, row.2, &mut window),
                    }
                }
                match n {
                    0 => out.small(told(row)[i], i >= 2),
                    1 => out.small(change(1, i), true),
                    _ => out.small(change(n, i) - change(n - 1, i), true),
                }
            }
        }
        out.bytes
    }

    fn float_chunk(rows: &[Row]) -> Vec<u8> {
        let mut out = head(rows);
        let mut windows = [(99, 0); 7];
        let step = |n: usize| if n == 0 { 0 } else { rows[n].0.wrapping_sub(rows[n - 1].0) };
        let values = |row: &Row| {
            let b = row.3.map(f64::from);
            [count(row) as f64, f64::from(row.1), row.2, b[0], b[1], b[2], b[3]]
        };
        for (n, row) in rows.iter().enumerate() {
            match n {
                0 => out.small(row.0, true),
                _ => out.small(step(n).wrapping_sub(step(n - 1)), true),
            }
            for (i, value) in values(row).into_iter().enumerate() {
                match n {
                    0 => out.put(value.to_bits(), 64),
                    _ => out.value(values(&rows[n - 1])[i], value, &mut windows[i]),
                }
            }
        }
        out.bytes
    }

    fn expected(row: &Row) -> Sample {
        let b = row.3.map(f64::from);
        let histogram = Histogram {
            schema: -2,
            zero_threshold: 0.125,
            zero_count: f64::from(row.1),
            count: count(row) as f64,
            sum: row.2,
            positive_spans: vec![Span { offset: -3, length: 2 }, Span { offset: 4, length: 1 }],
            positive_buckets: b[..3].to_vec(),
            negative_spans: vec![Span { offset: 7, length: 1 }],
            negative_buckets: vec![b[3]],
            ..Histogram::default()
        };
        (row.0, Arc::new(histogram))
    }

    fn rows() -> impl Strategy<Value = Vec<Row>> {
        let row = (
            1..100_000i64,
            0..1000u32,
            -1e9..1e9f64,
            proptest::array::uniform4(prop_oneof![any::<u32>(), 0..9u32]),
        );
        vec(row, 1..30).prop_map(|mut rows| {
            // Distances become times.
            let mut at = 1_700_000_000_000;
            for row in &mut rows {
                at += row.0;
                row.0 = at;
            }
            rows
        })
    }

    proptest! {
        #[test]
        fn whole_and_fractional_counts_come_back(rows in rows()) {
            let wanted: Vec<_> = rows.iter().map(expected).collect();
            prop_assert_eq!(histograms(&whole_chunk(&rows), false), Ok(wanted.clone()));
            prop_assert_eq!(histograms(&float_chunk(&rows), true), Ok(wanted));
        }

        #[test]
        fn no_bytes_make_the_reader_panic(bytes in vec(any::<u8>(), 0..300), floats in any::<bool>()) {
            let _ = histograms(&bytes, floats);
        }
    }
}
