//! What can be learned from a grid of past values.

use super::{Grid, Transform};
use crate::robust::{median, quantile, spread};

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// Days that a daily pattern is taken from.
const DAYS: i64 = 7;
/// Weeks that a weekly pattern is taken from.
const WEEKS: i64 = 3;
/// Errors that must be known before a season may be chosen by them.
const TRIALS: usize = 48;
/// A season must tell better than a simpler one by so much, or the choice flutters.
const BETTER: f64 = 0.95;
/// Local errors are trusted as much as the overall ones when there are so many of them.
const LOCAL: f64 = 30.0;
/// Fewer points than these are no pattern.
const LEAST_CYCLE: i64 = 4;
/// Least relative error that is assumed: a series that never moved may move a little.
const LEAST_SPREAD: f64 = 0.01;

/// Which pattern repeats.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Season {
    /// Whichever told best so far.
    #[default]
    Auto,
    /// None.
    None,
    /// The same every day.
    Daily,
    /// The same every week.
    Weekly,
}

impl Season {
    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::None => "none",
            Self::Daily => "daily",
            Self::Weekly => "weekly",
        }
    }

    /// Reads a name.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Auto, Self::None, Self::Daily, Self::Weekly].into_iter().find(|s| s.as_str() == text)
    }
}

/// What was learned.
#[derive(Clone, Debug)]
pub(crate) struct Fit {
    pub season: Season,
    pub transform: Transform,
    /// How much of the last hour's difference from the usual lasts, 0 to 1.
    pub persistence: f64,
    /// Spread of the errors overall.
    spread: f64,
    /// Spread of the errors by hour of the day, and how many each is known from.
    local: Vec<(f64, usize)>,
}

/// The value that is usual for `slot`, transformed: the median of the same slot and its neighbours in past cycles,
/// or of the past day where nothing repeats. NaN where the past says nothing.
pub(crate) fn usual(grid: &Grid, transform: &Transform, season: Season, slot: i64) -> f64 {
    usual_as_of(grid, transform, season, slot, slot)
}

/// The same, as it was known when `now` was the next slot.
pub(crate) fn usual_as_of(grid: &Grid, transform: &Transform, season: Season, slot: i64, now: i64) -> f64 {
    let mut past = Vec::with_capacity(64);
    let mut take = |slot: i64| {
        let v = grid.at(slot);
        if !v.is_nan() && slot < now {
            past.push(transform.apply(v));
        }
    };
    let (cycle, cycles) = match season {
        Season::Daily => (grid.slots_in(DAY_MS), DAYS),
        Season::Weekly => (grid.slots_in(7 * DAY_MS), WEEKS),
        Season::None | Season::Auto => {
            let day = grid.slots_in(DAY_MS).min(grid.slots().end - grid.slots().start);
            // many points say little more than some of them
            let stride = (day / 32).max(1);
            (1..=day / stride).for_each(|back| take(slot.min(now) - back * stride));
            return median(&mut past);
        }
    };
    if cycle < LEAST_CYCLE {
        return f64::NAN;
    }
    // whole cycles back to the last one that is known
    let slot = slot - ((slot - now).max(0) + cycle - 1) / cycle * cycle;
    for back in i64::from(slot >= now)..=cycles {
        (-1..=1).for_each(|beside| take(slot - back * cycle + beside));
    }
    median(&mut past)
}

/// How much closer to linear than to logarithmic values are taken: by ratio, in between, and by difference, as counts of
/// few events want it.
const SCALES: [f64; 2] = [4.0, 30.0];

/// Errors that a season would have made, by slot; and the persistence they were made with.
struct Trial {
    season: Season,
    transform: Transform,
    persistence: f64,
    errors: Vec<(i64, f64)>,
}

impl Fit {
    /// Learns from `grid`. Nothing when there is too little to learn from.
    pub fn of(grid: &Grid, season: Season) -> Option<Self> {
        let transform = Transform::of(grid.values());
        let seasons: &[Season] = match season {
            Season::Auto => &[Season::None, Season::Daily, Season::Weekly],
            Season::None => &[Season::None],
            // until a week is known a day may be, and so on
            Season::Daily => &[Season::None, Season::Daily],
            Season::Weekly => &[Season::None, Season::Daily, Season::Weekly],
        };
        let mut best: Option<Trial> = None;
        for candidate in seasons {
            let Some(trial) = Trial::of(grid, &transform, *candidate) else { continue };
            let wanted = *candidate == season && trial.errors.len() >= TRIALS;
            let better = best.as_ref().is_none_or(|best| wanted || trial.beats(best));
            if better {
                best = Some(trial);
            }
        }
        let mut best = best?;
        let logarithmic = transform;
        for scale in SCALES {
            let other = Trial::of(grid, &logarithmic.scaled(scale), best.season);
            if let Some(other) = other.filter(|other| other.sharpness(grid) < best.sharpness(grid)) {
                best = other;
            }
        }
        let Trial { season, transform, persistence, errors } = best;
        let mut all: Vec<f64> = errors.iter().map(|(_, e)| *e).collect();
        let spread = self::spread(&mut all).max(LEAST_SPREAD);
        let mut hours = vec![Vec::new(); 24];
        for (slot, error) in &errors {
            hours[hour_of(*slot * grid.step())].push(*error);
        }
        // an hour is judged together with its neighbours
        let local = (0..24).map(|h| {
            let mut near: Vec<f64> = [h + 23, h, h + 1].iter().flat_map(|h| hours[h % 24].clone()).collect();
            let known = near.len();
            (self::spread(&mut near), known)
        });
        Some(Self { season, transform, persistence, spread, local: local.collect() })
    }

