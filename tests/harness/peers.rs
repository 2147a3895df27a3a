//! Debian's prometheus, prometheus-node-exporter and victoria-metrics, each in a folder of its own.

use crate::http::Http;
use crate::process::{Process, free_port};
use crate::wait::wait_until;
use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// A peer that is not up by then will not come up.
const UP_LIMIT: Duration = Duration::from_secs(30);

/// A running peer; it ends, and its data goes, with this value.
pub struct Peer {
    process: Process,
    folder: TempDir,
    port: u16,
}

/// What a Prometheus server shall do.
#[derive(Clone, Debug, Default)]
pub struct PrometheusJob {
    /// Addresses that it scrapes every second, as job `node`.
    pub scrape: Vec<String>,
    /// The url that it sends all samples to.
    pub remote_write: Option<String>,
    /// It takes remote write itself, in any order within a day: a peer in a benchmark.
    pub receive: bool,
    /// Its whole configuration, where it is another one.
    pub config: Option<String>,
}

/// Prometheus with `job`.
pub fn prometheus(job: &PrometheusJob) -> Peer {
    let folder = folder("prometheus");
    let mut config = String::from("global:\n  scrape_interval: 1s\n  external_labels: {}\n");
    if !job.scrape.is_empty() {
        config += "scrape_configs:\n  - job_name: node\n    static_configs:\n      - targets:\n";
        for target in &job.scrape {
            config += &format!("          - {target}\n");
        }
    }
    if let Some(url) = &job.remote_write {
        config +=
            &format!("remote_write:\n  - url: {url}\n    queue_config:\n      batch_send_deadline: 200ms\n");
    }
    if job.receive {
        config += "storage:\n  tsdb:\n    out_of_order_time_window: 1d\n";
    }
    config = job.config.clone().unwrap_or(config);
    let file = folder.path().join("prometheus.yml");
    fs::write(&file, config).expect("a file in a temporary folder");
    start("prometheus", "/-/ready", folder, |command, address, data| {
        command.arg(format!("--web.listen-address={address}"));
        command.arg(format!("--config.file={}", file.display()));
        command.arg(format!("--storage.tsdb.path={}", data.display()));
        if job.receive {
            command.args(["--web.enable-remote-write-receiver", "--web.enable-admin-api"]);
        }
    })
}

/// The exporter of this machine's figures.
pub fn node_exporter() -> Peer {
    start("prometheus-node-exporter", "/metrics", folder("node-exporter"), |command, address, _| {
        command.arg(format!("--web.listen-address={address}"));
    })
}

/// Alertmanager, alone, that tells nobody.
pub fn alertmanager() -> Peer {
    let folder = folder("alertmanager");
    let file = folder.path().join("alertmanager.yml");
    fs::write(&file, "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n")
        .expect("a file in a temporary folder");
    start("prometheus-alertmanager", "/-/ready", folder, |command, address, data| {
        command.arg(format!("--web.listen-address={address}"));
        command.arg(format!("--config.file={}", file.display()));
        command.arg(format!("--storage.path={}", data.display()));
        command.arg("--cluster.listen-address=");
    })
}

/// VictoriaMetrics, answering about the newest samples too, and always from its data and not from a cache of answers.
pub fn victoria_metrics() -> Peer {
    start("victoria-metrics", "/health", folder("victoria-metrics"), |command, address, data| {
        command.arg(format!("-httpListenAddr={address}"));
        command.arg(format!("-storageDataPath={}", data.display()));
        command.args(["-retentionPeriod=1y", "-search.latencyOffset=0s", "-search.disableCache"]);
    })
}

fn folder(name: &str) -> TempDir {
    tempfile::Builder::new().prefix(&format!("plimsoll-{name}-")).tempdir().expect("a temporary folder")
}

fn is_installed(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

fn start(
    program: &str,
    ready: &str,
    folder: TempDir,
    arrange: impl FnOnce(&mut Command, &str, PathBuf),
) -> Peer {
    assert!(
        is_installed(program),
        "this did not run: `{program}` is not installed on this machine, and `make setup` could not install it \
         (Debian's package of that name)"
    );
    let port = free_port();
    let mut command = Command::new(program);
    arrange(&mut command, &format!("127.0.0.1:{port}"), folder.path().join("data"));
    let process = Process::start(&mut command, folder.path().join("log"));
    let mut peer = Peer { process, folder, port };
    let http = peer.http();
    wait_until(&format!("{program} to be ready"), UP_LIMIT, || {
        if let Some(status) = peer.process.ended() {
            panic!("{program} ended ({status}):\n{}", peer.process.log());
        }
        http.get(ready, &[]).is_ok_and(|answer| answer.status == 200)
    });
    peer
}

impl Peer {
    /// `127.0.0.1:PORT`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// A client of it.
    pub fn http(&self) -> Http {
        Http::new(format!("http://{}", self.address()))
    }

    /// Its process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// The folder of its data.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }
}
