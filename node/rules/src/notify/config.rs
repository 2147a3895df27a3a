//! Routes and receivers: the part of Alertmanager's configuration that is used here, and receivers of our own
//! (`alertmanager_configs`, `exec_configs`, `log_configs`, `heartbeat`). What is not known is refused.
//! Format: <https://prometheus.io/docs/alerting/latest/configuration/>.

use super::route::Route;
use crate::file::{Error, read_yaml};
use plimsoll_promql::parse_duration;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Receivers of a configuration.
const RECEIVERS: usize = 1000;

/// A configuration, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// The route that every alert begins with.
    pub root: Route,
    /// Receivers by name.
    pub receivers: BTreeMap<String, Vec<Channel>>,
    /// Somebody who wants to hear that alerts still work.
    pub heartbeat: Option<Heartbeat>,
}

/// One way to tell a receiver.
#[derive(Clone, Debug, PartialEq)]
pub struct Channel {
    /// Receiver, kind and number: `ops/webhook/0`.
    pub key: String,
    /// Whether it wants to hear that alerts are over.
    pub send_resolved: bool,
    /// How it is told.
    pub kind: ChannelKind,
}

/// The kinds of channels.
#[derive(Clone, Debug, PartialEq)]
pub enum ChannelKind {
    /// Alertmanager's webhook message.
    Webhook(Webhook),
    /// Slack's incoming webhook.
    Slack(Slack),
    /// PagerDuty's events API, version 2.
    PagerDuty(PagerDuty),
    /// E-mail by SMTP.
    Email(Box<Email>),
    /// Alertmanager's API, version 2: alerts are forwarded as they are.
    Alertmanager(AlertmanagerTarget),
    /// The program in the node's own settings.
    Exec,
    /// A line in the node's log.
    Log,
}

impl ChannelKind {
    /// The word for it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Webhook(_) => "webhook",
            Self::Slack(_) => "slack",
            Self::PagerDuty(_) => "pagerduty",
            Self::Email(_) => "email",
            Self::Alertmanager(_) => "alertmanager",
            Self::Exec => "exec",
            Self::Log => "log",
        }
    }
}

/// Who wants to hear regularly that alerts still work, and complains when it is silent.
#[derive(Clone, Debug, PartialEq)]
pub struct Heartbeat {
    /// Asked by POST.
    pub url: String,
    /// How often.
    pub interval_ms: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawConfig {
    #[serde(default)]
    global: Global,
    route: RawRoute,
    receivers: Vec<RawReceiver>,
    heartbeat: Option<RawHeartbeat>,
}

#[derive(Clone, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Global {
    slack_api_url: Option<String>,
    pagerduty_url: Option<String>,
    smtp_smarthost: Option<String>,
    smtp_from: Option<String>,
    smtp_hello: Option<String>,
    smtp_auth_username: Option<String>,
    smtp_auth_password: Option<String>,
    smtp_require_tls: Option<bool>,
    /// Alerts bring their end with them here; taken and not used.
    #[allow(dead_code)]
    resolve_timeout: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawHeartbeat {
    url: String,
    interval: Option<String>,
}

/// A route as it is written.
#[derive(Clone, Debug, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub struct RawRoute {
    pub(super) receiver: Option<String>,
    pub(super) group_by: Option<Vec<String>>,
    pub(super) group_wait: Option<String>,
    pub(super) group_interval: Option<String>,
    pub(super) repeat_interval: Option<String>,
    pub(super) matchers: Option<Vec<String>>,
    #[serde(rename = "match")]
    pub(super) equal: Option<BTreeMap<String, String>>,
    #[serde(rename = "match_re")]
    pub(super) regex: Option<BTreeMap<String, String>>,
    #[serde(rename = "continue")]
    pub(super) goes_on: bool,
    pub(super) routes: Option<Vec<RawRoute>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct RawReceiver {
    name: String,
    webhook_configs: Vec<RawWebhook>,
    slack_configs: Vec<RawSlack>,
    pagerduty_configs: Vec<RawPagerDuty>,
    email_configs: Vec<RawEmail>,
    alertmanager_configs: Vec<RawAlertmanager>,
    exec_configs: Vec<RawPlain>,
    log_configs: Vec<RawPlain>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct RawPlain {
    send_resolved: Option<bool>,
}

/// How a request shows who sends it.
#[derive(Clone, Debug, PartialEq, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub struct HttpAuth {
    /// `Authorization: type credentials`.
    pub authorization: Option<Authorization>,
    /// User and password.
    pub basic_auth: Option<BasicAuth>,
    /// Further headers.
    pub headers: BTreeMap<String, String>,
}

/// A header of a type and a secret.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Authorization {
    /// `Bearer` where it is not given.
    #[serde(rename = "type", default = "bearer")]
    pub kind: String,
    /// The secret.
    pub credentials: String,
}

