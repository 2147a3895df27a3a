//! What goes over the wire: Plimsoll's own gRPC API, the formats in which samples arrive, and those in which
//! they leave.
//!
//! Owns: the generated messages and services, the decoders of every push format ([`ingest`]), label escaping
//! and the text exposition that is written out ([`exposition`]).
//! Does not own: HTTP, routing of samples, any state between two requests.

pub mod codec;
pub mod convert;
pub mod escape;
pub mod exposition;
pub mod ingest;
pub mod raw;

/// Plimsoll's own gRPC API.
#[allow(missing_docs, clippy::all)]
pub mod v1 {
    tonic::include_proto!("plimsoll.v1");
}

/// Messages of Prometheus remote write, as values. For senders and tests: a node reads them in place, see
/// [`ingest`].
pub mod prometheus {
    /// Remote write 1.0.
    #[allow(missing_docs, clippy::all)]
    pub mod v1 {
        tonic::include_proto!("prometheus");
    }

    /// Remote write 2.0.
    #[allow(missing_docs, clippy::all)]
    pub mod v2 {
        tonic::include_proto!("io.prometheus.write.v2");
    }
}

/// Messages of OTLP metrics, as values. For senders and tests: a node reads them in place, see [`ingest`].
#[allow(missing_docs, clippy::all)]
pub mod opentelemetry {
    tonic::include_proto!("opentelemetry.proto.collector.metrics.v1");
}

/// How a gRPC service says why a call failed.
#[allow(missing_docs, clippy::all)]
pub mod rpc {
    tonic::include_proto!("google.rpc");
}
