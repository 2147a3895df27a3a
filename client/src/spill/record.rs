//! Samples as bytes on disk. The format is told in `docs/formats/spill.md`.

use crate::{Sample, SampleValue};
use plimsoll_model::{Histogram, Labels, ResetHint, Span, varint};
use std::collections::HashMap;

/// Largest payload that is believed: many times a batch, so that damage is not taken for a length.
pub(super) const MOST_PAYLOAD_BYTES: usize = 64 << 20;

/// What stands before a payload: its length, its checksum, the number of its samples; each `u32`, little-endian.
pub(super) const HEADER_BYTES: usize = 12;

const FLOAT: u8 = 0;
const HISTOGRAM: u8 = 1;

/// What a record's header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub payload_bytes: usize,
    checksum: u32,
    pub samples: u32,
}

impl Header {
    pub fn read(bytes: [u8; HEADER_BYTES]) -> Option<Self> {
        let word = |at: usize| {
            let four = bytes.get(at..at + 4)?.try_into().ok()?;
            Some(u32::from_le_bytes(four))
        };
        let header = Self { payload_bytes: word(0)? as usize, checksum: word(4)?, samples: word(8)? };
        (header.payload_bytes <= MOST_PAYLOAD_BYTES && header.samples > 0).then_some(header)
    }

    /// Whether `payload` is what was written behind this header.
    pub fn fits(&self, payload: &[u8]) -> bool {
        payload.len() == self.payload_bytes && checksum(self.samples, payload) == self.checksum
    }
}

fn checksum(samples: u32, payload: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&samples.to_le_bytes()), payload)
}

/// A record: header and payload.
pub(super) fn encode(samples: &[Sample]) -> Vec<u8> {
    let payload = snap::raw::Encoder::new().compress_vec(&plain(samples)).unwrap_or_default();
    let count = samples.len() as u32;
    let mut out = Vec::with_capacity(HEADER_BYTES + payload.len());
    for word in [payload.len() as u32, checksum(count, &payload), count] {
        out.extend_from_slice(&word.to_le_bytes());
    }
    out.extend_from_slice(&payload);
    out
}

fn plain(samples: &[Sample]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut slots: HashMap<&Labels, u64> = HashMap::new();
    let mut tables = Vec::new();
    for sample in samples {
        let next = slots.len() as u64;
        slots.entry(&sample.labels).or_insert_with(|| {
            varint::put(&mut tables, sample.labels.as_bytes().len() as u64);
            tables.extend_from_slice(sample.labels.as_bytes());
            next
        });
    }
    varint::put(&mut out, slots.len() as u64);
    out.extend_from_slice(&tables);
    let mut last = 0i64;
    for sample in samples {
        varint::put(&mut out, slots[&sample.labels]);
        varint::put(&mut out, varint::zigzag(sample.timestamp.wrapping_sub(last)));
        last = sample.timestamp;
        match &sample.value {
            SampleValue::Float(v) => {
                out.push(FLOAT);
                out.extend_from_slice(&v.to_bits().to_le_bytes());
            }
            SampleValue::Histogram(h) => {
                out.push(HISTOGRAM);
                put_histogram(&mut out, h);
            }
        }
    }
    out
}

fn put_histogram(out: &mut Vec<u8>, h: &Histogram) {
    out.push(h.reset_hint as u8);
    varint::put(out, varint::zigzag(i64::from(h.schema)));
    for v in [h.zero_threshold, h.zero_count, h.count, h.sum] {
        out.extend_from_slice(&v.to_bits().to_le_bytes());
    }
    for spans in [&h.positive_spans, &h.negative_spans] {
        varint::put(out, spans.len() as u64);
        for span in spans {
            varint::put(out, varint::zigzag(i64::from(span.offset)));
            varint::put(out, u64::from(span.length));
        }
    }
    for column in [&h.positive_buckets, &h.negative_buckets, &h.custom_values] {
        varint::put(out, column.len() as u64);
        column.iter().for_each(|v| out.extend_from_slice(&v.to_bits().to_le_bytes()));
    }
}

/// The samples of a payload whose checksum fits; `None` when it is none of ours all the same.
pub(super) fn decode(payload: &[u8]) -> Option<Vec<Sample>> {
    let size = snap::raw::decompress_len(payload).ok()?;
    if size > 8 * MOST_PAYLOAD_BYTES {
        return None;
    }
    let plain = snap::raw::Decoder::new().decompress_vec(payload).ok()?;
    let mut rest = plain.as_slice();
    let count = take_len(&mut rest)?;
    let mut tables = Vec::new();
    for _ in 0..count {
        let size = take_len(&mut rest)?;
        tables.push(Labels::from_bytes(varint::take_bytes(&mut rest, size)?).ok()?);
    }
    let (mut samples, mut last) = (Vec::new(), 0i64);
    while !rest.is_empty() {
        let labels = tables.get(usize::try_from(varint::take(&mut rest)?).ok()?)?.clone();
        last = last.wrapping_add(varint::unzigzag(varint::take(&mut rest)?));
        let sample = match varint::take_bytes(&mut rest, 1)? {
            [FLOAT] => Sample::float(labels, last, take_f64(&mut rest)?),
            [HISTOGRAM] => Sample::histogram(labels, last, take_histogram(&mut rest)?),
            _ => return None,
        };
        samples.push(sample);
    }
    Some(samples)
}

