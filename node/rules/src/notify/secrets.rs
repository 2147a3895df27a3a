//! Secrets of a configuration: hidden when it is shown, kept when it comes back with them hidden.

use serde_json::Value;

/// Stands for a secret that is not shown.
pub const SECRET: &str = "<secret>";

const KEYS: &[&str] = &[
    "api_url",
    "slack_api_url",
    "routing_key",
    "service_key",
    "auth_password",
    "smtp_auth_password",
    "credentials",
    "password",
];

/// Whether the value under `key` within `parent` is a secret.
fn is_secret(key: &str, parent: &str) -> bool {
    KEYS.contains(&key)
        || parent == "headers"
        || key == "url" && (parent == "webhook_configs" || parent == "heartbeat")
}

/// The configuration without its secrets.
pub fn mask(config: &Value) -> Value {
    masked(config, "")
}

fn masked(value: &Value, parent: &str) -> Value {
    match value {
        Value::Object(fields) => Value::Object(
            fields
                .iter()
                .map(|(key, value)| match value {
                    Value::String(_) if is_secret(key, parent) => (key.clone(), SECRET.into()),
                    value => (key.clone(), masked(value, key)),
                })
                .collect(),
        ),
        // what is in a list is named by the list
        Value::Array(items) => items.iter().map(|item| masked(item, parent)).collect(),
        other => other.clone(),
    }
}

/// `config` with its hidden secrets as they are in `before`. The path of one that is not there is the error.
pub fn fill(config: &mut Value, before: &Value) -> Result<(), String> {
    fill_at(config, Some(before), "")
}

fn fill_at(config: &mut Value, before: Option<&Value>, path: &str) -> Result<(), String> {
    match config {
        Value::Object(fields) => {
            for (key, value) in fields {
                fill_at(value, before.and_then(|b| b.get(key)), &format!("{path}.{key}"))?;
            }
        }
        Value::Array(items) => {
            for (at, item) in items.iter_mut().enumerate() {
                let named = item.get("name").cloned();
                let known = before.and_then(Value::as_array);
                let same = known.and_then(|all| match &named {
                    Some(name) => all.iter().find(|b| b.get("name") == Some(name)),
                    None => all.get(at),
                });
                fill_at(item, same, &format!("{path}[{at}]"))?;
            }
        }
        Value::String(text) if text == SECRET => match before {
            Some(Value::String(known)) => text.clone_from(known),
            _ => {
                return Err(format!(
                    "{} is {SECRET}, and there is none to keep: give it",
                    path.trim_start_matches('.')
                ));
            }
        },
        _ => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn secrets_are_hidden_and_kept() {
        let config = json!({
            "route": {"receiver": "a"},
            "receivers": [{"name": "a", "webhook_configs": [{"url": "http://x?token=1", "http_config": {"headers": {"X-Key": "k"}}}],
                           "pagerduty_configs": [{"routing_key": "r", "url": "https://events"}]}],
        });
        let shown = mask(&config);
        let text = shown.to_string();
        assert!(!text.contains("token=1") && !text.contains("\"k\"") && !text.contains("\"r\""), "{text}");
        assert!(text.contains("https://events"));
        let mut back = shown.clone();
        back["receivers"].as_array_mut().expect("receivers").insert(0, json!({"name": "new"}));
        fill(&mut back, &config).expect("all secrets are known");
        assert_eq!(back["receivers"][1], config["receivers"][0]);
        let mut unknown = json!({"receivers": [{"name": "b", "slack_configs": [{"api_url": SECRET}]}]});
        let said = fill(&mut unknown, &config).expect_err("there is none");
        assert!(said.contains("receivers[0].slack_configs[0].api_url"), "{said}");
    }
}
