//! One window after another, from where the store says that the work stands.

use super::documents::{Documents, hear, heard};
use super::status::Pass;
use super::store::{Store, row};
use super::{Error, budgets};
use crate::collector::LATE_METRIC;
use plimsoll_agents::{
    Config, Lacks, Outcome, SESSION_LABEL, SESSION_START, SOURCE_LABEL, STEP_MS, SourceSamples, State,
    Stored, TOUCH_MS, Total, Window, floor_step, normalise,
};
use plimsoll_model::{Labels, METRIC_NAME, MatchOp, Matcher, Timestamp};
use plimsoll_promql::RangeSeries;
use std::collections::BTreeSet;

/// Tells, in seconds, up to when all is settled; its time is that of the last look for late samples.
const SETTLED: &str = "plimsoll_agents_settled_seconds";
/// What is younger is worked on again by each pass. It is longer than what counts as late by the time that a request may
/// take and clocks may differ.
const SETTLE_MS: i64 = 300_000;
/// A request with a mark, and the other parts of it, have ended after this.
const MARK_MS: i64 = 15_000;
/// By how much the clocks of two nodes may differ.
const SKEW_MS: i64 = 60_000;
/// The last steps wait for samples that are under way.
const LAG_MS: i64 = 500;
/// The oldest day of the retention is left alone: its samples go while they are worked on.
const EDGE_MS: i64 = 3_600_000;
/// Windows of the past: the first, the least, the longest, and how many samples make them longer or shorter.
const FIRST_SPAN_MS: i64 = 600_000;
const LEAST_SPAN_MS: i64 = 60_000;
const LONGEST_SPAN_MS: i64 = 86_400_000;
const FEW_SAMPLES: usize = 20_000;
const MANY_SAMPLES: usize = 100_000;
/// Rounds of reading what a window lacks: tokens, cost and budgets need one each.
const ROUNDS: usize = 6;
/// How often budgets are counted up.
const BUDGETS_MS: i64 = 30_000;

/// The work and what is remembered of the store, which may be forgotten at any time.
pub(super) struct Duty {
    store: Store,
    documents: Documents,
    memory: Option<Memory>,
}

struct Memory {
    state: State,
    /// Canonical samples after the state's time, where all are known.
    stored: Option<Stored>,
    /// The sample of [`SETTLED`] that was written last: its time and its value.
    mark: (Timestamp, Timestamp),
    /// Marks of late samples that were obeyed, with the node.
    obeyed: BTreeSet<(Timestamp, Labels)>,
    span: i64,
    budgets_at: Timestamp,
    /// Budgets that have their past.
    begun: BTreeSet<String>,
}

impl Duty {
    pub fn new(store: Store) -> Self {
        Self { store, documents: Documents::default(), memory: None }
    }

    /// Forgets all that the store knows as well.
    pub fn forget(&mut self) {
        self.memory = None;
    }

    /// Works on the next window.
    pub async fn pass(&mut self, now: Timestamp) -> Result<Pass, Error> {
        let config = self.documents.now(self.store.shards.cluster());
        if !self.is_heard(&config, now).await? {
            return Ok(Pass::default());
        }
        let found = self.settled(now).await?;
        let stale = |memory: &Memory| Some(memory.mark) != found;
        let mut memory = match self.memory.take().filter(|memory| !stale(memory)) {
            Some(memory) => memory,
            None => self.take_over(found, now, &config).await?,
        };
        let returned = self.go_back(&mut memory, &config, now).await?;
        self.begin_budgets(&mut memory, &config, now).await?;
        let mut pass = self.work(&mut memory, &config, now).await?;
        pass.returned = returned;
        if !pass.behind && now - memory.budgets_at >= BUDGETS_MS {
            budgets::write(&self.store, &config.budgets, now).await?;
            memory.budgets_at = now;
        }
        self.memory = Some(memory);
        Ok(pass)
    }

    /// Whether there is anything to work on, and every node has known for a while that late samples are to be marked.
    /// Where no agent ever sent anything, nothing is written at all.
    async fn is_heard(&self, config: &Config, now: Timestamp) -> Result<bool, Error> {
        let cluster = self.store.shards.cluster();
        if let Some(at) = heard(cluster) {
            return Ok(now - at >= MARK_MS);
        }
        let names = Matcher::new(METRIC_NAME, MatchOp::Regex, config.mapping.name_pattern());
        let foreign = Matcher::equal(SOURCE_LABEL, "");
        if !config.budgets.is_empty() || self.store.any(vec![names, foreign]).await? {
            hear(cluster, now).await.map_err(|e| Error::Asked(e.to_string()))?;
        }
        Ok(false)
    }

