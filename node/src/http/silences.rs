//! Silences in the shapes of Alertmanager's API, version 2.

use super::{ApiError, AppState};
use crate::access::Who;
use crate::rules::{SILENCES, put_document, silences, time};
use ::time::OffsetDateTime;
use ::time::format_description::well_known::Rfc3339;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::routing::get;
use axum::{Extension, Json, Router};
use plimsoll_model::Timestamp;
use plimsoll_rules::notify::{Silence, SilenceMatcher, SilenceState};
use serde::Deserialize;
use serde_json::{Value, json};

const BODY_BYTES: usize = 64 << 10;
/// Silences that there may be, those that are over for less than five days too.
const MOST: usize = 10_000;
const COMMENT_CHARS: usize = 4000;

/// The routes of this file.
pub fn routes() -> Router<AppState> {
    Router::new()
        .route("/api/v1/silences", get(list).post(set))
        .route("/api/v1/silences/{id}", get(one).delete(expire))
        .layer(DefaultBodyLimit::max(BODY_BYTES))
}

/// Body of a POST.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Wanted {
    id: Option<String>,
    matchers: Vec<SilenceMatcher>,
    starts_at: Option<String>,
    ends_at: String,
    #[serde(default)]
    created_by: String,
    #[serde(default)]
    comment: String,
    /// Fields of an answer, which may come back with it.
    #[serde(rename = "status")]
    _status: Option<Value>,
    #[serde(rename = "updatedAt")]
    _updated_at: Option<Value>,
}

fn shown(silence: &Silence, now: Timestamp) -> Value {
    json!({
        "id": silence.id,
        "status": {"state": silence.state(now).name()},
        "matchers": silence.matchers,
        "startsAt": time(silence.starts_at),
        "endsAt": time(silence.ends_at),
        "updatedAt": time(silence.updated_at),
        "createdBy": silence.created_by,
        "comment": silence.comment,
    })
}

/// `GET /api/v1/silences`: those that hold first.
async fn list(State(app): State<AppState>) -> Json<Vec<Value>> {
    let now = crate::now_ms();
    let mut all = silences(&app.cluster);
    let rank = |s: &Silence| match s.state(now) {
        SilenceState::Active => 0,
        SilenceState::Pending => 1,
        SilenceState::Expired => 2,
    };
    all.sort_by_key(|s| (rank(s), s.ends_at, s.id.clone()));
    Json(all.iter().map(|s| shown(s, now)).collect())
}

fn find(app: &AppState, id: &str) -> Result<Silence, ApiError> {
    let found = silences(&app.cluster).into_iter().find(|s| s.id == id);
    found.ok_or_else(|| ApiError::not_found(format!("there is no silence {id}")))
}

/// `GET /api/v1/silences/{id}`
async fn one(State(app): State<AppState>, Path(id): Path<String>) -> Result<Json<Value>, ApiError> {
    Ok(Json(shown(&find(&app, &id)?, crate::now_ms())))
}

fn read_time(key: &str, text: &str) -> Result<Timestamp, ApiError> {
    let parsed = OffsetDateTime::parse(text, &Rfc3339);
    let ms = parsed.map(|t| t.unix_timestamp_nanos() / 1_000_000).ok().and_then(|ms| i64::try_from(ms).ok());
    ms.ok_or_else(|| {
        ApiError::bad_data(format!("{key} is a time such as 2026-01-31T12:00:00Z, not {text:?}"))
    })
}

/// `POST /api/v1/silences`: makes a silence, or changes the one whose id is given.
async fn set(
    State(app): State<AppState>,
    Extension(who): Extension<Who>,
    body: Bytes,
) -> Result<Json<Value>, ApiError> {
    let refused = |text: String| {
        metrics::counter!("plimsoll_silences_refused_total").increment(1);
        ApiError::bad_data(text)
    };
    let wanted: Wanted = serde_json::from_slice(&body).map_err(|e| {
        refused(format!("the body should be {{\"matchers\", \"startsAt\", \"endsAt\", \"createdBy\", \"comment\", \"id\"?}}: {e}"))
    })?;
    let now = crate::now_ms();
    let starts_at = wanted.starts_at.as_deref().map(|t| read_time("startsAt", t)).transpose()?.unwrap_or(now);
    let before = match wanted.id.filter(|id| !id.is_empty()) {
        Some(id) => Some(find(&app, &id)?),
        None => None,
    };
    let mut silence = Silence {
        id: before.as_ref().map_or_else(|| format!("{:032x}", rand::random::<u128>()), |s| s.id.clone()),
        matchers: wanted.matchers,
        starts_at,
        ends_at: read_time("endsAt", &wanted.ends_at)?,
        updated_at: now,
        created_by: if wanted.created_by.is_empty() { who.author() } else { wanted.created_by },
        comment: wanted.comment,
    };
    if silence.comment.chars().count() > COMMENT_CHARS || silence.created_by.chars().count() > COMMENT_CHARS {
        return Err(refused(format!("a comment has at most {COMMENT_CHARS} characters")));
    }
    silence.check(now).map_err(refused)?;
    // what has begun began then; another selection of alerts is another silence
    if let Some(before) =
        before.filter(|b| b.matchers != silence.matchers || b.state(now) == SilenceState::Expired)
    {
        silence.id = format!("{:032x}", rand::random::<u128>());
        if before.state(now) != SilenceState::Expired {
            end(&app, &who, before, now).await?;
        }
    }
    if silences(&app.cluster).len() >= MOST {
        return Err(ApiError::conflict(format!("there are {MOST} silences already; expire some")));
    }
    keep(&app, &who, &silence).await?;
    Ok(Json(json!({"silenceID": silence.id})))
}

async fn keep(app: &AppState, who: &Who, silence: &Silence) -> Result<(), ApiError> {
    let bytes = serde_json::to_vec(silence).map_err(|e| ApiError::bad_data(e.to_string()))?;
    Ok(put_document(&app.cluster, &who.author(), SILENCES, &silence.id, Some(bytes)).await?)
}

async fn end(app: &AppState, who: &Who, mut silence: Silence, now: Timestamp) -> Result<(), ApiError> {
    silence.starts_at = silence.starts_at.min(now);
    silence.ends_at = now;
    silence.updated_at = now;
    keep(app, who, &silence).await
}

/// `DELETE /api/v1/silences/{id}`: ends a silence now.
async fn expire(
    State(app): State<AppState>,
    Extension(who): Extension<Who>,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let (silence, now) = (find(&app, &id)?, crate::now_ms());
    if silence.state(now) == SilenceState::Expired {
        return Err(ApiError::bad_data(format!("the silence {id} is over already")));
    }
    end(&app, &who, silence, now).await?;
    Ok(Json(json!({"silenceID": id})))
}
