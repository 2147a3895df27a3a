//! `plimsoll report`: what agents did, used and cost.

mod schedule;

use super::exit::{Exit, Problem};
use super::output::{Format, say};
use super::units::{moment, now};
use super::{Global, Outcome};
use crate::ReportOptions;

const EXAMPLES: &str = "\
Examples:
  plimsoll report tokens --from now-7d --compare previous
  plimsoll report tokens --by agent,model --match '{tenant=\"a\"}' -o csv > tokens.csv
  plimsoll report loops --from 2026-01-01 --to 2026-02-01 -o html > january.html
  plimsoll report loops --compare week -o md
  plimsoll report health";

/// Commands of `plimsoll report`.
#[derive(clap::Subcommand, Clone, Debug)]
pub enum Report {
    /// How loops performed: executions, success rate, median, p95, p99.
    #[command(after_help = EXAMPLES)]
    Loops(About),
    /// What language models used and cost, by loop, model and kind of token.
    #[command(after_help = EXAMPLES)]
    Tokens(About),
    /// How tools were used: calls, failures, durations.
    #[command(after_help = EXAMPLES)]
    Tools(About),
    /// What failed, and how often for each execution.
    #[command(after_help = EXAMPLES)]
    Errors(About),
    /// Whether nodes, shards, loops and prices are well; exit code 4 when something is bad.
    #[command(after_help = EXAMPLES)]
    Health(About),
    /// Send reports by themselves.
    #[command(subcommand)]
    Schedule(schedule::Schedule),
}

/// What a report is about.
#[derive(clap::Args, Clone, Debug)]
pub struct About {
    /// The period begins after this: now-7d, 2026-01-31 (UTC), or Unix seconds.
    #[arg(long, default_value = "now-24h", allow_hyphen_values = true, value_name = "TIME")]
    from: String,
    /// The last moment of the period.
    #[arg(long, default_value = "now", allow_hyphen_values = true, value_name = "TIME")]
    to: String,
    /// Hold it against an earlier period: previous, week (the same hours last week), or a duration such as 1d.
    #[arg(long, value_name = "PERIOD")]
    compare: Option<String>,
    /// Labels that rows are told apart by, instead of the report's own.
    #[arg(long, value_delimiter = ',', value_name = "LABELS")]
    by: Vec<String>,
    /// Only series that this selects.
    #[arg(long = "match", value_name = "SELECTOR")]
    selector: Option<String>,
}

impl Report {
    pub(super) async fn run(self, global: &Global) -> Outcome {
        let (kind, about) = match self {
            Self::Loops(about) => ("loops", about),
            Self::Tokens(about) => ("tokens", about),
            Self::Tools(about) => ("tools", about),
            Self::Errors(about) => ("errors", about),
            Self::Health(about) => ("health", about),
            Self::Schedule(schedule) => return schedule.run(global).await,
        };
        let client = global.client()?;
        let options = about.options()?;
        say(&client.report_text(kind, &options, name(global.output)).await?)?;
        if kind != "health" {
            return Ok(Exit::Ok);
        }
        let report = client.report(kind, &options).await?;
        let bad = |row: &serde_json::Value| row["state"] == "bad";
        let degraded = report.tables.iter().any(|table| table.rows.iter().any(bad));
        Ok(if degraded { Exit::Degraded } else { Exit::Ok })
    }
}

impl About {
    fn options(self) -> Result<ReportOptions, Problem> {
        let now = now();
        let from = moment(&self.from, now).map_err(Problem::usage)?;
        let to = moment(&self.to, now).map_err(Problem::usage)?;
        if from >= to {
            return Err(Problem::usage("--from must be before --to"));
        }
        let Self { compare, by, selector, .. } = self;
        Ok(ReportOptions { from: Some(from), to: Some(to), compare, by, selector })
    }
}

/// The format as the API names it.
fn name(format: Format) -> &'static str {
    match format {
        Format::Table => "table",
        Format::Wide => "wide",
        Format::Json => "json",
        Format::Jsonl => "jsonl",
        Format::Csv => "csv",
        Format::Md => "md",
        Format::Html => "html",
    }
}