    /// Gives budgets that are new what was spent of them before.
    async fn begin_budgets(&self, memory: &mut Memory, config: &Config, now: Timestamp) -> Result<(), Error> {
        let names: BTreeSet<String> = config.budgets.iter().map(|b| b.name().to_owned()).collect();
        if names.is_subset(&memory.begun) {
            return Ok(());
        }
        if budgets::begin(&self.store, &config.budgets, memory.state.at(), now).await? {
            // their totals are in the store now
            memory.state = self.state_at(config, memory.state.at(), now).await?;
            memory.stored = None;
        }
        memory.begun = names;
        Ok(())
    }

    /// One window: up to now, or a stretch of the past.
    async fn work(&self, memory: &mut Memory, config: &Config, now: Timestamp) -> Result<Pass, Error> {
        let (from, newest) = (memory.state.at(), floor_step(now - LAG_MS));
        let settles = floor_step(now - SETTLE_MS);
        let behind = from + memory.span.max(2 * STEP_MS) < settles;
        let to = if behind { floor_step(from + memory.span) } else { newest };
        if to <= from {
            return Ok(Pass { settled_ms: from, reached_ms: from, ..Pass::default() });
        }
        let sources = match self.sources(config, from, to).await {
            Ok(sources) => sources,
            // too much for one query: a shorter window has less
            Err(Error::Query(e)) if behind && memory.span > LEAST_SPAN_MS => {
                tracing::debug!(error = %e, span = memory.span, "a window of agent telemetry is halved");
                memory.span = (memory.span / 4).max(LEAST_SPAN_MS);
                return Ok(Pass { settled_ms: from, reached_ms: from, behind: true, ..Pass::default() });
            }
            Err(e) => return Err(e),
        };
        let samples: usize = sources.iter().map(|s| s.samples.len()).sum();
        let mut stored = match memory.stored.take() {
            Some(stored) => stored,
            None => self.stored(from, to).await?,
        };
        let outcome = self
            .outcome(config, &mut memory.state, Window { to, sources: &sources, stored: &stored })
            .await?;
        let written = outcome.rows.len();
        self.store
            .write(outcome.rows.iter().map(|r| row(r.labels.clone(), r.timestamp, r.value)).collect())
            .await?;
        let at = if behind { to } else { settles.max(from) };
        memory.state.advance(&sources, &outcome, at, config.mapping.sessions());
        self.settle(memory, at, now).await?;
        if behind {
            memory.span = match samples {
                0..FEW_SAMPLES => (memory.span * 2).min(LONGEST_SPAN_MS),
                MANY_SAMPLES.. => (memory.span / 2).max(LEAST_SPAN_MS),
                _ => memory.span,
            };
        } else {
            for row in &outcome.rows {
                stored.entry(row.labels.clone()).or_default().insert(row.timestamp, row.value);
            }
            stored.retain(|_, points| {
                *points = points.split_off(&(at + 1));
                !points.is_empty()
            });
            memory.stored = Some(stored);
        }
        Ok(Pass {
            settled_ms: at,
            reached_ms: to,
            source_series: sources.len(),
            source_samples: samples,
            written,
            held_series: memory.state.len(),
            returned: false,
            behind,
        })
    }

    /// Works on a window, reading what it lacks.
    async fn outcome(
        &self,
        config: &Config,
        state: &mut State,
        window: Window<'_>,
    ) -> Result<Outcome, Error> {
        for _ in 0..ROUNDS {
            let Lacks { sources, totals } = match normalise(config, state, window) {
                Ok(outcome) => return Ok(outcome),
                Err(lacks) => lacks,
            };
            let mut known = self.store.last(&sources, state.at(), TOUCH_MS).await?;
            for labels in sources {
                let last = known.remove(&labels).map(|(_, value)| value);
                state.put_source(labels, last);
            }
            let mut known = self.store.last(&totals, state.at(), TOUCH_MS).await?;
            for labels in totals {
                let total = known.remove(&labels).map(|(at, value)| Total { at, value });
                state.put_total(labels, total.unwrap_or_default());
            }
        }
        Err(Error::Asked(format!("a window still lacks something after {ROUNDS} rounds of reading")))
    }

