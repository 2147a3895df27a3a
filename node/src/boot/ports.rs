//! The ports of a node: bound first, served last.

use super::NodeDoor;
use crate::access::Access;
use crate::http::{self, AppState};
use anyhow::Context;
use plimsoll_cluster_config::Settings;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Bound ports.
pub struct Ports {
    /// Where clients come in.
    pub address: SocketAddr,
    /// Where peers do, when that is a port of its own.
    pub peer_address: Option<SocketAddr>,
    public: TcpListener,
    peers: Option<TcpListener>,
}

impl Ports {
    /// Binds what the settings name.
    pub async fn bind(settings: &Settings) -> anyhow::Result<Self> {
        let public = bind(settings.node.listen, "--listen").await?;
        let peers = match settings.node.peer_listen {
            Some(at) => Some(bind(at, "--peer-listen").await?),
            None => None,
        };
        let peer_address = peers.as_ref().map(TcpListener::local_addr).transpose()?;
        Ok(Self { address: public.local_addr()?, peer_address, public, peers })
    }

    /// Serves until `stop` turns true.
    pub fn serve(
        self,
        app: &AppState,
        access: &Access,
        door: Arc<NodeDoor>,
        stop: watch::Receiver<bool>,
    ) -> Vec<JoinHandle<()>> {
        let public_door = self.peers.is_none().then(|| door.clone());
        let router = http::router(app.clone(), public_door);
        let mut servers =
            vec![tokio::spawn(http::serve(self.public, access.public_door(), router, stop.clone()))];
        if let Some(listener) = self.peers {
            let router = http::peer_router(door, access.clone());
            servers.push(tokio::spawn(http::serve(listener, access.peer_door(), router, stop)));
        }
        servers
    }
}

async fn bind(at: SocketAddr, flag: &str) -> anyhow::Result<TcpListener> {
    let bound = TcpListener::bind(at).await;
    bound.with_context(|| format!("cannot listen on {at}: choose another address with {flag}"))
}
