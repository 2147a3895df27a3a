//! Where others reach this node.

use plimsoll_cluster_config::Settings;
use std::net::{SocketAddr, UdpSocket};

/// The addresses that this node tells: for peers, and for clients. `listen` and `peer_listen` are those it is bound to.
pub fn advertised(
    settings: &Settings,
    listen: SocketAddr,
    peer_listen: Option<SocketAddr>,
) -> (String, String) {
    let given = settings.node.advertise.clone();
    let public = given.clone().unwrap_or_else(|| reachable(listen, settings).to_string());
    let peers = match (peer_listen, &given) {
        (None, _) => public.clone(),
        (Some(at), Some(given)) if at.ip().is_unspecified() => {
            // the same host by another port
            given.rsplit_once(':').map_or(given.clone(), |(host, _)| format!("{host}:{}", at.port()))
        }
        (Some(at), _) => reachable(at, settings).to_string(),
    };
    (peers, public)
}

/// `at` itself, or, when that is every address of the host, the one that leads to other machines.
fn reachable(at: SocketAddr, settings: &Settings) -> SocketAddr {
    if !at.ip().is_unspecified() {
        return at;
    }
    let to = settings.node.join.first().map_or("192.0.2.1:9", String::as_str);
    // connecting a datagram socket sends nothing; it only asks the routing table
    let local = UdpSocket::bind((at.ip(), 0)).and_then(|s| s.connect(to).and_then(|()| s.local_addr()));
    local.map_or(at, |local| SocketAddr::new(local.ip(), at.port()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_was_given_wins_and_all_addresses_become_one() {
        let mut settings = Settings::default();
        let listen: SocketAddr = "127.0.0.1:7777".parse().expect("an address");
        let told = advertised(&settings, listen, Some("127.0.0.1:7778".parse().expect("an address")));
        assert_eq!(told, ("127.0.0.1:7778".to_owned(), "127.0.0.1:7777".to_owned()));
        settings.node.join = vec!["127.0.0.1:1".to_owned()];
        let (peers, public) = advertised(&settings, "0.0.0.0:7777".parse().expect("an address"), None);
        assert_eq!((peers.as_str(), public.as_str()), ("127.0.0.1:7777", "127.0.0.1:7777"));
        settings.node.advertise = Some("db1:80".to_owned());
        let any = Some("0.0.0.0:81".parse().expect("an address"));
        assert_eq!(advertised(&settings, listen, any), ("db1:81".to_owned(), "db1:80".to_owned()));
    }
}
