//! `label_replace` and `label_join`.

use super::frame::Frame;
use crate::error::Error;
use crate::plan::{LabelJoin, LabelReplace};
use crate::regex::Captures;
use plimsoll_model::METRIC_NAME;

/// Sets the label `target` where `source` matches. Rows that become equal are left to the caller.
pub(super) fn replace(r: &LabelReplace, frame: &mut Frame) -> Result<(), Error> {
    let regex = Captures::new(&r.regex).map_err(Error::Evaluation)?;
    // Neighbours often have the same value: the last one is remembered.
    let mut last: Option<(String, Option<String>)> = None;
    for row in &mut frame.rows {
        let value = row.labels.get(&r.source).unwrap_or("");
        if last.as_ref().is_none_or(|(v, _)| v != value) {
            last = Some((value.to_owned(), regex.expand(value, &r.replacement)));
        }
        if let Some((_, Some(new))) = &last {
            row.labels = row.labels.with(&r.target, new);
            if r.target == METRIC_NAME {
                row.drop_name = false;
            }
        }
    }
    Ok(())
}

/// Sets the label `target` to the values of other labels. Rows that become equal are left to the caller.
pub(super) fn join(j: &LabelJoin, frame: &mut Frame) -> Result<(), Error> {
    for row in &mut frame.rows {
        let values: Vec<&str> = j.sources.iter().map(|s| row.labels.get(s).unwrap_or("")).collect();
        row.labels = row.labels.with(&j.target, &values.join(&j.separator));
        if j.target == METRIC_NAME {
            row.drop_name = false;
        }
    }
    Ok(())
}
