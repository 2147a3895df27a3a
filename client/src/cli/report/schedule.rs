//! `plimsoll report schedule`: reports that are sent by themselves.

use crate::Schedule as Document;
use crate::cli::exit::{Exit, Problem};
use crate::cli::output::{Cell, Column, Listing};
use crate::cli::units::{duration, show_time};
use crate::cli::{Global, Outcome, escape::terminal};
use serde_json::json;
use std::time::Duration;

const ADD_EXAMPLES: &str = "\
Examples:
  plimsoll report schedule add costs --report tokens --when 'mon at 07:00' --compare previous
  plimsoll report schedule add nightly --report loops --when '0 6 * * *' --format md --webhook https://chat/hook
  plimsoll report schedule add hourly-errors --report errors --when hourly --period 1h

Times are UTC: hourly, `daily at 07:00`, `mon at 07:00`, `monthly at 07:00`, or five fields of cron. Without --webhook the
report is a file in the folder `reports` of the data folder of the node that makes it.";

const LIST_EXAMPLES: &str = "\
Examples:
  plimsoll report schedule list
  plimsoll report schedule list -o json";

const REMOVE_EXAMPLES: &str = "\
Examples:
  plimsoll report schedule remove costs";

/// Commands of `plimsoll report schedule`.
#[derive(clap::Subcommand, Clone, Debug)]
pub enum Schedule {
    /// Send a report by itself, or replace the schedule of this name.
    #[command(after_help = ADD_EXAMPLES)]
    Add(Add),
    /// List the schedules, when they are due, and where the last report went.
    #[command(after_help = LIST_EXAMPLES)]
    List,
    /// Send it no longer.
    #[command(after_help = REMOVE_EXAMPLES)]
    Remove {
        /// Its name.
        name: String,
    },
}

/// Arguments of `schedule add`.
#[derive(clap::Args, Clone, Debug)]
pub struct Add {
    /// A name.
    name: String,
    /// Which report.
    #[arg(long, value_parser = ["loops", "tokens", "tools", "errors", "health"])]
    report: String,
    /// When, in UTC.
    #[arg(long, value_name = "TIME")]
    when: String,
    /// In which form.
    #[arg(long, default_value = "html", value_parser = ["table", "json", "jsonl", "csv", "md", "html"])]
    format: String,
    /// The address to post it to.
    #[arg(long, value_name = "URL")]
    webhook: Option<String>,
    /// The length of its period; without it from one due time to the next.
    #[arg(long, value_parser = duration, value_name = "DURATION")]
    period: Option<Duration>,
    /// Hold it against an earlier period: previous, week, or a duration such as 1d.
    #[arg(long, value_name = "PERIOD")]
    compare: Option<String>,
    /// Labels that rows are told apart by.
    #[arg(long, value_delimiter = ',', value_name = "LABELS")]
    by: Vec<String>,
    /// Only series that this selects.
    #[arg(long = "match", value_name = "SELECTOR")]
    selector: Option<String>,
}

impl Schedule {
    pub(in crate::cli) async fn run(self, global: &Global) -> Outcome {
        match self {
            Self::Add(add) => add.run(global).await,
            Self::List => list(global).await,
            Self::Remove { name } => {
                global.client()?.remove_report_schedule(&name).await?;
                eprintln!("report {} is not sent any more", terminal(&name));
                Ok(Exit::Ok)
            }
        }
    }
}

impl Add {
    async fn run(self, global: &Global) -> Outcome {
        let period = self.period.map(|p| i64::try_from(p.as_millis()));
        let period_ms = period.transpose().map_err(|_| Problem::usage("the period is too long"))?;
        let document = Document {
            name: self.name.clone(),
            report: self.report,
            when: self.when,
            to: self.webhook.map_or(json!("file"), |url| json!({ "webhook": url })),
            format: self.format,
            period_ms,
            compare: self.compare,
            by: self.by,
            selector: self.selector,
            ..Document::default()
        };
        let client = global.client()?;
        client.put_report_schedule(&document).await?;
        let all = client.report_schedules().await?;
        let next = all.iter().find(|s| s.name == self.name).and_then(|s| s.next_ms);
        let due = next.map(|at| format!("; it is due at {}", show_time(at))).unwrap_or_default();
        eprintln!("report {} is sent by itself{due}", terminal(&self.name));
        Ok(Exit::Ok)
    }
}

async fn list(global: &Global) -> Outcome {
    let columns = ["name", "report", "when", "to", "format", "next", "last", "outcome"].map(Column::left);
    let mut l = Listing::new("report-schedules/1", columns.to_vec());
    for s in global.client()?.report_schedules().await? {
        let to = s.to.get("webhook").and_then(|url| url.as_str()).unwrap_or("file").to_owned();
        let next = s.next_ms.map(show_time).unwrap_or_default();
        let (last, outcome) = match &s.last {
            Some(run) => (show_time(run.due_ms), run.outcome.clone()),
            None => ("never".to_owned(), String::new()),
        };
        let row = [&s.name, &s.report, &s.when, &to, &s.format, &next, &last, &outcome].map(Cell::text);
        let item = json!({
            "name": s.name, "report": s.report, "when": s.when, "to": s.to, "format": s.format, "next_ms": s.next_ms,
            "period_ms": s.period_ms, "compare": s.compare, "by": s.by, "selector": s.selector, "last": s.last,
        });
        l.push(row.to_vec(), item);
    }
    if l.rows.is_empty() {
        eprintln!(
            "no schedules; make one with `plimsoll report schedule add NAME --report tokens --when daily`"
        );
    }
    l.print(global.output)?;
    Ok(Exit::Ok)
}
