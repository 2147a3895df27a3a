//! Telemetry of agents: the mapping, the price book, budgets, costs.

use super::{ApiError, AppState, Params, json};
use crate::access::Who;
use crate::agents::documents::{
    BUDGETS, CURRENT, Document, MAPPING, MOST_BUDGETS, PRICES, book, budgets, document,
};
use crate::agents::{self, Spent, Wanted, recost, standings};
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post, put};
use axum::{Extension, Router, body::Bytes};
use plimsoll_agents::{Book, Budget, Fault, Mapping, Pico, Price};
use plimsoll_model::METRIC_NAME;
use plimsoll_ownership::Action;
use serde_json::{Value, json};

/// Bytes of a document; the ownership state takes some more.
const DOCUMENT_BYTES: usize = 2 << 20;
/// Labels by which a cost may be split.
const MOST_BY: usize = 8;

/// The routes of this part.
pub fn routes() -> Router<AppState> {
    Router::new()
        .route("/api/v1/agents/mapping", get(mapping))
        .route("/api/v1/agents/mapping/check", post(check_mapping))
        .route("/api/v1/agents/mapping/current", put(apply_mapping).delete(reset_mapping))
        .route("/api/v1/agents/status", get(status))
        .route("/api/v1/agents/cost", get(cost).post(cost))
        .route("/api/v1/agents/rework", post(rework))
        .route("/api/v1/prices", get(prices))
        .route("/api/v1/prices/check", post(check_prices))
        .route("/api/v1/prices/current", put(apply_prices).delete(reset_prices))
        .route("/api/v1/budgets", get(list_budgets))
        .route("/api/v1/budgets/{name}", put(set_budget).delete(remove_budget))
        .layer(DefaultBodyLimit::max(DOCUMENT_BYTES))
}

async fn mapping(State(app): State<AppState>) -> Result<Response, ApiError> {
    let found = document(&app.cluster, MAPPING, Mapping::builtin_text());
    let mapping = Mapping::parse(&found.text)?;
    Ok(json::success(mapping_json(&mapping, Some(&found)), &[]))
}

async fn check_mapping(body: Bytes) -> Result<Response, ApiError> {
    Ok(json::success(mapping_json(&Mapping::parse(text(&body)?)?, None), &[]))
}

async fn apply_mapping(
    State(app): State<AppState>,
    Extension(who): Extension<Who>,
    body: Bytes,
) -> Result<Response, ApiError> {
    let mapping = Mapping::parse(text(&body)?)?;
    change(&app, &who, MAPPING, CURRENT, Some(body.to_vec())).await?;
    Ok(json::success(mapping_json(&mapping, None), &[]))
}

async fn reset_mapping(
    State(app): State<AppState>,
    Extension(who): Extension<Who>,
) -> Result<Response, ApiError> {
    change(&app, &who, MAPPING, CURRENT, None).await?;
    Ok(json::success(mapping_json(&Mapping::builtin(), None), &[]))
}

fn mapping_json(mapping: &Mapping, found: Option<&Document>) -> Value {
    let sources = mapping.sources().map(|(name, rules)| json!({"name": name, "rules": rules}));
    let mut data = json!({
        "revision": mapping.revision(),
        "sessions": mapping.sessions(),
        "sources": sources.collect::<Vec<_>>(),
    });
    tell(&mut data, found);
    data
}

async fn prices(State(app): State<AppState>) -> Result<Response, ApiError> {
    let found = document(&app.cluster, PRICES, Book::builtin_text());
    Ok(json::success(book_json(&Book::parse(&found.text)?, Some(&found)), &[]))
}

async fn check_prices(body: Bytes) -> Result<Response, ApiError> {
    Ok(json::success(book_json(&Book::parse(text(&body)?)?, None), &[]))
}

/// A book that holds other prices must have another revision: series of cost are told apart by it.
async fn apply_prices(
    State(app): State<AppState>,
    Extension(who): Extension<Who>,
    body: Bytes,
) -> Result<Response, ApiError> {
    let (new, present) = (Book::parse(text(&body)?)?, book(&app.cluster));
    if new.revision() == present.revision() && new != present {
        let revision = new.revision();
        return Err(ApiError::conflict(format!(
            "the book that holds has the revision {revision:?} too, with other prices: give the new one another revision"
        )));
    }
    change(&app, &who, PRICES, CURRENT, Some(body.to_vec())).await?;
    Ok(json::success(book_json(&new, None), &[]))
}

