use super::output::{Cell, Column, Listing, warn};
use super::units::{moment, now};
use super::{Global, Outcome, exit::Exit, exit::Problem};
use crate::Selection;
use serde_json::json;

pub(super) const EXAMPLES: &str = "\
Examples:
  plimsoll labels                                    # names of all labels
  plimsoll labels __name__                           # names of all metrics
  plimsoll labels loop_type --match 'active_loops'   # values of one label";

/// What narrows a list of labels or series.
#[derive(clap::Args, Clone, Debug)]
pub(super) struct Narrow {
    /// Only what has samples from here on: now-1h, 2026-01-31T12:00:00Z or Unix seconds.
    #[arg(long, allow_hyphen_values = true, value_name = "TIME")]
    start: Option<String>,
    /// Only what has samples up to here.
    #[arg(long, allow_hyphen_values = true, value_name = "TIME")]
    end: Option<String>,
    /// At most so many.
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
}

impl Narrow {
    pub fn selection(&self, matchers: Vec<String>) -> Result<Selection, Problem> {
        let now = now();
        let read =
            |t: &Option<String>| t.as_deref().map(|t| moment(t, now)).transpose().map_err(Problem::usage);
        Ok(Selection { matchers, start: read(&self.start)?, end: read(&self.end)?, limit: self.limit })
    }
}

/// Arguments of `labels`.
#[derive(clap::Args, Clone, Debug)]
pub struct Labels {
    /// A label; without it the names of all labels are listed.
    #[arg(value_name = "LABEL")]
    name: Option<String>,
    /// Only series of this selector; may be given several times.
    #[arg(long = "match", value_name = "SELECTOR")]
    matchers: Vec<String>,
    #[command(flatten)]
    narrow: Narrow,
}

impl Labels {
    pub(super) async fn run(self, global: &Global) -> Outcome {
        let selection = self.narrow.selection(self.matchers)?;
        let client = global.client()?;
        let (answer, column) = match &self.name {
            Some(name) => (client.label_values(name, &selection).await?, "value"),
            None => (client.labels(&selection).await?, "label"),
        };
        warn("warning", &answer.warnings);
        let mut l = Listing::new("labels/1", vec![Column::left(column)]);
        l.head.insert("label".into(), json!(self.name));
        for text in answer.data {
            l.push(vec![Cell::text(&text)], json!(text));
        }
        l.print(global.output)?;
        Ok(Exit::Ok)
    }
}
