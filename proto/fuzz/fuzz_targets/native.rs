#![no_main]

use libfuzzer_sys::fuzz_target;
use plimsoll_fuzz::{Check, LIMITS};
use plimsoll_proto::ingest::{Scratch, native};
use plimsoll_proto::v1::WriteRequest;
use prost::Message;

fuzz_target!(|data: &[u8]| {
    let Ok(request) = WriteRequest::decode(data) else { return };
    let mut sink = Check::default();
    if let Ok(decoded) = native(&request, &LIMITS, 7, &mut Scratch::default(), &mut sink) {
        sink.done(&decoded);
    }
});
