//! How a node comes into a cluster: it asks any node, which asks the leader of the ownership group.

use super::{Cluster, Identity};
use crate::peer::{self, Kind, Peers, Report};
use anyhow::bail;
use bytes::Bytes;
use plimsoll_model::NodeId;
use plimsoll_ownership::{Action, NodeState, Reply};
use plimsoll_storage::Database;
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};

/// How long a node asks before it gives up; a cluster that is just starting needs a few seconds.
const PATIENCE: Duration = Duration::from_secs(60);
/// One answer may take this long: the ownership group may be electing a leader.
const ANSWER_LIMIT: Duration = Duration::from_secs(15);
/// Time between two rounds of asking.
const PAUSE: Duration = Duration::from_millis(500);
/// A node that belongs to a cluster already looks this long whether the given addresses do too.
const CHECK_LIMIT: Duration = Duration::from_secs(2);

/// What a node tells of itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Applicant {
    /// Identity of its data folder.
    pub folder: u128,
    /// Where peers reach it.
    pub peer_address: String,
    /// Where clients reach it.
    pub address: String,
    /// Its zone.
    pub zone: String,
    /// Version of its program.
    pub version: String,
}

/// What it is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Admitted {
    node: u64,
    cluster: u128,
    shards: u16,
    peers: Vec<(u64, String)>,
}

impl Applicant {
    /// The command that makes it known.
    pub(super) fn action(&self) -> Action {
        Action::Register {
            identity: self.folder,
            peer_address: self.peer_address.clone(),
            address: self.address.clone(),
            zone: self.zone.clone(),
            version: self.version.clone(),
        }
    }
}

/// Asks the nodes at `seeds` to take this one in, and completes its identity with what they say.
pub async fn join(
    database: &Database,
    peers: &Peers,
    seeds: &[String],
    mut identity: Identity,
    applicant: Applicant,
) -> anyhow::Result<Identity> {
    let applicant = Applicant { folder: identity.folder, ..applicant };
    // the folder's name comes first: asking again after a crash gives the same number
    identity.save(database)?;
    let request = Bytes::from(postcard::to_allocvec(&applicant)?);
    let began = Instant::now();
    let mut said = String::from("no address was given");
    while began.elapsed() < PATIENCE {
        for seed in seeds {
            tracing::info!(seed, "asking to join");
            let link = match peers.link(NodeId(0), seed) {
                Ok(link) => link,
                Err(e) => bail!("--join {seed}: {e}"),
            };
            match tokio::time::timeout(ANSWER_LIMIT, link.call(Kind::Join, 0, request.clone())).await {
                Ok(Ok(answer)) => {
                    let admitted: Admitted = postcard::from_bytes(&answer)?;
                    identity.node = admitted.node;
                    identity.cluster = admitted.cluster;
                    identity.shards = admitted.shards;
                    identity.peers = admitted.peers;
                    identity.save(database)?;
                    return Ok(identity);
                }
                Ok(Err(peer::Error::Refused { answer, .. })) => {
                    let text = String::from_utf8_lossy(&answer).into_owned();
                    match text.strip_prefix(LATER) {
                        Some(text) => said = format!("{seed}: {text}"),
                        None => bail!("{seed} refused: {text}"),
                    }
                }
                Ok(Err(e)) => said = format!("{seed}: {}", reason(&e)),
                Err(_) => said = format!("{seed} did not answer within {ANSWER_LIMIT:?}"),
            }
            tracing::warn!(reason = said, "not joined yet");
        }
        tokio::time::sleep(PAUSE).await;
    }
    bail!("could not join within {PATIENCE:?}; last, {said}. Is the address right, and does the node run?")
}

