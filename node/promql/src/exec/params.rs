//! The parameters of aggregations: `k`, a ratio, a quantile.

use super::Context;
use crate::ast::AggregateOp;
use crate::error::Error;
use crate::format::format_general;
use crate::plan::{Aggregate, Grid};

impl Context<'_> {
    /// The parameter at each step, checked.
    pub(super) fn params(&self, a: &Aggregate, grid: Grid) -> Result<Vec<f64>, Error> {
        let Some(param) = &a.param else { return Ok(Vec::new()) };
        let values = self.scalars(param, grid)?;
        let fail = |text: String| Err(Error::Evaluation(text));
        let nan = values.iter().any(|v| v.is_nan());
        let greatest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let least = values.iter().copied().fold(f64::INFINITY, f64::min);
        match a.op {
            AggregateOp::Topk | AggregateOp::Bottomk | AggregateOp::Limitk if greatest >= 1.0 || nan => {
                if nan {
                    return fail("Parameter value is NaN".into());
                }
                if least <= i64::MIN as f64 {
                    return fail(format!("Scalar value {} underflows int64", format_general(least)));
                }
                if greatest >= i64::MAX as f64 {
                    return fail(format!("Scalar value {} overflows int64", format_general(greatest)));
                }
            }
            AggregateOp::LimitRatio if nan => return fail("Ratio value is NaN".into()),
            AggregateOp::LimitRatio => self.note_with(|notes| {
                for (bad, to) in [(greatest > 1.0, 1.0), (least < -1.0, -1.0)] {
                    let value = if to > 0.0 { greatest } else { least };
                    if bad {
                        let text = "ratio value should be between -1 and 1, got";
                        let (value, to) = (format_general(value), format_general(to));
                        notes.warn(a.param_span, format!("{text} {value}, capping to {to}"));
                    }
                }
            }),
            AggregateOp::Quantile => self.note_with(|notes| {
                if nan {
                    notes.invalid_quantile(a.param_span, f64::NAN);
                }
                if greatest > 1.0 {
                    notes.invalid_quantile(a.param_span, greatest);
                }
                if least < 0.0 {
                    notes.invalid_quantile(a.param_span, least);
                }
            }),
            _ => {}
        }
        Ok(values)
    }
}
