//! What a person does with a node, from outside, with the real binary.
//!
//! [`prometheus`]: the day a small Prometheus is replaced. [`grafana`]: the calls of Grafana's data source, held
//! against Prometheus' own answers. [`ingest`]: the other ways in. [`scrape`]: targets. [`otlp`], [`otlp_ledger`], [`otel_sdk`]: OpenTelemetry. [`durability`]: kill -9 and graceful ends.
//! [`hostile`]: ten thousand malformed requests. [`access`]: strangers at the door. [`disk`]: a full one. [`backup`]: files,
//! and what comes of them. [`reports`]: what agents did and used, to the last token. [`cluster`]: several nodes as one. [`cli`], [`cluster_cli`], [`demo`] and [`settings`]: the
//! and what comes of them. [`formats`]: export and import, blocks and remote read of Prometheus. [`client`]: the library in
//! programs. [`cluster`]: several nodes as one. [`cli`], [`cluster_cli`], [`demo`] and [`settings`]: the
//! and what comes of them. [`reports`]: what agents did and used, to the last token. [`anomalies`]: what a node finds and sends by
//! itself. [`cluster`]: several nodes as one. [`cli`], [`cluster_cli`], [`demo`] and [`settings`]: the
//! against Prometheus' own answers. [`ingest`]: the other ways in. [`durability`]: kill -9 and graceful ends.
//! [`agents`]: tokens and their cost. [`hostile`]: ten thousand malformed requests. [`access`]: strangers at the door. [`disk`]: a full one. [`backup`]: files,
//! and what comes of them. [`cluster`]: several nodes as one. [`cli`], [`cluster_cli`], [`demo`] and [`settings`]: the
//! command line.
//! and what comes of them. [`cluster`]: several nodes as one. [`cli`], [`cluster_cli`], [`demo`] and [`settings`]: the
//! command line. [`retention`]: what goes and what stays. [`rules`]: alerts, from a rule to those who are told.

mod access;
mod agents;
mod anomalies;
mod backup;
mod cli;
mod client;
mod cluster;
mod cluster_cli;
mod demo;
mod disk;
mod durability;
mod fixture;
mod formats;
mod grafana;
mod hostile;
mod ingest;
mod otel_sdk;
mod otlp;
mod otlp_ledger;
mod prometheus;
mod reports;
mod retention;
mod rules;
mod scrape;
mod settings;
