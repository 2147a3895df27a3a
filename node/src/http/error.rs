use crate::{cluster, collector, query, shard};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use plimsoll_model::Fault;
use serde_json::json;

/// An answer that is an error, in the form of Prometheus' HTTP API.
#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    kind: &'static str,
    text: String,
    retry_after_s: Option<u32>,
    /// What to send instead (RFC 6750, 3), beside a 401.
    challenge: Option<&'static str>,
}

impl ApiError {
    /// 400: the request can never work.
    pub fn bad_data(text: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_data", text)
    }

    /// 404.
    pub fn not_found(text: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", text)
    }

    /// Any status.
    pub fn new(status: StatusCode, kind: &'static str, text: impl Into<String>) -> Self {
        let again = [StatusCode::SERVICE_UNAVAILABLE, StatusCode::TOO_MANY_REQUESTS].contains(&status);
        Self { status, kind, text: text.into(), retry_after_s: again.then_some(1), challenge: None }
    }

    /// 401, with the header that says what to send.
    pub fn unauthorized(text: impl Into<String>, challenge: &'static str) -> Self {
        let error = Self::new(StatusCode::UNAUTHORIZED, "unauthorized", text);
        Self { challenge: Some(challenge), ..error }
    }

    /// 403.
    pub fn forbidden(text: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", text)
    }

    /// 409: somebody else was there first.
    pub fn conflict(text: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", text)
    }

    /// The status of the answer.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Whose move it is.
    pub fn fault(&self) -> Fault {
        match self.status {
            s if self.retry_after_s.is_some() || s == StatusCode::SERVICE_UNAVAILABLE => Fault::Moment,
            s if s.is_client_error() => Fault::Asker,
            _ => Fault::Ours,
        }
    }

    fn of_fault(fault: Fault, text: String) -> Self {
        match fault {
            Fault::Asker => Self::bad_data(text),
            Fault::Moment => Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", text),
            Fault::Ours => {
                tracing::error!(error = %text, "request failed");
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", text)
            }
        }
    }
}

impl std::fmt::Display for ApiError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for ApiError {}

impl From<shard::Error> for ApiError {
    fn from(e: shard::Error) -> Self {
        match e {
            shard::Error::Busy(_) => Self::new(StatusCode::TOO_MANY_REQUESTS, "unavailable", e.to_string()),
            e => Self::of_fault(e.fault(), e.to_string()),
        }
    }
}

impl From<plimsoll_storage::Error> for ApiError {
    fn from(e: plimsoll_storage::Error) -> Self {
        Self::of_fault(e.fault(), e.to_string())
    }
}

impl From<cluster::Error> for ApiError {
    fn from(e: cluster::Error) -> Self {
        match e {
            cluster::Error::Unwise(_) => Self::new(StatusCode::CONFLICT, "bad_data", e.to_string()),
            e => Self::of_fault(e.fault(), e.to_string()),
        }
    }
}

impl From<collector::Error> for ApiError {
    fn from(e: collector::Error) -> Self {
        match e {
            e if e.is_busy() => Self::new(StatusCode::TOO_MANY_REQUESTS, "unavailable", e.to_string()),
            collector::Error::Decode(e) if e.http_status() == 413 => {
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, "bad_data", e.to_string())
            }
            e => Self::of_fault(e.fault(), e.to_string()),
        }
    }
}

impl From<query::Error> for ApiError {
    fn from(e: query::Error) -> Self {
        let status = match e.kind() {
            query::Kind::BadData => StatusCode::BAD_REQUEST,
            query::Kind::Execution => StatusCode::UNPROCESSABLE_ENTITY,
            query::Kind::Timeout | query::Kind::Canceled | query::Kind::Unavailable => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            query::Kind::Busy => StatusCode::TOO_MANY_REQUESTS,
            query::Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, e.kind().name(), e.to_string())
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        metrics::counter!("plimsoll_http_errors_total", "type" => self.kind, "code" => self.status.as_str().to_owned())
            .increment(1);
        let body = json!({"status": "error", "errorType": self.kind, "error": self.text});
        let mut response = (self.status, axum::Json(body)).into_response();
        if let Some(s) = self.retry_after_s {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(s));
        }
        if let Some(challenge) = self.challenge {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        response
    }
}
