//! Which format a target is asked for, and which one it has sent.

use std::fmt::Write;

/// A format of the exposition with its version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Prometheus' protobuf messages, each after its length.
    Proto,
    /// OpenMetrics 1.0.0.
    OpenMetrics1,
    /// OpenMetrics 0.0.1.
    OpenMetrics0,
    /// Prometheus' text, where names may be any UTF-8.
    Text1,
    /// Prometheus' text.
    Text0,
}

/// What a body is read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Prometheus' text of either version.
    Text,
    /// OpenMetrics of either version.
    OpenMetrics,
    /// Protobuf messages, each after its length.
    Proto,
}

impl Protocol {
    /// All of them with the names that `scrape_protocols` has for them.
    pub const ALL: [(&'static str, Self); 5] = [
        ("PrometheusProto", Self::Proto),
        ("OpenMetricsText1.0.0", Self::OpenMetrics1),
        ("OpenMetricsText0.0.1", Self::OpenMetrics0),
        ("PrometheusText1.0.0", Self::Text1),
        ("PrometheusText0.0.4", Self::Text0),
    ];

    /// What is asked for when nothing is said, best first.
    pub const USUAL: [Self; 4] = [Self::OpenMetrics1, Self::OpenMetrics0, Self::Text1, Self::Text0];

    /// What is asked for when native histograms are wanted: only protobuf has them.
    pub const NATIVE: [Self; 5] =
        [Self::Proto, Self::OpenMetrics1, Self::OpenMetrics0, Self::Text1, Self::Text0];

    /// The protocol with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(known, _)| *known == name).map(|(_, protocol)| protocol)
    }

    /// The media type that asks for it.
    fn media_type(self) -> &'static str {
        match self {
            Self::Proto => {
                "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"
            }
            Self::OpenMetrics1 => "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8",
            Self::OpenMetrics0 => "application/openmetrics-text;version=0.0.1",
            Self::Text1 => "text/plain;version=1.0.0;escaping=allow-utf-8",
            Self::Text0 => "text/plain;version=0.0.4",
        }
    }

    /// How it is read.
    pub fn form(self) -> Form {
        match self {
            Self::Proto => Form::Proto,
            Self::OpenMetrics0 | Self::OpenMetrics1 => Form::OpenMetrics,
            Self::Text0 | Self::Text1 => Form::Text,
        }
    }
}

/// The `Accept` header for `protocols`, best first.
pub fn accept_header(protocols: &[Protocol]) -> String {
    let mut out = String::new();
    let mut weight = protocols.len() + 1;
    for protocol in protocols {
        // writing to a string cannot fail
        let _ = write!(out, "{};q=0.{weight},", protocol.media_type());
        weight -= 1;
    }
    let _ = write!(out, "*/*;q=0.{weight}");
    out
}

/// What a body with this `Content-Type` is read as; `fallback` where the header is missing or strange.
pub fn choose(content_type: Option<&str>, fallback: Option<Protocol>) -> Result<Form, String> {
    let whole = content_type.unwrap_or("");
    let mut parts = whole.split(';').map(str::trim);
    let kind = parts.next().unwrap_or("").to_ascii_lowercase();
    let known = match kind.as_str() {
        "text/plain" => Some(Form::Text),
        "application/openmetrics-text" => Some(Form::OpenMetrics),
        "application/vnd.google.protobuf" => {
            let has = |wanted: &str| parts.clone().any(|p| p.replace('"', "").eq_ignore_ascii_case(wanted));
            let fits = has("proto=io.prometheus.client.MetricFamily") && has("encoding=delimited");
            fits.then_some(Form::Proto)
        }
        _ => None,
    };
    known.or(fallback.map(Protocol::form)).ok_or_else(|| {
        format!(
            "the target answered with the Content-Type {whole:?}, which is no format of metrics; set \
             fallback_scrape_protocol (PrometheusText0.0.4, say) if it is one all the same"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_names_protocols_with_falling_weights() {
        assert_eq!(
            accept_header(&[Protocol::OpenMetrics1, Protocol::Text0]),
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
        );
        assert!(accept_header(&Protocol::NATIVE).starts_with("application/vnd.google.protobuf;"));
    }

    #[test]
    fn a_body_is_read_as_its_content_type_says_or_as_the_fallback() {
        for (header, fallback, wanted) in [
            (Some("text/plain; version=0.0.4; charset=utf-8"), None, Some(Form::Text)),
            (Some("TEXT/PLAIN"), None, Some(Form::Text)),
            (Some("application/openmetrics-text; version=1.0.0"), None, Some(Form::OpenMetrics)),
            (
                Some(
                    "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited",
                ),
                None,
                Some(Form::Proto),
            ),
            (Some("application/vnd.google.protobuf; encoding=text"), None, None),
            (Some("text/html"), None, None),
            (None, None, None),
            (Some("text/html"), Some(Protocol::Text0), Some(Form::Text)),
            (Some("application/openmetrics-text"), Some(Protocol::Text0), Some(Form::OpenMetrics)),
        ] {
            assert_eq!(choose(header, fallback).ok(), wanted, "{header:?}");
        }
    }
}
