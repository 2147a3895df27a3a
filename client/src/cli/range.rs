use super::graph::{self, Points};
use super::output::{Cell, Column, Format, Listing, warn};
use super::units::{self, moment, now, show_time};
use super::{Global, Outcome, escape, exit::Exit, exit::Problem, query};
use crate::{Data, RangeSeries};
use plimsoll_model::Timestamp;
use std::io::Write;
use std::time::Duration;

pub(super) const EXAMPLES: &str = "\
Examples:
  plimsoll range 'sum(rate(llm_tokens_used_total[5m]))'
  plimsoll range --start now-1d --step 10m 'active_loops'
  plimsoll range --start 2026-01-31T00:00:00Z --end 2026-02-01T00:00:00Z up -o csv > up.csv";

/// Places of a graph where the terminal does not say its width.
const GRAPH_WIDTH: usize = 60;
/// Places that the scale takes beside a chart.
const SCALE_WIDTH: usize = 14;
const CHART_HEIGHT: usize = 10;

/// Arguments of `range`.
#[derive(clap::Args, Clone, Debug)]
pub struct Range {
    /// A PromQL expression.
    #[arg(value_name = "EXPR")]
    expr: String,
    /// From: now-1h, 2026-01-31T12:00:00Z or Unix seconds.
    #[arg(long, default_value = "now-1h", allow_hyphen_values = true, value_name = "TIME")]
    start: String,
    /// To, in the same forms.
    #[arg(long, default_value = "now", allow_hyphen_values = true, value_name = "TIME")]
    end: String,
    /// Distance of the values, such as 15s or 5m; without it about 240 values.
    #[arg(long, value_parser = units::duration, value_name = "DURATION")]
    step: Option<Duration>,
}

impl Range {
    pub(super) async fn run(self, global: &Global) -> Outcome {
        let now = now();
        let start = moment(&self.start, now).map_err(Problem::usage)?;
        let end = moment(&self.end, now).map_err(Problem::usage)?;
        if end < start {
            let text = format!("--end {} lies before --start {}", show_time(end), show_time(start));
            return Err(Problem::usage(text));
        }
        let step = self.step.unwrap_or_else(|| fitting_step(end - start));
        if step.is_zero() {
            return Err(Problem::usage("--step is zero: write it as 15s or 5m"));
        }
        let answer = global.client()?.query_range(&self.expr, start, end, step).await?;
        warn("warning", &answer.warnings);
        warn("info", &answer.infos);
        match (&answer.data, global.output) {
            (data, Format::Table | Format::Wide) if data.is_empty() => {
                eprintln!("no series between {} and {}", show_time(start), show_time(end));
            }
            (Data::Matrix(all), Format::Table) => draw(all, start, end, step)?,
            _ => query::listing(&answer).print(global.output)?,
        }
        Ok(Exit::Ok)
    }
}

/// As wide as the terminal; without one the graph has a width that fits everywhere.
fn graph_width() -> usize {
    let columns = rustix::termios::tcgetwinsize(std::io::stdout()).map_or(0, |size| usize::from(size.ws_col));
    if columns == 0 { GRAPH_WIDTH } else { columns.saturating_sub(SCALE_WIDTH).clamp(10, 240) }
}

/// About 240 steps, rounded up to a figure that people use.
fn fitting_step(span_ms: i64) -> Duration {
    const STEPS_S: [u64; 14] = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200];
    let wanted = (span_ms / 1000).unsigned_abs().div_ceil(240).max(1);
    let step = STEPS_S.iter().copied().find(|s| *s >= wanted).unwrap_or(wanted.div_ceil(3600) * 3600);
    Duration::from_secs(step)
}

/// The values of `series` at each step, with gaps.
fn points(series: &RangeSeries, start: Timestamp, end: Timestamp, step: Duration) -> Points {
    let step = (step.as_millis() as i64).max(1);
    // The node refuses ranges of more steps; this keeps an answer of something else from filling the memory.
    let count = ((end - start) / step).clamp(0, 1_000_000) as usize + 1;
    let mut out = vec![None; count];
    for (at, v) in &series.floats {
        let index = (at - start + step / 2).div_euclid(step);
        if let Some(slot) = usize::try_from(index).ok().and_then(|i| out.get_mut(i)) {
            *slot = Some(*v);
        }
    }
    out
}

fn draw(all: &[RangeSeries], start: Timestamp, end: Timestamp, step: Duration) -> Result<(), Problem> {
    let mut out = std::io::stdout().lock();
    if let [one] = all {
        writeln!(out, "{}", escape::terminal(&one.labels.to_string()))?;
        for line in graph::chart(&points(one, start, end, step), graph_width(), CHART_HEIGHT) {
            writeln!(out, "{line}")?;
        }
    }
    let mut l = Listing::new(
        "range/1",
        vec![
            Column::left("series"),
            Column::right("min"),
            Column::right("avg"),
            Column::right("max"),
            Column::right("last"),
            Column::left("graph"),
        ],
    );
    for s in all {
        let points = points(s, start, end, step);
        let (low, high) = graph::bounds(&points).unwrap_or((f64::NAN, f64::NAN));
        let count = points.iter().flatten().count().max(1);
        let mean = points.iter().flatten().sum::<f64>() / count as f64;
        let last = s.floats.last().map_or(f64::NAN, |(_, v)| *v);
        let line = if s.floats.is_empty() && !s.histograms.is_empty() {
            format!("{} native histograms (see -o json)", s.histograms.len())
        } else {
            graph::sparkline(&points, if all.len() == 1 { 24 } else { 32 })
        };
        let mut row = vec![Cell::text(s.labels.to_string())];
        row.extend([low, mean, high, last].map(Cell::value));
        row.push(Cell::text(line));
        l.rows.push(row);
    }
    drop(out);
    l.print(Format::Table)?;
    let span = format!("{} .. {}, step {}", show_time(start), show_time(end), units::show_duration(step));
    eprintln!("{span}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_step_fits_the_range() {
        let step = |hours: i64| fitting_step(hours * 3_600_000).as_secs();
        assert_eq!((step(0), step(1), step(24), step(24 * 365)), (1, 15, 600, 133_200 / 3600 * 3600));
    }

    #[test]
    fn values_find_their_steps_and_strangers_are_left_out() {
        let series = RangeSeries {
            floats: vec![(1_000, 1.0), (3_001, 3.0), (99_000, 9.0), (i64::MIN / 4, 0.0)],
            ..RangeSeries::default()
        };
        let points = points(&series, 1_000, 4_000, Duration::from_secs(1));
        assert_eq!(points, vec![Some(1.0), None, Some(3.0), None]);
    }
}
