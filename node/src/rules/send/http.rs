use super::Failure;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue, USER_AGENT};
use hyper_rustls::{ConfigBuilderExt, HttpsConnector};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use plimsoll_rules::notify::config::HttpAuth;
use serde_json::Value;
use std::time::Duration;

/// Bytes of an answer that are looked at.
const ANSWER_BYTES: usize = 64 << 10;

/// Posts JSON over HTTP or HTTPS, with the certificates of this host.
pub(super) struct Http(Client<HttpsConnector<HttpConnector>, Full<Bytes>>);

impl Http {
    pub(super) fn new() -> Result<Self, String> {
        let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|e| format!("TLS cannot be set up: {e}"))?;
        // a host without certificates can still reach receivers over HTTP
        let config = match config.clone().with_native_roots() {
            Ok(config) => config.with_no_client_auth(),
            Err(_) => config.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth(),
        };
        let mut tcp = HttpConnector::new();
        tcp.set_connect_timeout(Some(Duration::from_secs(5)));
        tcp.enforce_http(false);
        let connector =
            hyper_rustls::HttpsConnectorBuilder::new().with_tls_config(config).https_or_http().enable_http1();
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(30))
            .build(connector.wrap_connector(tcp));
        Ok(Self(client))
    }

    /// Posts `body`. What the other side refuses for good is told apart from what may work later.
    pub(super) async fn post(&self, url: &str, auth: &HttpAuth, body: &Value) -> Result<(), Failure> {
        let never = |e: &dyn std::fmt::Display| Failure::Never(format!("the request cannot be made: {e}"));
        let mut request = hyper::Request::post(url)
            .header(CONTENT_TYPE, "application/json")
            .header(USER_AGENT, concat!("plimsoll/", env!("CARGO_PKG_VERSION")))
            .body(Full::new(Bytes::from(body.to_string())))
            .map_err(|e| never(&e))?;
        let secret = |text: String| {
            let mut value = HeaderValue::try_from(text)
                .map_err(|_| never(&"a header has characters that none may have"))?;
            value.set_sensitive(true);
            Ok::<_, Failure>(value)
        };
        let headers = request.headers_mut();
        for (name, value) in &auth.headers {
            let name = HeaderName::try_from(name.as_str()).map_err(|e| never(&e))?;
            headers.insert(name, secret(value.clone())?);
        }
        if let Some(a) = &auth.authorization {
            headers.insert(AUTHORIZATION, secret(format!("{} {}", a.kind, a.credentials))?);
        } else if let Some(b) = &auth.basic_auth {
            headers.insert(
                AUTHORIZATION,
                secret(format!("Basic {}", base64(format!("{}:{}", b.username, b.password).as_bytes())))?,
            );
        }
        // the url may hold a secret: neither it nor the error's text, which has it, is told
        let response = self.0.request(request).await.map_err(|e| {
            let what = if e.is_connect() { "cannot connect" } else { "the connection was cut" };
            Failure::Again(format!("{what}: {}", cause(&e)))
        })?;
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER_BYTES).collect().await;
        if status.is_success() {
            return Ok(());
        }
        let said = body.map(|b| String::from_utf8_lossy(&b.to_bytes()).chars().take(200).collect::<String>());
        let text = format!("HTTP {status}: {}", said.unwrap_or_default());
        // 429 and 5xx may pass, as Alertmanager has it
        let passes = status.is_server_error() || status == hyper::StatusCode::TOO_MANY_REQUESTS;
        Err(if passes { Failure::Again(text) } else { Failure::Never(text) })
    }
}

fn cause(e: &dyn std::error::Error) -> String {
    let mut last: &dyn std::error::Error = e;
    while let Some(next) = last.source() {
        last = next;
    }
    last.to_string()
}

/// RFC 4648, 4.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for part in bytes.chunks(3) {
        let n = part.iter().fold(0u32, |n, b| n << 8 | u32::from(*b)) << (8 * (3 - part.len()));
        for digit in 0..4 {
            let six = (n >> (18 - 6 * digit)) & 63;
            out.push(if digit <= part.len() { DIGITS[six as usize] as char } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::base64;

    #[test]
    fn base64_is_that_of_the_standard() {
        let cases =
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("u:p", "dTpw")];
        for (text, wanted) in cases {
            assert_eq!(base64(text.as_bytes()), wanted);
        }
    }
}
