//! `info()`: labels of info metrics are joined to the series that they identify by `instance` and `job`.

use super::Context;
use super::frame::{Frame, Row, same_labels};
use crate::error::Error;
use crate::plan::{Grid, Info};
use crate::regex::CompiledMatcher;
use plimsoll_model::{Labels, METRIC_NAME};
use std::collections::{BTreeMap, BTreeSet, HashMap};

const IDENTIFYING: [&str; 2] = ["instance", "job"];

/// The labels that identify what a series is about.
fn identity(labels: &Labels) -> Labels {
    labels.filter(|n| IDENTIFYING.contains(&n))
}

fn name_of(row: &Row) -> &str {
    row.labels.get(METRIC_NAME).unwrap_or("")
}

/// Info series by what they identify, then by their name.
type Index<'a> = HashMap<Labels, BTreeMap<&'a str, Vec<&'a Row>>>;

impl Context<'_> {
    pub(super) fn info(&self, info: &Info, grid: Grid) -> Result<Frame, Error> {
        let compile = |m| CompiledMatcher::new(m).map_err(Error::Evaluation);
        let names = info.name_matchers.iter().map(compile).collect::<Result<Vec<_>, _>>()?;
        let data = info.matchers.iter().map(compile).collect::<Result<Vec<_>, _>>()?;
        let base = self.frame(&info.input, grid)?;
        let metrics = self.frame(&info.metrics, grid)?;
        // Series that are info metrics themselves go through as they are.
        let is_info = |row: &Row| names.iter().all(|m| m.matches(name_of(row)));
        let wanted = |label: &str| -> BTreeSet<String> {
            let rows = base.rows.iter().filter(|r| !is_info(r));
            rows.filter_map(|r| r.labels.get(label).map(str::to_owned)).collect()
        };
        let values: Vec<(&str, BTreeSet<String>)> = IDENTIFYING.iter().map(|l| (*l, wanted(l))).collect();
        let mut index: Index<'_> = HashMap::new();
        if values.iter().any(|(_, v)| !v.is_empty()) {
            for row in &metrics.rows {
                let known = |(l, v): &(&str, BTreeSet<String>)| {
                    v.is_empty() || v.contains(row.labels.get(l).unwrap_or(""))
                };
                if !values.iter().all(known) {
                    continue;
                }
                if row.histograms.is_some() {
                    let message =
                        format!("this should be an info metric, with float samples: {}", row.labels);
                    return Err(Error::Evaluation(message));
                }
                index.entry(identity(&row.labels)).or_default().entry(name_of(row)).or_default().push(row);
            }
        }
        check_unique(&index, grid)?;
        let may_be_missing = data.iter().all(|m| m.matches(""));
        let mut out = Frame::new(grid.steps);
        let mut rows: HashMap<Labels, usize> = HashMap::new();
        for row in &base.rows {
            if is_info(row) {
                put_all(row, &mut out, &mut rows)?;
                continue;
            }
            let found = index.get(&identity(&row.labels));
            for step in (0..grid.steps).filter(|s| row.has(*s)) {
                let mut labels = row.labels.clone();
                let mut added: BTreeMap<&str, &str> = BTreeMap::new();
                let mut seen = false;
                for newest in found.iter().flat_map(|f| f.values()).filter_map(|rows| newest(rows, step)) {
                    seen = true;
                    for (name, value) in newest.labels.iter().filter(|(n, _)| *n != METRIC_NAME) {
                        if !data.is_empty() && !data.iter().any(|m| m.name == name) {
                            continue;
                        }
                        if added.get(name).is_some_and(|v| *v != value) {
                            return Err(Error::Evaluation(format!("conflicting label: {name}")));
                        }
                        if row.labels.get(name).is_none() {
                            added.insert(name, value);
                        }
                    }
                }
                if !seen && !may_be_missing {
                    continue;
                }
                for (name, value) in added {
                    labels = labels.with(name, value);
                }
                put(row, step, labels, &mut out, &mut rows)?;
            }
        }
        Ok(out)
    }
}

/// The info series whose sample is the newest: the values are the samples' timestamps.
fn newest<'a>(rows: &[&'a Row], step: usize) -> Option<&'a Row> {
    let present = rows.iter().copied().filter(|r| r.present.get(step));
    present.max_by(|a, b| a.values[step].total_cmp(&b.values[step]))
}

fn check_unique(index: &Index<'_>, grid: Grid) -> Result<(), Error> {
    for rows in index.values().flat_map(|names| names.values()).filter(|rows| rows.len() > 1) {
        for step in 0..grid.steps {
            let Some(best) = newest(rows, step) else { continue };
            let same = |r: &&&Row| r.present.get(step) && r.values[step] == best.values[step];
            let equal: Vec<_> = rows.iter().filter(same).collect();
            if let [a, b, ..] = equal.as_slice() {
                let at = (best.values[step] * 1000.0) as i64;
                return Err(Error::Evaluation(format!(
                    "found duplicate series for info metric: existing {} @ {at}, new {} @ {at}",
                    a.labels, b.labels
                )));
            }
        }
    }
    Ok(())
}

fn put_all(row: &Row, out: &mut Frame, rows: &mut HashMap<Labels, usize>) -> Result<(), Error> {
    for step in (0..out.steps).filter(|s| row.has(*s)) {
        put(row, step, row.labels.clone(), out, rows)?;
    }
    Ok(())
}

fn put(
    from: &Row,
    step: usize,
    labels: Labels,
    out: &mut Frame,
    rows: &mut HashMap<Labels, usize>,
) -> Result<(), Error> {
    let steps = out.steps;
    let at = *rows.entry(labels).or_insert_with_key(|labels| {
        let mut row = Row::empty(labels.clone(), steps);
        row.drop_name = from.drop_name;
        out.rows.push(row);
        out.rows.len() - 1
    });
    let row = &mut out.rows[at];
    if row.has(step) {
        return Err(same_labels());
    }
    match (from.float(step), from.histogram(step)) {
        (Some(v), _) => row.set(step, v),
        (None, Some(h)) => row.set_histogram(step, h.clone()),
        (None, None) => {}
    }
    Ok(())
}
