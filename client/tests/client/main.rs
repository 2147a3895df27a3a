//! The client and its commands against nodes of straw.

mod fake;

mod cluster;
#[cfg(feature = "cli")]
mod cluster_commands;
mod collector;
#[cfg(feature = "cli")]
mod commands;
mod documented;
mod grpc;
mod nodes;
mod questions;
mod spill;
mod writer;
