use super::exit::{Exit, Problem};
use super::output::{Cell, Column, Format, Listing, say};
use super::units::{moment, now, show_time};
use super::{Global, Outcome};
use crate::{AgentMapping, CostQuestion};
use serde_json::json;
use std::io::Read;
use std::path::{Path, PathBuf};

const MAPPING_EXAMPLES: &str = "\
Examples:
  plimsoll agents mapping show > mapping.toml
  plimsoll agents mapping check mapping.toml
  plimsoll agents mapping apply mapping.toml
  plimsoll agents mapping reset               # back to the built-in one";

const COST_EXAMPLES: &str = "\
Examples:
  plimsoll agents cost --by model
  plimsoll agents cost --start now-30d --by team --by model -o csv
  plimsoll agents cost --start 2026-10-01 --end 2026-11-01 --prices next-year.toml --match '{provider=\"openai\"}'";

const STATUS_EXAMPLES: &str = "\
Examples:
  plimsoll agents status
  plimsoll agents status -o json";

const REWORK_EXAMPLES: &str = "\
Examples:
  plimsoll prices apply prices.toml && plimsoll agents rework --from now-7d";

/// Commands of `plimsoll agents`.
#[derive(clap::Subcommand, Clone, Debug)]
pub enum Agents {
    /// Show, check or change how names of agent telemetry become canonical ones.
    #[command(subcommand, after_help = MAPPING_EXAMPLES)]
    Mapping(Mapping),
    /// Show how far the work on agent telemetry is.
    #[command(after_help = STATUS_EXAMPLES)]
    Status,
    /// Compute what tokens cost by a price book, whatever book held when they were used.
    #[command(after_help = COST_EXAMPLES)]
    Cost(Cost),
    /// Work again on all since a time, by the mapping and the prices that hold now.
    #[command(after_help = REWORK_EXAMPLES)]
    Rework {
        /// The time.
        #[arg(long, value_name = "TIME")]
        from: String,
    },
}

/// Commands of `plimsoll agents mapping`.
#[derive(clap::Subcommand, Clone, Debug)]
pub enum Mapping {
    /// Print the mapping that holds, as TOML.
    Show,
    /// Check a mapping and change nothing.
    Check {
        /// The file; `-` is stdin.
        file: PathBuf,
    },
    /// Make a mapping the one that holds.
    Apply {
        /// The file; `-` is stdin.
        file: PathBuf,
    },
    /// Go back to the built-in mapping.
    Reset,
}

/// Arguments of `agents cost`.
#[derive(clap::Args, Clone, Debug)]
pub struct Cost {
    /// After this time.
    #[arg(long, default_value = "now-1d", value_name = "TIME")]
    start: String,
    /// Up to this time.
    #[arg(long, default_value = "now", value_name = "TIME")]
    end: String,
    /// Split by this label; several are allowed.
    #[arg(long, value_name = "LABEL")]
    by: Vec<String>,
    /// Only tokens whose labels are so.
    #[arg(long = "match", value_name = "SELECTOR")]
    selectors: Vec<String>,
    /// A file with another price book than the one that holds.
    #[arg(long, value_name = "FILE")]
    prices: Option<PathBuf>,
}

impl Agents {
    pub(super) async fn run(self, global: &Global) -> Outcome {
        match self {
            Self::Mapping(mapping) => mapping.run(global).await,
            Self::Status => status(global).await,
            Self::Cost(cost) => cost.run(global).await,
            Self::Rework { from } => {
                let from = moment(&from, now()).map_err(Problem::usage)?;
                global.client()?.rework_agents(from).await?;
                eprintln!(
                    "all since {} is worked on again; follow it with `plimsoll agents status`",
                    show_time(from)
                );
                Ok(Exit::Ok)
            }
        }
    }
}

