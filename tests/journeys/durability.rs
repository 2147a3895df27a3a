//! What is acknowledged is kept: through kill -9, through a graceful end, and it is visible at once.

use crate::fixture::{self, COUNT, now_ms, seconds};
use plimsoll_tests::answer::Answer;
use plimsoll_tests::http::Http;
use plimsoll_tests::plimsoll::Node;
use plimsoll_tests::remote_write::{SeriesBytes, WriteRequest};

/// Everything in the node, as raw samples.
fn everything(http: &Http, at_ms: i64) -> Answer {
    let parameters = [("query", "{__name__=~\".+\"}[1h]"), ("time", &seconds(at_ms))];
    let answer = http.get("/api/v1/query", &parameters).unwrap_or_else(|e| panic!("{e}"));
    Answer::read(&answer.body).unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn an_acknowledged_sample_is_visible_at_once() {
    let node = Node::start();
    let http = node.http();
    let series = SeriesBytes::new(&[("__name__", "seen_at_once")]);
    for value in 1..=50 {
        let mut request = WriteRequest::new();
        request.series(&series, &[(now_ms(), f64::from(value))]);
        fixture::write(&http, &request);
        let time = seconds(now_ms() + 1);
        let data = http.data("/api/v1/query", &[("query", "seen_at_once"), ("time", &time)]);
        assert_eq!(data["result"][0]["value"][1], value.to_string());
    }
}

#[test]
fn kill_9_right_after_an_acknowledgement_loses_nothing() {
    let mut node = Node::start();
    let end = now_ms() - 1000;
    fixture::write(&node.http(), &fixture::request(end));
    let before = everything(&node.http(), end + 1);
    assert_eq!(before.size(), (25, 25 * COUNT as usize));
    for _ in 0..5 {
        node.kill();
        node.restart();
        let after = everything(&node.http(), end + 1);
        assert_eq!(after.difference(&before, 0.0), None);
    }
    let series = SeriesBytes::new(&[("__name__", "written_after_a_kill")]);
    let mut request = WriteRequest::new();
    request.series(&series, &[(end, 7.0)]);
    fixture::write(&node.http(), &request);
    assert_eq!(everything(&node.http(), end + 1).size().0, 26);
}

#[test]
fn a_graceful_end_keeps_all_and_starts_again() {
    let mut node = Node::start();
    let end = now_ms() - 1000;
    fixture::write(&node.http(), &fixture::request(end));
    let before = everything(&node.http(), end + 1);
    node.stop();
    node.restart();
    assert_eq!(everything(&node.http(), end + 1).difference(&before, 0.0), None);
    // The same samples again change nothing.
    fixture::write(&node.http(), &fixture::request(end));
    assert_eq!(everything(&node.http(), end + 1).difference(&before, 0.0), None);
}

#[test]
fn samples_of_any_age_and_order_are_taken_and_the_last_write_wins() {
    let mut node = Node::start();
    let http = node.http();
    let now = now_ms();
    let series = SeriesBytes::new(&[("__name__", "disorder")]);
    let hours = [0i64, 30, 2, 200, 1, 100, 3, 29];
    for (value, hour) in (1..).zip(hours) {
        let mut request = WriteRequest::new();
        request.series(&series, &[(now - hour * 3_600_000, f64::from(value))]);
        fixture::write(&http, &request);
    }
    let mut again = WriteRequest::new();
    again.series(&series, &[(now - 30 * 3_600_000, 99.0)]);
    fixture::write(&http, &again);
    let look = |http: &Http| {
        let data = http.data("/api/v1/query", &[("query", "disorder[10d]"), ("time", &seconds(now + 1))]);
        let points = data["result"][0]["values"].as_array().expect("one series").clone();
        points.iter().map(|point| point[1].as_str().expect("text").to_owned()).collect::<Vec<_>>()
    };
    let wanted = ["4", "6", "99", "8", "7", "3", "5", "1"];
    assert_eq!(look(&http), wanted);
    node.kill();
    node.restart();
    assert_eq!(look(&http), wanted);
}
