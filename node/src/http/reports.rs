//! Reports in any form.

use super::{ApiError, AppState, Params, json};
use crate::analytics::{Error, Wanted};
use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use plimsoll_analytics::render::{self, Format};
use plimsoll_analytics::report::Kind;
use plimsoll_analytics::{Compare, Period};
use plimsoll_model::{Fault, Matcher};

const DAY_MS: i64 = 86_400_000;

/// The routes of reports.
pub fn routes() -> Router<AppState> {
    Router::new().route("/api/v1/reports/{kind}", get(report).post(report))
}

/// `GET|POST /api/v1/reports/{kind}`
async fn report(
    State(app): State<AppState>,
    Path(kind): Path<String>,
    params: Params,
) -> Result<Response, ApiError> {
    let kind = Kind::parse(&kind).ok_or_else(|| {
        let all = Kind::ALL.map(Kind::as_str).join(", ");
        ApiError::not_found(format!("there is no report {kind:?}; there are {all}"))
    })?;
    let format = format(&params)?;
    let report = app.analytics.report(&wanted(kind, &params)?).await?;
    Ok(match format {
        None => json::success(render::document(&report), &[]),
        Some(format) => text(render::render(&report, format), format),
    })
}

/// The form that is asked for; none is the API's own.
fn format(params: &Params) -> Result<Option<Format>, ApiError> {
    let Some(text) = params.get("format") else { return Ok(None) };
    let all = || Format::ALL.map(Format::as_str).join(", ");
    let format = Format::parse(text);
    format.map(Some).ok_or_else(|| ApiError::bad_data(format!("format is one of {}, not {text:?}", all())))
}

fn wanted(kind: Kind, params: &Params) -> Result<Wanted, ApiError> {
    let to = params.time("to")?.unwrap_or_else(crate::now_ms);
    let from = params.time("from")?.unwrap_or(to.saturating_sub(DAY_MS));
    let period = Period::new(from, to).map_err(Error::from)?;
    let compare = params.get("compare").map(Compare::parse).transpose().map_err(Error::from)?;
    let by = params.all("by").flat_map(|all| all.split(',')).filter(|l| !l.is_empty()).map(str::to_owned);
    Ok(Wanted { kind, period, compare, by: by.collect(), matchers: matchers(params.get("match"))? })
}

/// The conditions of a selector without a name.
pub fn matchers(text: Option<&str>) -> Result<Vec<Matcher>, ApiError> {
    let Some(text) = text else { return Ok(Vec::new()) };
    plimsoll_promql::parse_selector(text)
        .map_err(|e| ApiError::bad_data(format!("match is a selector such as {{team=\"a\"}}: {e}")))
}

fn text(body: String, format: Format) -> Response {
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(format.content_type()));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let policy = HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; sandbox");
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    response
}

impl From<Error> for ApiError {
    fn from(e: Error) -> Self {
        let text = e.to_string();
        match e {
            Error::Query(e) => e.into(),
            Error::NotFound(_) => Self::not_found(text),
            Error::Conflict(_) => Self::conflict(text),
            e => match e.fault() {
                Fault::Asker => Self::bad_data(text),
                Fault::Moment => Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", text),
                Fault::Ours => Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", text),
            },
        }
    }
}