impl Mapping {
    async fn run(self, global: &Global) -> Outcome {
        let client = global.client()?;
        let (mapping, what) = match self {
            Self::Show => {
                let mapping = client.agent_mapping().await?;
                if matches!(global.output, Format::Table | Format::Wide) {
                    say(&mapping.text)?;
                    return Ok(Exit::Ok);
                }
                (mapping, "holds")
            }
            Self::Check { file } => (client.check_agent_mapping(&read(&file)?).await?, "is sound"),
            Self::Apply { file } => {
                (client.apply_agent_mapping(Some(&read(&file)?)).await?, "holds from now on")
            }
            Self::Reset => (client.apply_agent_mapping(None).await?, "holds from now on"),
        };
        tell(&mapping, what, global)
    }
}

fn tell(mapping: &AgentMapping, what: &str, global: &Global) -> Outcome {
    let mut l = Listing::new("agent-mapping/1", vec![Column::left("source"), Column::right("rules")]);
    l.head.insert("revision".into(), json!(mapping.revision));
    l.head.insert("sessions".into(), json!(mapping.sessions));
    for source in &mapping.sources {
        l.push(vec![Cell::text(&source.name), Cell::count(source.rules as u64)], json!(source));
    }
    l.print(global.output)?;
    eprintln!("mapping {} {what}", super::escape::terminal(&mapping.revision));
    Ok(Exit::Ok)
}

/// The text of a file, or of stdin.
pub(super) fn read(file: &Path) -> Result<String, Problem> {
    let text = if file == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        std::fs::read_to_string(file)
    };
    text.map_err(|e| Problem::usage(format!("cannot read {}: {e}", file.display())))
}

async fn status(global: &Global) -> Outcome {
    let status = global.client()?.agent_status().await?;
    let columns = ["settled", "reached", "trouble"].map(Column::left);
    let counts = ["node", "duty of", "series", "samples", "written", "passes", "returns"].map(Column::right);
    let mut l = Listing::new("agent-status/1", counts.into_iter().chain(columns).collect());
    let time = |ms: i64| if status.mine { show_time(ms) } else { String::new() };
    let counts = [status.source_series, status.source_samples, status.written, status.passes, status.returns];
    let mut row = vec![
        Cell::text(status.node.to_string()),
        Cell::text(status.duty_of_node.map(|n| n.to_string()).unwrap_or_default()),
    ];
    row.extend(counts.map(Cell::count));
    let texts =
        [time(status.settled_ms), time(status.reached_ms), status.trouble.clone().unwrap_or_default()];
    row.extend(texts.map(Cell::text));
    l.push(row, json!(status));
    l.print(global.output)?;
    if !status.mine {
        let node = status.duty_of_node.map_or("no node at present".to_owned(), |n| format!("node {n}"));
        eprintln!("the work is the duty of {node}: ask it for figures");
    }
    Ok(if status.trouble.is_some() { Exit::Degraded } else { Exit::Ok })
}

impl Cost {
    async fn run(self, global: &Global) -> Outcome {
        let at = now();
        let question = CostQuestion {
            start_ms: moment(&self.start, at).map_err(Problem::usage)?,
            end_ms: moment(&self.end, at).map_err(Problem::usage)?,
            selectors: self.selectors,
            by: self.by,
            book: self.prices.as_deref().map(read).transpose()?,
        };
        let answer = global.client()?.token_cost(&question).await?;
        let mut columns: Vec<Column> = question.by.iter().map(Column::left).collect();
        columns.extend(["tokens", "unpriced", "cost_usd"].map(Column::right));
        let mut l = Listing::new("token-cost/1", columns);
        l.head.insert("price_rev".into(), json!(answer.price_rev));
        for group in &answer.groups {
            let mut row: Vec<Cell> = question
                .by
                .iter()
                .map(|b| Cell::text(group.labels.get(b).cloned().unwrap_or_default()))
                .collect();
            row.extend([Cell::value(group.tokens), Cell::value(group.unpriced_tokens)]);
            row.push(Cell::text(&group.cost_usd));
            l.push(row, json!(group));
        }
        l.print(global.output)?;
        eprintln!("by price book {}", super::escape::terminal(&answer.price_rev));
        Ok(Exit::Ok)
    }
}
