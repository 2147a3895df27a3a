//! A blocking HTTP client for one server. Every status is an answer; only a broken connection is an error.

use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};

/// Longest wait for one answer: longer than the default time-out of a query.
const TIMEOUT: Duration = Duration::from_secs(150);

/// Talks to one server; clones share their connections.
#[derive(Clone)]
pub struct Http {
    agent: ureq::Agent,
    base: String,
    token: Option<String>,
}

/// What a server answered.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Header names in lower case, with their values.
    pub headers: Vec<(String, String)>,
    /// The body as it came, without any decompression.
    pub body: Vec<u8>,
}

/// Why there is no answer: the connection could not be made or broke.
pub type Broken = ureq::Error;

impl Answer {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; panics where it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|e| panic!("not JSON ({e}): {} {}", self.status, self.text()))
    }

    /// The value of a header, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

impl Http {
    /// A client of the server at `base`, such as `http://127.0.0.1:7777`.
    pub fn new(base: impl Into<String>) -> Self {
        Self { agent: settings().build().into(), base: base.into(), token: None }
    }

    /// A client that waits so long for an answer at most.
    pub fn with_timeout(base: impl Into<String>, timeout: Duration) -> Self {
        let agent = settings().timeout_global(Some(timeout)).build().into();
        Self { agent, base: base.into(), token: None }
    }

    /// A client of the server at `base`, such as `https://127.0.0.1:7777`, which believes `ca_pem` and no other CA.
    pub fn secure(base: impl Into<String>, ca_pem: &str) -> Self {
        let ca = Certificate::from_pem(ca_pem.as_bytes()).expect("a certificate of a test");
        // ring is named: where another library brings a second provider, rustls would choose none
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = TlsConfig::builder()
            .provider(TlsProvider::Rustls)
            .unversioned_rustls_crypto_provider(provider)
            .root_certs(RootCerts::new_with_certs(&[ca]))
            .build();
        Self { agent: settings().tls_config(tls).build().into(), base: base.into(), token: None }
    }

    /// The same client with a token in every request.
    pub fn with_token(&self, token: &str) -> Self {
        Self { token: Some(format!("Bearer {token}")), ..self.clone() }
    }

    /// Where the server is.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// `GET path?parameters`.
    pub fn get(&self, path: &str, parameters: &[(&str, &str)]) -> Result<Answer, Broken> {
        self.get_with(path, parameters, &[])
    }

    /// `GET path?parameters` with headers.
    pub fn get_with(
        &self,
        path: &str,
        parameters: &[(&str, &str)],
        headers: &[(&str, &str)],
    ) -> Result<Answer, Broken> {
        let mut request = self.agent.get(format!("{}{path}", self.base));
        for (name, value) in headers.iter().copied().chain(self.credentials()) {
            request = request.header(name, value);
        }
        finish(request.query_pairs(parameters.iter().copied()).call()?)
    }

    /// `POST path` with a form in the body.
    pub fn post_form(&self, path: &str, parameters: &[(&str, &str)]) -> Result<Answer, Broken> {
        let mut request = self.agent.post(format!("{}{path}", self.base));
        if let Some((name, value)) = self.credentials() {
            request = request.header(name, value);
        }
        finish(request.send_form(parameters.iter().copied())?)
    }

    /// `POST path` with any body.
    pub fn post(&self, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<Answer, Broken> {
        let mut request = self.agent.post(format!("{}{path}", self.base));
        for (name, value) in headers.iter().copied().chain(self.credentials()) {
            request = request.header(name, value);
        }
        finish(request.send(body)?)
    }

    /// `PUT path` with any body.
    pub fn put(&self, path: &str, body: &[u8]) -> Result<Answer, Broken> {
        let mut request = self.agent.put(format!("{}{path}", self.base));
        if let Some((name, value)) = self.credentials() {
            request = request.header(name, value);
        }
        finish(request.send(body)?)
    }

    /// `DELETE path`.
    pub fn delete(&self, path: &str) -> Result<Answer, Broken> {
        let mut request = self.agent.delete(format!("{}{path}", self.base));
        if let Some((name, value)) = self.credentials() {
            request = request.header(name, value);
        }
        finish(request.call()?)
    }

    fn credentials(&self) -> Option<(&'static str, &str)> {
        Some(("Authorization", self.token.as_deref()?))
    }

    /// The `data` of a call of the Prometheus API; panics unless it succeeds.
    pub fn data(&self, path: &str, parameters: &[(&str, &str)]) -> Value {
        let answer = self.get(path, parameters).unwrap_or_else(|e| panic!("{path} {parameters:?}: {e}"));
        assert_eq!(answer.status, 200, "{path} {parameters:?}: {}", answer.text());
        let mut json = answer.json();
        assert_eq!(json["status"], "success", "{path} {parameters:?}: {json}");
        json["data"].take()
    }
}

fn settings() -> ureq::config::ConfigBuilder<ureq::typestate::AgentScope> {
    ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(TIMEOUT)).proxy(None)
}

fn finish(response: ureq::http::Response<ureq::Body>) -> Result<Answer, Broken> {
    let (parts, mut body) = response.into_parts();
    let headers = parts
        .headers
        .iter()
        .map(|(name, value)| {
            (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        })
        .collect();
    // The servers are ours or a peer's on this machine, and raw samples of a benchmark are many.
    let body = body.with_config().limit(1 << 32).read_to_vec()?;
    Ok(Answer { status: parts.status.as_u16(), headers, body })
}
