//! Orders to the cluster.

use super::super::exit::{Exit, Problem};
use super::super::output::{Cell, Column, Format, Listing, say};
use super::super::{Global, Outcome};
use super::follow::{Goal, Wait, follow, report};
use super::refusal;
use crate::{Client, ClusterNode};
use serde_json::json;
use std::time::Instant;

pub(super) const DRAIN_EXAMPLES: &str = "\
Examples:
  plimsoll cluster drain 2 && plimsoll cluster remove 2
  plimsoll cluster drain 2 --no-wait; plimsoll cluster watch

The cluster refuses a drain that would leave fewer copies than it should keep; --force does it all the same.";

pub(super) const ADD_EXAMPLES: &str = "\
Examples:
  plimsoll cluster add
  ssh db4 \"$(plimsoll cluster add)\"";

pub(super) const UNDRAIN_EXAMPLES: &str = "\
Examples:
  plimsoll cluster undrain 2";

pub(super) const REPLACE_EXAMPLES: &str = "\
Examples:
  plimsoll cluster replace 2              # node 2 will not come back; do not wait for replace_after
  plimsoll cluster replace 2 && plimsoll cluster remove 2";

pub(super) const REMOVE_EXAMPLES: &str = "\
Examples:
  plimsoll cluster drain 2 && plimsoll cluster remove 2";

pub(super) const REBALANCE_EXAMPLES: &str = "\
Examples:
  plimsoll cluster rebalance              # now, and wait for the end
  plimsoll cluster rebalance off          # before work on several nodes
  plimsoll cluster rebalance on";

pub(super) const TRANSFER_EXAMPLES: &str = "\
Examples:
  plimsoll cluster transfer 5 --to 2";

pub(super) const REPLICATION_EXAMPLES: &str = "\
Examples:
  plimsoll cluster replication 3";

pub(super) const SETTINGS_EXAMPLES: &str = "\
Examples:
  plimsoll cluster settings                       # those that are not at their defaults
  plimsoll cluster settings rebalance=off
  plimsoll cluster settings rebalance=            # back to the default";

/// Arguments of `cluster drain`.
#[derive(clap::Args, Clone, Debug)]
pub struct Drain {
    /// Number of the node.
    #[arg(value_name = "NODE")]
    node: u64,
    /// Drain even if too few copies are left then.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    wait: Wait,
}

impl Drain {
    pub(super) async fn run(self, global: &Global, client: &Client) -> Outcome {
        let next = "start another node first (plimsoll cluster add), or accept fewer copies with --force";
        let epoch = client.drain(self.node, self.force).await.map_err(refusal(next))?;
        follow(global, client, &self.wait, epoch, Goal::Drained(self.node)).await
    }
}

/// Arguments of commands that need a node and nothing else.
#[derive(clap::Args, Clone, Debug)]
pub struct NodeOnly {
    /// Number of the node.
    #[arg(value_name = "NODE")]
    node: u64,
}

impl NodeOnly {
    pub(super) async fn undrain(self, global: &Global, client: &Client) -> Outcome {
        let epoch = client.undrain(self.node).await.map_err(refusal("plimsoll cluster status"))?;
        report(global, epoch, true, Instant::now(), &format!("node {} takes replicas again", self.node))?;
        Ok(Exit::Ok)
    }

    pub(super) async fn remove(self, global: &Global, client: &Client) -> Outcome {
        let cluster = client.cluster().await.map_err(refusal("plimsoll cluster status"))?;
        let node = cluster.node(self.node).ok_or_else(|| unknown(self.node))?;
        may_be_removed(node, cluster.shards_on(self.node))?;
        let next = format!(
            "plimsoll cluster drain {}, or plimsoll cluster replace {} if it is gone",
            node.id, node.id
        );
        let epoch = client.remove(self.node).await.map_err(refusal(next))?;
        let text = format!("node {} is out of the cluster; its number is not used again", self.node);
        report(global, epoch, true, Instant::now(), &text)?;
        Ok(Exit::Ok)
    }
}

