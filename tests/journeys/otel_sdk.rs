//! The SDKs of OpenTelemetry as they are: Rust's in this process, Python's in one of its own.

use crate::fixture::{SOON, now_ms, seconds};
use opentelemetry::KeyValue;
use opentelemetry::metrics::MeterProvider;
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{MetricExporter, Protocol, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider, Temporality};
use plimsoll_tests::http::Http;
use plimsoll_tests::plimsoll::Node;
use plimsoll_tests::wait::wait_until;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Sends by the HTTP client of these tests: one less tree of libraries.
#[derive(Debug)]
struct Ureq;

#[async_trait::async_trait]
impl HttpClient for Ureq {
    async fn send_bytes(
        &self,
        request: http::Request<bytes::Bytes>,
    ) -> Result<http::Response<bytes::Bytes>, HttpError> {
        let (parts, body) = request.into_parts();
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let response = agent.run(http::Request::from_parts(parts, body.to_vec()))?;
        let (parts, mut body) = response.into_parts();
        Ok(http::Response::from_parts(parts, body.read_to_vec()?.into()))
    }
}

/// Counts 3 + 4 and observes 0.2 and 30 under `service`, reported after each.
fn count(service: &str, exporter: MetricExporter) {
    let resource = Resource::builder_empty()
        .with_attributes([
            KeyValue::new("service.name", service.to_owned()),
            KeyValue::new("service.instance.id", "sdk"),
            KeyValue::new("host.name", "here"),
        ])
        .build();
    let reader = PeriodicReader::builder(exporter).build();
    let provider = SdkMeterProvider::builder().with_reader(reader).with_resource(resource).build();
    let meter = provider.meter("journey");
    let counter = meter.u64_counter("jobs.done").with_unit("{job}").build();
    let duration = meter.f64_histogram("job.duration").with_unit("s").build();
    for (jobs, took) in [(3, 0.2), (4, 30.0)] {
        counter.add(jobs, &[KeyValue::new("queue.name", "mail")]);
        duration.record(took, &[]);
        provider.force_flush().unwrap_or_else(|e| panic!("{service}: {e}"));
    }
    provider.shutdown().unwrap_or_else(|e| panic!("{service}: {e}"));
}

fn value(http: &Http, query: &str) -> Option<String> {
    let data = http.data("/api/v1/query", &[("query", query), ("time", &seconds(now_ms() + 1000))]);
    Some(data["result"][0]["value"][1].as_str()?.to_owned())
}

/// What [`count`] and the Python script have sent.
fn check(http: &Http, service: &str) {
    for (query, want) in [
        ("jobs_done_total{job=\"SERVICE\",instance=\"sdk\",queue_name=\"mail\"}", "7"),
        ("job_duration_seconds_count{job=\"SERVICE\"}", "2"),
        ("job_duration_seconds_bucket{job=\"SERVICE\",le=\"25\"}", "1"),
        ("target_info{job=\"SERVICE\",host_name=\"here\"}", "1"),
    ] {
        let query = query.replace("SERVICE", service);
        let mut seen = None;
        wait_until(&format!("{query} to be {want}"), SOON, || {
            seen = value(http, &query);
            seen.as_deref() == Some(want)
        });
    }
}

#[test]
fn the_rust_sdk_reports_over_http_and_grpc_both_ways_of_counting() {
    let node = Node::start();
    // gRPC's connection lives in a runtime; the SDK reports from a thread of its own
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let _inside = runtime.enter();
    for (name, temporality) in [("delta", Temporality::Delta), ("cumulative", Temporality::Cumulative)] {
        let http = MetricExporter::builder()
            .with_http()
            .with_http_client(Ureq)
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(format!("{}/v1/metrics", node.url()))
            .with_temporality(temporality)
            .build()
            .unwrap_or_else(|e| panic!("{e}"));
        count(&format!("http-{name}"), http);
        let grpc = MetricExporter::builder()
            .with_tonic()
            .with_endpoint(node.url())
            .with_temporality(temporality)
            .build()
            .unwrap_or_else(|e| panic!("{e}"));
        count(&format!("grpc-{name}"), grpc);
        for way in ["http", "grpc"] {
            check(&node.http(), &format!("{way}-{name}"));
        }
    }
}

/// Python with the SDK, made once; nothing where PyPI cannot be reached.
fn python() -> Option<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| Some(Path::new(&std::env::var_os("HOME")?).join(".cache")))?;
    let folder = cache.join("plimsoll/otel-python-1.45.2");
    let python = folder.join("bin/python");
    if folder.join("complete").is_file() {
        return Some(python);
    }
    let run = |command: &mut Command| command.output().is_ok_and(|out| out.status.success());
    let made = run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))
        && run(Command::new(&python).args(["-m", "pip", "install", "--quiet"]).args([
            "opentelemetry-sdk==1.45.2",
            "opentelemetry-exporter-otlp-proto-http==1.45.2",
            "opentelemetry-exporter-otlp-proto-grpc==1.45.2",
        ]));
    if !made {
        return None;
    }
    std::fs::write(folder.join("complete"), "").ok()?;
    Some(python)
}

#[test]
fn the_python_sdk_reports_over_http_and_grpc_both_ways_of_counting() {
    let Some(python) = python() else {
        eprintln!("SKIPPED: the OpenTelemetry SDK for Python could not be installed from PyPI");
        return;
    };
    let node = Node::start();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("journeys/otel_sdk.py");
    for protocol in ["http", "grpc"] {
        for temporality in ["delta", "cumulative"] {
            let service = format!("python-{protocol}-{temporality}");
            let out = Command::new(&python)
                .arg(&script)
                .args([node.url(), protocol.to_owned(), temporality.to_owned(), service.clone()])
                .output()
                .unwrap_or_else(|e| panic!("{e}"));
            let said = String::from_utf8_lossy(&out.stderr);
            assert!(out.status.success() && !said.contains("Failed"), "{service}: {said}");
            check(&node.http(), &service);
        }
    }
}
