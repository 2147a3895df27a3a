//! Which rows of two sides meet, found once for all steps.

use super::frame::Row;
use crate::ast::Matching;
use crate::plan::Grouping;
use plimsoll_model::Labels;
use std::collections::HashMap;

/// Match groups: rows with the same labels to match on.
pub(super) struct JoinPlan {
    /// The labels of each match group.
    pub(super) keys: Vec<Labels>,
    /// The match group of each row of the left side.
    pub(super) left: Vec<usize>,
    /// The match group of each row of the right side.
    pub(super) right: Vec<usize>,
}

impl JoinPlan {
    pub(super) fn new(matching: &Matching, left: &[Row], right: &[Row]) -> Self {
        let mut labels = matching.labels.clone();
        labels.sort_unstable();
        labels.dedup();
        let grouping = Grouping { without: !matching.on, labels };
        let mut index: HashMap<Labels, usize> = HashMap::new();
        let mut keys = Vec::new();
        let mut side = |rows: &[Row]| -> Vec<usize> {
            rows.iter()
                .map(|row| {
                    *index.entry(grouping.key(&row.labels)).or_insert_with_key(|key| {
                        keys.push(key.clone());
                        keys.len() - 1
                    })
                })
                .collect()
        };
        let (left, right) = (side(left), side(right));
        Self { keys, left, right }
    }

    /// The rows of each match group.
    pub(super) fn members(&self, of_row: &[usize]) -> Vec<Vec<usize>> {
        let mut out = vec![Vec::new(); self.keys.len()];
        for (row, group) in of_row.iter().enumerate() {
            out[*group].push(row);
        }
        out
    }
}
