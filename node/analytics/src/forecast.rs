//! What a series will do, if it goes on as it did, and how far off such forecasts of it have been.
//!
//! The forecast is what is usual at that time, and the last hour's difference from it as far as such differences have
//! lasted, and a trend where it would have told better. The band is measured: forecasts from past moments are held
//! against what came then.

use crate::anomaly::{Fit, Grid, Season, usual_as_of};
use crate::robust::{median, quantile};
use plimsoll_model::Timestamp;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// Values that must be known.
pub const LEAST_VALUES: usize = 24;
/// Past moments that forecasts are tried from.
const ORIGINS: i64 = 40;
/// Fewer trials do not tell how far off a forecast may be.
const TRIALS: usize = 6;
/// A trend is looked for in so many days.
const TREND_DAYS: usize = 5;
/// The part of the values that should lie in the band.
pub const COVERAGE: f64 = 0.9;

/// What is expected at a moment.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Point {
    /// When.
    pub at_ms: Timestamp,
    /// The value.
    pub expected: f64,
    /// The lower edge of the band.
    pub lower: f64,
    /// The upper edge.
    pub upper: f64,
}

/// A forecast.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Forecast {
    /// The points, one a step.
    pub points: Vec<Point>,
    /// Which pattern repeats.
    pub season: Season,
    /// Whether there is a trend in it.
    pub trend: bool,
    /// Values that it was learned from.
    pub values: usize,
    /// The part of the values that should lie in the band.
    pub coverage: f64,
}

/// Too little is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} values are known, a forecast needs {LEAST_VALUES}: wait, or choose a shorter horizon")]
pub struct TooLittle(usize);

struct Forecaster<'a> {
    grid: &'a Grid,
    fit: Fit,
    /// Change a slot, transformed; 0 without a trend.
    slope: f64,
}

/// The next `steps` values after the last one of `grid`.
pub fn forecast(grid: &Grid, steps: i64, season: Season) -> Result<Forecast, TooLittle> {
    let values = grid.values().count();
    if values < LEAST_VALUES {
        return Err(TooLittle(values));
    }
    let fit = Fit::of(grid, season).ok_or(TooLittle(values))?;
    let mut forecaster = Forecaster { grid, fit, slope: 0.0 };
    let leads = leads(steps);
    let mut errors = forecaster.errors(&leads);
    forecaster.slope = forecaster.trend();
    let mut trend = false;
    if forecaster.slope != 0.0 {
        let with = forecaster.errors(&leads);
        // a trend must have told better where it matters most
        trend = middle(&with) < 0.95 * middle(&errors);
        if trend {
            errors = with;
        } else {
            forecaster.slope = 0.0;
        }
    }
    let reach = reach(&leads, &errors, forecaster.fit.spread_at(0));
    let now = grid.slots().end;
    let transform = forecaster.fit.transform;
    let point = |lead: i64| {
        let expected = forecaster.expected(now, lead);
        let reach = between(&leads, &reach, lead);
        Point {
            at_ms: (now - 1 + lead) * grid.step(),
            expected: transform.undo(expected),
            lower: transform.undo(expected - reach),
            upper: transform.undo(expected + reach),
        }
    };
    let points = (1..=steps).map(point).collect();
    Ok(Forecast { points, season: forecaster.fit.season, trend, values, coverage: COVERAGE })
}

