//! Starts a node from its settings and stops it in reverse order.
//!
//! Owns: the data folder and its lock, the order of start and stop, signals.
//! Does not own: what the parts do.
//!
//! Start: data folder, RocksDB and log, identity (a new node founds a cluster or joins one), ownership group, the ways
//! in and out, HTTP and the door for peers, then the shards (each replays its tail of the log); only then is the node
//! ready. Stop: leaderships go to other nodes, no new connections, requests under way end, every shard writes a
//! checkpoint, the log is closed.

mod address;
mod args;
mod door;
mod folder;
mod node;
mod otlp;
mod ports;
mod report;

pub use args::StartArgs;
pub use door::NodeDoor;
pub(crate) use folder::Folder;
pub use node::Node;

use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// Time that requests under way get when the node stops.
const DRAIN: Duration = Duration::from_secs(10);

/// Runs `plimsoll start` until a signal comes.
pub async fn start(args: StartArgs) -> anyhow::Result<()> {
    let settings = args.settings()?;
    crate::telemetry::install_logs(settings.log.level.as_str(), settings.log.format.as_str() == "json");
    let node = Node::start(settings.clone()).await?;
    let scheme = if settings.tls.cert.is_some() { "https" } else { "http" };
    eprintln!("plimsoll is ready: {scheme}://{}  (data in {})", node.address(), node.data_dir().display());
    run_until_stopped(node).await
}

/// Runs `node` until SIGINT, SIGTERM or a fatal error; then stops it in good order.
async fn run_until_stopped(mut node: Node) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let fatal = tokio::select! {
        _ = tokio::signal::ctrl_c() => None,
        _ = terminate.recv() => None,
        fatal = node.fatal() => Some(fatal),
    };
    if let Some(reason) = &fatal {
        tracing::error!(%reason, "stopping: this node cannot go on");
    } else {
        tracing::info!("stopping: requests under way end, then every shard writes a checkpoint");
    }
    node.stop(DRAIN).await;
    match fatal {
        Some(reason) => anyhow::bail!("{reason}"),
        None => Ok(()),
    }
}
