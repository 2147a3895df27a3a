use super::status_of;
use crate::collector::Receipt;
use crate::http::AppState;
use futures::StreamExt;
use plimsoll_proto::v1;
use prost::Message;
use tonic::{Request, Response, Status, Streaming};

/// The service `plimsoll.v1.Write`.
pub struct Write(pub AppState);

#[tonic::async_trait]
impl v1::write_server::Write for Write {
    async fn write(&self, request: Request<v1::WriteRequest>) -> Result<Response<v1::WriteResponse>, Status> {
        let receipt = self.take(request.into_inner()).await?;
        Ok(Response::new(answer(&receipt)))
    }

    async fn write_stream(
        &self,
        request: Request<Streaming<v1::WriteRequest>>,
    ) -> Result<Response<v1::WriteResponse>, Status> {
        let mut stream = request.into_inner();
        let mut sum = Receipt::default();
        while let Some(message) = stream.next().await {
            let receipt = self.take(message?).await?;
            sum.decoded.merge(receipt.decoded);
            sum.duplicates += receipt.duplicates;
            sum.replaced += receipt.replaced;
        }
        Ok(Response::new(answer(&sum)))
    }
}

impl Write {
    async fn take(&self, request: v1::WriteRequest) -> Result<Receipt, Status> {
        let bytes = request.encoded_len();
        let taken = self.0.collector.native(request, bytes).await;
        taken.map_err(|e| status_of(e.fault(), e.is_busy(), &e))
    }
}

fn answer(receipt: &Receipt) -> v1::WriteResponse {
    let d = &receipt.decoded;
    v1::WriteResponse {
        accepted: Some(v1::Accepted { series: d.series, floats: d.floats, histograms: d.histograms }),
        refused: d
            .refused
            .iter()
            .map(|(reason, samples, example)| v1::Refused {
                reason: reason.name().to_owned(),
                samples,
                example: format!("{reason}; first: {example}"),
            })
            .collect(),
    }
}
