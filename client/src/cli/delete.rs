use super::exit::{Exit, Problem};
use super::output::{Cell, Column, Listing};
use super::units::{moment, now, show_bytes, show_count, show_time};
use super::{Global, Outcome};
use crate::{Client, DeletionJob, Selection};
use serde_json::json;
use std::time::Duration;

pub(super) const EXAMPLES: &str = "\
Examples:
  plimsoll delete '{job=\"debug\"}'                      # says what would go, and deletes nothing
  plimsoll delete '{job=\"debug\"}' --yes                # deletes all of it, and waits until it is gone
  plimsoll delete up --from now-2h --to now-1h --yes
  plimsoll delete list";

/// Between two looks at the progress of a deletion.
const LOOK: Duration = Duration::from_millis(500);

/// Arguments of `delete`.
#[derive(clap::Args, Clone, Debug)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Delete {
    #[command(subcommand)]
    what: Option<What>,
    /// Selectors; samples of series of any of them go.
    #[arg(required = true, value_name = "SELECTOR")]
    matchers: Vec<String>,
    /// Only samples from here on: now-1h, 2026-01-31T12:00:00Z or Unix seconds.
    #[arg(long, allow_hyphen_values = true, value_name = "TIME")]
    from: Option<String>,
    /// Only samples up to here.
    #[arg(long, allow_hyphen_values = true, value_name = "TIME")]
    to: Option<String>,
    /// Delete; without it the command only says what would go.
    #[arg(long)]
    yes: bool,
    /// Do not wait until it is done in every shard.
    #[arg(long, requires = "yes")]
    no_wait: bool,
}

/// Commands of `plimsoll delete`.
#[derive(clap::Subcommand, Clone, Debug)]
enum What {
    /// List the deletions under way and of the past.
    List,
}

impl Delete {
    pub(super) async fn run(self, global: &Global) -> Outcome {
        if let Some(What::List) = self.what {
            return list(global, &global.client()?.deletions().await?);
        }
        let now = now();
        let read =
            |t: &Option<String>| t.as_deref().map(|t| moment(t, now)).transpose().map_err(Problem::usage);
        let (start, end) = (read(&self.from)?, read(&self.to)?);
        if start > end && end.is_some() {
            return Err(Problem::usage("--to lies before --from"));
        }
        let selection = Selection { matchers: self.matchers, start, end, limit: None };
        if !self.yes {
            let would = global.client()?.would_delete(&selection).await?;
            let columns = vec![Column::right("series"), Column::right("about bytes")];
            let mut l = Listing::new("would-delete/1", columns);
            let row = vec![
                Cell::shown(would.series, show_count(would.series)),
                Cell::shown(would.bytes, show_bytes(would.bytes)),
            ];
            l.push(row, json!(would));
            l.print(global.output)?;
            eprintln!("nothing was deleted; add --yes to delete it");
            return Ok(Exit::Ok);
        }
        let client = global.cluster_client()?;
        let job = client.delete_series(&selection).await?;
        let job = if self.no_wait { job } else { wait(&client, job).await? };
        let failed = job.state == "failed";
        list(global, &[job])?;
        Ok(if failed { Exit::Fail } else { Exit::Ok })
    }
}

/// Waits until the job has ended; what it waits for is told once.
async fn wait(client: &Client, mut job: DeletionJob) -> Result<DeletionJob, Problem> {
    let mut told = None;
    while job.finished_ms.is_none() {
        if job.trouble != told {
            if let Some(trouble) = &job.trouble {
                eprintln!("deletion {} waits: {}", job.id, super::escape::terminal(trouble));
            }
            told.clone_from(&job.trouble);
        }
        tokio::time::sleep(LOOK).await;
        let id = job.id;
        let found = client.deletions().await?.into_iter().find(|known| known.id == id);
        // the node that was asked may hear of it a moment later than the one that took it
        job = found.unwrap_or(job);
    }
    Ok(job)
}

fn list(global: &Global, jobs: &[DeletionJob]) -> Outcome {
    let columns = vec![
        Column::left("id"),
        Column::left("state"),
        Column::right("shards"),
        Column::right("series"),
        Column::left("match"),
        Column::left("from"),
        Column::left("to"),
        Column::left("by"),
        Column::left("when"),
        Column::left("trouble").wide(),
    ];
    let mut l = Listing::new("deletions/1", columns);
    for job in jobs {
        let row = vec![
            Cell::text(job.id.to_string()),
            Cell::text(&job.state),
            Cell::text(format!("{}/{}", job.shards_done, job.shards)),
            Cell::shown(job.series, show_count(job.series)),
            Cell::text(job.matchers.join(" ")),
            Cell::text(job.start_ms.map(show_time).unwrap_or_default()),
            Cell::text(job.end_ms.map(show_time).unwrap_or_default()),
            Cell::text(&job.by),
            Cell::text(show_time(job.created_ms)),
            Cell::text(job.trouble.as_deref().unwrap_or_default()),
        ];
        l.push(row, json!(job));
    }
    if jobs.is_empty() {
        eprintln!("no deletions");
    }
    l.print(global.output)?;
    Ok(Exit::Ok)
}
