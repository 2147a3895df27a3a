#![no_main]

use libfuzzer_sys::fuzz_target;
use plimsoll_model::Batch;

fuzz_target!(|data: &[u8]| {
    let Ok(batch) = Batch::decode(data) else { return };
    let _ = batch.floats().take_while(Result::is_ok).count();
    let _ = batch.points().take_while(Result::is_ok).count();
    let _ = batch.histograms().take_while(Result::is_ok).count();
});
