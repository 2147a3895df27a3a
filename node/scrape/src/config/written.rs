//! What may stand in the file, key by key. Defaults and meaning are in `job` and `http`.

use super::units::{Bytes, Duration};
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::collections::BTreeMap;

/// A list; `key:` with nothing behind it is an empty one.
pub type List<T> = Option<Vec<T>>;

/// A whole document. Sections about other things than scraping are allowed, so that a Prometheus' own file can be
/// given; they are told of and passed over.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    pub global: Option<Global>,
    pub scrape_configs: List<ScrapeConfig>,
    pub scrape_config_files: List<String>,
    pub runtime: Option<IgnoredAny>,
    pub rule_files: Option<IgnoredAny>,
    pub alerting: Option<IgnoredAny>,
    pub remote_write: Option<IgnoredAny>,
    pub remote_read: Option<IgnoredAny>,
    pub storage: Option<IgnoredAny>,
    pub tracing: Option<IgnoredAny>,
    pub otlp: Option<IgnoredAny>,
}

/// `global`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Global {
    pub scrape_interval: Option<Duration>,
    pub scrape_timeout: Option<Duration>,
    pub scrape_protocols: List<String>,
    pub fallback_scrape_protocol: Option<String>,
    pub scrape_native_histograms: Option<bool>,
    pub always_scrape_classic_histograms: Option<bool>,
    pub extra_scrape_metrics: Option<bool>,
    pub body_size_limit: Option<Bytes>,
    pub sample_limit: Option<u64>,
    pub label_limit: Option<u64>,
    pub label_name_length_limit: Option<u64>,
    pub label_value_length_limit: Option<u64>,
    pub target_limit: Option<u64>,
    pub keep_dropped_targets: Option<u64>,
    pub metric_name_validation_scheme: Option<String>,
    pub metric_name_escaping_scheme: Option<String>,
    pub external_labels: Option<BTreeMap<String, String>>,
    #[serde(rename = "evaluation_interval")]
    pub _evaluation_interval: Option<IgnoredAny>,
    #[serde(rename = "rule_query_offset")]
    pub _rule_query_offset: Option<IgnoredAny>,
    #[serde(rename = "query_log_file")]
    pub _query_log_file: Option<IgnoredAny>,
}

