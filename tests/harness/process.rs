//! One child process: its log, its end, and what it costs.

use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use crate::wait::wait_for;

/// Linux counts processor time in ticks of a hundredth of a second for every architecture we run on.
const TICKS_PER_SECOND: f64 = 100.0;

/// A running program, killed when dropped.
pub struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command` with both its outputs appended to `log`.
    pub fn start(command: &mut Command, log: PathBuf) -> Self {
        let open =
            || File::options().create(true).append(true).open(&log).expect("a log in a folder of ours");
        command.stdin(Stdio::null()).stdout(open()).stderr(open());
        let child = command.spawn().unwrap_or_else(|e| panic!("cannot start {command:?}: {e}"));
        Self { child, log }
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// All that it wrote so far, to either output.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("our own child can be waited for")
    }

    /// kill -9, then waits until it is gone.
    pub fn kill(&mut self) {
        // Fails only when it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Sends it a signal by its name, such as `STOP`.
    pub fn signal(&self, name: &str) {
        let asked = Command::new("kill").args([&format!("-{name}"), &self.id().to_string()]).status();
        assert!(asked.is_ok_and(|status| status.success()), "cannot signal process {}", self.id());
    }

    /// Asks it to end (SIGTERM) and waits for that.
    pub fn stop(&mut self, limit: Duration) -> ExitStatus {
        self.signal("TERM");
        let child = &mut self.child;
        wait_for("a process to end after SIGTERM", limit, || child.try_wait().expect("our own child"))
    }

    /// Seconds of processor time so far, user and system.
    pub fn cpu_seconds(&self) -> f64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.id())).unwrap_or_default();
        // The second field is the name in parentheses and may hold anything; all after it is numbers.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
        // proc(5): utime and stime are fields 14 and 15, counted from 1 with the id and the name.
        (ticks(11) + ticks(12)) / TICKS_PER_SECOND
    }

    /// Bytes of memory now resident.
    pub fn resident_bytes(&self) -> u64 {
        self.status_bytes("VmRSS:")
    }

    /// Most bytes of memory ever resident.
    pub fn peak_resident_bytes(&self) -> u64 {
        self.status_bytes("VmHWM:")
    }

    fn status_bytes(&self, key: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix(key));
        let kib =
            line.and_then(|rest| rest.split_whitespace().next()).and_then(|word| word.parse::<u64>().ok());
        kib.unwrap_or(0) * 1024
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A port of loopback that was free a moment ago. Below those that outgoing connections take: a node that is down for a
/// while must find its port again.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // processes of one run begin at different places
    let first = (std::process::id() % 1000) as u16 * 12;
    loop {
        let port = 20_000 + (first + NEXT.fetch_add(1, Ordering::Relaxed)) % 12_000;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}

/// Bytes of all files below `path`, by their length.
pub fn folder_bytes(path: &Path) -> u64 {
    fn walk(path: &Path) -> io::Result<u64> {
        let meta = fs::symlink_metadata(path)?;
        if !meta.is_dir() {
            return Ok(meta.len());
        }
        // A file may go while we look: databases compact.
        Ok(fs::read_dir(path)?.flatten().map(|entry| walk(&entry.path()).unwrap_or(0)).sum())
    }
    walk(path).unwrap_or(0)
}
