use crate::robust::quantile;

/// asinh, scaled: linear for values smaller than the scale, logarithmic for larger ones, and the sign stays.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Transform {
    scale: f64,
    /// Nothing below 0 was ever seen.
    positive: bool,
}

impl Transform {
    /// For values like these, mostly logarithmic.
    pub fn of(values: impl Iterator<Item = f64>) -> Self {
        let all: Vec<f64> = values.filter(|v| v.is_finite()).collect();
        let positive = all.iter().all(|v| *v >= 0.0);
        let mut sizes: Vec<f64> = all.iter().map(|v| v.abs()).filter(|v| *v > 0.0).collect();
        let scale = quantile(&mut sizes, 0.25);
        Self { scale: if scale.is_finite() && scale > 0.0 { scale } else { 1.0 }, positive }
    }

    /// The same, closer to linear by `factor`.
    pub fn scaled(self, factor: f64) -> Self {
        Self { scale: self.scale * factor, ..self }
    }

    /// Into the space of the model.
    pub fn apply(&self, v: f64) -> f64 {
        (v / self.scale).asinh()
    }

    /// And back.
    pub fn undo(&self, y: f64) -> f64 {
        // beyond this sinh is infinite
        let v = y.clamp(-700.0, 700.0).sinh() * self.scale;
        if self.positive { v.max(0.0) } else { v }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back() {
        let transform = Transform::of([-5.0, 100.0, 1e9, 0.0, f64::NAN].into_iter());
        for v in [-1e12, -3.0, 0.0, 0.001, 7.0, 1e12] {
            let back = transform.undo(transform.apply(v));
            assert!((back - v).abs() <= v.abs() * 1e-9, "{v} came back as {back}");
        }
        assert_eq!(Transform::of([1.0, 2.0].into_iter()).undo(-3.0), 0.0);
        assert!(Transform::of(std::iter::empty()).apply(1.0).is_finite());
    }
}
