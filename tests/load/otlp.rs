//! The same samples as remote write and as OTLP: what a sample costs a node either way.

use crate::profiles::{DataSet, Profile, Request, Shape};
use crate::replay::{Door, replay_to};
use anyhow::{Context, Result, ensure};
use flate2::{Compression, write::GzEncoder};
use plimsoll_proto::opentelemetry::*;
use plimsoll_proto::prometheus::v1;
use plimsoll_tests::otlp::{self, attribute};
use plimsoll_tests::plimsoll::Node;
use prost::Message;
use std::fmt::Write as _;
use std::io::Write as _;

/// How the samples are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    RemoteWrite,
    Otlp,
    OtlpGzip,
    OtlpJson,
    OtlpDelta,
}

impl Way {
    const ALL: [Self; 5] = [Self::RemoteWrite, Self::Otlp, Self::OtlpGzip, Self::OtlpJson, Self::OtlpDelta];

    fn name(self) -> &'static str {
        match self {
            Self::RemoteWrite => "remote write 1.0, snappy",
            Self::Otlp => "OTLP, protobuf",
            Self::OtlpGzip => "OTLP, protobuf, gzip",
            Self::OtlpJson => "OTLP, JSON",
            Self::OtlpDelta => "OTLP, protobuf, delta",
        }
    }

    fn door(self) -> Door {
        match self {
            Self::RemoteWrite => Door::REMOTE_WRITE,
            Self::OtlpGzip => Door {
                path: otlp::PATH,
                headers: &[("Content-Type", "application/x-protobuf"), ("Content-Encoding", "gzip")],
            },
            Self::OtlpJson => Door { path: otlp::PATH, headers: &[("Content-Type", "application/json")] },
            Self::Otlp | Self::OtlpDelta => Door { path: otlp::PATH, headers: &otlp::HEADERS },
        }
    }

    fn body(self, request: &Request) -> Result<Vec<u8>> {
        if self == Self::RemoteWrite {
            return Ok(request.body.clone());
        }
        let plain = snap::raw::Decoder::new().decompress_vec(&request.body)?;
        let message = translate(&v1::WriteRequest::decode(&plain[..])?, self == Self::OtlpDelta)?;
        Ok(match self {
            Self::OtlpJson => json(&message).to_string().into_bytes(),
            Self::OtlpGzip => {
                let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
                packed.write_all(&message.encode_to_vec())?;
                packed.finish()?
            }
            _ => message.encode_to_vec(),
        })
    }
}

/// Sends the data set each way to a node of its own; answers a table.
pub fn run(profile: Profile, divide: usize, end: i64) -> Result<String> {
    let full = profile.shape();
    let shape = Shape { targets: (full.targets / divide.max(1)).max(1), ..full };
    let data = DataSet::make(profile, shape, end, 1);
    let mut table = format!(
        "`{}`, {} samples of {} series\n\n| way | bytes a sample sent | CPU a sample |\n|---|---|---|\n",
        profile.name(),
        data.samples(),
        data.series
    );
    for way in Way::ALL {
        let mut lanes = Vec::with_capacity(data.lanes.len());
        for lane in &data.lanes {
            let request =
                |r: &Request| -> Result<Request> { Ok(Request { samples: r.samples, body: way.body(r)? }) };
            lanes.push(lane.iter().map(request).collect::<Result<Vec<_>>>()?);
        }
        let made = DataSet { lanes, end: data.end, series: data.series };
        let bytes: usize = made.lanes.iter().flatten().map(|r| r.body.len()).sum();
        eprintln!("{}: {}", profile.name(), way.name());
        let mut node = Node::start();
        let before = node.process().cpu_seconds();
        let sent = replay_to(&made, &[node.http()], way.door());
        let cpu = node.process().cpu_seconds() - before;
        ensure!(sent.failures.is_empty(), "requests failed: {:?}", sent.failures);
        let samples = sent.acknowledged as f64;
        writeln!(
            table,
            "| {} | {:.0} | {:.2} µs |",
            way.name(),
            bytes as f64 / samples,
            cpu / samples * 1e6
        )?;
    }
    Ok(table)
}

