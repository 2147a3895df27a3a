#![no_main]

use libfuzzer_sys::fuzz_target;
use plimsoll_fuzz::{Check, LIMITS};
use plimsoll_proto::ingest::{Scratch, remote_write_v1, remote_write_v2};

fuzz_target!(|data: &[u8]| {
    let mut scratch = Scratch::default();
    let _ = remote_write_v1(data, &LIMITS, 7, &mut scratch, &mut Check::default());
    let _ = remote_write_v2(data, &LIMITS, 7, &mut scratch, &mut Check::default());
});
