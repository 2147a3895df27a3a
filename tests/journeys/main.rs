//! What a person does with a node, from outside, with the real binary.
//!
//! [`prometheus`]: the day a small Prometheus is replaced. [`grafana`]: the calls of Grafana's data source, held
//! against Prometheus' own answers. [`ingest`]: the other ways in. [`otlp`], [`otlp_ledger`], [`otel_sdk`]: OpenTelemetry. [`durability`]: kill -9 and graceful ends.
//! [`hostile`]: ten thousand malformed requests. [`access`]: strangers at the door. [`disk`]: a full one. [`backup`]: files,
//! and what comes of them. [`reports`]: what agents did and used, to the last token. [`rules`]: alerts, from a rule to those who are told. [`cluster`]: several nodes as one. [`cli`], [`cluster_cli`], [`demo`] and [`settings`]: the
//! command line.

mod access;
mod backup;
mod cli;
mod cluster;
mod cluster_cli;
mod demo;
mod disk;
mod durability;
mod fixture;
mod grafana;
mod hostile;
mod ingest;
mod otel_sdk;
mod otlp;
mod otlp_ledger;
mod prometheus;
mod reports;
mod rules;
mod settings;