async fn reset_prices(
    State(app): State<AppState>,
    Extension(who): Extension<Who>,
) -> Result<Response, ApiError> {
    change(&app, &who, PRICES, CURRENT, None).await?;
    Ok(json::success(book_json(&Book::builtin(), None), &[]))
}

fn book_json(book: &Book, found: Option<&Document>) -> Value {
    let prices = book.prices().iter().map(price_json);
    let mut data = json!({"revision": book.revision(), "prices": prices.collect::<Vec<_>>()});
    tell(&mut data, found);
    data
}

/// Prices are texts, in dollars a million tokens: no reader shall round them.
fn price_json(price: &Price) -> Value {
    // a picodollar a token is a millionth of a dollar a million tokens
    let shown = |pico: Option<Pico>| pico.map(|p| Pico(p.0.saturating_mul(1_000_000)).to_string());
    json!({
        "provider": price.provider,
        "model": price.model,
        "tier": price.tier,
        "from_ms": price.from,
        "input": shown(price.input),
        "output": shown(price.output),
        "cache_read": shown(price.cache_read),
        "cache_write": shown(price.cache_write),
        "cache_write_1h": shown(price.cache_write_1h),
        "reasoning": shown(price.reasoning),
        "source": price.source,
        "as_of": price.as_of,
    })
}

fn tell(data: &mut Value, found: Option<&Document>) {
    if let Some(found) = found {
        data["text"] = json!(found.text);
        data["epoch"] = json!(found.epoch.map(|e| e.0));
        data["builtin"] = json!(found.epoch.is_none());
    }
}

async fn status(State(app): State<AppState>) -> Response {
    let shard = plimsoll_model::ShardId::of_key(agents::DUTY, app.shards.count());
    let leader = app.shards.leader(shard).map(|n| n.0);
    let mut data = json!(app.agents.status());
    data["node"] = json!(app.cluster.node_id().0);
    data["duty_of_node"] = json!(leader);
    json::success(data, &[])
}

/// `start`, `end`, `match[]`, `by` (several), `book`: the text of another price book.
async fn cost(State(app): State<AppState>, params: Params) -> Result<Response, ApiError> {
    let end = params.time("end")?.unwrap_or_else(crate::now_ms);
    let start = params.time("start")?.unwrap_or(end - 86_400_000);
    if start >= end {
        return Err(ApiError::bad_data("start must lie before end"));
    }
    if start < end - app.agents.store().retention_ms {
        return Err(ApiError::bad_data("start lies before the retention: what is older is not there"));
    }
    let mut matchers = Vec::new();
    for selector in params.all("match[]") {
        let read = plimsoll_promql::parse_selector(selector);
        matchers.extend(read.map_err(|e| ApiError::bad_data(format!("match[] {selector:?}: {e}")))?);
    }
    matchers.retain(|m| m.name != METRIC_NAME);
    let by: Vec<String> = params.all("by").map(str::to_owned).collect();
    if by.len() > MOST_BY || by.iter().any(|label| label == METRIC_NAME) {
        return Err(ApiError::bad_data(format!("by takes up to {MOST_BY} labels, the name not among them")));
    }
    let book = match params.get("book") {
        Some(text) => Book::parse(text)?,
        None => book(&app.cluster),
    };
    let wanted = Wanted { start, end, matchers, by };
    let groups = recost(app.agents.store(), &book, &wanted).await?;
    let shown = groups.iter().map(|(labels, group)| {
        json!({
            "labels": json::LabelSet(labels),
            "tokens": group.tokens,
            "unpriced_tokens": group.unpriced,
            "cost_usd": group.cost.to_string(),
        })
    });
    let data = json!({
        "price_rev": book.revision(),
        "start_ms": start,
        "end_ms": end,
        "groups": shown.collect::<Vec<_>>(),
    });
    Ok(json::success(data, &[]))
}

