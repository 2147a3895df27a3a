//! Asks a node for every sample of a ledger.

use crate::writer::METRIC;
use plimsoll_chaos_tests::{Ledger, Verdict};
use plimsoll_tests::http::Http;
use std::collections::BTreeMap;

/// Compares all series. An error of the node is a panic: after a restart it must be able to answer.
pub fn audit(ledger: &Ledger, http: &Http) -> Verdict {
    let mut all = Verdict::default();
    for series in ledger.series() {
        let (first, last) = ledger.span(series).expect("a series in the ledger has samples");
        all.add(ledger.check(series, &raw_samples(http, series, first, last)));
    }
    all
}

/// The stored samples of a series, by a plain range selector: nothing is computed with them.
fn raw_samples(http: &Http, series: usize, first_ms: i64, last_ms: i64) -> BTreeMap<i64, f64> {
    let end_ms = last_ms + 1;
    let query = format!("{METRIC}{{series=\"{series}\"}}[{}ms]", end_ms - first_ms + 1);
    let time = format!("{}.{:03}", end_ms.div_euclid(1000), end_ms.rem_euclid(1000));
    let data = http.data("/api/v1/query", &[("query", &query), ("time", &time)]);
    let points = data["result"][0]["values"].as_array().cloned().unwrap_or_default();
    points
        .iter()
        .map(|point| {
            let at = (point[0].as_f64().expect("a timestamp is a number") * 1e3).round() as i64;
            let value =
                point[1].as_str().and_then(|text| text.parse().ok()).expect("a value is a number in quotes");
            (at, value)
        })
        .collect()
}
