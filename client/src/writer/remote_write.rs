//! Samples as a Prometheus remote write 1.0 request: protobuf `prometheus.WriteRequest`, then snappy.
//!
//! Written straight from the samples, without a message in between: a batch is the hot path of a client, and
//! the message's owned strings would cost an allocation a label. Field numbers are those of Prometheus'
//! `prompb/remote.proto` and `prompb/types.proto`; a test reads the bytes back with the generated messages.

use super::{Sample, SampleValue};
use plimsoll_model::{Histogram, Labels, Span, Timestamp, varint};
use std::collections::HashMap;

/// Encodes and compresses `samples`; samples of one series are put together, in their order.
pub(crate) fn encode(samples: &[Sample]) -> Vec<u8> {
    let plain = encode_plain(samples);
    snap::raw::Encoder::new().compress_vec(&plain).expect("a batch is far below the 4 GiB of snappy")
}

fn encode_plain(samples: &[Sample]) -> Vec<u8> {
    let mut slot_of: HashMap<&Labels, usize> = HashMap::with_capacity(samples.len());
    let mut series: Vec<(&Labels, Vec<u8>)> = Vec::new();
    for sample in samples {
        let slot = *slot_of.entry(&sample.labels).or_insert_with(|| {
            series.push((&sample.labels, Vec::new()));
            series.len() - 1
        });
        let out = &mut series[slot].1;
        match &sample.value {
            SampleValue::Float(v) => put_float(out, sample.timestamp, *v),
            SampleValue::Histogram(h) => put_histogram(out, sample.timestamp, h),
        }
    }
    let mut request = Vec::new();
    let mut one = Vec::new();
    for (labels, body) in &series {
        one.clear();
        for (name, value) in labels.iter() {
            let len = field_len(name.len()) + field_len(value.len());
            put_key(&mut one, 1, LEN);
            varint::put(&mut one, len as u64);
            put_bytes(&mut one, 1, name.as_bytes());
            put_bytes(&mut one, 2, value.as_bytes());
        }
        one.extend_from_slice(body);
        put_bytes(&mut request, 1, &one);
    }
    request
}

const VARINT: u8 = 0;
const FIXED64: u8 = 1;
const LEN: u8 = 2;

fn put_key(out: &mut Vec<u8>, field: u32, wire: u8) {
    varint::put(out, u64::from(field << 3 | u32::from(wire)));
}

fn put_bytes(out: &mut Vec<u8>, field: u32, bytes: &[u8]) {
    put_key(out, field, LEN);
    varint::put(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn put_double(out: &mut Vec<u8>, field: u32, v: f64) {
    put_key(out, field, FIXED64);
    out.extend_from_slice(&v.to_bits().to_le_bytes());
}

fn put_int(out: &mut Vec<u8>, field: u32, v: i64) {
    put_key(out, field, VARINT);
    varint::put(out, v as u64);
}

/// Length of a length-delimited field with a one-byte key.
fn field_len(payload: usize) -> usize {
    1 + (payload.max(1).ilog2() as usize / 7 + 1) + payload
}

fn put_float(out: &mut Vec<u8>, timestamp: Timestamp, value: f64) {
    let mut m = Vec::with_capacity(20);
    put_double(&mut m, 1, value);
    put_int(&mut m, 2, timestamp);
    put_bytes(out, 2, &m);
}

fn put_histogram(out: &mut Vec<u8>, timestamp: Timestamp, h: &Histogram) {
    let mut m = Vec::new();
    put_double(&mut m, 2, h.count);
    put_double(&mut m, 3, h.sum);
    put_int(&mut m, 4, varint::zigzag(i64::from(h.schema)) as i64);
    put_double(&mut m, 5, h.zero_threshold);
    put_double(&mut m, 7, h.zero_count);
    put_spans(&mut m, 8, &h.negative_spans);
    put_doubles(&mut m, 10, &h.negative_buckets);
    put_spans(&mut m, 11, &h.positive_spans);
    put_doubles(&mut m, 13, &h.positive_buckets);
    put_int(&mut m, 14, h.reset_hint as i64);
    put_int(&mut m, 15, timestamp);
    put_doubles(&mut m, 16, &h.custom_values);
    put_bytes(out, 4, &m);
}

fn put_spans(out: &mut Vec<u8>, field: u32, spans: &[Span]) {
    for span in spans {
        let mut m = Vec::with_capacity(12);
        put_int(&mut m, 1, varint::zigzag(i64::from(span.offset)) as i64);
        put_int(&mut m, 2, i64::from(span.length));
        put_bytes(out, field, &m);
    }
}

fn put_doubles(out: &mut Vec<u8>, field: u32, values: &[f64]) {
    if values.is_empty() {
        return;
    }
    let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_bits().to_le_bytes()).collect();
    put_bytes(out, field, &bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_of_a_small_request_are_golden() {
        let up = Labels::from_pairs([("__name__", "up"), ("a", "b")]).expect("labels");
        let samples =
            [Sample::float(up.clone(), 1, 1.0), Sample::float(up, -1, f64::from_bits(0x7ff0_0000_0000_0002))];
        let bytes = encode_plain(&samples);
        let mut expected = b"\x0a\x3a".to_vec();
        expected.extend_from_slice(b"\x0a\x0e\x0a\x08__name__\x12\x02up");
        expected.extend_from_slice(b"\x0a\x06\x0a\x01a\x12\x01b");
        expected.extend_from_slice(b"\x12\x0b\x09\0\0\0\0\0\0\xf0\x3f\x10\x01");
        expected.extend_from_slice(b"\x12\x14\x09\x02\0\0\0\0\0\xf0\x7f\x10");
        expected.extend_from_slice(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01");
        expected[1] = (expected.len() - 2) as u8;
        assert_eq!(bytes, expected);
    }

    #[test]
    fn lengths_of_fields_are_right_at_the_edges() {
        for n in [0, 1, 127, 128, 16_383, 16_384] {
            let mut out = Vec::new();
            put_bytes(&mut out, 1, &vec![0; n]);
            assert_eq!(out.len(), field_len(n), "{n}");
        }
    }
}
