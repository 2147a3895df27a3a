//! A read sees everything that was acknowledged before it began, by lease and by asking a majority alike.

use plimsoll_consensus::GroupId;
use plimsoll_model::NodeId;

/// A read of `group` on `node` saw `seen` writes, when `acknowledged` were acknowledged before it began.
pub fn sees(group: GroupId, node: NodeId, seen: u64, acknowledged: u64, how: &str) -> Result<(), String> {
    if seen >= acknowledged {
        return Ok(());
    }
    Err(format!(
        "a read by {how} on {node} saw {seen} writes of {group}, but {acknowledged} were acknowledged before"
    ))
}
