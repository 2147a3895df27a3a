//! What a node does by itself: the real decisions of ownership, placement and shards, carried out over simulated hosts.

use super::{AGAIN, Host};
use crate::sim::net::{Answer, Ask};
use crate::sim::world::{Order, Shared};
use plimsoll_consensus::{Error, Group, GroupId};
use plimsoll_model::{NodeId, ShardId};
use plimsoll_node::cluster::members;
use plimsoll_node::placement::{lives, places};
use plimsoll_node::shard::walk;
use plimsoll_ownership::{Action, NodeState};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// A node that is silent for longer is replaced.
const REPLACE_AFTER: Duration = Duration::from_secs(6);
/// Shards that are moved at a time.
const MOVES: usize = 2;
const TRANSFER_LIMIT: Duration = Duration::from_secs(2);
const MEMBERS_LIMIT: Duration = Duration::from_secs(1);

/// Starts all of it.
pub fn spawn(this: &Arc<Host>) {
    tokio::spawn(announce(Arc::clone(this)));
    tokio::spawn(keep_members(Arc::clone(this)));
    tokio::spawn(place(Arc::clone(this)));
    tokio::spawn(keep_replicas(Arc::clone(this)));
    tokio::spawn(walk_shards(Arc::clone(this)));
    tokio::spawn(checkpoints(Arc::clone(this)));
    tokio::spawn(orders(Arc::clone(this)));
    tokio::spawn(follow(this.world.clone(), this.host, this.ownership.clone()));
}

/// Tells the world when the host leads a group.
pub async fn follow(world: Shared, host: usize, group: Group) {
    let mut watch = group.watch();
    let (id, node) = (group.id(), group.node());
    drop(group);
    let mut status = watch.now();
    let mut led = 0;
    loop {
        if status.is_leader {
            world.leads(id, status.term, node);
            if led != status.term {
                led = status.term;
                world.trace.say(&format!("h{host}"), format_args!("leads {} in term {led}", id.0));
            }
        }
        if let Some(reason) = &status.stopped {
            world.trace.say(&format!("h{host}"), format_args!("{} has stopped: {reason}", id.0));
            return;
        }
        let Some(next) = watch.changed().await else { return };
        status = next;
    }
}

impl Host {
    fn alive(&self, node: NodeId) -> bool {
        node == self.node || self.view.is_alive(node)
    }

    fn leads_with_quorum(&self) -> bool {
        let status = self.ownership.status();
        let heard = status.voters.iter().filter(|node| self.alive(**node)).count();
        status.is_leader && heard * 2 > status.voters.len()
    }
}

/// Takes part, and says so again after it was given up; shows its metadata to the invariants.
async fn announce(this: Arc<Host>) {
    loop {
        tokio::time::sleep(AGAIN).await;
        let held = this.metadata.read(|m| this.world.invariants().epochs.saw(this.host, &m.0));
        this.world.check(held);
        let state = this.metadata.read(|m| m.0.node(this.node).map(|node| node.state));
        if state == Some(NodeState::Joining) {
            this.try_change(Action::SetNodeState { node: this.node, state: NodeState::Active }).await;
        }
    }
}

async fn keep_members(this: Arc<Host>) {
    loop {
        tokio::time::sleep(AGAIN * 2).await;
        let group = &this.ownership;
        if !group.is_leader() {
            continue;
        }
        let status = group.status();
        let step = this.metadata.read(|m| members::next(&m.0, &status, &|node| this.alive(node)));
        let Some(step) = step else { continue };
        this.say(format_args!("members: {step:?}"));
        let taken = match &step {
            members::Step::Listen(node) => group.add_learner(*node).await,
            members::Step::Vote(voters) => group.change_voters(voters, true).await,
            members::Step::Drop(nodes) => group.remove_learners(nodes).await,
        };
        if let Err(error) = taken {
            this.say(format_args!("members: {error}"));
        }
    }
}

async fn place(this: Arc<Host>) {
    loop {
        tokio::time::sleep(AGAIN * 3).await;
        if !this.leads_with_quorum() {
            continue;
        }
        let voters = |shard: ShardId| match this.shard(shard) {
            Some((group, _)) if group.is_leader() => Some(group.status().voters),
            _ => this.view.voters_of(shard.0).map(|(_, voters)| voters),
        };
        let lost = |node: NodeId| node != this.node && this.view.silent_for(node) > REPLACE_AFTER;
        let actions = this.metadata.read(|m| {
            let actions = lives(&m.0, &|node| this.alive(node), &lost);
            if actions.is_empty() { places(&m.0, &voters, MOVES) } else { actions }
        });
        for action in actions {
            this.say(format_args!("placement: {action:?}"));
            this.try_change(action).await;
        }
    }
}

