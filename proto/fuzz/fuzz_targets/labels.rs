#![no_main]

use libfuzzer_sys::fuzz_target;
use plimsoll_model::Labels;
use plimsoll_proto::escape::{escape_name, unescape_name, unescape_text};

fuzz_target!(|data: &[u8]| {
    if let Ok(labels) = Labels::from_bytes(data) {
        assert_eq!(labels.as_bytes(), data);
        assert_eq!(Labels::from_pairs(labels.iter()), Ok(labels));
    }
    let _ = unescape_text(data);
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = unescape_name(text);
        assert_eq!(unescape_name(&escape_name(text)), text);
    }
});
