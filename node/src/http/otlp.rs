//! OTLP metrics over HTTP and gRPC: <https://opentelemetry.io/docs/specs/otlp/>.
//!
//! Owns: content types, status codes, partial success, what a sender is told about repeating.
//! Does not own: what the data points mean (`plimsoll_proto::ingest`), where their samples go (`collector`).

use super::write::{header_text, read};
use super::{ApiError, AppState};
use crate::collector::{Error, Format, Receipt};
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use bytes::Bytes;
use plimsoll_model::Fault;
use plimsoll_proto::ingest::Encoding;
use plimsoll_proto::opentelemetry::{ExportMetricsPartialSuccess, ExportMetricsServiceResponse};
use plimsoll_proto::raw::RawCodec;
use plimsoll_proto::rpc;
use prost::Message;
use serde_json::json;
use tonic::codec::CompressionEncoding;
use tonic::{Code, Status};

/// The one method of OTLP's service for metrics.
const EXPORT: &str = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";

/// Seconds after which a sender should come back.
const RETRY_AFTER_S: i64 = 1;

/// The routes of OTLP.
pub fn routes() -> Router<AppState> {
    Router::new()
        .route("/v1/metrics", post(http))
        .route("/api/v1/otlp/v1/metrics", post(http))
        .route(EXPORT, post(grpc))
}

/// `POST /v1/metrics` and `/api/v1/otlp/v1/metrics`. The answer has the form of the request.
async fn http(State(app): State<AppState>, headers: HeaderMap, body: Body) -> Response {
    let form = match Form::of(header_text(&headers, "content-type")) {
        Ok(form) => form,
        Err(refused) => return refused.into_response(),
    };
    match take(&app, form, &headers, body).await {
        Ok(receipt) => match outcome(&receipt) {
            Ok(answer) => form.answer(&answer),
            Err(text) => form.failure(StatusCode::BAD_REQUEST, Code::InvalidArgument, text),
        },
        Err(e) => {
            let (status, text) = (e.status(), e.to_string());
            let code = match status {
                StatusCode::TOO_MANY_REQUESTS => Code::ResourceExhausted,
                StatusCode::SERVICE_UNAVAILABLE => Code::Unavailable,
                s if s.is_client_error() => Code::InvalidArgument,
                _ => Code::Internal,
            };
            // counts it, and says what to do where there is something
            let counted = e.into_response();
            let mut response = form.failure(status, code, text);
            if let Some(after) = counted.headers().get(header::RETRY_AFTER) {
                response.headers_mut().insert(header::RETRY_AFTER, after.clone());
            }
            response
        }
    }
}

async fn take(app: &AppState, form: Form, headers: &HeaderMap, body: Body) -> Result<Receipt, ApiError> {
    let named = header_text(headers, "content-encoding");
    let encoding = Encoding::from_header(named).filter(|e| *e != Encoding::Snappy).ok_or_else(|| {
        let text = format!("content encoding {:?} is not read here; send gzip or none", named.unwrap_or(""));
        ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "bad_data", text)
    })?;
    let body = read(body, headers, app.body_bytes()).await?;
    let format = Format::Otlp { encoding, json: form == Form::Json };
    Ok(app.collector.ingest(format, body).await?)
}

/// In which form a request came.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Protobuf,
    Json,
}

impl Form {
    fn of(content_type: Option<&str>) -> Result<Self, ApiError> {
        let named = content_type.unwrap_or("").split(';').next().unwrap_or("").trim().to_ascii_lowercase();
        match &*named {
            "application/x-protobuf" | "application/protobuf" => Ok(Self::Protobuf),
            "application/json" => Ok(Self::Json),
            other => Err(ApiError::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "bad_data",
                format!(
                    "content type {other:?} is not read here; send application/x-protobuf or application/json"
                ),
            )),
        }
    }

    fn answer(self, answer: &ExportMetricsServiceResponse) -> Response {
        match self {
            Self::Protobuf => self.respond(StatusCode::OK, answer.encode_to_vec()),
            Self::Json => {
                let partial = answer.partial_success.as_ref().map(|p| {
                    // 64 bits are text in OTLP's JSON
                    json!({"rejectedDataPoints": p.rejected_data_points.to_string(), "errorMessage": p.error_message})
                });
                let body = partial.map_or_else(|| json!({}), |p| json!({ "partialSuccess": p }));
                self.respond(StatusCode::OK, body.to_string().into_bytes())
            }
        }
    }

    /// A `google.rpc.Status`, as OTLP wants it.
    fn failure(self, status: StatusCode, code: Code, message: String) -> Response {
        let body = match self {
            Self::Protobuf => rpc::Status { code: code as i32, message, details: Vec::new() }.encode_to_vec(),
            Self::Json => json!({"code": code as i32, "message": message}).to_string().into_bytes(),
        };
        self.respond(status, body)
    }

    fn respond(self, status: StatusCode, body: Vec<u8>) -> Response {
        let name = match self {
            Self::Protobuf => "application/x-protobuf",
            Self::Json => "application/json",
        };
        let content_type = [(header::CONTENT_TYPE, HeaderValue::from_static(name))];
        (status, content_type, body).into_response()
    }
}