/// Consecutive series of one target are a resource, those of one name a metric.
fn translate(request: &v1::WriteRequest, delta: bool) -> Result<ExportMetricsServiceRequest> {
    let mut out = ExportMetricsServiceRequest::default();
    let mut target = None;
    for series in &request.timeseries {
        let label = |name: &str| series.labels.iter().find(|l| l.name == name).map(|l| l.value.as_str());
        let (job, instance) = (label("job").unwrap_or(""), label("instance").unwrap_or(""));
        if target != Some((job, instance)) {
            target = Some((job, instance));
            let attributes = vec![attribute("service.name", job), attribute("service.instance.id", instance)];
            out.resource_metrics.push(ResourceMetrics {
                resource: Some(Resource { attributes, ..Default::default() }),
                scope_metrics: vec![ScopeMetrics::default()],
                ..Default::default()
            });
        }
        let metrics =
            &mut out.resource_metrics.last_mut().context("one was pushed")?.scope_metrics[0].metrics;
        let name = label("__name__").context("a series has a name")?;
        if metrics.last().is_none_or(|m| m.name != name) {
            metrics.push(metric(name, delta));
        }
        let points = match metrics.last_mut().and_then(|m| m.data.as_mut()) {
            Some(metric::Data::Sum(sum)) => &mut sum.data_points,
            Some(metric::Data::Gauge(gauge)) => &mut gauge.data_points,
            _ => anyhow::bail!("only sums and gauges are made here"),
        };
        let identity = ["__name__", "job", "instance"];
        let own = series.labels.iter().filter(|l| !identity.contains(&l.name.as_str()));
        let attributes: Vec<KeyValue> = own.map(|l| attribute(&l.name, &l.value)).collect();
        for sample in &series.samples {
            points.push(NumberDataPoint {
                time_unix_nano: sample.timestamp as u64 * 1_000_000,
                value: Some(number_data_point::Value::AsDouble(sample.value)),
                attributes: attributes.clone(),
                ..Default::default()
            });
        }
    }
    Ok(out)
}

fn metric(name: &str, delta: bool) -> Metric {
    let data = if delta {
        let sum = Sum { aggregation_temporality: AggregationTemporality::Delta.into(), ..Default::default() };
        metric::Data::Sum(sum)
    } else {
        metric::Data::Gauge(Gauge::default())
    };
    otlp::metric(name, data)
}

fn json(request: &ExportMetricsServiceRequest) -> serde_json::Value {
    use serde_json::json;
    let attributes = |all: &[KeyValue]| -> Vec<serde_json::Value> {
        let text = |kv: &KeyValue| match kv.value.as_ref().and_then(|v| v.value.clone()) {
            Some(any_value::Value::StringValue(text)) => text,
            _ => String::new(),
        };
        all.iter().map(|kv| json!({"key": kv.key, "value": {"stringValue": text(kv)}})).collect()
    };
    let point = |p: &NumberDataPoint| {
        let value = match p.value {
            Some(number_data_point::Value::AsDouble(v)) => v,
            _ => 0.0,
        };
        json!({"timeUnixNano": p.time_unix_nano.to_string(), "asDouble": value, "attributes": attributes(&p.attributes)})
    };
    let metric = |m: &Metric| {
        let points: Vec<_> = match &m.data {
            Some(metric::Data::Gauge(gauge)) => gauge.data_points.iter().map(point).collect(),
            _ => Vec::new(),
        };
        json!({"name": m.name, "gauge": {"dataPoints": points}})
    };
    let resource = |r: &ResourceMetrics| {
        let of = r.resource.as_ref().map(|r| attributes(&r.attributes)).unwrap_or_default();
        let metrics: Vec<_> = r.scope_metrics.iter().flat_map(|s| &s.metrics).map(metric).collect();
        json!({"resource": {"attributes": of}, "scopeMetrics": [{"metrics": metrics}]})
    };
    json!({"resourceMetrics": request.resource_metrics.iter().map(resource).collect::<Vec<_>>()})
}
