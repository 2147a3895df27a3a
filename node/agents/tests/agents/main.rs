//! The rules of agent telemetry by tables and properties: what each source sends, what comes out.

mod budgets;
mod mapping;
mod prices;
mod sources;
mod windows;
mod world;
