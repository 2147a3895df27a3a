//! Asks every shard: one request a node, the leaders first, others where a leader is slow or gone.

use super::answer::{Answered, Asked, Consistency, answer};
use super::question::{Limits, Part, Question, Trouble};
use super::{Error, Kind};
use crate::shard::Shards;
use bytes::Bytes;
use plimsoll_model::{NodeId, ShardId};
use plimsoll_promql::Budget;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// How long a shard that nobody answers for is looked for: longer than a fail-over.
const PATIENCE: Duration = Duration::from_secs(5);
/// A node that has not answered for a shard by then gets competition from another replica.
const HEDGE: Duration = Duration::from_millis(1500);
/// Between two looks at what is late or lost.
const LOOK: Duration = Duration::from_millis(100);
/// Answers that wait to be taken.
const ANSWERS: usize = 16;

/// What all shards answered.
#[derive(Debug, Default)]
pub struct Answers {
    /// In the order of the shards, so that a merge gives the same bits each time.
    pub parts: Vec<Part>,
    /// Shards without an answer, and why.
    pub missing: Vec<(ShardId, String)>,
}

/// A question on its way.
pub struct FanOut {
    shards: Shards,
    question: Arc<Question>,
    budget: Budget,
    consistency: Consistency,
}

/// What is known of a shard that has not answered yet.
struct Open {
    /// When it was first asked for.
    since: Instant,
    /// When it may be asked for again, after somebody could not answer.
    not_before: Instant,
    /// Who was asked last and has not answered, and when.
    asked: Option<(NodeId, Instant)>,
    hedged: bool,
    hint: Option<NodeId>,
    reason: String,
}

/// An answer and the node that gave it.
type Heard = (NodeId, Answered);

impl FanOut {
    /// A question to all shards.
    pub fn new(shards: &Shards, question: Question, budget: Budget, consistency: Consistency) -> Self {
        Self { shards: shards.clone(), question: Arc::new(question), budget, consistency }
    }

    /// Waits for all answers. A final refusal of one shard ends it; a shard that nobody answers for is missing.
    pub async fn run(self) -> Result<Answers, Error> {
        let now = Instant::now();
        let open = |id| {
            let reason = String::from("nobody leads it at present");
            (id, Open { since: now, not_before: now, asked: None, hedged: false, hint: None, reason })
        };
        let mut open: BTreeMap<ShardId, Open> = self.shards.all().map(open).collect();
        let mut parts: BTreeMap<ShardId, Part> = BTreeMap::new();
        let mut missing = Vec::new();
        let (out, mut heard) = mpsc::channel::<Heard>(ANSWERS);
        // dropped at the end, which ends all requests under way
        let mut requests = JoinSet::new();
        while !open.is_empty() {
            self.ask(&mut open, &out, &mut requests);
            tokio::select! {
                Some((node, (id, answer))) = heard.recv() => match answer {
                    Ok(part) => {
                        if open.remove(&id).is_some() {
                            parts.insert(id, part);
                        }
                    }
                    Err(Trouble::Final { kind, text }) => return Err(Error::Part { kind, text }),
                    Err(Trouble::Elsewhere { leader, reason }) => {
                        if let Some(state) = open.get_mut(&id) {
                            state.elsewhere(node, leader.map(NodeId), reason);
                        }
                    }
                },
                () = tokio::time::sleep(LOOK) => self.look(&mut open, &mut missing),
            }
            while requests.try_join_next().is_some() {}
        }
        Ok(Answers { parts: parts.into_values().collect(), missing })
    }

    /// Asks for all shards that nobody is asked for, one request a node.
    fn ask(&self, open: &mut BTreeMap<ShardId, Open>, out: &mpsc::Sender<Heard>, requests: &mut JoinSet<()>) {
        let mut nodes: BTreeMap<NodeId, Vec<ShardId>> = BTreeMap::new();
        let now = Instant::now();
        let due = |state: &Open| state.asked.is_none() && state.not_before <= now;
        for (id, state) in open.iter_mut().filter(|(_, state)| due(state)) {
            let hint = state.hint.take().filter(|node| self.is_there(*node));
            if let Some(node) = hint.or_else(|| self.shards.leader(*id)) {
                state.asked = Some((node, Instant::now()));
                nodes.entry(node).or_default().push(*id);
            }
        }
        for (node, ids) in nodes {
            self.send(node, ids, self.consistency, out, requests);
        }
        let mut others: BTreeMap<NodeId, Vec<ShardId>> = BTreeMap::new();
        for (id, state) in open.iter_mut().filter(|(_, state)| !state.hedged) {
            if let Some((node, at)) = state.asked
                && at.elapsed() > HEDGE
            {
                state.hedged = true;
                if let Some(other) = self.another(*id, node) {
                    others.entry(other).or_default().push(*id);
                }
            }
        }
        for (node, ids) in others {
            metrics::counter!("plimsoll_query_hedges_total").increment(ids.len() as u64);
            self.send(node, ids, Consistency::Follower, out, requests);
        }
    }

