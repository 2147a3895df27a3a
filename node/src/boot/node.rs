use super::address::advertised;
use super::door::NodeDoor;
use super::folder::Folder;
use super::report::Reporter;
use crate::cluster::{Applicant, Cluster, Identity, check_seeds, join, members};
use crate::collector::{Collector, Rules};
use crate::http::{self, AppState};
use crate::peer::{self, Peers, Report, View, Watch};
use crate::placement::{self, Placement, Replicas};
use crate::query::Queries;
use crate::shard::{Fault, Setup, Shards, Supervisor, failover};
use crate::telemetry::{self, Metadata};
use anyhow::Context;
use plimsoll_cluster_config::{Origin, Settings};
use plimsoll_consensus::{Log, LogOptions};
use plimsoll_proto::ingest::Limits;
use ractor::Actor;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinHandle;

/// Key of the saved metric metadata in the column family `node`.
const METADATA_KEY: &[u8] = b"metric-metadata";
/// How often changed metadata is saved.
const METADATA_INTERVAL: Duration = Duration::from_secs(60);
/// Bytes of batches in flight a shard. A collector's whole credit may go to one shard.
const SHARD_CREDIT_BYTES: usize = 64 << 20;
/// How long a node that stops waits for others to take its leaderships.
const LEAVE_LIMIT: Duration = Duration::from_secs(3);

/// A running node.
pub struct Node {
    folder: Folder,
    address: SocketAddr,
    app: AppState,
    database: Arc<plimsoll_storage::Database>,
    log: Log,
    supervisor: ractor::ActorRef<crate::shard::SupervisorMsg>,
    fatal: mpsc::Receiver<String>,
    stop: watch::Sender<bool>,
    leaving: Arc<AtomicBool>,
    servers: Vec<JoinHandle<()>>,
    tasks: Vec<JoinHandle<()>>,
}

impl Node {
    /// Starts a node; it is ready when this returns.
    pub async fn start(settings: Settings) -> anyhow::Result<Self> {
        Self::start_with(settings, None).await
    }

    /// As [`Node::start`], with a fault that shards meet: for tests of what a crash does.
    pub async fn start_with(settings: Settings, fault: Option<Fault>) -> anyhow::Result<Self> {
        let started = Instant::now();
        let folder = Folder::open(&settings.node.data_dir)?;
        // the ports first: an address in use must fail before minutes of replay
        let listener = bind(settings.node.listen, "--listen").await?;
        let peer_listener = match settings.node.peer_listen {
            Some(at) => Some(bind(at, "--peer-listen").await?),
            None => None,
        };
        let address = listener.local_addr()?;
        let peer_address = peer_listener.as_ref().map(TcpListener::local_addr).transpose()?;
        let recorder = telemetry::install_metrics()?;
        let (fatal_sender, fatal) = mpsc::channel(4);
        let (database, log) = open_stores(&folder, &settings, fatal_sender.clone()).await?;
        let peers = Peers::new(peer::plain());
        let applicant = applicant(&settings, address, peer_address);
        let identity = identity(&database, &settings, &peers, &applicant).await?;
        let applicant = Applicant { folder: identity.folder, ..applicant };
        peers.introduce(identity.node_id(), identity.cluster_id().to_string());
        let cluster = Cluster::start(&database, &log, identity, peers.clone(), View::default()).await?;
        let shards = Shards::new(cluster.clone(), peers.clone());
        let leaving = Arc::new(AtomicBool::new(false));
        let may_lead: Arc<dyn Fn() -> bool + Send + Sync> = {
            let leaving = leaving.clone();
            Arc::new(move || !leaving.load(SeqCst))
        };
        let reporter = Reporter {
            cluster: cluster.clone(),
            shards: shards.clone(),
            database: database.clone(),
            log: log.clone(),
            folder: folder.path().to_owned(),
            may_lead: may_lead.clone(),
            disk: parking_lot::Mutex::default(),
        };
        let report: Arc<dyn Fn() -> Report + Send + Sync> = Arc::new(move || reporter.report());
        let founding = Arc::new(AtomicBool::new(!cluster.identity().founded));
        let setup = Setup {
            cluster: cluster.clone(),
            database: database.clone(),
            log: log.clone(),
            peers: peers.clone(),
            founding: founding.clone(),
            may_lead,
            retention_ms: millis(settings.storage.retention.duration()),
            checkpoint_interval: settings.storage.checkpoint_interval.duration(),
            head_bytes: settings.storage.head.bytes() as usize / usize::from(cluster.shard_count()).max(1),
            expire_interval: Duration::from_secs(600),
            credit_bytes: SHARD_CREDIT_BYTES,
            fault,
            maintenance: Arc::new(Semaphore::new(1)),
        };
        let supervisor = Supervisor::start(shards.clone(), setup, fatal_sender).await?;
        let stores = (&database, &log);
        let app = assemble(&settings, stores, &shards, report.clone(), recorder, started).await?;
        if let Some(saved) = database.get(METADATA_KEY)? {
            app.metadata.load(&saved);
        }
        let (stop, stopping) = watch::channel(false);
        let door =
            Arc::new(NodeDoor { cluster: cluster.clone(), shards: shards.clone(), report: report.clone() });
        let mut servers = Vec::new();
        let public_door = peer_listener.is_none().then(|| door.clone());
        servers.push(tokio::spawn(http::serve(listener, app.clone(), public_door, stopping.clone())));
        if let Some(listener) = peer_listener {
            servers.push(tokio::spawn(http::serve_peers(listener, door, stopping)));
        }
        let watch = Watch::new(peers.clone(), cluster.view().clone(), report);
        let watched = shards.clone();
        let mut tasks = vec![tokio::spawn(watch.run(move || failover::replace_dead_leaders(&watched)))];
        cluster.establish(&applicant, cluster.shard_count()).await?;
        let replicas = Replicas {
            cluster: cluster.clone(),
            peers,
            shards: shards.clone(),
            supervisor: supervisor.clone(),
        };
        replicas.open_all(database.shards()).await;
        if founding.swap(false, SeqCst) {
            let identity = Identity { founded: true, ..cluster.identity().clone() };
            identity.save(&database)?;
        }
        tasks.push(tokio::spawn(replicas.keep()));
        tasks.push(tokio::spawn(cluster.clone().announce(applicant)));
        tasks.push(tokio::spawn(members::keep(cluster.clone())));
        tasks.push(tokio::spawn(save_metadata(app.metadata.clone(), database.clone())));
        let placement = placement::Args {
            cluster,
            shards,
            replace_after: settings.cluster.replace_after.duration(),
            moves: settings.cluster.moves as usize,
        };
        Placement::spawn(None, Placement, placement).await?;
        app.ready.store(true, std::sync::atomic::Ordering::Release);
        tracing::info!(%address, seconds = started.elapsed().as_secs_f64(), "ready");
        Ok(Self { folder, address, app, database, log, supervisor, fatal, stop, leaving, servers, tasks })
    }

