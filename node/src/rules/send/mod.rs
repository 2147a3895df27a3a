//! A message to one receiver.

mod exec;
mod http;
mod mail;

use plimsoll_rules::notify::config::{Channel, ChannelKind, HttpAuth};
use plimsoll_rules::notify::{Job, Told, message};
use std::time::Duration;

/// How long one try may take.
const LIMIT: Duration = Duration::from_secs(10);

/// Why a message was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Failure {
    /// It may be taken later.
    #[error("{0}")]
    Again(String),
    /// It will not be taken, however often it is sent.
    #[error("{0}")]
    Never(String),
}

/// Sends messages. Holds connections.
pub(super) struct Sender {
    http: Result<http::Http, String>,
    exec: Vec<String>,
    external_url: String,
}

impl Sender {
    /// `exec` is the program of the node's settings.
    pub(super) fn new(exec: Vec<String>, external_url: String) -> Self {
        Self { http: http::Http::new(), exec, external_url: external_url.trim_end_matches('/').to_owned() }
    }

    fn http(&self) -> Result<&http::Http, Failure> {
        self.http.as_ref().map_err(|e| Failure::Again(e.clone()))
    }

    /// Sends the message of a job once.
    pub(super) async fn send(&self, job: &Job) -> Result<(), Failure> {
        let url = &self.external_url;
        let one_try = async {
            match &job.channel.kind {
                ChannelKind::Webhook(w) => {
                    self.http()?.post(&w.url, &w.auth, &message::webhook(job, Some(w), url)).await
                }
                ChannelKind::Slack(s) => {
                    self.http()?.post(&s.url, &HttpAuth::default(), &message::slack(job, s, url)).await
                }
                ChannelKind::PagerDuty(p) => {
                    self.http()?.post(&p.url, &HttpAuth::default(), &message::pagerduty(job, p, url)).await
                }
                ChannelKind::Email(mail) => {
                    let (subject, text) = message::email(job, mail, url);
                    mail::send(mail, &subject, text).await
                }
                ChannelKind::Alertmanager(_) => self.forward(&job.channel, &job.alerts).await,
                ChannelKind::Exec => {
                    exec::run(&self.exec, message::webhook(job, None, url).to_string().into_bytes()).await
                }
                ChannelKind::Log => {
                    tracing::warn!(receiver = job.receiver, "{}", message::line(job));
                    Ok(())
                }
            }
        };
        in_time(one_try).await
    }

    /// Hands alerts to an Alertmanager.
    pub(super) async fn forward(&self, channel: &Channel, alerts: &[Told]) -> Result<(), Failure> {
        let ChannelKind::Alertmanager(target) = &channel.kind else { return Ok(()) };
        let url = format!("{}/api/v2/alerts", target.url);
        in_time(async { self.http()?.post(&url, &target.auth, &message::alertmanager(alerts)).await }).await
    }

    /// Tells that alerts work.
    pub(super) async fn heartbeat(&self, url: &str) -> Result<(), Failure> {
        let body = serde_json::json!({"status": "ok"});
        in_time(async { self.http()?.post(url, &HttpAuth::default(), &body).await }).await
    }
}

async fn in_time(one_try: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let late = |_| Err(Failure::Again(format!("no answer within {LIMIT:?}")));
    tokio::time::timeout(LIMIT, one_try).await.unwrap_or_else(late)
}
