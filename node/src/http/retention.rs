//! Retention by rules, and deletions.

use super::series::{range, selectors};
use super::{ApiError, AppState, Params, json};
use crate::access::Who;
use crate::cluster::Error;
use crate::query::{Part, Question};
use crate::retention::{self, Class, Document, Job, JobError, NAMESPACE, Policy, RULES_KEY};
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use plimsoll_model::Epoch;
use plimsoll_ownership::{Action, Refusal};
use plimsoll_storage::Deletion;
use serde::Deserialize;
use serde_json::{Value, json};

/// Selectors of one deletion.
const MOST_SELECTORS: usize = 100;

/// The routes of this part.
pub fn routes() -> Router<AppState> {
    Router::new()
        .route("/api/v1/admin/retention", get(show).post(set))
        .route("/api/v1/admin/retention/dry_run", post(dry_run))
        .route("/api/v1/admin/tsdb/delete_series", post(delete_series).put(delete_series))
        .route("/api/v1/admin/deletions", get(deletions))
}

/// Body of `POST /api/v1/admin/retention`: the rules, and the epoch of those that they replace.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    rules: Vec<retention::Rule>,
    epoch: Option<u64>,
}

/// `GET /api/v1/admin/retention`: the rules that hold, and their epoch (0: there are none).
async fn show(State(app): State<AppState>) -> Result<Response, ApiError> {
    let (document, epoch) = stored(&app)?;
    let policy = policy(&app, &document)?;
    let data = json!({
        "default_ms": app.retention.default_ms(),
        "longest_ms": policy.longest_ms(),
        "epoch": epoch.0,
        "rules": policy.classes(0).iter().filter(|c| c.rule.is_some()).map(class_json).collect::<Vec<_>>(),
    });
    Ok(json::success(data, &[]))
}

/// `POST /api/v1/admin/retention`: puts other rules in the place of those that hold.
async fn set(
    State(app): State<AppState>,
    Extension(who): Extension<Who>,
    body: Bytes,
) -> Result<Response, ApiError> {
    let wanted: Wanted = serde_json::from_slice(&body).map_err(|e| {
        ApiError::bad_data(format!(
            "the body should be {{\"rules\": [{{\"match\", \"keep\"}}], \"epoch\"?}}: {e}"
        ))
    })?;
    let document = Document { rules: wanted.rules };
    policy(&app, &document)?;
    let value = (!document.rules.is_empty()).then(|| document.encode());
    let action = Action::Put {
        namespace: NAMESPACE.to_owned(),
        key: RULES_KEY.to_owned(),
        value,
        seen: wanted.epoch.map(Epoch),
    };
    app.cluster.change(&who.author(), action).await.map_err(|e| match e {
        Error::Refused(stale @ Refusal::Stale { .. }) => ApiError::conflict(stale.to_string()),
        e => e.into(),
    })?;
    tracing::info!(rules = document.rules.len(), by = who.author(), "the rules of retention changed");
    for shard in app.shards.locals() {
        shard.expire_soon();
    }
    show(State(app)).await
}

/// `POST /api/v1/admin/retention/dry_run`: what would go now by rule, under the rules in the body or those that hold.
async fn dry_run(State(app): State<AppState>, body: Bytes) -> Result<Response, ApiError> {
    let document = match body.is_empty() {
        true => stored(&app)?.0,
        false => Document::read(&body).map_err(ApiError::bad_data)?,
    };
    let classes = policy(&app, &document)?.classes(crate::now_ms());
    let weights = weigh(&app, classes.iter().map(|c| &c.deletion)).await?;
    let rows: Vec<Value> = classes
        .iter()
        .zip(weights)
        .map(|(class, (series, bytes))| {
            let mut row = class_json(class);
            row["older_than_ms"] = json!(class.deletion.range.end.saturating_add(1));
            row["series"] = json!(series);
            row["bytes"] = json!(bytes);
            row
        })
        .collect();
    Ok(json::success(json!({ "rules": rows }), &[]))
}

