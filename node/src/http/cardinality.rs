//! Where the series are.

use super::{ApiError, AppState, Params, json};
use axum::extract::State;
use axum::response::Response;
use plimsoll_model::Labels;
use serde::Serialize;
use std::collections::{HashMap, HashSet};
use std::hash::Hash;

/// Metrics, labels and pairs with the most series.
#[derive(Debug, Default, Serialize)]
pub struct Cardinality {
    /// Series of all shards.
    pub series: u64,
    /// Metrics by number of series.
    pub metrics: Vec<Metric>,
    /// Labels by number of values.
    pub labels: Vec<Label>,
    /// Pairs by number of series.
    pub pairs: Vec<Pair>,
}

/// Series of a metric.
#[derive(Debug, Serialize)]
pub struct Metric {
    /// Its name.
    pub name: String,
    /// Its series.
    pub series: u64,
}

/// Values of a label.
#[derive(Debug, Serialize)]
pub struct Label {
    /// Its name.
    pub name: String,
    /// Its values.
    pub values: u64,
}

/// Series with a pair.
#[derive(Debug, Serialize)]
pub struct Pair {
    /// The label's name.
    pub name: String,
    /// The label's value.
    pub value: String,
    /// Series that have it.
    pub series: u64,
}

impl Cardinality {
    /// Counts the series of a selection.
    pub fn of(selected: &HashSet<Labels>, limit: usize) -> Self {
        let (mut metrics, mut pairs) = (Vec::new(), Vec::new());
        let mut values: HashMap<&str, HashSet<&str>> = HashMap::new();
        for labels in selected {
            metrics.push((labels.metric_name().unwrap_or("").to_owned(), 1));
            for (name, value) in labels.iter() {
                pairs.push(((name.to_owned(), value.to_owned()), 1));
                values.entry(name).or_default().insert(value);
            }
        }
        let labels = values.iter().map(|(name, all)| ((*name).to_owned(), all.len() as u64)).collect();
        Self::of_counts(selected.len() as u64, metrics, labels, pairs, limit)
    }

    /// Joins what the shards found and keeps the `limit` largest of each list.
    pub fn join(parts: Vec<plimsoll_storage::Cardinality>, limit: usize) -> Self {
        let series = parts.iter().map(|p| p.series).sum();
        let (mut metrics, mut labels, mut pairs) = (Vec::new(), Vec::new(), Vec::new());
        for part in parts {
            metrics.extend(part.series_by_metric);
            labels.extend(part.values_by_name);
            pairs.extend(part.series_by_pair.into_iter().map(|(n, v, count)| ((n, v), count)));
        }
        Self::of_counts(series, metrics, labels, pairs, limit)
    }

    fn of_counts(
        series: u64,
        metrics: Vec<(String, u64)>,
        labels: Vec<(String, u64)>,
        pairs: Vec<((String, String), u64)>,
        limit: usize,
    ) -> Self {
        Self {
            series,
            metrics: largest(metrics, limit).map(|(name, series)| Metric { name, series }).collect(),
            labels: largest(labels, limit).map(|(name, values)| Label { name, values }).collect(),
            pairs: largest(pairs, limit)
                .map(|((name, value), series)| Pair { name, value, series })
                .collect(),
        }
    }
}

fn largest<K: Hash + Ord>(counts: Vec<(K, u64)>, limit: usize) -> impl Iterator<Item = (K, u64)> {
    let mut sums: HashMap<K, u64> = HashMap::new();
    for (key, n) in counts {
        *sums.entry(key).or_default() += n;
    }
    let mut all: Vec<(K, u64)> = sums.into_iter().collect();
    all.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    all.into_iter().take(limit)
}

/// `GET /api/v1/cardinality`
pub async fn cardinality(State(app): State<AppState>, params: Params) -> Result<Response, ApiError> {
    let limit = params.number("limit")?.unwrap_or(10);
    let selectors = super::series::selectors(&params)?;
    Ok(json::success(app.cardinality(selectors, limit).await?, &[]))
}
