//! The nodes of a demo: real processes of this same program, each with a folder and a log file of its own.
//!
//! A child must not outlive the demo, however that ends: the kernel sends it SIGTERM when the *thread* that started it
//! is gone. So children are started by the task that the process blocks on, whose thread is the main one, and by no
//! other.

use anyhow::{Context, bail, ensure};
use rustix::process::{Pid, Signal, kill_process, set_parent_process_death_signal};
use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// More nodes than this on one machine show nothing that fewer do not.
const MOST: usize = 9;
/// Bytes of a log that are shown when its node ended by itself.
const TAIL_BYTES: usize = 2_000;
/// How often to look whether a node has ended.
const PAUSE: Duration = Duration::from_millis(20);

/// The nodes.
pub struct Children {
    folder: PathBuf,
    program: PathBuf,
    /// Where the first node listens.
    listen: SocketAddr,
    nodes: Vec<Child>,
}

struct Child {
    number: u32,
    address: SocketAddr,
    process: Option<std::process::Child>,
}

impl Children {
    /// No nodes yet; they will live in `folder`, and the first one listens on `listen`.
    pub fn new(folder: &Path, listen: &str) -> anyhow::Result<Self> {
        let listen: SocketAddr = listen.parse().with_context(|| {
            format!("--listen {listen}: write an address and a port, such as 127.0.0.1:7777")
        })?;
        let program = std::env::current_exe().context("cannot find the program that runs")?;
        Ok(Self { folder: folder.to_owned(), program, listen, nodes: Vec::new() })
    }

    /// How many nodes an earlier demo left in the folder.
    pub fn left_behind(&self) -> u32 {
        (1..=MOST as u32).take_while(|number| self.data(*number).is_dir()).count() as u32
    }

    /// Starts a further node; the first one founds the cluster, the others join it.
    pub fn add(&mut self) -> anyhow::Result<u32> {
        ensure!(self.nodes.len() < MOST, "a demo has at most {MOST} nodes");
        let number = self.nodes.len() as u32 + 1;
        let address = self.free_address(number)?;
        self.nodes.push(Child { number, address, process: None });
        self.start(number)?;
        Ok(number)
    }

    /// Starts node `number`, which must not run.
    pub fn start(&mut self, number: u32) -> anyhow::Result<()> {
        ensure!(!self.is_up(number)?, "node {number} runs already");
        let address = self.child(number)?.address;
        let log = self.log(number);
        let open = || File::options().create(true).append(true).open(&log);
        let open = || open().with_context(|| format!("cannot write {}", log.display()));
        let mut command = Command::new(&self.program);
        command
            .arg("start")
            .arg("--listen")
            .arg(address.to_string())
            .arg("--data-dir")
            .arg(self.data(number));
        if number > 1 {
            for other in self.nodes.iter().filter(|c| c.number != number) {
                command.arg("--join").arg(other.address.to_string());
            }
        }
        // settings of the person who runs the demo are meant for other nodes
        for (name, _) in
            std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PLIMSOLL_"))
        {
            command.env_remove(name);
        }
        // for the dashboards on the cluster's own health
        command.env("PLIMSOLL_SCRAPE__OWN_INTERVAL", "5s");
        // Ctrl-C reaches the demo alone, which then stops its nodes in good order
        command.process_group(0).stdin(Stdio::null()).stdout(open()?).stderr(open()?);
        let parent = rustix::process::getpid();
        // SAFETY: two system calls between fork and exec, neither of which allocates or takes a lock.
        unsafe {
            command.pre_exec(move || {
                set_parent_process_death_signal(Some(Signal::TERM))?;
                // gone before the line above took effect
                if rustix::process::getppid() != Some(parent) {
                    return Err(std::io::ErrorKind::BrokenPipe.into());
                }
                Ok(())
            });
        }
        let process = command.spawn().with_context(|| format!("cannot start {}", self.program.display()))?;
        self.child_mut(number)?.process = Some(process);
        Ok(())
    }

    /// kill -9 of node `number`.
    pub fn kill(&mut self, number: u32) -> anyhow::Result<()> {
        ensure!(
            self.is_up(number)?,
            "node {number} does not run; start it with `plimsoll demo start {number}`"
        );
        let child = self.child_mut(number)?;
        if let Some(mut process) = child.process.take() {
            process.kill().with_context(|| format!("cannot kill node {number}"))?;
            process.wait().with_context(|| format!("cannot wait for node {number}"))?;
        }
        Ok(())
    }

