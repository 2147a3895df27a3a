use sketches_ddsketch::{Config, DDSketch};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Slots that a window is cut into; a value is forgotten by the slot.
const SLOTS: u32 = 5;

/// How a [`Summary`] looks back.
#[derive(Clone, Debug, PartialEq)]
pub struct SummaryOptions {
    /// Quantiles to tell, each from 0 to 1.
    pub quantiles: Vec<f64>,
    /// How far back they look; values are forgotten in steps of a fifth of it.
    pub window: Duration,
    /// Relative error of a quantile.
    pub accuracy: f64,
}

impl Default for SummaryOptions {
    fn default() -> Self {
        // What Prometheus' clients have, and an error below what a graph can show.
        Self { quantiles: vec![0.5, 0.9, 0.95, 0.99], window: Duration::from_secs(600), accuracy: 0.01 }
    }
}

impl SummaryOptions {
    pub(super) fn fault(&self) -> Option<String> {
        if self.quantiles.len() > 20 || self.quantiles.iter().any(|q| !(0.0..=1.0).contains(q)) {
            return Some("a summary has up to 20 quantiles, each from 0 to 1".into());
        }
        if !(0.000_1..=0.5).contains(&self.accuracy) {
            return Some(format!("the accuracy {} of a summary is not in 0.0001..=0.5", self.accuracy));
        }
        (self.window < Duration::from_secs(1)).then(|| "the window of a summary is under a second".into())
    }
}

/// Quantiles over a sliding window, worked out here. They cannot be joined over several processes: where that is
/// wanted, a [`Histogram`](super::Histogram) is the choice. Clones observe into the same series.
#[derive(Clone, Debug)]
pub struct Summary(pub(super) Arc<SummaryCell>);

impl Summary {
    /// Counts `value`; what is no finite number is passed over.
    pub fn observe(&self, value: f64) {
        if value.is_finite() {
            self.0.observe(value);
        }
    }

    /// Counts a duration in seconds.
    pub fn observe_duration(&self, duration: Duration) {
        self.observe(duration.as_secs_f64());
    }
}

pub(super) struct SummaryCell {
    options: SummaryOptions,
    state: Mutex<State>,
}

struct State {
    /// The newest at the back.
    slots: VecDeque<DDSketch>,
    /// When the newest slot was begun; `None` until the first reading.
    begun_ms: Option<i64>,
    count: f64,
    sum: f64,
}

/// What a summary tells.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SummaryReading {
    /// Quantile and value; NaN when the window is empty.
    pub quantiles: Vec<(f64, f64)>,
    pub count: f64,
    pub sum: f64,
}

impl SummaryCell {
    pub fn new(options: SummaryOptions) -> Self {
        let slots = VecDeque::from([sketch(&options)]);
        Self { options, state: Mutex::new(State { slots, begun_ms: None, count: 0.0, sum: 0.0 }) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code panics while it holds the lock half-way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn observe(&self, value: f64) {
        let mut state = self.lock();
        state.count += 1.0;
        state.sum += value;
        if let Some(newest) = state.slots.back_mut() {
            newest.add(value);
        }
    }

    /// Reads at `now_ms`, and lets slots go that are out of the window.
    pub fn read(&self, now_ms: i64) -> SummaryReading {
        let mut state = self.lock();
        let slot_ms = (self.options.window.as_millis() as i64 / i64::from(SLOTS)).max(1);
        let begun = *state.begun_ms.get_or_insert(now_ms);
        let passed = (now_ms - begun).max(0) / slot_ms;
        for _ in 0..passed.min(i64::from(SLOTS)) {
            state.slots.push_back(sketch(&self.options));
        }
        while state.slots.len() > SLOTS as usize {
            state.slots.pop_front();
        }
        state.begun_ms = Some(begun + passed * slot_ms);
        let mut whole = sketch(&self.options);
        for slot in &state.slots {
            // Sketches of one summary have one configuration, so they can be joined.
            let _ = whole.merge(slot);
        }
        let value = |q: f64| whole.quantile(q).ok().flatten().unwrap_or(f64::NAN);
        let quantiles = self.options.quantiles.iter().map(|q| (*q, value(*q))).collect();
        SummaryReading { quantiles, count: state.count, sum: state.sum }
    }
}

/// 2,048 bins hold values from a microsecond to a week at 1 %; beyond that the smallest are joined.
fn sketch(options: &SummaryOptions) -> DDSketch {
    DDSketch::new(Config::new(options.accuracy, 2048, 1e-9))
}

impl std::fmt::Debug for SummaryCell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SummaryCell").field("options", &self.options).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_forget_what_left_the_window_and_sums_do_not() {
        let cell = SummaryCell::new(SummaryOptions {
            quantiles: vec![0.5],
            window: Duration::from_secs(50),
            accuracy: 0.01,
        });
        cell.read(0);
        (1..=101).for_each(|v| cell.observe(f64::from(v)));
        let median = cell.read(1_000).quantiles[0].1;
        assert!((median / 51.0 - 1.0).abs() < 0.02, "{median}");
        assert!(!cell.read(40_000).quantiles[0].1.is_nan(), "still inside");
        cell.observe(7.0);
        let later = cell.read(61_000);
        assert!((later.quantiles[0].1 / 7.0 - 1.0).abs() < 0.02, "{later:?}");
        let empty = cell.read(1_000_000);
        assert!(empty.quantiles[0].1.is_nan());
        assert_eq!((empty.count, empty.sum), (102.0, 5151.0 + 7.0));
    }

    #[test]
    fn extremes_and_a_clock_that_goes_back_do_no_harm() {
        let cell = SummaryCell::new(SummaryOptions::default());
        for value in [f64::MAX, f64::MIN, f64::MIN_POSITIVE, 0.0, -0.0, 1e-300] {
            cell.observe(value);
        }
        cell.read(i64::MAX / 2);
        assert_eq!(cell.read(-5).count, 6.0);
    }
}
