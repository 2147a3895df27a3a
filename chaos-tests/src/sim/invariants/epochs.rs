//! Epochs of the ownership metadata only grow, and the metadata of an epoch is the same everywhere.

use plimsoll_ownership::State;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hasher};

/// Metadata that was seen.
#[derive(Default)]
pub struct Epochs {
    /// Hash of the state of each epoch.
    states: BTreeMap<u64, u64>,
    /// The newest epoch of each host since its last start.
    newest: BTreeMap<usize, u64>,
}

impl Epochs {
    /// A host starts: it may show older metadata than before its crash.
    pub fn restarted(&mut self, host: usize) {
        self.newest.remove(&host);
    }

    /// A host has this state.
    pub fn saw(&mut self, host: usize, state: &State) -> Result<(), String> {
        let epoch = state.epoch().0;
        let newest = self.newest.entry(host).or_insert(epoch);
        if *newest > epoch {
            return Err(format!("host {host} goes back from epoch {newest} to {epoch}"));
        }
        let first_look = *newest < epoch || !self.states.contains_key(&epoch);
        *newest = epoch;
        if !first_look {
            return Ok(());
        }
        let mut hasher = DefaultHasher::new();
        hasher.write(&state.encode());
        let hash = hasher.finish();
        if *self.states.entry(epoch).or_insert(hash) == hash {
            return Ok(());
        }
        Err(format!("host {host} has other metadata of epoch {epoch} than another host had"))
    }
}
