//! Clients that write to all nodes without pause, keep their books, and repeat elsewhere what was not acknowledged.

use crate::samples::{now_ms, series};
use crate::{Fate, Ledger};
use plimsoll_tests::http::Http;
use plimsoll_tests::remote_write::{SeriesBytes, WriteRequest};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Writers of a scenario.
pub const WRITERS: usize = 4;

/// Series of one writer, each with one sample in a request: enough that a request touches every shard.
pub const SERIES_PER_WRITER: usize = 64;

/// Between two requests of a writer: leaves most of a small machine to the nodes.
const PAUSE: Duration = Duration::from_millis(25);

/// A client that was refused tries another node after this.
const RETRY: Duration = Duration::from_millis(20);

/// A client that hears nothing for so long asks another node. A stopped node does not break connections.
pub const CLIENT_TIMEOUT: Duration = Duration::from_secs(2);

/// The last writer goes back in time from here, a second a request: all of its samples are out of order.
const BACKWARD_FROM_MS: i64 = 3_600_000;

/// What one writer knows.
#[derive(Default)]
struct Books {
    ledger: Ledger,
    /// Since when it waits for an acknowledgement.
    waits_since: Option<Instant>,
    /// Waits for an acknowledgement that took longer than [`NOTED`], with their begin.
    waits: Vec<(Instant, Duration)>,
    latencies_us: Vec<u32>,
}

/// Shorter waits are not kept one by one.
const NOTED: Duration = Duration::from_millis(50);

/// All writers.
pub struct Load {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    targets: RwLock<Vec<Http>>,
    books: Vec<Mutex<Books>>,
    stop: AtomicBool,
    paused: AtomicBool,
    requests: AtomicU64,
    repeated: AtomicU64,
}

impl Load {
    /// Starts the writers; each begins with another one of the nodes at `urls`.
    pub fn start(urls: Vec<String>) -> Self {
        let shared = Arc::new(Shared {
            targets: RwLock::new(urls.into_iter().map(client).collect()),
            books: (0..WRITERS).map(|_| Mutex::default()).collect(),
            stop: AtomicBool::new(false),
            paused: AtomicBool::new(false),
            requests: AtomicU64::new(0),
            repeated: AtomicU64::new(0),
        });
        let start = |writer| {
            let shared = shared.clone();
            thread::spawn(move || shared.write(writer))
        };
        let threads = (0..WRITERS).map(start).collect();
        Self { shared, threads }
    }

    /// Lets the writers know of one more node.
    pub fn add_target(&self, url: String) {
        self.shared.targets.write().unwrap_or_else(PoisonError::into_inner).push(client(url));
    }

    /// Stops the writers between two requests, or lets them go on.
    pub fn pause(&self, paused: bool) {
        self.shared.paused.store(paused, Relaxed);
        while paused && (0..WRITERS).any(|w| self.shared.books(w).waits_since.is_some()) {
            thread::sleep(RETRY);
        }
    }

    /// Samples acknowledged so far.
    pub fn acknowledged(&self) -> usize {
        (0..WRITERS).map(|w| self.shared.books(w).ledger.acknowledged()).sum()
    }

    /// Requests acknowledged, and tries that were not.
    pub fn requests(&self) -> (u64, u64) {
        (self.shared.requests.load(Relaxed), self.shared.repeated.load(Relaxed))
    }

    /// Each writer's ledger of the samples with timestamps from `from_ms` to now.
    pub fn since(&self, from_ms: i64) -> Vec<Ledger> {
        (0..WRITERS).map(|w| self.shared.books(w).ledger.window(from_ms, now_ms())).collect()
    }

    /// The longest wait of a writer for an acknowledgement that fell into a time, wholly or partly. A wait counts from
    /// the first try of a request to its acknowledgement, whichever nodes were asked in between.
    pub fn longest_wait(&self, from: Instant, to: Instant) -> Duration {
        let mut longest = Duration::ZERO;
        for writer in 0..WRITERS {
            let books = self.shared.books(writer);
            let open = books.waits_since.map(|since| (since, since.elapsed()));
            for (since, wait) in books.waits.iter().copied().chain(open) {
                if since < to && since + wait > from {
                    longest = longest.max(wait);
                }
            }
        }
        longest
    }

    /// Times from the first try of a request to its acknowledgement, in µs, not sorted.
    pub fn latencies_us(&self) -> Vec<u32> {
        (0..WRITERS).flat_map(|w| self.shared.books(w).latencies_us.clone()).collect()
    }

    /// Lets every writer finish what it has begun, and returns their ledgers.
    pub fn finish(&mut self) -> Vec<Ledger> {
        self.shared.stop.store(true, Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().expect("a writer does not panic");
        }
        (0..WRITERS).map(|w| std::mem::take(&mut self.shared.books(w).ledger)).collect()
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.shared.stop.store(true, Relaxed);
    }
}

impl Shared {
    fn books(&self, writer: usize) -> MutexGuard<'_, Books> {
        self.books[writer].lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn target(&self, at: usize) -> Http {
        let targets = self.targets.read().unwrap_or_else(PoisonError::into_inner);
        targets[at % targets.len()].clone()
    }

    fn write(&self, writer: usize) {
        let all: Vec<SeriesBytes> = (0..SERIES_PER_WRITER).map(|number| series(writer, number)).collect();
        let backward = writer == WRITERS - 1;
        let mut at_ms = if backward { now_ms() - BACKWARD_FROM_MS } else { 0 };
        let (mut target, mut count) = (writer, 0u32);
        let mut request = WriteRequest::new();
        while !self.stop.load(Relaxed) {
            if self.paused.load(Relaxed) {
                thread::sleep(RETRY);
                continue;
            }
            count += 1;
            // Distinct for every sample, and with a fraction, so that a mix-up of samples shows.
            let value = |number: usize| f64::from(count) + number as f64 / 1024.0;
            {
                // In the books before it is sent: what is found on a node and not there was never sent.
                let mut books = self.books(writer);
                at_ms = if backward { at_ms - 1000 } else { now_ms().max(at_ms + 1) };
                books.waits_since = Some(Instant::now());
                (0..all.len()).for_each(|n| books.ledger.note(n, at_ms, value(n), Fate::Perhaps));
            }
            request.clear();
            for (number, bytes) in all.iter().enumerate() {
                request.series(bytes, &[(at_ms, value(number))]);
            }
            let acknowledged = self.send(&request, &mut target);
            let mut books = self.books(writer);
            if acknowledged {
                (0..all.len()).for_each(|n| books.ledger.note(n, at_ms, value(n), Fate::Acknowledged));
            }
            books.acknowledged();
            drop(books);
            thread::sleep(PAUSE);
        }
    }

    /// Sends until it is acknowledged; gives up only when all is to end and the node refuses.
    fn send(&self, request: &WriteRequest, target: &mut usize) -> bool {
        loop {
            if request.send(&self.target(*target)).is_ok_and(|answer| answer.status / 100 == 2) {
                self.requests.fetch_add(1, Relaxed);
                return true;
            }
            self.repeated.fetch_add(1, Relaxed);
            *target += 1;
            if self.stop.load(Relaxed) {
                return false;
            }
            thread::sleep(RETRY);
        }
    }
}

impl Books {
    fn acknowledged(&mut self) {
        let Some(since) = self.waits_since.take() else { return };
        let wait = since.elapsed();
        self.latencies_us.push(u32::try_from(wait.as_micros()).unwrap_or(u32::MAX));
        if wait > NOTED {
            self.waits.push((since, wait));
        }
    }
}

fn client(url: String) -> Http {
    Http::with_timeout(url, CLIENT_TIMEOUT)
}
