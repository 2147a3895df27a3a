use plimsoll_model::Timestamp;
use serde::Serialize;

/// How the work goes.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Status {
    /// Whether this node does it.
    pub mine: bool,
    /// Up to when all is settled: what comes later for the time before makes it go back.
    pub settled_ms: Timestamp,
    /// Up to when canonical samples are there.
    pub reached_ms: Timestamp,
    /// Source series in the last window.
    pub source_series: usize,
    /// Source samples in the last window.
    pub source_samples: usize,
    /// Canonical samples that the last window wrote.
    pub written: usize,
    /// Series whose state is held.
    pub held_series: usize,
    /// Passes since this node took over.
    pub passes: u64,
    /// How often it went back for late samples.
    pub returns: u64,
    /// Why the last pass failed, until one does not.
    pub trouble: Option<String>,
}

/// What a pass came to.
#[derive(Clone, Debug, Default)]
pub(super) struct Pass {
    pub settled_ms: Timestamp,
    pub reached_ms: Timestamp,
    pub source_series: usize,
    pub source_samples: usize,
    pub written: usize,
    pub held_series: usize,
    pub returned: bool,
    /// Whether there is more to do at once.
    pub behind: bool,
}

impl Status {
    pub(super) fn passed(&mut self, pass: Pass) {
        self.settled_ms = pass.settled_ms;
        self.reached_ms = pass.reached_ms;
        self.source_series = pass.source_series;
        self.source_samples = pass.source_samples;
        self.written = pass.written;
        self.held_series = pass.held_series;
        self.passes += 1;
        self.returns += u64::from(pass.returned);
        self.trouble = None;
        metrics::counter!("plimsoll_agents_passes_total").increment(1);
        metrics::counter!("plimsoll_agents_written_samples_total").increment(pass.written as u64);
        metrics::counter!("plimsoll_agents_returns_total").increment(u64::from(pass.returned));
        metrics::gauge!("plimsoll_agents_settled_timestamp_seconds").set(pass.settled_ms as f64 / 1000.0);
    }
}
