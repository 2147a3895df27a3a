//! Who of the peers is there, and what they say of themselves: one small message a peer, however many groups.

use super::{Kind, Peers};
use bytes::Bytes;
use parking_lot::RwLock;
use plimsoll_model::{NodeId, ShardId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

/// Time between two rounds.
const ROUND: Duration = Duration::from_millis(250);
/// A peer that does not answer within this is asked again.
const ANSWER_LIMIT: Duration = Duration::from_millis(1000);
/// A peer that was not heard for this long is taken for dead. Shorter than raft's lease, so that nothing is lost by
/// waiting for it; three lost rounds, so that one slow answer makes no election.
const SILENCE: Duration = Duration::from_millis(800);
/// So many connections refused in a row mean the same at once: the process is gone.
const REFUSALS: u32 = 2;

/// What a node says of itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Its number.
    pub node: u64,
    /// The epoch of the ownership metadata that it has.
    pub epoch: u64,
    /// Its clock, in milliseconds since 1970.
    pub now_ms: i64,
    /// Bytes of its data.
    pub disk_bytes: u64,
    /// Bytes free on its disk.
    pub disk_free_bytes: u64,
    /// It takes no writes.
    pub read_only: bool,
    /// It should lead nothing: its disk is full or slow.
    pub may_not_lead: bool,
    /// Leader of the ownership group as it knows it.
    pub ownership_leader: Option<u64>,
    /// It leads the ownership group and has heard from a majority.
    pub ownership_quorum: bool,
    /// Its replicas.
    pub shards: Vec<ShardReport>,
}

/// What a node says of one of its replicas.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShardReport {
    /// The shard.
    pub shard: ShardId,
    /// Term of its group.
    pub term: u64,
    /// Last entry applied.
    pub applied: u64,
    /// Series.
    pub series: u64,
    /// Bytes on disk.
    pub bytes: u64,
    /// Ranges of samples that it cannot read.
    pub damaged: u64,
    /// It cannot be opened or mended, and must be made anew from the others.
    pub ruined: bool,
    /// Present when it leads.
    pub leads: Option<LeaderReport>,
}

impl ShardReport {
    /// Of a replica that cannot be opened.
    pub fn ruined(shard: ShardId) -> Self {
        Self { shard, term: 0, applied: 0, series: 0, bytes: 0, damaged: 1, ruined: true, leads: None }
    }
}

/// What the leader of a shard says of its group.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LeaderReport {
    /// Who votes.
    pub voters: Vec<NodeId>,
    /// Who listens.
    pub learners: Vec<NodeId>,
    /// Snapshots under way: to whom, bytes sent, bytes in all, and milliseconds since the start.
    pub sending: Vec<(NodeId, u64, u64, u64)>,
    /// A change of members is under way.
    pub changing: bool,
}

/// A peer as it was seen last.
#[derive(Clone, Debug)]
pub struct Seen {
    /// When it answered last.
    pub at: Instant,
    /// What it said.
    pub report: Report,
    refusals: u32,
    asking: Arc<AtomicBool>,
    /// Since when it is taken for dead.
    suspected: Option<Instant>,
    /// Since when it answers without a pause.
    steady: Instant,
}

/// The peers as this node sees them. Cheap to clone.
#[derive(Clone, Default)]
pub struct View(Arc<RwLock<BTreeMap<NodeId, Seen>>>);

impl View {
    /// Whether `node` answers; one that was never asked does not.
    pub fn is_alive(&self, node: NodeId) -> bool {
        self.0.read().get(&node).is_some_and(|seen| seen.suspected.is_none())
    }

    /// Whether `node` has answered without a pause for so long.
    pub fn is_steady(&self, node: NodeId, time: Duration) -> bool {
        let view = self.0.read();
        view.get(&node).is_some_and(|seen| seen.suspected.is_none() && seen.steady.elapsed() > time)
    }

    /// How long `node` has been taken for dead.
    pub fn suspected_for(&self, node: NodeId) -> Option<Duration> {
        self.0.read().get(&node)?.suspected.map(|since| since.elapsed())
    }

    /// When `node` was heard last, and what it said.
    pub fn of(&self, node: NodeId) -> Option<(Duration, Report)> {
        self.0.read().get(&node).map(|seen| (seen.at.elapsed(), seen.report.clone()))
    }