/// Refuses to start a node of one cluster with the address of another: somebody mixed them up.
pub async fn check_seeds(peers: &Peers, seeds: &[String]) -> anyhow::Result<()> {
    for seed in seeds {
        let Ok(link) = peers.link(NodeId(0), seed) else { bail!("--join {seed}: not an address") };
        let ping = link.call(Kind::Ping, 0, Report::default().encode());
        if let Ok(Err(peer::Error::Unreachable { reason, .. })) =
            tokio::time::timeout(CHECK_LIMIT, ping).await
            && reason.contains("belongs to cluster")
        {
            bail!("--join {seed}: {reason}");
        }
    }
    Ok(())
}

/// Refuses to go on with a copy of a folder whose node runs elsewhere: two nodes of one number would vote twice.
pub async fn check_twin(peers: &Peers, identity: &Identity, address: &str) -> anyhow::Result<()> {
    let (me, known) = (identity.node_id(), &identity.address);
    if known.is_empty() || known == address {
        return Ok(());
    }
    let Ok(link) = peers.link(me, known) else { return Ok(()) };
    let ping = link.call(Kind::Ping, 0, Report::default().encode());
    if let Ok(Ok(answer)) = tokio::time::timeout(CHECK_LIMIT, ping).await
        && Report::decode(&answer).is_some_and(|report| report.node == me.0)
    {
        bail!(
            "this data folder is that of {me}, which runs at {known}: a copied folder cannot join; start with a new one \
             and --join {known}"
        );
    }
    Ok(())
}

fn reason(e: &peer::Error) -> String {
    match e {
        peer::Error::Unreachable { reason, .. } | peer::Error::Lost { reason, .. } => reason.clone(),
        other => other.to_string(),
    }
}

/// Begins a refusal that may be gone a moment later.
const LATER: &str = "later: ";

/// Answers a node that wants to join.
pub(super) async fn admit(cluster: &Cluster, body: &[u8]) -> Result<Bytes, Bytes> {
    let applicant: Applicant = postcard::from_bytes(body).map_err(|_| {
        Bytes::from_static(b"this version cannot read the request: run the same version everywhere")
    })?;
    let refuse = |text: String| Err(Bytes::from(text));
    let ours = env!("CARGO_PKG_VERSION");
    if minor(&applicant.version) != minor(ours) {
        return refuse(format!(
            "the node runs version {}, this cluster {ours}: install {ours} on it",
            applicant.version
        ));
    }
    // the first number is the founder's: before it has registered nobody else may
    let known =
        cluster.read(|s| s.node(cluster.node_id()).is_some_and(|n| n.identity == cluster.identity().folder));
    if !known {
        return refuse(format!("{LATER}this node is starting"));
    }
    let twin = cluster.read(|s| {
        let twin =
            s.nodes().find(|n| n.identity == applicant.folder && n.peer_address != applicant.peer_address);
        twin.map(|n| (n.id, n.peer_address.clone()))
    });
    if let Some((node, address)) = twin
        && (node == cluster.node_id() || cluster.view().is_alive(node))
    {
        return refuse(format!(
            "this data folder is that of {node}, which runs at {address}: a copied folder cannot join; use a new one"
        ));
    }
    let reply = cluster.change(&format!("node at {}", applicant.peer_address), applicant.action()).await;
    let node = match reply {
        Ok(Reply::Registered(node, _)) => node,
        Ok(other) => return refuse(format!("unexpected: {other:?}")),
        Err(super::Error::Refused(refusal)) => return refuse(refusal.to_string()),
        Err(e) => return refuse(format!("{LATER}{e}")),
    };
    let admitted = cluster.read(|s| Admitted {
        node: node.0,
        cluster: s.cluster().map_or(0, |id| id.0),
        shards: s.shards().len() as u16,
        peers: s
            .nodes()
            .filter(|n| n.state != NodeState::Removed && n.id != node)
            .map(|n| (n.id.0, n.peer_address.clone()))
            .collect(),
    });
    postcard::to_allocvec(&admitted).map(Bytes::from).map_err(|e| Bytes::from(e.to_string()))
}

/// The part of a version whose nodes work together.
fn minor(version: &str) -> Option<(&str, &str)> {
    let mut parts = version.split('.');
    Some((parts.next()?, parts.next()?))
}
