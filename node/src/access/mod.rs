//! Who is at the door: certificates of this node and its peers, tokens, roles.
//!
//! Owns: the TLS files and their reload, the handshake ([`Door`]), the way to a peer ([`Access::peer_channel`]),
//! tokens, and the one table that says which path needs what ([`ROUTES`]).
//! Does not own: status codes and JSON (`http`), where tokens are kept (the ownership state, through `cluster`).
//!
//! Invariants: a path that is not in the table is for admins alone. A token never opens the service for peers, and a
//! certificate of a peer never stands for a token.

mod dial;
mod door;
mod error;
mod route;
mod secret;
mod tls;
mod tokens;
mod watched;

#[cfg(test)]
mod tests;

pub use door::{Caller, Door, Stream};
pub use error::{Error, Refused};
pub use route::{Need, ROUTES, Role};
pub use secret::Secret;
pub use tokens::{NAMESPACE, Table, Token};

use plimsoll_cluster_config::Settings;
use plimsoll_ownership::State;
use rustls::ServerConfig;
use secret::Hash;
use std::sync::Arc;
use std::time::Duration;
use tls::PeerTls;
use tokens::Tokens;
use watched::Watched;

/// How often files are looked at; a changed one is in use that much later.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);

/// What a node asks of those that come, and what it shows them. Cheap to clone.
#[derive(Clone)]
pub struct Access(Arc<Inner>);

struct Inner {
    /// TLS of the public port; nothing where it is plain.
    public: Option<Watched<Arc<ServerConfig>>>,
    /// Both sides of TLS between nodes.
    peers: Option<Watched<PeerTls>>,
    root: Option<Watched<Hash>>,
    /// Whether requests need a token at all.
    tokens_on: bool,
    insecure: bool,
    tokens: Tokens,
}

/// Whom a request is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// Nobody was asked.
    Anyone,
    /// A node that showed its certificate, or that needs none.
    Peer,
    /// The holder of the token in `access.root_token_file`.
    Root,
    /// The holder of the token of this name.
    Token(String),
}

impl Who {
    /// As the history of changes names it.
    pub fn author(&self) -> String {
        match self {
            Self::Anyone => "anyone (tokens are off)".to_owned(),
            Self::Peer => "a peer".to_owned(),
            Self::Root => "the root token".to_owned(),
            Self::Token(name) => format!("token {name}"),
        }
    }
}

impl Access {
    /// Reads the files that `settings` name. Any of them missing or broken is an error here, and only here.
    pub fn open(settings: &Settings) -> Result<Self, Error> {
        let (tls, access) = (&settings.tls, &settings.access);
        let public = match (&tls.cert, &tls.key) {
            (Some(cert), Some(key)) => Some(Watched::open(vec![cert.clone(), key.clone()], tls::public)?),
            _ => None,
        };
        let peers = match (&tls.peer_ca, &tls.peer_cert, &tls.peer_key) {
            (Some(ca), Some(cert), Some(key)) => {
                Some(Watched::open(vec![ca.clone(), cert.clone(), key.clone()], tls::peers)?)
            }
            _ => None,
        };
        let root = match &access.root_token_file {
            Some(file) => Some(Watched::open(vec![file.clone()], secret::root)?),
            None => None,
        };
        let (tokens_on, insecure) = (access.tokens, settings.node.insecure);
        Ok(Self(Arc::new(Inner { public, peers, root, tokens_on, insecure, tokens: Tokens::default() })))
    }

    /// Takes up changed files until it is dropped. A file that cannot be used leaves what was read before in use.
    pub async fn watch(self) {
        loop {
            tokio::time::sleep(WATCH_INTERVAL).await;
            let access = self.clone();
            // a file may lie on a network file system that does not answer
            if tokio::task::spawn_blocking(move || access.refresh()).await.is_err() {
                return;
            }
        }
    }

    fn refresh(&self) {
        let Inner { public, peers, root, .. } = &*self.0;
        public.iter().for_each(Watched::refresh);
        peers.iter().for_each(Watched::refresh);
        root.iter().for_each(Watched::refresh);
    }

    /// The door of the public port. Peers may come through it too, under the name `plimsoll-peer`.
    pub fn public_door(&self) -> Door {
        Door::public(self.clone())
    }

    /// The door of a port that is for peers alone.
    pub fn peer_door(&self) -> Door {
        Door::peers(self.clone())
    }

    /// Whether clients find TLS at the public port.
    pub fn has_tls(&self) -> bool {
        self.0.public.is_some()
    }

    /// Whether requests need a token.
    pub fn has_tokens(&self) -> bool {
        self.0.tokens_on
    }

    /// Whether somebody could create the first token.
    pub fn has_root(&self) -> bool {
        self.0.root.is_some()
    }

    /// Whether who sent `bearer` over the connection of `caller` may do what needs `need`. `tokens` is asked for only
    /// where they matter, `now_ms` decides on expiry.
    pub fn admit(
        &self,
        need: Need,
        caller: Option<&Caller>,
        bearer: Option<&str>,
        tokens: impl FnOnce() -> Arc<Table>,
        now_ms: i64,
    ) -> Result<Who, Refused> {
        match need {
            Need::Peer => return self.admit_peer(caller),
            Need::Nothing => return Ok(Who::Anyone),
            Need::Token | Need::Role(_) if !self.0.tokens_on => return Ok(Who::Anyone),
            Need::Token | Need::Role(_) => {}
        }
        let bearer = bearer.ok_or(Refused::NoToken { need })?;
        if self.0.root.as_ref().is_some_and(|root| root.get().is_of(bearer)) {
            return Ok(Who::Root);
        }
        let table = tokens();
        let token = table.find(bearer).ok_or(Refused::UnknownToken)?;
        if token.is_expired(now_ms) {
            return Err(Refused::ExpiredToken { name: token.name.clone() });
        }
        match need {
            Need::Role(role) if !token.role.allows(role) => {
                Err(Refused::WrongRole { name: token.name.clone(), has: token.role, needs: role })
            }
            _ => Ok(Who::Token(token.name.clone())),
        }
    }

    /// The tokens as `state` has them, read anew only after a change of it.
    pub fn tokens(&self, state: &State) -> Arc<Table> {
        self.0.tokens.of(state)
    }

    fn admit_peer(&self, caller: Option<&Caller>) -> Result<Who, Refused> {
        let shown = caller.is_some_and(|caller| caller.is_peer);
        let allowed = match self.0.peers {
            Some(_) => shown,
            // without certificates the way around the tokens would lead through here
            None => !self.0.tokens_on || self.0.insecure,
        };
        if allowed { Ok(Who::Peer) } else { Err(Refused::NotPeer { certificates: self.0.peers.is_some() }) }
    }
}
