//! What is acknowledged is stored on a majority, and stays; what is refused never appears.

use crate::sim::model::Write;
use plimsoll_consensus::GroupId;
use plimsoll_model::NodeId;
use std::collections::{BTreeMap, BTreeSet};

/// What clients were told.
#[derive(Default)]
pub struct Acknowledged {
    /// Writes by group and by their place in its state, counted from 1.
    places: BTreeMap<GroupId, BTreeMap<u64, Write>>,
    /// Writes of which somebody was told that they were not done.
    refused: BTreeSet<Write>,
    submitted: BTreeMap<Write, GroupId>,
}

impl Acknowledged {
    /// A client begins to write.
    pub fn submit(&mut self, group: GroupId, write: Write) {
        self.submitted.insert(write, group);
    }

    /// A client was told that the write was not done, and will not be.
    pub fn refuse(&mut self, write: Write) {
        self.refused.insert(write);
    }

    /// A write is answered with success while `stored` of `voters` have it on disk.
    pub fn is_on_majority(&self, write: Write, voters: &[NodeId], stored: usize) -> Result<(), String> {
        if stored * 2 > voters.len() {
            return Ok(());
        }
        Err(format!("write {write} is acknowledged, but on the disks of {stored} of {} voters", voters.len()))
    }

    /// A write is answered with success as the `place`th of its group.
    pub fn acknowledge(&mut self, group: GroupId, write: Write, place: u64) -> Result<(), String> {
        match self.places.entry(group).or_default().insert(place, write) {
            None => Ok(()),
            Some(other) => {
                Err(format!("writes {other} and {write} are both acknowledged as number {place} of {group}"))
            }
        }
    }

    /// How far reads must see that begin now.
    pub fn newest(&self, group: GroupId) -> u64 {
        self.places.get(&group).and_then(|places| places.keys().next_back()).copied().unwrap_or(0)
    }

    /// Acknowledged writes of all groups.
    pub fn count(&self) -> usize {
        self.places.values().map(BTreeMap::len).sum()
    }

    /// Compares with what a replica holds in the end.
    pub fn compare(&self, group: GroupId, writes: &[Write]) -> Result<(), String> {
        for (place, write) in self.places.get(&group).into_iter().flatten() {
            let found = writes.get(*place as usize - 1);
            if found != Some(write) {
                return Err(format!(
                    "write {write} was acknowledged as number {place} of {group}, where {found:?} is"
                ));
            }
        }
        let mut seen = BTreeSet::new();
        for write in writes {
            if self.submitted.get(write) != Some(&group) {
                return Err(format!("{group} holds {write}, which nobody wrote there"));
            }
            if self.refused.contains(write) {
                return Err(format!("{group} holds {write}, of which was said that it was not done"));
            }
            if !seen.insert(write) {
                return Err(format!("{group} holds write {write} twice"));
            }
        }
        Ok(())
    }
}
