use super::output::{Cell, Column, Listing};
use super::units::{now, show_bytes, show_duration};
use super::{Global, Outcome, cluster::health, exit::Exit, status};
use crate::{BuildInfo, Client, Cluster, Data, Error, Sample, Value};
use plimsoll_model::Labels;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

pub(super) const EXAMPLES: &str = "\
Examples:
  plimsoll doctor
  plimsoll doctor --data-dir /var/lib/plimsoll     # on the node's own machine
  plimsoll doctor --probe                          # writes a sample and reads it back

Exit code 1: a check failed; 5: no node answered.";

/// A clock that is further off makes fresh samples invisible or refused.
const CLOCK_WARN: Duration = Duration::from_secs(5);
const CLOCK_FAIL: Duration = Duration::from_secs(600);
/// Below these a checkpoint or a compaction may not fit.
const DISK_WARN_BYTES: u64 = 5 << 30;
const DISK_FAIL_BYTES: u64 = 1 << 30;
/// RocksDB keeps its files open, and every connection takes one.
const WANTED_FILES: u64 = 65_536;

/// Arguments of `doctor`.
#[derive(clap::Args, Clone, Debug)]
pub struct Doctor {
    /// Data folder of the node on this machine: looks at its disk and the limits of this shell as well.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Write one sample of `plimsoll_doctor_probe` and read it back.
    #[arg(long)]
    probe: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Ok,
    Warn,
    Fail,
}

#[derive(Debug)]
struct Check {
    name: &'static str,
    verdict: Verdict,
    found: String,
    fix: String,
}

impl Check {
    fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Ok, found: found.into(), fix: String::new() }
    }

    fn warn(name: &'static str, found: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Warn, found: found.into(), fix: fix.into() }
    }

    fn fail(name: &'static str, found: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Fail, found: found.into(), fix: fix.into() }
    }
}

impl Doctor {
    pub(super) async fn run(self, global: &Global) -> Outcome {
        let client = global.client()?;
        let mut checks = Vec::new();
        let mut unreachable = false;
        match client.ready().await {
            Ok(ready) => {
                checks.push(Check::ok("reach", format!("{} answers and is ready", global.url_text())));
                checks.extend(ready.clock.map(|at| clock(at, SystemTime::now())));
                checks.extend(remote(&client).await);
                if self.probe {
                    checks.push(probe(&client).await);
                }
            }
            Err(e) => {
                unreachable = matches!(
                    e,
                    Error::Unreachable { .. } | Error::Interrupted { .. } | Error::Timeout { .. }
                );
                checks.push(not_ready(&e));
            }
        }
        if let Some(dir) = &self.data_dir {
            checks.extend(local(dir));
        }
        listing(&checks).print(global.output)?;
        let failed = checks.iter().any(|c| c.verdict == Verdict::Fail);
        Ok(match (unreachable, failed) {
            (true, _) => Exit::Unreachable,
            (false, true) => Exit::Fail,
            (false, false) => Exit::Ok,
        })
    }
}

fn listing(checks: &[Check]) -> Listing {
    let columns = ["verdict", "check", "found", "fix"].map(Column::left).to_vec();
    let mut l = Listing::new("doctor/1", columns);
    for c in checks {
        let verdict = match c.verdict {
            Verdict::Ok => "OK",
            Verdict::Warn => "WARN",
            Verdict::Fail => "FAIL",
        };
        let item = json!({"verdict": verdict, "check": c.name, "found": c.found, "fix": c.fix});
        l.push([verdict, c.name, &c.found, &c.fix].map(Cell::text).to_vec(), item);
    }
    l
}

fn not_ready(e: &Error) -> Check {
    let fix = match e {
        Error::Busy { .. } => {
            "wait until it has replayed its log; `plimsoll status` and its log say how far it is"
        }
        Error::Refused { status: 404, .. } => {
            "something else listens there: give the node's address with --url"
        }
        Error::Refused { status: 401 | 403, .. } => "give a token with --token",
        _ => "plimsoll start --data-dir d1    (or name a node: plimsoll doctor --url http://host:7777)",
    };
    Check::fail("reach", e.to_string(), fix)
}

