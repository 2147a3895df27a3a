//! Dashboards: those that come with the program, and those that people save as documents of the cluster.

use super::{ApiError, AppState, Params, json};
use crate::access::Who;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Extension, Router};
use plimsoll_dashboards::{Dashboard, MOST_BYTES, built_in, built_ins, check_id, grafana};
use plimsoll_model::Epoch;
use plimsoll_ownership::Action;
use plimsoll_promql::ParseOptions;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

const NAMESPACE: &str = "dashboards";
/// Dashboards that people may save; the ownership state is in memory on every node.
const MOST: usize = 500;
/// Grafana's JSON says more about a panel than ours.
const IMPORT_BYTES: usize = 4 * MOST_BYTES;

/// A dashboard as the ownership state keeps it.
#[derive(Serialize, Deserialize)]
struct Saved {
    dashboard: Dashboard,
    author: String,
    updated_ms: i64,
}

/// The routes.
pub fn routes() -> Router<AppState> {
    Router::new()
        .route("/api/v1/dashboards", get(list))
        .route("/api/v1/dashboards/import", post(import).layer(DefaultBodyLimit::max(IMPORT_BYTES)))
        .route(
            "/api/v1/dashboards/{id}",
            get(one).put(save).delete(remove).layer(DefaultBodyLimit::max(MOST_BYTES + 1)),
        )
}

/// `GET /api/v1/dashboards`: all of them, without their panels.
async fn list(State(app): State<AppState>) -> Response {
    let entry = |d: &Dashboard, saved: Option<&Saved>| {
        json!({
            "id": d.id,
            "title": d.title,
            "description": d.description,
            "tags": d.tags,
            "panels": d.panels.len(),
            "live": d.live,
            "built_in": saved.is_none(),
            "author": saved.map(|s| s.author.as_str()),
            "updated_ms": saved.map(|s| s.updated_ms),
        })
    };
    let mut all: Vec<Value> = built_ins().iter().map(|d| entry(d, None)).collect();
    all.extend(saved(&app).iter().map(|s| entry(&s.dashboard, Some(s))));
    json::success(all, &[])
}

/// `GET /api/v1/dashboards/{id}`
async fn one(State(app): State<AppState>, Path(id): Path<String>) -> Result<Response, ApiError> {
    if let Some(dashboard) = built_in(&id) {
        return Ok(json::success(dashboard, &[]));
    }
    let found = app.cluster.read(|s| s.value(NAMESPACE, &id).map(|v| v.bytes.clone()));
    match found.and_then(|bytes| read(&bytes)) {
        Some(saved) => Ok(json::success(saved.dashboard, &[])),
        None => Err(missing(&id)),
    }
}

