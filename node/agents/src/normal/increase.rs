//! What each source counted in each step.

use super::sessions::Sessions;
use super::{Config, Lacks, SourceSamples, State, Window, ceil_step};
use crate::mapping::{Reading, Shape};
use crate::{ROLLED_OFF, SESSION_LABEL, SESSION_START, SOURCE_LABEL};
use plimsoll_model::{Labels, METRIC_NAME, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// A process counts as a sender of the source that others yield to for so long after its last sample.
const SENDER_MS: i64 = 3_600_000;

/// Amounts by the end of the step.
pub type Steps = BTreeMap<Timestamp, f64>;

/// Canonical labels without the kind of tokens, with the source and the shape.
pub(super) struct Increase {
    pub source: usize,
    pub labels: Labels,
    pub shape: Shape,
    pub steps: Steps,
}

pub(super) struct Increases {
    pub all: Vec<Increase>,
    /// First times of sessions, as series of their own.
    pub starts: BTreeMap<Labels, Steps>,
    pub sessions: BTreeMap<String, Sessions>,
    /// Sources and processes that sent in this window.
    pub senders: BTreeSet<(String, String)>,
}

pub(super) fn increases(
    config: &Config,
    state: &State,
    window: Window<'_>,
    readings: &[Option<Reading>],
) -> Result<Increases, Lacks> {
    let mapping = &config.mapping;
    let known = |series: &SourceSamples, reading: &Reading| {
        matches!(reading.shape, Shape::Gauge(_) | Shape::Nothing)
            || state.sources.contains_key(&series.labels)
    };
    let pairs = || window.sources.iter().zip(readings).filter_map(|(s, r)| Some((s, r.as_ref()?)));
    let sources: Vec<Labels> = pairs().filter(|(s, r)| !known(s, r)).map(|(s, _)| s.labels.clone()).collect();
    if !sources.is_empty() {
        return Err(Lacks { sources, totals: Vec::new() });
    }
    let senders: BTreeSet<(String, String)> = pairs()
        .filter(|(_, r)| matches!(r.shape, Shape::Tokens { .. }))
        .map(|(_, r)| (mapping.source_name(r.source).to_owned(), r.sender.clone()))
        .collect();
    let (sessions, starts) = admit(config, state, pairs());
    let ranks: BTreeMap<&str, _> = sessions.iter().map(|(source, s)| (source.as_str(), s.ranks())).collect();
    let mut all = Vec::new();
    for (series, reading) in pairs() {
        if yields(config, state, &senders, reading) {
            continue;
        }
        let Some(session) = &reading.session else {
            all.push(Increase::new(reading, reading.labels.clone(), steps(state, series, reading.shape)));
            continue;
        };
        let ranks = &ranks[mapping.source_name(reading.source)];
        let (mut own, mut rolled) = (Steps::new(), Steps::new());
        for (at, amount) in steps(state, series, reading.shape) {
            let keeps = ranks.keeps(session, at, mapping.sessions());
            if keeps { &mut own } else { &mut rolled }.insert(at, amount);
        }
        for (value, steps) in [(session.as_str(), own), (ROLLED_OFF, rolled)] {
            if !steps.is_empty() {
                all.push(Increase::new(reading, reading.labels.with(SESSION_LABEL, value), steps));
            }
        }
    }
    Ok(Increases { all, starts, sessions, senders })
}

impl Increase {
    fn new(reading: &Reading, labels: Labels, steps: Steps) -> Self {
        Self { source: reading.source, labels, shape: reading.shape, steps }
    }
}

/// Whether another source of the same process counts the same tokens.
fn yields(config: &Config, state: &State, senders: &BTreeSet<(String, String)>, reading: &Reading) -> bool {
    if !matches!(reading.shape, Shape::Tokens { .. }) || reading.sender.chars().all(|c| c == '\0') {
        return false;
    }
    config.mapping.yields_to(reading.source).any(|to| {
        let key = (config.mapping.source_name(to).to_owned(), reading.sender.clone());
        senders.contains(&key) || state.senders.get(&key).is_some_and(|at| state.at - at <= SENDER_MS)
    })
}

/// What a series counted in each step. A counter that falls has begun anew; its first sample ever counts as a whole,
/// since an agent's counters begin with the agent.
fn steps(state: &State, series: &SourceSamples, shape: Shape) -> Steps {
    let mut steps = Steps::new();
    let mut last = state.sources.get(&series.labels).and_then(|k| k.last);
    for (at, value) in &series.samples {
        if !value.is_finite() {
            continue;
        }
        let step = ceil_step(*at);
        match shape {
            Shape::Gauge(factor) => {
                steps.insert(step, value * factor);
                continue;
            }
            Shape::Nothing => continue,
            Shape::Tokens { .. } => *steps.entry(step).or_default() += rise(last, *value),
            Shape::Counter(factor) => *steps.entry(step).or_default() += rise(last, *value) * factor,
        }
        last = Some(*value);
    }
    steps
}

fn rise(last: Option<f64>, value: f64) -> f64 {
    match last {
        Some(last) if value >= last => value - last,
        _ => value.max(0.0),
    }
}

/// All sessions, with those that begin in this window. One that sent before, and is none of the newest, is old.
fn admit<'a>(
    config: &Config,
    state: &State,
    pairs: impl Iterator<Item = (&'a SourceSamples, &'a Reading)>,
) -> (BTreeMap<String, Sessions>, BTreeMap<Labels, Steps>) {
    struct Seen {
        first: Timestamp,
        old: bool,
        labels: Labels,
    }
    let mut seen: BTreeMap<(String, String), Seen> = BTreeMap::new();
    for (series, reading) in pairs {
        let (Some(session), Some((at, _))) = (&reading.session, series.samples.first()) else { continue };
        let source = config.mapping.source_name(reading.source).to_owned();
        let old = state.sources.get(&series.labels).is_some_and(|k| k.last.is_some());
        let labels = start_labels(&reading.labels, session);
        let entry = seen.entry((source, session.clone()));
        let found = entry.or_insert_with(|| Seen { first: *at, old, labels: labels.clone() });
        found.first = found.first.min(*at);
        found.old |= old;
        if labels < found.labels {
            found.labels = labels;
        }
    }
    let mut sessions = state.sessions.clone();
    let mut starts: BTreeMap<Labels, Steps> = BTreeMap::new();
    for ((source, session), Seen { first, old, labels }) in seen {
        let of_source = sessions.entry(source).or_default();
        if old || of_source.start(&session).is_some() {
            continue;
        }
        of_source.add(first, &session);
        starts.entry(labels).or_default().insert(ceil_step(first), first as f64 / 1000.0);
    }
    (sessions, starts)
}

fn start_labels(labels: &Labels, session: &str) -> Labels {
    let kept = ["agent", "user", "team", "repo", "tenant", SOURCE_LABEL];
    let labels = labels.filter(|name| kept.contains(&name));
    labels.with(METRIC_NAME, SESSION_START).with(SESSION_LABEL, session)
}
