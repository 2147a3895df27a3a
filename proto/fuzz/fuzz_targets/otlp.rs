#![no_main]

use libfuzzer_sys::fuzz_target;
use plimsoll_fuzz::{Check, LIMITS};
use plimsoll_proto::ingest::{OtlpOptions, Scratch, otlp_message};

fuzz_target!(|data: &[u8]| {
    for scope_labels in [false, true] {
        let promote = vec!["host.name".to_owned()];
        let options = OtlpOptions { scope_labels, promote, ..OtlpOptions::default() };
        let mut sink = Check::default();
        if let Ok(decoded) = otlp_message(data, &options, &LIMITS, 7, &mut Scratch::default(), &mut sink) {
            assert!(decoded.refused_points <= decoded.points);
            sink.done(&decoded);
        }
    }
});
