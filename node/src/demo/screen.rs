//! What a demo prints: the greeting, and one line that tells how it goes.

use super::ledger::Totals;
use plimsoll_client::Cluster;
use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};
use std::time::{Duration, Instant};

/// How often the line is drawn anew on a terminal, and printed elsewhere.
const DRAW_EVERY: Duration = Duration::from_secs(1);
const PRINT_EVERY: Duration = Duration::from_secs(10);

/// The line at the end of what was printed.
pub struct Line {
    on_terminal: bool,
    due: Instant,
    /// Acknowledged samples at the last line, for the rate.
    last: Option<(Instant, u64)>,
}

impl Line {
    /// Nothing printed yet.
    pub fn new() -> Self {
        Self { on_terminal: std::io::stdout().is_terminal(), due: Instant::now(), last: None }
    }

    /// Whether it is time for the line.
    pub fn is_due(&self) -> bool {
        Instant::now() >= self.due
    }

    /// Shows the line: over the last one on a terminal, below it elsewhere.
    pub fn show(
        &mut self,
        up: (usize, usize),
        cluster: Option<&Cluster>,
        totals: Totals,
        trouble: Option<&str>,
    ) {
        let now = Instant::now();
        let rate = self.last.map(|(at, then)| {
            (totals.acknowledged - then) as f64 / now.duration_since(at).as_secs_f64().max(0.001)
        });
        self.last = Some((now, totals.acknowledged));
        let text = text(up, cluster, totals, rate, trouble);
        // a demo whose reader has left goes on
        let mut out = std::io::stdout().lock();
        let _ = match self.on_terminal {
            true => write!(out, "\r\x1b[K{}", cut(&text, width())),
            false => writeln!(out, "{text}"),
        };
        let _ = out.flush();
        self.due = now + if self.on_terminal { DRAW_EVERY } else { PRINT_EVERY };
    }

    /// Prints `text` above the line.
    pub fn tell(&mut self, text: &str) {
        let mut out = std::io::stdout().lock();
        let clear = if self.on_terminal { "\r\x1b[K" } else { "" };
        let _ = writeln!(out, "{clear}{text}");
        let _ = out.flush();
        self.due = Instant::now();
    }
}

/// The line.
pub fn text(
    (up, all): (usize, usize),
    cluster: Option<&Cluster>,
    totals: Totals,
    rate: Option<f64>,
    trouble: Option<&str>,
) -> String {
    let mut out = format!("nodes {up}/{all} up");
    if let Some(cluster) = cluster {
        let members = cluster.nodes.iter().filter(|n| n.state != "removed");
        let leaders: Vec<String> = members.map(|n| n.leaders.to_string()).collect();
        let _ = write!(out, "  leaders {}  copies {}", leaders.join("+"), cluster.replication);
        let moving = cluster.unsettled().max(cluster.moves.len());
        if moving > 0 {
            let _ = write!(out, "  {moving} moving");
        }
    }
    if let Some(rate) = rate {
        let _ = write!(out, "  {rate:.0} samples/s");
    }
    let (written, acknowledged) = (count(totals.written), count(totals.acknowledged));
    let _ = write!(out, "  written {written}, acknowledged {acknowledged}, lost: {}", totals.lost);
    let _ = write!(out, "  checks {}", count(totals.checked));
    if totals.unanswered > 0 {
        let _ = write!(out, ", {} to repeat", count(totals.unanswered));
    }
    if totals.refused > 0 {
        let _ = write!(out, "  refused {}", count(totals.refused));
    }
    if let Some(trouble) = trouble {
        let _ = write!(out, "  waiting: {trouble}");
    }
    out
}

/// `1,234,567`.
fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn width() -> usize {
    rustix::termios::tcgetwinsize(std::io::stdout()).map_or(80, |size| usize::from(size.ws_col)).max(20)
}

