#![no_main]

use libfuzzer_sys::fuzz_target;
use plimsoll_fuzz::{Check, LIMITS};
use plimsoll_proto::ingest::{TextDialect, text};

fuzz_target!(|data: &[u8]| {
    for dialect in [TextDialect::Prometheus, TextDialect::OpenMetrics] {
        let mut sink = Check::default();
        if let Ok(decoded) = text(data, dialect, 0, 1, &LIMITS, 7, &mut sink) {
            sink.done(&decoded);
        }
    }
});
