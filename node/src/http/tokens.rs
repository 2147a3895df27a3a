//! Tokens: made, listed, revoked. The secret is in one answer and nowhere else.

use super::{ApiError, AppState, json};
use crate::access::{NAMESPACE, Role, Secret, Token, Who};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::{Extension, body::Bytes};
use plimsoll_model::Epoch;
use plimsoll_ownership::Action;
use serde::Deserialize;
use serde_json::json;

/// Tokens that there may be; a request looks one up in a table of all.
const MOST: usize = 1000;
const NAME_CHARS: usize = 64;
/// Ten years; longer is for ever, which is said by leaving it out.
const LONGEST_S: u64 = 10 * 365 * 86_400;

/// Body of `POST /api/v1/tokens`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    name: String,
    role: Role,
    expires_seconds: Option<u64>,
}

/// `POST /api/v1/tokens`: makes a token and shows its secret once.
pub async fn create(
    State(app): State<AppState>,
    Extension(who): Extension<Who>,
    body: Bytes,
) -> Result<Response, ApiError> {
    if !app.access.has_tokens() {
        // a stranger could plant a token that is good on the day when somebody closes the door
        return Err(ApiError::bad_data(
            "tokens are off: set `access.tokens = true` and `access.root_token_file`, then create tokens with the root token",
        ));
    }
    let wanted: Wanted = serde_json::from_slice(&body).map_err(|e| {
        ApiError::bad_data(format!("the body should be {{\"name\", \"role\", \"expires_seconds\"?}}: {e}"))
    })?;
    check(&wanted)?;
    let (count, taken) =
        app.cluster.read(|s| (s.values(NAMESPACE).count(), s.value(NAMESPACE, &wanted.name).is_some()));
    if taken {
        let text =
            format!("there is a token `{}` already: choose another name, or revoke it first", wanted.name);
        return Err(ApiError::conflict(text));
    }
    if count >= MOST {
        return Err(ApiError::conflict(format!("there are {MOST} tokens already; revoke some")));
    }
    let (secret, created_ms) = (Secret::random(), crate::now_ms());
    let expires_ms = wanted.expires_seconds.map(|s| created_ms.saturating_add_unsigned(s * 1000));
    let Wanted { name, role, .. } = wanted;
    let (id, hash) = (secret.id().to_owned(), secret.hash());
    let token = Token { name: name.clone(), id, hash, role, created_ms, expires_ms };
    // the epoch 0 says that there must be none of this name: of two that come at once one is refused
    put(&app, &who, &name, Some(token.encode()), Some(Epoch(0))).await?;
    tracing::info!(name, %role, by = who.author(), "a token was created");
    let data = json!({"name": name, "role": role, "token": secret.expose(), "expires_ms": expires_ms});
    Ok(json::success(data, &[]))
}

/// `GET /api/v1/tokens`: all of them, without secrets.
pub async fn list(State(app): State<AppState>) -> Response {
    let table = app.cluster.read(|state| app.access.tokens(state));
    let shown = |token: &Token| {
        json!({
            "name": token.name,
            "role": token.role,
            "created_ms": token.created_ms,
            "expires_ms": token.expires_ms,
        })
    };
    json::success(table.sorted().into_iter().map(shown).collect::<Vec<_>>(), &[])
}

/// `DELETE /api/v1/tokens/{name}`: from now on nobody gets in with it.
pub async fn revoke(
    State(app): State<AppState>,
    Extension(who): Extension<Who>,
    Path(name): Path<String>,
) -> Result<Response, ApiError> {
    if app.cluster.read(|state| state.value(NAMESPACE, &name).is_none()) {
        return Err(ApiError::not_found(format!("there is no token `{name}`")));
    }
    put(&app, &who, &name, None, None).await?;
    tracing::info!(name, by = who.author(), "a token was revoked");
    Ok(json::success(json!({"name": name}), &[]))
}

fn check(wanted: &Wanted) -> Result<(), ApiError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let name = &wanted.name;
    if name.is_empty() || name.len() > NAME_CHARS || !name.chars().all(plain) || name.starts_with('.') {
        return Err(ApiError::bad_data(format!(
            "a token's name has 1 to {NAME_CHARS} letters, digits, `.`, `_` and `-`, and no `.` in front"
        )));
    }
    match wanted.expires_seconds {
        Some(seconds) if !(1..=LONGEST_S).contains(&seconds) => Err(ApiError::bad_data(format!(
            "expires_seconds must be 1 to {LONGEST_S}; leave it out for no end"
        ))),
        _ => Ok(()),
    }
}

async fn put(
    app: &AppState,
    who: &Who,
    name: &str,
    value: Option<Vec<u8>>,
    seen: Option<Epoch>,
) -> Result<(), ApiError> {
    let action = Action::Put { namespace: NAMESPACE.to_owned(), key: name.to_owned(), value, seen };
    app.cluster.change(&who.author(), action).await.map(drop).map_err(|e| {
        if let crate::cluster::Error::Refused(_) = e {
            return e.into();
        }
        let text = format!("the change of tokens was not confirmed, it may or may not hold: {e}");
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", text)
    })
}
