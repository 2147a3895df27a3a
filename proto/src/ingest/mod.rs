//! Decoders of everything that brings samples, reading in place and handing on to a [`Sink`].
//!
//! In reading order: what may come in ([`Limits`], [`negotiate`]), where it goes ([`Sink`]), how labels are read
//! only when they must be ([`RawLabels`]), what was taken and refused ([`Decoded`], [`Refusal`]), then a file for
//! each format.
//!
//! Invariants:
//! - A frame that is no frame is a [`DecodeError`], and the caller drops what the sink got so far. A bad series or
//!   sample is a [`Refusal`], and the rest is taken.
//! - Nothing is allocated for a sample, nor for a series that the sink knows by its key.
//! - What is allocated is bounded by [`Limits`], whatever the bytes say about themselves.
//! - No input panics.

mod compression;
mod decoded;
mod error;
mod exposition_proto;
mod intake;
mod json_histogram;
mod json_lines;
mod json_text;
mod key;
mod labels;
mod limits;
mod native;
mod negotiate;
mod otlp;
mod refusal;
mod remote_write_v1;
mod remote_write_v2;
mod sink;
mod text;
mod text_comment;
mod text_series;
mod wire;
mod wire_histogram;
mod wire_sample;

pub use compression::{Encoding, Scratch, decompress};
pub use decoded::{Decoded, Refused};
pub use error::DecodeError;
pub use exposition_proto::exposition_proto;
pub use json_lines::{json_lines, write_json_line};
pub use labels::RawLabels;
pub use limits::Limits;
pub use native::{native, write_request_weight};
pub use negotiate::{
    EXEMPLARS_WRITTEN, HISTOGRAMS_WRITTEN, RemoteWrite, SAMPLES_WRITTEN, Unsupported, negotiate,
};
pub use otlp::{Naming, OtlpOptions, otlp, otlp_from_json, otlp_message};
pub use refusal::Refusal;
pub use remote_write_v1::{remote_write_v1, remote_write_v1_message};
pub use remote_write_v2::{remote_write_v2, remote_write_v2_message};
pub use sink::{Metadata, MetricType, Sink};
pub use text::{TextDialect, text};