/// Compares the node's clock, known to the second, with this machine's.
fn clock(node: SystemTime, here: SystemTime) -> Check {
    // The header is cut to the second and the answer took time: half a second is the middle of what is unknown.
    let node = node + Duration::from_millis(500);
    let skew = node.duration_since(here).unwrap_or_else(|e| e.duration());
    let side = if node > here { "ahead of" } else { "behind" };
    let found = format!("the node's clock is {} {side} this machine's", show_duration(skew));
    let fix = "timedatectl set-ntp true    (on the machine whose clock is wrong)";
    match skew {
        s if s >= CLOCK_FAIL => Check::fail("clock", found, fix),
        s if s >= CLOCK_WARN => Check::warn("clock", found, fix),
        _ => Check::ok("clock", "the clocks agree to seconds"),
    }
}

async fn remote(client: &Client) -> Vec<Check> {
    let mut checks = Vec::new();
    match client.build_info().await {
        Ok(info) => checks.push(version(&info, env!("CARGO_PKG_VERSION"))),
        Err(e) => checks.push(Check::warn("version", e.to_string(), "plimsoll status")),
    }
    match client.status().await {
        Ok(s) => {
            let (text, exit) = status::verdict_of(&s);
            checks.push(match exit {
                Exit::Ok => Check::ok("health", text),
                _ => Check::fail("health", text, "plimsoll status -o wide"),
            });
            if s.ingest.refused_total > 0 {
                let found = format!("{} samples were refused since the start", s.ingest.refused_total);
                checks.push(Check::warn(
                    "ingest",
                    found,
                    "see the reasons: curl <url>/metrics | grep refused",
                ));
            }
        }
        Err(e) => checks.push(Check::warn("health", e.to_string(), "the node may be of an older version")),
    }
    // A node of an older version, or a server of another kind, knows no cluster: `version` has said so.
    if let Ok(c) = client.cluster().await {
        checks.extend(cluster(&c));
    }
    checks
}

/// What is wrong with the cluster as a whole; where nothing is, a line that says so.
fn cluster(c: &Cluster) -> Vec<Check> {
    let findings = health::findings(c);
    let check = |f: health::Finding| match f.degrades {
        true => Check::fail(f.about, f.found, f.fix),
        false => Check::warn(f.about, f.found, f.fix),
    };
    let mut checks: Vec<Check> = findings.into_iter().map(check).collect();
    if !checks.iter().any(|c| c.verdict == Verdict::Fail) {
        checks.insert(0, Check::ok("cluster", health::verdict(c).0));
    }
    checks
}

fn version(info: &BuildInfo, own: &str) -> Check {
    let node = info.plimsoll_version.as_str();
    if node.is_empty() {
        let found = format!("not a Plimsoll node; it follows the API of Prometheus {}", info.version);
        return Check::warn("version", found, "only query, range, labels and series work there");
    }
    let found = format!("node {node}, this command {own}");
    let minor = |v: &str| v.split('.').take(2).map(str::to_owned).collect::<Vec<_>>();
    if node == own || minor(node) == minor(own) {
        return Check::ok("version", found);
    }
    Check::warn("version", found, "use the command of the node's own version")
}

async fn probe(client: &Client) -> Check {
    let began = Instant::now();
    let run = format!("{:016x}", rand::random::<u64>());
    let pairs = [("__name__", "plimsoll_doctor_probe"), ("run", run.as_str())];
    let labels = Labels::from_pairs(pairs).expect("two names that differ");
    let value = f64::from(rand::random::<u32>());
    if let Err(e) = client.write(&[Sample::float(labels, now(), value)]).await {
        return Check::fail("probe", format!("the write failed: {e}"), "plimsoll status");
    }
    let written = began.elapsed();
    let expr = format!("plimsoll_doctor_probe{{run=\"{run}\"}}");
    match client.query(&expr, None).await.map(|a| a.data) {
        Ok(Data::Vector(v)) if matches!(v.first(), Some(s) if s.value == Value::Float(value)) => {
            let read = began.elapsed() - written;
            Check::ok(
                "probe",
                format!("written in {}, read back in {}", show_duration(written), show_duration(read)),
            )
        }
        Ok(_) => Check::fail(
            "probe",
            "an acknowledged sample cannot be read back",
            "check the clocks first, then report this with the node's log",
        ),
        Err(e) => Check::fail("probe", format!("the sample cannot be read: {e}"), "plimsoll status"),
    }
}