fn bearer() -> String {
    "Bearer".to_owned()
}

/// User and password.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BasicAuth {
    /// The user.
    pub username: String,
    /// The password.
    pub password: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawWebhook {
    url: String,
    send_resolved: Option<bool>,
    #[serde(default)]
    max_alerts: usize,
    #[serde(default)]
    http_config: HttpAuth,
}

/// A webhook.
#[derive(Clone, Debug, PartialEq)]
pub struct Webhook {
    /// Where.
    pub url: String,
    /// Alerts in a message; 0 for all.
    pub max_alerts: usize,
    /// Who sends it.
    pub auth: HttpAuth,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSlack {
    api_url: Option<String>,
    channel: Option<String>,
    username: Option<String>,
    icon_emoji: Option<String>,
    title: Option<String>,
    text: Option<String>,
    send_resolved: Option<bool>,
}

/// A channel of Slack.
#[derive(Clone, Debug, PartialEq)]
pub struct Slack {
    /// The incoming webhook.
    pub url: String,
    /// Where it is shown; as the webhook says where it is not given.
    pub channel: Option<String>,
    /// Under which name.
    pub username: Option<String>,
    /// With which picture.
    pub icon_emoji: Option<String>,
    /// Template of the title.
    pub title: Option<String>,
    /// Template of the text.
    pub text: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPagerDuty {
    routing_key: Option<String>,
    service_key: Option<String>,
    url: Option<String>,
    description: Option<String>,
    severity: Option<String>,
    client: Option<String>,
    client_url: Option<String>,
    #[serde(default)]
    details: BTreeMap<String, String>,
    send_resolved: Option<bool>,
}

/// A service of PagerDuty.
#[derive(Clone, Debug, PartialEq)]
pub struct PagerDuty {
    /// The key of its integration.
    pub routing_key: String,
    /// Where events go.
    pub url: String,
    /// Template of the summary.
    pub description: Option<String>,
    /// Template of the severity: `critical`, `error`, `warning` or `info`.
    pub severity: Option<String>,
    /// Who sends.
    pub client: Option<String>,
    /// Where to look.
    pub client_url: Option<String>,
    /// Templates of further details.
    pub details: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEmail {
    to: String,
    from: Option<String>,
    smarthost: Option<String>,
    hello: Option<String>,
    auth_username: Option<String>,
    auth_password: Option<String>,
    require_tls: Option<bool>,
    subject: Option<String>,
    text: Option<String>,
    send_resolved: Option<bool>,
}

/// A mailbox.
#[derive(Clone, Debug, PartialEq)]
pub struct Email {
    /// Whom, several with commas.
    pub to: String,
    /// From whom.
    pub from: String,
    /// Host and port of the server.
    pub smarthost: String,
    /// The name that this side gives.
    pub hello: Option<String>,
    /// User and password at the server.
    pub auth: Option<(String, String)>,
    /// Whether it is an error when the server does not speak TLS.
    pub require_tls: bool,
    /// Template of the subject.
    pub subject: Option<String>,
    /// Template of the text.
    pub text: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAlertmanager {
    url: String,
    send_resolved: Option<bool>,
    #[serde(default)]
    http_config: HttpAuth,
}

/// An Alertmanager.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertmanagerTarget {
    /// Without the path of the API.
    pub url: String,
    /// Who sends it.
    pub auth: HttpAuth,
}

impl Config {
    /// Reads and checks a configuration.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let raw: RawConfig = read_yaml(text)?;
        if raw.receivers.len() > RECEIVERS {
            return Err(Error::whole(format!("more than {RECEIVERS} receivers")));
        }
        let mut receivers = BTreeMap::new();
        for receiver in raw.receivers {
            let name = receiver.name.clone();
            let bad = |text: String| Error::whole(format!("receiver {name:?}: {text}"));
            if name.is_empty() {
                return Err(bad("has no name".to_owned()));
            }
            let channels = channels(receiver, &raw.global).map_err(bad)?;
            if receivers.insert(name.clone(), channels).is_some() {
                return Err(bad("is there twice".to_owned()));
            }
        }
        let names: Vec<&str> = receivers.keys().map(String::as_str).collect();
        let root = Route::new(&raw.route, &names)?;
        let heartbeat = raw.heartbeat.map(|h| {
            let text = h.interval.unwrap_or_else(|| "1m".to_owned());
            let bad = || Error::whole(format!("heartbeat: interval must be at least 1s, not {text:?}"));
            let interval_ms = parse_duration(&text).filter(|ms| *ms >= 1000).ok_or_else(bad)?;
            check_url(&h.url).map_err(|e| Error::whole(format!("heartbeat: {e}")))?;
            Ok::<_, Error>(Heartbeat { url: h.url, interval_ms })
        });
        Ok(Self { root, receivers, heartbeat: heartbeat.transpose()? })
    }

