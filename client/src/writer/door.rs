use super::Sample;
use crate::transport::Request;
use crate::{Client, Error, GrpcClient, Written};
use plimsoll_proto::v1;

/// The way by which a writer's batches reach the node.
#[derive(Clone, Debug)]
pub(super) enum Door {
    /// Prometheus remote write 1.0.
    Http(Client),
    /// `plimsoll.v1.Write`.
    Grpc(GrpcClient),
}

/// A batch ready to be sent, once or again.
pub(super) enum Prepared {
    Http(Request),
    Grpc(v1::WriteRequest),
}

impl Door {
    pub fn prepare(&self, samples: &[Sample]) -> Prepared {
        match self {
            Self::Http(_) => Prepared::Http(Client::write_request(samples)),
            Self::Grpc(_) => Prepared::Grpc(GrpcClient::write_request(samples)),
        }
    }

    pub async fn send(&self, prepared: &Prepared, samples: usize) -> Result<Written, Error> {
        match (self, prepared) {
            (Self::Http(client), Prepared::Http(request)) => client.send_write(request, samples).await,
            (Self::Grpc(client), Prepared::Grpc(request)) => client.send_write(request.clone()).await,
            _ => unreachable!("a batch is prepared by the door that sends it"),
        }
    }
}
