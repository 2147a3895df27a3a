use super::{Error, Live, Setup, Shard, machine, msg::Append, msg::Msg, msg::Reply, walk};
use bytes::Bytes;
use plimsoll_consensus::{Error as Consensus, Outcome};
use plimsoll_model::ShardId;
use plimsoll_storage::Applied;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use std::time::Duration;
use tokio::task::JoinHandle;

/// How long the first batch waits for others where an entry has to go to other nodes: there an entry costs each replica
/// more than its samples do, and the wait is little beside the way there and the disk.
const LINGER: Duration = Duration::from_millis(5);
/// Proposals of a shard under way at a time. While one is at the disk the next one gathers batches, so a
/// second one keeps the log busy; more would only make entries smaller.
const PROPOSALS: usize = 2;
/// Clocks that differ by less are as good as equal, and by more are broken.
const CLOCK_SKEW_MS: i64 = 600_000;
/// Between two looks whether the group still runs.
const LOOK: Duration = Duration::from_secs(1);
/// Bytes joined into one log entry.
const ENTRY_BYTES: usize = 1 << 20;

pub(super) struct ShardActor;

pub(super) struct Args {
    pub handle: Shard,
    pub setup: Setup,
}

pub(super) struct State {
    handle: Shard,
    setup: Setup,
    live: Live,
    waiting: Vec<Append>,
    waiting_bytes: usize,
    proposals: usize,
    /// A batch waits for others.
    lingering: bool,
    maintaining: bool,
    /// Bytes of batches since the last checkpoint began.
    unwritten_bytes: usize,
    timers: Vec<JoinHandle<()>>,
}

impl ShardActor {
    /// The one place where a message enters the mailbox. Appends carry their credit; the rest comes from timers
    /// and from operators one at a time, so the mailbox is bounded.
    pub(super) fn send(actor: &ActorRef<Msg>, msg: Msg) -> Result<(), ()> {
        actor.cast(msg).map_err(|_| ())
    }
}

impl Actor for ShardActor {
    type Msg = Msg;
    type State = State;
    type Arguments = Args;

    async fn pre_start(&self, me: ActorRef<Msg>, args: Args) -> Result<State, ActorProcessingErr> {
        let Args { handle, setup } = args;
        let live = setup.open(handle.id, me.clone()).await?;
        handle.publish(live.clone());
        let mut timers = start_timers(&me, &setup, handle.id.0);
        timers.push(tokio::spawn(walk::keep(handle.id, live.clone(), setup.clone())));
        timers.push(watch_group(&me, &live));
        Ok(State {
            handle,
            setup,
            live,
            waiting: Vec::new(),
            waiting_bytes: 0,
            proposals: 0,
            lingering: false,
            maintaining: false,
            unwritten_bytes: 0,
            timers,
        })
    }

    async fn handle(&self, me: ActorRef<Msg>, msg: Msg, state: &mut State) -> Result<(), ActorProcessingErr> {
        match msg {
            Msg::Append(append) => {
                if let Some(fault) = &state.setup.fault {
                    fault(state.handle.id);
                }
                state.unwritten_bytes += append.batch.len();
                state.waiting_bytes += append.batch.len();
                state.waiting.push(append);
                state.gather(&me);
                if state.unwritten_bytes > state.setup.head_bytes && !state.maintaining {
                    state.maintain(&me, Job::Checkpoint, None);
                }
            }
            Msg::Proposed { stopped: false } => {
                state.proposals -= 1;
                state.gather(&me);
            }
            Msg::Linger => {
                state.lingering = false;
                state.propose(&me);
            }
            Msg::Proposed { stopped: true } | Msg::Stopped => {
                return Err(format!("the raft group of {} stopped", state.handle.id).into());
            }
            Msg::Checkpoint(reply) => state.maintain(&me, Job::Checkpoint, reply),
            Msg::Compact { force, reply } => state.maintain(&me, Job::Compact { force }, reply),
            Msg::Expire => state.maintain(&me, Job::Expire, None),
            Msg::Maintained => state.maintaining = false,
        }
        Ok(())
    }

    async fn post_stop(&self, _: ActorRef<Msg>, state: &mut State) -> Result<(), ActorProcessingErr> {
        state.timers.drain(..).for_each(|t| t.abort());
        state.handle.withdraw();
        for append in state.waiting.drain(..) {
            // the receiver may have gone; nothing is lost by that
            let _ = append.reply.send(Err(Error::Unavailable(state.handle.id)));
        }
        if let Err(e) = state.live.group.shutdown().await {
            tracing::warn!(shard = %state.handle.id, error = %e, "the raft group did not end in good order");
        }
        Ok(())
    }
}

