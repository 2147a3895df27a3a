use super::super::output::{Cell, Column, Format, Listing, say};
use super::super::units::{show_duration, show_short};
use super::super::{Global, Outcome, escape};
use super::{health, refusal};
use crate::{Client, Cluster};
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;

pub(super) const EXAMPLES: &str = "\
Examples:
  plimsoll cluster status
  plimsoll cluster status --shards
  plimsoll cluster status -o json | jq -r .verdict

Exit code 4: degraded (a node is away or read-only, a shard has too few copies or no leader, or the
ownership group has no quorum).";

/// Arguments of `cluster status`.
#[derive(clap::Args, Clone, Debug)]
pub struct Status {
    /// List every shard instead of the nodes.
    #[arg(long)]
    shards: bool,
}

impl Status {
    pub(super) async fn run(self, global: &Global, client: &Client) -> Outcome {
        let cluster = client.cluster().await.map_err(refusal("plimsoll status"))?;
        let (text, exit) = health::verdict(&cluster);
        match global.output {
            Format::Table | Format::Wide => {
                let wide = global.output == Format::Wide;
                say(&screen(&cluster, self.shards || wide, wide))?;
            }
            other => {
                let mut l = if self.shards { shards(&cluster) } else { nodes(&cluster) };
                l.head.insert("verdict".into(), json!(text));
                l.head.insert("cluster".into(), json!(cluster));
                l.print(other)?;
            }
        }
        Ok(exit)
    }
}

/// Everything about `c` as text: nodes, shards (all of them or how many there are of each kind), moves, the verdict.
pub(super) fn screen(c: &Cluster, all_shards: bool, wide: bool) -> String {
    let leader = c.leader.map_or("nobody".to_owned(), |n| format!("node {n}"));
    let balancing = if c.rebalancing { "on" } else { "off" };
    let id = escape::terminal(&c.id);
    let mut out = format!(
        "cluster {id}  epoch {}  copies {}  ownership led by {leader}  balancing {balancing}\n\n",
        c.epoch, c.replication
    );
    let format = if wide { Format::Wide } else { Format::Table };
    out.push_str(&nodes(c).text(format));
    out.push('\n');
    if all_shards {
        out.push_str(&shards(c).text(format));
    } else {
        let mut states: BTreeMap<&str, usize> = BTreeMap::new();
        for shard in &c.shards {
            *states.entry(shard.state.as_str()).or_default() += 1;
        }
        let states: Vec<String> =
            states.iter().map(|(s, n)| format!("{n} {}", escape::terminal(s).replace('_', " "))).collect();
        out.push_str(&format!(
            "{}: {}\n",
            health::counted(c.shards.len(), "shard", "shards"),
            states.join(", ")
        ));
    }
    if !c.moves.is_empty() {
        out.push('\n');
        out.push_str(&moves(c).text(format));
    }
    out.push_str(&format!("\n{}\n", escape::terminal(&health::verdict(c).0)));
    out
}

fn nodes(c: &Cluster) -> Listing {
    let columns = vec![
        Column::right("node"),
        Column::left("address"),
        Column::left("peer address").wide(),
        Column::left("zone").wide(),
        Column::left("version"),
        Column::left("state"),
        Column::right("shards"),
        Column::right("leads"),
        Column::right("disk"),
        Column::right("free"),
        Column::right("seen"),
        Column::left("voter").wide(),
    ];
    let mut l = Listing::new("cluster/1", columns);
    for n in health::members(c) {
        let mut state = n.state.clone();
        if !n.live && n.state != "dead" {
            state.push_str(", away");
        }
        if n.read_only {
            state.push_str(", read-only");
        }
        let seen = n.seen_seconds.and_then(|s| Duration::try_from_secs_f64(s).ok());
        let row = vec![
            Cell::text(n.id.to_string()),
            Cell::text(&n.address),
            Cell::text(&n.peer_address),
            Cell::text(&n.zone),
            Cell::text(&n.version),
            Cell::text(state),
            Cell::count(n.replicas),
            Cell::count(n.leaders),
            Cell::bytes(n.disk_bytes),
            n.disk_free_bytes.map_or(Cell::text(""), Cell::bytes),
            seen.map_or(Cell::text(""), |s| {
                Cell::shown(s.as_secs_f64(), format!("{} ago", show_duration(s)))
            }),
            Cell::text(if n.voter { "yes" } else { "no" }),
        ];
        l.push(row, json!(n));
    }
    l
}

