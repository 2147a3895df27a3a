//! The guard before every route: tokens of clients, certificates of peers.

use super::{ApiError, AppState};
use crate::access::{Access, Caller, Need, Refused};
use axum::extract::{MatchedPath, Request, State};
use axum::http::Method;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::sync::Arc;

/// Lets a request through, or answers it: 401 without a token that is known, 403 with one for something else.
///
/// Runs before the body is read. Leaves [`Who`](crate::access::Who) in the extensions.
pub async fn guard(State(app): State<AppState>, mut request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD);
    let need = Need::of_request(route, changes);
    let caller = request.extensions().get::<Caller>();
    let tokens = || app.cluster.read(|state| app.access.tokens(state));
    match app.access.admit(need, caller, bearer(&request), tokens, crate::now_ms()) {
        Ok(who) => {
            request.extensions_mut().insert(who);
            next.run(request).await
        }
        Err(refused) => refuse(&request, refused),
    }
}

/// The guard of a port that is for peers alone, whatever the path.
pub async fn guard_peers(State(access): State<Access>, request: Request, next: Next) -> Response {
    let caller = request.extensions().get::<Caller>();
    match access.admit(Need::Peer, caller, None, Arc::default, 0) {
        Ok(_) => next.run(request).await,
        Err(refused) => refuse(&request, refused),
    }
}

/// The token of `Authorization: Bearer TOKEN`; the word counts in any case (RFC 9110, 11.1).
fn bearer(request: &Request) -> Option<&str> {
    let value = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn refuse(request: &Request, refused: Refused) -> Response {
    metrics::counter!("plimsoll_access_refused_total", "reason" => refused.reason()).increment(1);
    let caller = request.extensions().get::<Caller>().map(|caller| caller.address);
    tracing::debug!(path = request.uri().path(), ?caller, reason = %refused, "refused");
    let text = refused.to_string();
    let grpc = request.headers().get(CONTENT_TYPE);
    if grpc.is_some_and(|value| value.as_bytes().starts_with(b"application/grpc")) {
        let status = if refused.is_unknown() {
            tonic::Status::unauthenticated(text)
        } else {
            tonic::Status::permission_denied(text)
        };
        return status.into_http::<axum::body::Body>();
    }
    match refused {
        Refused::NoToken { .. } => ApiError::unauthorized(text, "Bearer realm=\"plimsoll\""),
        Refused::UnknownToken | Refused::ExpiredToken { .. } => {
            ApiError::unauthorized(text, "Bearer realm=\"plimsoll\", error=\"invalid_token\"")
        }
        Refused::WrongRole { .. } | Refused::NotPeer { .. } => ApiError::forbidden(text),
    }
    .into_response()
}