    async fn sources(
        &self,
        config: &Config,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<SourceSamples>, Error> {
        let pattern = super::quoted(&config.mapping.name_pattern());
        let selector = format!("{{{METRIC_NAME}=~{pattern},{SOURCE_LABEL}=\"\"}}");
        let series = self.store.samples(&selector, from, to).await?;
        Ok(series.into_iter().flat_map(source_samples).collect())
    }

    async fn stored(&self, from: Timestamp, to: Timestamp) -> Result<Stored, Error> {
        let series = self.store.samples(&format!("{{{SOURCE_LABEL}=~\".+\"}}"), from, to).await?;
        Ok(series.into_iter().map(|s| (s.labels, s.floats.into_iter().collect())).collect())
    }

    /// Where the store says that the work stands: when that was written, and the time itself.
    async fn settled(&self, now: Timestamp) -> Result<Option<(Timestamp, Timestamp)>, Error> {
        for range in [10 * 60_000, self.store.retention_ms] {
            let found = self.store.samples(SETTLED, now + SKEW_MS - range, now + SKEW_MS).await?;
            let newest = found.iter().flat_map(|s| s.floats.last()).max_by_key(|(at, _)| *at);
            if let Some((at, seconds)) = newest {
                return Ok(Some((*at, millis(*seconds))));
            }
        }
        Ok(None)
    }

    /// Writes down up to when all is settled, and that late samples were looked for at `now`.
    async fn settle(&self, memory: &mut Memory, at: Timestamp, now: Timestamp) -> Result<(), Error> {
        // two passes may begin in one millisecond; a sample must not replace the one before
        let mark = (now.max(memory.mark.0 + 1), at);
        let labels = Labels::from_pairs([(METRIC_NAME, SETTLED)]).unwrap_or_default();
        self.store.write(vec![row(labels, mark.0, at as f64 / 1000.0)]).await?;
        memory.mark = mark;
        Ok(())
    }

    async fn take_over(
        &self,
        found: Option<(Timestamp, Timestamp)>,
        now: Timestamp,
        config: &Config,
    ) -> Result<Memory, Error> {
        let oldest = floor_step(now - self.store.retention_ms + EDGE_MS).min(floor_step(now));
        let (mark, at) = match found {
            Some((written, at)) => ((written, at), at.max(oldest)),
            None => ((0, 0), oldest),
        };
        let state = self.state_at(config, at, now).await?;
        tracing::info!(settled_ms = at, "agent telemetry is this node's duty");
        Ok(Memory {
            state,
            stored: None,
            mark,
            obeyed: BTreeSet::new(),
            span: FIRST_SPAN_MS,
            budgets_at: 0,
            begun: BTreeSet::new(),
        })
    }

    /// What the store knows at `at`.
    async fn state_at(&self, config: &Config, at: Timestamp, now: Timestamp) -> Result<State, Error> {
        let mut state = State::new(at);
        let (keep, range) = (config.mapping.sessions(), self.store.retention_ms);
        let starts = format!("last_over_time({SESSION_START}{{{SOURCE_LABEL}=~\".+\"}}[{range}ms])");
        let expr = format!("topk by ({SOURCE_LABEL}) ({keep}, {starts})");
        for (labels, seconds) in self.store.vector(expr, at.min(now)).await? {
            if let (Some(source), Some(session)) = (labels.get(SOURCE_LABEL), labels.get(SESSION_LABEL)) {
                state.put_session(source, session, millis(seconds));
            }
        }
        Ok(state)
    }

    /// Goes back where samples came for a time that is settled.
    async fn go_back(&self, memory: &mut Memory, config: &Config, now: Timestamp) -> Result<bool, Error> {
        let since = memory.mark.0.max(now - self.store.retention_ms) - SKEW_MS - MARK_MS;
        let found = self.store.samples(LATE_METRIC, since, now - MARK_MS).await?;
        let marks = found
            .iter()
            .flat_map(|s| s.floats.iter().map(|(at, from)| (*at, s.labels.clone(), millis(*from))));
        let mut back = memory.state.at();
        for (at, labels, from) in marks {
            if memory.obeyed.insert((at, labels)) {
                back = back.min(floor_step(from - 1));
            }
        }
        memory.obeyed.retain(|(at, _)| *at > since);
        back = back.max(floor_step(now - self.store.retention_ms + EDGE_MS));
        if back >= memory.state.at() {
            return Ok(false);
        }
        tracing::info!(from_ms = back, "late samples: agent telemetry is worked on again");
        memory.state = self.state_at(config, back, now).await?;
        memory.stored = None;
        memory.span = FIRST_SPAN_MS;
        self.settle(memory, back, now).await?;
        Ok(true)
    }
}

/// A series' samples; one that holds floats and native histograms is two.
fn source_samples(series: RangeSeries) -> Vec<SourceSamples> {
    let RangeSeries { labels, floats, histograms, .. } = series;
    let sums = histograms.iter().map(|(at, h)| (*at, h.sum)).collect::<Vec<_>>();
    let both = [(false, floats), (true, sums)];
    let some = both.into_iter().filter(|(_, samples)| !samples.is_empty());
    some.map(|(native, samples)| SourceSamples { labels: labels.clone(), native, samples }).collect()
}

fn millis(seconds: f64) -> Timestamp {
    (seconds * 1000.0).round() as i64
}