impl State {
    /// Proposes what waits, at once or, where other nodes take part, after others had a moment to join it.
    fn gather(&mut self, me: &ActorRef<Msg>) {
        let replicated = self.live.group.has_peers();
        if !replicated || self.waiting_bytes >= ENTRY_BYTES {
            self.propose(me);
        } else if !self.lingering && self.proposals < PROPOSALS && !self.waiting.is_empty() {
            self.lingering = true;
            me.send_after(LINGER, || Msg::Linger);
        }
    }

    /// Proposes what waits, as one log entry, unless enough entries are under way.
    fn propose(&mut self, me: &ActorRef<Msg>) {
        while self.proposals < PROPOSALS && !self.waiting.is_empty() {
            let mut bytes = 0;
            let fits = self.waiting.iter().take_while(|a| {
                bytes += a.batch.len();
                bytes <= ENTRY_BYTES
            });
            let n = fits.count().max(1);
            let batch: Vec<Append> = self.waiting.drain(..n).collect();
            self.waiting_bytes -= batch.iter().map(|a| a.batch.len()).sum::<usize>();
            self.proposals += 1;
            let (me, live, id) = (me.clone(), self.live.clone(), self.handle.id);
            tokio::spawn(async move {
                let command = machine::join(batch.iter().map(|a| &a.batch[..]));
                let outcome = live.group.propose(command).await;
                let stopped = matches!(outcome, Err(Consensus::Stopped { .. } | Consensus::LogBroken { .. }));
                answer(id, batch, outcome);
                // a dead actor needs no news
                let _ = ShardActor::send(&me, Msg::Proposed { stopped });
            });
        }
    }

    /// Runs one job off the actor. A second one is refused while one runs: the next tick comes soon.
    fn maintain(&mut self, me: &ActorRef<Msg>, job: Job, reply: Option<Reply<()>>) {
        if self.maintaining {
            if let Some(reply) = reply {
                let _ = reply.send(Err(Error::Busy(self.handle.id)));
            }
            return;
        }
        self.maintaining = true;
        self.unwritten_bytes = 0;
        let (me, live, setup, id) = (me.clone(), self.live.clone(), self.setup.clone(), self.handle.id);
        tokio::spawn(async move {
            // one heavy job a node: they share the disk and the memory for what they rewrite
            let _turn = setup.maintenance.acquire().await;
            let outcome = job.run(id, &live, &setup).await;
            if let Err(e) = &outcome {
                tracing::error!(shard = %id, error = %e, "maintenance failed");
            }
            if let Some(reply) = reply {
                let _ = reply.send(outcome);
            }
            let _ = ShardActor::send(&me, Msg::Maintained);
        });
    }
}

#[derive(Clone, Copy)]
enum Job {
    Checkpoint,
    Compact { force: bool },
    Expire,
}

impl Job {
    async fn run(self, id: ShardId, live: &Live, setup: &Setup) -> Result<(), Error> {
        let storage = live.storage();
        let now = crate::now_ms();
        match self {
            Self::Checkpoint => checkpoint(id, live, setup).await,
            Self::Compact { force } => {
                checkpoint(id, live, setup).await?;
                if !setup.disk.may_compact(storage.statistics().disk_bytes) {
                    return Err(no_room(id, setup));
                }
                blocking(move || storage.compact(now, force).map(drop)).await
            }
            Self::Expire => {
                // frees space, so it goes on whatever the disk says; the compaction after it needs some
                if live.group.is_leader() && clock_is_sane(setup, now) {
                    expire(live, setup, now).await?;
                }
                if !setup.disk.may_compact(storage.statistics().disk_bytes) {
                    return Ok(());
                }
                blocking(move || storage.compact(now, false).map(drop)).await
            }
        }
    }
}

/// Lets go of what is older than the rules say: of all series first, then of those that are kept for less.
async fn expire(live: &Live, setup: &Setup, now: i64) -> Result<(), Error> {
    let policy = setup.retention.policy();
    live.group.propose(machine::expire(policy.oldest(now))).await?;
    for deletion in policy.deletions(now) {
        let storage = live.storage();
        let due = blocking(move || {
            let hits = storage.would_delete(&deletion)?.0 > 0 && storage.has_room_for_deletion();
            Ok(hits.then_some(deletion))
        });
        if let Some(deletion) = due.await? {
            let reply = live.group.propose(machine::deletion(&deletion)).await?;
            match machine::deleted(&reply) {
                Ok(series) => tracing::info!(series, "samples went by a rule of retention"),
                Err(e) => tracing::error!(error = %e, "a rule of retention was refused"),
            }
        }
    }
    Ok(())
}

