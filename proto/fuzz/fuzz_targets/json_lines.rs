#![no_main]

use libfuzzer_sys::fuzz_target;
use plimsoll_fuzz::{Check, LIMITS};
use plimsoll_proto::ingest::json_lines;

fuzz_target!(|data: &[u8]| {
    let mut sink = Check::default();
    if let Ok(decoded) = json_lines(data, 1, &LIMITS, 7, &mut sink) {
        sink.done(&decoded);
    }
});
