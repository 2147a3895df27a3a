use clap::{Args, Subcommand};
use std::path::PathBuf;

/// Flags of `plimsoll demo`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  plimsoll demo                               three nodes in this terminal
  plimsoll demo kill 2                        from another terminal: kill -9 of node 2; nothing is lost
  plimsoll demo start 2                       and back again
  plimsoll demo add                           a further node; shards move to it
  plimsoll demo --nodes 1 --listen 127.0.0.1:8888
  plimsoll demo --data-dir demo-data          keeps what it wrote")]
pub struct DemoArgs {
    /// What to do with a demo that runs; without it one is started
    #[command(subcommand)]
    pub action: Option<Action>,
    /// Nodes to start
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=9))]
    pub nodes: u32,
    /// Simulated agents
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub agents: u32,
    /// Address of the first node; the others take the ports after it, or any that is free
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:7777")]
    pub listen: String,
    /// Folder to keep the data in; without it a temporary one that goes with the demo
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Stop after so many seconds
    #[arg(long, value_name = "SECONDS")]
    pub seconds: Option<u64>,
}

/// What a running demo can be told from another terminal.
#[derive(Subcommand, Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// kill -9 of a node
    Kill {
        /// Its number, from 1
        node: u32,
    },
    /// Start a node that was killed, on the same data
    Start {
        /// Its number, from 1
        node: u32,
    },
    /// Start a further node
    Add,
    /// Show nodes and ledger
    Status,
    /// Stop the demo
    Stop,
}

impl Action {
    /// As it travels over the control socket.
    pub fn line(&self) -> String {
        match self {
            Self::Kill { node } => format!("kill {node}\n"),
            Self::Start { node } => format!("start {node}\n"),
            Self::Add => "add\n".to_owned(),
            Self::Status => "status\n".to_owned(),
            Self::Stop => "stop\n".to_owned(),
        }
    }

    /// Reads a line of the control socket.
    pub fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_ascii_whitespace();
        let action = match (words.next()?, words.next()) {
            ("kill", Some(node)) => Self::Kill { node: node.parse().ok()? },
            ("start", Some(node)) => Self::Start { node: node.parse().ok()? },
            ("add", None) => Self::Add,
            ("status", None) => Self::Status,
            ("stop", None) => Self::Stop,
            _ => return None,
        };
        words.next().is_none().then_some(action)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_is_read_back_from_its_line() {
        let all =
            [Action::Kill { node: 2 }, Action::Start { node: 3 }, Action::Add, Action::Status, Action::Stop];
        for action in all {
            assert_eq!(Action::parse(&action.line()), Some(action));
        }
        for line in ["", "kill", "kill x", "kill 1 2", "add 1", "reboot"] {
            assert_eq!(Action::parse(line), None, "{line}");
        }
    }
}
