//! One actor a running query: joins what the shards answer.
//!
//! Owns: sending the leaf part to every shard, waiting for the partial results, the merge.
//! Does not own: limits and the list of queries (`query`), evaluation (`plimsoll-promql`).
//!
//! Leaves run on the blocking pool on snapshots of storage. The first failure ends the others; dropping the
//! future of [`run`] ends all of them within a block of series.

use crate::query::Error;
use crate::shard::source::ShardSource;
use plimsoll_promql::{Answer, Budget, Partial, Plan, Stop};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use std::sync::Arc;
use tokio::sync::oneshot;

/// Answers `plan` from `sources`, one for each shard.
pub async fn run(
    plan: Plan,
    sources: Vec<Arc<plimsoll_storage::Shard>>,
    budget: Budget,
) -> Result<Answer, Error> {
    let _guard = StopOnDrop(budget.stop.clone());
    let (reply, answer) = oneshot::channel();
    let args = Args { plan: Arc::new(plan), sources, budget, reply };
    let (actor, _) = Aggregator::spawn(None, Aggregator, args).await.map_err(|_| Error::Lost)?;
    let answer = answer.await.map_err(|_| Error::Lost)?;
    actor.stop(None);
    answer
}

/// Ends the leaves of a query whose asker is gone; after the answer there is nothing left to end.
struct StopOnDrop(Stop);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

struct Aggregator;

struct Args {
    plan: Arc<Plan>,
    sources: Vec<Arc<plimsoll_storage::Shard>>,
    budget: Budget,
    reply: oneshot::Sender<Result<Answer, Error>>,
}

struct State {
    plan: Arc<Plan>,
    budget: Budget,
    /// In the order of the shards, so that the merge gives the same bits each time.
    partials: Vec<Option<Partial>>,
    missing: usize,
    reply: Option<oneshot::Sender<Result<Answer, Error>>>,
}

/// What a leaf answered; as many messages as shards, so the mailbox is bounded.
struct Leaf {
    shard: usize,
    answer: Result<Partial, plimsoll_promql::Error>,
}

impl Actor for Aggregator {
    type Msg = Leaf;
    type State = State;
    type Arguments = Args;

    async fn pre_start(&self, me: ActorRef<Leaf>, args: Args) -> Result<State, ActorProcessingErr> {
        let Args { plan, sources, budget, reply } = args;
        let missing = sources.len();
        for (shard, source) in sources.into_iter().enumerate() {
            let (me, plan, budget) = (me.clone(), plan.clone(), budget.clone());
            tokio::task::spawn_blocking(move || {
                let answer = plan.leaf(&ShardSource(source), &budget);
                // the aggregator is gone when another leaf failed
                let _ = me.cast(Leaf { shard, answer });
            });
        }
        let partials = (0..missing).map(|_| None).collect();
        Ok(State { plan, budget, partials, missing, reply: Some(reply) })
    }

    async fn handle(
        &self,
        me: ActorRef<Leaf>,
        leaf: Leaf,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        match leaf.answer {
            Ok(partial) => {
                state.partials[leaf.shard] = Some(partial);
                state.missing -= 1;
                if state.missing == 0 {
                    state.merge();
                }
            }
            Err(e) => {
                if let Some(reply) = state.reply.take() {
                    // the asker may be gone
                    let _ = reply.send(Err(e.into()));
                }
                state.budget.stop.cancel();
                me.stop(None);
            }
        }
        Ok(())
    }
}

impl State {
    fn merge(&mut self) {
        let Some(reply) = self.reply.take() else { return };
        let partials: Vec<Partial> = self.partials.iter_mut().filter_map(Option::take).collect();
        let (plan, budget) = (self.plan.clone(), self.budget.clone());
        tokio::task::spawn_blocking(move || {
            let answer = plan.merge(partials, &budget);
            // the asker may be gone
            let _ = reply.send(answer.map_err(Error::from));
        });
    }
}
