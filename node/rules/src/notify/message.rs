//! The body of a message to each kind of receiver.

use super::config::{Email, PagerDuty, Slack, Webhook};
use super::dispatch::{Job, shown_fingerprint};
use super::told::Told;
use crate::template::{Data, Value as Field, expand};
use plimsoll_model::Timestamp;
use plimsoll_promql::format_time;
use serde_json::{Value, json};
use std::collections::BTreeMap;

type Texts = BTreeMap<String, String>;

/// A time of RFC 3339 with milliseconds.
pub fn time(ms: Timestamp) -> String {
    let whole = format_time(ms.div_euclid(1000) * 1000);
    format!("{}.{:03}Z", whole.trim_end_matches('Z'), ms.rem_euclid(1000))
}

fn status(over: bool) -> &'static str {
    if over { "resolved" } else { "firing" }
}

/// `resolved` when all alerts of a message are over.
fn job_status(job: &Job) -> &'static str {
    status(job.alerts.iter().all(|told| told.is_over(job.at)))
}

/// What all have in common.
fn common<'a>(mut all: impl Iterator<Item = &'a Texts>) -> Texts {
    let Some(first) = all.next() else { return Texts::new() };
    let mut out = first.clone();
    for other in all {
        out.retain(|name, value| other.get(name) == Some(value));
    }
    out
}

fn end_of(told: &Told, at: Timestamp) -> String {
    // an alert that fires has no end yet, which is written like this
    if told.is_over(at) { time(told.ends_at) } else { "0001-01-01T00:00:00Z".to_owned() }
}

/// Alertmanager's webhook message, version 4.
pub fn webhook(job: &Job, target: Option<&Webhook>, external_url: &str) -> Value {
    let most = target.map_or(0, |t| t.max_alerts);
    let shown = if most == 0 { job.alerts.len() } else { most.min(job.alerts.len()) };
    let alerts: Vec<Value> = job.alerts[..shown]
        .iter()
        .map(|told| {
            json!({
                "status": status(told.is_over(job.at)),
                "labels": told.labels,
                "annotations": told.annotations,
                "startsAt": time(told.starts_at),
                "endsAt": end_of(told, job.at),
                "generatorURL": told.generator_url,
                "fingerprint": shown_fingerprint(&told.labels),
            })
        })
        .collect();
    json!({
        "version": "4",
        "groupKey": job.group_key,
        "truncatedAlerts": job.alerts.len() - shown,
        "status": job_status(job),
        "receiver": job.receiver,
        "groupLabels": job.group_labels,
        "commonLabels": common(job.alerts.iter().map(|t| &t.labels)),
        "commonAnnotations": common(job.alerts.iter().map(|t| &t.annotations)),
        "externalURL": external_url,
        "alerts": alerts,
    })
}

/// Alerts as Alertmanager's API, version 2, takes them.
pub fn alertmanager(alerts: &[Told]) -> Value {
    let one = |told: &Told| {
        json!({
            "labels": told.labels,
            "annotations": told.annotations,
            "startsAt": time(told.starts_at),
            "endsAt": time(told.ends_at),
            "generatorURL": told.generator_url,
        })
    };
    alerts.iter().map(one).collect()
}

/// What templates of messages see: the fields that Alertmanager gives.
fn data(job: &Job, external_url: &str) -> Data {
    let alert = |told: &Told| {
        let fields = [
            ("Status", Field::Text(status(told.is_over(job.at)).to_owned())),
            ("Labels", Field::Labels(told.labels.clone())),
            ("Annotations", Field::Labels(told.annotations.clone())),
            ("StartsAt", Field::Time(told.starts_at)),
            ("EndsAt", Field::Time(told.ends_at)),
            ("GeneratorURL", Field::Text(told.generator_url.clone())),
            ("Fingerprint", Field::Text(shown_fingerprint(&told.labels))),
        ];
        Field::Object(fields.map(|(n, v)| (n.to_owned(), v)).into())
    };
    let root = [
        ("Receiver", Field::Text(job.receiver.clone())),
        ("Status", Field::Text(job_status(job).to_owned())),
        ("Alerts", Field::List(job.alerts.iter().map(alert).collect())),
        ("GroupLabels", Field::Labels(job.group_labels.clone())),
        ("CommonLabels", Field::Labels(common(job.alerts.iter().map(|t| &t.labels)))),
        ("CommonAnnotations", Field::Labels(common(job.alerts.iter().map(|t| &t.annotations)))),
        ("ExternalURL", Field::Text(external_url.to_owned())),
    ];
    Data {
        root: root.map(|(n, v)| (n.to_owned(), v)).into(),
        variables: BTreeMap::new(),
        external_url: external_url.to_owned(),
        now_ms: job.at,
    }
}

