//! The one set of openraft types that all groups share.

use bytes::Bytes;
use openraft::async_runtime::{AsyncRuntime, Oneshot, Watch};
use openraft::impls::{BoxedErrorSource, InlineBatch, OneshotResponder, leader_id_std};
use openraft::vote::leader_id_std::CommittedLeaderId;
use openraft::{OptionalSend, RaftTypeConfig};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Types of every group: opaque bytes in and out, numbered nodes, one leader a term.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Types;

impl RaftTypeConfig for Types {
    type D = Payload;
    type R = Payload;
    type NodeId = u64;
    type Node = ();
    type Term = u64;
    type LeaderId = LeaderId;
    type Vote = Vote;
    type Payload = EntryPayload;
    type Entry = Entry;
    type AsyncRuntime = Runtime;
    type Responder<T>
        = OneshotResponder<Self, T>
    where
        T: OptionalSend + 'static;
    type Batch<T>
        = InlineBatch<T>
    where
        T: OptionalSend + 'static;
    type ErrorSource = BoxedErrorSource;
}

type Runtime = crate::runtime::Runtime;
type LeaderId = leader_id_std::LeaderId<u64, u64>;
type Term = CommittedLeaderId<u64>;

pub(crate) type Entry = openraft::Entry<Term, EntryPayload>;
pub(crate) type EntryPayload = openraft::EntryPayload<Payload, u64, ()>;
pub(crate) type LogId = openraft::LogId<Term>;
pub(crate) type Vote = openraft::Vote<LeaderId>;
pub(crate) type Membership = openraft::Membership<u64, ()>;
pub(crate) type StoredMembership = openraft::StoredMembership<Term, u64, ()>;
pub(crate) type SnapshotMeta = openraft::SnapshotMeta<Term, u64, ()>;
pub(crate) type Snapshot<D> = openraft::Snapshot<Term, u64, (), D>;
pub(crate) type Raft = openraft::Raft<Types, crate::apply::Applier>;
pub(crate) type WatchReceiver<T> = <<Runtime as AsyncRuntime>::Watch as Watch>::Receiver<T>;
pub(crate) type OneshotReceiver<T> = <<Runtime as AsyncRuntime>::Oneshot as Oneshot>::Receiver<T>;

/// A command or a reply; cloning it shares the bytes.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Payload(pub(crate) Bytes);

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl fmt::Display for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// The log id of `index` in `term`.
pub(crate) fn log_id(term: u64, index: u64) -> LogId {
    LogId::new_term_index(term, index)
}

/// Term of a log id.
pub(crate) fn term_of(id: &LogId) -> u64 {
    **id.committed_leader_id()
}