/// Adds the keys of an HTTP client to a struct. A nested struct would not do: flattened ones neither refuse unknown
/// keys nor keep the text of a scalar.
macro_rules! with_http_client {
    ($(#[$about:meta])* pub struct $name:ident { $($(#[$doc:meta])* pub $field:ident: $kind:ty,)* }) => {
        $(#[$about])*
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            $($(#[$doc])* pub $field: $kind,)*
            pub basic_auth: Option<BasicAuth>,
            pub authorization: Option<Authorization>,
            pub bearer_token: Option<String>,
            pub bearer_token_file: Option<String>,
            pub tls_config: Option<TlsConfig>,
            pub follow_redirects: Option<bool>,
            /// Plimsoll speaks HTTP/1.1, which every target does.
            #[serde(rename = "enable_http2")]
            pub _enable_http2: Option<bool>,
            pub http_headers: Option<BTreeMap<String, HttpHeader>>,
            /// Without a proxy all hosts are reached without one.
            #[serde(rename = "no_proxy")]
            pub _no_proxy: Option<String>,
            pub proxy_from_environment: Option<bool>,
        }

        impl $name {
            /// The keys of the HTTP client, taken out.
            pub fn http(&mut self) -> HttpKeys {
                HttpKeys {
                    basic_auth: self.basic_auth.take(),
                    authorization: self.authorization.take(),
                    bearer_token: self.bearer_token.take(),
                    bearer_token_file: self.bearer_token_file.take(),
                    tls_config: self.tls_config.take(),
                    follow_redirects: self.follow_redirects,
                    http_headers: self.http_headers.take(),
                    proxy_from_environment: self.proxy_from_environment,
                }
            }
        }
    };
}

/// The keys of an HTTP client.
pub struct HttpKeys {
    pub basic_auth: Option<BasicAuth>,
    pub authorization: Option<Authorization>,
    pub bearer_token: Option<String>,
    pub bearer_token_file: Option<String>,
    pub tls_config: Option<TlsConfig>,
    pub follow_redirects: Option<bool>,
    pub http_headers: Option<BTreeMap<String, HttpHeader>>,
    pub proxy_from_environment: Option<bool>,
}

with_http_client! {
    /// An entry of `scrape_configs`.
    pub struct ScrapeConfig {
        pub job_name: String,
        pub scrape_interval: Option<Duration>,
        pub scrape_timeout: Option<Duration>,
        pub scrape_protocols: List<String>,
        pub fallback_scrape_protocol: Option<String>,
        pub scrape_native_histograms: Option<bool>,
        pub scrape_classic_histograms: Option<bool>,
        pub always_scrape_classic_histograms: Option<bool>,
        pub extra_scrape_metrics: Option<bool>,
        pub metrics_path: Option<String>,
        pub scheme: Option<String>,
        pub params: Option<BTreeMap<String, Vec<String>>>,
        pub honor_labels: Option<bool>,
        pub honor_timestamps: Option<bool>,
        pub track_timestamps_staleness: Option<bool>,
        pub enable_compression: Option<bool>,
        pub body_size_limit: Option<Bytes>,
        pub sample_limit: Option<u64>,
        pub label_limit: Option<u64>,
        pub label_name_length_limit: Option<u64>,
        pub label_value_length_limit: Option<u64>,
        pub target_limit: Option<u64>,
        pub keep_dropped_targets: Option<u64>,
        pub metric_name_validation_scheme: Option<String>,
        pub metric_name_escaping_scheme: Option<String>,
        pub static_configs: List<StaticConfig>,
        pub file_sd_configs: List<FileSdConfig>,
        pub http_sd_configs: List<HttpSdConfig>,
        pub relabel_configs: List<RelabelConfig>,
        pub metric_relabel_configs: List<RelabelConfig>,
    }
}

with_http_client! {
    /// An entry of `http_sd_configs`.
    pub struct HttpSdConfig {
        pub url: String,
        pub refresh_interval: Option<Duration>,
    }
}

/// An entry of `static_configs`, and of what discovery answers.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StaticConfig {
    pub targets: List<String>,
    pub labels: Option<BTreeMap<String, String>>,
}

/// An entry of `file_sd_configs`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileSdConfig {
    pub files: Vec<String>,
    pub refresh_interval: Option<Duration>,
}

/// An entry of `relabel_configs` and `metric_relabel_configs`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RelabelConfig {
    pub source_labels: List<String>,
    pub separator: Option<String>,
    pub regex: Option<String>,
    pub modulus: Option<u64>,
    pub target_label: Option<String>,
    pub replacement: Option<String>,
    pub action: Option<String>,
}

/// `basic_auth`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BasicAuth {
    pub username: Option<String>,
    pub username_file: Option<String>,
    pub password: Option<String>,
    pub password_file: Option<String>,
}

/// `authorization`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Authorization {
    #[serde(rename = "type")]
    pub kind: Option<String>,
    pub credentials: Option<String>,
    pub credentials_file: Option<String>,
}

/// `tls_config`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    pub ca: Option<String>,
    pub ca_file: Option<String>,
    pub cert: Option<String>,
    pub cert_file: Option<String>,
    pub key: Option<String>,
    pub key_file: Option<String>,
    pub server_name: Option<String>,
    pub insecure_skip_verify: Option<bool>,
    pub min_version: Option<String>,
    pub max_version: Option<String>,
}

/// A value of `http_headers`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpHeader {
    pub values: List<String>,
    pub secrets: List<String>,
}