/// Moves the head into RocksDB, then gives back the files of the log that nobody needs any more.
async fn checkpoint(id: ShardId, live: &Live, setup: &Setup) -> Result<(), Error> {
    // the head in memory is an upper bound of what is written of it
    if !setup.disk.may_checkpoint(setup.head_bytes as u64) {
        return Err(no_room(id, setup));
    }
    live.group.checkpoint().await?;
    let log = setup.log.clone();
    match tokio::task::spawn_blocking(move || log.purge()).await {
        // groups that hold old files back write their own checkpoint in their turn
        Ok(purged) => Ok(purged.map(drop)?),
        Err(join) => std::panic::resume_unwind(join.into_panic()),
    }
}

fn no_room(id: ShardId, setup: &Setup) -> Error {
    let reason = match setup.disk.check_writable() {
        Err(e) => e.0,
        Ok(()) => "the disk has no room for what this would write".to_owned(),
    };
    Error::ReadOnly(id, reason)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, plimsoll_storage::Error> + Send + 'static,
) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(r) => Ok(r?),
        Err(join) => std::panic::resume_unwind(join.into_panic()),
    }
}

/// Gives every batch its own part of the answer.
fn answer(id: ShardId, batches: Vec<Append>, outcome: Result<Bytes, Consensus>) {
    let parts = match outcome {
        Ok(reply) => machine::split(&reply).filter(|parts| parts.len() == batches.len()),
        Err(e) => {
            tracing::debug!(shard = %id, error = %e, "a batch was not confirmed");
            for a in batches {
                let _ = a.reply.send(Err(refusal(id, &e)));
            }
            return;
        }
    };
    let parts: Vec<Result<Applied, Error>> = match parts {
        Some(parts) => parts.into_iter().map(Ok).collect(),
        None => batches.iter().map(|_| Err(Error::Malformed("the log refused it".into()))).collect(),
    };
    for (a, part) in batches.into_iter().zip(parts) {
        drop(a.credit);
        // the request may have been dropped; the samples are in all the same
        let _ = a.reply.send(part);
    }
}

pub(super) fn refusal(shard: plimsoll_model::ShardId, e: &Consensus) -> Error {
    match e {
        Consensus::NotLeader { leader, .. } => Error::NotLeader { shard, leader: *leader },
        Consensus::NoQuorum { .. } => Error::NoQuorum(shard),
        Consensus::Busy { .. } => Error::Busy(shard),
        e if e.outcome() == Outcome::PerhapsDone => Error::Unconfirmed(shard),
        Consensus::TooLarge { .. } => Error::Malformed(e.to_string()),
        _ => Error::Unavailable(shard),
    }
}

/// Whether this node's clock agrees with those of most peers: expiry by a clock that runs ahead would delete what
/// should be kept.
fn clock_is_sane(setup: &Setup, now: i64) -> bool {
    let mut differences = vec![0];
    setup.cluster.view().each(|_, report| differences.push((now - report.now_ms).abs()));
    differences.sort_unstable();
    let sane = differences[differences.len() / 2] < CLOCK_SKEW_MS;
    if !sane {
        tracing::error!(
            "this node's clock differs from those of its peers; nothing expires until it is set right"
        );
    }
    sane
}

/// Tells the actor when its group has stopped: a follower proposes nothing and would never learn of it. It looks from
/// time to time; to be woken at every change of the group would cost more than the samples.
fn watch_group(me: &ActorRef<Msg>, live: &Live) -> JoinHandle<()> {
    let (me, group) = (me.clone(), live.group.clone());
    tokio::spawn(async move {
        while group.status().stopped.is_none() {
            tokio::time::sleep(LOOK).await;
        }
        // the actor is gone already when it does not take this
        let _ = ShardActor::send(&me, Msg::Stopped);
    })
}

/// Timers of one shard, spread so that shards do not work at the same moment.
fn start_timers(me: &ActorRef<Msg>, setup: &Setup, shard: u16) -> Vec<JoinHandle<()>> {
    let every = |period: Duration, make: fn() -> Msg| {
        let me = me.clone();
        let share = f64::from(shard % 16 + 1) / 16.0;
        tokio::spawn(async move {
            tokio::time::sleep(period.mul_f64(share)).await;
            let mut ticks = tokio::time::interval(period);
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                if ShardActor::send(&me, make()).is_err() {
                    return;
                }
            }
        })
    };
    vec![
        every(setup.checkpoint_interval, || Msg::Checkpoint(None)),
        every(setup.expire_interval, || Msg::Expire),
    ]
}
