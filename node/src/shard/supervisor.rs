use super::{Setup, Shard, actor::Args, actor::ShardActor};
use plimsoll_model::ShardId;
use ractor::{Actor, ActorCell, ActorId, ActorProcessingErr, ActorRef, SupervisionEvent};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// A shard may crash this often within [`CRASH_WINDOW`]; once more stops the node.
const CRASHES: usize = 5;
const CRASH_WINDOW: Duration = Duration::from_secs(60);
const RESTART_PAUSE: Duration = Duration::from_millis(100);

/// All shards of this node, by number.
#[derive(Clone)]
pub struct Shards(Arc<Vec<Shard>>);

impl Shards {
    /// The shard that owns `hash`.
    pub fn owner(&self, hash: u64) -> &Shard {
        &self.0[ShardId::of_hash(hash, self.0.len() as u16).0 as usize]
    }

    /// The shard with this number.
    pub fn get(&self, id: ShardId) -> Option<&Shard> {
        self.0.get(id.0 as usize)
    }

    /// Every shard in order.
    pub fn iter(&self) -> impl Iterator<Item = &Shard> {
        self.0.iter()
    }

    /// Number of shards of the cluster.
    pub fn count(&self) -> u16 {
        self.0.len() as u16
    }

    /// Whether every shard takes writes.
    pub fn all_live(&self) -> bool {
        self.0.iter().all(Shard::is_live)
    }
}

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

/// What the supervisor tells itself.
pub enum Msg {
    /// Start this shard again.
    Restart(ShardId),
}

impl Supervisor {
    /// Starts `count` shards and waits until all are ready. A shard that keeps crashing ends the node through `fatal`.
    pub async fn start(
        count: u16,
        setup: Setup,
        fatal: mpsc::Sender<String>,
    ) -> anyhow::Result<(Shards, ActorRef<Msg>)> {
        let shards =
            (0..count).map(|i| Shard::new(ShardId(i), setup.credit_bytes, setup.disk.clone())).collect();
        let shards = Shards(Arc::new(shards));
        let start = Start { shards: shards.clone(), setup, fatal };
        let (me, _) = Supervisor::spawn(None, Supervisor, start).await?;
        Ok((shards, me))
    }
}

impl Actor for Supervisor {
    type Msg = Msg;
    type State = State;
    type Arguments = Start;

    async fn pre_start(&self, me: ActorRef<Msg>, start: Start) -> Result<State, ActorProcessingErr> {
        let cell = me.get_cell();
        let all = start.shards.iter().map(|s| launch(s, &start.setup, &cell));
        let mut running = HashMap::new();
        for (id, started) in futures::future::join_all(all).await {
            running.insert(started.map_err(|e| format!("{id}: {e}"))?, id);
        }
        Ok(State { start, running, crashes: Vec::new() })
    }

    async fn handle(
        &self,
        me: ActorRef<Msg>,
        Msg::Restart(id): Msg,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        let Some(shard) = state.start.shards.get(id) else { return Ok(()) };
        match launch(shard, &state.start.setup, &me.get_cell()).await.1 {
            Ok(actor) => {
                tracing::info!(shard = %id, "restarted from disk");
                metrics::counter!("plimsoll_shard_restarts_total").increment(1);
                state.running.insert(actor, id);
            }
            Err(e) => state.crashed(&me, id, &e.to_string()).await,
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
    /// Takes the dead replica's group down, then asks for a restart, or ends the node when it crashes in a loop.
    async fn crashed(&mut self, me: &ActorRef<Msg>, id: ShardId, error: &str) {
        tracing::error!(shard = %id, error, "shard crashed; restarting it from disk");
        if let Some(live) = self.start.shards.get(id).and_then(Shard::withdraw)
            && let Err(e) = live.group.shutdown().await
        {
            tracing::warn!(shard = %id, error = %e, "the raft group did not end in good order");
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

async fn launch(
    shard: &Shard,
    setup: &Setup,
    parent: &ActorCell,
) -> (ShardId, Result<ActorId, ractor::SpawnErr>) {
    let args = Args { handle: shard.clone(), setup: setup.clone() };
    let spawned = ShardActor::spawn_linked(None, ShardActor, args, parent.clone()).await;
    (shard.id, spawned.map(|(actor, _)| actor.get_id()))
}