/// `from`: works again on all since then, by the mapping and the book that hold now.
async fn rework(State(app): State<AppState>, params: Params) -> Result<Response, ApiError> {
    let from = params.time("from")?.ok_or_else(|| ApiError::bad_data("parameter \"from\" is missing"))?;
    agents::rework(app.agents.store(), from).await?;
    Ok(json::success(json!({"from_ms": from}), &[]))
}

async fn list_budgets(State(app): State<AppState>) -> Result<Response, ApiError> {
    let all = app.cluster.read(budgets);
    let standings = standings(app.agents.store(), &all, crate::now_ms()).await?;
    let shown: Vec<Value> = all
        .iter()
        .map(|budget| {
            let of = standings.iter().filter(|s| s.budget.name() == budget.name());
            let mut shown = budget_json(budget);
            shown["groups"] = of.map(standing_json).collect();
            shown
        })
        .collect();
    Ok(json::success(shown, &[]))
}

fn budget_json(budget: &Budget) -> Value {
    json!({
        "name": budget.name(),
        "limit_usd": budget.limit().to_string(),
        "period": budget.period().as_str(),
        "match": budget.matching(),
        "group": budget.group(),
        "text": budget.text(),
    })
}

fn standing_json(spent: &Spent) -> Value {
    let Spent { group, standing, .. } = spent;
    let days = Some(standing.days_left).filter(|d| d.is_finite());
    json!({
        "labels": json::LabelSet(group),
        "spent_usd": standing.spent.to_string(),
        "burn_rate_1h": standing.burn_1h,
        "burn_rate_6h": standing.burn_6h,
        "forecast_usd": standing.forecast_usd,
        "days_left": days,
    })
}

/// The body is the budget as TOML; its name is that of the path.
async fn set_budget(
    State(app): State<AppState>,
    Extension(who): Extension<Who>,
    Path(name): Path<String>,
    body: Bytes,
) -> Result<Response, ApiError> {
    let budget = Budget::parse(text(&body)?)?;
    if budget.name() != name {
        let text =
            format!("the budget's name is {:?} and the path's {name:?}; make them the same", budget.name());
        return Err(ApiError::bad_data(text));
    }
    let (count, present) =
        app.cluster.read(|s| (s.values(BUDGETS).count(), s.value(BUDGETS, &name).is_some()));
    if !present && count >= MOST_BUDGETS {
        return Err(ApiError::conflict(format!("there are {MOST_BUDGETS} budgets already; remove some")));
    }
    change(&app, &who, BUDGETS, &name, Some(budget.text().into_bytes())).await?;
    Ok(json::success(budget_json(&budget), &[]))
}

async fn remove_budget(
    State(app): State<AppState>,
    Extension(who): Extension<Who>,
    Path(name): Path<String>,
) -> Result<Response, ApiError> {
    if app.cluster.read(|s| s.value(BUDGETS, &name).is_none()) {
        return Err(ApiError::not_found(format!("there is no budget {name:?}")));
    }
    change(&app, &who, BUDGETS, &name, None).await?;
    Ok(json::success(json!({"name": name}), &[]))
}

fn text(body: &[u8]) -> Result<&str, ApiError> {
    std::str::from_utf8(body).map_err(|_| ApiError::bad_data("the body must be TOML in UTF-8"))
}

async fn change(
    app: &AppState,
    who: &Who,
    namespace: &str,
    key: &str,
    value: Option<Vec<u8>>,
) -> Result<(), ApiError> {
    let action = Action::Put { namespace: namespace.to_owned(), key: key.to_owned(), value, seen: None };
    app.cluster.change(&who.author(), action).await?;
    tracing::info!(namespace, key, by = who.author(), "a document of agent telemetry was changed");
    Ok(())
}

impl From<Fault> for ApiError {
    fn from(fault: Fault) -> Self {
        Self::bad_data(fault.to_string())
    }
}

impl From<agents::Error> for ApiError {
    fn from(e: agents::Error) -> Self {
        match e {
            agents::Error::Query(e) => e.into(),
            agents::Error::Write(e) => e.into(),
            agents::Error::Document(fault) => fault.into(),
            e @ agents::Error::Refused { .. } => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", e.to_string())
            }
            agents::Error::Asked(text) => Self::bad_data(text),
        }
    }
}