async fn keep_replicas(this: Arc<Host>) {
    // After a restart: whatever is on the disk serves until its group says that it left.
    let held: Vec<ShardId> = this.world.disk(this.host).held().iter().copied().collect();
    for shard in held {
        if this.shard(shard).is_none() {
            this.open(shard, false).await;
        }
    }
    loop {
        tokio::time::sleep(AGAIN).await;
        let wanted: BTreeSet<ShardId> = this.metadata.read(|m| {
            let mine = m.0.shards().iter().filter(|shard| shard.replicas.contains(&this.node));
            mine.map(|shard| shard.id).collect()
        });
        for shard in &wanted {
            if this.shard(*shard).is_none() {
                this.open(*shard, false).await;
            }
        }
        let held: Vec<ShardId> = this.world.disk(this.host).held().iter().copied().collect();
        for shard in held.into_iter().filter(|shard| !wanted.contains(shard)) {
            if this.is_rid_of(shard).await {
                this.destroy(shard).await;
            }
        }
    }
}

impl Host {
    /// Whether the shard's leader, with a majority behind it, no longer counts this node among the members.
    async fn is_rid_of(&self, shard: ShardId) -> bool {
        let Some((leader, _)) = self.view.voters_of(shard.0).filter(|(leader, _)| *leader != self.node)
        else {
            return false;
        };
        let Some(host) = self.world.host_of(leader) else { return false };
        match self.net.ask_for(MEMBERS_LIMIT, host, &Ask::Members(shard.0)).await {
            Some(Answer::Members(voters, learners)) => {
                !voters.is_empty() && !voters.contains(&self.node.0) && !learners.contains(&self.node.0)
            }
            _ => false,
        }
    }
}

async fn walk_shards(this: Arc<Host>) {
    loop {
        tokio::time::sleep(AGAIN + Duration::from_millis(50)).await;
        for group in this.groups() {
            let Some(shard) = group.id().shard().filter(|_| group.is_leader()) else { continue };
            if !this.busy.lock().insert(shard) {
                continue;
            }
            let this = Arc::clone(&this);
            tokio::spawn(async move {
                if let Err(error) = walk_one(&this, shard, &group).await {
                    this.say(format_args!("walk of {shard}: {error}"));
                }
                this.busy.lock().remove(&shard);
            });
        }
    }
}

async fn walk_one(this: &Host, shard: ShardId, group: &Group) -> Result<(), Error> {
    let wanted = this.metadata.read(|m| {
        let shard = m.0.shards().get(usize::from(shard.0));
        shard.map(|s| walk::Wanted { replicas: s.replicas.clone(), leader: s.leader }).unwrap_or_default()
    });
    let step = {
        let alive = |node| this.alive(node);
        let seen = walk::Seen { alive: &alive, fit: &|_| true, ruined: &|_| false };
        walk::next(this.node, &group.status(), &wanted, &seen)
    };
    let Some(step) = step else { return Ok(()) };
    this.say(format_args!("walk of {shard}: {step:?}"));
    walk::take(group, &step).await
}

async fn checkpoints(this: Arc<Host>) {
    loop {
        tokio::time::sleep(this.world.plan.checkpoint_every).await;
        checkpoint_all(&this).await;
    }
}

async fn checkpoint_all(this: &Host) {
    for group in this.groups() {
        // A group that is being closed says so; the next round does without it.
        if let Ok(checkpoint) = group.checkpoint().await {
            this.world.trace.note("ckpt", format_args!("h{} {} {checkpoint:?}", this.host, group.id().0));
        }
    }
}

async fn orders(this: Arc<Host>) {
    loop {
        tokio::time::sleep(AGAIN).await;
        for order in this.world.orders(this.host) {
            match order {
                Order::Checkpoint => checkpoint_all(&this).await,
                Order::Transfer(shard) => transfer(&this, shard).await,
                Order::Drain => {
                    let state = NodeState::Draining;
                    let reply = this.try_change(Action::SetNodeState { node: this.node, state }).await;
                    this.say(format_args!("asks to be drained: {reply:?}"));
                }
            }
        }
    }
}

async fn transfer(this: &Host, shard: ShardId) {
    let Some((group, _)) = this.shard(shard).filter(|(group, _)| group.is_leader()) else { return };
    let status = group.status();
    let Some(next) = status.voters.into_iter().find(|node| *node != this.node && this.alive(*node)) else {
        return;
    };
    let done = group.transfer(next, TRANSFER_LIMIT).await;
    this.say(format_args!("hands {} to {next}: {done:?}", GroupId::of_shard(shard).0));
}
