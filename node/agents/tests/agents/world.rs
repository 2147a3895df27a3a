//! A store in memory with what works on it: source samples in, passes, canonical samples out.

use plimsoll_agents::{
    Book, Budget, Config, Lacks, Mapping, SourceSamples, State, Stored, TOUCH_MS, Total, Window, floor_step,
    normalise,
};
use plimsoll_model::{Labels, Timestamp};
use std::collections::BTreeMap;

/// What is younger is worked on again by each pass.
pub const SETTLE_MS: i64 = 300_000;

pub struct World {
    pub config: Config,
    pub raw: BTreeMap<Labels, BTreeMap<Timestamp, f64>>,
    pub canonical: Stored,
    settled: Timestamp,
    state: Option<State>,
}

pub fn labels(name: &str, pairs: &[(&str, &str)]) -> Labels {
    let all = pairs.iter().copied().chain([("__name__", name)]);
    Labels::from_pairs(all).expect("each name once")
}

impl World {
    pub fn new() -> Self {
        Self::with(Mapping::builtin(), Book::builtin(), Vec::new())
    }

    pub fn with(mapping: Mapping, book: Book, budgets: Vec<Budget>) -> Self {
        let config = Config { mapping, book, budgets };
        Self { config, raw: BTreeMap::new(), canonical: Stored::new(), settled: 0, state: None }
    }

    pub fn send(&mut self, name: &str, pairs: &[(&str, &str)], at: Timestamp, value: f64) {
        self.raw.entry(labels(name, pairs)).or_default().insert(at, value);
    }

    /// Another node takes over: it knows what is in the store.
    pub fn take_over(&mut self) {
        self.state = None;
    }

    /// Goes back, as for samples that came too late.
    pub fn back_to(&mut self, at: Timestamp) {
        self.settled = self.settled.min(floor_step(at - 1));
        self.state = None;
    }

    pub fn pass(&mut self, now: Timestamp) {
        let to = floor_step(now);
        let mut state = self.state.take().unwrap_or_else(|| self.recall());
        let from = state.at();
        let sources: Vec<SourceSamples> = self
            .raw
            .iter()
            .map(|(labels, samples)| SourceSamples {
                labels: labels.clone(),
                native: false,
                samples: samples.range(from + 1..=to).map(|(at, value)| (*at, *value)).collect(),
            })
            .filter(|series| !series.samples.is_empty())
            .collect();
        let part = |points: &BTreeMap<Timestamp, f64>| {
            points.range(from + 1..=to).map(|(at, value)| (*at, *value)).collect::<BTreeMap<_, _>>()
        };
        let stored: Stored = self.canonical.iter().map(|(l, points)| (l.clone(), part(points))).collect();
        let outcome = loop {
            match normalise(&self.config, &state, Window { to, sources: &sources, stored: &stored }) {
                Ok(outcome) => break outcome,
                Err(lacks) => self.fill(&mut state, lacks),
            }
        };
        for row in &outcome.rows {
            self.canonical.entry(row.labels.clone()).or_default().insert(row.timestamp, row.value);
        }
        self.settled = floor_step(now - SETTLE_MS).max(from);
        state.advance(&sources, &outcome, self.settled, self.config.mapping.sessions());
        self.state = Some(state);
    }

    fn recall(&self) -> State {
        let mut state = State::new(self.settled);
        for (labels, points) in &self.canonical {
            if labels.metric_name() == Some("agent_session_start_timestamp_seconds")
                && let Some((_, start)) = points.range(..=self.settled).next_back()
            {
                let get = |name| labels.get(name).expect("both are set");
                state.put_session(get("telemetry_source"), get("session"), (start * 1000.0).round() as i64);
            }
        }
        state
    }

    fn fill(&self, state: &mut State, lacks: Lacks) {
        assert!(!(lacks.sources.is_empty() && lacks.totals.is_empty()), "something is lacking");
        let at = state.at();
        for labels in lacks.sources {
            let last = self.raw[&labels].range(..=at).next_back().map(|(_, value)| *value);
            state.put_source(labels, last);
        }
        for labels in lacks.totals {
            let last = self.canonical.get(&labels).and_then(|points| points.range(..=at).next_back());
            let near = |t: &i64| at - t <= TOUCH_MS;
            let total = last
                .map_or(Total::default(), |(t, value)| Total { at: Some(*t).filter(near), value: *value });
            state.put_total(labels, total);
        }
    }

    /// What the series of a name and labels rose by, all together, as `increase` sees it; fails when one falls.
    pub fn rise(&self, name: &str, pairs: &[(&str, &str)]) -> f64 {
        let fits =
            |l: &Labels| l.metric_name() == Some(name) && pairs.iter().all(|(n, v)| l.get(n) == Some(*v));
        let mut sum = 0.0;
        for (labels, points) in self.canonical.iter().filter(|(l, _)| fits(l)) {
            let values: Vec<f64> = points.values().copied().collect();
            assert!(values.is_sorted(), "{labels} falls: {points:?}");
            sum += values.last().unwrap_or(&0.0) - values.first().unwrap_or(&0.0);
        }
        sum
    }

    pub fn tokens(&self, kind: &str) -> f64 {
        self.rise("llm_tokens_total", &[("token_type", kind)])
    }
}
