#![no_main]

use libfuzzer_sys::fuzz_target;
use plimsoll_fuzz::{Check, LIMITS};
use plimsoll_proto::ingest::{OtlpOptions, Scratch, otlp_from_json, otlp_message};
use plimsoll_proto::opentelemetry::ExportMetricsServiceRequest;
use prost::Message;

fuzz_target!(|data: &[u8]| {
    if let Ok(message) = otlp_from_json(data, &LIMITS) {
        // it writes what a protobuf library reads, up to texts that are not UTF-8
        if std::str::from_utf8(data).is_ok() {
            assert!(ExportMetricsServiceRequest::decode(&message[..]).is_ok());
        }
        let mut sink = Check::default();
        let options = OtlpOptions::default();
        if let Ok(decoded) = otlp_message(&message, &options, &LIMITS, 7, &mut Scratch::default(), &mut sink) {
            sink.done(&decoded);
        }
    }
});
