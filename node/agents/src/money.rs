//! Money in whole picodollars: sums never drift.

use std::fmt;
use std::ops::{Add, AddAssign, Sub};

/// An amount of 1e-12 US dollars. A price a million tokens with six decimals is a whole number of these a token, so a
/// cost is exact; 128 bits hold 1e26 dollars.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pico(pub i128);

const DOLLAR: i128 = 1_000_000_000_000;
/// Floats above have no fraction that could get lost, and need no rounding.
const WHOLE: f64 = 9_007_199_254_740_992.0;

impl Pico {
    /// The nearest float in dollars.
    pub fn dollars(self) -> f64 {
        let (whole, rest) = (self.0 / DOLLAR, self.0 % DOLLAR);
        if self.0.unsigned_abs() < 1 << 53 {
            // one rounding
            return self.0 as f64 / DOLLAR as f64;
        }
        whole as f64 + rest as f64 / DOLLAR as f64
    }

    /// The amount that a float in dollars stands for: exactly below 8,192 dollars, above it the nearest that a float tells;
    /// [`Self::dollars`] of it is the same float again.
    pub fn of_dollars(dollars: f64) -> Self {
        if !dollars.is_finite() {
            return Self(0);
        }
        let whole = dollars.trunc();
        let rest = ((dollars - whole) * DOLLAR as f64).round();
        Self(whole as i128 * DOLLAR + rest as i128)
    }

    /// What `tokens` cost at this price a token. Whole tokens, as all are, cost exactly.
    pub fn times(self, tokens: f64) -> Self {
        if tokens.fract() == 0.0 && tokens.abs() < WHOLE {
            return Self(self.0.saturating_mul(tokens as i128));
        }
        Self((self.0 as f64 * tokens).round() as i128)
    }

    /// A price a million tokens, as a decimal number of dollars, as the price of one token.
    pub fn per_million(text: &str) -> Result<Self, String> {
        Self::decimal(text, 6)
    }

    /// An amount of dollars as a decimal number.
    pub fn amount(text: &str) -> Result<Self, String> {
        Self::decimal(text, 12)
    }

    /// A decimal number times ten to `places`.
    fn decimal(text: &str, places: usize) -> Result<Self, String> {
        let (whole, rest) = text.split_once('.').unwrap_or((text, ""));
        let digits = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || !digits(whole) || !digits(rest) || whole.len() > 12 {
            return Err(format!("{text:?} is not an amount: write it as 3 or 0.075, in US dollars"));
        }
        if rest.len() > places {
            return Err(format!("{text:?} has more than {places} decimals"));
        }
        let padded = format!("{whole}{rest:0<places$}");
        padded.parse().map(Self).map_err(|e| format!("{text:?} is not an amount: {e}"))
    }
}

impl Add for Pico {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Pico {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for Pico {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

/// Dollars with as many decimals as there are, at least two.
impl fmt::Display for Pico {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, amount) = (if self.0 < 0 { "-" } else { "" }, self.0.unsigned_abs());
        let rest = format!("{:012}", amount % DOLLAR as u128);
        let shown = rest.trim_end_matches('0').len().max(2);
        write!(f, "{sign}{}.{}", amount / DOLLAR as u128, &rest[..shown])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn prices_are_read_exactly_and_faults_are_named() {
        for (text, pico) in [("3", 3_000_000), ("0.075", 75_000), ("0.000001", 1), ("18.75", 18_750_000)] {
            assert_eq!(Pico::per_million(text), Ok(Pico(pico)), "{text}");
        }
        for bad in ["", ".5", "-1", "1e3", "0.0000001", "1,5", "9999999999999"] {
            assert!(Pico::per_million(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn amounts_are_shown_with_the_decimals_they_have() {
        let shown = |pico| Pico(pico).to_string();
        assert_eq!(shown(0), "0.00");
        assert_eq!(shown(1_500_000_000_000), "1.50");
        assert_eq!(shown(-1), "-0.000000000001");
        assert_eq!(shown(12_345_600_000_000), "12.3456");
    }

    proptest! {
        #[test]
        fn a_sum_of_costs_is_the_cost_of_the_sum(price in 0i128..100_000_000, tokens in prop::collection::vec(0u32.., 1..50)) {
            let each = tokens.iter().map(|t| Pico(price).times(f64::from(*t))).fold(Pico(0), Add::add);
            let all: u64 = tokens.iter().map(|t| u64::from(*t)).sum();
            prop_assert_eq!(each, Pico(price).times(all as f64));
        }

        #[test]
        fn what_a_series_holds_is_read_back(pico in 0i128..8_000_000_000_000_000) {
            prop_assert_eq!(Pico::of_dollars(Pico(pico).dollars()), Pico(pico));
        }

        #[test]
        fn a_float_of_any_size_stays_the_same(dollars in 0f64..1e12) {
            let once = Pico::of_dollars(dollars).dollars();
            prop_assert_eq!(Pico::of_dollars(once).dollars(), once);
        }
    }
}
