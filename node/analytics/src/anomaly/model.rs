use super::{COARSE_MS, COARSE_POINTS, FINE_MS, Fit, Grid, Season, usual};
use crate::robust::median;
use plimsoll_model::Timestamp;

const HOUR_MS: i64 = 3_600_000;
/// Points that must be known before anything is said.
const LEAST_POINTS: usize = 20;
/// Coarse points from where on they tell more than the last hours do: half a day.
const COARSE_ENOUGH: usize = 48;
/// How much wider the band is after one hour; it falls with the root of the hours.
const YOUNG: f64 = 1.5;
/// How often the model is learned anew.
const REFIT_MS: i64 = HOUR_MS;
/// While young, it is learned anew after so much more of the past, as a part of it.
const REFIT_PART: i64 = 10;

/// How a series is watched.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Time between two values.
    pub interval_ms: i64,
    /// Which pattern repeats.
    pub season: Season,
    /// The score at the edge of the band.
    pub threshold: f64,
    /// Smaller differences from what is expected are never anomalous, in the unit of the series.
    pub floor: f64,
}

/// What is known of a series.
#[derive(Clone, Debug)]
pub struct Model {
    settings: Settings,
    fine: Grid,
    coarse: Grid,
    /// When the past begins.
    since: Option<Timestamp>,
    fit: Option<(Timestamp, bool, Fit)>,
}

/// What is said of a value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verdict {
    /// How far it lies from what is expected, in spreads of past errors; the edge of the band is the threshold.
    pub score: f64,
    /// What was expected.
    pub expected: f64,
    /// The lower edge of the band.
    pub lower: f64,
    /// The upper edge of the band.
    pub upper: f64,
    /// Which pattern told best.
    pub season: Season,
}

impl Model {
    /// A model without a past.
    pub fn new(settings: Settings) -> Self {
        let interval = settings.interval_ms.max(1);
        let most = (FINE_MS / interval).clamp(LEAST_POINTS as i64 * 2, 1440) as usize;
        let (fine, coarse) = (Grid::new(interval, most), Grid::new(COARSE_MS, COARSE_POINTS));
        Self { settings, fine, coarse, since: None, fit: None }
    }

    /// Takes values of the past, in any order, each at a multiple of the interval or of [`COARSE_MS`].
    pub fn remember(&mut self, past: impl IntoIterator<Item = (Timestamp, f64)>) {
        for (at, value) in past.into_iter().filter(|(_, v)| v.is_finite()) {
            self.fine.put(at, value);
            self.coarse.put(at, value);
            self.since = Some(self.since.map_or(at, |since| since.min(at)));
        }
    }

    /// Judges the value of `at` by what came before, and remembers it. Says nothing while too little is known.
    pub fn observe(&mut self, at: Timestamp, value: f64) -> Option<Verdict> {
        if !value.is_finite() {
            return None;
        }
        self.learn(at);
        let verdict = self.judge(at, value);
        self.remember([(at, value)]);
        verdict
    }

    fn learn(&mut self, at: Timestamp) {
        let age = self.since.map_or(0, |since| at - since);
        let due = |learned: Timestamp| at - learned >= REFIT_MS.min(age / REFIT_PART);
        if self.fit.as_ref().is_some_and(|(learned, ..)| !due(*learned)) {
            return;
        }
        let coarse = self.coarse.values().count() >= COARSE_ENOUGH;
        let grid = if coarse { &self.coarse } else { &self.fine };
        let enough = grid.values().count() >= LEAST_POINTS;
        let fit = if enough { Fit::of(grid, self.settings.season) } else { None };
        self.fit = fit.map(|fit| (at, coarse, fit));
    }

    fn judge(&self, at: Timestamp, value: f64) -> Option<Verdict> {
        let (_, coarse, fit) = self.fit.as_ref()?;
        let grid = if *coarse { &self.coarse } else { &self.fine };
        let expected = self.expected(grid, fit, at)?;
        let hours = self.since.map_or(0, |since| at - since) as f64 / HOUR_MS as f64;
        let spread = fit.spread_at(at) * (1.0 + YOUNG / hours.max(0.25).sqrt());
        let Settings { threshold, floor, .. } = self.settings;
        let middle = fit.transform.undo(expected);
        let mut score = (fit.transform.apply(value) - expected).abs() / spread;
        if floor > 0.0 {
            score = score.min(threshold * (value - middle).abs() / floor);
        }
        Some(Verdict {
            score,
            expected: middle,
            lower: fit.transform.undo(expected - threshold * spread).min(middle - floor),
            upper: fit.transform.undo(expected + threshold * spread).max(middle + floor),
            season: fit.season,
        })
    }

    /// What is expected at a moment, transformed: the usual, and how the last hour differed from it.
    fn expected(&self, grid: &Grid, fit: &Fit, at: Timestamp) -> Option<f64> {
        let usual_of = |at: Timestamp| usual(grid, &fit.transform, fit.season, grid.slot(at));
        let own = usual_of(at);
        if own.is_nan() {
            return None;
        }
        if fit.persistence == 0.0 {
            return Some(own);
        }
        let now = self.fine.slot(at);
        let mut late = Vec::with_capacity(64);
        let mut known = (i64::MIN, f64::NAN);
        for slot in now - self.fine.slots_in(HOUR_MS)..now {
            let value = self.fine.at(slot);
            if value.is_nan() {
                continue;
            }
            let then = slot * self.fine.step();
            if known.0 != grid.slot(then) {
                known = (grid.slot(then), usual_of(then));
            }
            if !known.1.is_nan() {
                late.push(fit.transform.apply(value) - known.1);
            }
        }
        let late = if late.is_empty() { 0.0 } else { median(&mut late) };
        Some(own + fit.persistence * late)
    }
}
