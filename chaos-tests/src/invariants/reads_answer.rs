//! While a majority lives, somebody answers every query.
//!
//! A reader asks the nodes in turn, without pause; one that refuses or does not answer is followed by the next one, as
//! a client with a list of nodes does. A read has failed when no node answered it.

use crate::samples::METRIC;
use plimsoll_tests::http::Http;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, RwLock};
use std::thread;
use std::time::{Duration, Instant};

/// Between two reads.
const PAUSE: Duration = Duration::from_millis(50);

/// A node that takes longer is followed by the next one.
const LIMIT: Duration = Duration::from_secs(3);

/// The reader and what it met.
pub struct Reads {
    targets: Arc<RwLock<Vec<Http>>>,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    stop: AtomicBool,
    all: AtomicU64,
    failed: AtomicU64,
    repeated: AtomicU64,
    longest_ms: AtomicU64,
}

impl Reads {
    /// Starts a reader of the nodes at `urls`.
    pub fn start(urls: &[String]) -> Self {
        let targets = urls.iter().map(|url| Http::with_timeout(url, LIMIT)).collect();
        let reads = Self { targets: Arc::new(RwLock::new(targets)), counts: Arc::default() };
        let (targets, counts) = (reads.targets.clone(), reads.counts.clone());
        thread::spawn(move || read(&targets, &counts));
        reads
    }

    /// Reads, and how many of them no node answered.
    pub fn counts(&self) -> (u64, u64) {
        (self.counts.all.load(Relaxed), self.counts.failed.load(Relaxed))
    }

    /// Reads that a second node had to answer, and the longest read.
    pub fn trouble(&self) -> (u64, Duration) {
        let longest = Duration::from_millis(self.counts.longest_ms.load(Relaxed));
        (self.counts.repeated.load(Relaxed), longest)
    }
}

impl Drop for Reads {
    fn drop(&mut self) {
        self.counts.stop.store(true, Relaxed);
    }
}

fn read(targets: &RwLock<Vec<Http>>, counts: &Counts) {
    let query = format!("count({METRIC})");
    let mut turn = 0;
    while !counts.stop.load(Relaxed) {
        let Ok(nodes) = targets.read().map(|nodes| nodes.clone()) else { return };
        let began = Instant::now();
        turn += 1;
        let answered = (0..nodes.len()).find(|try_| {
            let http = &nodes[(turn + try_) % nodes.len()];
            http.get("/api/v1/query", &[("query", &query)]).is_ok_and(|answer| answer.status == 200)
        });
        counts.all.fetch_add(1, Relaxed);
        match answered {
            Some(0) => {}
            Some(_) => drop(counts.repeated.fetch_add(1, Relaxed)),
            None => drop(counts.failed.fetch_add(1, Relaxed)),
        }
        counts.longest_ms.fetch_max(began.elapsed().as_millis() as u64, Relaxed);
        thread::sleep(PAUSE);
    }
}
