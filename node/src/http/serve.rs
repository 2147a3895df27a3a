//! Connections: how many, for how long, and how they end.

use crate::access::Door;
use axum::Router;
use hyper::body::Incoming;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// Connections of a port at a time; further ones wait in the kernel. More than agents of a large installation keep
/// open, and less than the descriptors that a process usually may have.
const CONNECTIONS: usize = 8192;
/// Time for the head of a request, which is also how long a connection of HTTP/1.1 may be idle. Longer than the pools
/// of common clients keep one (Go and hyper 90 s), so that none is closed under a request that is being sent.
const HEAD: Duration = Duration::from_secs(120);
/// How often a connection of HTTP/2 is probed, and how long the answer may take.
const PROBE: Duration = Duration::from_secs(30);
/// Pause after the system had no descriptor for a connection: at once it would have none either.
const NO_DESCRIPTOR: Duration = Duration::from_millis(200);

/// Serves `router` behind `door` until `stop` turns true and the requests under way have ended.
pub async fn serve(listener: TcpListener, door: Door, router: Router, mut stop: watch::Receiver<bool>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let (graceful, builder) = (GracefulShutdown::new(), Arc::new(builder()));
    loop {
        let accepted = tokio::select! {
            // an error says that the node is gone, which is a stop too
            _ = stop.wait_for(|stop| *stop) => break,
            accepted = accept(&listener, &places) => accepted,
        };
        let Some((tcp, address, place)) = accepted else { continue };
        let (door, router, builder) = (door.clone(), router.clone(), builder.clone());
        let (watcher, stop) = (graceful.watcher(), stop.clone());
        tokio::spawn(async move {
            connection(tcp, address, door, router, &builder, watcher, stop).await;
            drop(place);
        });
    }
    drop(listener);
    graceful.shutdown().await;
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD);
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(PROBE).keep_alive_timeout(PROBE);
    builder
}

/// The next connection; nothing where there was none after all.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let place = places.clone().acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((tcp, address)) => Some((tcp, address, place)),
        Err(e) => {
            use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
            if ![ConnectionAborted, ConnectionRefused, ConnectionReset].contains(&e.kind()) {
                tracing::error!(error = %e, "no connection can be taken");
                tokio::time::sleep(NO_DESCRIPTOR).await;
            }
            None
        }
    }
}

async fn connection(
    tcp: TcpStream,
    address: SocketAddr,
    door: Door,
    router: Router,
    builder: &Builder<TokioExecutor>,
    watcher: Watcher,
    mut stop: watch::Receiver<bool>,
) {
    // without this a small answer waits up to 40 ms for the peer's delayed ack
    if let Err(e) = tcp.set_nodelay(true) {
        tracing::debug!(error = %e, "no TCP_NODELAY on a connection");
    }
    let opened = tokio::select! {
        _ = stop.wait_for(|stop| *stop) => return,
        opened = door.open(tcp, address) => opened,
    };
    let (stream, caller) = match opened {
        Ok(opened) => opened,
        Err(e) => {
            metrics::counter!("plimsoll_tls_handshake_failures_total").increment(1);
            tracing::debug!(%address, error = %e, "a connection ended before its first request");
            return;
        }
    };
    let service = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(caller);
        service.call(request)
    });
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service).into_owned();
    if let Err(e) = watcher.watch(connection).await {
        tracing::debug!(%address, error = %e, "a connection broke");
    }
}
