//! A network of namespaces: one a node, joined by a bridge in ours, so that nodes can be cut off from one another.
//!
//! Needs root and the programs `ip` and `nft`. All goes with the value.

use plimsoll_tests::plimsoll::Place;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::process::Command;

/// Nodes of a network at most.
const NODES: usize = 8;

/// The port of every node: each has an address of its own.
const PORT: u16 = 7777;

/// The namespaces.
pub struct Network {
    name: String,
    subnet: u8,
}

/// Why there can be no namespaces here; nothing when there can.
pub fn unavailable() -> Option<String> {
    let works = |program: &str, args: &[&str]| {
        Command::new(program).args(args).output().is_ok_and(|output| output.status.success())
    };
    if !works("ip", &["netns", "list"]) {
        return Some("the program `ip` is missing (.ci/setup chaos)".to_owned());
    }
    if !works("nft", &["--version"]) {
        return Some("the program `nft` is missing (.ci/setup chaos)".to_owned());
    }
    let probe = format!("plc-probe-{}", std::process::id());
    let made = works("ip", &["netns", "add", &probe]);
    let _ = works("ip", &["netns", "del", &probe]);
    (!made).then(|| "namespaces need root".to_owned())
}

impl Network {
    /// Makes the bridge and a namespace for each of `NODES` nodes.
    pub fn new() -> Self {
        // Apart from other runs on this machine, and short: names of interfaces have fifteen characters at most.
        let id = std::process::id() % 10_000;
        let network = Self { name: format!("plc{id}"), subnet: (id % 250) as u8 };
        let bridge = network.bridge();
        ip(&["link", "add", &bridge, "type", "bridge"]);
        ip(&["addr", "add", &format!("10.77.{}.254/24", network.subnet), "dev", &bridge]);
        ip(&["link", "set", &bridge, "up"]);
        for at in 0..NODES {
            network.plug(at, &bridge);
        }
        network
    }

    fn plug(&self, at: usize, bridge: &str) {
        let (namespace, outer) = (self.namespace(at), format!("{}v{at}", self.name));
        ip(&["netns", "add", &namespace]);
        ip(&["link", "add", &outer, "type", "veth", "peer", "name", "eth0", "netns", &namespace]);
        ip(&["link", "set", &outer, "master", bridge, "up"]);
        ip(&["-n", &namespace, "addr", "add", &format!("{}/24", self.address(at)), "dev", "eth0"]);
        ip(&["-n", &namespace, "link", "set", "eth0", "up"]);
        ip(&["-n", &namespace, "link", "set", "lo", "up"]);
    }

    fn bridge(&self) -> String {
        format!("{}br", self.name)
    }

    fn namespace(&self, at: usize) -> String {
        format!("{}-{at}", self.name)
    }

    fn address(&self, at: usize) -> Ipv4Addr {
        Ipv4Addr::new(10, 77, self.subnet, at as u8 + 1)
    }

    /// Where the node `at` runs.
    pub fn place(&self, at: usize) -> Place {
        assert!(at < NODES, "a network has {NODES} places");
        Place {
            listen: Some(SocketAddrV4::new(self.address(at), PORT)),
            namespace: Some(self.namespace(at)),
            ..Place::default()
        }
    }

    /// From now on `to` receives nothing of `from`. What is under way is lost, connections are not broken: as when a
    /// cable is cut. Clients in our namespace reach every node all the same.
    pub fn cut(&self, from: usize, to: usize) {
        let namespace = self.namespace(to);
        let rules = format!(
            "add table inet chaos\n\
             add chain inet chaos input {{ type filter hook input priority 0 ; }}\n\
             add rule inet chaos input ip saddr {} drop\n",
            self.address(from)
        );
        let done = Command::new("ip").args(["netns", "exec", &namespace, "nft", &rules]).output();
        let done = done.unwrap_or_else(|e| panic!("cannot run ip: {e}"));
        assert!(done.status.success(), "nft: {}", String::from_utf8_lossy(&done.stderr));
    }

    /// Takes all cuts away.
    pub fn heal(&self) {
        for at in 0..NODES {
            // Fails where nothing was cut.
            let _ = Command::new("ip")
                .args(["netns", "exec", &self.namespace(at), "nft", "delete", "table", "inet", "chaos"])
                .output();
        }
    }
}

impl Default for Network {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for at in 0..NODES {
            let _ = Command::new("ip").args(["netns", "del", &self.namespace(at)]).output();
        }
        let _ = Command::new("ip").args(["link", "del", &self.bridge()]).output();
    }
}

fn ip(args: &[&str]) {
    let done = Command::new("ip").args(args).output().unwrap_or_else(|e| panic!("cannot run ip: {e}"));
    assert!(done.status.success(), "ip {args:?}: {}", String::from_utf8_lossy(&done.stderr));
}