/// Whether a node that holds parts of `shards` shards may go.
fn may_be_removed(node: &ClusterNode, shards: usize) -> Result<(), Problem> {
    let id = node.id;
    let (text, next) = match node.state.as_str() {
        "active" | "joining" if node.live => (
            format!("node {id} is {}: it must be drained first", node.state),
            format!("plimsoll cluster drain {id}"),
        ),
        "active" | "joining" => (
            format!("node {id} is away but not given up: its replicas are not rebuilt yet"),
            format!("start it again, or give it up: plimsoll cluster replace {id}"),
        ),
        "draining" | "dead" if shards > 0 => (
            format!("node {id} is {} but still has a part in {shards} shards", node.state),
            "wait until it holds nothing: plimsoll cluster watch".to_owned(),
        ),
        "removed" => (format!("node {id} is out of the cluster already"), "plimsoll cluster log".to_owned()),
        _ => return Ok(()),
    };
    Err(Problem::fail(text).next(next))
}

fn unknown(id: u64) -> Problem {
    Problem::fail(format!("the cluster has no node {id}")).next("see its nodes: plimsoll cluster status")
}

/// Arguments of `cluster replace`.
#[derive(clap::Args, Clone, Debug)]
pub struct Replace {
    /// Number of the node.
    #[arg(value_name = "NODE")]
    node: u64,
    #[command(flatten)]
    wait: Wait,
}

impl Replace {
    pub(super) async fn run(self, global: &Global, client: &Client) -> Outcome {
        let cluster = client.cluster().await.map_err(refusal("plimsoll cluster status"))?;
        let node = cluster.node(self.node).ok_or_else(|| unknown(self.node))?;
        if node.live && node.state != "dead" {
            let text = format!("node {} is alive: its data would be thrown away and copied anew", self.node);
            let next = format!("plimsoll cluster drain {}, or stop it first", self.node);
            return Err(Problem::fail(text).next(next));
        }
        let epoch = client.replace(self.node).await.map_err(refusal("plimsoll cluster status"))?;
        follow(global, client, &self.wait, epoch, Goal::Replaced(self.node)).await
    }
}

/// What becomes of balancing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum What {
    /// Shards move by themselves when nodes come and go.
    On,
    /// Nothing moves but what a lost or drained node makes necessary.
    Off,
    /// The same as `on`, and wait until every shard is where it shall be.
    Now,
}

/// Arguments of `cluster rebalance`.
#[derive(clap::Args, Clone, Debug)]
pub struct Rebalance {
    /// What to do.
    #[arg(value_enum, default_value = "now")]
    what: What,
    #[command(flatten)]
    wait: Wait,
}

impl Rebalance {
    pub(super) async fn run(self, global: &Global, client: &Client) -> Outcome {
        let what = match self.what {
            What::On => crate::Rebalance::On,
            What::Off => crate::Rebalance::Off,
            What::Now => crate::Rebalance::Now,
        };
        let epoch = client.rebalance(what).await.map_err(refusal("plimsoll cluster status"))?;
        if self.what == What::Now {
            return follow(global, client, &self.wait, epoch, Goal::Balanced).await;
        }
        let text = match self.what {
            What::Off => "balancing is off; lost and drained nodes are still made up for",
            _ => "balancing is on; see it with: plimsoll cluster watch",
        };
        report(global, epoch, true, Instant::now(), text)?;
        Ok(Exit::Ok)
    }
}

/// Arguments of `cluster transfer`.
#[derive(clap::Args, Clone, Debug)]
pub struct Transfer {
    /// Number of the shard.
    #[arg(value_name = "SHARD")]
    shard: u64,
    /// Number of the node that shall lead it.
    #[arg(long, value_name = "NODE")]
    to: u64,
    #[command(flatten)]
    wait: Wait,
}

impl Transfer {
    pub(super) async fn run(self, global: &Global, client: &Client) -> Outcome {
        let next = "see who holds it: plimsoll cluster status --shards";
        let epoch = client.transfer(self.shard, self.to).await.map_err(refusal(next))?;
        follow(global, client, &self.wait, epoch, Goal::Led { shard: self.shard, by: self.to }).await
    }
}

