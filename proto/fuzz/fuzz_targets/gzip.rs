#![no_main]

use libfuzzer_sys::fuzz_target;
use plimsoll_fuzz::LIMITS;
use plimsoll_proto::ingest::{Encoding, decompress};

fuzz_target!(|data: &[u8]| {
    let mut buffer = Vec::new();
    if let Ok(plain) = decompress(Encoding::Gzip, data, &LIMITS, &mut buffer) {
        assert!(plain.len() <= LIMITS.decoded_bytes);
    }
    assert!(buffer.capacity() <= 4 * LIMITS.decoded_bytes);
});
