use super::exit::{Exit, Problem};
use super::output::{Cell, Column, Listing, say};
use super::{Global, Outcome, escape};
use serde_json::json;
use std::path::{Path, PathBuf};

const CHECK_EXAMPLES: &str = "\
Examples:
  plimsoll scrape check prometheus.yml

Needs no node. Exit code 3: the file has faults; each is named with its place.";

const APPLY_EXAMPLES: &str = "\
Examples:
  plimsoll scrape apply prometheus.yml
  plimsoll scrape apply prometheus.yml --dry-run        # what the node says of it

The document replaces the one that was applied before, on all nodes. Files that it names must have absolute paths and
lie on every node.";

const SHOW_EXAMPLES: &str = "\
Examples:
  plimsoll scrape show                                  # where documents come from, and their jobs
  plimsoll scrape show applied > scrape.yml             # one of them, secrets included";

const REMOVE_EXAMPLES: &str = "\
Examples:
  plimsoll scrape remove";

pub(super) const TARGETS_EXAMPLES: &str = "\
Examples:
  plimsoll targets
  plimsoll targets --job node --down
  plimsoll targets -o json

Exit code 4: a target is down.";

/// Commands of `plimsoll scrape`.
#[derive(clap::Subcommand, Clone, Debug)]
pub enum Scrape {
    /// Check a file with scrape_configs without a node.
    #[command(after_help = CHECK_EXAMPLES)]
    Check {
        /// The YAML file.
        file: PathBuf,
    },
    /// Have the cluster scrape what a file says, instead of what was applied before.
    #[command(after_help = APPLY_EXAMPLES)]
    Apply {
        /// The YAML file.
        file: PathBuf,
        /// Change nothing; say what is wrong with it.
        #[arg(long)]
        dry_run: bool,
    },
    /// Show the documents that hold, or the text of one.
    #[command(after_help = SHOW_EXAMPLES)]
    Show {
        /// `applied`, or `file/N` for the file of node N.
        source: Option<String>,
    },
    /// Take the applied document back.
    #[command(after_help = REMOVE_EXAMPLES)]
    Remove,
}

/// Arguments of `plimsoll targets`.
#[derive(clap::Args, Clone, Debug)]
pub struct Targets {
    /// Only targets of this job.
    #[arg(long, value_name = "JOB")]
    job: Option<String>,
    /// Only targets that are down.
    #[arg(long)]
    down: bool,
}

impl Scrape {
    pub(super) async fn run(self, global: &Global) -> Outcome {
        match self {
            Self::Check { file } => check(&file),
            Self::Apply { file, dry_run } => {
                let answer = global.client()?.apply_scrape_config(&read(&file)?, dry_run).await?;
                warn(&answer.warnings);
                let jobs: Vec<String> =
                    answer.data.jobs.iter().map(|job| escape::terminal(job).to_string()).collect();
                let done = if dry_run { "checked, nothing is changed" } else { "applied" };
                eprintln!("{done}: {} jobs ({})", jobs.len(), jobs.join(", "));
                Ok(Exit::Ok)
            }
            Self::Show { source } => show(global, source.as_deref()).await,
            Self::Remove => {
                global.client()?.remove_scrape_config().await?;
                eprintln!("removed; files of nodes hold on");
                Ok(Exit::Ok)
            }
        }
    }
}

fn read(file: &Path) -> Result<String, Problem> {
    std::fs::read_to_string(file).map_err(|e| Problem::usage(format!("cannot read {}: {e}", file.display())))
}

fn warn(warnings: &[String]) {
    for warning in warnings {
        eprintln!("warning: {}", escape::terminal(warning));
    }
}

fn check(file: &Path) -> Outcome {
    match plimsoll_scrape::parse(&read(file)?) {
        Ok(config) => {
            warn(&config.warnings.iter().map(|w| w.0.clone()).collect::<Vec<_>>());
            say(&format!("{}: {} jobs, no faults\n", file.display(), config.jobs.len()))?;
            Ok(Exit::Ok)
        }
        Err(problems) => {
            for problem in &problems {
                eprintln!("{}: {}", file.display(), escape::terminal(&problem.to_string()));
            }
            Ok(Exit::Lint)
        }
    }
}

async fn show(global: &Global, source: Option<&str>) -> Outcome {
    let documents = global.client()?.scrape_configs().await?;
    if let Some(source) = source {
        let found = documents.iter().find(|d| d.source == source);
        let found = found.ok_or_else(|| {
            Problem::fail(format!("there is no document `{source}`")).next("plimsoll scrape show")
        })?;
        say(&found.yaml)?;
        return Ok(Exit::Ok);
    }
    let columns = vec![Column::left("source"), Column::right("epoch"), Column::left("jobs")];
    let mut l = Listing::new("scrape_documents/1", columns);
    for document in &documents {
        let config = plimsoll_scrape::parse(&document.yaml).unwrap_or_default();
        let jobs: Vec<&str> = config.jobs.iter().map(|job| job.name.as_str()).collect();
        let row = vec![
            Cell::text(&document.source),
            Cell::text(document.epoch.to_string()),
            Cell::text(jobs.join(" ")),
        ];
        l.push(row, json!({"source": document.source, "epoch": document.epoch, "jobs": jobs}));
    }
    if l.rows.is_empty() {
        eprintln!("nothing is scraped but the nodes themselves; try `plimsoll scrape apply FILE`");
    }
    l.print(global.output)?;
    Ok(Exit::Ok)
}

impl Targets {
    pub(super) async fn run(self, global: &Global) -> Outcome {
        let answer = global.client()?.scrape_targets(self.job.as_deref()).await?;
        warn(&answer.warnings);
        let columns = vec![
            Column::left("job"),
            Column::left("instance"),
            Column::left("health"),
            Column::right("node"),
            Column::right("samples"),
            Column::right("seconds"),
            Column::left("last scrape").wide(),
            Column::left("url").wide(),
            Column::left("labels").wide(),
            Column::left("error"),
        ];
        let mut l = Listing::new("targets/1", columns);
        let (targets, dropped) = answer.data;
        let mut down = 0;
        for target in &targets {
            down += usize::from(target.health == "down");
            if self.down && target.health != "down" {
                continue;
            }
            let text = |text: &str| Cell::text(text);
            let labels: Vec<String> =
                target.labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
            let row = vec![
                text(&target.scrape_pool),
                text(target.labels.get("instance").map_or("", String::as_str)),
                text(&target.health),
                text(&target.node.map(|n| n.to_string()).unwrap_or_default()),
                Cell::count(target.samples),
                Cell::shown(target.last_scrape_duration, format!("{:.3}", target.last_scrape_duration)),
                text(&target.last_scrape),
                text(&target.scrape_url),
                text(&labels.join(", ")),
                text(&target.last_error),
            ];
            l.push(row, json!(target));
        }
        if targets.is_empty() {
            eprintln!("no targets; try `plimsoll scrape apply FILE`");
        } else {
            let dropped: u64 = dropped.values().sum();
            eprintln!("{} targets, {down} down, {dropped} dropped by relabelling", targets.len());
        }
        l.print(global.output)?;
        Ok(if down > 0 { Exit::Degraded } else { Exit::Ok })
    }
}