/// At most `width` characters: a line that wraps could not be drawn over.
fn cut(text: &str, width: usize) -> String {
    text.chars().filter(|c| !c.is_control()).take(width - 1).collect()
}

/// What stands above the line.
pub fn greeting(urls: &[String], agents: u32, own_port: bool) -> String {
    let url = urls.first().map(String::as_str).unwrap_or_default();
    let flag = if own_port { String::new() } else { format!(" --url {url}") };
    let all = urls.join(",");
    let nodes = match urls.len() {
        1 => "one node".to_owned(),
        n => format!("{n} nodes"),
    };
    let mut out = format!(
        "
Plimsoll demo: {nodes}, {agents} agent loops and this host, live. Stop with Ctrl-C.

  web page     {url}/
  PromQL API   {url}/api/v1/query?query=active_loops
  own metrics  {url}/metrics
"
    );
    for (number, url) in (2..).zip(&urls[1.min(urls.len())..]) {
        let _ = writeln!(out, "  node {number}       {url}/");
    }
    let _ = write!(
        out,
        "
Ask it from another terminal:

  plimsoll query{flag} 'sum by (loop_type) (rate(llm_tokens_total[5m]))'
  plimsoll query{flag} 'histogram_quantile(0.95, sum by (le, loop_type) (rate(loop_execution_duration_seconds_bucket[5m])))'
  plimsoll query{flag} 'topk(3, sum by (tool) (increase(tool_invocations_total[10m])))'
  plimsoll range{flag} 'avg(system_cpu_usage)' --start now-5m
  plimsoll cluster status{flag}
  plimsoll top{flag}

Break it, and watch the line below: nothing that was acknowledged is lost.

  plimsoll demo kill 2      kill -9 of a node
  plimsoll demo start 2     and back
  plimsoll demo add         one more; shards move to it

Use it from Prometheus, Grafana or a shell:

  remote_write url    {url}/api/v1/write
  Grafana data source {url}   (type Prometheus)
  export PLIMSOLL_URL={all}
"
    );
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use plimsoll_client::ClusterNode;

    #[test]
    fn the_line_tells_nodes_leaders_rate_and_ledger() {
        let node = |leaders| ClusterNode { leaders, state: "active".into(), ..ClusterNode::default() };
        let cluster =
            Cluster { replication: 3, nodes: vec![node(6), node(5), node(5)], ..Cluster::default() };
        let totals = Totals { written: 1_234_567, acknowledged: 1_234_000, checked: 12, ..Totals::default() };
        assert_eq!(
            text((3, 3), Some(&cluster), totals, Some(702.4), None),
            "nodes 3/3 up  leaders 6+5+5  copies 3  702 samples/s  written 1,234,567, acknowledged 1,234,000, lost: 0  \
             checks 12"
        );
        let bad = Totals { lost: 2, unanswered: 3, refused: 4, ..totals };
        let bad = text((2, 3), None, bad, None, Some("no leader"));
        assert!(bad.ends_with("lost: 2  checks 12, 3 to repeat  refused 4  waiting: no leader"), "{bad}");
    }

    #[test]
    fn the_greeting_names_every_node_and_the_flag_only_where_it_is_needed() {
        let urls = ["http://127.0.0.1:7777".to_owned(), "http://127.0.0.1:7778".to_owned()];
        let own = greeting(&urls, 12, true);
        assert!(
            own.contains("2 nodes, 12 agent loops")
                && own.contains("  node 2       http://127.0.0.1:7778/\n")
        );
        assert!(own.contains("plimsoll query 'sum by") && !own.contains("--url"));
        let other = greeting(&urls[..1], 1, false);
        assert!(
            other.contains("one node")
                && other.contains("plimsoll query --url http://127.0.0.1:7777 'sum by")
        );
    }

    #[test]
    fn a_line_never_wraps() {
        assert_eq!(cut("abc\u{1b}defghij", 6), "abcde");
    }
}
