//! Walks a shard's group, on its leader, to where the ownership metadata wants it: one safe step at a time.
//!
//! There is no plan to lose: every step is decided anew from what the group and the metadata say, so a new leader goes
//! on where the old one was killed.

use super::{Live, Setup};
use plimsoll_consensus::{Error, Group, Status};
use plimsoll_model::{NodeId, ShardId};
use std::collections::BTreeSet;
use std::time::Duration;

/// Entries that a learner may be behind when it begins to vote: the rest arrives within a round trip.
const NEARLY: u64 = 64;
/// Between two looks.
const ROUND: Duration = Duration::from_millis(200);
/// A node that has just come back is given this long before it leads again: its replicas catch up first, and a hand-over to
/// one that falls again costs more than it brings.
const STEADY: Duration = Duration::from_secs(3);
/// After a step that failed.
const RETRY: Duration = Duration::from_millis(500);
/// How long a leader waits for its successor.
const TRANSFER_LIMIT: Duration = Duration::from_secs(2);

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Send a node the shard's state and what follows; it does not vote yet.
    Learn(NodeId),
    /// Make these the voters; who is left out is gone.
    Vote(Vec<NodeId>),
    /// Drop learners that should hold nothing.
    Drop(Vec<NodeId>),
    /// Hand the leadership over.
    Lead(NodeId),
}

/// What a shard should look like.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Its replicas.
    pub replicas: Vec<NodeId>,
    /// The one that should lead.
    pub leader: Option<NodeId>,
}

/// What the leader knows of the nodes.
pub struct Seen<'a> {
    /// Who answers; the others become no members.
    pub alive: &'a dyn Fn(NodeId) -> bool,
    /// Who may lead.
    pub fit: &'a dyn Fn(NodeId) -> bool,
    /// Whose copy cannot be opened or mended: it has to leave before it is made anew.
    pub ruined: &'a dyn Fn(NodeId) -> bool,
}

/// The next step of the leader `me`, or nothing when all is as wanted or must wait. Pure.
pub fn next(me: NodeId, status: &Status, wanted: &Wanted, seen: &Seen<'_>) -> Option<Step> {
    let alive = seen.alive;
    if wanted.replicas.is_empty() {
        return None;
    }
    let voters: BTreeSet<NodeId> = status.voters.iter().copied().collect();
    let members: BTreeSet<NodeId> = voters.iter().chain(&status.learners).copied().collect();
    let target: BTreeSet<NodeId> = wanted.replicas.iter().copied().collect();
    if status.changing {
        // an earlier leader was killed in the middle of a change: finish it
        let there = target.iter().filter(|n| members.contains(n)).copied();
        return Some(Step::Vote(there.chain([me]).collect::<BTreeSet<_>>().into_iter().collect()));
    }
    if let Some(left) = without_ruined(me, &voters, seen) {
        return Some(Step::Vote(left));
    }
    if let Some(node) = target.difference(&members).find(|n| alive(**n) && !(seen.ruined)(**n)) {
        return Some(Step::Learn(*node));
    }
    let caught_up = |node: &NodeId| {
        let matched = status.matched.get(node).copied().flatten();
        voters.contains(node) || (alive(*node) && matched.map(|m| m + NEARLY) >= status.committed)
    };
    // those who are silent are not waited for
    let expected = target.iter().filter(|n| alive(**n) || voters.contains(n));
    if expected.clone().all(caught_up) {
        let mut next: BTreeSet<NodeId> = expected.copied().collect();
        let whole = next == target;
        if !whole {
            // somebody is missing: nobody who holds the data is let go
            next.extend(&voters);
        } else if !next.contains(&me) {
            // the leader goes last, when another one leads
            next.insert(me);
        }
        if next != voters {
            return Some(Step::Vote(next.into_iter().collect()));
        }
    }
    let useless = |n: &&NodeId| !target.contains(n) || (seen.ruined)(**n);
    let extra: Vec<NodeId> = status.learners.iter().filter(useless).copied().collect();
    if !extra.is_empty() {
        return Some(Step::Drop(extra));
    }
    successor(me, status, wanted, &target, seen).map(Step::Lead)
}

/// The voters without one whose copy is ruined, where all others answer and are enough to lose none of what was
/// acknowledged: two of three have every entry between them.
fn without_ruined(me: NodeId, voters: &BTreeSet<NodeId>, seen: &Seen<'_>) -> Option<Vec<NodeId>> {
    let ruined = *voters.iter().find(|n| **n != me && (seen.ruined)(**n))?;
    let left: Vec<NodeId> = voters.iter().copied().filter(|n| *n != ruined).collect();
    (left.len() >= 2 && left.iter().all(|n| (seen.alive)(*n) && !(seen.ruined)(*n))).then_some(left)
}

