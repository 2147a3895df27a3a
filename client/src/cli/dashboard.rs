use super::exit::{Exit, Problem};
use super::output::{Cell, Column, Format, Listing, say};
use super::units::show_time;
use super::{Global, Outcome};
use crate::DashboardImport;
use bytes::Bytes;
use serde_json::json;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Bytes of a file that is read: more is no dashboard, and the node refuses less.
const MOST_BYTES: u64 = 8 << 20;

const LIST_EXAMPLES: &str = "\
Examples:
  plimsoll dashboard list
  plimsoll dashboard list -o jsonl";

const IMPORT_EXAMPLES: &str = "\
Examples:
  plimsoll dashboard import mine.json
  plimsoll dashboard import grafana-1860.json --id node-exporter
  plimsoll dashboard import mine.json --dry-run
  plimsoll dashboard export overview | plimsoll dashboard import - --id my-overview";

const EXPORT_EXAMPLES: &str = "\
Examples:
  plimsoll dashboard export overview > overview.json
  plimsoll dashboard export mine --to mine.json";

const REMOVE_EXAMPLES: &str = "\
Examples:
  plimsoll dashboard remove mine";

/// Commands of `plimsoll dashboard`.
#[derive(clap::Subcommand, Clone, Debug)]
pub enum Dashboard {
    /// List the dashboards: those that came with the program and those that were saved.
    #[command(after_help = LIST_EXAMPLES)]
    List,
    /// Bring a dashboard in: JSON that was exported here, or by Grafana.
    #[command(after_help = IMPORT_EXAMPLES)]
    Import {
        /// The file; `-` is stdin.
        file: PathBuf,
        /// Name it so; without it the name follows from its title, with a number where that is taken.
        #[arg(long)]
        id: Option<String>,
        /// Take the place of the one with the same id.
        #[arg(long)]
        replace: bool,
        /// Say what would come of it, and save nothing.
        #[arg(long)]
        dry_run: bool,
    },
    /// Print the JSON of a dashboard, or write it to a file.
    #[command(after_help = EXPORT_EXAMPLES)]
    Export {
        /// Its id.
        id: String,
        /// Write to this file.
        #[arg(long, value_name = "FILE")]
        to: Option<PathBuf>,
    },
    /// Remove a dashboard that was saved.
    #[command(after_help = REMOVE_EXAMPLES)]
    Remove {
        /// Its id.
        id: String,
    },
}

impl Dashboard {
    pub(super) async fn run(self, global: &Global) -> Outcome {
        match self {
            Self::List => list(global).await,
            Self::Import { file, id, replace, dry_run } => {
                import(global, &file, &DashboardImport { id, replace, dry_run }).await
            }
            Self::Export { id, to } => export(global, &id, to.as_deref()).await,
            Self::Remove { id } => {
                global.client()?.remove_dashboard(&id).await?;
                eprintln!("dashboard {} is removed", super::escape::terminal(&id));
                Ok(Exit::Ok)
            }
        }
    }
}

async fn list(global: &Global) -> Outcome {
    let mut columns = ["id", "title"].map(Column::left).to_vec();
    columns.push(Column::right("panels"));
    columns.extend(["kept by", "changed"].map(Column::left));
    columns.push(Column::left("shows").wide());
    let mut l = Listing::new("dashboards/1", columns);
    for d in global.client()?.dashboards().await? {
        let by = d.author.clone().unwrap_or_else(|| "built in".to_owned());
        let changed = d.updated_ms.map(show_time).unwrap_or_default();
        let mut row = [d.id.as_str(), &d.title].map(Cell::text).to_vec();
        row.push(Cell::count(d.panels));
        row.extend([by.as_str(), &changed, &d.description].map(Cell::text));
        l.push(row, json!(d));
    }
    l.print(global.output)?;
    Ok(Exit::Ok)
}

async fn import(global: &Global, file: &Path, how: &DashboardImport) -> Outcome {
    let json = read(file)?;
    let imported = global.client()?.import_dashboard(json, how).await?;
    match global.output {
        Format::Table | Format::Wide => {
            let verb = if imported.saved { "imported" } else { "would be imported" };
            let (id, title) =
                (super::escape::terminal(&imported.id), super::escape::terminal(&imported.title));
            say(&format!("{id}: {title:?} {verb}, {} panels\n", imported.panels))?;
            for left in &imported.left_out {
                let (panel, reason) =
                    (super::escape::terminal(&left.panel), super::escape::terminal(&left.reason));
                eprintln!("  {panel}: {reason}");
            }
        }
        format => {
            let columns = ["id", "title"].map(Column::left).to_vec();
            let mut l = Listing::new("dashboard-import/1", columns);
            let row = [imported.id.as_str(), &imported.title].map(Cell::text).to_vec();
            l.push(row, json!(imported));
            l.print(format)?;
        }
    }
    Ok(Exit::Ok)
}

fn read(file: &Path) -> Result<Bytes, Problem> {
    let name = file.display();
    let failed = |e: std::io::Error| Problem::usage(format!("cannot read {name}: {e}"));
    let mut bytes = Vec::new();
    if file == Path::new("-") {
        std::io::stdin().lock().take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    } else {
        let open = std::fs::File::open(file).map_err(failed)?;
        open.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    }
    if bytes.len() as u64 > MOST_BYTES {
        return Err(Problem::usage(format!("{name} has more than {MOST_BYTES} bytes: that is no dashboard")));
    }
    Ok(bytes.into())
}

async fn export(global: &Global, id: &str, to: Option<&Path>) -> Outcome {
    let mut dashboard = global.client()?.dashboard(id).await?;
    if let Some(fields) = dashboard.as_object_mut() {
        fields.remove("built_in");
    }
    let text = format!("{dashboard:#}\n");
    match to {
        None => say(&text)?,
        Some(file) => std::fs::write(file, text)
            .map_err(|e| Problem::fail(format!("cannot write {}: {e}", file.display())))?,
    }
    Ok(Exit::Ok)
}
