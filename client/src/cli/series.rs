use super::labels::Narrow;
use super::output::{Cell, Column, Format, Listing, json_labels, warn};
use super::{Global, Outcome, exit::Exit};

pub(super) const EXAMPLES: &str = "\
Examples:
  plimsoll series active_loops
  plimsoll series '{loop_type=\"plan\"}' --start now-1h
  plimsoll series '{__name__=~\"llm_.*\"}' -o jsonl";

/// Arguments of `series`.
#[derive(clap::Args, Clone, Debug)]
pub struct Series {
    /// Selectors; a series of any of them is listed.
    #[arg(required = true, value_name = "SELECTOR")]
    matchers: Vec<String>,
    #[command(flatten)]
    narrow: Narrow,
}

impl Series {
    pub(super) async fn run(self, global: &Global) -> Outcome {
        let selection = self.narrow.selection(self.matchers)?;
        let answer = global.client()?.series(&selection).await?;
        warn("warning", &answer.warnings);
        if answer.data.is_empty() && matches!(global.output, Format::Table | Format::Wide) {
            eprintln!("no series: see what there is with `plimsoll labels __name__`");
            return Ok(Exit::Ok);
        }
        let mut l = Listing::new("series/1", vec![Column::left("series")]);
        for labels in &answer.data {
            l.push(vec![Cell::text(labels.to_string())], json_labels(labels));
        }
        l.print(global.output)?;
        Ok(Exit::Ok)
    }
}