impl Forecaster<'_> {
    /// What was expected `lead` slots after the last known one, when `now` was the next.
    fn expected(&self, now: i64, lead: i64) -> f64 {
        let Fit { transform, season, persistence, .. } = &self.fit;
        let target = now - 1 + lead;
        let mut usual = usual_as_of(self.grid, transform, *season, target, now);
        if usual.is_nan() {
            usual = usual_as_of(self.grid, transform, Season::None, target, now);
        }
        let hour = self.grid.slots_in(HOUR_MS);
        let mut late: Vec<f64> = (now - hour..now).filter_map(|slot| self.difference(slot, now)).collect();
        let late = if late.is_empty() { 0.0 } else { median(&mut late) };
        let lasting = persistence.powf(lead as f64 / hour as f64);
        usual + late * lasting + self.slope * lead as f64
    }

    /// How a known value differed from what was usual.
    fn difference(&self, slot: i64, now: i64) -> Option<f64> {
        let Fit { transform, season, .. } = &self.fit;
        let value = self.grid.at(slot);
        let usual = usual_as_of(self.grid, transform, *season, slot, slot.min(now));
        (!value.is_nan() && !usual.is_nan()).then(|| transform.apply(value) - usual)
    }

    /// Errors of forecasts from past moments, for each lead.
    fn errors(&self, leads: &[i64]) -> Vec<Vec<f64>> {
        let slots = self.grid.slots();
        let first = slots.start + (slots.end - slots.start) / 3;
        let stride = ((slots.end - first) / ORIGINS).max(1);
        let mut all = vec![Vec::new(); leads.len()];
        for now in (first..slots.end).step_by(stride as usize) {
            for (lead, errors) in leads.iter().zip(&mut all) {
                let actual = self.grid.at(now - 1 + lead);
                let expected = self.expected(now, *lead);
                if !actual.is_nan() && !expected.is_nan() {
                    errors.push((self.fit.transform.apply(actual) - expected).abs());
                }
            }
        }
        all
    }

    /// The median of the slopes between the medians of days (Theil and Sen), a slot.
    fn trend(&self) -> f64 {
        let (day, slots) = (self.grid.slots_in(DAY_MS), self.grid.slots());
        let mut medians = Vec::new();
        let mut end = slots.end;
        while end - day >= slots.start {
            let mut values: Vec<f64> = (end - day..end)
                .map(|slot| self.grid.at(slot))
                .filter(|v| !v.is_nan())
                .map(|v| self.fit.transform.apply(v))
                .collect();
            if values.len() as i64 * 2 >= day {
                medians.push((end, median(&mut values)));
            }
            end -= day;
        }
        if medians.len() < TREND_DAYS {
            return 0.0;
        }
        // days of the same kind are a week apart
        let apart = if self.fit.season == Season::Weekly { 7 * day } else { day };
        let mut slopes = Vec::new();
        for (i, (at, value)) in medians.iter().enumerate() {
            for (earlier, before) in &medians[i + 1..] {
                if (at - earlier) % apart == 0 {
                    slopes.push((value - before) / (at - earlier) as f64);
                }
            }
        }
        if slopes.is_empty() { 0.0 } else { median(&mut slopes) }
    }
}

/// 1, 2, 4 and so on up to `steps`.
fn leads(steps: i64) -> Vec<i64> {
    let mut all: Vec<i64> =
        std::iter::successors(Some(1), |lead| Some(lead * 2)).take_while(|l| *l < steps).collect();
    all.push(steps.max(1));
    all
}

fn middle(errors: &[Vec<f64>]) -> f64 {
    let longest = errors.iter().rev().find(|e| e.len() >= TRIALS);
    longest.map_or(f64::NAN, |e| median(&mut e.clone()))
}

/// How far off forecasts of each lead have been; where too few could be tried, further off with the root of the lead.
fn reach(leads: &[i64], errors: &[Vec<f64>], least: f64) -> Vec<f64> {
    let mut all = Vec::new();
    let mut last = (1, 2.0 * least);
    for (lead, errors) in leads.iter().zip(errors) {
        let measured = if errors.len() >= TRIALS {
            quantile(&mut errors.clone(), COVERAGE) * (1.0 + 2.0 / errors.len() as f64)
        } else {
            last.1 * (*lead as f64 / last.0 as f64).sqrt()
        };
        last = (*lead, measured.max(last.1).max(least));
        all.push(last.1);
    }
    all
}

fn between(leads: &[i64], reach: &[f64], lead: i64) -> f64 {
    let at = leads.partition_point(|l| *l < lead).min(leads.len() - 1);
    if at == 0 || leads[at] == lead {
        return reach[at];
    }
    let (low, high) = (leads[at - 1] as f64, leads[at] as f64);
    reach[at - 1] + (reach[at] - reach[at - 1]) * (lead as f64 - low) / (high - low)
}
