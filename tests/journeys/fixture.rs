//! A small set of samples whose every value is known.

use plimsoll_tests::http::Http;
use plimsoll_tests::remote_write::{SeriesBytes, WriteRequest};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Enough for any condition of a healthy node.
pub const SOON: Duration = Duration::from_secs(20);

/// Samples of a series.
pub const COUNT: i64 = 60;

/// Between two samples, in ms.
pub const INTERVAL_MS: i64 = 15_000;

/// Unix time in ms.
pub fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970").as_millis() as i64
}

/// `seconds.millis`, as the API takes times.
pub fn seconds(at_ms: i64) -> String {
    format!("{}.{:03}", at_ms.div_euclid(1000), at_ms.rem_euclid(1000))
}

/// Request counters by instance and code, a gauge, a histogram, and a metric with odd label values; a quarter of an
/// hour of it, the last sample at `end_ms`.
pub fn request(end_ms: i64) -> WriteRequest {
    let mut request = WriteRequest::new();
    let mut add = |labels: &[(&str, &str)], value: &dyn Fn(i64) -> f64| {
        let at = |step: i64| end_ms - (COUNT - 1 - step) * INTERVAL_MS;
        let samples: Vec<(i64, f64)> = (0..COUNT).map(|step| (at(step), value(step))).collect();
        request.series(&SeriesBytes::new(labels), &samples);
    };
    for (weight, instance) in [(1, "a:9100"), (2, "b:9100"), (3, "c:9100")] {
        for (share, code) in [(7, "200"), (2, "404"), (1, "500")] {
            let labels =
                [("__name__", "http_requests_total"), ("job", "api"), ("instance", instance), ("code", code)];
            // One instance restarts: its counters begin again.
            add(&labels, &|step| {
                let step = if instance == "b:9100" && step >= 30 { step - 30 } else { step };
                (step * weight * share) as f64
            });
        }
        add(&[("__name__", "up"), ("job", "api"), ("instance", instance)], &|_| 1.0);
        for (part, le) in [(2, "0.1"), (5, "0.5"), (9, "1"), (10, "+Inf")] {
            let labels =
                [("__name__", "request_seconds_bucket"), ("job", "api"), ("instance", instance), ("le", le)];
            add(&labels, &|step| (step * weight * part) as f64);
        }
    }
    let odd = "quote \" backslash \\ line\nend ünï ✓";
    add(&[("__name__", "temperature_celsius"), ("room", odd)], &|step| 20.0 + (step as f64 / 7.0).sin());
    request
}

/// Sends `request`; panics unless all of it is taken.
pub fn write(http: &Http, request: &WriteRequest) {
    let answer = request.send(http).unwrap_or_else(|e| panic!("remote write: {e}"));
    assert!(matches!(answer.status, 200 | 204), "remote write: {} {}", answer.status, answer.text());
}