fn shards(c: &Cluster) -> Listing {
    let columns = vec![
        Column::right("shard"),
        Column::left("state"),
        Column::right("leader"),
        Column::left("on"),
        Column::left("wanted on"),
        Column::left("filling").wide(),
        Column::right("wanted leader").wide(),
        Column::right("epoch").wide(),
        Column::right("series"),
        Column::right("disk"),
    ];
    let list = |ids: &[u64]| Cell::text(ids.iter().map(u64::to_string).collect::<Vec<_>>().join(" "));
    let one = |id: Option<u64>| Cell::text(id.map_or("none".to_owned(), |id| id.to_string()));
    let mut l = Listing::new("cluster-shards/1", columns);
    for s in &c.shards {
        let row = vec![
            Cell::text(s.id.to_string()),
            Cell::text(s.state.replace('_', " ")),
            one(s.leader),
            list(&s.voters),
            list(&s.replicas),
            list(&s.learners),
            one(s.wanted_leader),
            Cell::text(s.epoch.to_string()),
            Cell::count(s.series),
            Cell::bytes(s.bytes),
        ];
        l.push(row, json!(s));
    }
    l
}

fn moves(c: &Cluster) -> Listing {
    let columns = vec![
        Column::right("moving"),
        Column::right("to node"),
        Column::left("phase"),
        Column::right("done"),
        Column::right("of"),
        Column::right("percent"),
        Column::right("left"),
    ];
    let mut l = Listing::new("cluster-moves/1", columns);
    for m in &c.moves {
        let percent =
            if m.bytes_total == 0 { 0.0 } else { m.bytes_done as f64 * 100.0 / m.bytes_total as f64 };
        let eta = m.eta_seconds.and_then(|s| Duration::try_from_secs_f64(s).ok());
        let row = vec![
            Cell::text(format!("shard {}", m.shard)),
            Cell::text(m.to.to_string()),
            Cell::text(m.phase.replace('_', " ")),
            Cell::bytes(m.bytes_done),
            Cell::bytes(m.bytes_total),
            Cell::shown(percent, show_short(percent.min(100.0).round())),
            Cell::text(eta.map(show_duration).unwrap_or_default()),
        ];
        l.push(row, json!(m));
    }
    l
}

#[cfg(test)]
mod tests {
    use super::super::health::tests::three;
    use super::*;
    use crate::Move;

    #[test]
    fn a_screen_shows_nodes_shards_moves_and_the_verdict() {
        let c = three(|c| {
            c.nodes[2].live = false;
            c.nodes[2].seen_seconds = Some(12.0);
            c.shards[1].state = "moving".into();
            c.moves.push(Move {
                shard: 1,
                to: 2,
                phase: "catching_up".into(),
                bytes_done: 512,
                bytes_total: 2048,
                ..Move::default()
            });
        });
        let text = screen(&c, false, false);
        assert!(
            text.starts_with("cluster ab  epoch 7  copies 3  ownership led by node 1  balancing off\n"),
            "{text}"
        );
        assert!(text.contains("active, away"), "{text}");
        assert!(text.contains("2 shards: 1 moving, 1 ok\n"), "{text}");
        assert!(text.contains("catching up  512 B  2.00 KiB       25"), "{text}");
        assert!(text.ends_with("\ndegraded: node 3 (10.0.0.3:7777) is not heard of for 12s\n"), "{text}");
        let all = screen(&c, true, false);
        assert!(all.contains("1 2 3"), "{all}");
    }

    #[test]
    fn text_of_a_node_is_shown_not_obeyed() {
        let c = three(|c| {
            c.id = "\x1b[2J".into();
            c.nodes[0].zone = "\u{202e}".into();
            c.nodes[0].version = "\x07".into();
        });
        assert!(screen(&c, true, true).chars().all(|ch| ch == '\n' || !ch.is_control() && ch != '\u{202e}'));
    }
}
