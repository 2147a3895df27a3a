//! Reports over gRPC.

use super::GrpcClient;
use crate::transport::Turn;
use crate::{Error, Report, ReportOptions};
use plimsoll_proto::v1;
use plimsoll_proto::v1::report_client::ReportClient;

impl GrpcClient {
    /// The report `kind`: `loops`, `tokens`, `tools`, `errors` or `health`.
    pub async fn report(&self, kind: &str, options: &ReportOptions) -> Result<Report, Error> {
        let text = self.report_text(kind, options, "json").await?;
        let read = serde_json::from_str(&text);
        read.map_err(|e| Error::Answer { url: "the node".to_owned(), reason: e.to_string() })
    }

    /// The same as text: `table`, `wide`, `json`, `jsonl`, `csv`, `md` or `html`.
    pub async fn report_text(
        &self,
        kind: &str,
        options: &ReportOptions,
        format: &str,
    ) -> Result<String, Error> {
        let named = v1::ReportKind::from_str_name(&format!("REPORT_KIND_{}", kind.to_ascii_uppercase()));
        let kind = named.ok_or_else(|| Error::Config(format!("there is no report {kind:?}")))?;
        let report = v1::ReportRequest {
            kind: kind.into(),
            from: options.from,
            to: options.to,
            compare: options.compare.clone().unwrap_or_default(),
            by: options.by.clone(),
            selector: options.selector.clone().unwrap_or_default(),
        };
        let request = v1::RenderReportRequest { report: Some(report), format: format.to_owned() };
        let mut turn = Turn::new(&self.nodes.transport);
        loop {
            let url = turn.url()?;
            let url = url.text.as_str();
            let channel = self.nodes.channel(url)?;
            let mut client =
                ReportClient::new(channel).max_decoding_message_size(self.nodes.max_answer_bytes);
            let answer =
                self.in_time(url, self.answer(), client.render(self.nodes.dress(request.clone()))).await;
            if turn.is_final(&answer, true) {
                return Ok(answer?.into_inner().body);
            }
        }
    }
}