/// `PUT /api/v1/dashboards/{id}`: saves one, new or in the place of the old.
async fn save(
    State(app): State<AppState>,
    Extension(who): Extension<Who>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Response, ApiError> {
    let mut dashboard = Dashboard::parse(&body)?;
    if !dashboard.id.is_empty() && dashboard.id != id {
        return Err(ApiError::bad_data(format!(
            "the dashboard says id {:?}, the address {id:?}",
            dashboard.id
        )));
    }
    dashboard.id = id;
    keep(&app, &who, dashboard, true).await.map(|d| json::success(json!({"id": d.id}), &[]))
}

/// `DELETE /api/v1/dashboards/{id}`
async fn remove(
    State(app): State<AppState>,
    Extension(who): Extension<Who>,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    if built_in(&id).is_some() {
        return Err(ApiError::conflict(format!("{id} comes with the program and cannot be removed")));
    }
    if app.cluster.read(|s| s.value(NAMESPACE, &id).is_none()) {
        return Err(missing(&id));
    }
    put(&app, &who, &id, None, None).await?;
    tracing::info!(id, by = who.author(), "a dashboard was removed");
    Ok(json::success(json!({"id": id}), &[]))
}

/// `POST /api/v1/dashboards/import?id=&replace=&dry_run=`: takes the JSON of a dashboard of ours or of Grafana.
async fn import(
    State(app): State<AppState>,
    Extension(who): Extension<Who>,
    parameters: axum::extract::RawQuery,
    body: Bytes,
) -> Result<Response, ApiError> {
    let params = Params::of_query(parameters.0.as_deref().unwrap_or(""))?;
    let (replace, dry_run) = (params.flag("replace")?, params.flag("dry_run")?);
    let json: Value =
        serde_json::from_slice(&body).map_err(|e| ApiError::bad_data(format!("the body is no JSON: {e}")))?;
    let (mut dashboard, left_out) = if grafana::is_grafana(&json) {
        let imported = grafana::import(&json)?;
        (imported.dashboard, imported.left_out)
    } else {
        let mut dashboard = Dashboard::parse(&body)?;
        if dashboard.id.is_empty() {
            dashboard.id = plimsoll_dashboards::id_of(&dashboard.title);
        }
        (dashboard, Vec::new())
    };
    if let Some(id) = params.get("id") {
        check_id(id)?;
        dashboard.id = id.to_owned();
    } else if !replace {
        dashboard.id = free_id(&app, &dashboard.id);
    }
    let data = json!({
        "id": dashboard.id,
        "title": dashboard.title,
        "panels": dashboard.panels.len(),
        "left_out": left_out,
        "saved": !dry_run,
    });
    match dry_run {
        true => check(&dashboard)?,
        false => drop(keep(&app, &who, dashboard, replace).await?),
    }
    Ok(json::success(data, &[]))
}

/// `id`, or `id-2` and so on where it is taken.
fn free_id(app: &AppState, id: &str) -> String {
    let taken = |id: &str| built_in(id).is_some() || app.cluster.read(|s| s.value(NAMESPACE, id).is_some());
    let short = id.get(..60.min(id.len())).unwrap_or(id).trim_end_matches('-');
    let numbered = (2..=MOST + 2).map(|n| format!("{short}-{n}"));
    std::iter::once(id.to_owned()).chain(numbered).find(|id| !taken(id)).unwrap_or_else(|| id.to_owned())
}

async fn keep(
    app: &AppState,
    who: &Who,
    mut dashboard: Dashboard,
    replace: bool,
) -> Result<Dashboard, ApiError> {
    dashboard.built_in = false;
    check(&dashboard)?;
    let id = dashboard.id.clone();
    if built_in(&id).is_some() {
        return Err(ApiError::conflict(format!("{id} comes with the program: save yours under another id")));
    }
    let (count, old) = app.cluster.read(|s| (s.values(NAMESPACE).count(), s.value(NAMESPACE, &id).is_some()));
    if old && !replace {
        return Err(ApiError::conflict(format!(
            "there is a dashboard {id} already: give another `id`, or `replace=true`"
        )));
    }
    if !old && count >= MOST {
        return Err(ApiError::conflict(format!("there are {MOST} dashboards already; remove some")));
    }
    let saved = Saved { dashboard, author: who.author(), updated_ms: crate::now_ms() };
    let bytes = serde_json::to_vec(&saved)
        .map_err(|e| ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", e.to_string()))?;
    // a new one must still be new when it arrives: of two that come at once one is refused
    put(app, who, &id, Some(bytes), (!old).then_some(Epoch(0))).await?;
    tracing::info!(id, by = who.author(), "a dashboard was saved");
    Ok(saved.dashboard)
}

fn check(dashboard: &Dashboard) -> Result<(), ApiError> {
    let parses = |text: &str| {
        plimsoll_promql::parse(text, ParseOptions::default()).map(drop).map_err(|e| e.to_string())
    };
    Ok(dashboard.check(&parses)?)
}

fn saved(app: &AppState) -> Vec<Saved> {
    let bytes: Vec<Vec<u8>> =
        app.cluster.read(|s| s.values(NAMESPACE).map(|(_, v)| v.bytes.clone()).collect());
    bytes.iter().filter_map(|bytes| read(bytes)).collect()
}

/// A document of ours; one of a newer version that cannot be read is left out, and said.
fn read(bytes: &[u8]) -> Option<Saved> {
    serde_json::from_slice(bytes)
        .inspect_err(|e| tracing::warn!(error = %e, "a saved dashboard cannot be read by this version"))
        .ok()
}

fn missing(id: &str) -> ApiError {
    ApiError::not_found(format!("there is no dashboard {id:?}; GET /api/v1/dashboards lists them"))
}

async fn put(
    app: &AppState,
    who: &Who,
    id: &str,
    value: Option<Vec<u8>>,
    seen: Option<Epoch>,
) -> Result<(), ApiError> {
    let action = Action::Put { namespace: NAMESPACE.to_owned(), key: id.to_owned(), value, seen };
    app.cluster.change(&who.author(), action).await.map(drop).map_err(|e| {
        if let crate::cluster::Error::Refused(_) = e {
            return e.into();
        }
        let text = format!("the change of dashboards was not confirmed, it may or may not hold: {e}");
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", text)
    })
}

impl From<plimsoll_dashboards::Error> for ApiError {
    fn from(e: plimsoll_dashboards::Error) -> Self {
        Self::bad_data(e.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_query_of_the_built_in_dashboards_is_promql() {
        let queries: usize = built_ins().iter().flat_map(|d| &d.panels).map(|p| p.queries.len()).sum();
        assert!(queries > 100, "{queries}");
        for dashboard in built_ins() {
            check(dashboard).unwrap_or_else(|e| panic!("{}: {e}", dashboard.id));
            // with variables that stand for everything, as the page asks them at first
            for query in dashboard.panels.iter().flat_map(|p| &p.queries) {
                assert!(
                    plimsoll_dashboards::with_samples(&query.expr).is_some(),
                    "{}: {}",
                    dashboard.id,
                    query.expr
                );
            }
        }
    }
}
