//! The servers that are measured, behind one face.

use clap::ValueEnum;
use plimsoll_tests::http::Http;
use plimsoll_tests::peers::{self, Peer, PrometheusJob};
use plimsoll_tests::plimsoll::Node;
use plimsoll_tests::process::{Process, folder_bytes};
use plimsoll_tests::wait::wait_for;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// A database at rest does not change its size for so long.
const AT_REST: Duration = Duration::from_secs(4);

/// How long merging two hours of data may take.
const COMPACT_LIMIT: Duration = Duration::from_secs(300);

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Subject {
    #[value(name = "victoria-metrics")]
    VictoriaMetrics,
    Prometheus,
    Plimsoll,
}

/// A server that runs, with a data folder of its own.
pub enum Running {
    VictoriaMetrics(Peer),
    Prometheus(Peer),
    Plimsoll(Node),
}

/// What lies on disk after a compaction.
#[derive(Clone, Copy, Debug)]
pub struct Disk {
    /// Samples and indexes, as they are kept.
    pub data_bytes: u64,
    /// The log of writes, which has files of a fixed size and does not grow with the data. VictoriaMetrics has none.
    pub log_bytes: u64,
}

impl Subject {
    /// As tables call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::VictoriaMetrics => "VictoriaMetrics",
            Self::Prometheus => "Prometheus",
            Self::Plimsoll => "Plimsoll",
        }
    }

    /// Starts it with its default settings and nothing in it.
    pub fn start(self) -> Running {
        match self {
            Self::VictoriaMetrics => Running::VictoriaMetrics(peers::victoria_metrics()),
            Self::Prometheus => Running::Prometheus(peers::prometheus(&PrometheusJob {
                receive: true,
                ..PrometheusJob::default()
            })),
            Self::Plimsoll => Running::Plimsoll(Node::start()),
        }
    }
}

impl Running {
    /// A client of it.
    pub fn http(&self) -> Http {
        match self {
            Self::VictoriaMetrics(peer) | Self::Prometheus(peer) => peer.http(),
            Self::Plimsoll(node) => node.http(),
        }
    }

    /// Its process.
    pub fn process(&mut self) -> &mut Process {
        match self {
            Self::VictoriaMetrics(peer) | Self::Prometheus(peer) => peer.process(),
            Self::Plimsoll(node) => node.process(),
        }
    }

    fn data(&self) -> PathBuf {
        match self {
            Self::VictoriaMetrics(peer) | Self::Prometheus(peer) => peer.data(),
            Self::Plimsoll(node) => node.data(),
        }
    }

    /// Has it bring its data into the form in which it keeps them for long; returns the bytes of that.
    pub fn compact(&self) -> Disk {
        match self {
            Self::VictoriaMetrics(peer) => {
                ask(&peer.http(), "/internal/force_merge", false);
                Disk { data_bytes: self.bytes_at_rest(), log_bytes: 0 }
            }
            // Prometheus makes blocks of two hours in its own time; a snapshot makes them of what it has now.
            Self::Prometheus(peer) => {
                ask(&peer.http(), "/api/v1/admin/tsdb/snapshot", true);
                let of = |folder| folder_bytes(&peer.data().join(folder));
                Disk { data_bytes: of("snapshots"), log_bytes: of("wal") }
            }
            Self::Plimsoll(node) => {
                ask(&node.http(), "/api/v1/admin/compact", true);
                let all = self.bytes_at_rest();
                let log_bytes = folder_bytes(&node.data().join("log"));
                Disk { data_bytes: all - log_bytes, log_bytes }
            }
        }
    }

    fn bytes_at_rest(&self) -> u64 {
        let data = self.data();
        let (mut size, mut since) = (folder_bytes(&data), Instant::now());
        wait_for("the data folder to come to rest", COMPACT_LIMIT, || {
            let now = folder_bytes(&data);
            if now != size {
                (size, since) = (now, Instant::now());
            }
            (since.elapsed() >= AT_REST).then_some(size)
        })
    }
}

fn ask(http: &Http, path: &str, by_post: bool) {
    let answer = if by_post { http.post(path, &[], &[]) } else { http.get(path, &[]) };
    match answer {
        Ok(answer) if answer.status / 100 == 2 => {}
        Ok(answer) => panic!("{path}: {} {}", answer.status, answer.text()),
        Err(broken) => panic!("{path}: {broken}"),
    }
}
