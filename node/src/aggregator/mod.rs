//! One actor a running query: joins what the shards answer.
//!
//! Owns: the leaf part on its way to every shard, waiting for the partial results, the merge.
//! Does not own: limits and the list of queries, who is asked (`query`), evaluation (`plimsoll-promql`).
//!
//! Leaves run on the blocking pool on snapshots of storage. The first failure ends the others; dropping the
//! future of [`run`] ends all of them within a block of series.

use crate::query::{Answers, Consistency, Error, FanOut, Part, Question};
use crate::shard::Shards;
use plimsoll_promql::{Answer, Budget, Partial, Plan, Stop};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Answers `plan` from all shards. With `partial`, shards that nobody answers for are named in a warning.
pub async fn run(
    plan: Plan,
    shards: &Shards,
    budget: Budget,
    consistency: Consistency,
    partial: bool,
) -> Result<Answer, Error> {
    let _guard = StopOnDrop(budget.stop.clone());
    let (reply, answer) = oneshot::channel();
    let question = Question::Leaf(Box::new(plan.clone()));
    let fan_out = FanOut::new(shards, question, budget.clone(), consistency);
    let args = Args { plan, fan_out, budget, partial, reply };
    let (actor, _) = Aggregator::spawn(None, Aggregator, args).await.map_err(|_| Error::Lost)?;
    let _stop = StopActor(actor);
    answer.await.map_err(|_| Error::Lost)?
}

/// Ends the leaves of a query whose asker is gone; after the answer there is nothing left to end.
struct StopOnDrop(Stop);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

struct StopActor(ActorRef<Msg>);

impl Drop for StopActor {
    fn drop(&mut self) {
        self.0.stop(None);
    }
}

struct Aggregator;

struct Args {
    plan: Plan,
    fan_out: FanOut,
    budget: Budget,
    partial: bool,
    reply: oneshot::Sender<Result<Answer, Error>>,
}

struct State {
    plan: Plan,
    budget: Budget,
    partial: bool,
    reply: Option<oneshot::Sender<Result<Answer, Error>>>,
    asking: JoinHandle<()>,
}

/// What came of the question; one message, so the mailbox is bounded.
struct Msg(Result<Answers, Error>);

impl Actor for Aggregator {
    type Msg = Msg;
    type State = State;
    type Arguments = Args;

    async fn pre_start(&self, me: ActorRef<Msg>, args: Args) -> Result<State, ActorProcessingErr> {
        let Args { plan, fan_out, budget, partial, reply } = args;
        let asking = tokio::spawn(async move {
            // the aggregator may have been stopped
            let _ = me.cast(Msg(fan_out.run().await));
        });
        Ok(State { plan, budget, partial, reply: Some(reply), asking })
    }

    async fn handle(&self, _: ActorRef<Msg>, msg: Msg, state: &mut State) -> Result<(), ActorProcessingErr> {
        let Some(reply) = state.reply.take() else { return Ok(()) };
        let answers = match msg.0 {
            Ok(answers) if answers.missing.is_empty() || state.partial => answers,
            Ok(answers) => {
                let shards = answers.missing.iter().map(|(id, _)| *id).collect();
                let reason = answers.missing.into_iter().next().map(|(_, reason)| reason).unwrap_or_default();
                // the asker may be gone, here and below
                let _ = reply.send(Err(Error::Missing { shards, reason }));
                return Ok(());
            }
            Err(e) => {
                state.budget.stop.cancel();
                let _ = reply.send(Err(e));
                return Ok(());
            }
        };
        let (plan, budget) = (state.plan.clone(), state.budget.clone());
        tokio::task::spawn_blocking(move || {
            let _ = reply.send(merge(&plan, answers, &budget));
        });
        Ok(())
    }

    async fn post_stop(&self, _: ActorRef<Msg>, state: &mut State) -> Result<(), ActorProcessingErr> {
        state.asking.abort();
        Ok(())
    }
}

fn merge(plan: &Plan, answers: Answers, budget: &Budget) -> Result<Answer, Error> {
    let leaf = |part| match part {
        Part::Leaf(partial) => Some(partial),
        _ => None,
    };
    let partials: Vec<Partial> = answers.parts.into_iter().filter_map(leaf).collect();
    let mut answer = plan.merge(partials, budget)?;
    for (shard, reason) in answers.missing {
        answer.warnings.push(format!("{shard} is missing from this answer: {reason}"));
    }
    Ok(answer)
}