fn local(dir: &Path) -> Vec<Check> {
    let mut checks = vec![disk(dir)];
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    checks.push(files(limit.current, limit.maximum));
    checks
}

fn disk(dir: &Path) -> Check {
    let shown = dir.display();
    let stats = match rustix::fs::statvfs(dir) {
        Ok(stats) => stats,
        Err(e) => {
            let fix = format!("mkdir -p {shown}    (or give the folder of the node)");
            return Check::fail("disk", format!("{shown}: {e}"), fix);
        }
    };
    let free = stats.f_bavail.saturating_mul(stats.f_frsize);
    let found = format!("{} free in {shown}", show_bytes(free));
    let fix = "free space on that disk, or shorten storage.retention";
    match free {
        f if f < DISK_FAIL_BYTES => Check::fail("disk", found, fix),
        f if f < DISK_WARN_BYTES => Check::warn("disk", found, fix),
        _ => Check::ok("disk", found),
    }
}

/// `None` is no limit.
fn files(current: Option<u64>, maximum: Option<u64>) -> Check {
    match current {
        Some(n) if n < WANTED_FILES => {
            let fix = match maximum {
                Some(m) if m < WANTED_FILES => "LimitNOFILE=65536 in the node's systemd unit",
                _ => "ulimit -n 65536    (before plimsoll start)",
            };
            Check::warn("files", format!("this shell allows {n} open files"), fix)
        }
        Some(n) => Check::ok("files", format!("this shell allows {n} open files")),
        None => Check::ok("files", "no limit of open files"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_off_is_told_with_its_side() {
        let here = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let off = |seconds: i64| {
            let node = if seconds < 0 {
                here - Duration::from_secs(seconds.unsigned_abs())
            } else {
                here + Duration::from_secs(seconds as u64)
            };
            clock(node, here)
        };
        assert_eq!((off(0).verdict, off(-1).verdict), (Verdict::Ok, Verdict::Ok));
        assert_eq!(off(-60).verdict, Verdict::Warn);
        assert!(off(-60).found.contains("behind"), "{}", off(-60).found);
        assert_eq!(off(3_600).verdict, Verdict::Fail);
        assert!(off(3_600).found.contains("1h ahead of"), "{}", off(3_600).found);
    }

    #[test]
    fn versions_of_one_minor_get_along() {
        let node = |v: &str| BuildInfo { plimsoll_version: v.to_owned(), ..BuildInfo::default() };
        assert_eq!(version(&node("0.1.3"), "0.1.0").verdict, Verdict::Ok);
        assert_eq!(version(&node("0.2.0"), "0.1.0").verdict, Verdict::Warn);
        assert!(version(&node(""), "0.1.0").found.starts_with("not a Plimsoll node"));
    }

    #[test]
    fn a_low_limit_of_files_names_the_command_that_can_lift_it() {
        assert!(files(Some(1024), Some(1_048_576)).fix.starts_with("ulimit -n"));
        assert!(files(Some(1024), Some(4096)).fix.contains("LimitNOFILE"));
        assert_eq!(files(None, None).verdict, Verdict::Ok);
    }

    #[test]
    fn a_cluster_is_checked_as_a_whole() {
        let c: Cluster = serde_json::from_value(json!({"quorum": true, "replication": 1, "asked": 1,
            "nodes": [{"id": 1, "state": "active", "live": true}, {"id": 2, "state": "active", "live": false}]}))
        .expect("a cluster");
        let found: Vec<_> = cluster(&c).iter().map(|c| (c.name, c.verdict)).collect();
        assert_eq!(found, [("node", Verdict::Fail), ("replication", Verdict::Warn)]);
        let well: Cluster =
            serde_json::from_value(json!({"quorum": true, "replication": 3})).expect("a cluster");
        assert_eq!(cluster(&well)[0].verdict, Verdict::Ok);
    }

    #[test]
    fn a_folder_that_is_missing_fails_and_one_that_is_there_shows_its_space() {
        assert_eq!(disk(Path::new("/no/such/folder")).verdict, Verdict::Fail);
        assert!(disk(&std::env::temp_dir()).found.contains("free in"));
    }
}