    /// Looks at the reports of all peers that answer.
    pub fn each(&self, mut look: impl FnMut(NodeId, &Report)) {
        for (node, seen) in self.0.read().iter() {
            if seen.suspected.is_none() {
                look(*node, &seen.report);
            }
        }
    }

    /// The node that says it leads `shard`, with the highest term of all who say so.
    pub fn leader_of(&self, shard: ShardId) -> Option<(NodeId, u64)> {
        let mut best: Option<(NodeId, u64)> = None;
        self.each(|node, report| {
            let leads = report.shards.iter().find(|s| s.shard == shard && s.leads.is_some());
            if let Some(s) = leads
                && best.is_none_or(|(_, term)| term < s.term)
            {
                best = Some((node, s.term));
            }
        });
        best
    }

    /// What `node` said when it asked us: as good as an answer.
    pub fn heard(&self, node: NodeId, report: Report) {
        let mut view = self.0.write();
        let seen = view.entry(node).or_insert_with(|| Seen::new(report.clone()));
        seen.report = report;
        seen.answered();
    }
}

impl Seen {
    fn new(report: Report) -> Self {
        let at = Instant::now();
        Self { at, report, refusals: 0, asking: Arc::default(), suspected: None, steady: at }
    }

    fn answered(&mut self) {
        self.at = Instant::now();
        self.refusals = 0;
        if self.suspected.take().is_some() {
            self.steady = self.at;
        }
    }
}

/// Asks all peers in rounds.
pub struct Watch {
    peers: Peers,
    view: View,
    report: Arc<dyn Fn() -> Report + Send + Sync>,
}

impl Watch {
    /// A watch that tells peers what `report` makes.
    pub fn new(peers: Peers, view: View, report: Arc<dyn Fn() -> Report + Send + Sync>) -> Self {
        Self { peers, view, report }
    }

    /// Asks for ever; `each_round` is called after every round.
    pub async fn run(self, each_round: impl Fn() + Send) {
        let mut rounds = tokio::time::interval(ROUND);
        rounds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut last = Instant::now();
        loop {
            rounds.tick().await;
            let paused = last.elapsed() > SILENCE;
            last = Instant::now();
            self.ask_all();
            self.judge(paused);
            each_round();
        }
    }

    fn ask_all(&self) {
        let report = encode(&(self.report)());
        for node in self.peers.known() {
            let asking = {
                let mut view = self.view.0.write();
                let seen = view.entry(node).or_insert_with(|| Seen {
                    // not heard yet: dead until it answers
                    suspected: Some(Instant::now()),
                    ..Seen::new(Report::default())
                });
                Arc::clone(&seen.asking)
            };
            if asking.swap(true, SeqCst) {
                continue;
            }
            let (peers, view, report) = (self.peers.clone(), self.view.clone(), report.clone());
            tokio::spawn(async move {
                let call = peers.call(node, Kind::Ping, 0, report);
                let answer = tokio::time::timeout(ANSWER_LIMIT, call).await;
                asking.store(false, SeqCst);
                match answer {
                    Ok(Ok(bytes)) => {
                        if let Ok(report) = decode(&bytes) {
                            view.heard(node, report);
                        }
                    }
                    Ok(Err(e)) => {
                        let mut view = view.0.write();
                        if let Some(seen) = view.get_mut(&node) {
                            seen.refusals += u32::from(!matches!(e, super::Error::Busy { .. }));
                        }
                    }
                    Err(_) => {}
                }
            });
        }
    }

    /// Says who is taken for dead. After a pause of this process its own clock is no witness: everyone gets a round.
    fn judge(&self, paused: bool) {
        for (node, seen) in self.view.0.write().iter_mut() {
            if paused {
                seen.at = Instant::now();
            }
            let silent = seen.at.elapsed() > SILENCE || seen.refusals >= REFUSALS;
            if silent && seen.suspected.is_none() {
                tracing::warn!(%node, "a peer does not answer");
                seen.suspected = Some(Instant::now());
            }
        }
    }
}

pub(super) fn encode(report: &Report) -> Bytes {
    postcard::to_allocvec(report).unwrap_or_default().into()
}

/// The report of these bytes.
pub(super) fn decode(bytes: &[u8]) -> Result<Report, postcard::Error> {
    postcard::from_bytes(bytes)
}

impl Report {
    /// Its bytes.
    pub fn encode(&self) -> Bytes {
        encode(self)
    }

    /// The report of these bytes.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        decode(bytes).ok()
    }
}
