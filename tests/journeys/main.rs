//! What a person does with a node, from outside, with the real binary.
//!
//! [`prometheus`]: the day a small Prometheus is replaced. [`grafana`]: the calls of Grafana's data source, held
//! against Prometheus' own answers. [`ingest`]: the other ways in. [`durability`]: kill -9 and graceful ends.
//! [`agents`]: tokens and their cost. [`hostile`]: ten thousand malformed requests. [`access`]: strangers at the door. [`disk`]: a full one. [`backup`]: files,
//! and what comes of them. [`cluster`]: several nodes as one. [`cli`], [`cluster_cli`], [`demo`] and [`settings`]: the
//! command line.

mod access;
mod agents;
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
mod prometheus;
mod settings;
