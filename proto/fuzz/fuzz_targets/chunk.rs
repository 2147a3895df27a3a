//! The chunk codec: any bytes are refused or decoded, and what is encoded comes back bit for bit.
#![no_main]

// The codec's own files: through the crate this target would have to link RocksDB.
#[allow(dead_code, reason = "a target uses a part of the codec")]
#[path = "../../../node/storage/src/codec/mod.rs"]
mod codec;

use codec::{Scratch, floats, histograms, timestamps};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut scratch = Scratch::default();
    decode(data, &mut scratch);
    round_trip(data, &mut scratch);
});

/// The first byte says how many samples the rest should hold.
fn decode(data: &[u8], scratch: &mut Scratch) {
    let Some((count, rest)) = data.split_first() else { return };
    let n = usize::from(*count) * 4;
    let (mut times, mut values) = (Vec::new(), Vec::new());
    if timestamps::take(&mut &rest[..], n, scratch, &mut times).is_some() {
        assert_eq!(times.len(), n);
    }
    if floats::take(&mut &rest[..], n, scratch, &mut values).is_some() {
        assert_eq!(values.len(), n);
    }
    if let Some(all) = histograms::take(&mut &rest[..], n) {
        assert_eq!(all.len(), n);
    }
}

/// Eight bytes a sample, as a float and as a timestamp.
fn round_trip(data: &[u8], scratch: &mut Scratch) {
    let words: Vec<u64> =
        data.chunks_exact(8).map(|c| u64::from_le_bytes(c.try_into().expect("eight bytes"))).collect();
    if words.is_empty() {
        return;
    }
    let values: Vec<f64> = words.iter().map(|w| f64::from_bits(*w)).collect();
    let mut bytes = Vec::new();
    floats::put(&mut bytes, &values, scratch);
    let (mut input, mut back) = (&bytes[..], Vec::new());
    floats::take(&mut input, values.len(), scratch, &mut back).expect("own bytes are read");
    assert!(input.is_empty());
    assert!(back.iter().zip(&words).all(|(v, w)| v.to_bits() == *w));

    let mut times: Vec<i64> = words.iter().map(|w| *w as i64).collect();
    times.sort_unstable();
    times.dedup();
    bytes.clear();
    timestamps::put(&mut bytes, &times, scratch);
    let (mut input, mut back) = (&bytes[..], Vec::new());
    timestamps::take(&mut input, times.len(), scratch, &mut back).expect("own bytes are read");
    assert_eq!(back, times);
}
