//! One leader a group and term.

use plimsoll_consensus::GroupId;
use plimsoll_model::NodeId;
use std::collections::BTreeMap;

/// Who was seen to lead.
#[derive(Default)]
pub struct Leaders {
    by_term: BTreeMap<(GroupId, u64), NodeId>,
}

impl Leaders {
    /// `node` leads `group` in `term`.
    pub fn saw(&mut self, group: GroupId, term: u64, node: NodeId) -> Result<(), String> {
        let first = *self.by_term.entry((group, term)).or_insert(node);
        if first == node {
            return Ok(());
        }
        Err(format!("two leaders: {first} and {node} both lead {group} in term {term}"))
    }

    /// How many leaderships there were.
    pub fn count(&self) -> usize {
        self.by_term.len()
    }
}
