//! Sends a data set and reports what it cost the server.

use crate::profiles::{DataSet, Request};
use plimsoll_tests::http::Http;
use plimsoll_tests::remote_write::{HEADERS, PATH};
use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

/// What the senders saw.
#[derive(Debug, Default)]
pub struct Sent {
    pub acknowledged: usize,
    pub seconds: f64,
    /// Milliseconds from the first byte of a request to its answer, sorted.
    pub latencies_ms: Vec<f64>,
    pub retries: usize,
    /// Requests given up, by what was answered.
    pub failures: BTreeMap<String, usize>,
}

/// A request that is answered with "later" (429, 503) is repeated for so long.
const PATIENCE: Duration = Duration::from_secs(30);

impl Sent {
    /// The latency below which a share `q` of all requests stayed.
    pub fn latency_ms(&self, q: f64) -> f64 {
        let last = self.latencies_ms.len().saturating_sub(1);
        self.latencies_ms.get((last as f64 * q) as usize).copied().unwrap_or(0.0)
    }

    fn add(&mut self, other: Self) {
        self.acknowledged += other.acknowledged;
        self.latencies_ms.extend(other.latencies_ms);
        self.retries += other.retries;
        for (reason, count) in other.failures {
            *self.failures.entry(reason).or_default() += count;
        }
    }
}

/// Where requests go, and with which headers.
#[derive(Clone, Copy)]
pub struct Door {
    pub path: &'static str,
    pub headers: &'static [(&'static str, &'static str)],
}

impl Door {
    pub const REMOTE_WRITE: Self = Self { path: PATH, headers: &HEADERS };
}

/// Sends every lane on a connection of its own, as fast as the server takes it.
pub fn replay(data: &DataSet, http: &Http) -> Sent {
    replay_over(data, std::slice::from_ref(http))
}

/// As [`replay`], the lanes spread over several nodes.
pub fn replay_over(data: &DataSet, nodes: &[Http]) -> Sent {
    replay_to(data, nodes, Door::REMOTE_WRITE)
}

/// As [`replay_over`], in another format.
pub fn replay_to(data: &DataSet, nodes: &[Http], door: Door) -> Sent {
    let started = Instant::now();
    let mut all = Sent::default();
    thread::scope(|scope| {
        let lanes: Vec<_> = data
            .lanes
            .iter()
            .zip(nodes.iter().cycle())
            .map(|(lane, http)| scope.spawn(move || send_lane(lane, http, door)))
            .collect();
        for lane in lanes {
            all.add(lane.join().expect("a sender does not panic"));
        }
    });
    all.seconds = started.elapsed().as_secs_f64();
    all.latencies_ms.sort_by(f64::total_cmp);
    all
}

fn send_lane(lane: &[Request], http: &Http, door: Door) -> Sent {
    let mut sent = Sent { latencies_ms: Vec::with_capacity(lane.len()), ..Sent::default() };
    for request in lane {
        let began = Instant::now();
        loop {
            let (said, may_repeat) = match http.post(door.path, door.headers, &request.body) {
                Ok(answer) if answer.status / 100 == 2 => {
                    sent.acknowledged += request.samples;
                    break;
                }
                Ok(answer) => {
                    let text: String = answer.text().chars().take(120).collect();
                    (format!("{} {}", answer.status, text.trim()), matches!(answer.status, 429 | 503))
                }
                Err(broken) => (broken.to_string(), false),
            };
            if !may_repeat || began.elapsed() > PATIENCE {
                *sent.failures.entry(said).or_default() += 1;
                break;
            }
            sent.retries += 1;
            thread::sleep(Duration::from_millis(20));
        }
        sent.latencies_ms.push(began.elapsed().as_secs_f64() * 1e3);
    }
    sent
}