    fn is_there(&self, node: NodeId) -> bool {
        node == self.shards.node() || self.shards.cluster().view().is_alive(node)
    }

    /// Another replica that votes for the shard and answers.
    fn another(&self, id: ShardId, not: NodeId) -> Option<NodeId> {
        let (replicas, _) = self.shards.cluster().place(id);
        replicas.into_iter().find(|node| *node != not && self.is_there(*node))
    }

    fn send(
        &self,
        node: NodeId,
        ids: Vec<ShardId>,
        consistency: Consistency,
        out: &mpsc::Sender<Heard>,
        requests: &mut JoinSet<()>,
    ) {
        let (shards, question, budget, out) =
            (self.shards.clone(), self.question.clone(), self.budget.clone(), out.clone());
        if node == shards.node() {
            let (answers, mut receiver) = mpsc::channel(ANSWERS);
            answer(&shards, question, ids, consistency, budget, answers);
            requests.spawn(async move {
                while let Some(answered) = receiver.recv().await {
                    if out.send((node, answered)).await.is_err() {
                        return;
                    }
                }
            });
            return;
        }
        let asked =
            Asked { question: (*question).clone(), limits: Limits::from(&budget), shards: ids, consistency };
        requests.spawn(async move {
            if let Err((rest, reason)) = ask_peer(&shards, node, &asked, &out).await {
                for id in rest {
                    let trouble = Trouble::Elsewhere { leader: None, reason: reason.clone() };
                    if out.send((node, (id, Err(trouble)))).await.is_err() {
                        return;
                    }
                }
            }
        });
    }

    /// Takes shards back from nodes that have died, and gives up those that nobody answers for.
    fn look(&self, open: &mut BTreeMap<ShardId, Open>, missing: &mut Vec<(ShardId, String)>) {
        for state in open.values_mut() {
            if let Some((node, _)) = state.asked
                && !self.is_there(node)
            {
                state.asked = None;
                state.reason = format!("{node} stopped answering");
            }
        }
        let lost: Vec<ShardId> = open
            .iter()
            .filter(|(_, state)| state.asked.is_none() && state.since.elapsed() > PATIENCE)
            .map(|(id, _)| *id)
            .collect();
        for id in lost {
            if let Some(state) = open.remove(&id) {
                missing.push((id, state.reason));
            }
        }
    }
}

impl Open {
    /// `node` cannot answer, and says who might.
    fn elsewhere(&mut self, node: NodeId, leader: Option<NodeId>, reason: String) {
        self.reason = reason;
        if self.asked.is_some_and(|(asked, _)| asked == node) {
            self.asked = None;
            self.hint = leader.filter(|leader| *leader != node);
            if self.hint.is_none() {
                self.not_before = Instant::now() + LOOK;
            }
        }
    }
}

/// Passes the answers of a peer on; answers which shards it left out when it failed.
async fn ask_peer(
    shards: &Shards,
    node: NodeId,
    asked: &Asked,
    out: &mpsc::Sender<Heard>,
) -> Result<(), (Vec<ShardId>, String)> {
    let mut rest = asked.shards.clone();
    let encoded = match postcard::to_allocvec(asked) {
        Ok(bytes) => super::door::question(super::door::PARTS, &bytes),
        Err(e) => return Err((rest, e.to_string())),
    };
    let mut pieces = match shards.peers().ask(node, encoded).await {
        Ok(pieces) => pieces,
        Err(e) => return Err((rest, e.to_string())),
    };
    loop {
        let piece: Bytes = match pieces.next().await {
            Ok(Some(piece)) => piece,
            Ok(None) if rest.is_empty() => return Ok(()),
            Ok(None) => return Err((rest, format!("{node} did not answer for it"))),
            Err(e) => return Err((rest, e.to_string())),
        };
        metrics::counter!("plimsoll_query_peer_bytes_total").increment(piece.len() as u64);
        let answered = match postcard::from_bytes::<Answered>(&piece) {
            Ok(answered) => answered,
            Err(e) => {
                let text = format!("{node} answered what this version cannot read: {e}");
                let id = rest.first().copied().unwrap_or(ShardId(0));
                (id, Err(Trouble::Final { kind: Kind::Internal, text }))
            }
        };
        rest.retain(|id| *id != answered.0);
        if out.send((node, answered)).await.is_err() {
            return Ok(());
        }
    }
}
