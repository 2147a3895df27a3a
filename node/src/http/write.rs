//! The ways in: remote write, Prometheus text, JSON lines.

use super::{ApiError, AppState};
use crate::collector::{Format, Receipt};
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use plimsoll_proto::ingest::{self, Encoding, RemoteWrite, TextDialect};

/// `POST /api/v1/write`: remote write 1.0 and 2.0.
pub async fn remote_write(
    State(app): State<AppState>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let get = |name: &str| header_text(&headers, name);
    let version = ingest::negotiate(
        get("content-type"),
        get("content-encoding"),
        get("x-prometheus-remote-write-version"),
    )
    .map_err(|e| ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "bad_data", e.to_string()))?;
    let format = match version {
        RemoteWrite::V1 => Format::RemoteWriteV1,
        RemoteWrite::V2 => Format::RemoteWriteV2,
    };
    let body = read(body, &headers, app.body_bytes()).await?;
    let receipt = app.collector.ingest(format, body).await?;
    let mut response = answer(&receipt, StatusCode::NO_CONTENT);
    let d = &receipt.decoded;
    for (name, n) in [
        (ingest::SAMPLES_WRITTEN, d.floats),
        (ingest::HISTOGRAMS_WRITTEN, d.histograms),
        (ingest::EXEMPLARS_WRITTEN, d.exemplars),
    ] {
        response.headers_mut().insert(name, HeaderValue::from(n));
    }
    Ok(response)
}

/// `POST /api/v1/import/prometheus`: text exposition.
pub async fn text(State(app): State<AppState>, headers: HeaderMap, body: Body) -> Result<Response, ApiError> {
    let dialect = TextDialect::from_content_type(header_text(&headers, "content-type"));
    plain(app, &headers, body, |encoding| Format::Text(dialect, encoding)).await
}

/// `POST /api/v1/import`: JSON lines.
pub async fn json_lines(
    State(app): State<AppState>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    plain(app, &headers, body, Format::JsonLines).await
}

async fn plain(
    app: AppState,
    headers: &HeaderMap,
    body: Body,
    format: impl FnOnce(Encoding) -> Format,
) -> Result<Response, ApiError> {
    let named = header_text(headers, "content-encoding");
    let encoding = Encoding::from_header(named).ok_or_else(|| {
        let text =
            format!("content encoding {:?} is not read here; send gzip, snappy or none", named.unwrap_or(""));
        ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "bad_data", text)
    })?;
    let body = read(body, headers, app.body_bytes()).await?;
    let receipt = app.collector.ingest(format(encoding), body).await?;
    Ok(answer(&receipt, StatusCode::NO_CONTENT))
}

/// A header as text; one that is no text is like one that nobody knows.
pub(super) fn header_text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).map(|v| v.to_str().unwrap_or("\u{fffd}"))
}

/// `whole` when all was taken; 400 with the reasons when something was refused. The rest is in all the same:
/// Prometheus' senders do not repeat after a 400.
fn answer(receipt: &Receipt, whole: StatusCode) -> Response {
    let d = &receipt.decoded;
    if d.refused.is_empty() {
        return whole.into_response();
    }
    let text = format!("{} samples were taken\n{}", d.samples(), d.refused.to_text());
    (StatusCode::BAD_REQUEST, text).into_response()
}

/// The body, unless it is larger than `limit` (judged by the declared length before a byte is read).
pub(super) async fn read(body: Body, headers: &HeaderMap, limit: usize) -> Result<Bytes, ApiError> {
    let too_large = || {
        let text = format!("the body is larger than {limit} bytes; send smaller batches");
        ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "bad_data", text)
    };
    let declared = headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<usize>().ok());
    if declared.is_some_and(|n| n > limit) {
        return Err(too_large());
    }
    let mut all = BytesMut::with_capacity(declared.unwrap_or(0));
    let mut body = body;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|e| ApiError::bad_data(format!("the body was cut: {e}")))?;
        if let Ok(data) = frame.into_data() {
            if all.len() + data.len() > limit {
                return Err(too_large());
            }
            if all.is_empty() && declared == Some(data.len()) {
                return Ok(data);
            }
            all.extend_from_slice(&data);
        }
    }
    Ok(all.freeze())
}
