//! Generates the messages and services; needs no protoc.

use std::path::PathBuf;

const FILES: [&str; 10] = [
    "plimsoll/v1/samples.proto",
    "plimsoll/v1/write.proto",
    "plimsoll/v1/query.proto",
    "plimsoll/v1/admin.proto",
    "plimsoll/v1/report.proto",
    "plimsoll/v1/peer.proto",
    "prometheus/remote_write_v1.proto",
    "prometheus/remote_write_v2.proto",
    "opentelemetry/metrics.proto",
    "opentelemetry/status.proto",
];

fn main() {
    let root = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    for file in FILES {
        println!("cargo:rerun-if-changed={}", root.join(file).display());
    }
    let descriptors = protox::compile(FILES, [&root]).expect("the .proto files are valid");
    tonic_prost_build::configure()
        .build_transport(true)
        .codec_path("crate::codec::BoundedCodec")
        // batches and log entries pass through without a copy
        .bytes(".plimsoll.v1.PeerMessage.body")
        .bytes(".plimsoll.v1.PeerPiece.body")
        .compile_fds(descriptors)
        .expect("code is generated from valid descriptors");
}
