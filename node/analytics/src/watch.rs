//! What is watched for anomalies.

use crate::anomaly::Season;
use crate::schedule::is_name;
use plimsoll_promql::ParseOptions;
use serde::{Deserialize, Serialize};

const EXPR_BYTES: usize = 4096;
/// Series of one watch.
pub const MAX_SERIES: usize = 100;

/// A watch, as it is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Watch {
    /// Its name, which is the label `watch` of the series that it writes.
    pub name: String,
    /// PromQL; each series of its answer is watched.
    pub expr: String,
    /// Seconds between two looks.
    #[serde(default = "minute")]
    pub interval_s: u32,
    /// Which pattern repeats.
    #[serde(default)]
    pub season: Season,
    /// How easily something is taken for an anomaly.
    #[serde(default)]
    pub sensitivity: Sensitivity,
    /// Smaller differences from what is expected are never anomalous, in the unit of the expression.
    #[serde(default)]
    pub floor: f64,
    /// Whether it rests.
    #[serde(default)]
    pub off: bool,
}

/// How easily something is taken for an anomaly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sensitivity {
    /// The band is 5 spreads wide to each side.
    Low,
    /// 3.5 spreads.
    #[default]
    Medium,
    /// 2.5 spreads.
    High,
}

impl Sensitivity {
    /// The score at the edge of the band.
    pub const fn threshold(self) -> f64 {
        match self {
            Self::Low => 5.0,
            Self::Medium => 3.5,
            Self::High => 2.5,
        }
    }
}

const fn minute() -> u32 {
    60
}

impl Watch {
    /// What is wrong with it, if anything.
    pub fn check(&self) -> Result<(), String> {
        if !is_name(&self.name) {
            return Err("a watch's name has 1 to 64 letters, digits, `.`, `_` and `-`, and no `.` in front"
                .to_owned());
        }
        if self.expr.len() > EXPR_BYTES {
            return Err(format!("the expression is longer than {EXPR_BYTES} bytes"));
        }
        plimsoll_promql::parse(&self.expr, ParseOptions::default()).map_err(|e| format!("expr: {e}"))?;
        if !(10..=900).contains(&self.interval_s) || 900 % self.interval_s != 0 {
            return Err(
                "the interval is a part of 15 minutes, from 10s on: 10s, 15s, 30s, 1m, 5m or 15m".to_owned()
            );
        }
        if !self.floor.is_finite() || self.floor < 0.0 {
            return Err("the floor is a number from 0 on".to_owned());
        }
        Ok(())
    }

    /// Tells the values of this expression from those of another one under the same name.
    pub fn revision(&self) -> String {
        // FNV-1a, 64 bits: stable over versions, and no secret
        let hash = self
            .expr
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
        format!("{:08x}", hash as u32)
    }

    /// The watches that there are without anybody's doing. One of the same name replaces them.
    pub fn defaults() -> Vec<Self> {
        let watch = |name: &str, expr: &str, floor: f64| Self {
            name: name.to_owned(),
            expr: expr.to_owned(),
            interval_s: 60,
            season: Season::Auto,
            sensitivity: Sensitivity::Medium,
            floor,
            off: false,
        };
        vec![
            watch("cost", "sum by (loop_type) (rate(llm_cost_usd_total[5m])) * 3600", 0.1),
            watch(
                "tokens",
                "sum by (loop_type) (rate(llm_tokens_total[5m])) or sum by (loop_type) (rate(llm_tokens_used[5m]))",
                1.0,
            ),
            watch(
                "loop-p95",
                "histogram_quantile(0.95, sum by (loop_type, le) (rate(loop_execution_duration_seconds_bucket[10m]))) \
                 or histogram_quantile(0.95, sum by (loop_type) (rate(loop_execution_duration_seconds[10m]))) \
                 or histogram_quantile(0.95, sum by (loop_type, le) (rate(loop_execution_duration_bucket[10m])))",
                1.0,
            ),
            watch(
                "error-rate",
                "sum by (loop_type) (rate(loop_errors_total[10m])) \
                 / sum by (loop_type) (rate(loop_execution_duration_seconds_count[10m])) \
                 or sum by (loop_type) (rate(loop_errors[10m])) \
                 / sum by (loop_type) (rate(loop_execution_duration_count[10m]))",
                0.05,
            ),
        ]
    }
}
