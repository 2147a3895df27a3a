//! PromQL from inside.

use super::{Analytics, Error};
use crate::query::{Consistency, Request, Times};
use plimsoll_model::{Labels, Timestamp};
use plimsoll_promql::{Answer, Point, RangeSeries, Value};
use std::time::Duration;

impl Analytics {
    /// The floats of an expression at one moment.
    pub(super) async fn at(
        &self,
        text: &str,
        at: Timestamp,
        origin: &str,
    ) -> Result<Vec<(Labels, f64)>, Error> {
        let answer = self.ask(text, Times::Instant(at), None, origin).await?;
        Ok(match answer.value {
            Value::Vector(_, all) => all
                .into_iter()
                .filter_map(|s| match s.point {
                    Point::Float(v) => Some((s.labels, v)),
                    Point::Histogram(_) => None,
                })
                .collect(),
            Value::Scalar(_, v) => vec![(Labels::default(), v)],
            Value::String(..) | Value::Matrix(_) => Vec::new(),
        })
    }

    /// The values of an expression over a range; those at each step alone when `lookback` is short.
    pub(super) async fn over(
        &self,
        text: &str,
        (start, end, step): (Timestamp, Timestamp, i64),
        lookback: Option<Duration>,
        origin: &str,
    ) -> Result<Vec<RangeSeries>, Error> {
        let answer = self.ask(text, Times::Range { start, end, step }, lookback, origin).await?;
        Ok(match answer.value {
            Value::Matrix(all) => all,
            _ => Vec::new(),
        })
    }

    async fn ask(
        &self,
        text: &str,
        times: Times,
        lookback: Option<Duration>,
        origin: &str,
    ) -> Result<Answer, Error> {
        let request = Request {
            text: text.to_owned(),
            times,
            timeout: None,
            lookback,
            origin: origin.to_owned(),
            consistency: Consistency::Lease,
            partial: false,
        };
        Ok(self.0.parts.queries.run(request).await?)
    }
}
