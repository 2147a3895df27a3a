use plimsoll_model::{Histogram, Increase, varint};

/// What was counted of a series so far.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Total {
    /// The sum and what its rounding has left out (Neumaier's variant of Kahan's summation): a million prices of a
    /// tenth of a cent add up to the cent.
    Float { sum: f64, rest: f64 },
    /// Merged buckets.
    Histogram(Box<Histogram>),
}

impl Total {
    /// Nothing, of the kind of `increase`.
    pub(super) fn begin(increase: &Increase) -> Self {
        match increase {
            Increase::Float(_) => Self::Float { sum: 0.0, rest: 0.0 },
            Increase::Histogram(h) => Self::Histogram(Box::new(h.emptied())),
        }
    }

    #[cfg(test)]
    pub(super) fn of_float(sum: f64) -> Self {
        Self::Float { sum, rest: 0.0 }
    }

    /// Nothing of the same form: where the series stood before its first increase.
    pub(crate) fn zero(&self) -> Self {
        match self {
            Self::Float { .. } => Self::Float { sum: 0.0, rest: 0.0 },
            Self::Histogram(h) => Self::Histogram(Box::new(h.emptied())),
        }
    }

    /// Adds. A series that changes between numbers and histograms begins anew.
    pub(super) fn add(&mut self, increase: &Increase) {
        match (&mut *self, increase) {
            (Self::Float { sum, rest }, Increase::Float(v)) => {
                let next = *sum + v;
                *rest += if sum.abs() >= v.abs() { (*sum - next) + v } else { (v - next) + *sum };
                *sum = next;
                if !rest.is_finite() {
                    *rest = 0.0;
                }
            }
            (Self::Histogram(total), Increase::Histogram(h)) => {
                if total.add(h).is_err() {
                    **total = h.clone();
                }
            }
            _ => {
                *self = Self::begin(increase);
                self.add(increase);
            }
        }
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Float { sum, rest } => {
                [sum, rest].iter().for_each(|v| out.extend_from_slice(&v.to_bits().to_le_bytes()));
            }
            Self::Histogram(h) => h.encode(out),
        }
    }

    pub(super) fn decode(input: &mut &[u8], histogram: bool) -> Option<Self> {
        if histogram {
            return Some(Self::Histogram(Box::new(Histogram::decode(input)?)));
        }
        let mut float =
            || Some(f64::from_bits(u64::from_le_bytes(varint::take_bytes(input, 8)?.try_into().ok()?)));
        Some(Self::Float { sum: float()?, rest: float()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_million_small_prices_add_up() {
        let mut total = Total::begin(&Increase::Float(0.0));
        (0..1_000_000).for_each(|_| total.add(&Increase::Float(0.001)));
        let Total::Float { sum, rest } = total else { unreachable!("it began as a number") };
        assert_eq!(sum + rest, 1000.0);
    }

    #[test]
    fn a_series_that_changes_its_kind_begins_anew() {
        let mut total = Total::begin(&Increase::Float(0.0));
        total.add(&Increase::Float(5.0));
        let h = Histogram { count: 2.0, zero_count: 2.0, ..Histogram::default() };
        total.add(&Increase::Histogram(h.clone()));
        assert_eq!(total, Total::Histogram(Box::new(h)));
        total.add(&Increase::Float(1.0));
        assert_eq!(total, Total::of_float(1.0));
    }
}
