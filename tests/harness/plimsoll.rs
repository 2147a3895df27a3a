//! A node of ours: the real binary, in a data folder of its own.

use crate::http::Http;
use crate::process::{Process, free_port};
use crate::wait::{wait_for, wait_until};
use std::env;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A node may take this long until it is ready, replay of its log included.
const READY_LIMIT: Duration = Duration::from_secs(60);

/// How long a graceful end may take.
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// The `plimsoll` that was built together with this test: `PLIMSOLL_BIN`, or beside or above the running program.
pub fn binary() -> PathBuf {
    if let Some(path) = env::var_os("PLIMSOLL_BIN") {
        return path.into();
    }
    let me = env::current_exe().expect("Linux tells");
    let found =
        me.ancestors().skip(1).take(2).map(|folder| folder.join("plimsoll")).find(|path| path.is_file());
    found.unwrap_or_else(|| {
        panic!("no `plimsoll` near {}: build it first (`make build`), or set PLIMSOLL_BIN", me.display())
    })
}

/// Runs a command of the CLI to its end.
pub fn run(args: &[&str]) -> Output {
    let mut command = Command::new(binary());
    clean(&mut command).args(args).output().unwrap_or_else(|e| panic!("cannot run plimsoll: {e}"))
}

/// A folder for a node and its files; goes with the value.
pub fn folder() -> TempDir {
    tempfile::Builder::new().prefix("plimsoll-node-").tempdir().expect("a temporary folder")
}

/// Takes settings of the person who runs the tests out of the environment.
fn clean(command: &mut Command) -> &mut Command {
    for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PLIMSOLL_")) {
        command.env_remove(name);
    }
    command
}

/// Where and how a node is started, beyond its settings; the default is loopback and a folder of its own.
#[derive(Clone, Debug, Default)]
pub struct Place {
    /// The address it listens on; loopback and a free port where there is none.
    pub listen: Option<SocketAddrV4>,
    /// The network namespace that it runs in, where it is not ours.
    pub namespace: Option<String>,
    /// Nodes of the cluster to join; without any the node founds one.
    pub join: Vec<String>,
    /// Its data folder, where it shall not lie in the temporary folder of the value.
    pub data: Option<PathBuf>,
    /// More variables of its environment.
    pub environment: Vec<(String, String)>,
}

/// A node and its data folder; the folder outlives a kill and goes with the value.
pub struct Node {
    folder: TempDir,
    listen: SocketAddrV4,
    place: Place,
    settings: Vec<(String, String)>,
    /// Who signed the node's certificate, where it has one.
    ca: Option<String>,
    process: Option<Process>,
}

impl Node {
    /// Starts a node with default settings and waits until it is ready.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts a node with settings by path, such as `("storage.checkpoint_interval", "1s")`.
    pub fn start_with(settings: &[(&str, &str)]) -> Self {
        Self::start_in(folder(), settings, None)
    }

    /// As [`start_with`](Self::start_with) in a folder that files of `settings` may lie in; with `ca`, which signed the
    /// node's certificate, it is asked over TLS.
    pub fn start_in(folder: TempDir, settings: &[(&str, &str)], ca: Option<String>) -> Self {
        let mut node = Self { folder, ca, ..Self::at(Place::default(), settings) };
        node.restart();
        node
    }

    /// A node that is not started yet.
    pub fn at(place: Place, settings: &[(&str, &str)]) -> Self {
        // a test that counts samples counts its own
        let usual = [("scrape.own_nodes", "false")];
        let usual = usual.iter().filter(|(path, _)| settings.iter().all(|(given, _)| given != path));
        let settings = usual
            .chain(settings)
            .map(|(path, value)| {
                (format!("PLIMSOLL_{}", path.replace('.', "__").to_uppercase()), value.to_string())
            })
            .collect();
        let listen = place.listen.unwrap_or_else(|| SocketAddrV4::new(Ipv4Addr::LOCALHOST, free_port()));
        Self { folder: folder(), listen, place, settings, ca: None, process: None }
    }

