//! Floats as integers over a power of ten, where that is exact to the bit.

/// Largest power of ten tried: beyond it 53 bits of mantissa leave no digit before the point.
pub(crate) const MAX_EXPONENT: usize = 15;

const POWERS: [f64; MAX_EXPONENT + 1] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];

/// Beyond 2^53 neighbouring integers fall on one float.
const LARGEST: f64 = 9_007_199_254_740_992.0;

/// The integer nearest to `v * 10^exponent`, when it is small enough to be exact as a float.
#[inline]
pub(crate) fn nearest(v: f64, exponent: usize) -> Option<i64> {
    let scaled = v * POWERS[exponent];
    // Also false for NaN.
    if scaled.abs() < LARGEST {
        // SAFETY: the number is finite and less than 2^53 + 1, which an i64 holds.
        Some(unsafe { (scaled + 0.5f64.copysign(scaled)).to_int_unchecked::<i64>() })
    } else {
        None
    }
}

/// The integer `m` for which `m / 10^exponent` is `v` to the bit.
#[inline]
pub(crate) fn integer(v: f64, exponent: usize) -> Option<i64> {
    let m = nearest(v, exponent)?;
    (float(m, exponent).to_bits() == v.to_bits()).then_some(m)
}

/// Inverse of [`integer`].
#[inline]
pub(crate) fn float(m: i64, exponent: usize) -> f64 {
    // Most values are integers, and a division takes longer than all the rest of an append.
    if exponent == 0 { m as f64 } else { m as f64 / POWERS[exponent] }
}

/// Multiplies all by `10^more`; `None` when one grows too large to be exact as a float.
pub(crate) fn rescale(all: &mut [i64], more: usize) -> Option<()> {
    let factor = POWERS[more] as i64;
    let largest = LARGEST as i64 / factor;
    for m in all {
        if m.unsigned_abs() >= largest as u64 {
            return None;
        }
        *m *= factor;
    }
    Some(())
}

/// Whether no power of ten can make `v` an integer: NaN, infinities, negative zero.
#[inline]
pub(crate) fn is_special(v: f64) -> bool {
    !v.is_finite() || v.to_bits() == (-0.0f64).to_bits()
}

/// The smallest exponent from `from` to `to` at which `v` is an integer.
pub(crate) fn exponent(v: f64, from: usize, to: usize) -> Option<usize> {
    if is_special(v) {
        return None;
    }
    (from..=to).find(|&e| integer(v, e).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_found_at_their_number_of_digits() {
        for (v, e) in [(5.0, 0), (-0.1, 1), (12.34, 2), (0.000_123_456, 9), (1e15, 0)] {
            assert_eq!(exponent(v, 0, MAX_EXPONENT), Some(e), "{v}");
        }
    }

    #[test]
    fn what_is_no_decimal_is_refused() {
        for v in [f64::NAN, f64::INFINITY, -0.0, 1.0 / 3.0, f64::MIN_POSITIVE, f64::MAX, 5e-324] {
            assert_eq!(exponent(v, 0, 12), None, "{v}");
        }
    }
}
