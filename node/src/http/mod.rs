//! The public side: Prometheus' HTTP API as Grafana calls it, ingest, operations. One port with gRPC.
//!
//! Owns: connections, routes, parameters, status codes, JSON. Bytes of a body are capped before they are read.
//! Does not own: what samples and queries mean, who may do what (`access`).

mod access;
mod admin;
mod agents;
mod anomalies;
mod answer;
mod app;
mod backup;
mod cardinality;
mod cluster;
mod dashboards;
mod error;
mod export;
mod grpc;
mod json;
mod live;
mod otlp;
mod pages;
mod params;
mod query;
mod replica;
mod reports;
mod retention;
mod rules;
mod schedules;
mod scrape;
mod self_metrics;
mod series;
mod serve;
mod silences;
mod status;
mod tokens;
mod ui;
mod write;

pub use access::guard_peers;
pub use app::{AppState, Parts, Reading};
pub use error::ApiError;
pub use live::Events;
pub use params::Params;
pub use self_metrics::own_metrics;
pub use serve::serve;

use crate::access::Access;
use crate::boot::NodeDoor;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use std::sync::Arc;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;

/// Bytes of a wish for a token.
const TOKEN_BYTES: usize = 4096;

/// The routes of a port that is for peers alone, behind its guard.
pub fn peer_router(door: Arc<NodeDoor>, access: Access) -> Router {
    grpc::peer_routes(door)
        .fallback(not_found)
        .layer(from_fn_with_state(access, guard_peers))
        .layer(CatchPanicLayer::custom(panicked))
}

/// All routes, behind the guard; with `peers`, their door is among them.
pub fn router(app: AppState, peers: Option<Arc<NodeDoor>>) -> Router {
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
        .route("/api/v1/export", get(export::export).post(export::export))
        .route("/api/v1/cluster", get(cluster::cluster))
        .route("/api/v1/cluster/log", get(cluster::log))
        .route("/api/v1/cluster/join-command", get(cluster::join_command))
        .route("/api/v1/status", get(status::node))
        .route("/api/v1/status/buildinfo", get(status::build_info))
        .route("/api/v1/status/runtimeinfo", get(status::runtime_info))
        .route("/api/v1/status/flags", get(status::flags))
        .route("/api/v1/status/config", get(status::config))
        .route("/api/v1/status/tsdb", get(status::tsdb))
        .route("/metrics", get(self_metrics::metrics))
        .merge(dashboards::routes())
        .merge(ui::routes())
        .merge(reports::routes())
        .merge(anomalies::routes())
        .layer(CompressionLayer::new());
    Router::new()
        .merge(answers)
        .merge(retention::routes())
        .merge(agents::routes())
        .route("/api/v1/write", post(write::remote_write))
        .route("/api/v1/import", post(write::json_lines))
        .route("/api/v1/import/prometheus", post(write::text))
        .route("/api/v1/admin/checkpoint", post(admin::checkpoint))
        .route("/api/v1/admin/compact", post(admin::compact))
        .route("/api/v1/admin/scrub", post(admin::scrub))
        .route("/api/v1/admin/replica", get(replica::replica))
        .route("/api/v1/backup/shards", get(backup::shards))
        .route("/api/v1/backup/shard/{number}", get(backup::shard))
        .route("/api/v1/cluster/drain", post(cluster::drain))
        .route("/api/v1/cluster/undrain", post(cluster::undrain))
        .route("/api/v1/cluster/remove", post(cluster::remove))
        .route("/api/v1/cluster/replace", post(cluster::replace))
        .route("/api/v1/cluster/rebalance", post(cluster::rebalance))
        .route("/api/v1/cluster/transfer", post(cluster::transfer))
        .route("/api/v1/cluster/replication", post(cluster::replication))
        .route("/api/v1/cluster/settings", get(cluster::settings).post(cluster::set_setting))
        .route(
            "/api/v1/tokens",
            get(tokens::list).post(tokens::create).layer(DefaultBodyLimit::max(TOKEN_BYTES)),
        )
        .route("/api/v1/tokens/{name}", delete(tokens::revoke))
        .merge(otlp::routes())
        .merge(schedules::routes())
        .route("/-/healthy", get(pages::healthy))
        .route("/-/ready", get(pages::ready))
        .merge(scrape::routes())
        .merge(live::routes())
        .merge(rules::routes())
        .merge(silences::routes())
        .merge(grpc::routes(&app, peers))
        .fallback(not_found)
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn_with_state(app.clone(), access::guard))
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