/// The text of a template, or of the default one; a template that fails says so in its place.
fn text(template: Option<&String>, default: &str, data: &Data) -> String {
    let source = template.map_or(default, String::as_str);
    expand(source, data).unwrap_or_else(|e| format!("<error expanding template: {e}>"))
}

const TITLE: &str = "[{{ .Status | toUpper }}{{ if eq .Status \"firing\" }}:{{ len .Alerts.Firing }}{{ end }}] \
    {{ range $name, $value := .GroupLabels }}{{ $value }} {{ end }}{{ if not .GroupLabels }}{{ .CommonLabels.alertname }} {{ end }}({{ .Receiver }})";
const BODY: &str = "{{ range .Alerts }}{{ if eq .Status \"resolved\" }}over: {{ end }}\
    {{ if .Annotations.summary }}{{ .Annotations.summary }}{{ else }}{{ .Labels.alertname }}{{ end }}\n\
    {{ if .Annotations.description }}{{ .Annotations.description }}\n{{ end }}\
    {{ range $name, $value := .Labels }}  {{ $name }} = {{ $value }}\n{{ end }}  since {{ .StartsAt }}\n  {{ .GeneratorURL }}\n\n{{ end }}";
const LINES: &str = "{{ range .Alerts }}{{ if eq .Status \"resolved\" }}over: {{ end }}\
    {{ if .Annotations.summary }}{{ .Annotations.summary }}{{ else }}{{ .Labels.alertname }}{{ end }}\n{{ end }}";

/// The body for Slack's incoming webhook.
pub fn slack(job: &Job, slack: &Slack, external_url: &str) -> Value {
    let data = data(job, external_url);
    let title = text(slack.title.as_ref(), TITLE, &data);
    let mut out = json!({
        "attachments": [{
            "fallback": title,
            "title": title,
            "title_link": format!("{external_url}/alerts"),
            "text": text(slack.text.as_ref(), LINES, &data),
            "color": if job_status(job) == "firing" { "danger" } else { "good" },
            "mrkdwn_in": ["fallback", "pretext", "text"],
        }],
    });
    for (key, value) in
        [("channel", &slack.channel), ("username", &slack.username), ("icon_emoji", &slack.icon_emoji)]
    {
        if let Some(value) = value {
            out[key] = value.as_str().into();
        }
    }
    out
}

/// An event of PagerDuty, version 2.
pub fn pagerduty(job: &Job, target: &PagerDuty, external_url: &str) -> Value {
    let data = data(job, external_url);
    let dedup_key = format!("{:016x}", job.group_hash());
    let action = if job_status(job) == "firing" { "trigger" } else { "resolve" };
    let mut out = json!({
        "routing_key": target.routing_key,
        "dedup_key": dedup_key,
        "event_action": action,
    });
    if action == "resolve" {
        return out;
    }
    let severity = text(target.severity.as_ref(), "{{ .CommonLabels.severity }}", &data);
    let severity = match severity.as_str() {
        "critical" | "error" | "warning" | "info" => severity.as_str(),
        "page" => "critical",
        "warn" => "warning",
        _ => "error",
    };
    let summary: String = text(target.description.as_ref(), TITLE, &data).chars().take(1024).collect();
    let mut details: Texts =
        target.details.iter().map(|(n, t)| (n.clone(), text(Some(t), "", &data))).collect();
    details.entry("firing".to_owned()).or_insert_with(|| text(None, BODY, &data));
    let source = if external_url.is_empty() { "plimsoll" } else { external_url };
    out["payload"] =
        json!({"summary": summary, "source": source, "severity": severity, "custom_details": details});
    out["client"] = target.client.as_deref().unwrap_or("Plimsoll").into();
    out["client_url"] = target.client_url.as_deref().unwrap_or(external_url).into();
    out
}

/// Subject and text of a mail.
pub fn email(job: &Job, target: &Email, external_url: &str) -> (String, String) {
    let data = data(job, external_url);
    let subject = text(target.subject.as_ref(), TITLE, &data);
    // a line's end in a header would begin another header
    (subject.replace(['\r', '\n'], " "), text(target.text.as_ref(), BODY, &data))
}

/// A line for the node's log.
pub fn line(job: &Job) -> String {
    text(None, &format!("{TITLE} {{{{ range .Alerts }}}}{{{{ .Labels }}}} {{{{ end }}}}"), &data(job, ""))
}

#[cfg(test)]
mod tests {
    use super::super::{Config, Dispatcher};
    use super::*;
    use std::sync::Arc;

