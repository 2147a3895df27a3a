use super::Sample;
use crate::transport::Request;
use crate::{Client, Error, GrpcClient, Written};

/// The way by which a writer's batches reach the node.
#[derive(Clone, Debug)]
pub(super) enum Door {
    /// Prometheus remote write 1.0.
    Http(Client),
    /// `plimsoll.v1.Write`.
    Grpc(GrpcClient),
}

/// What is made once of a batch and serves every repeat. A gRPC message is used up by its call, so it is made
/// for each.
pub(super) enum Prepared {
    Http(Request),
    Grpc,
}

impl Door {
    pub fn prepare(&self, samples: &[Sample]) -> Prepared {
        match self {
            Self::Http(_) => Prepared::Http(Client::write_request(samples)),
            Self::Grpc(_) => Prepared::Grpc,
        }
    }

    pub async fn send(&self, prepared: &Prepared, samples: &[Sample]) -> Result<Written, Error> {
        match (self, prepared) {
            (Self::Http(client), Prepared::Http(request)) => client.send_write(request, samples.len()).await,
            (Self::Grpc(client), Prepared::Grpc) => client.write(samples).await,
            _ => unreachable!("a batch is prepared by the door that sends it"),
        }
    }
}