/// Who should lead instead of `me`.
fn successor(
    me: NodeId,
    status: &Status,
    wanted: &Wanted,
    target: &BTreeSet<NodeId>,
    seen: &Seen<'_>,
) -> Option<NodeId> {
    let (alive, fit) = (seen.alive, seen.fit);
    let near = |node: &NodeId| {
        let matched = status.matched.get(node).copied().flatten();
        status.voters.contains(node) && matched.map(|m| m + NEARLY) >= status.last_log
    };
    let good = |node: &NodeId| *node != me && alive(*node) && fit(*node) && near(node);
    if let Some(leader) = wanted.leader.filter(good) {
        return Some(leader);
    }
    let must_go = !fit(me) || !target.contains(&me);
    if must_go { target.iter().copied().find(good) } else { None }
}

/// Runs for ever; does something only on the leader.
pub(super) async fn keep(shard: ShardId, live: Live, setup: Setup) {
    let group = live.group.clone();
    let is_sound = || live.storage().damage_count() == 0;
    let me = setup.cluster.node_id();
    loop {
        tokio::time::sleep(ROUND).await;
        if !group.is_leader() {
            continue;
        }
        let view = setup.cluster.view();
        let alive = |node: NodeId| node == me || view.is_alive(node);
        let fit = |node: NodeId| match node == me {
            // a replica that cannot read all of its rows leaves answers to those that can
            true => (setup.may_lead)() && is_sound(),
            false => view.of(node).is_some_and(|(_, report)| {
                let damaged = report.shards.iter().any(|s| s.shard == shard && s.damaged > 0);
                !report.may_not_lead && !damaged && view.is_steady(node, STEADY)
            }),
        };
        let ruined = |node: NodeId| {
            view.of(node)
                .is_some_and(|(_, report)| report.shards.iter().any(|s| s.shard == shard && s.ruined))
        };
        let (replicas, leader) = setup.cluster.place(shard);
        let step = {
            let seen = Seen { alive: &alive, fit: &fit, ruined: &ruined };
            next(me, &group.status(), &Wanted { replicas, leader }, &seen)
        };
        let Some(step) = step else { continue };
        match step {
            Step::Lead(_) => tracing::debug!(%shard, ?step, "walking to its place"),
            _ => tracing::info!(%shard, ?step, "walking to its place"),
        }
        if let Err(e) = take(&group, &step).await {
            tracing::debug!(%shard, ?step, error = %e, "a step is tried again");
            tokio::time::sleep(RETRY).await;
        }
    }
}

