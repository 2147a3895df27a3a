//! Waiting for a change to come about, with what is left of it shown.
//!
//! The change goes on in the cluster whether or not somebody waits: a wait that ends early ends nothing. The client
//! turns to another node when the one it asked is lost.

use super::super::Global;
use super::super::escape::terminal;
use super::super::exit::{Exit, Problem};
use super::super::output::{Format, say};
use super::super::units::{show_bytes, show_duration};
use super::health::counted;
use crate::{Client, Cluster};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// How often to look.
const EVERY: Duration = Duration::from_millis(500);
/// How often a line is printed where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);
/// A cluster none of whose nodes answers for this long is given up.
const AWAY_LIMIT: Duration = Duration::from_secs(60);
/// A change that makes no step for this long needs a person.
const STALL_LIMIT: Duration = Duration::from_secs(600);
/// When to say that nothing moves.
const STALL_HINT: Duration = Duration::from_secs(30);
/// How long a balance must hold: placement plans anew every second or so.
const CALM: Duration = Duration::from_secs(3);

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Goal {
    /// The node holds nothing.
    Drained(u64),
    /// The node holds nothing, and everything it held is elsewhere.
    Replaced(u64),
    /// Every shard is where it shall be.
    Balanced,
    /// The shard is led by the node.
    Led { shard: u64, by: u64 },
}

/// How far a goal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reached {
    /// So many replicas are left to move.
    Not(usize),
    Yes,
    /// Somebody has changed the wish.
    Withdrawn,
}

/// How to wait.
#[derive(clap::Args, Clone, Debug)]
pub struct Wait {
    /// Return as soon as the cluster has taken the order.
    #[arg(long)]
    no_wait: bool,
    /// Wait at most so long; the change goes on in the cluster.
    #[arg(long, value_parser = super::super::units::duration, value_name = "DURATION")]
    within: Option<Duration>,
}

impl Goal {
    fn reached(self, c: &Cluster) -> Reached {
        let left = match self {
            Self::Drained(id) => {
                let state = c.node(id).map_or("removed", |n| n.state.as_str());
                if !matches!(state, "draining" | "removed" | "dead") {
                    return Reached::Withdrawn;
                }
                c.shards_on(id)
            }
            Self::Replaced(id) => match c.shards_on(id) {
                0 => c.unsettled(),
                n => n,
            },
            Self::Balanced => c.unsettled().max(c.moves.len()),
            Self::Led { shard, by } => {
                let led = c.shards.iter().any(|s| s.id == shard && s.leader == Some(by));
                usize::from(!led)
            }
        };
        if left == 0 { Reached::Yes } else { Reached::Not(left) }
    }

    /// How long the goal must hold to count as reached.
    fn holds_for(self) -> Duration {
        if self == Self::Balanced { CALM } else { Duration::ZERO }
    }

    fn done(self) -> String {
        match self {
            Self::Drained(id) => {
                format!("node {id} holds nothing; take it out with: plimsoll cluster remove {id}")
            }
            Self::Replaced(id) => {
                format!("what node {id} held is elsewhere; forget it with: plimsoll cluster remove {id}")
            }
            Self::Balanced => "every shard is where it shall be".into(),
            Self::Led { shard, by } => format!("shard {shard} is led by node {by}"),
        }
    }
}

