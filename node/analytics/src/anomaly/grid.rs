use plimsoll_model::Timestamp;
use std::collections::VecDeque;

/// Values at equal distances; a missing one is NaN.
#[derive(Clone, Debug)]
pub struct Grid {
    step: i64,
    /// Number of the slot after the last.
    end: i64,
    values: VecDeque<f64>,
    most: usize,
}

impl Grid {
    /// A grid of `step` milliseconds that keeps the last `most` slots.
    pub fn new(step: i64, most: usize) -> Self {
        Self { step: step.max(1), end: 0, values: VecDeque::new(), most: most.max(1) }
    }

    /// Puts the value of the slot that `at` begins; moments within a slot and those that are too old are left out.
    pub fn put(&mut self, at: Timestamp, value: f64) {
        if at.rem_euclid(self.step) != 0 || !value.is_finite() {
            return;
        }
        let slot = at.div_euclid(self.step);
        if self.values.is_empty() || slot - self.end >= self.most as i64 {
            self.values.clear();
            self.end = slot;
        }
        while self.end <= slot {
            self.values.push_back(f64::NAN);
            self.end += 1;
            if self.values.len() > self.most {
                self.values.pop_front();
            }
        }
        if let Some(at) = self.index(slot) {
            self.values[at] = value;
        }
    }

    /// The value of a slot, NaN where there is none.
    pub fn at(&self, slot: i64) -> f64 {
        self.index(slot).map_or(f64::NAN, |at| self.values[at])
    }

    /// The numbers of the slots that are kept.
    pub fn slots(&self) -> std::ops::Range<i64> {
        self.end - self.values.len() as i64..self.end
    }

    /// The slot of a moment.
    pub fn slot(&self, at: Timestamp) -> i64 {
        at.div_euclid(self.step)
    }

    /// Distance of the slots.
    pub fn step(&self) -> i64 {
        self.step
    }

    /// Slots in a span of time, at least one.
    pub fn slots_in(&self, ms: i64) -> i64 {
        (ms / self.step).max(1)
    }

    /// The values that there are, in order.
    pub fn values(&self) -> impl Iterator<Item = f64> + '_ {
        self.values.iter().copied().filter(|v| !v.is_nan())
    }

    fn index(&self, slot: i64) -> Option<usize> {
        let range = self.slots();
        range.contains(&slot).then(|| (slot - range.start) as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_kept_in_order_with_gaps_and_a_bound() {
        let mut grid = Grid::new(10, 4);
        for (at, v) in [(20, 2.0), (25, 9.0), (40, 4.0), (30, 3.0), (0, 0.5), (50, f64::NAN)] {
            grid.put(at, v);
        }
        assert_eq!(grid.slots(), 2..5);
        assert_eq!(grid.values().collect::<Vec<_>>(), [2.0, 3.0, 4.0]);
        grid.put(70, 7.0);
        assert_eq!(grid.slots(), 4..8);
        assert!(grid.at(5).is_nan() && grid.at(100).is_nan());
        assert_eq!(grid.at(7), 7.0);
        grid.put(10_000, 1.0);
        assert_eq!((grid.slots(), grid.at(1000)), (1000..1001, 1.0));
    }
}
