//! The public side: Prometheus' HTTP API as Grafana calls it, ingest, operations. One port with gRPC.
//!
//! Owns: routes, parameters, status codes, JSON. Bytes of a body are capped before they are read.
//! Does not own: what samples and queries mean.

mod admin;
mod answer;
mod app;
mod cardinality;
mod cluster;
mod error;
mod export;
mod grpc;
mod json;
mod pages;
mod params;
mod query;
mod replica;
mod self_metrics;
mod series;
mod status;
mod write;

pub use app::{AppState, Parts, Reading};
pub use error::ApiError;
pub use params::Params;

use crate::boot::NodeDoor;
use axum::Router;
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::serve::ListenerExt;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;

/// Serves until `stop` turns true and the requests under way have ended.
///
/// With `peers`, their door is on the same port.
pub async fn serve(
    listener: TcpListener,
    app: AppState,
    peers: Option<Arc<NodeDoor>>,
    stop: watch::Receiver<bool>,
) {
    run(listener, router(app, peers), stop).await;
}

/// Serves peers on a port of their own.
pub async fn serve_peers(listener: TcpListener, door: Arc<NodeDoor>, stop: watch::Receiver<bool>) {
    let router = grpc::peer_routes(door).fallback(not_found);
    run(listener, router.layer(CatchPanicLayer::custom(panicked)), stop).await;
}

async fn run(listener: TcpListener, router: Router, mut stop: watch::Receiver<bool>) {
    // without this a small answer waits up to 40 ms for the peer's delayed ack
    let listener = listener.tap_io(|stream| {
        if let Err(e) = stream.set_nodelay(true) {
            tracing::debug!(error = %e, "no TCP_NODELAY on a connection");
        }
    });
    let stopped = async move {
        // an error says that the node is gone, which is a stop too
        let _ = stop.wait_for(|stop| *stop).await;
    };
    if let Err(e) = axum::serve(listener, router).with_graceful_shutdown(stopped).await {
        tracing::error!(error = %e, "the HTTP server ended");
    }
}

fn router(app: AppState, peers: Option<Arc<NodeDoor>>) -> Router {
    let answers = Router::new()
        .route("/api/v1/query", get(query::instant).post(query::instant))
        .route("/api/v1/query_range", get(query::range).post(query::range))
        .route("/api/v1/query_exemplars", get(query::exemplars).post(query::exemplars))
        .route("/api/v1/format_query", get(query::format).post(query::format))
        .route("/api/v1/parse_query", get(query::parse).post(query::parse))
        .route("/api/v1/queries", get(query::list))
        .route("/api/v1/queries/{id}/cancel", post(query::cancel))
        .route("/api/v1/queries/{id}", delete(query::cancel))
        .route("/api/v1/series", get(series::series).post(series::series))
        .route("/api/v1/labels", get(series::labels).post(series::labels))
        .route("/api/v1/label/{name}/values", get(series::label_values))
        .route("/api/v1/metadata", get(series::metadata))
        .route("/api/v1/cardinality", get(cardinality::cardinality))
        .route("/api/v1/rules", get(pages::rules))
        .route("/api/v1/alerts", get(pages::alerts))
        .route("/api/v1/alertmanagers", get(pages::alertmanagers))
        .route("/api/v1/export", get(export::export).post(export::export))
        .route("/api/v1/cluster", get(cluster::cluster))
        .route("/api/v1/cluster/log", get(cluster::log))
        .route("/api/v1/cluster/join-command", get(cluster::join_command))
        .route("/api/v1/admin/replica", get(replica::replica))
        .route("/api/v1/status", get(status::node))
        .route("/api/v1/status/buildinfo", get(status::build_info))
        .route("/api/v1/status/runtimeinfo", get(status::runtime_info))
        .route("/api/v1/status/flags", get(status::flags))
        .route("/api/v1/status/config", get(status::config))
        .route("/api/v1/status/tsdb", get(status::tsdb))
        .route("/metrics", get(self_metrics::metrics))
        .layer(CompressionLayer::new());
    Router::new()
        .merge(answers)
        .route("/api/v1/write", post(write::remote_write))
        .route("/api/v1/import", post(write::json_lines))
        .route("/api/v1/import/prometheus", post(write::text))
        .route("/api/v1/admin/checkpoint", post(admin::checkpoint))
        .route("/api/v1/admin/compact", post(admin::compact))
        .route("/api/v1/cluster/drain", post(cluster::drain))
        .route("/api/v1/cluster/undrain", post(cluster::undrain))
        .route("/api/v1/cluster/remove", post(cluster::remove))
        .route("/api/v1/cluster/replace", post(cluster::replace))
        .route("/api/v1/cluster/rebalance", post(cluster::rebalance))
        .route("/api/v1/cluster/transfer", post(cluster::transfer))
        .route("/api/v1/cluster/replication", post(cluster::replication))
        .route("/api/v1/cluster/settings", get(cluster::settings).post(cluster::set_setting))
        .route("/-/healthy", get(pages::healthy))
        .route("/-/ready", get(pages::ready))
        .route("/", get(pages::start))
        .merge(grpc::routes(&app, peers))
        .fallback(not_found)
        .method_not_allowed_fallback(wrong_method)
        .layer(CatchPanicLayer::custom(panicked))
        .with_state(app)
}

/// An unknown path; a gRPC client is answered in its own way.
async fn not_found(request: Request) -> Response {
    let grpc = request
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|v| v.as_bytes().starts_with(b"application/grpc"));
    if grpc {
        return tonic::Status::unimplemented(format!("no such method: {}", request.uri().path()))
            .into_http::<axum::body::Body>();
    }
    ApiError::not_found(format!("no such path: {}; the API is under /api/v1", request.uri().path()))
        .into_response()
}

async fn wrong_method(request: Request) -> Response {
    let text = format!("{} is not taken at {}", request.method(), request.uri().path());
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "bad_data", text).into_response()
}

/// A panic in a request is a defect: counted, logged, and an answer all the same.
fn panicked(cause: Box<dyn std::any::Any + Send>) -> Response {
    let text = cause.downcast_ref::<String>().map(String::as_str).or(cause.downcast_ref::<&str>().copied());
    metrics::counter!("plimsoll_request_panics_total").increment(1);
    tracing::error!(cause = text.unwrap_or("unknown"), "a request panicked; please report this");
    let text = "this node met a defect while answering; its log has the cause";
    ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", text).into_response()
}
