//! The web page, out of the binary: `node/ui/dist` as npm built it, when there was one while this was compiled.

use super::{ApiError, AppState};
use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use rust_embed::RustEmbed;
use std::borrow::Cow;

#[derive(RustEmbed)]
#[folder = "ui/dist"]
#[allow_missing = true]
struct Bundle;

/// Files in `assets` have a hash of their content in their names.
const FOREVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// The page at `/` and its parts. What follows a `#` in an address never comes here.
pub fn routes() -> Router<AppState> {
    Router::new().route("/", get(page)).route("/icon.svg", get(icon)).route("/assets/{*path}", get(asset))
}

/// `GET /`
async fn page() -> Response {
    let Some(file) = Bundle::get("index.html") else {
        return (headers(""), Html(include_str!("start.html"))).into_response();
    };
    let nonce = format!("{:032x}", rand::random::<u128>());
    let html = String::from_utf8_lossy(&file.data).replace("%CSP_NONCE%", &nonce);
    let mut headers = headers(&nonce);
    headers.insert(header::CACHE_CONTROL, NO_STORE);
    (headers, Html(html)).into_response()
}

/// Everything comes from this node and nothing is run that is not in a file of it. Styles of the query editor are made
/// by its script, and carry the nonce.
fn headers(nonce: &str) -> HeaderMap {
    let styles =
        if nonce.is_empty() { "'unsafe-inline'".to_owned() } else { format!("'self' 'nonce-{nonce}'") };
    let form = if nonce.is_empty() { "'self'" } else { "'none'" };
    let policy = format!(
        "default-src 'none'; script-src 'self'; worker-src 'self'; style-src {styles}; font-src 'self'; img-src 'self' data:; \
         connect-src 'self'; base-uri 'none'; form-action {form}; frame-ancestors 'none'"
    );
    let mut headers = HeaderMap::new();
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderValue::from_static("same-origin"),
    );
    headers
}

async fn icon() -> Response {
    file("icon.svg", NO_STORE)
}

/// `GET /assets/{path}`
async fn asset(Path(path): Path<String>) -> Response {
    file(&format!("assets/{path}"), FOREVER)
}

fn file(path: &str, kept: HeaderValue) -> Response {
    let Some(file) = Bundle::get(path) else {
        let text = format!("no such file: /{path}; a page of an older version is open, load it again");
        return ApiError::new(StatusCode::NOT_FOUND, "not_found", text).into_response();
    };
    let body = match file.data {
        Cow::Borrowed(bytes) => Body::from(bytes),
        Cow::Owned(bytes) => Body::from(bytes),
    };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind(path))),
        (header::CACHE_CONTROL, kept),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    (headers, body).into_response()
}

fn kind(path: &str) -> &'static str {
    match path.rsplit('.').next() {
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("woff2") => "font/woff2",
        Some("html") => "text/html; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_page_has_a_strict_policy_and_a_new_nonce_each_time() {
        let policy =
            |r: &Response| r.headers()[header::CONTENT_SECURITY_POLICY].to_str().expect("text").to_owned();
        let (one, two) = (page().await, page().await);
        assert_eq!(one.status(), StatusCode::OK);
        let text = policy(&one);
        for part in ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"] {
            assert!(text.contains(part), "{text}");
        }
        if Bundle::get("index.html").is_some() {
            assert!(!text.contains("unsafe"), "{text}");
            assert_ne!(text, policy(&two));
        }
    }

    #[tokio::test]
    async fn a_file_that_is_not_there_is_answered_with_what_to_do() {
        for path in ["none.js", "../Cargo.toml", "..%2f..%2fetc/passwd"] {
            let response = asset(Path(path.to_owned())).await;
            assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
        }
    }
}
