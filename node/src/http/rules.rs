//! Rules and alerts as Prometheus' API tells them, groups put by the API, and where alerts go.

use super::{ApiError, AppState, Params, json};
use crate::access::Who;
use crate::rules::{API_FILE, CONFIG_KEY, GroupDocument, NOTIFICATIONS, RULE_GROUPS};
use crate::rules::{default_config, group_key, kept_config, put_document};
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};
use plimsoll_promql::{CompiledMatcher, parse_selector};
use plimsoll_rules::file;
use plimsoll_rules::notify::config::ChannelKind;
use plimsoll_rules::notify::{Config, mask};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Bytes of a group or a configuration that is put; the ownership state takes little more.
const BODY_BYTES: usize = 3 << 20;
/// Groups that are put by the API.
const GROUPS: usize = 10_000;

/// The routes of this file.
pub fn routes() -> Router<AppState> {
    Router::new()
        .route("/api/v1/rules", get(rules))
        .route("/api/v1/alerts", get(alerts))
        .route("/api/v1/alertmanagers", get(alertmanagers))
        .route("/api/v1/rules/groups/{name}", get(group).put(put_group).delete(remove_group))
        .route("/api/v1/notifications", get(notifications))
        .route("/api/v1/notifications/config", get(config).put(put_config))
        .layer(DefaultBodyLimit::max(BODY_BYTES))
}

/// What of the rules is asked for.
struct Wanted {
    kind: Option<&'static str>,
    names: BTreeSet<String>,
    groups: BTreeSet<String>,
    files: BTreeSet<String>,
    selectors: Vec<Vec<CompiledMatcher>>,
    without_alerts: bool,
}

impl Wanted {
    fn read(params: &Params) -> Result<Self, ApiError> {
        let kind = match params.get("type") {
            None => None,
            Some("alert") => Some("alerting"),
            Some("record") => Some("recording"),
            Some(other) => return Err(ApiError::bad_data(format!("type is alert or record, not {other:?}"))),
        };
        let all = |name: &str| params.all(name).map(str::to_owned).collect();
        let selector = |text: &str| {
            let matchers = parse_selector(text).map_err(|e| ApiError::bad_data(format!("match[]: {e}")))?;
            let compiled = matchers.iter().map(CompiledMatcher::new).collect::<Result<Vec<_>, _>>();
            compiled.map_err(|e| ApiError::bad_data(format!("match[]: {e}")))
        };
        Ok(Self {
            kind,
            names: all("rule_name[]"),
            groups: all("rule_group[]"),
            files: all("file[]"),
            selectors: params.all("match[]").map(selector).collect::<Result<_, _>>()?,
            without_alerts: params.flag("exclude_alerts")?,
        })
    }

    fn has_rule(&self, rule: &Value) -> bool {
        let text = |key: &str| rule[key].as_str().unwrap_or_default();
        let label = |name: &str| rule["labels"][name].as_str().unwrap_or_default();
        let fits = |matchers: &Vec<CompiledMatcher>| matchers.iter().all(|m| m.matches(label(&m.name)));
        self.kind.is_none_or(|kind| text("type") == kind)
            && (self.names.is_empty() || self.names.contains(text("name")))
            && (self.selectors.is_empty() || self.selectors.iter().any(fits))
    }

    /// The group with the rules that are asked for; nothing when there is none.
    fn of_group(&self, mut group: Value) -> Option<Value> {
        let named = |set: &BTreeSet<String>, key: &str| {
            set.is_empty() || set.contains(group[key].as_str().unwrap_or_default())
        };
        if !named(&self.groups, "name") || !named(&self.files, "file") {
            return None;
        }
        let rules = group["rules"].as_array_mut()?;
        let empty = rules.is_empty();
        rules.retain(|rule| self.has_rule(rule));
        if self.without_alerts {
            rules.iter_mut().filter_map(Value::as_object_mut).for_each(|rule| drop(rule.remove("alerts")));
        }
        let narrowed = self.kind.is_some() || !self.names.is_empty() || !self.selectors.is_empty();
        let gone = rules.is_empty() && (narrowed || !empty);
        (!gone).then_some(group)
    }
}

/// A token that stands for a group in a list that is given page by page.
fn token_of(group: &Value) -> String {
    let text = |key: &str| group[key].as_str().unwrap_or_default();
    group_key(text("file"), text("name")).bytes().map(|b| format!("{b:02x}")).collect()
}

/// `GET /api/v1/rules`
async fn rules(State(app): State<AppState>, params: Params) -> Result<Response, ApiError> {
    let wanted = Wanted::read(&params)?;
    let limit = params.number("group_limit")?;
    let from = params.get("group_next_token");
    if from.is_some() && limit.is_none() {
        return Err(ApiError::bad_data(
            "group_limit needs to be present in order to paginate over the groups",
        ));
    }
    let (groups, warnings) = app.rules.status().await;
    let mut groups: Vec<Value> = groups.into_iter().filter_map(|group| wanted.of_group(group)).collect();
    if let Some(token) = from {
        let at = groups.iter().position(|g| token_of(g) == token);
        let at = at.ok_or_else(|| {
            ApiError::bad_data("invalid group_next_token: the groups have changed, begin anew")
        })?;
        groups.drain(..at);
    }
    let mut data = json!({});
    if let Some(limit) = limit.filter(|limit| *limit < groups.len()) {
        data["groupNextToken"] = token_of(&groups[limit]).into();
        groups.truncate(limit);
    }
    data["groups"] = groups.into();
    Ok(json::success(data, &warnings))
}