    /// Where the node listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where the node keeps its data.
    pub fn data_dir(&self) -> &Path {
        self.folder.path()
    }

    /// Where samples of this process go in.
    pub fn collector(&self) -> &Collector {
        &self.app.collector
    }

    /// The shards.
    pub fn shards(&self) -> &Shards {
        &self.app.shards
    }

    /// Resolves when the node cannot go on, with the reason.
    pub async fn fatal(&mut self) -> String {
        self.fatal.recv().await.unwrap_or_else(|| "the supervisor of the shards is gone".to_owned())
    }

    /// Stops in good order; requests under way get `drain`.
    pub async fn stop(self, drain: Duration) {
        self.app.ready.store(false, std::sync::atomic::Ordering::Release);
        self.leave().await;
        // nobody listens when the server has ended already
        let _ = self.stop.send(true);
        for server in self.servers {
            if tokio::time::timeout(drain, server).await.is_err() {
                tracing::warn!("requests were still under way after {drain:?}; they end now");
            }
        }
        self.tasks.iter().for_each(JoinHandle::abort);
        if let Err(e) = self.database.put(METADATA_KEY, &self.app.metadata.save()) {
            tracing::warn!(error = %e, "metric metadata was not saved");
        }
        for shard in self.app.shards.locals() {
            if let Err(e) = shard.checkpoint().await {
                tracing::warn!(shard = %shard.id, error = %e, "no checkpoint; the next start replays the log");
            }
        }
        let _ = self.supervisor.stop_and_wait(None, Some(drain)).await;
        self.app.cluster.stop().await;
        self.log.close().await;
        tracing::info!("stopped");
    }

