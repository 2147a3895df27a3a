mod handle;

pub use handle::Handle;

use super::{Error, Setup, Shard, Shards, actor::Args, actor::ShardActor};
use plimsoll_model::ShardId;
use ractor::{Actor, ActorId, ActorProcessingErr, ActorRef, SpawnErr, SupervisionEvent};
use std::collections::HashMap;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// A shard may crash this often within [`CRASH_WINDOW`]; once more stops the node.
const CRASHES: usize = 5;
const CRASH_WINDOW: Duration = Duration::from_secs(60);
const RESTART_PAUSE: Duration = Duration::from_millis(100);
/// As long as the disk is full.
const FULL_PAUSE: Duration = Duration::from_secs(2);
/// How long a replica may take to end its work.
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// Starts the shard actors and restarts from disk the one that crashes.
pub struct Supervisor;

/// Start arguments of the supervisor.
pub struct Start {
    shards: Shards,
    setup: Setup,
    fatal: mpsc::Sender<String>,
}

/// State of the supervisor.
pub struct State {
    start: Start,
    running: HashMap<ActorId, ShardId>,
    crashes: Vec<(Instant, ShardId)>,
}

/// What the supervisor can be asked.
pub enum Msg {
    /// Open replicas, all at a time, unless they are open; told when that is done.
    Open(Vec<ShardId>, oneshot::Sender<()>),
    /// Close a replica and delete its data: this node is no member of its group any more.
    Destroy(ShardId, oneshot::Sender<()>),
    /// Start this replica again.
    Restart(ShardId),
}

impl Supervisor {
    /// Starts without a replica. One that keeps crashing ends the node through `fatal`.
    pub async fn start(shards: Shards, setup: Setup, fatal: mpsc::Sender<String>) -> anyhow::Result<Handle> {
        let start = Start { shards, setup, fatal };
        Ok(Handle(Supervisor::spawn(None, Supervisor, start).await?.0))
    }
}

impl Actor for Supervisor {
    type Msg = Msg;
    type State = State;
    type Arguments = Start;

    async fn pre_start(&self, _: ActorRef<Msg>, start: Start) -> Result<State, ActorProcessingErr> {
        Ok(State { start, running: HashMap::new(), crashes: Vec::new() })
    }

    async fn handle(&self, me: ActorRef<Msg>, msg: Msg, state: &mut State) -> Result<(), ActorProcessingErr> {
        match msg {
            Msg::Open(ids, done) => {
                let new: Vec<ShardId> =
                    ids.into_iter().filter(|id| state.start.shards.local(*id).is_none()).collect();
                for id in &new {
                    state.start.shards.put(Shard::new(
                        *id,
                        state.start.setup.credit_bytes,
                        state.start.setup.disk.clone(),
                    ));
                }
                state.launch(&me, new).await;
                // whoever waited may have been stopped
                let _ = done.send(());
            }
            Msg::Destroy(id, done) => {
                state.destroy(id).await;
                let _ = done.send(());
            }
            Msg::Restart(id) => {
                state.launch(&me, vec![id]).await;
                if state.start.shards.local(id).is_some_and(|s| s.is_live()) {
                    tracing::info!(shard = %id, "restarted from disk");
                    metrics::counter!("plimsoll_shard_restarts_total").increment(1);
                }
            }
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        me: ActorRef<Msg>,
        event: SupervisionEvent,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        if let SupervisionEvent::ActorFailed(actor, error) = event
            && let Some(id) = state.running.remove(&actor.get_id())
        {
            state.crashed(&me, id, &error.to_string()).await;
        }
        Ok(())
    }
}

impl State {
    /// Starts the actors of replicas; one that cannot be opened counts as a crash.
    async fn launch(&mut self, me: &ActorRef<Msg>, ids: Vec<ShardId>) {
        let shards = ids.iter().filter_map(|id| self.start.shards.local(*id));
        let starts = shards.map(|handle| {
            let (id, args) = (handle.id, Args { handle, setup: self.start.setup.clone() });
            let spawned = ShardActor::spawn_linked(None, ShardActor, args, me.get_cell());
            async move { (id, spawned.await) }
        });
        for (id, started) in futures::future::join_all(starts).await {
            match started {
                Ok((actor, _)) => drop(self.running.insert(actor.get_id(), id)),
                Err(e) if self.is_ruined(id, &e) => self.give_up(id, &e.to_string()),
                Err(e) => self.crashed(me, id, &e.to_string()).await,
            }
        }
    }

    /// Whether a replica failed to open by damage that its group can do without: with two others every acknowledged entry
    /// is on one of them.
    fn is_ruined(&self, id: ShardId, error: &SpawnErr) -> bool {
        let SpawnErr::StartupFailed(cause) = error else { return false };
        let damaged =
            matches!(cause.downcast_ref(), Some(Error::Storage(plimsoll_storage::Error::Damaged(_))));
        damaged && self.start.setup.cluster.place(id).0.len() > 2
    }

    /// Leaves it closed: the leader takes it out of the group, then it is deleted and made anew.
    fn give_up(&self, id: ShardId, error: &str) {
        tracing::error!(shard = %id, error, "this copy is damaged; it is made anew from the other nodes");
        metrics::counter!("plimsoll_ruined_replicas_total").increment(1);
        if let Some(shard) = self.start.shards.local(id) {
            shard.give_up();
        }
    }

    async fn destroy(&mut self, id: ShardId) {
        let Some(shard) = self.start.shards.remove(id) else { return };
        self.running.retain(|_, of| *of != id);
        if let Some(live) = shard.withdraw() {
            // the actor ends its group
            if let Err(e) = live.actor.stop_and_wait(None, Some(STOP_LIMIT)).await {
                tracing::warn!(shard = %id, error = %e, "the actor of a replica did not end");
            }
            if let Err(e) = live.group.shutdown().await {
                tracing::debug!(shard = %id, error = %e, "the raft group had ended");
            }
        }
        if let Err(e) = self.start.setup.destroy(id).await {
            tracing::error!(shard = %id, error = %e, "the data of a replica was not deleted");
        }
    }

    /// Takes the dead replica's group down, then asks for a restart, or ends the node when it crashes in a loop.
    async fn crashed(&mut self, me: &ActorRef<Msg>, id: ShardId, error: &str) {
        tracing::error!(shard = %id, error, "shard crashed; restarting it from disk");
        if let Some(live) = self.start.shards.local(id).and_then(|s| s.withdraw())
            && let Err(e) = live.group.shutdown().await
        {
            tracing::warn!(shard = %id, error = %e, "the raft group did not end in good order");
        }
        if self.start.setup.disk.check_writable().is_err() {
            // no crash loop: it ends when there is room again
            drop(me.send_after(FULL_PAUSE, move || Msg::Restart(id)));
            return;
        }
        let now = Instant::now();
        self.crashes.push((now, id));
        self.crashes.retain(|(at, _)| now.duration_since(*at) < CRASH_WINDOW);
        if self.crashes.iter().filter(|(_, of)| *of == id).count() > CRASHES {
            let text = format!("{id} crashed more than {CRASHES} times a minute, last: {error}");
            // the node is ending already when nobody listens
            let _ = self.start.fatal.send(text).await;
            return;
        }
        drop(me.send_after(RESTART_PAUSE, move || Msg::Restart(id)));
    }
}