/// A number of things that follow, each at least a byte long.
fn take_len(rest: &mut &[u8]) -> Option<usize> {
    let len = usize::try_from(varint::take(rest)?).ok()?;
    (len <= rest.len()).then_some(len)
}

fn take_f64(rest: &mut &[u8]) -> Option<f64> {
    let bytes = varint::take_bytes(rest, 8)?.try_into().ok()?;
    Some(f64::from_bits(u64::from_le_bytes(bytes)))
}

fn take_histogram(rest: &mut &[u8]) -> Option<Histogram> {
    let reset_hint = match varint::take_bytes(rest, 1)? {
        [0] => ResetHint::Unknown,
        [1] => ResetHint::Yes,
        [2] => ResetHint::No,
        [3] => ResetHint::Gauge,
        _ => return None,
    };
    let schema = i32::try_from(varint::unzigzag(varint::take(rest)?)).ok()?;
    let [zero_threshold, zero_count, count, sum] =
        [take_f64(rest)?, take_f64(rest)?, take_f64(rest)?, take_f64(rest)?];
    let (positive_spans, negative_spans) = (take_spans(rest)?, take_spans(rest)?);
    let [positive_buckets, negative_buckets, custom_values] =
        [take_column(rest)?, take_column(rest)?, take_column(rest)?];
    Some(Histogram {
        reset_hint,
        schema,
        zero_threshold,
        zero_count,
        count,
        sum,
        positive_spans,
        negative_spans,
        positive_buckets,
        negative_buckets,
        custom_values,
    })
}

fn take_spans(rest: &mut &[u8]) -> Option<Vec<Span>> {
    let count = take_len(rest)?;
    let mut spans = Vec::new();
    for _ in 0..count {
        let offset = i32::try_from(varint::unzigzag(varint::take(rest)?)).ok()?;
        let length = u32::try_from(varint::take(rest)?).ok()?;
        spans.push(Span { offset, length });
    }
    Some(spans)
}

fn take_column(rest: &mut &[u8]) -> Option<Vec<f64>> {
    let count = take_len(rest)?;
    (0..count).map(|_| take_f64(rest)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};

    fn read(record: &[u8]) -> Option<Vec<Sample>> {
        let header = Header::read(record.get(..HEADER_BYTES)?.try_into().ok()?)?;
        let payload = &record[HEADER_BYTES..];
        header.fits(payload).then(|| decode(payload))?
    }

    fn labels(text: &str) -> Labels {
        Labels::from_pairs([("__name__", "x"), ("l", text)]).expect("labels")
    }

    fn histogram(values: &[f64]) -> Histogram {
        Histogram {
            reset_hint: ResetHint::Gauge,
            schema: -53,
            count: values.len() as f64,
            sum: -0.0,
            zero_threshold: 1e-128,
            positive_spans: vec![Span { offset: -7, length: values.len() as u32 }],
            positive_buckets: values.to_vec(),
            custom_values: values.to_vec(),
            ..Histogram::default()
        }
    }

    #[test]
    fn the_bytes_of_a_small_record_are_golden() {
        let sample = Sample::float(Labels::from_pairs([("__name__", "up")]).expect("labels"), 5, 1.0);
        let plain = plain(&[sample.clone(), Sample { timestamp: 4, ..sample.clone() }]);
        let mut expected = b"\x01\x0c\x08__name__\x02up".to_vec();
        expected.extend_from_slice(b"\x00\x0a\x00\0\0\0\0\0\0\xf0\x3f");
        expected.extend_from_slice(b"\x00\x01\x00\0\0\0\0\0\0\xf0\x3f");
        assert_eq!(plain, expected);
        let record = encode(&[sample]);
        assert_eq!(record[8..12], [1, 0, 0, 0]);
        assert_eq!(record.len(), HEADER_BYTES + u32::from_le_bytes([record[0], record[1], 0, 0]) as usize);
    }

    proptest! {
        #[test]
        fn samples_come_back_bit_for_bit(
            rows in vec((".{0,5}", any::<i64>(), any::<u64>(), vec(any::<f64>(), 0..4)), 1..20),
        ) {
            let samples: Vec<_> = rows
                .iter()
                .map(|(label, at, bits, buckets)| match buckets.is_empty() {
                    true => Sample::float(labels(label), *at, f64::from_bits(*bits)),
                    false => Sample::histogram(labels(label), *at, histogram(buckets)),
                })
                .collect();
            let back = read(&encode(&samples)).expect("a whole record");
            // Debug text tells -0.0 from 0.0, and NaNs are equal in it; the bits of floats are compared apart.
            prop_assert_eq!(format!("{back:?}"), format!("{samples:?}"));
            for (a, b) in back.iter().zip(&samples) {
                if let (SampleValue::Float(a), SampleValue::Float(b)) = (&a.value, &b.value) {
                    prop_assert_eq!(a.to_bits(), b.to_bits());
                }
            }
        }

        #[test]
        fn damage_is_seen_and_never_panics(at in 0..200usize, bit in 0..8u8, junk in vec(any::<u8>(), 0..200)) {
            let samples = [Sample::float(labels("v"), 5, 1.5), Sample::histogram(labels("h"), 6, histogram(&[1.0, 2.0]))];
            let mut record = encode(&samples);
            let at = at % record.len();
            record[at] ^= 1 << bit;
            prop_assert_eq!(read(&record), None);
            let _ = decode(&junk);
        }
    }
}