    /// The spread of errors at a moment: that of the same hours of other days, as far as there are enough.
    pub fn spread_at(&self, at: i64) -> f64 {
        let (local, known) = self.local[hour_of(at)];
        if !local.is_finite() {
            return self.spread;
        }
        let weight = known as f64;
        let variance = (weight * local * local + LOCAL * self.spread * self.spread) / (weight + LOCAL);
        variance.sqrt().max(LEAST_SPREAD)
    }
}

impl Trial {
    fn of(grid: &Grid, transform: &Transform, season: Season) -> Option<Self> {
        let mut differences = Vec::new();
        for slot in grid.slots() {
            let value = grid.at(slot);
            if value.is_nan() {
                continue;
            }
            let usual = usual(grid, transform, season, slot);
            if !usual.is_nan() {
                differences.push((slot, transform.apply(value) - usual));
            }
        }
        if differences.len() < 8 {
            return None;
        }
        let persistence = persistence(&differences, grid.slots_in(HOUR_MS));
        let errors = of_late(&differences, grid.slots_in(HOUR_MS))
            .map(|(slot, difference, late)| (slot, difference - persistence * late))
            .collect();
        Some(Self { season, transform: *transform, persistence, errors })
    }

    /// How wide bands would have been, as the mean of the logarithms of their widths: less is sharper.
    fn sharpness(&self, grid: &Grid) -> f64 {
        let mut all: Vec<f64> = self.errors.iter().map(|(_, e)| *e).collect();
        let reach = 3.0 * spread(&mut all).max(LEAST_SPREAD);
        let width = |(slot, error): &(i64, f64)| {
            let expected = self.transform.apply(grid.at(*slot)) - error;
            let (low, high) = (self.transform.undo(expected - reach), self.transform.undo(expected + reach));
            (high - low).max(f64::MIN_POSITIVE).ln()
        };
        self.errors.iter().map(width).sum::<f64>() / self.errors.len() as f64
    }

    fn size(&self, from: i64) -> f64 {
        let mut sizes: Vec<f64> =
            self.errors.iter().filter(|(slot, _)| *slot >= from).map(|(_, e)| e.abs()).collect();
        quantile(&mut sizes, 0.8)
    }

    /// Whether it told better than `simpler` where both told anything.
    fn beats(&self, simpler: &Self) -> bool {
        let Some((first, _)) = self.errors.first() else { return false };
        self.errors.len() >= TRIALS && self.size(*first) < BETTER * simpler.size(*first)
    }
}

/// Slot, difference and the median difference of the hour before, where there is one.
fn of_late(differences: &[(i64, f64)], hour: i64) -> impl Iterator<Item = (i64, f64, f64)> + '_ {
    let mut first = 0;
    differences.iter().enumerate().map(move |(at, (slot, difference))| {
        while differences[first].0 < slot - hour {
            first += 1;
        }
        let mut late: Vec<f64> = differences[first..at].iter().map(|(_, d)| *d).collect();
        let late = if late.is_empty() { 0.0 } else { median(&mut late) };
        (*slot, *difference, late)
    })
}

/// The slope from the last hour's differences to the next one, by least squares on differences without their extremes.
fn persistence(differences: &[(i64, f64)], hour: i64) -> f64 {
    let mut sizes: Vec<f64> = differences.iter().map(|(_, d)| d.abs()).collect();
    let most = (3.0 * quantile(&mut sizes, 0.75)).max(f64::MIN_POSITIVE);
    let (mut product, mut square) = (0.0, 0.0);
    for (_, difference, late) in of_late(differences, hour) {
        let (difference, late) = (difference.clamp(-most, most), late.clamp(-most, most));
        product += difference * late;
        square += late * late;
    }
    if square > 0.0 { (product / square).clamp(0.0, 1.0) } else { 0.0 }
}

fn hour_of(at: i64) -> usize {
    at.div_euclid(HOUR_MS).rem_euclid(24) as usize
}
