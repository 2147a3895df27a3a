//! `plimsoll forecast`: what a series will do, if it goes on as it did.

use super::exit::Exit;
use super::graph;
use super::output::{Cell, Column, Format, Listing, json_labels, json_value, warn};
use super::units::{duration, show_time};
use super::{Global, Outcome};
use crate::SeriesForecast;
use serde_json::json;
use std::time::Duration;

pub(super) const EXAMPLES: &str = "\
Examples:
  plimsoll forecast 'sum(rate(llm_cost_usd_total[1h])) * 86400' --horizon 7d
  plimsoll forecast 'system_memory_used' --horizon 6h -o csv
  plimsoll forecast 'sum by (loop_type) (rate(llm_tokens_total[5m]))' --season weekly";

/// Places of a curve.
const GRAPH_CHARS: usize = 40;

/// Arguments of `forecast`.
#[derive(clap::Args, Clone, Debug)]
pub struct Forecast {
    /// A PromQL expression of values that rise and fall: for a counter, its rate.
    #[arg(value_name = "EXPR")]
    expr: String,
    /// How far ahead, up to 60d.
    #[arg(long, default_value = "1d", value_parser = duration, value_name = "DURATION")]
    horizon: Duration,
    /// Which pattern repeats; auto takes whichever told best so far.
    #[arg(long, default_value = "auto", value_parser = ["auto", "none", "daily", "weekly"])]
    season: String,
}

impl Forecast {
    pub(super) async fn run(self, global: &Global) -> Outcome {
        let told = global.client()?.forecast(&self.expr, self.horizon, &self.season).await?;
        warn("note", &told.notes);
        match global.output {
            Format::Table => summary(&told.series).print(Format::Table)?,
            format => points(&told.series).print(format)?,
        }
        Ok(Exit::Ok)
    }
}

/// A line a series, with its curve.
fn summary(all: &[SeriesForecast]) -> Listing {
    let columns = vec![
        Column::left("series"),
        Column::left("season"),
        Column::left("until"),
        Column::right("expected"),
        Column::right("lower"),
        Column::right("upper"),
        Column::left("graph"),
    ];
    let mut l = Listing::new("forecast/1", columns);
    for s in all {
        let Some(last) = s.points.last() else { continue };
        let values: Vec<Option<f64>> = s.points.iter().map(|p| Some(p.expected)).collect();
        let row = vec![
            Cell::text(s.labels.to_string()),
            Cell::text(&s.season),
            Cell::text(show_time(last.at_ms)),
            Cell::value(last.expected),
            Cell::value(last.lower),
            Cell::value(last.upper),
            Cell::text(graph::sparkline(&values, GRAPH_CHARS)),
        ];
        l.push(row, json!(null));
    }
    l
}

fn points(all: &[SeriesForecast]) -> Listing {
    let columns = vec![
        Column::left("series"),
        Column::left("time"),
        Column::right("expected"),
        Column::right("lower"),
        Column::right("upper"),
    ];
    let mut l = Listing::new("forecast/1", columns);
    for s in all {
        for p in &s.points {
            let row = vec![
                Cell::text(s.labels.to_string()),
                Cell::text(show_time(p.at_ms)),
                Cell::value(p.expected),
                Cell::value(p.lower),
                Cell::value(p.upper),
            ];
            let item = json!({
                "labels": json_labels(&s.labels), "season": s.season, "trend": s.trend, "coverage": s.coverage,
                "at_ms": p.at_ms, "expected": json_value(p.expected), "lower": json_value(p.lower),
                "upper": json_value(p.upper),
            });
            l.push(row, item);
        }
    }
    l
}
