#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(query) = std::str::from_utf8(data) else { return };
    if let Ok(expr) = plimsoll_promql::parse(query, Default::default()) {
        let printed = expr.to_string();
        let again = plimsoll_promql::parse(&printed, Default::default());
        assert!(again.is_ok(), "{printed:?}");
    }
});
