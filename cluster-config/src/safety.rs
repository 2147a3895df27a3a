//! Whether a stranger could get at the node: addresses, certificates and tokens beside one another.

use crate::settings::Settings;
use std::net::SocketAddr;
use std::path::Path;

impl Settings {
    /// What leaves the node open, or names half of a pair; each with the key that it is about.
    pub(crate) fn unsafe_settings(&self) -> Vec<(&'static str, String)> {
        let mut found = Vec::new();
        let mut refuse = |path, reason: Option<String>| found.extend(reason.map(|reason| (path, reason)));
        refuse("node.listen", self.open_to_clients());
        refuse("node.peer_listen", self.node.peer_listen.and_then(|at| self.open_to_peers(at)));
        refuse("node.join", self.join_is_refused());
        let (tls, access) = (&self.tls, &self.access);
        for (path, file) in [
            ("tls.cert", &tls.cert),
            ("tls.key", &tls.key),
            ("tls.peer_ca", &tls.peer_ca),
            ("tls.peer_cert", &tls.peer_cert),
            ("tls.peer_key", &tls.peer_key),
            ("access.root_token_file", &access.root_token_file),
        ] {
            let empty = file.as_deref() == Some(Path::new(""));
            refuse(path, empty.then(|| "is empty; leave it out or name a file".to_owned()));
        }
        refuse("tls.cert", alone(tls.cert.is_some(), tls.key.is_some(), "`tls.key`"));
        refuse("tls.key", alone(tls.key.is_some(), tls.cert.is_some(), "`tls.cert`"));
        let [ca, cert, key] = [&tls.peer_ca, &tls.peer_cert, &tls.peer_key].map(Option::is_some);
        refuse("tls.peer_ca", alone(ca, cert && key, "`tls.peer_cert` and `tls.peer_key`"));
        refuse("tls.peer_cert", alone(cert, ca && key, "`tls.peer_ca` and `tls.peer_key`"));
        refuse("tls.peer_key", alone(key, ca && cert, "`tls.peer_ca` and `tls.peer_cert`"));
        let no_port = ca && self.node.peer_listen.is_none() && tls.cert.is_none();
        refuse(
            "tls.peer_ca",
            no_port.then(|| {
                "is of no use on a port without TLS: set `tls.cert` and `tls.key`, or give peers a port of their own \
                 with `node.peer_listen`"
                    .to_owned()
            }),
        );
        let unused = access.root_token_file.is_some() && !access.tokens;
        refuse(
            "access.root_token_file",
            unused.then(|| "has no effect without `access.tokens = true`".to_owned()),
        );
        found
    }

    /// Why clients may not be served at `node.listen`.
    fn open_to_clients(&self) -> Option<String> {
        let at = self.node.listen;
        let mut missing = Vec::new();
        if self.tls.cert.is_none() {
            missing.push("nothing is encrypted (`tls.cert` and `tls.key` are not set)");
        }
        if !self.access.tokens {
            missing.push("nobody is asked who they are (`access.tokens` is false)");
        }
        self.refuse_open(at, &missing.join(" and "))
    }

    /// Why peers may not be served at `at`.
    fn open_to_peers(&self, at: SocketAddr) -> Option<String> {
        let missing = match self.tls.peer_ca {
            Some(_) => "",
            None => {
                "a peer is not asked for a certificate (`tls.peer_ca`, `tls.peer_cert` and `tls.peer_key` are not set)"
            }
        };
        self.refuse_open(at, missing)
    }

    /// Nothing where `address` is this machine's alone, nothing is missing, or it was allowed.
    fn refuse_open(&self, address: SocketAddr, missing: &str) -> Option<String> {
        if missing.is_empty() || address.ip().is_loopback() || self.node.insecure {
            return None;
        }
        Some(format!(
            "{address} can be reached from other machines, and {missing}; listen on 127.0.0.1:{}, or allow it with \
             --insecure (`node.insecure = true`) on a network that you trust",
            address.port()
        ))
    }

    /// With tokens and no certificates of peers the way past the tokens would lead through the service for peers;
    /// nodes refuse it, so that a join could never end well.
    fn join_is_refused(&self) -> Option<String> {
        let refused = !self.node.join.is_empty()
            && self.access.tokens
            && self.tls.peer_ca.is_none()
            && !self.node.insecure;
        refused.then(|| {
            "with `access.tokens` nodes must know one another by certificates: set `tls.peer_ca`, `tls.peer_cert` and \
             `tls.peer_key`, or allow to go without with --insecure (`node.insecure = true`)"
                .to_owned()
        })
    }
}

/// Why one part of a pair may not stand alone.
fn alone(this: bool, others: bool, names: &str) -> Option<String> {
    (this && !others).then(|| format!("is of no use without {names}; set all of them or none"))
}