/// Says that the change with this epoch was taken, and waits for `goal` unless told otherwise.
pub(super) async fn follow(
    global: &Global,
    client: &Client,
    wait: &Wait,
    epoch: u64,
    goal: Goal,
) -> super::Outcome {
    let began = Instant::now();
    if wait.no_wait {
        report(global, epoch, false, began, "ordered; see how far it is with: plimsoll cluster watch")?;
        return Ok(Exit::Ok);
    }
    let mut view = View::new();
    let mut pace = Pace::new(began);
    loop {
        match client.cluster().await {
            Ok(c) => match goal.reached(&c) {
                Reached::Yes if pace.holds(goal.holds_for()) => {
                    view.end();
                    report(global, epoch, true, began, &goal.done())?;
                    return Ok(Exit::Ok);
                }
                Reached::Yes => {}
                Reached::Not(left) => {
                    pace.step(left);
                    view.show(&c, left, &pace);
                }
                Reached::Withdrawn => {
                    view.end();
                    let text = "the drain was taken back by somebody else";
                    return Err(Problem::fail(text).next("see by whom: plimsoll cluster log"));
                }
            },
            Err(e) if pace.away() > AWAY_LIMIT => {
                let p = Problem::from(e);
                return Err(
                    p.next("the change goes on in the cluster; follow it with: plimsoll cluster watch")
                );
            }
            Err(e) => view.trouble(&e.to_string()),
        }
        if let Some(problem) = pace.over(wait.within) {
            view.end();
            return Err(problem);
        }
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {
                view.end();
                eprintln!("not waited for: the change goes on in the cluster; plimsoll cluster watch shows it");
                return Ok(Exit::Ok);
            }
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

/// Prints what came of a change.
pub(super) fn report(
    global: &Global,
    epoch: u64,
    done: bool,
    began: Instant,
    text: &str,
) -> Result<(), Problem> {
    match global.output {
        Format::Table | Format::Wide | Format::Md | Format::Html => say(&format!("{}\n", terminal(text))),
        Format::Csv => say(&format!("epoch,done\n{epoch},{done}\n")),
        Format::Json | Format::Jsonl => {
            let seconds = began.elapsed().as_secs_f64();
            let document = json!({
                "schema": "plimsoll.cluster-change/1", "epoch": epoch, "done": done, "seconds": seconds, "text": text,
            });
            say(&format!("{document}\n"))
        }
    }
}

/// What was seen over time.
struct Pace {
    began: Instant,
    first: Option<usize>,
    left: usize,
    /// When `left` changed last.
    changed: Instant,
    /// When a node answered last.
    answered: Instant,
    /// Since when the goal is reached.
    reached: Option<Instant>,
}

impl Pace {
    fn new(now: Instant) -> Self {
        Self { began: now, first: None, left: 0, changed: now, answered: now, reached: None }
    }

    fn step(&mut self, left: usize) {
        let now = Instant::now();
        self.answered = now;
        self.reached = None;
        if self.first.is_none() || left != self.left {
            self.changed = now;
        }
        // Placement may find more to do than it began with.
        self.first = Some(self.first.unwrap_or(left).max(left));
        self.left = left;
    }

    fn holds(&mut self, time: Duration) -> bool {
        let now = Instant::now();
        self.answered = now;
        self.changed = now;
        self.reached.get_or_insert(now).elapsed() >= time
    }

    fn away(&self) -> Duration {
        self.answered.elapsed()
    }

    fn over(&self, within: Option<Duration>) -> Option<Problem> {
        if within.is_some_and(|within| self.began.elapsed() >= within) {
            let text = format!("not done in time: {} left", counted(self.left, "replica", "replicas"));
            let next = "the change goes on in the cluster; follow it with: plimsoll cluster watch";
            return Some(Problem::new(Exit::Degraded, text).next(next));
        }
        if self.changed.elapsed() >= STALL_LIMIT && self.answered.elapsed() < STALL_HINT {
            let still = show_duration(STALL_LIMIT);
            let text =
                format!("{} left and none has moved for {still}", counted(self.left, "replica", "replicas"));
            return Some(Problem::new(Exit::Degraded, text).next("look for the reason: plimsoll doctor"));
        }
        None
    }

    /// What is left to wait, by the pace so far or by what the moves say.
    fn eta(&self, c: &Cluster) -> Option<Duration> {
        let done = self.first.unwrap_or(0).saturating_sub(self.left);
        let by_pace = (done > 0).then(|| self.began.elapsed().mul_f64(self.left as f64 / done as f64));
        let by_moves = c.moves.iter().filter_map(|m| m.eta_seconds).fold(0.0, f64::max);
        by_pace.or_else(|| Duration::try_from_secs_f64(by_moves).ok().filter(|d| !d.is_zero()))
    }
}

/// A bar on a terminal, now and then a line elsewhere; both on stderr.
struct View {
    bar: Option<ProgressBar>,
    /// When the last line was printed.
    line: Option<Instant>,
    hinted: bool,
}

impl View {
    fn new() -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(Some(1), ProgressDrawTarget::stderr());
            let style = ProgressStyle::with_template("{bar:30} {pos}/{len} replicas  {msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar
        });
        Self { bar, line: None, hinted: false }
    }

    fn show(&mut self, c: &Cluster, left: usize, pace: &Pace) {
        let text = what_is_left(c, left, pace.eta(c));
        if let Some(bar) = &self.bar {
            let first = pace.first.unwrap_or(left);
            bar.set_length(first as u64);
            bar.set_position((first - left.min(first)) as u64);
            bar.set_message(text);
        } else {
            self.print(&text);
        }
        if !self.hinted && c.moves.is_empty() && pace.changed.elapsed() > STALL_HINT {
            self.hinted = true;
            let hint = "nothing moves at the moment: is there another node that could take a replica? \
                        plimsoll cluster add, plimsoll cluster rebalance on";
            match &self.bar {
                Some(bar) => bar.println(hint),
                None => eprintln!("{hint}"),
            }
        }
    }

    fn trouble(&mut self, text: &str) {
        let text = format!("waiting for a node to answer: {}", terminal(text));
        match &self.bar {
            Some(bar) => bar.set_message(text),
            None => self.print(&text),
        }
    }

    fn print(&mut self, text: &str) {
        if self.line.is_none_or(|at| at.elapsed() >= LINE_EVERY) {
            eprintln!("{text}");
            self.line = Some(Instant::now());
        }
    }

    fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn what_is_left(c: &Cluster, left: usize, eta: Option<Duration>) -> String {
    let mut text = format!("{} left", counted(left, "replica", "replicas"));
    let (done, total) = c.moves.iter().fold((0u64, 0u64), |(done, total), m| {
        (done.saturating_add(m.bytes_done), total.saturating_add(m.bytes_total))
    });
    if !c.moves.is_empty() {
        let moving = counted(c.moves.len(), "is", "are");
        text.push_str(&format!(", {moving} moving: {} of {}", show_bytes(done), show_bytes(total)));
    }
    if let Some(eta) = eta {
        text.push_str(&format!(", about {} to go", show_duration(eta)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::health::tests::three;
    use super::*;
    use crate::Move;

    #[test]
    fn a_drain_is_done_when_the_node_holds_nothing_and_off_when_it_is_taken_back() {
        let draining = |c: &mut Cluster| c.nodes[1].state = "draining".into();
        assert_eq!(Goal::Drained(2).reached(&three(draining)), Reached::Not(2));
        let empty = three(|c| {
            draining(c);
            c.shards.iter_mut().for_each(|s| (s.voters, s.replicas) = (vec![1, 3], vec![1, 3]));
        });
        assert_eq!(Goal::Drained(2).reached(&empty), Reached::Yes);
        assert_eq!(Goal::Drained(2).reached(&three(|_| {})), Reached::Withdrawn);
    }

    #[test]
    fn a_replacement_is_done_when_all_is_elsewhere() {
        assert_eq!(Goal::Replaced(2).reached(&three(|_| {})), Reached::Not(2));
        let filling = three(|c| {
            c.shards.iter_mut().for_each(|s| (s.voters, s.replicas) = (vec![1, 3], vec![1, 3]));
            c.shards[0].replicas.push(4);
            c.shards[0].learners.push(4);
        });
        assert_eq!(Goal::Replaced(2).reached(&filling), Reached::Not(1));
    }

    #[test]
    fn a_transfer_is_done_when_the_node_leads() {
        let goal = Goal::Led { shard: 1, by: 3 };
        assert_eq!(goal.reached(&three(|_| {})), Reached::Not(1));
        assert_eq!(goal.reached(&three(|c| c.shards[1].leader = Some(3))), Reached::Yes);
    }

    #[test]
    fn what_is_left_is_told_in_replicas_bytes_and_time() {
        let c = three(|c| {
            c.moves = vec![Move { bytes_done: 1024, bytes_total: 4096, ..Move::default() }; 2];
        });
        let text = what_is_left(&c, 5, Some(Duration::from_secs(90)));
        assert_eq!(text, "5 replicas left, 2 are moving: 2.00 KiB of 8.00 KiB, about 1m 30s to go");
        assert_eq!(what_is_left(&three(|_| {}), 1, None), "1 replica left");
    }
}
