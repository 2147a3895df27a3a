//! Replicas with equal positions have equal content; so have replicas with equally many writes.

use crate::sim::model::Model;
use plimsoll_consensus::GroupId;
use std::collections::BTreeMap;

/// What replicas were seen to hold.
#[derive(Default)]
pub struct Content {
    /// Hash of a group's first writes, after each of them.
    chains: BTreeMap<GroupId, Vec<u64>>,
    /// How many writes a group has at a position.
    positions: BTreeMap<(GroupId, Vec<u8>), usize>,
}

impl Content {
    /// A replica covers `position`, and has just applied the writes after the first `before`.
    pub fn applied(
        &mut self,
        group: GroupId,
        position: &[u8],
        before: usize,
        model: &Model,
    ) -> Result<(), String> {
        let chain = self.chains.entry(group).or_default();
        for (number, hash) in model.chain().iter().enumerate().skip(before) {
            match chain.get(number) {
                Some(first) if first == hash => {}
                Some(_) => {
                    return Err(format!("replicas of {group} differ from write number {} on", number + 1));
                }
                None if number == chain.len() => chain.push(*hash),
                None => {
                    return Err(format!(
                        "a replica of {group} has write number {} before any other",
                        number + 1
                    ));
                }
            }
        }
        let writes = model.writes().len();
        let first = *self.positions.entry((group, position.to_vec())).or_insert(writes);
        if first == writes {
            return Ok(());
        }
        Err(format!("two replicas of {group} at one position have {first} and {writes} writes"))
    }
}