    /// YAML or JSON as JSON, checked, with the secrets that it hides taken from `before`.
    pub fn to_json(text: &str, before: Option<&serde_json::Value>) -> Result<serde_json::Value, Error> {
        let mut value: serde_json::Value = read_yaml(text)?;
        super::fill(&mut value, before.unwrap_or(&serde_json::Value::Null)).map_err(Error::whole)?;
        Self::parse(&value.to_string())?;
        Ok(value)
    }

    /// The channel of this key.
    pub fn channel(&self, key: &str) -> Option<&Channel> {
        self.receivers.values().flatten().find(|channel| channel.key == key)
    }
}

fn check_url(url: &str) -> Result<(), String> {
    let host = url.strip_prefix("http://").or(url.strip_prefix("https://")).unwrap_or_default();
    if host.is_empty() || host.starts_with('/') || url.contains(char::is_whitespace) {
        return Err("a url begins with http:// or https:// and names a host".to_owned());
    }
    Ok(())
}

/// A template of a message is tried when it is read.
fn check_template(text: &Option<String>) -> Result<(), String> {
    let read = text.as_ref().map(|t| crate::template::Template::with_variables(t, &[]));
    read.transpose().map(drop).map_err(|e| format!("a template cannot be read: {e}"))
}

fn channels(raw: RawReceiver, global: &Global) -> Result<Vec<Channel>, String> {
    let mut out: Vec<Channel> = Vec::new();
    let name = raw.name;
    let mut add = |kind: ChannelKind, resolved: Option<bool>, by_default: bool| {
        let before = out.iter().filter(|c| c.kind.name() == kind.name()).count();
        let key = format!("{name}/{}/{before}", kind.name());
        out.push(Channel { key, send_resolved: resolved.unwrap_or(by_default), kind });
    };
    for w in raw.webhook_configs {
        check_url(&w.url)?;
        let kind = Webhook { url: w.url, max_alerts: w.max_alerts, auth: w.http_config };
        add(ChannelKind::Webhook(kind), w.send_resolved, true);
    }
    for s in raw.slack_configs {
        let url = s.api_url.or(global.slack_api_url.clone()).ok_or("slack: no api_url is given")?;
        check_url(&url)?;
        check_template(&s.title)?;
        check_template(&s.text)?;
        let RawSlack { channel, username, icon_emoji, title, text, send_resolved, .. } = s;
        add(
            ChannelKind::Slack(Slack { url, channel, username, icon_emoji, title, text }),
            send_resolved,
            false,
        );
    }
    for p in raw.pagerduty_configs {
        let url = p.url.or(global.pagerduty_url.clone());
        let url = url.unwrap_or_else(|| "https://events.pagerduty.com/v2/enqueue".to_owned());
        check_url(&url)?;
        let routing_key = p.routing_key.or(p.service_key).ok_or("pagerduty: no routing_key is given")?;
        check_template(&p.description)?;
        check_template(&p.severity)?;
        let RawPagerDuty { description, severity, client, client_url, details, send_resolved, .. } = p;
        let kind = PagerDuty { routing_key, url, description, severity, client, client_url, details };
        add(ChannelKind::PagerDuty(kind), send_resolved, true);
    }
    for e in raw.email_configs {
        let resolved = e.send_resolved;
        add(ChannelKind::Email(Box::new(email(e, global)?)), resolved, false);
    }
    for a in raw.alertmanager_configs {
        check_url(&a.url)?;
        let kind = AlertmanagerTarget { url: a.url.trim_end_matches('/').to_owned(), auth: a.http_config };
        add(ChannelKind::Alertmanager(kind), a.send_resolved, true);
    }
    raw.exec_configs.into_iter().for_each(|e| add(ChannelKind::Exec, e.send_resolved, true));
    raw.log_configs.into_iter().for_each(|l| add(ChannelKind::Log, l.send_resolved, true));
    Ok(out)
}

fn email(raw: RawEmail, global: &Global) -> Result<Email, String> {
    check_template(&raw.subject)?;
    check_template(&raw.text)?;
    let smarthost = raw.smarthost.or(global.smtp_smarthost.clone()).ok_or("email: no smarthost is given")?;
    if smarthost.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok()).is_none() {
        return Err(format!("email: the smarthost is HOST:PORT, not {smarthost:?}"));
    }
    let user = raw.auth_username.or(global.smtp_auth_username.clone());
    let password = raw.auth_password.or(global.smtp_auth_password.clone());
    Ok(Email {
        to: raw.to,
        from: raw.from.or(global.smtp_from.clone()).ok_or("email: no from is given")?,
        smarthost,
        hello: raw.hello.or(global.smtp_hello.clone()),
        auth: user.zip(password),
        require_tls: raw.require_tls.or(global.smtp_require_tls).unwrap_or(true),
        subject: raw.subject,
        text: raw.text,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
global: {smtp_smarthost: "mail:25", smtp_from: "a@example.com"}
route: {receiver: ops, group_by: [alertname], group_wait: 10s}
heartbeat: {url: "http://example.com/ping", interval: 30s}
receivers:
- name: ops
  webhook_configs:
  - {url: "http://h/1"}
  - {url: "http://h/2", send_resolved: false, http_config: {authorization: {credentials: x}}}
  slack_configs: [{api_url: "https://hooks.example.com/x", channel: "ops", title: "{{ .CommonLabels.alertname }}"}]
  pagerduty_configs: [{routing_key: k}]
  email_configs: [{to: "b@example.com"}]
  alertmanager_configs: [{url: "http://am:9093/"}]
  exec_configs: [{}]
  log_configs: [{}]
"#;

    #[test]
    fn a_configuration_names_its_channels() {
        let config = Config::parse(GOOD).expect("a good configuration");
        let channels = &config.receivers["ops"];
        let keys: Vec<(&str, bool)> = channels.iter().map(|c| (c.key.as_str(), c.send_resolved)).collect();
        let wanted = [
            ("ops/webhook/0", true),
            ("ops/webhook/1", false),
            ("ops/slack/0", false),
            ("ops/pagerduty/0", true),
            ("ops/email/0", false),
            ("ops/alertmanager/0", true),
            ("ops/exec/0", true),
            ("ops/log/0", true),
        ];
        assert_eq!(keys, wanted);
        assert_eq!(config.heartbeat.map(|h| h.interval_ms), Some(30_000));
        assert_eq!(config.root.group_wait_ms, 10_000);
    }

    #[test]
    fn what_cannot_work_is_refused() {
        let one = |receiver: &str| format!("route: {{receiver: a}}\nreceivers:\n- {{name: a, {receiver}}}");
        let bad = [
            one("webhook_configs: [{url: 'ftp://x'}]"),
            one("webhook_configs: [{url: 'http://x', nonsense: 1}]"),
            one("slack_configs: [{channel: x}]"),
            one("email_configs: [{to: x}]"),
            one("email_configs: [{to: x, from: y, smarthost: mail}]"),
            one("pagerduty_configs: [{}]"),
            one("exec_configs: [{command: [rm]}]"),
            one("slack_configs: [{api_url: 'http://x', text: '{{ if }}'}]"),
            "route: {receiver: b}\nreceivers: [{name: a}]".to_owned(),
            "route: {receiver: a, group_wait: soon}\nreceivers: [{name: a}]".to_owned(),
            "route: {receiver: a}\nreceivers: [{name: a}, {name: a}]".to_owned(),
            "route: {receiver: a}\nreceivers: [{name: a}]\ninhibit_rules: []".to_owned(),
        ];
        for text in bad {
            assert!(Config::parse(&text).is_err(), "{text}");
        }
    }
}