/// Takes a step.
pub async fn take(group: &Group, step: &Step) -> Result<(), Error> {
    match step {
        Step::Learn(node) => group.add_learner(*node).await,
        Step::Vote(voters) => group.change_voters(voters, false).await,
        Step::Drop(nodes) => group.remove_learners(nodes).await,
        Step::Lead(node) => group.transfer(*node, TRANSFER_LIMIT).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use plimsoll_consensus::GroupId;
    use plimsoll_model::ShardId;

    fn ids(ids: &[u64]) -> Vec<NodeId> {
        ids.iter().copied().map(NodeId).collect()
    }

    fn status(voters: &[u64], learners: &[u64], matched: &[(u64, u64)]) -> Status {
        Status {
            group: GroupId::of_shard(ShardId(0)),
            term: 1,
            leader: Some(NodeId(1)),
            is_leader: true,
            is_learner: false,
            last_log: Some(1000),
            committed: Some(1000),
            applied: Some(1000),
            checkpoint: None,
            purged: None,
            voters: ids(voters),
            learners: ids(learners),
            changing: false,
            matched: matched.iter().map(|(n, m)| (NodeId(*n), Some(*m))).collect(),
            stopped: None,
        }
    }

    fn step(status: &Status, replicas: &[u64], leader: u64, dead: &[u64]) -> Option<Step> {
        let wanted = Wanted { replicas: ids(replicas), leader: Some(NodeId(leader)) };
        let alive = |n: NodeId| !dead.contains(&n.0);
        next(NodeId(1), status, &wanted, &Seen { alive: &alive, fit: &|_| true, ruined: &|_| false })
    }

    #[test]
    fn a_ruined_replica_leaves_and_comes_back_when_it_is_empty() {
        let ask = |status: &Status, ruined: &[u64], dead: &[u64]| {
            let wanted = Wanted { replicas: ids(&[1, 2, 3]), leader: Some(NodeId(1)) };
            let (alive, ruined) = (|n: NodeId| !dead.contains(&n.0), |n: NodeId| ruined.contains(&n.0));
            next(NodeId(1), status, &wanted, &Seen { alive: &alive, fit: &|_| true, ruined: &ruined })
        };
        let whole = status(&[1, 2, 3], &[], &[(2, 1000), (3, 1000)]);
        assert_eq!(ask(&whole, &[3], &[]), Some(Step::Vote(ids(&[1, 2]))));
        assert_eq!(ask(&whole, &[3], &[2]), None, "one silent and one ruined: nothing is given up");
        assert_eq!(ask(&whole, &[2, 3], &[]), None);
        let left = status(&[1, 2], &[], &[(2, 1000)]);
        assert_eq!(ask(&left, &[3], &[]), None, "it is not empty yet");
        assert_eq!(ask(&left, &[], &[]), Some(Step::Learn(NodeId(3))));
        assert_eq!(ask(&left, &[2], &[]), Some(Step::Learn(NodeId(3))), "two voters need each other");
    }

    #[test]
    fn a_shard_grows_when_all_new_replicas_have_caught_up() {
        assert_eq!(step(&status(&[1], &[], &[]), &[1, 2, 3], 1, &[]), Some(Step::Learn(NodeId(2))));
        assert_eq!(step(&status(&[1], &[2], &[]), &[1, 2, 3], 1, &[]), Some(Step::Learn(NodeId(3))));
        let behind = status(&[1], &[2, 3], &[(2, 1000), (3, 10)]);
        assert_eq!(step(&behind, &[1, 2, 3], 1, &[]), None);
        let there = status(&[1], &[2, 3], &[(2, 1000), (3, 990)]);
        assert_eq!(step(&there, &[1, 2, 3], 1, &[]), Some(Step::Vote(ids(&[1, 2, 3]))));
        assert_eq!(step(&behind, &[1, 2, 3], 1, &[3]), Some(Step::Vote(ids(&[1, 2]))), "3 is silent");
    }

    #[test]
    fn a_replica_leaves_only_when_its_successor_votes() {
        let all = [(1, 1000), (2, 1000), (3, 1000)];
        assert_eq!(step(&status(&[1, 2, 3], &[], &all), &[1, 2, 4], 1, &[]), Some(Step::Learn(NodeId(4))));
        assert_eq!(step(&status(&[1, 2, 3], &[], &all), &[1, 2, 4], 1, &[4]), None);
        let learnt = status(&[1, 2, 3], &[4], &[(2, 1000), (3, 1000), (4, 1000)]);
        assert_eq!(step(&learnt, &[1, 2, 4], 1, &[]), Some(Step::Vote(ids(&[1, 2, 4]))));
    }

    #[test]
    fn a_leader_that_leaves_goes_last() {
        let matched = [(2, 1000), (3, 1000), (4, 1000)];
        let learnt = status(&[1, 2, 3], &[4], &matched);
        assert_eq!(step(&learnt, &[2, 3, 4], 2, &[]), Some(Step::Vote(ids(&[1, 2, 3, 4]))));
        assert_eq!(
            step(&status(&[1, 2, 3, 4], &[], &matched), &[2, 3, 4], 2, &[]),
            Some(Step::Lead(NodeId(2)))
        );
        assert_eq!(
            step(&status(&[1, 2, 3, 4], &[], &matched), &[2, 3, 4], 2, &[2]),
            Some(Step::Lead(NodeId(3)))
        );
    }

    #[test]
    fn a_change_that_a_dead_leader_left_half_done_is_finished() {
        let mut half = status(&[1, 2, 3, 4], &[], &[]);
        half.changing = true;
        assert_eq!(step(&half, &[1, 2, 4], 1, &[]), Some(Step::Vote(ids(&[1, 2, 4]))));
    }

    #[test]
    fn learners_that_should_hold_nothing_are_dropped_and_leaders_spread() {
        let matched = [(2, 1000), (3, 1000)];
        let extra = status(&[1, 2, 3], &[5], &matched);
        assert_eq!(step(&extra, &[1, 2, 3], 1, &[]), Some(Step::Drop(ids(&[5]))));
        assert_eq!(step(&status(&[1, 2, 3], &[], &matched), &[1, 2, 3], 3, &[]), Some(Step::Lead(NodeId(3))));
        assert_eq!(step(&status(&[1, 2, 3], &[], &matched), &[1, 2, 3], 3, &[3]), None);
    }
}