/// What a sender is told of a request that was read: all taken, some, or (as text) that nothing was.
fn outcome(receipt: &Receipt) -> Result<ExportMetricsServiceResponse, String> {
    let d = &receipt.decoded;
    if d.refused_points == 0 {
        return Ok(ExportMetricsServiceResponse::default());
    }
    let text = d.refused.to_text();
    // `target_info` may have been written all the same
    if d.refused_points == d.points {
        return Err(text);
    }
    let rejected_data_points = d.refused_points as i64;
    let partial = ExportMetricsPartialSuccess { rejected_data_points, error_message: text };
    Ok(ExportMetricsServiceResponse { partial_success: Some(partial) })
}

/// `MetricsService.Export`.
async fn grpc(State(app): State<AppState>, request: Request) -> Response {
    let limit = app.body_bytes();
    let mut server = tonic::server::Grpc::new(RawCodec)
        .accept_compressed(CompressionEncoding::Gzip)
        .send_compressed(CompressionEncoding::Gzip)
        .max_decoding_message_size(limit);
    server.unary(Export(app), request).await.map(Body::new)
}

struct Export(AppState);

impl tonic::server::UnaryService<Bytes> for Export {
    type Response = Bytes;
    type Future = futures::future::BoxFuture<'static, Result<tonic::Response<Bytes>, Status>>;

    fn call(&mut self, request: tonic::Request<Bytes>) -> Self::Future {
        let app = self.0.clone();
        Box::pin(async move {
            let format = Format::Otlp { encoding: Encoding::Identity, json: false };
            let receipt = app.collector.ingest(format, request.into_inner()).await.map_err(|e| status(&e))?;
            let answer = outcome(&receipt).map_err(Status::invalid_argument)?;
            Ok(tonic::Response::new(answer.encode_to_vec().into()))
        })
    }
}

/// What may be repeated says when: without that, OTLP's senders take `RESOURCE_EXHAUSTED` for final.
fn status(e: &Error) -> Status {
    let (code, message) = match e.fault() {
        Fault::Asker => (Code::InvalidArgument, e.to_string()),
        Fault::Moment if e.is_busy() => (Code::ResourceExhausted, e.to_string()),
        Fault::Moment => (Code::Unavailable, e.to_string()),
        Fault::Ours => (Code::Internal, e.to_string()),
    };
    if e.fault() != Fault::Moment {
        return Status::new(code, message);
    }
    let delay = rpc::Duration { seconds: RETRY_AFTER_S, nanos: 0 };
    let retry = rpc::Any {
        type_url: "type.googleapis.com/google.rpc.RetryInfo".to_owned(),
        value: rpc::RetryInfo { retry_delay: Some(delay) }.encode_to_vec(),
    };
    let details = rpc::Status { code: code as i32, message: message.clone(), details: vec![retry] };
    Status::with_details(code, message, details.encode_to_vec().into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use plimsoll_proto::ingest::Refusal;

    fn receipt(points: u64, refused_points: u64, floats: u64) -> Receipt {
        let mut receipt = Receipt::default();
        (receipt.decoded.points, receipt.decoded.refused_points) = (points, refused_points);
        receipt.decoded.floats = floats;
        receipt.decoded.refused.add(Refusal::DeltaOff, refused_points, || "m".to_owned());
        receipt
    }

    #[test]
    fn a_sender_hears_what_was_not_taken() {
        assert_eq!(outcome(&receipt(3, 0, 3)), Ok(ExportMetricsServiceResponse::default()));
        let some = outcome(&receipt(3, 2, 1)).expect("one was taken").partial_success.expect("two were not");
        assert_eq!(some.rejected_data_points, 2);
        assert!(some.error_message.contains("cumulative"), "{}", some.error_message);
        assert!(outcome(&receipt(3, 3, 0)).is_err_and(|text| text.contains("delta_off")));
    }

    #[test]
    fn what_may_be_repeated_says_when() {
        let busy = status(&Error::Busy);
        assert_eq!(busy.code(), Code::ResourceExhausted);
        let details = rpc::Status::decode(busy.details()).expect("a status");
        let retry = rpc::RetryInfo::decode(&details.details[0].value[..]).expect("a RetryInfo");
        assert_eq!(retry.retry_delay.map(|d| d.seconds), Some(RETRY_AFTER_S));
        let bad = status(&Error::Decode(plimsoll_proto::ingest::DecodeError::Malformed("x")));
        assert_eq!((bad.code(), bad.details().is_empty()), (Code::InvalidArgument, true));
    }
}
