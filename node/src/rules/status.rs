//! How groups are doing, in the shape in which Prometheus' API tells it.

use super::Spec;
use plimsoll_model::{Labels, Timestamp};
use plimsoll_promql::format_time;
use plimsoll_rules::alert::{Alert, Stage};
use plimsoll_rules::rule::{Kind, Rule};
use serde_json::{Map, Value, json};

/// How a group is doing on the node that evaluates it.
#[derive(Clone, Debug, Default)]
pub struct GroupStatus {
    /// When it was evaluated last; 0 for never.
    pub evaluated_at: Timestamp,
    /// How long that took.
    pub seconds: f64,
    /// Evaluations that were left out since this node evaluates it.
    pub missed: u64,
    /// Its rules, in order.
    pub rules: Vec<RuleStatus>,
}

/// How a rule is doing.
#[derive(Clone, Debug, Default)]
pub struct RuleStatus {
    /// When it was evaluated last; 0 for never.
    pub evaluated_at: Timestamp,
    /// How long that took.
    pub seconds: f64,
    /// Why the last evaluation failed.
    pub error: Option<String>,
    /// Series or alerts of the last evaluation.
    pub series: usize,
    /// Alerts that are pending or fire.
    pub alerts: Vec<Alert>,
}

/// A time as the API writes it.
pub fn time(ms: Timestamp) -> String {
    let whole = format_time(ms.div_euclid(1000) * 1000);
    match ms.rem_euclid(1000) {
        0 => whole,
        n => format!("{}.{n:03}Z", whole.trim_end_matches('Z')),
    }
}

/// When nothing has happened yet.
const NEVER: &str = "0001-01-01T00:00:00Z";

fn since(ms: Timestamp) -> String {
    if ms == 0 { NEVER.to_owned() } else { time(ms) }
}

/// Labels as an object.
pub fn object(labels: &Labels) -> Value {
    Value::Object(labels.iter().map(|(n, v)| (n.to_owned(), Value::from(v))).collect())
}

/// Go's format `e`: `1.5e+00`.
fn scientific(v: f64) -> String {
    if !v.is_finite() {
        return plimsoll_promql::format_float(v);
    }
    let text = format!("{v:e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    format!("{mantissa}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs())
}

/// An alert as `/api/v1/alerts` tells it.
pub fn alert_json(alert: &Alert) -> Value {
    let mut out = json!({
        "labels": object(&alert.labels),
        "annotations": alert.annotations,
        "state": alert.stage.name(),
        "activeAt": time(alert.active_at),
        "value": scientific(alert.value),
    });
    if alert.kept_since != 0 {
        out["keepFiringSince"] = time(alert.kept_since).into();
    }
    out
}

fn rule_json(rule: &Rule, status: Option<&RuleStatus>) -> Value {
    let mut out = Map::new();
    let mut set = |key: &str, value: Value| drop(out.insert(key.to_owned(), value));
    set("name", rule.name().into());
    set("query", rule.expr.trim().into());
    set("labels", json!(rule.labels));
    set("type", rule.kind_name().into());
    let health = match status {
        Some(RuleStatus { error: Some(_), .. }) => "err",
        Some(status) if status.evaluated_at != 0 => "ok",
        _ => "unknown",
    };
    set("health", health.into());
    if let Some(error) = status.and_then(|s| s.error.as_ref()) {
        set("lastError", error.as_str().into());
    }
    set("evaluationTime", status.map_or(0.0, |s| s.seconds).into());
    set("lastEvaluation", since(status.map_or(0, |s| s.evaluated_at)).into());
    if let Kind::Alerting(alerting) = &rule.kind {
        let alerts = status.map_or(&[][..], |s| &s.alerts);
        let worst = |stage: Stage| alerts.iter().any(|a| a.stage == stage);
        let state = match (worst(Stage::Firing), worst(Stage::Pending)) {
            (true, _) => "firing",
            (_, true) => "pending",
            _ => "inactive",
        };
        set("state", state.into());
        set("duration", (alerting.for_ms as f64 / 1000.0).into());
        set("keepFiringFor", (alerting.keep_firing_for_ms as f64 / 1000.0).into());
        set("cooldown", (alerting.cooldown_ms as f64 / 1000.0).into());
        set("annotations", json!(alerting.annotations));
        set("alerts", alerts.iter().map(alert_json).collect());
    }
    Value::Object(out)
}

/// A group as `/api/v1/rules` tells it.
pub fn group_json(spec: &Spec, interval_ms: i64, node: Option<u64>, status: Option<&GroupStatus>) -> Value {
    let rules = spec.group.rules.iter().enumerate();
    let rules: Vec<Value> =
        rules.map(|(at, rule)| rule_json(rule, status.and_then(|s| s.rules.get(at)))).collect();
    json!({
        "name": spec.group.name,
        "file": spec.file,
        "rules": rules,
        "interval": interval_ms as f64 / 1000.0,
        "limit": spec.group.limit,
        "evaluationTime": status.map_or(0.0, |s| s.seconds),
        "lastEvaluation": since(status.map_or(0, |s| s.evaluated_at)),
        "missedEvaluations": status.map_or(0, |s| s.missed),
        "node": node,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_values_are_written_as_prometheus_writes_them() {
        assert_eq!(time(1_700_000_000_120), "2023-11-14T22:13:20.120Z");
        assert_eq!(since(0), NEVER);
        let shown = [1.0, 0.00015, -1234.5, f64::INFINITY].map(scientific);
        assert_eq!(shown, ["1e+00", "1.5e-04", "-1.2345e+03", "+Inf"]);
    }
}
