//! Settings of a node and of its cluster: what can be set, where a value came from, whether it holds.
//!
//! A value is taken from the first of: a flag, the environment (`PLIMSOLL_STORAGE__RETENTION`), a TOML
//! file, the default. An unknown key is an error that names the nearest known one. All problems of all
//! sources are reported at once, each with its key and place.
//!
//! Reading order: [`Settings`] and its sections ([`Node`] ...), the two human units ([`Period`], [`Size`]),
//! [`LoadArgs`] (the sources), [`Error`].
//!
//! Owns: names, defaults, units, validation. Does not own: what the values do; each section is handed by
//! value to the part that uses it, and nothing is looked up later. Reads no environment of its own: the
//! caller hands it in.

mod sections;
mod settings;

mod effective;
mod error;
mod load;
mod safety;
mod setting;
mod suggest;
mod units;
mod validate;

pub use effective::Effective;
pub use error::{Error, Origin, Problem};
pub use load::LoadArgs;
pub use sections::{
    Access, Cluster, Ingest, Log, LogFormat, LogLevel, Node, Otlp, OtlpNames, Query, Rules, Scrape, Shards,
    Storage, Tls,
};
pub use setting::Key;
pub use settings::Settings;
pub use units::{Period, Size};
