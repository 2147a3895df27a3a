//! A node that is cut off from the majority acknowledges nothing: it answers 503 and says when to come back.

use crate::samples::now_ms;
use plimsoll_tests::http::Http;
use plimsoll_tests::remote_write::{SeriesBytes, WriteRequest};
use std::time::Duration;

/// A node looks for a leader for ten seconds before it refuses.
const LIMIT: Duration = Duration::from_secs(30);

/// The series of the probe: enough to touch every shard.
const SERIES: usize = 64;

/// Writes to the node at `url`, which must refuse. Returns what is wrong.
pub fn check(url: &str) -> Option<String> {
    let mut request = WriteRequest::new();
    for number in 0..SERIES {
        let number = number.to_string();
        let series = SeriesBytes::new(&[("__name__", "chaos_minority_probe"), ("series", &number)]);
        request.series(&series, &[(now_ms(), 1.0)]);
    }
    let answer = match request.send(&Http::with_timeout(url, LIMIT)) {
        Ok(answer) => answer,
        Err(e) => return Some(format!("{url} does not refuse in order: {e}")),
    };
    match (answer.status, answer.header("retry-after")) {
        (503, Some(_)) => None,
        (status, retry) => Some(format!(
            "{url} is cut off and answers {status}, Retry-After {retry:?}, instead of 503: {}",
            answer.text()
        )),
    }
}
