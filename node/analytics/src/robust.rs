//! Figures that a few outliers do not move.

/// The quantile `q` of `values`, which are reordered; NaN where there is none.
pub fn quantile(values: &mut [f64], q: f64) -> f64 {
    if values.is_empty() {
        return f64::NAN;
    }
    let rank = q.clamp(0.0, 1.0) * (values.len() - 1) as f64;
    let (low, part) = (rank.floor() as usize, rank.fract());
    let (_, at, above) = values.select_nth_unstable_by(low, f64::total_cmp);
    let at = *at;
    if part == 0.0 || above.is_empty() {
        return at;
    }
    let next = above.iter().copied().fold(f64::INFINITY, f64::min);
    at + (next - at) * part
}

/// The median.
pub fn median(values: &mut [f64]) -> f64 {
    quantile(values, 0.5)
}

/// The standard deviation that normal values with this spread around 0 would have: from the median of their sizes, or
/// from the size that 80 of 100 do not reach where that says more, as it does with heavy tails. A fifth of the values may be
/// outliers.
pub fn spread(errors: &mut [f64]) -> f64 {
    errors.iter_mut().for_each(|e| *e = e.abs());
    let middle = 1.4826 * median(errors);
    if errors.len() < 40 {
        return middle;
    }
    middle.max(quantile(errors, 0.8) / 1.2816)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_lie_between_the_values() {
        let mut values = [3.0, 1.0, 2.0, 4.0];
        for (q, wanted) in [(0.0, 1.0), (0.5, 2.5), (1.0, 4.0), (0.25, 1.75)] {
            assert_eq!(quantile(&mut values, q), wanted, "{q}");
        }
        assert_eq!(median(&mut [7.0]), 7.0);
        assert!(median(&mut []).is_nan());
    }

    #[test]
    fn a_few_outliers_do_not_move_the_spread() {
        let mut errors: Vec<f64> = (0..100).map(|i| f64::from(i % 7) - 3.0).collect();
        let plain = spread(&mut errors.clone());
        errors[..4].fill(1e9);
        assert!(spread(&mut errors) <= plain * 1.5);
    }
}
