use super::address::advertised;
use super::door::NodeDoor;
use super::folder::Folder;
use super::ports::Ports;
use super::report::Reporter;
use crate::access::Access;
use crate::agents::{Agents, Store};
use crate::analytics::{self, Analytics};
use crate::cluster::{Applicant, Cluster, Identity, check_seeds, check_twin, join, members};
use crate::collector::{Collector, Rules};
use crate::disk;
use crate::http::{self, AppState};
use crate::hub::Hub;
use crate::peer::{self, Peers, Report, View, Watch};
use crate::placement::{self, Placement, Replicas};
use crate::query::Queries;
use crate::repair;
use crate::retention::{self, Retention};
use crate::rules::{self, Rules as RuleGroups};
use crate::scraper::Scraper;
use crate::shard::{Fault, Setup, Shards, Supervisor, SupervisorHandle, failover};
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
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinHandle;

/// Key of the saved metric metadata in the column family `node`.
const METADATA_KEY: &[u8] = b"metric-metadata";
/// Key of the row that is written to see whether the store takes writes.
const PROBE_KEY: &[u8] = b"probe";
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
    supervisor: SupervisorHandle,
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
        let access = Access::open(&settings)?;
        let folder = Folder::open(&settings.node.data_dir)?;
        // the ports first: an address in use must fail before minutes of replay
        let ports = Ports::bind(&settings).await?;
        let recorder = telemetry::install_metrics()?;
        let (fatal_sender, fatal) = mpsc::channel(4);
        let (database, log) = open_stores(&folder, &settings, fatal_sender.clone()).await?;
        let (disk, disk_watch) = watch_disk(&folder, &settings, (&database, &log));
        let mut tasks = vec![disk_watch, tokio::spawn(access.clone().watch())];
        let (shards, applicant) = enter(&settings, (&database, &log), &access, &ports).await?;
        let cluster = shards.cluster().clone();
        let (leaving, founding) =
            (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(!cluster.identity().founded)));
        let may_lead: Arc<dyn Fn() -> bool + Send + Sync> = {
            let (leaving, disk) = (leaving.clone(), disk.clone());
            Arc::new(move || !leaving.load(SeqCst) && disk.may_lead())
        };
        let reporter = Reporter {
            shards: shards.clone(),
            database: database.clone(),
            log: log.clone(),
            disk: disk.clone(),
            may_lead: may_lead.clone(),
            sizes: parking_lot::Mutex::default(),
        };
        let report: Arc<dyn Fn() -> Report + Send + Sync> = Arc::new(move || reporter.report());
        let retention = Retention::new(cluster.clone(), millis(settings.storage.retention.duration()));
        let setup = Setup {
            cluster: cluster.clone(),
            database: database.clone(),
            log: log.clone(),
            peers: shards.peers().clone(),
            disk: disk.clone(),
            founding: founding.clone(),
            may_lead,
            retention: retention.clone(),
            checkpoint_interval: settings.storage.checkpoint_interval.duration(),
            head_bytes: settings.storage.head.bytes() as usize / usize::from(cluster.shard_count()).max(1),
            expire_interval: Duration::from_secs(600),
            credit_bytes: SHARD_CREDIT_BYTES,
            fault,
            maintenance: Arc::new(Semaphore::new(1)),
        };
        let supervisor = Supervisor::start(shards.clone(), setup, fatal_sender.clone()).await?;
        let guards = (access.clone(), disk.clone());
        let app = assemble(
            &settings,
            (&database, &log),
            guards,
            (&shards, &retention),
            report.clone(),
            recorder,
            started,
        )
        .await?;
        if let Some(saved) = database.get(METADATA_KEY)? {
            app.metadata.load(&saved);
        }
        let (stop, stopping) = watch::channel(false);
        let address = ports.address;
        let metadata = app.metadata.clone();
        let events = Arc::new(http::Events::new(&app));
        let hub = Hub::start(Arc::new(app.queries.clone()), events, stopping.clone()).await?;
        // nobody else sets it
        let _ = app.hub.set(hub);
        let door = NodeDoor {
            shards: shards.clone(),
            metadata,
            scraper: app.scraper.clone(),
            rules: app.rules.clone(),
            disk,
            stopping: stopping.clone(),
            report: report.clone(),
        };
        let servers = ports.serve(&app, &access, Arc::new(door), stopping);
        tasks.push(watch_peers(&shards, report));
        tasks.push(tokio::spawn(save_metadata(app.metadata.clone(), database.clone())));
        cluster.establish(&applicant, cluster.shard_count()).await?;
        let replicas = Replicas { shards: shards.clone(), supervisor: supervisor.clone() };
        replicas.open_all(database.shards()).await;
        if founding.swap(false, SeqCst) {
            let identity = Identity { founded: true, ..cluster.identity().clone() };
            identity.save(&database)?;
        }
        if access.has_tokens() && !access.has_root() && cluster.read(|s| access.tokens(s).is_empty()) {
            tracing::warn!(
                "access.tokens is on and there is no token: set access.root_token_file to create the first"
            );
        }
        tasks.push(tokio::spawn(replicas.keep()));
        tasks.push(tokio::spawn(retention::keep(shards.clone())));
        tasks.push(tokio::spawn(repair::keep(shards.clone(), app.collector.clone())));
        tasks.push(tokio::spawn(rules::keep(app.rules.clone())));
        tasks.push(tokio::spawn(app.agents.clone().keep()));
        tasks.push(tokio::spawn(cluster.clone().announce(applicant, fatal_sender.clone())));
        tasks.push(tokio::spawn(members::keep(cluster)));
        tasks.push(tokio::spawn(analytics::anomalies::keep(app.analytics.clone(), app.collector.clone())));
        let data = folder.path().to_owned();
        tasks.push(tokio::spawn(analytics::schedules::keep(app.analytics.clone(), data)));
        let placement = placement::Args {
            shards,
            replace_after: settings.cluster.replace_after.duration(),
            moves: settings.cluster.moves as usize,
        };
        Placement::spawn(None, Placement, placement).await?;
        app.scraper.start(http::own_metrics(&app)).await?;
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
        self.app.scraper.stop();
        self.leave().await;
        // nobody listens when the server has ended already
        let _ = self.stop.send(true);
        for server in self.servers {
            if tokio::time::timeout(drain, server).await.is_err() {
                tracing::warn!("requests were still under way after {drain:?}; they end now");
            }
        }
        self.tasks.iter().for_each(JoinHandle::abort);
        self.app.hub.get().inspect(|hub| hub.stop());
        if let Err(e) = self.database.put(METADATA_KEY, &self.app.metadata.save()) {
            tracing::warn!(error = %e, "metric metadata was not saved");
        }
        for shard in self.app.shards.locals() {
            if let Err(e) = shard.checkpoint().await {
                tracing::warn!(shard = %shard.id, error = %e, "no checkpoint; the next start replays the log");
            }
        }
        self.supervisor.stop(drain).await;
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

