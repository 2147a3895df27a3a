//! The gRPC side of the one port: services of `plimsoll/v1`.

mod admin;
mod query;
mod report;
mod write;

use super::AppState;
use crate::boot::NodeDoor;
use crate::peer::Door;
use axum::Router;
use plimsoll_model::Fault;
use plimsoll_proto::v1;
use std::sync::Arc;
use tonic::Status;

/// Bytes of a write on its way in; what it becomes in memory is weighed before it is decoded.
const WRITE_BYTES: usize = 64 << 20;
/// Bytes of a question on its way in. Small nested messages grow some fifty times when they are decoded.
const QUESTION_BYTES: usize = 256 << 10;

/// Routes of all services; with `peers`, theirs too.
pub fn routes(app: &AppState, peers: Option<Arc<NodeDoor>>) -> Router<AppState> {
    let write = v1::write_server::WriteServer::new(write::Write(app.clone()));
    let query = v1::query_server::QueryServer::new(query::Query(app.clone()));
    let admin = v1::admin_server::AdminServer::new(admin::Admin(app.clone()));
    let report = v1::report_server::ReportServer::new(report::Report(app.clone()));
    let mut services = tonic::service::Routes::builder();
    services.add_service(write.max_decoding_message_size(WRITE_BYTES));
    services.add_service(query.max_decoding_message_size(QUESTION_BYTES));
    services.add_service(admin.max_decoding_message_size(QUESTION_BYTES));
    services.add_service(report.max_decoding_message_size(QUESTION_BYTES));
    if let Some(door) = peers {
        services.add_service(Door::service(door));
    }
    // tonic brings a fallback that answers 200 to any path; the router has its own
    services.routes().into_axum_router().reset_fallback().with_state(())
}

/// Routes of the peers' service alone.
pub fn peer_routes(door: Arc<NodeDoor>) -> Router {
    let mut services = tonic::service::Routes::builder();
    services.add_service(Door::service(door));
    services.routes().into_axum_router().reset_fallback()
}

/// The gRPC status of an error, by whose move it is.
fn status_of(fault: Fault, busy: bool, error: &dyn std::error::Error) -> Status {
    let text = error.to_string();
    match fault {
        Fault::Asker => Status::invalid_argument(text),
        Fault::Moment if busy => Status::resource_exhausted(text),
        Fault::Moment => Status::unavailable(text),
        Fault::Ours => Status::internal(text),
    }
}
