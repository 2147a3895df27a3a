//! Which peers are alive: watched a node, not a group.

use super::Host;
use crate::sim::net::{Answer, Ask, Report};
use parking_lot::Mutex;
use plimsoll_model::NodeId;
use plimsoll_ownership::NodeState;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

const ROUND: Duration = Duration::from_millis(200);
/// As in the node: a group looks so long for a new leader.
const REPLACE_LIMIT: Duration = Duration::from_secs(3);
const ANSWER_LIMIT: Duration = Duration::from_millis(400);
/// A peer that was not heard for so long is taken for dead.
const SILENCE: Duration = Duration::from_millis(700);

/// What is known of peers.
#[derive(Default)]
pub struct View {
    peers: Mutex<BTreeMap<NodeId, (Instant, Report)>>,
}

impl View {
    /// Whether a peer was heard lately.
    pub fn is_alive(&self, node: NodeId) -> bool {
        self.peers.lock().get(&node).is_some_and(|(heard, _)| heard.elapsed() < SILENCE)
    }

    /// How long a peer has not been heard; long for one that never was.
    pub fn silent_for(&self, node: NodeId) -> Duration {
        self.peers.lock().get(&node).map_or(Duration::ZERO, |(heard, _)| heard.elapsed())
    }

    /// The voters of a shard as its leader, one of the peers, says.
    pub fn voters_of(&self, shard: u16) -> Option<(NodeId, Vec<NodeId>)> {
        let peers = self.peers.lock();
        peers.iter().filter(|(_, (heard, _))| heard.elapsed() < SILENCE).find_map(|(node, (_, report))| {
            let (_, voters) = report.leads.iter().find(|(led, _)| *led == shard)?;
            Some((*node, voters.iter().copied().map(NodeId).collect()))
        })
    }
}

/// Asks every peer again and again, and acts when one has died.
pub async fn watch(this: Arc<Host>) {
    loop {
        tokio::time::sleep(ROUND).await;
        let nodes: Vec<NodeId> = this.metadata.read(|m| {
            m.0.nodes().filter(|n| n.state != NodeState::Removed && n.id != this.node).map(|n| n.id).collect()
        });
        let asked = nodes.iter().map(|node| {
            let (this, node) = (Arc::clone(&this), *node);
            async move {
                let host = this.world.host_of(node)?;
                match this.net.ask_for(ANSWER_LIMIT, host, &Ask::Ping).await? {
                    Answer::Pong(report) => Some((node, report)),
                    _ => None,
                }
            }
        });
        let heard = futures::future::join_all(asked).await;
        {
            let mut peers = this.view.peers.lock();
            for (node, report) in heard.into_iter().flatten() {
                peers.insert(node, (Instant::now(), report));
            }
        }
        if this.world.plan.replace_leaders {
            nodes
                .iter()
                .filter(|node| this.view.silent_for(**node) > SILENCE)
                .for_each(|dead| bury(&this, *dead));
        }
    }
}

/// Replaces a dead node as leader, wherever it leads.
fn bury(this: &Arc<Host>, dead: NodeId) {
    for group in this.groups() {
        let status = group.status();
        if status.leader == Some(dead) && status.voters.contains(&this.node) {
            tokio::spawn(async move {
                // A later round tries again.
                let _ = group.replace_leader(dead, REPLACE_LIMIT).await;
            });
        }
    }
}