    fn job(over: bool) -> Job {
        let config = "route: {receiver: ops, group_by: [alertname], group_wait: 0s}\nreceivers: [{name: ops, webhook_configs: [{url: 'http://x', max_alerts: 1}]}]";
        let mut dispatcher = Dispatcher::new(Arc::new(Config::parse(config).expect("good")), 0);
        for x in ["a", "b"] {
            let labels = [("alertname", "Slow"), ("x", x), ("severity", "page")];
            let told = Told {
                labels: labels.map(|(n, v)| (n.to_owned(), v.to_owned())).into(),
                annotations: [("summary".to_owned(), format!("{x} is slow"))].into(),
                starts_at: 1_000,
                ends_at: 600_000,
                updated_at: 1_000,
                generator_url: "http://p/graph".to_owned(),
            };
            dispatcher.take(told, 1_000);
        }
        let mut job = dispatcher.due(10_000, |_| false).remove(0);
        if over {
            job.alerts.iter_mut().for_each(|t| t.ends_at = 9_000);
        }
        job
    }

    #[test]
    fn a_webhook_gets_what_alertmanager_would_send() {
        let (job, config) =
            (job(false), Webhook { url: String::new(), max_alerts: 1, auth: Default::default() });
        let body = webhook(&job, Some(&config), "http://p");
        assert_eq!(body["version"], "4");
        assert_eq!((body["status"].as_str(), body["truncatedAlerts"].as_u64()), (Some("firing"), Some(1)));
        assert_eq!(body["commonLabels"], json!({"alertname": "Slow", "severity": "page"}));
        assert_eq!(body["commonAnnotations"], json!({}));
        assert_eq!(body["groupLabels"], json!({"alertname": "Slow"}));
        assert_eq!(body["groupKey"], "{}:{alertname=\"Slow\"}");
        let alert = &body["alerts"][0];
        assert_eq!(
            (alert["startsAt"].as_str(), alert["endsAt"].as_str()),
            (Some("1970-01-01T00:00:01.000Z"), Some("0001-01-01T00:00:00Z"))
        );
        let over = webhook(&super::tests::job(true), None, "");
        assert_eq!(
            (over["status"].as_str(), over["alerts"][1]["endsAt"].as_str()),
            (Some("resolved"), Some("1970-01-01T00:00:09.000Z"))
        );
    }

    #[test]
    fn messages_for_people_say_what_is_wrong() {
        let target = |text: &str| Slack {
            url: String::new(),
            channel: Some("#ops".to_owned()),
            username: None,
            icon_emoji: None,
            title: None,
            text: Some(text.to_owned()),
        };
        let body = slack(
            &job(false),
            &target("{{ range .Alerts.Firing }}{{ .Labels.x }}{{ end }}{{ .Nope }}"),
            "http://p",
        );
        assert_eq!(body["channel"], "#ops");
        assert_eq!(body["attachments"][0]["title"], "[FIRING:2] Slow (ops)");
        assert!(
            body["attachments"][0]["text"]
                .as_str()
                .is_some_and(|t| t.starts_with("<error expanding template"))
        );
        assert_eq!(body["attachments"][0]["color"], "danger");
        let mail = Email {
            to: String::new(),
            from: String::new(),
            smarthost: String::new(),
            hello: None,
            auth: None,
            require_tls: true,
            subject: Some("a\r\nBcc: x".to_owned()),
            text: None,
        };
        let (subject, text) = email(&job(true), &mail, "http://p");
        assert_eq!(subject, "a  Bcc: x");
        assert!(
            text.contains("over: a is slow")
                && text.contains("  severity = page")
                && text.contains("http://p/graph"),
            "{text}"
        );
        assert!(line(&job(false)).starts_with("[FIRING:2] Slow (ops) map["));
    }

    #[test]
    fn pagerduty_opens_and_closes_the_same_incident() {
        let target = PagerDuty {
            routing_key: "k".to_owned(),
            url: String::new(),
            description: None,
            severity: None,
            client: None,
            client_url: None,
            details: Texts::new(),
        };
        let (open, close) =
            (pagerduty(&job(false), &target, "http://p"), pagerduty(&job(true), &target, "http://p"));
        assert_eq!(
            (open["event_action"].as_str(), close["event_action"].as_str()),
            (Some("trigger"), Some("resolve"))
        );
        assert_eq!(open["dedup_key"], close["dedup_key"]);
        assert_eq!(open["payload"]["severity"], "critical");
        assert_eq!(open["payload"]["summary"], "[FIRING:2] Slow (ops)");
    }
}
