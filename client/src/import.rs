//! Whole files of samples as they are: JSON lines, Prometheus text.

use crate::transport::Request;
use crate::{Client, Error};
use bytes::Bytes;

/// Text that a node takes as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextFormat {
    /// A JSON object a line: `metric`, `values`, `timestamps` in milliseconds, as an export writes it.
    JsonLines,
    /// Prometheus' text exposition format; samples without a timestamp are stamped by the node.
    Prometheus,
    /// OpenMetrics: the same with timestamps in seconds.
    OpenMetrics,
}

impl Client {
    /// Sends lines of samples in one request and without repeats.
    ///
    /// A refusal with status 400 means that the good lines are stored and tells of the bad ones.
    pub async fn import(&self, format: TextFormat, lines: Bytes) -> Result<(), Error> {
        let request = match format {
            TextFormat::JsonLines => Request::post("/api/v1/import", "application/x-ndjson", lines),
            TextFormat::Prometheus => {
                Request::post("/api/v1/import/prometheus", "text/plain; version=0.0.4", lines)
            }
            TextFormat::OpenMetrics => {
                let kind = "application/openmetrics-text; version=1.0.0";
                Request::post("/api/v1/import/prometheus", kind, lines)
            }
        };
        self.transport.send(&request).await.map(|_| ())
    }
}
