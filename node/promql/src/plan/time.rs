//! Lengths and grids in milliseconds.

use super::{Grid, Subquery};
use crate::ast::{Length, LengthExpr, LengthKind, LengthOp};
use crate::error::Error;

/// The times of a query, before anything is folded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    pub(crate) start: i64,
    pub(crate) end: i64,
    pub(crate) step: i64,
}

impl Times {
    /// A length in milliseconds; a range or a step must be positive.
    pub(super) fn length(self, length: &Length, may_be_negative: bool) -> Result<i64, Error> {
        let expr = match length {
            Length::Fixed(ms) => return Ok(*ms),
            Length::Expr(expr) => expr,
        };
        let seconds = self.seconds(expr)?;
        let fail =
            |what: &str| Err(Error::Evaluation(format!("{}:{}: {what}", expr.span.start, expr.span.end)));
        if !seconds.is_finite() {
            return fail("duration is NaN or infinite");
        }
        if seconds <= 0.0 && !may_be_negative {
            return fail("duration must be greater than 0");
        }
        if seconds.abs() > i64::MAX as f64 / 1e9 {
            return fail("duration is out of range");
        }
        Ok((seconds * 1000.0) as i64)
    }

    fn seconds(self, expr: &LengthExpr) -> Result<f64, Error> {
        Ok(match &expr.kind {
            LengthKind::Number { value, .. } => *value,
            LengthKind::Step => self.step as f64 / 1000.0,
            LengthKind::Range => self.end.saturating_sub(self.start) as f64 / 1000.0,
            LengthKind::Sign { minus, operand } => {
                let value = self.seconds(operand)?;
                if *minus { -value } else { value }
            }
            LengthKind::Binary { op, left, right } => {
                let (l, r) = (self.seconds(left)?, self.seconds(right)?);
                let zero = |what: &str| {
                    let text = format!("{}:{}: {what} by zero", expr.span.start, expr.span.end);
                    Err(Error::Evaluation(text))
                };
                match op {
                    LengthOp::Add => l + r,
                    LengthOp::Sub => l - r,
                    LengthOp::Mul => l * r,
                    LengthOp::Div if r == 0.0 => return zero("division"),
                    LengthOp::Div => l / r,
                    LengthOp::Mod if r == 0.0 => return zero("modulo"),
                    LengthOp::Mod => l % r,
                    LengthOp::Pow => l.powf(r),
                    LengthOp::Min => l.min(r),
                    LengthOp::Max => l.max(r),
                }
            }
        })
    }
}

impl Subquery {
    /// The times at which the inner expression is evaluated: multiples of the step, the first one strictly after
    /// the start of the first window.
    pub(crate) fn grid(&self, parent: Grid) -> Grid {
        let (first, last) = match self.at {
            Some(at) => (at, at),
            None => (parent.start, parent.end()),
        };
        let end = last.saturating_sub(self.offset);
        let before = first.saturating_sub(self.offset).saturating_sub(self.range);
        // Division truncates toward zero, as Go's does.
        let mut start = self.step * (before / self.step);
        if start <= before {
            start = start.saturating_add(self.step);
        }
        let steps = if end < start {
            0
        } else {
            (end.abs_diff(start) / self.step.unsigned_abs()).saturating_add(1) as usize
        };
        Grid { start, step: self.step, steps }
    }
}
