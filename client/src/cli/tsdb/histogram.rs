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