/// Brings this node into its cluster: as its folder says, as a founder, or by asking to join.
async fn enter(
    settings: &Settings,
    (database, log): (&Arc<plimsoll_storage::Database>, &Log),
    access: &Access,
    ports: &Ports,
) -> anyhow::Result<(Shards, Applicant)> {
    let dialler = access.clone();
    let dial: peer::Dial = Arc::new(move |address: &str| {
        let endpoint = dialler.peer_endpoint(address).map_err(|e| e.to_string())?;
        Ok(dialler.connect(&peer::windows(endpoint)))
    });
    let peers = Peers::new(dial, settings.cluster.move_rate.bytes());
    let (peer_address, address) = advertised(settings, ports.address, ports.peer_address);
    let applicant = Applicant {
        folder: 0,
        peer_address,
        address,
        zone: settings.node.zone.clone().unwrap_or_default(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let identity = identity(database, settings, &peers, &applicant).await?;
    let applicant = Applicant { folder: identity.folder, ..applicant };
    peers.introduce(identity.node_id(), identity.cluster_id().to_string());
    check_twin(&peers, &identity, &applicant.peer_address).await?;
    let identity = Identity { address: applicant.peer_address.clone(), ..identity };
    identity.save(database)?;
    let cluster = Cluster::start(database, log, identity, peers.clone(), View::default()).await?;
    Ok((Shards::new(cluster, peers), applicant))
}

/// Watches the peers, and replaces leaders on nodes that have died.
fn watch_peers(shards: &Shards, report: Arc<dyn Fn() -> Report + Send + Sync>) -> JoinHandle<()> {
    let watch = Watch::new(shards.peers().clone(), shards.cluster().view().clone(), report);
    let shards = shards.clone();
    tokio::spawn(watch.run(move || failover::replace_dead_leaders(&shards)))
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
    (access, disk): (Access, disk::Health),
    (shards, retention): (&Shards, &Retention),
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
    let retention_ms = millis(settings.storage.retention.duration());
    let rules = Rules {
        limits,
        seed: rand::random(),
        retention: retention.clone(),
        future_ms: millis(ingest.future_skew.duration()),
        max_series: ingest.max_series,
        otlp: super::otlp::options(&settings.otlp),
    };
    let actors = std::thread::available_parallelism().map_or(2, |n| n.get()).min(8);
    let metadata = Arc::new(Metadata::default());
    let in_flight = ingest.in_flight_bytes.bytes() as usize;
    let collector = Collector::start(actors, in_flight, rules, shards.clone(), metadata.clone()).await?;
    let queries = Queries::new(settings.query.clone(), shards.clone());
    let scraper = Scraper::new(
        settings.scrape.clone(),
        limits,
        shards.clone(),
        collector.clone(),
        queries.clone(),
        metadata.clone(),
    );
    let analytics = Analytics::new(analytics::Parts {
        shards: shards.clone(),
        queries: queries.clone(),
        limits: settings.query.clone(),
        retention_ms,
        report: report.clone(),
    });
    let rules = RuleGroups::new(settings.rules.clone(), shards.clone(), queries.clone(), collector.clone());
    let agents = Agents::new(Store {
        shards: shards.clone(),
        queries: queries.clone(),
        collector: collector.clone(),
        retention_ms: millis(settings.storage.retention.duration()),
    });
    Ok(AppState::new(http::Parts {
        settings: settings.clone(),
        database: database.clone(),
        log: log.clone(),
        cluster: shards.cluster().clone(),
        shards: shards.clone(),
        retention: retention.clone(),
        report,
        disk,
        access,
        collector,
        queries,
        scraper,
        analytics,
        rules,
        agents,
        metadata,
        recorder,
        started,
    }))
}

/// Begins to watch the disk; a node on a full one starts read-only.
fn watch_disk(
    folder: &Folder,
    settings: &Settings,
    (database, log): (&Arc<plimsoll_storage::Database>, &Log),
) -> (disk::Health, JoinHandle<()>) {
    let (database, log) = (database.clone(), log.clone());
    let watch = disk::Watch {
        folders: vec![folder.store(), folder.log()],
        min_free: settings.storage.min_free_disk.bytes(),
        measure: Arc::new(disk::measure),
        stalled: Arc::new(move || log.stalled_for()),
        probe: Arc::new(move || database.put(PROBE_KEY, &[]).map_err(|e| e.to_string())),
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
        let router = format!("{:?}", http::router(node.app.clone(), None));
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
