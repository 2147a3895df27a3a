//! `plimsoll demo`: a cluster of real processes in one terminal, with live traffic and a ledger of it.
//!
//! Owns: its nodes as child processes (`children`), the load and its checks (`traffic`, `simulator`, `host`, `ledger`),
//! what is printed (`screen`), orders from other terminals (`control`).
//! Does not own: anything of a node. The nodes are `plimsoll start` of the same program, and the load goes through the
//! client library, as anybody's would.

mod args;
mod children;
mod control;
mod curve;
mod host;
mod ledger;
mod prices;
mod rules;
mod screen;
mod simulator;
mod traffic;

pub use args::{Action, DemoArgs};

use anyhow::{Context, bail};
use children::Children;
use control::{Asked, Control};
use plimsoll_client::Client;
use std::future::pending;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use traffic::{Figures, Source};

/// How long a node may take until it is ready, replay of its log included.
const READY_LIMIT: Duration = Duration::from_secs(60);
/// How often to look whether it is.
const READY_PAUSE: Duration = Duration::from_millis(25);
/// How long the nodes get to end in good order.
const STOP_LIMIT: Duration = Duration::from_secs(20);
/// How long a write or a query waits for one node before it turns to the next.
const REQUEST_LIMIT: Duration = Duration::from_secs(10);
/// How often the demo looks after its nodes.
const TICK: Duration = Duration::from_millis(250);

/// Runs a demo until it is stopped, or tells the running one what to do.
pub async fn run(args: DemoArgs) -> anyhow::Result<()> {
    if let Some(action) = args.action.clone() {
        let folder = args.data_dir.clone();
        let said = tokio::task::spawn_blocking(move || control::ask(folder.as_deref(), &action)).await??;
        println!("{said}");
        return Ok(());
    }
    let folder = Folder::open(args.data_dir.as_deref())?;
    let mut demo = Demo::start(&args, &folder).await?;
    let outcome = demo.until_stopped(args.seconds.map(Duration::from_secs)).await;
    demo.line.tell("stopping: every node writes a checkpoint");
    demo.stop().await;
    outcome
}

/// A running demo.
struct Demo {
    children: Children,
    control: Control,
    figures: Arc<Figures>,
    line: screen::Line,
    tasks: Vec<JoinHandle<()>>,
}

impl Demo {
    async fn start(args: &DemoArgs, folder: &Folder) -> anyhow::Result<Self> {
        let mut children = Children::new(folder.path(), &args.listen)?;
        let earlier = children.left_behind();
        for _ in 0..args.nodes.max(earlier) {
            // one after another, so that the numbers are those that the cluster gives
            let number = children.add()?;
            wait_ready(&mut children, number).await?;
        }
        let control = Control::open(folder.path())?;
        let client = Client::builder().urls(children.urls()).timeout(REQUEST_LIMIT).build()?;
        let figures = Arc::<Figures>::default();
        let source = Source::new(args.agents, client.clone(), figures.clone())?;
        let line = screen::Line::new();
        let own_port = children.url(1)? == Client::DEFAULT_URL;
        println!("{}", screen::greeting(&children.urls(), args.agents, own_port));
        let tasks = vec![
            tokio::spawn(prices::apply(client.clone())),
            tokio::spawn(rules::apply(client.clone())),
            tokio::spawn(write(source, earlier == 0)),
            tokio::spawn(traffic::check(args.agents, client.clone(), figures.clone())),
            tokio::spawn(traffic::look(client, figures.clone())),
        ];
        Ok(Self { children, control, figures, line, tasks })
    }