/// Arguments of `cluster replication`.
#[derive(clap::Args, Clone, Debug)]
pub struct Replication {
    /// Replicas that a shard should have.
    #[arg(value_name = "REPLICAS", value_parser = clap::value_parser!(u64).range(1..=9))]
    replicas: u64,
    #[command(flatten)]
    wait: Wait,
}

impl Replication {
    pub(super) async fn run(self, global: &Global, client: &Client) -> Outcome {
        let next = "a copy needs a node of its own: plimsoll cluster add";
        let epoch = client.set_replication(self.replicas).await.map_err(refusal(next))?;
        follow(global, client, &self.wait, epoch, Goal::Balanced).await
    }
}

/// Arguments of `cluster settings`.
#[derive(clap::Args, Clone, Debug)]
pub struct Settings {
    /// A setting and its value; without a value it goes back to its default.
    #[arg(value_name = "KEY=VALUE", value_parser = pair)]
    pairs: Vec<(String, String)>,
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().to_owned(), value.trim().to_owned())),
        _ => Err(format!("{text:?} is not a setting: write it as key=value, or key= for its default")),
    }
}

impl Settings {
    pub(super) async fn run(self, global: &Global, client: &Client) -> Outcome {
        let next = "see what is set: plimsoll cluster settings";
        let mut epoch = None;
        for (key, value) in &self.pairs {
            epoch = Some(client.set_cluster_setting(key, value).await.map_err(refusal(next))?);
        }
        match epoch {
            Some(epoch) => {
                let text = format!("set with epoch {epoch}, on every node");
                report(global, epoch, true, Instant::now(), &text)?;
            }
            None => list_settings(global, client).await?,
        }
        Ok(Exit::Ok)
    }
}

/// Prints the settings that are not at their defaults.
async fn list_settings(global: &Global, client: &Client) -> Result<(), Problem> {
    let settings = client.cluster_settings().await.map_err(refusal("plimsoll cluster status"))?;
    let mut l = Listing::new("cluster-settings/1", ["setting", "value"].map(Column::left).to_vec());
    for (key, value) in &settings {
        l.push(vec![Cell::text(key), Cell::text(value)], json!({"key": key, "value": value}));
    }
    if settings.is_empty() {
        eprintln!("all settings of the cluster are at their defaults");
    }
    l.print(global.output)
}

/// `cluster add`.
pub(super) async fn add(global: &Global, client: &Client) -> Outcome {
    let command = client.join_command().await.map_err(refusal("plimsoll cluster status"))?;
    match global.output {
        Format::Json | Format::Jsonl => {
            say(&format!("{}\n", json!({"schema": "plimsoll.cluster-add/1", "command": command})))?;
        }
        _ => {
            eprintln!("Run this on the new machine; the cluster fills it by itself:");
            say(&format!("{}\n", super::super::escape::terminal(&command)))?;
        }
    }
    Ok(Exit::Ok)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_drained_or_dead_node_may_be_removed() {
        let node =
            |state: &str, live| ClusterNode { id: 2, state: state.into(), live, ..ClusterNode::default() };
        for (state, live, shards, next) in [
            ("active", true, 0, Some("plimsoll cluster drain 2")),
            ("active", false, 3, Some("start it again, or give it up: plimsoll cluster replace 2")),
            ("draining", true, 3, Some("wait until it holds nothing: plimsoll cluster watch")),
            ("dead", false, 1, Some("wait until it holds nothing: plimsoll cluster watch")),
            ("removed", false, 0, Some("plimsoll cluster log")),
            ("draining", true, 0, None),
            ("dead", false, 0, None),
        ] {
            let refused = may_be_removed(&node(state, live), shards).err().and_then(|p| p.next);
            assert_eq!(refused.as_deref(), next, "{state} {live} {shards}");
        }
    }

    #[test]
    fn settings_are_pairs() {
        assert_eq!(pair("a=b=c"), Ok(("a".into(), "b=c".into())));
        assert_eq!(pair("a="), Ok(("a".into(), String::new())));
        assert!(pair("a").is_err() && pair("=b").is_err());
    }
}
