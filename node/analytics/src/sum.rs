use serde::{Deserialize, Serialize};

/// A sum that does not lose small steps beside large ones (Neumaier's compensation). Sums of whole numbers are exact
/// up to 2^53.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sum(f64, f64);

impl Sum {
    /// Adds `v`.
    pub fn add(&mut self, v: f64) {
        let t = self.0 + v;
        self.1 += if self.0.abs() >= v.abs() { (self.0 - t) + v } else { (v - t) + self.0 };
        self.0 = t;
    }

    /// Adds another sum.
    pub fn join(&mut self, other: Self) {
        self.add(other.0);
        self.add(other.1);
    }

    /// The sum.
    pub fn value(self) -> f64 {
        if self.0.is_finite() { self.0 + self.1 } else { self.0 }
    }
}

impl FromIterator<f64> for Sum {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        let mut sum = Self::default();
        values.into_iter().for_each(|v| sum.add(v));
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_steps_beside_large_ones_are_kept() {
        let sum: Sum = std::iter::once(1e16).chain(std::iter::repeat_n(0.1, 10)).chain([-1e16]).collect();
        assert!((sum.value() - 1.0).abs() < 1e-12, "{}", sum.value());
        let mut joined: Sum = [1e16, 1.0].into_iter().collect();
        joined.join([-1e16, 1.0].into_iter().collect());
        assert_eq!(joined.value(), 2.0);
    }
}
