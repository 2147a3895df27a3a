//! Reads: which series match, and their samples from memory and disk as of one moment.

mod assemble;
mod disk_reader;
mod folded;
mod labels;
mod selection;
mod snapshot;

pub(crate) use assemble::Assembler;
pub(crate) use disk_reader::DiskReader;
pub use selection::Selection;
pub(crate) use snapshot::Snapshot;
