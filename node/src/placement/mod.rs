//! Where shards should be, and which of them this node holds.
//!
//! Owns: beside the leader of the ownership group, the actor that says where shards should be; on every node, the
//! replicas that it opens and gives up ([`Replicas`]).
//! Does not own: the way there, which each shard's leader walks (`shard`), the best places (`plimsoll-ownership`).

mod replicas;

pub use replicas::{Members, Replicas};

use crate::shard::Shards;
use plimsoll_model::{NodeId, ShardId};
use plimsoll_ownership::{Action, NodeState, Shard, State, placement::wanted};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use std::collections::BTreeSet;
use std::time::Duration;

const ROUND: Duration = Duration::from_millis(500);
/// Setting of the cluster: `off` leaves replicas where they are unless a node is lost or drained.
pub const REBALANCE: &str = "rebalance";

/// The actor.
pub struct Placement;

/// Start arguments.
pub struct Args {
    /// The shards as this node sees them, and ownership behind them.
    pub shards: Shards,
    /// A node that is silent for longer has its replicas rebuilt elsewhere.
    pub replace_after: Duration,
    /// Shards that are moved at a time.
    pub moves: usize,
}

/// What the actor tells itself.
pub enum Msg {
    /// Look, and say what should change.
    Look,
}

impl Actor for Placement {
    type Msg = Msg;
    type State = Args;
    type Arguments = Args;

    async fn pre_start(&self, me: ActorRef<Msg>, args: Args) -> Result<Args, ActorProcessingErr> {
        me.send_after(ROUND, || Msg::Look);
        Ok(args)
    }

    async fn handle(
        &self,
        me: ActorRef<Msg>,
        Msg::Look: Msg,
        args: &mut Args,
    ) -> Result<(), ActorProcessingErr> {
        if args.shards.cluster().leads_with_quorum() {
            for action in args.actions() {
                // refused when somebody else was faster; the next look sees why
                if let Err(e) = args.shards.cluster().change("placement", action).await {
                    tracing::debug!(error = %e, "a placement is tried again");
                }
            }
        }
        me.send_after(ROUND, || Msg::Look);
        Ok(())
    }
}

impl Args {
    fn actions(&self) -> Vec<Action> {
        let cluster = self.shards.cluster();
        let alive = |node: NodeId| node == cluster.node_id() || cluster.view().is_alive(node);
        let silent = |node: NodeId| cluster.view().suspected_for(node).unwrap_or_default();
        let voters = |shard: ShardId| self.shards.leader_report(shard).map(|(_, report)| report.voters);
        cluster.read(|state| {
            let mut actions = lives(state, &alive, &|node| silent(node) > self.replace_after);
            if actions.is_empty() {
                actions = places(state, &voters, self.moves);
            }
            actions
        })
    }
}

/// Nodes that have died or come back. Pure.
pub fn lives(state: &State, alive: &dyn Fn(NodeId) -> bool, lost: &dyn Fn(NodeId) -> bool) -> Vec<Action> {
    let set = |node, state| Action::SetNodeState { node, state };
    let change = |n: &plimsoll_ownership::Node| match n.state {
        // one that is draining holds nothing that is wanted any more, and must not come back as active
        NodeState::Active if lost(n.id) => Some(set(n.id, NodeState::Dead)),
        NodeState::Dead if alive(n.id) => Some(set(n.id, NodeState::Active)),
        _ => None,
    };
    state.nodes().filter_map(change).collect()
}

/// Where shards should be from now on, at most `moves` of them on their way at a time. Pure.
pub fn places(state: &State, voters: &dyn Fn(ShardId) -> Option<Vec<NodeId>>, moves: usize) -> Vec<Action> {
    let settled = |shard: &Shard| {
        voters(shard.id).is_some_and(|v| {
            v.iter().collect::<BTreeSet<_>>() == shard.replicas.iter().collect::<BTreeSet<_>>()
        })
    };
    let mut on_their_way = state.shards().iter().filter(|s| !settled(s)).count();
    let mut actions = Vec::new();
    let holds_back = state.setting(REBALANCE) == Some("off");
    let all = state.shards().iter().zip(wanted(state.nodes(), state.shards(), state.replication()));
    for (shard, place) in all {
        let moved = place.replicas.iter().collect::<BTreeSet<_>>() != shard.replicas.iter().collect();
        if place.replicas.is_empty() || (!moved && place.leader == shard.leader) {
            continue;
        }
        let (mut replicas, mut leader) = (place.replicas, place.leader);
        if moved {
            let must = must_move(state, shard, replicas.len());
            let may = must || (!holds_back && settled(shard));
            if !may || on_their_way >= moves {
                continue;
            }
            on_their_way += 1;
        } else {
            replicas = shard.replicas.clone();
            leader = leader.or(shard.leader);
        }
        actions.push(Action::Place { shard: shard.id, replicas, leader, seen: shard.epoch });
    }
    actions
}

/// Whether a shard has fewer good replicas than it could have.
fn must_move(state: &State, shard: &Shard, could: usize) -> bool {
    let good = shard
        .replicas
        .iter()
        .filter(|id| state.node(**id).is_some_and(|n| n.state == NodeState::Active))
        .count();
    good < could || good < shard.replicas.len()
}
