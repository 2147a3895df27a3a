use super::super::exit::Exit;
use super::super::output::{Cell, Column, Listing};
use super::super::units::show_time;
use super::super::{Global, Outcome};
use super::refusal;
use crate::Client;
use serde_json::json;

pub(super) const EXAMPLES: &str = "\
Examples:
  plimsoll cluster log
  plimsoll cluster log --limit 1000 -o csv";

/// Arguments of `cluster log`.
#[derive(clap::Args, Clone, Debug)]
pub struct Log {
    /// At most so many changes.
    #[arg(long, default_value_t = 50, value_name = "N")]
    limit: u64,
}

impl Log {
    pub(super) async fn run(self, global: &Global, client: &Client) -> Outcome {
        let entries = client.cluster_log(self.limit).await.map_err(refusal("plimsoll cluster status"))?;
        let columns = vec![
            Column::right("epoch"),
            Column::left("time"),
            Column::left("author"),
            Column::left("change"),
        ];
        let mut l = Listing::new("cluster-log/1", columns);
        for e in entries {
            let row = vec![
                Cell::text(e.epoch.to_string()),
                Cell::text(show_time(e.at_ms)),
                Cell::text(&e.author),
                Cell::text(&e.what),
            ];
            l.push(row, json!(e));
        }
        l.print(global.output)?;
        Ok(Exit::Ok)
    }
}
