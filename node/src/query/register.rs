use parking_lot::Mutex;
use plimsoll_promql::Stop;
use serde::Serialize;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// The worst queries that are remembered.
const SLOW: usize = 50;
/// Queries faster than this are not worth remembering.
const SLOW_FROM: Duration = Duration::from_millis(100);
/// Bytes of a query's text that are shown.
const TEXT_BYTES: usize = 2048;

/// The queries that run, and the slowest of the last ones.
#[derive(Default)]
pub(super) struct Register {
    next: AtomicU64,
    running: Mutex<BTreeMap<u64, Running>>,
    slow: Mutex<VecDeque<Slow>>,
}

struct Running {
    began: Instant,
    about: About,
    stop: Stop,
}

/// What is told about a query.
#[derive(Clone, Debug, Serialize)]
pub struct About {
    /// The text.
    pub query: String,
    /// First step in milliseconds.
    pub start: i64,
    /// Last step in milliseconds.
    pub end: i64,
    /// Milliseconds between steps; 0 for an instant query.
    pub step: i64,
    /// Dashboard and panel that asked, or the program.
    pub origin: String,
}

/// A query that runs.
#[derive(Serialize)]
pub struct Active {
    id: u64,
    seconds: f64,
    #[serde(flatten)]
    about: About,
}

/// A query that took long.
#[derive(Clone, Serialize)]
pub struct Slow {
    seconds: f64,
    outcome: &'static str,
    ended_ms: i64,
    #[serde(flatten)]
    about: About,
}

/// A query's place among the running ones; dropping it ends the entry.
pub(super) struct Entry {
    register: Arc<Register>,
    id: u64,
    /// How the query ended; set before the drop, else it was dropped by its caller.
    pub outcome: &'static str,
}

impl Register {
    /// Enters a query; `stop` ends it.
    pub fn enter(self: &Arc<Self>, mut about: About, stop: Stop) -> Entry {
        let mut end = about.query.len().min(TEXT_BYTES);
        while !about.query.is_char_boundary(end) {
            end -= 1;
        }
        about.query.truncate(end);
        let id = self.next.fetch_add(1, Relaxed) + 1;
        self.running.lock().insert(id, Running { began: Instant::now(), about, stop });
        Entry { register: self.clone(), id, outcome: "dropped" }
    }

    /// Ends the query with this number; false when there is none.
    pub fn cancel(&self, id: u64) -> bool {
        let running = self.running.lock();
        let found = running.get(&id);
        if let Some(r) = found {
            r.stop.cancel();
        }
        found.is_some()
    }

    /// The queries that run, the oldest first.
    pub fn active(&self) -> Vec<Active> {
        let running = self.running.lock();
        let shown = running.iter().map(|(id, r)| Active {
            id: *id,
            seconds: r.began.elapsed().as_secs_f64(),
            about: r.about.clone(),
        });
        shown.collect()
    }

    /// The slow ones, the slowest first.
    pub fn slow(&self) -> Vec<Slow> {
        let mut all: Vec<Slow> = self.slow.lock().iter().cloned().collect();
        all.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
        all
    }

    /// Number of queries that run.
    pub fn active_count(&self) -> usize {
        self.running.lock().len()
    }

    /// Number of queries since the start.
    pub fn total(&self) -> u64 {
        self.next.load(Relaxed)
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let Some(ended) = self.register.running.lock().remove(&self.id) else { return };
        // whatever still runs for a query that nobody waits for should end
        ended.stop.cancel();
        let took = ended.began.elapsed();
        metrics::counter!("plimsoll_queries_total", "outcome" => self.outcome).increment(1);
        metrics::histogram!("plimsoll_query_duration_seconds").record(took.as_secs_f64());
        if took < SLOW_FROM {
            return;
        }
        let mut slow = self.register.slow.lock();
        slow.push_back(Slow {
            seconds: took.as_secs_f64(),
            outcome: self.outcome,
            ended_ms: crate::now_ms(),
            about: ended.about,
        });
        if slow.len() > SLOW {
            // the fastest of the slow ones goes
            let fastest = (0..slow.len()).min_by(|a, b| slow[*a].seconds.total_cmp(&slow[*b].seconds));
            fastest.map(|i| slow.remove(i));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_listed_while_it_runs_and_can_be_ended() {
        let register = Arc::new(Register::default());
        let stop = Stop::default();
        let about = About { query: "é".repeat(3000), start: 0, end: 0, step: 0, origin: String::new() };
        let entry = register.enter(about, stop.clone());
        assert_eq!(register.active().len(), 1);
        assert!(register.active()[0].about.query.len() <= TEXT_BYTES);
        assert!(register.cancel(entry.id) && stop.check().is_err());
        drop(entry);
        assert!(register.active().is_empty() && !register.cancel(1));
    }
}