/// `GET /api/v1/alerts`: those that are pending or fire.
async fn alerts(State(app): State<AppState>) -> Response {
    let (groups, warnings) = app.rules.status().await;
    let rules =
        groups.into_iter().flat_map(|mut group| group["rules"].take().as_array_mut().map(std::mem::take));
    let alerts = rules.flatten().filter_map(|mut rule| rule["alerts"].as_array_mut().map(std::mem::take));
    json::success(json!({"alerts": alerts.flatten().collect::<Vec<_>>()}), &warnings)
}

/// The configuration that holds.
fn current(app: &AppState) -> Value {
    kept_config(&app.cluster).unwrap_or_else(default_config)
}

/// `GET /api/v1/alertmanagers`
async fn alertmanagers(State(app): State<AppState>) -> Response {
    let urls: Vec<Value> = Config::parse(&current(&app).to_string()).map_or(Vec::new(), |config| {
        let channels = config.receivers.into_values().flatten();
        let urls = channels.filter_map(|channel| match channel.kind {
            ChannelKind::Alertmanager(target) => {
                Some(json!({"url": format!("{}/api/v2/alerts", target.url)}))
            }
            _ => None,
        });
        urls.collect()
    });
    json::success(json!({"activeAlertmanagers": urls, "droppedAlertmanagers": []}), &[])
}

/// `GET /api/v1/rules/groups/{name}`: a group that was put by the API, as it was put.
async fn group(State(app): State<AppState>, Path(name): Path<String>) -> Result<Response, ApiError> {
    let kept =
        app.cluster.read(|s| s.value(RULE_GROUPS, &name).and_then(|v| GroupDocument::decode(&v.bytes)));
    let document = kept.ok_or_else(|| unknown(&app, &name))?;
    Ok(([(header::CONTENT_TYPE, "application/yaml")], document.text).into_response())
}

fn unknown(app: &AppState, name: &str) -> ApiError {
    let in_file = app
        .rules
        .specs()
        .values()
        .find(|s| s.group.name == name && s.file != API_FILE)
        .map(|s| s.file.clone());
    ApiError::not_found(match in_file {
        Some(file) => format!("the group {name:?} comes from the file {file}: change that file"),
        None => format!("there is no group {name:?}; `plimsoll rules list` shows what there is"),
    })
}

/// `PUT /api/v1/rules/groups/{name}`: YAML of one group, from then on evaluated.
async fn put_group(
    State(app): State<AppState>,
    Extension(who): Extension<Who>,
    Path(name): Path<String>,
    body: String,
) -> Result<Response, ApiError> {
    let refused = |text: String| {
        metrics::counter!("plimsoll_rule_groups_refused_total").increment(1);
        ApiError::bad_data(text)
    };
    let group = file::parse_group(&body).map_err(|e| refused(e.to_string()))?;
    if group.name != name {
        return Err(refused(format!(
            "the group is named {:?} and is put as {name:?}: make both the same",
            group.name
        )));
    }
    let (count, known) =
        app.cluster.read(|s| (s.values(RULE_GROUPS).count(), s.value(RULE_GROUPS, &name).is_some()));
    if count >= GROUPS && !known {
        return Err(ApiError::conflict(format!(
            "there are {GROUPS} groups already: remove some, or use files"
        )));
    }
    let document = GroupDocument { text: body, node: None };
    put_document(&app.cluster, &who.author(), RULE_GROUPS, &name, Some(document.encode())).await?;
    Ok(json::success(json!({"group": name, "rules": group.rules.len(), "replaced": known}), &[]))
}

/// `DELETE /api/v1/rules/groups/{name}`
async fn remove_group(
    State(app): State<AppState>,
    Extension(who): Extension<Who>,
    Path(name): Path<String>,
) -> Result<Response, ApiError> {
    if app.cluster.read(|s| s.value(RULE_GROUPS, &name).is_none()) {
        return Err(unknown(&app, &name));
    }
    put_document(&app.cluster, &who.author(), RULE_GROUPS, &name, None).await?;
    Ok(json::success(json!({"group": name}), &[]))
}

/// `GET /api/v1/notifications`: groups of alerts, their receivers, and when they are looked at next.
async fn notifications(State(app): State<AppState>) -> Result<Response, ApiError> {
    let unavailable = |text: String| ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", text);
    let groups = app.rules.dispatch_status().await.map_err(unavailable)?;
    Ok(json::success(json!({"groups": groups}), &[]))
}

/// `GET /api/v1/notifications/config`: routes and receivers, without their secrets.
async fn config(State(app): State<AppState>) -> Response {
    json::success(mask(&current(&app)), &[])
}

/// `PUT /api/v1/notifications/config`: YAML or JSON; a secret that is `<secret>` stays as it is.
async fn put_config(
    State(app): State<AppState>,
    Extension(who): Extension<Who>,
    body: String,
) -> Result<Response, ApiError> {
    let kept = kept_config(&app.cluster);
    let value = Config::to_json(&body, kept.as_ref()).map_err(|e| {
        metrics::counter!("plimsoll_notification_configs_refused_total").increment(1);
        ApiError::bad_data(e.to_string())
    })?;
    let bytes = value.to_string().into_bytes();
    put_document(&app.cluster, &who.author(), NOTIFICATIONS, CONFIG_KEY, Some(bytes)).await?;
    Ok(json::success(mask(&value), &[]))
}
