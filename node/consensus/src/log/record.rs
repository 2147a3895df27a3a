//! An entry as raft-engine stores it: a protobuf message by interface, our own bytes by content.
//!
//! raft-engine writes any rust-protobuf 2 message. A generated one would copy every command into a vector of
//! its own first; this one writes the shared bytes straight into the batch.

use crate::entry;
use crate::raft::Entry;
use bytes::Bytes;
use openraft::entry::RaftEntry;
use protobuf::reflect::MessageDescriptor;
use protobuf::well_known_types::BytesValue;
use protobuf::{
    Clear, CodedInputStream, CodedOutputStream, Message, ProtobufError, ProtobufResult, UnknownFields,
};
use raft_engine::MessageExt;
use std::any::Any;
use std::sync::OnceLock;

/// One entry; empty only between raft-engine's construction and its first read.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Record {
    pub(crate) entry: Option<Entry>,
    unknown: UnknownFields,
}

impl Record {
    pub(crate) fn new(entry: Entry) -> Self {
        Self { entry: Some(entry), unknown: UnknownFields::new() }
    }
}

impl MessageExt for Record {
    type Entry = Record;

    fn index(record: &Record) -> u64 {
        record.entry.as_ref().map_or(0, RaftEntry::index)
    }
}

impl Clear for Record {
    fn clear(&mut self) {
        *self = Self::default();
    }
}

impl Message for Record {
    fn descriptor(&self) -> &'static MessageDescriptor {
        Self::descriptor_static()
    }

    fn descriptor_static() -> &'static MessageDescriptor {
        // Read only to name a message in errors that this one cannot have.
        BytesValue::descriptor_static()
    }

    fn is_initialized(&self) -> bool {
        true
    }

    fn merge_from(&mut self, input: &mut CodedInputStream) -> ProtobufResult<()> {
        let mut head = [0; entry::HEAD];
        std::io::Read::read_exact(input, &mut head)?;
        let body = input.read_raw_bytes(entry::body_length(&head))?;
        let entry = entry::from_parts(&head, Bytes::from(body)).ok_or_else(|| {
            ProtobufError::IoError(std::io::Error::new(
                std::io::ErrorKind::InvalidData,
                "not a log entry of a known version",
            ))
        })?;
        self.entry = Some(entry);
        Ok(())
    }

    fn write_to_with_cached_sizes(&self, out: &mut CodedOutputStream) -> ProtobufResult<()> {
        if let Some(entry) = &self.entry {
            let (head, body) = entry::parts(entry);
            out.write_raw_bytes(&head)?;
            out.write_raw_bytes(&body)?;
        }
        Ok(())
    }

    fn compute_size(&self) -> u32 {
        self.entry.as_ref().map_or(0, |entry| {
            let (head, body) = entry::parts(entry);
            (head.len() + body.len()) as u32
        })
    }

    fn get_cached_size(&self) -> u32 {
        self.compute_size()
    }

    fn get_unknown_fields(&self) -> &UnknownFields {
        &self.unknown
    }

    fn mut_unknown_fields(&mut self) -> &mut UnknownFields {
        &mut self.unknown
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn new() -> Self {
        Self::default()
    }

    fn default_instance() -> &'static Self {
        static EMPTY: OnceLock<Record> = OnceLock::new();
        EMPTY.get_or_init(Record::default)
    }
}
