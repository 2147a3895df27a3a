//! The client and its commands against nodes of straw.

mod fake;

#[cfg(feature = "cli")]
mod commands;
mod grpc;
mod questions;
mod writer;
