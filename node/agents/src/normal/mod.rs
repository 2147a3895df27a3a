//! From a window of source samples to canonical samples.
//!
//! Time goes in steps of [`STEP_MS`]. What a source counted since its sample before belongs to the step in which the
//! sample lies. A canonical counter has a sample at the end of each step in which one of its sources has one; its value is
//! the total since the beginning, so it never falls and the store alone holds what a take-over needs: the last sample of
//! each source series and of each canonical one before the window.

mod advance;
mod curves;
mod increase;
mod sessions;
mod stages;
mod tokens;

pub use increase::Steps;
pub use stages::Costs;

use crate::{Book, Budget, Mapping};
use curves::Curves;
use plimsoll_model::{Labels, Timestamp};
use sessions::Sessions;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Length of a step.
pub const STEP_MS: i64 = 10_000;
/// A series that had no sample for longer gets one with its old value before it rises, so that `increase` sees the rise:
/// Prometheus' look-back.
pub const TOUCH_MS: i64 = 300_000;

/// The documents that hold.
#[derive(Clone, Debug)]
pub struct Config {
    /// The mapping.
    pub mapping: Mapping,
    /// The price book.
    pub book: Book,
    /// All budgets.
    pub budgets: Vec<Budget>,
}

/// Samples of one source series in a window, in order of time.
#[derive(Clone, Debug)]
pub struct SourceSamples {
    /// The series.
    pub labels: Labels,
    /// Whether they are native histograms; their values are the sums.
    pub native: bool,
    /// Time and value.
    pub samples: Vec<(Timestamp, f64)>,
}

/// Canonical samples that are in the store, by series and time.
pub type Stored = BTreeMap<Labels, BTreeMap<Timestamp, f64>>;

/// A window: what came after the state's time, up to `to`, included. Both are ends of steps.
#[derive(Clone, Copy, Debug)]
pub struct Window<'a> {
    /// Its end.
    pub to: Timestamp,
    /// Source samples in it.
    pub sources: &'a [SourceSamples],
    /// Canonical samples in it that were written before.
    pub stored: &'a Stored,
}

/// A canonical series as it was at the state's time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Total {
    /// Its last sample's time, where that is not longer ago than [`TOUCH_MS`].
    pub at: Option<Timestamp>,
    /// Its last value; 0 for a series that was not there.
    pub value: f64,
}

/// A source series before the state's time.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Known {
    last: Option<f64>,
    used: Timestamp,
}

/// All that a window's outcome depends on beside its samples. Every entry can be read from the store again.
#[derive(Clone, Debug)]
pub struct State {
    at: Timestamp,
    sources: HashMap<Labels, Known>,
    totals: HashMap<Labels, (Total, Timestamp)>,
    sessions: BTreeMap<String, Sessions>,
    senders: HashMap<(String, String), Timestamp>,
}

/// What must be read from the store before a window can be worked on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lacks {
    /// Source series whose last value at or before the state's time is needed.
    pub sources: Vec<Labels>,
    /// Canonical series of which the same is needed.
    pub totals: Vec<Labels>,
}

/// A canonical sample to be written.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Its series.
    pub labels: Labels,
    /// When.
    pub timestamp: Timestamp,
    /// What.
    pub value: f64,
}

/// What a window comes to.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Samples that the store does not have yet, or has otherwise.
    pub rows: Vec<Row>,
    curves: Curves,
    readings: Vec<Option<crate::Reading>>,
    sessions: BTreeMap<String, Sessions>,
    senders: BTreeSet<(String, String)>,
}

impl State {
    /// The state at `at`, of which nothing has been read yet.
    pub fn new(at: Timestamp) -> Self {
        let (sources, totals) = (HashMap::new(), HashMap::new());
        Self { at, sources, totals, sessions: BTreeMap::new(), senders: HashMap::new() }
    }

    /// Up to when all is settled.
    pub fn at(&self) -> Timestamp {
        self.at
    }

    /// Series that are held.
    pub fn len(&self) -> usize {
        self.sources.len() + self.totals.len()
    }

    /// Whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The last value of a source series at or before the state's time, if there is any.
    pub fn put_source(&mut self, labels: Labels, last: Option<f64>) {
        self.sources.insert(labels, Known { last, used: self.at });
    }

    /// The last sample of a canonical series at or before the state's time.
    pub fn put_total(&mut self, labels: Labels, total: Total) {
        self.totals.insert(labels, (total, self.at));
    }

    /// A session of a source that was seen first at `start`.
    pub fn put_session(&mut self, source: &str, session: &str, start: Timestamp) {
        self.sessions.entry(source.to_owned()).or_default().add(start, session);
    }

    fn total(&self, labels: &Labels, lacks: &mut Lacks) -> Total {
        match self.totals.get(labels) {
            Some((total, _)) => *total,
            None => {
                lacks.totals.push(labels.clone());
                Total::default()
            }
        }
    }
}

/// Works on a window. Fails with what must be read first; then it is called again.
pub fn normalise(config: &Config, state: &State, window: Window<'_>) -> Result<Outcome, Lacks> {
    let read =
        |s: &SourceSamples| config.mapping.read(crate::SourceSeries { labels: &s.labels, native: s.native });
    let readings: Vec<_> = window.sources.iter().map(read).collect();
    let increases = increase::increases(config, state, window, &readings)?;
    let mut lacks = Lacks::default();
    let mut curves = Curves::default();
    stages::run(config, state, &increases, &mut curves, &mut lacks);
    let rows = curves.rows(state, window, &mut lacks);
    if !lacks.totals.is_empty() {
        lacks.totals.sort_unstable();
        lacks.totals.dedup();
        return Err(lacks);
    }
    let increase::Increases { sessions, senders, .. } = increases;
    Ok(Outcome { rows, curves, readings, sessions, senders })
}

/// The end of the step that `at` lies in.
pub fn ceil_step(at: Timestamp) -> Timestamp {
    at.div_euclid(STEP_MS) * STEP_MS + if at.rem_euclid(STEP_MS) == 0 { 0 } else { STEP_MS }
}

/// The end of the last step that is over at `at`.
pub fn floor_step(at: Timestamp) -> Timestamp {
    at.div_euclid(STEP_MS) * STEP_MS
}
