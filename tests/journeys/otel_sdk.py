"""Counts as the Rust SDK does in otel_sdk.rs, by the SDK for Python: URL PROTOCOL TEMPORALITY SERVICE."""

import os
import sys

url, protocol, temporality, service = sys.argv[1:]
os.environ["OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE"] = temporality

if protocol == "http":
    from opentelemetry.exporter.otlp.proto.http import Compression
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter

    exporter = OTLPMetricExporter(endpoint=url + "/v1/metrics", compression=Compression.Gzip)
else:
    from grpc import Compression
    from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter

    exporter = OTLPMetricExporter(endpoint=url, insecure=True, compression=Compression.Gzip)

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource

resource = Resource({"service.name": service, "service.instance.id": "sdk", "host.name": "here"})
reader = PeriodicExportingMetricReader(exporter, export_interval_millis=3_600_000)
provider = MeterProvider(metric_readers=[reader], resource=resource)
meter = provider.get_meter("journey")
counter = meter.create_counter("jobs.done", unit="{job}")
duration = meter.create_histogram("job.duration", unit="s")
for jobs, took in [(3, 0.2), (4, 30.0)]:
    counter.add(jobs, {"queue.name": "mail"})
    duration.record(took)
    if not provider.force_flush():
        sys.exit("Failed to report")
provider.shutdown()
