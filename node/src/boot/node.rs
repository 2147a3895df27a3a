use super::folder::Folder;
use crate::access::Access;
use crate::cluster::Cluster;
use crate::collector::{Collector, Rules};
use crate::disk;
use crate::http::{self, AppState};
use crate::query::Queries;
use crate::shard::{Fault, Setup, Shards, Supervisor};
use crate::telemetry::{self, Metadata};
use anyhow::Context;
use plimsoll_cluster_config::Settings;
use plimsoll_consensus::{Log, LogOptions, NoPeers};
use plimsoll_proto::ingest::Limits;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
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
    server: JoinHandle<()>,
    saver: JoinHandle<()>,
    watchers: [JoinHandle<()>; 2],
}

impl Node {
    /// Starts a node; it is ready when this returns.
    pub async fn start(settings: Settings) -> anyhow::Result<Self> {
        Self::start_with(settings, None).await
    }

    /// As [`Node::start`], with a fault that shards meet: for tests of what a crash does.
    pub async fn start_with(settings: Settings, fault: Option<Fault>) -> anyhow::Result<Self> {
        let started = Instant::now();
        if !settings.node.join.is_empty() {
            anyhow::bail!("--join: this version runs clusters of one node; leave node.join out");
        }
        let access = Access::open(&settings)?;
        let folder = Folder::open(&settings.node.data_dir)?;
        // the port first: an address in use must fail before minutes of replay
        let listener = TcpListener::bind(settings.node.listen).await.with_context(|| {
            format!("cannot listen on {}: choose another address with --listen", settings.node.listen)
        })?;
        let address = listener.local_addr()?;
        let recorder = telemetry::install_metrics()?;
        let (fatal_sender, fatal) = mpsc::channel(4);
        let (database, log) = open_stores(&folder, &settings, fatal_sender.clone()).await?;
        let (disk, disk_watch) = watch_disk(&folder, &settings);
        let cluster = Cluster::open(&database, &log, &settings, address).await?;
        let setup = Setup {
            node: cluster.node_id(),
            database: database.clone(),
            log: log.clone(),
            disk: disk.clone(),
            transport: Arc::new(NoPeers),
            retention_ms: millis(settings.storage.retention.duration()),
            checkpoint_interval: settings.storage.checkpoint_interval.duration(),
            head_bytes: settings.storage.head.bytes() as usize / usize::from(cluster.shard_count()).max(1),
            expire_interval: Duration::from_secs(600),
            credit_bytes: SHARD_CREDIT_BYTES,
            fault,
            maintenance: Arc::new(Semaphore::new(1)),
        };
        if access.has_tokens() && !access.has_root() && cluster.read(|s| access.tokens(s).is_empty()) {
            tracing::warn!(
                "access.tokens is on and there is no token: set access.root_token_file to create the first"
            );
        }
        let (shards, supervisor) = Supervisor::start(cluster.shard_count(), setup, fatal_sender).await?;
        let app =
            assemble(&settings, &database, &log, (access.clone(), disk), cluster, shards, recorder, started)
                .await?;
        if let Some(saved) = database.get(METADATA_KEY)? {
            app.metadata.load(&saved);
        }
        let (stop, stopping) = watch::channel(false);
        let router = http::router(app.clone());
        let server = tokio::spawn(http::serve(listener, access.public_door(), router, stopping));
        let watchers = [tokio::spawn(access.watch()), disk_watch];
        let saver = tokio::spawn(save_metadata(app.metadata.clone(), database.clone()));
        app.ready.store(true, std::sync::atomic::Ordering::Release);
        tracing::info!(%address, seconds = started.elapsed().as_secs_f64(), "ready");
        Ok(Self { folder, address, app, database, log, supervisor, fatal, stop, server, saver, watchers })
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
        // nobody listens when the server has ended already
        let _ = self.stop.send(true);
        if tokio::time::timeout(drain, self.server).await.is_err() {
            tracing::warn!("requests were still under way after {drain:?}; they end now");
        }
        self.saver.abort();
        self.watchers.iter().for_each(JoinHandle::abort);
        if let Err(e) = self.database.put(METADATA_KEY, &self.app.metadata.save()) {
            tracing::warn!(error = %e, "metric metadata was not saved");
        }
        for shard in self.app.shards.iter() {
            if let Err(e) = shard.checkpoint().await {
                tracing::warn!(shard = %shard.id, error = %e, "no checkpoint; the next start replays the log");
            }
        }
        let _ = self.supervisor.stop_and_wait(None, Some(drain)).await;
        self.app.cluster.stop().await;
        self.log.close().await;
        tracing::info!("stopped");
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
    database: &Arc<plimsoll_storage::Database>,
    log: &Log,
    (access, disk): (Access, disk::Health),
    cluster: Cluster,
    shards: Shards,
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
        disk,
        access,
        cluster,
        shards,
        collector,
        queries,
        metadata,
        recorder,
        started,
    }))
}

/// Begins to watch the disk; a node on a full one starts read-only.
fn watch_disk(folder: &Folder, settings: &Settings) -> (disk::Health, JoinHandle<()>) {
    let watch = disk::Watch {
        folders: vec![folder.store(), folder.log()],
        min_free: settings.storage.min_free_disk.bytes(),
        measure: Arc::new(disk::measure),
        stalled: Arc::new(|| None),
    };
    let health = disk::Health::default();
    let judge = watch.first(&health);
    (health.clone(), tokio::spawn(watch.run(judge, health)))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::ROUTES;
    use std::collections::BTreeSet;

    #[tokio::test(flavor = "multi_thread")]
    async fn every_route_is_in_the_table_of_what_routes_need() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut settings = Settings::default();
        settings.node.data_dir = folder.path().join("data");
        settings.node.listen = ([127, 0, 0, 1], 0).into();
        settings.shards.count = 1;
        let node = Node::start(settings).await.expect("a node");
        // axum tells its paths to Debug alone: `RouteId(7): "/api/v1/query"`
        let router = format!("{:?}", http::router(node.app.clone()));
        let paths = router.split("RouteId(").filter_map(|part| part.split_once("): \"/"));
        let paths = paths.filter_map(|(_, rest)| rest.split('"').next()).map(|path| format!("/{path}"));
        let paths: BTreeSet<String> = paths.filter(|path| !path.contains("__private__")).collect();
        assert!(paths.len() > 30, "axum tells its paths in another way now: {router}");
        let missing: Vec<&String> =
            paths.iter().filter(|path| !ROUTES.iter().any(|(at, _)| at == path)).collect();
        assert!(missing.is_empty(), "say in access/route.rs what these need: {missing:?}");
        node.stop(Duration::from_secs(10)).await;
    }
}
