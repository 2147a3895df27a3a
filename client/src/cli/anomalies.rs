//! `plimsoll anomalies`: what is not as one would expect, and what is watched.

use super::exit::{Exit, Problem};
use super::output::{Cell, Column, Format, Listing, json_labels, json_value};
use super::units::{duration, moment, now, show_duration};
use super::{Global, Outcome, escape::terminal};
use crate::{Anomaly, Watch};
use serde_json::json;
use std::time::Duration;

const LIST_EXAMPLES: &str = "\
Examples:
  plimsoll anomalies list
  plimsoll anomalies list --all -o json
  plimsoll anomalies list --watches";

const ADD_EXAMPLES: &str = "\
Examples:
  plimsoll anomalies add checkout 'sum by (region) (rate(orders_total[5m]))' --season weekly
  plimsoll anomalies add queue 'queue_length' --sensitivity high --floor 100

The series of a watch: anomaly_score, anomaly_expected, anomaly_lower, anomaly_upper and anomaly_value, with the labels of
the watched series and watch=\"NAME\". An alert: anomaly_score{watch=\"NAME\"} > 3.5";

const REMOVE_EXAMPLES: &str = "\
Examples:
  plimsoll anomalies remove checkout";

/// Commands of `plimsoll anomalies`.
#[derive(clap::Subcommand, Clone, Debug)]
pub enum Anomalies {
    /// List what is anomalous now.
    #[command(after_help = LIST_EXAMPLES)]
    List {
        /// When: now-1h, 2026-01-31T12:00:00Z or Unix seconds.
        #[arg(long, short = 't', default_value = "now", allow_hyphen_values = true, value_name = "TIME")]
        time: String,
        /// All watched series, also those that are as expected.
        #[arg(long)]
        all: bool,
        /// What is watched, instead of what was found.
        #[arg(long)]
        watches: bool,
    },
    /// Watch the series of an expression, or replace the watch of this name.
    #[command(after_help = ADD_EXAMPLES)]
    Add(Add),
    /// Watch no longer.
    #[command(after_help = REMOVE_EXAMPLES)]
    Remove {
        /// The watch's name.
        name: String,
    },
}

/// Arguments of `anomalies add`.
#[derive(clap::Args, Clone, Debug)]
pub struct Add {
    /// A name.
    name: String,
    /// A PromQL expression; each series of its answer is watched.
    #[arg(value_name = "EXPR")]
    expr: String,
    /// Time between two looks: a part of 15 minutes.
    #[arg(long, default_value = "1m", value_parser = duration, value_name = "DURATION")]
    interval: Duration,
    /// Which pattern repeats; auto takes whichever told best so far.
    #[arg(long, default_value = "auto", value_parser = ["auto", "none", "daily", "weekly"])]
    season: String,
    /// How easily something is taken for an anomaly.
    #[arg(long, default_value = "medium", value_parser = ["low", "medium", "high"])]
    sensitivity: String,
    /// Smaller differences from what is expected are never anomalous, in the unit of the expression.
    #[arg(long, default_value_t = 0.0, value_name = "VALUE")]
    floor: f64,
}

impl Anomalies {
    pub(super) async fn run(self, global: &Global) -> Outcome {
        match self {
            Self::List { watches: true, .. } => watches(global).await,
            Self::List { time, all, .. } => list(global, &time, all).await,
            Self::Add(add) => add.run(global).await,
            Self::Remove { name } => {
                global.client()?.remove_watch(&name).await?;
                eprintln!("{} is not watched any more", terminal(&name));
                Ok(Exit::Ok)
            }
        }
    }
}

impl Add {
    async fn run(self, global: &Global) -> Outcome {
        let interval_s = u32::try_from(self.interval.as_secs()).unwrap_or(u32::MAX);
        let Self { name, expr, season, sensitivity, floor, .. } = self;
        let watch = Watch { name, expr, interval_s, season, sensitivity, floor, ..Watch::default() };
        global.client()?.put_watch(&watch).await?;
        let name = terminal(&watch.name).into_owned();
        eprintln!(
            "{name} is watched; its score is anomaly_score{{watch=\"{name}\"}}, once 20 values are known"
        );
        Ok(Exit::Ok)
    }
}

async fn list(global: &Global, time: &str, all: bool) -> Outcome {
    let at = match time {
        "now" => None,
        text => Some(moment(text, now()).map_err(Problem::usage)?),
    };
    let found = global.client()?.anomalies(at, all).await?;
    if found.anomalies.is_empty() && matches!(global.output, Format::Table | Format::Wide) {
        let on = found.watches.iter().filter(|w| !w.off).count();
        eprintln!(
            "nothing is anomalous; {on} watches (`plimsoll anomalies list --all` shows every watched series)"
        );
        return Ok(Exit::Ok);
    }
    let columns = vec![
        Column::left("watch"),
        Column::left("series"),
        Column::right("score"),
        Column::right("value"),
        Column::right("expected"),
        Column::right("lower"),
        Column::right("upper"),
    ];
    let mut l = Listing::new("anomalies/1", columns);
    for a in &found.anomalies {
        l.push(row(a), item(a));
    }
    l.print(global.output)?;
    Ok(Exit::Ok)
}

fn row(a: &Anomaly) -> Vec<Cell> {
    let figure = |v: Option<f64>| v.map_or(Cell::text("-"), Cell::value);
    vec![
        Cell::text(&a.watch),
        Cell::text(a.labels.to_string()),
        Cell::value(a.score),
        figure(a.value),
        figure(a.expected),
        figure(a.lower),
        figure(a.upper),
    ]
}

fn item(a: &Anomaly) -> serde_json::Value {
    let figure = |v: Option<f64>| v.map(json_value);
    json!({
        "watch": a.watch, "labels": json_labels(&a.labels), "score": json_value(a.score), "threshold": a.threshold,
        "value": figure(a.value), "expected": figure(a.expected), "lower": figure(a.lower), "upper": figure(a.upper),
    })
}

async fn watches(global: &Global) -> Outcome {
    let columns = ["name", "every", "season", "sensitivity", "floor", "state", "expr"].map(Column::left);
    let mut l = Listing::new("anomaly-watches/1", columns.to_vec());
    for w in global.client()?.anomalies(None, false).await?.watches {
        let every = show_duration(Duration::from_secs(w.interval_s.into()));
        let (state, floor) = (if w.off { "off" } else { "on" }, w.floor.to_string());
        let row =
            [w.name.as_str(), &every, &w.season, &w.sensitivity, &floor, state, &w.expr].map(Cell::text);
        l.push(row.to_vec(), json!(w));
    }
    l.print(global.output)?;
    Ok(Exit::Ok)
}
