use plimsoll_model::Fault;

/// Response header: float samples of the request that were stored.
pub const SAMPLES_WRITTEN: &str = "x-prometheus-remote-write-samples-written";
/// Response header: native-histogram samples of the request that were stored.
pub const HISTOGRAMS_WRITTEN: &str = "x-prometheus-remote-write-histograms-written";
/// Response header: exemplars of the request that were stored.
pub const EXEMPLARS_WRITTEN: &str = "x-prometheus-remote-write-exemplars-written";

/// A version of remote write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RemoteWrite {
    /// 1.0, `prometheus.WriteRequest`.
    V1,
    /// 2.0, `io.prometheus.write.v2.Request`.
    V2,
}

/// A request in a form that is not spoken here: HTTP 415.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsupported {
    /// Not protobuf at all.
    #[error("content type {0:?} is not supported; send application/x-protobuf")]
    ContentType(String),
    /// Protobuf, but another message.
    #[error("message {0:?} is not supported; send prometheus.WriteRequest or io.prometheus.write.v2.Request")]
    Message(String),
    /// Another compression.
    #[error("content encoding {0:?} is not supported; send snappy")]
    ContentEncoding(String),
    /// A version that did not exist when this was built.
    #[error("remote write version {0:?} is not supported; send 0.1.0 or 2.0.0")]
    Version(String),
}

impl Unsupported {
    /// Always the asker's.
    pub fn fault(&self) -> Fault {
        Fault::Asker
    }

    /// Status of the HTTP answer, as both specifications ask for.
    pub fn http_status(&self) -> u16 {
        415
    }
}

/// Which message a request holds, by its headers `Content-Type`, `Content-Encoding` and
/// `X-Prometheus-Remote-Write-Version`.
///
/// The content type decides. A request without headers is taken for 1.0 in snappy, as Prometheus does.
pub fn negotiate(
    content_type: Option<&str>,
    content_encoding: Option<&str>,
    version: Option<&str>,
) -> Result<RemoteWrite, Unsupported> {
    let message = match content_type.map(str::trim) {
        None | Some("") => RemoteWrite::V1,
        Some(text) => message_of(text)?,
    };
    match content_encoding.map(str::trim) {
        None | Some("") => {}
        Some(e) if e.eq_ignore_ascii_case("snappy") => {}
        Some(e) => return Err(Unsupported::ContentEncoding(shown(e))),
    }
    // Proxies and old senders write all kinds of 0.x and 1.x here; only a later version is surely not ours.
    match version.map(str::trim) {
        None | Some("") => Ok(message),
        Some(v) => match v.split('.').next().and_then(|major| major.parse::<u32>().ok()) {
            Some(0..=2) => Ok(message),
            _ => Err(Unsupported::Version(shown(v))),
        },
    }
}

fn message_of(content_type: &str) -> Result<RemoteWrite, Unsupported> {
    let mut parts = content_type.split(';').map(str::trim);
    if !parts.next().is_some_and(|t| t.eq_ignore_ascii_case("application/x-protobuf")) {
        return Err(Unsupported::ContentType(shown(content_type)));
    }
    for part in parts {
        let Some((name, value)) = part.split_once('=') else { continue };
        if !name.trim().eq_ignore_ascii_case("proto") {
            continue;
        }
        return match value.trim().trim_matches('"') {
            "prometheus.WriteRequest" => Ok(RemoteWrite::V1),
            "io.prometheus.write.v2.Request" => Ok(RemoteWrite::V2),
            other => Err(Unsupported::Message(shown(other))),
        };
    }
    Ok(RemoteWrite::V1)
}

/// A header for a message: not longer than a line.
fn shown(header: &str) -> String {
    header.chars().take(100).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_type_decides_between_the_versions() {
        let v2 = "application/x-protobuf;proto=io.prometheus.write.v2.Request";
        for (content_type, encoding, version, want) in [
            (None, None, None, RemoteWrite::V1),
            (Some("application/x-protobuf"), Some("snappy"), Some("0.1.0"), RemoteWrite::V1),
            (Some("Application/X-Protobuf; proto=prometheus.WriteRequest"), None, None, RemoteWrite::V1),
            (Some(v2), Some("snappy"), Some("2.0.0"), RemoteWrite::V2),
            (
                Some("application/x-protobuf; proto=\"io.prometheus.write.v2.Request\""),
                None,
                None,
                RemoteWrite::V2,
            ),
            (Some(v2), Some("Snappy"), Some("0.1.0"), RemoteWrite::V2),
        ] {
            assert_eq!(negotiate(content_type, encoding, version), Ok(want), "{content_type:?}");
        }
    }

    #[test]
    fn what_is_not_spoken_is_415_and_says_what_is() {
        let protobuf = Some("application/x-protobuf");
        for (content_type, encoding, version, part) in [
            (Some("text/plain"), None, None, "send application/x-protobuf"),
            (Some("application/x-protobuf;proto=a.B"), None, None, "io.prometheus.write.v2.Request"),
            (protobuf, Some("zstd"), None, "send snappy"),
            (protobuf, Some("snappy"), Some("3.0.0"), "send 0.1.0 or 2.0.0"),
            (protobuf, Some("snappy"), Some("new"), "send 0.1.0 or 2.0.0"),
        ] {
            let e = negotiate(content_type, encoding, version).expect_err("not supported");
            assert!(e.to_string().contains(part), "{e}");
            assert_eq!(e.http_status(), 415);
        }
    }
}
