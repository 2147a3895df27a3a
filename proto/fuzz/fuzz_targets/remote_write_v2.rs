#![no_main]

use libfuzzer_sys::fuzz_target;
use plimsoll_fuzz::{Check, LIMITS};
use plimsoll_proto::ingest::{Scratch, remote_write_v2_message};

fuzz_target!(|data: &[u8]| {
    let mut sink = Check::default();
    if let Ok(decoded) = remote_write_v2_message(data, &LIMITS, 7, &mut Scratch::default(), &mut sink) {
        sink.done(&decoded);
    }
});