    /// Looks after the nodes until a signal, an order or `limit` ends the demo. Runs on the main thread: see `children`.
    async fn until_stopped(&mut self, limit: Option<Duration>) -> anyhow::Result<()> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let over = async {
            match limit {
                Some(limit) => tokio::time::sleep(limit).await,
                None => pending().await,
            }
        };
        tokio::pin!(over);
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = interrupt.recv() => return Ok(()),
                _ = terminate.recv() => return Ok(()),
                () = &mut over => return Ok(()),
                asked = self.control.next() => match asked {
                    Some(Asked { action: Action::Stop, answer }) => {
                        // who asked may have left
                        let _ = answer.send(Ok("the demo stops".to_owned()));
                        return Ok(());
                    }
                    Some(asked) => self.obey(asked),
                    None => bail!("the demo's control socket is gone"),
                },
                _ = ticks.tick() => self.tick(),
            }
        }
    }

    fn tick(&mut self) {
        for (number, status) in self.children.ended() {
            self.line.tell(&self.children.obituary(number, status));
        }
        if self.line.is_due() {
            let cluster = self.figures.cluster.lock().clone();
            let trouble = self.figures.trouble.lock().clone();
            let totals = self.figures.ledger.lock().totals();
            self.line.show(self.children.up(), cluster.as_ref(), totals, trouble.as_deref());
        }
    }

    /// Does what another terminal asks for; what takes time is answered when it is done.
    fn obey(&mut self, Asked { action, answer }: Asked) {
        let done = match action {
            Action::Kill { node } => self.children.kill(node).map(|()| {
                let text =
                    format!("node {node} is dead (kill -9); start it again with: plimsoll demo start {node}");
                self.line.tell(&text);
                Some(text)
            }),
            Action::Start { node } => self.children.start(node).map(|()| {
                self.line.tell(&format!("node {node} starts"));
                None
            }),
            Action::Add => self.children.add().map(|node| {
                self.line.tell(&format!("node {node} is added; shards move to it: plimsoll cluster watch"));
                None
            }),
            Action::Status => {
                let (cluster, totals) = (self.figures.cluster.lock(), self.figures.ledger.lock().totals());
                Ok(Some(screen::text(self.children.up(), cluster.as_ref(), totals, None, None)))
            }
            // is taken before
            Action::Stop => Ok(None),
        };
        let (node, text) = match (action, done) {
            (_, Err(e)) => return drop(answer.send(Err(format!("{e:#}")))),
            (_, Ok(Some(text))) => return drop(answer.send(Ok(text))),
            (Action::Start { node }, Ok(None)) => (node, "is up again"),
            (_, Ok(None)) => (self.children.urls().len() as u32, "is up"),
        };
        match self.children.url(node) {
            Ok(url) => drop(tokio::spawn(answer_when_ready(node, url, text, answer))),
            Err(e) => drop(answer.send(Err(format!("{e:#}")))),
        }
    }

    async fn stop(&mut self) {
        for task in self.tasks.drain(..) {
            task.abort();
        }
        self.children.stop(STOP_LIMIT).await;
        let totals = self.figures.ledger.lock().totals();
        self.line.show(self.children.up(), None, totals, None);
        println!();
    }
}

/// Writes history where there is none, and then lives.
async fn write(mut source: Source, with_history: bool) {
    let now = crate::now_ms();
    let at = match with_history {
        true => source.backfill(now).await,
        false => traffic::next_block(now),
    };
    source.live(at).await;
}

/// Waits until the node is ready; fails when it ends instead.
async fn wait_ready(children: &mut Children, number: u32) -> anyhow::Result<()> {
    let url = children.url(number)?;
    let ready = ready(&url, READY_LIMIT);
    tokio::pin!(ready);
    loop {
        tokio::select! {
            ready = &mut ready => return ready.with_context(|| format!("node {number} does not become ready")),
            () = tokio::time::sleep(READY_PAUSE) => {}
        }
        if let Some((number, status)) = children.ended().pop() {
            bail!("{}", children.obituary(number, status));
        }
    }
}

async fn answer_when_ready(
    number: u32,
    url: String,
    text: &'static str,
    answer: oneshot::Sender<Result<String, String>>,
) {
    let said = match ready(&url, READY_LIMIT).await {
        Ok(()) => Ok(format!("node {number} {text}: {url}")),
        Err(e) => {
            Err(format!("node {number} does not become ready: {e:#}; see its log in the demo's folder"))
        }
    };
    // who asked may have left
    let _ = answer.send(said);
}

async fn ready(url: &str, limit: Duration) -> anyhow::Result<()> {
    let client = Client::builder().url(url).discover(false).timeout(Duration::from_secs(2)).build()?;
    let began = Instant::now();
    loop {
        match client.ready().await {
            Ok(_) => return Ok(()),
            Err(e) if began.elapsed() >= limit => return Err(e.into()),
            Err(_) => tokio::time::sleep(READY_PAUSE).await,
        }
    }
}

/// The folder of a demo; one of its own making goes with it.
struct Folder {
    path: PathBuf,
    temporary: bool,
}

impl Folder {
    fn open(given: Option<&Path>) -> anyhow::Result<Self> {
        let own = || std::env::temp_dir().join(format!("plimsoll-demo-{}.d", std::process::id()));
        let path = given.map_or_else(own, Path::to_owned);
        // the control socket is in it: nobody else shall stop this demo
        std::fs::DirBuilder::new()
            .recursive(given.is_some())
            .mode(0o700)
            .create(&path)
            .with_context(|| format!("cannot make {}: name a folder with --data-dir", path.display()))?;
        Ok(Self { path, temporary: given.is_none() })
    }

    fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.temporary {
            // what is left behind lies in the folder for temporary files
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}