    /// Nodes that ended by themselves since the last call: their numbers and how.
    pub fn ended(&mut self) -> Vec<(u32, ExitStatus)> {
        let mut ended = Vec::new();
        for child in &mut self.nodes {
            if let Some(status) = child.process.as_mut().and_then(|p| p.try_wait().ok().flatten()) {
                child.process = None;
                ended.push((child.number, status));
            }
        }
        ended
    }

    /// Stops all nodes in good order (SIGTERM), and after `limit` in any.
    pub async fn stop(&mut self, limit: Duration) {
        for process in self.nodes.iter().filter_map(|c| c.process.as_ref()) {
            if let Some(pid) = i32::try_from(process.id()).ok().and_then(Pid::from_raw) {
                // fails only when it is gone already
                let _ = kill_process(pid, Signal::TERM);
            }
        }
        let began = Instant::now();
        while self.nodes.iter().any(|c| c.process.is_some()) && began.elapsed() < limit {
            self.ended();
            tokio::time::sleep(PAUSE).await;
        }
        for mut process in self.nodes.iter_mut().filter_map(|c| c.process.take()) {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// Whether node `number` runs.
    pub fn is_up(&mut self, number: u32) -> anyhow::Result<bool> {
        self.ended();
        Ok(self.child(number)?.process.is_some())
    }

    /// How many nodes run, and how many there are.
    pub fn up(&mut self) -> (usize, usize) {
        self.ended();
        (self.nodes.iter().filter(|c| c.process.is_some()).count(), self.nodes.len())
    }

    /// The url of node `number`.
    pub fn url(&self, number: u32) -> anyhow::Result<String> {
        Ok(format!("http://{}", self.child(number)?.address))
    }

    /// The urls of all nodes.
    pub fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(|c| format!("http://{}", c.address)).collect()
    }

    /// Why node `number` ended: how, and the end of its log.
    pub fn obituary(&self, number: u32, status: ExitStatus) -> String {
        let how = match status.signal() {
            Some(signal) => format!("by signal {signal}"),
            None => format!("with {status}"),
        };
        let log = fs::read(self.log(number)).unwrap_or_default();
        let tail = String::from_utf8_lossy(&log[log.len().saturating_sub(TAIL_BYTES)..]).trim().to_owned();
        format!("node {number} ended {how}; the end of {}:\n{tail}", self.log(number).display())
    }

    fn child(&self, number: u32) -> anyhow::Result<&Child> {
        match self.nodes.iter().find(|c| c.number == number) {
            Some(child) => Ok(child),
            None => bail!("there is no node {number}: the demo has nodes 1 to {}", self.nodes.len()),
        }
    }

    fn child_mut(&mut self, number: u32) -> anyhow::Result<&mut Child> {
        let at = self.nodes.iter().position(|c| c.number == number);
        at.map(|at| &mut self.nodes[at]).with_context(|| format!("there is no node {number}"))
    }

    fn data(&self, number: u32) -> PathBuf {
        self.folder.join(format!("node-{number}"))
    }

    fn log(&self, number: u32) -> PathBuf {
        self.folder.join(format!("node-{number}.log"))
    }

    /// The port that comes after those of the nodes before, or any that is free; the first node gets what was asked.
    fn free_address(&self, number: u32) -> anyhow::Result<SocketAddr> {
        let wanted = u16::try_from(number - 1).ok().and_then(|more| self.listen.port().checked_add(more));
        let mut address = self.listen;
        address.set_port(wanted.filter(|_| self.listen.port() != 0).unwrap_or(0));
        let bound = TcpListener::bind(address);
        if number == 1 && self.listen.port() != 0 {
            bound.with_context(|| {
                format!("cannot listen on {address}: choose another address with --listen")
            })?;
            return Ok(address);
        }
        let bound = match bound {
            Ok(bound) => bound,
            Err(_) => TcpListener::bind((self.listen.ip(), 0)).context("no port is free")?,
        };
        Ok(bound.local_addr()?)
    }
}

impl Drop for Children {
    fn drop(&mut self) {
        for mut process in self.nodes.iter_mut().filter_map(|c| c.process.take()) {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}