    /// Hands leaderships to other nodes while they still can be asked, so that a restart is no fail-over.
    async fn leave(&self) {
        self.leaving.store(true, SeqCst);
        let (began, view) = (Instant::now(), self.app.cluster.view());
        let leads = || {
            let lives = self.app.shards.locals().into_iter().filter_map(|s| s.live().ok());
            let mut led = lives.map(|live| live.group.status()).filter(|status| status.is_leader);
            led.any(|status| status.voters.iter().any(|n| view.is_alive(*n)))
        };
        while leads() && began.elapsed() < LEAVE_LIMIT {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

async fn bind(at: SocketAddr, flag: &str) -> anyhow::Result<TcpListener> {
    let bound = TcpListener::bind(at).await;
    bound.with_context(|| format!("cannot listen on {at}: choose another address with {flag}"))
}

fn applicant(settings: &Settings, listen: SocketAddr, peer_listen: Option<SocketAddr>) -> Applicant {
    let (peer_address, address) = advertised(settings, listen, peer_listen);
    Applicant {
        folder: 0,
        peer_address,
        address,
        zone: settings.node.zone.clone().unwrap_or_default(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

/// Who this node is: as its folder says, or new; a new one founds a cluster unless it is told whom to join.
async fn identity(
    database: &plimsoll_storage::Database,
    settings: &Settings,
    peers: &Peers,
    applicant: &Applicant,
) -> anyhow::Result<Identity> {
    let seeds = &settings.node.join;
    let found = Identity::load(database)?;
    match found {
        Some(identity) if identity.is_complete() => {
            let given = settings.origin("shards.count") != Origin::Default;
            identity.check_shards(settings.shards.count, given)?;
            if !seeds.is_empty() {
                peers.introduce(identity.node_id(), identity.cluster_id().to_string());
                check_seeds(peers, seeds).await?;
            }
            Ok(identity)
        }
        Some(_) if seeds.is_empty() => anyhow::bail!(
            "this data folder began to join a cluster: start it with --join HOST:PORT again, or with a new --data-dir"
        ),
        None if seeds.is_empty() => {
            let identity = Identity::founder(settings.shards.count as u16);
            identity.save(database)?;
            Ok(identity)
        }
        began => {
            let identity = began.unwrap_or_else(Identity::joining);
            join(database, peers, seeds, identity, applicant.clone()).await
        }
    }
}

/// Opens RocksDB and the log. A log that cannot be written any more ends the node: what was acknowledged is
/// on disk, and nothing may be acknowledged after a failed fsync.
async fn open_stores(
    folder: &Folder,
    settings: &Settings,
    fatal: mpsc::Sender<String>,
) -> anyhow::Result<(Arc<plimsoll_storage::Database>, Log)> {
    let (store, log_dir) = (folder.store(), folder.log());
    let options = plimsoll_storage::Options {
        block_cache_bytes: settings.storage.block_cache.bytes() as usize,
        write_buffer_bytes: settings.storage.write_buffer.bytes() as usize,
        ..plimsoll_storage::Options::default()
    };
    let database = tokio::task::spawn_blocking(move || plimsoll_storage::Database::open(&store, options))
        .await?
        .with_context(|| format!("cannot open the store in {}", folder.store().display()))?;
    let log = Log::open(&log_dir, LogOptions::default())?;
    let watched = log.clone();
    tokio::spawn(async move {
        let reason = watched.wait_broken().await;
        // the channel is full only when the node is ending already
        let _ = fatal.try_send(reason);
    });
    Ok((Arc::new(database), log))
}

async fn assemble(
    settings: &Settings,
    (database, log): (&Arc<plimsoll_storage::Database>, &Log),
    shards: &Shards,
    report: Arc<dyn Fn() -> Report + Send + Sync>,
    recorder: metrics_exporter_prometheus::PrometheusHandle,
    started: Instant,
) -> anyhow::Result<AppState> {
    let ingest = &settings.ingest;
    let limits = Limits {
        decoded_bytes: ingest.decoded_bytes.bytes() as usize,
        labels_per_series: ingest.labels_per_series as usize,
        label_name_bytes: ingest.label_name_bytes.bytes() as usize,
        label_value_bytes: ingest.label_value_bytes.bytes() as usize,
        samples_per_request: ingest.samples_per_request as usize,
        ..Limits::default()
    };
    let rules = Rules {
        limits,
        seed: rand::random(),
        retention_ms: millis(settings.storage.retention.duration()),
        future_ms: millis(ingest.future_skew.duration()),
        max_series: ingest.max_series,
    };
    let actors = std::thread::available_parallelism().map_or(2, |n| n.get()).min(8);
    let metadata = Arc::new(Metadata::default());
    let in_flight = ingest.in_flight_bytes.bytes() as usize;
    let collector = Collector::start(actors, in_flight, rules, shards.clone(), metadata.clone()).await?;
    let queries = Queries::new(settings.query.clone(), shards.clone());
    Ok(AppState::new(http::Parts {
        settings: settings.clone(),
        database: database.clone(),
        log: log.clone(),
        cluster: shards.cluster().clone(),
        shards: shards.clone(),
        report,
        collector,
        queries,
        metadata,
        recorder,
        started,
    }))
}

async fn save_metadata(metadata: Arc<Metadata>, database: Arc<plimsoll_storage::Database>) {
    let mut saved = Vec::new();
    loop {
        tokio::time::sleep(METADATA_INTERVAL).await;
        let now = metadata.save();
        if now != saved {
            let (database, bytes) = (database.clone(), now.clone());
            let written = tokio::task::spawn_blocking(move || database.put(METADATA_KEY, &bytes)).await;
            match written {
                Ok(Ok(())) => saved = now,
                Ok(Err(e)) => tracing::warn!(error = %e, "metric metadata was not saved"),
                Err(_) => return,
            }
        }
    }
}

fn millis(d: Duration) -> i64 {
    i64::try_from(d.as_millis()).unwrap_or(i64::MAX)
}