    /// Starts the node again after a kill or a stop, on the same address and data. Returns the time until it was ready.
    pub fn restart(&mut self) -> Duration {
        let started = Instant::now();
        self.launch();
        self.wait_ready();
        started.elapsed()
    }

    /// Starts the process and does not wait for it.
    pub fn launch(&mut self) {
        assert!(self.process.is_none(), "the node runs already");
        // `ip netns exec` becomes the program that it is given, so the process is the node's own either way.
        let mut command = match &self.place.namespace {
            Some(namespace) => {
                let mut command = Command::new("ip");
                command.args(["netns", "exec", namespace]).arg(binary());
                command
            }
            None => Command::new(binary()),
        };
        clean(&mut command).args(["start", "--listen", &self.address(), "--data-dir"]).arg(self.data());
        if !self.listen.ip().is_loopback() {
            command.arg("--insecure");
        }
        for node in &self.place.join {
            command.args(["--join", node]);
        }
        command.envs(self.settings.iter().chain(&self.place.environment).map(|(name, value)| (name, value)));
        self.process = Some(Process::start(&mut command, self.folder.path().join("node.log")));
    }

    /// Waits until the launched node is ready.
    pub fn wait_ready(&mut self) {
        let (http, address) = (self.http(), self.address());
        let process = self.process();
        wait_until(&format!("the node at {address} to be ready"), READY_LIMIT, || {
            if let Some(status) = process.ended() {
                panic!("the node ended instead of becoming ready ({status}):\n{}", process.log());
            }
            http.get("/-/ready", &[]).is_ok_and(|answer| answer.status == 200)
        });
    }

    /// kill -9.
    pub fn kill(&mut self) {
        self.process().kill();
        self.process = None;
    }

    /// SIGTERM, and waits for the end; panics when the node did not end well.
    pub fn stop(&mut self) {
        let status = self.process().stop(STOP_LIMIT);
        assert!(status.success(), "the node ended with {status}:\n{}", self.log());
        self.process = None;
    }

    /// Waits until the process has ended by itself, and returns how.
    pub fn wait_ended(&mut self, limit: Duration) -> ExitStatus {
        let address = self.address();
        let process = self.process();
        let status = wait_for(&format!("the node at {address} to end"), limit, || process.ended());
        self.process = None;
        status
    }

    /// Whether a process was started and not ended by us.
    pub fn runs(&self) -> bool {
        self.process.is_some()
    }

    /// Where it is started.
    pub fn place_mut(&mut self) -> &mut Place {
        &mut self.place
    }

    /// Sets a setting for the next start.
    pub fn set(&mut self, path: &str, value: &str) {
        let name = format!("PLIMSOLL_{}", path.replace('.', "__").to_uppercase());
        self.settings.retain(|(known, _)| *known != name);
        self.settings.push((name, value.to_owned()));
    }

    /// The running process.
    pub fn process(&mut self) -> &mut Process {
        self.process.as_mut().expect("the node runs")
    }

    /// All that the node wrote since its first start.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("node.log")).unwrap_or_default()
    }

    /// `HOST:PORT`.
    pub fn address(&self) -> String {
        self.listen.to_string()
    }

    /// `http://HOST:PORT`, or with `https`.
    pub fn url(&self) -> String {
        format!("{}://{}", if self.ca.is_some() { "https" } else { "http" }, self.address())
    }

    /// A client of this node.
    pub fn http(&self) -> Http {
        match &self.ca {
            Some(ca) => Http::secure(self.url(), ca),
            None => Http::new(self.url()),
        }
    }

    /// The data folder.
    pub fn data(&self) -> PathBuf {
        self.place.data.clone().unwrap_or_else(|| self.folder.path().join("data"))
    }

    /// Leaves its folder, with data and log, to be looked at after the value is gone.
    pub fn keep_folder(&mut self) {
        self.folder.disable_cleanup(true);
    }

    /// A folder that goes with the node, for files of a test.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}
