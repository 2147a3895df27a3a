//! What is anomalous now, and what a series will do.

use super::{Analytics, Error};
use plimsoll_analytics::anomaly::{Grid, Season};
use plimsoll_analytics::forecast::{Forecast, forecast};
use plimsoll_model::{Labels, METRIC_NAME, Timestamp};
use std::collections::BTreeMap;

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;
/// Points of the past that a forecast is learned from.
const PAST_POINTS: i64 = 4 * 7 * 96;
/// Series that are forecast at a time.
const MAX_FORECASTS: usize = 20;
const LONGEST_MS: i64 = 60 * DAY_MS;

/// A value and what was expected.
#[derive(Clone, Debug, PartialEq)]
pub struct Anomaly {
    /// The watch.
    pub watch: String,
    /// The labels of the watched series.
    pub labels: Labels,
    /// The value.
    pub value: Option<f64>,
    /// How far it lies from what was expected.
    pub score: f64,
    /// The score at the edge of the band.
    pub threshold: f64,
    /// What was expected.
    pub expected: Option<f64>,
    /// The lower edge of the band.
    pub lower: Option<f64>,
    /// The upper edge.
    pub upper: Option<f64>,
}

impl Analytics {
    /// What every watch says of its series at a moment; with `all` also of those that are as expected. The largest
    /// scores in front.
    pub async fn anomalies(&self, at: Timestamp, all: bool) -> Result<Vec<Anomaly>, Error> {
        let names = "anomaly_value|anomaly_score|anomaly_expected|anomaly_lower|anomaly_upper";
        let text = format!("{{__name__=~\"{names}\",watch!=\"\"}}");
        let mut figures: BTreeMap<Labels, BTreeMap<String, f64>> = BTreeMap::new();
        for (labels, value) in self.at(&text, at, "anomalies").await? {
            let name = labels.metric_name().unwrap_or_default().to_owned();
            let of = labels.filter(|n| n != METRIC_NAME && n != "rev");
            figures.entry(of).or_default().insert(name, value);
        }
        let thresholds: BTreeMap<String, f64> =
            self.watches().into_iter().map(|w| (w.name, w.sensitivity.threshold())).collect();
        let read = |(labels, figures): (Labels, BTreeMap<String, f64>)| {
            let watch = labels.get("watch")?.to_owned();
            let threshold = *thresholds.get(&watch)?;
            let score = *figures.get("anomaly_score")?;
            let figure = |name: &str| figures.get(name).copied();
            let labels = labels.filter(|n| n != "watch");
            (all || score >= threshold).then(|| Anomaly {
                watch,
                labels,
                value: figure("anomaly_value"),
                score,
                threshold,
                expected: figure("anomaly_expected"),
                lower: figure("anomaly_lower"),
                upper: figure("anomaly_upper"),
            })
        };
        let mut found: Vec<Anomaly> = figures.into_iter().filter_map(read).collect();
        found.sort_by(|a, b| (b.score / b.threshold).total_cmp(&(a.score / a.threshold)));
        Ok(found)
    }

    /// What the series of `expr` will do in the `horizon` after `now`.
    pub async fn forecast(
        &self,
        expr: &str,
        now: Timestamp,
        horizon_ms: i64,
        season: Season,
    ) -> Result<(Vec<(Labels, Forecast)>, Vec<String>), Error> {
        if !(MINUTE_MS..=LONGEST_MS).contains(&horizon_ms) {
            return Err(Error::Bad("the horizon is between 1m and 60d".to_owned()));
        }
        let step = match horizon_ms {
            h if h <= 2 * HOUR_MS => MINUTE_MS,
            h if h <= 12 * HOUR_MS => 5 * MINUTE_MS,
            h if h <= 3 * DAY_MS => 15 * MINUTE_MS,
            _ => HOUR_MS,
        };
        let end = now.div_euclid(step) * step;
        let range = (end - (PAST_POINTS - 1) * step, end, step);
        let mut past = self.over(expr, range, None, "forecast").await?;
        if past.is_empty() {
            return Err(Error::Bad(
                "the expression has no values in the past: try it with `plimsoll query`".to_owned(),
            ));
        }
        let mut notes = Vec::new();
        if past.len() > MAX_FORECASTS {
            notes.push(format!(
                "{} more series are left out: narrow the expression",
                past.len() - MAX_FORECASTS
            ));
            past.truncate(MAX_FORECASTS);
        }
        let steps = (horizon_ms / step).max(1);
        let work = move || {
            let mut told = Vec::new();
            for series in past {
                let mut grid = Grid::new(step, PAST_POINTS as usize);
                series.floats.iter().for_each(|(at, v)| grid.put(*at, *v));
                match forecast(&grid, steps, season) {
                    Ok(forecast) => told.push((series.labels, forecast)),
                    Err(e) => notes.push(format!("{}: {e}", series.labels)),
                }
            }
            (told, notes)
        };
        let done = tokio::task::spawn_blocking(work).await.map_err(|_| crate::query::Error::Lost)?;
        if done.0.is_empty() {
            return Err(Error::Bad(done.1.join("; ")));
        }
        Ok(done)
    }
}
