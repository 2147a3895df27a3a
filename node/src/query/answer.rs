//! Answers questions from the replicas of this node, for itself and for peers.

use super::question::{Limits, Part, Question, Trouble};
use crate::peer::Kind;
use crate::shard::{Live, Shards};
use bytes::Bytes;
use plimsoll_consensus::{Error as Consensus, GroupId, Read};
use plimsoll_model::ShardId;
use plimsoll_promql::Budget;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// A follower that has not what the leader has within this is no help.
const CATCH_UP_LIMIT: Duration = Duration::from_secs(2);

/// How sure an answer must be that it sees everything acknowledged before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Consistency {
    /// The leader's lease.
    Lease,
    /// A majority is asked.
    Strong,
    /// Any replica, after it has what the leader had when the question came.
    Follower,
}

/// A question of a peer to some of this node's replicas.
#[derive(Serialize, Deserialize)]
pub struct Asked {
    /// The question.
    pub question: Question,
    /// What the answer may use.
    pub limits: Limits,
    /// The shards.
    pub shards: Vec<ShardId>,
    /// How sure.
    pub consistency: Consistency,
}

/// What a shard answered.
pub type Answered = (ShardId, Result<Part, Trouble>);

/// Answers for `ids`, one after another as they are ready. Ends early when nobody receives.
pub fn answer(
    shards: &Shards,
    question: Arc<Question>,
    ids: Vec<ShardId>,
    consistency: Consistency,
    budget: Budget,
    out: mpsc::Sender<Answered>,
) {
    for id in ids {
        let (shards, question, budget, out) = (shards.clone(), question.clone(), budget.clone(), out.clone());
        tokio::spawn(async move {
            let answer = match ready(&shards, id, consistency).await {
                Err(trouble) => Err(trouble),
                Ok(live) => {
                    let work = move || question.answer(&live.storage(), &budget);
                    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| {
                        let text = "a defect was met while a shard answered; see the log of its node";
                        Err(Trouble::Final { kind: super::Kind::Internal, text: text.to_owned() })
                    })
                }
            };
            // the asker may be gone
            let _ = out.send((id, answer)).await;
        });
    }
}

/// The replica of `id`, when a read of it is as good as asked for.
pub async fn ready(shards: &Shards, id: ShardId, consistency: Consistency) -> Result<Live, Trouble> {
    let elsewhere = |leader: Option<u64>, reason: String| Trouble::Elsewhere { leader, reason };
    let live = shards.local(id).ok_or_else(|| elsewhere(None, format!("{id} is not on this node")))?;
    let live = live.live().map_err(|e| elsewhere(None, e.to_string()))?;
    let read = match consistency {
        Consistency::Lease => Read::Lease,
        Consistency::Strong => Read::Index,
        Consistency::Follower if live.group.is_leader() => Read::Lease,
        Consistency::Follower => {
            follow(shards, id, &live).await?;
            return Ok(live);
        }
    };
    match live.group.read_barrier(read).await {
        Ok(()) => Ok(live),
        Err(Consensus::NotLeader { leader, .. }) => {
            Err(elsewhere(leader.map(|l| l.0), format!("{id} is led by another node")))
        }
        Err(e) => Err(elsewhere(None, e.to_string())),
    }
}

/// Waits until this replica has what its leader had committed when it was asked.
async fn follow(shards: &Shards, id: ShardId, live: &Live) -> Result<(), Trouble> {
    let elsewhere = |reason: String| Trouble::Elsewhere { leader: None, reason };
    let leader = shards.leader(id).ok_or_else(|| elsewhere(format!("{id} has no leader at present")))?;
    let group = GroupId::of_shard(id).0;
    let wait = async {
        let call = shards.peers().call(leader, Kind::ReadIndex, group, Bytes::from_static(&[0]));
        let answer = call.await.map_err(|e| elsewhere(e.to_string()))?;
        let index = answer[..].try_into().map(u64::from_le_bytes);
        let index = index.map_err(|_| elsewhere("the leader's answer is not an index".to_owned()))?;
        let mut watch = live.group.watch();
        let mut status = watch.now();
        while status.applied.unwrap_or(0) < index {
            status = watch.changed().await.ok_or_else(|| elsewhere(format!("{id} has stopped here")))?;
        }
        Ok(())
    };
    let late = |_| elsewhere(format!("{id} is behind on this node"));
    tokio::time::timeout(CATCH_UP_LIMIT, wait).await.map_err(late)?
}

/// Answers a peer: a piece a shard.
pub async fn answer_peer(shards: Shards, asked: Asked, pieces: mpsc::Sender<Result<Bytes, String>>) {
    let (out, mut answers) = mpsc::channel(4);
    let budget = asked.limits.budget();
    let stop = budget.stop.clone();
    answer(&shards, Arc::new(asked.question), asked.shards, asked.consistency, budget, out);
    loop {
        let answered = tokio::select! {
            answered = answers.recv() => answered,
            // the asker is gone: what still runs should end
            () = pieces.closed() => break,
        };
        let Some(answered) = answered else { return };
        let encoded = tokio::task::spawn_blocking(move || postcard::to_allocvec(&answered)).await;
        let piece = match encoded {
            Ok(Ok(bytes)) => Ok(Bytes::from(bytes)),
            Ok(Err(e)) => Err(e.to_string()),
            Err(e) => Err(e.to_string()),
        };
        if pieces.send(piece).await.is_err() {
            break;
        }
    }
    stop.cancel();
}