/// `POST|PUT /api/v1/admin/tsdb/delete_series`: begins a deletion and answers at once; with `dry_run=true` it only says
/// what would go.
async fn delete_series(
    State(app): State<AppState>,
    Extension(who): Extension<Who>,
    params: Params,
) -> Result<Response, ApiError> {
    let (selectors, range) = (selectors(&params)?, range(&params)?);
    if selectors.is_empty() {
        return Err(ApiError::bad_data("no match[] parameter provided; add match[]=<selector>"));
    }
    if selectors.len() > MOST_SELECTORS {
        return Err(ApiError::bad_data(format!("a deletion takes {MOST_SELECTORS} match[] at most")));
    }
    let wanted = Deletion { number: 0, any_of: selectors, none_of: Vec::new(), range };
    // a regex that cannot be used is found here, before anything is written down
    let (series, bytes) = weigh(&app, [&wanted].into_iter()).await?.pop().unwrap_or_default();
    if params.flag("dry_run")? {
        return Ok(json::success(json!({"series": series, "bytes": bytes}), &[]));
    }
    let matchers = params.all("match[]").map(str::to_owned).collect();
    let job = retention::create(&app.cluster, &who.author(), matchers, range).await.map_err(|e| match e {
        JobError::TooMany => ApiError::conflict(e.to_string()),
        JobError::Cluster(e) => e.into(),
    })?;
    Ok((StatusCode::ACCEPTED, json::success(job_json(&job), &[])).into_response())
}

/// `GET /api/v1/admin/deletions`: the deletions under way and of the past, newest first.
async fn deletions(State(app): State<AppState>) -> Response {
    let jobs: Vec<Value> = retention::list(&app.cluster).iter().map(|(job, _)| job_json(job)).collect();
    let lives = app.shards.locals().into_iter().filter_map(|s| s.live().ok());
    let days: u64 = lives.map(|live| live.storage().days_to_clean()).sum();
    json::success(json!({"deletions": jobs, "days_to_clean": days}), &[])
}

fn job_json(job: &Job) -> Value {
    let unbounded = |t: i64| (t != i64::MIN && t != i64::MAX).then_some(t);
    let state = match (job.finished_ms, &job.trouble) {
        (None, None) => "running",
        (None, Some(_)) => "waiting",
        (Some(_), None) => "done",
        (Some(_), Some(_)) => "failed",
    };
    json!({
        "id": job.id,
        "state": state,
        "match": job.matchers,
        "start_ms": unbounded(job.start_ms),
        "end_ms": unbounded(job.end_ms),
        "by": job.by,
        "created_ms": job.created_ms,
        "finished_ms": job.finished_ms,
        "shards": job.shards,
        "shards_done": job.done.len(),
        "series": job.series(),
        "trouble": job.trouble,
    })
}

fn class_json(class: &Class) -> Value {
    let (selector, keep) = match &class.rule {
        Some(rule) => (Some(&rule.selector), Some(&rule.keep)),
        None => (None, None),
    };
    json!({"match": selector, "keep": keep, "keep_ms": class.keep_ms})
}

fn stored(app: &AppState) -> Result<(Document, Epoch), ApiError> {
    let value = app.cluster.read(|s| s.value(NAMESPACE, RULES_KEY).map(|v| (v.bytes.clone(), v.epoch)));
    let Some((bytes, epoch)) = value else { return Ok((Document::default(), Epoch(0))) };
    let failed = |e| ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", e);
    Ok((Document::read(&bytes).map_err(failed)?, epoch))
}

fn policy(app: &AppState, document: &Document) -> Result<Policy, ApiError> {
    Policy::new(app.retention.default_ms(), document).map_err(ApiError::bad_data)
}

/// Series and about how many bytes each deletion would hit, in one copy of all shards.
async fn weigh(
    app: &AppState,
    deletions: impl Iterator<Item = &Deletion>,
) -> Result<Vec<(u64, u64)>, ApiError> {
    let encoded: Vec<Vec<u8>> = deletions
        .map(|d| {
            let mut bytes = Vec::new();
            d.encode(&mut bytes);
            bytes
        })
        .collect();
    let mut sums = vec![(0, 0); encoded.len()];
    let answers = app.ask(Question::WouldDelete(encoded), super::Reading::default()).await?;
    for part in answers.parts {
        if let Part::WouldDelete(weights) = part {
            for (sum, (series, bytes)) in sums.iter_mut().zip(weights) {
                sum.0 += series;
                sum.1 += bytes;
            }
        }
    }
    Ok(sums)
}
