//! A transport between groups of one process, which can be cut: for tests and simulations.

use crate::group::{Group, Inner};
use crate::options::GroupId;
use crate::transport::{Transport, TransportError};
use bytes::Bytes;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use plimsoll_model::NodeId;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Weak};
use tokio::sync::mpsc;

/// Connects groups of one process. Clones share the connections.
#[derive(Clone, Default)]
pub struct InProcess {
    net: Arc<Mutex<Net>>,
}

#[derive(Default)]
struct Net {
    /// Weak: a group holds its transport, and must end with its last owner.
    groups: HashMap<(NodeId, GroupId), Weak<Inner>>,
    cut: HashSet<(NodeId, NodeId)>,
}

impl InProcess {
    /// No groups, nothing cut.
    pub fn new() -> Self {
        Self::default()
    }

    /// The transport of `node`.
    pub fn of(&self, node: NodeId) -> Arc<dyn Transport> {
        Arc::new(Side { net: self.clone(), node })
    }

    /// Makes `group` reachable, in place of an earlier one of the same node.
    pub fn connect(&self, group: &Group) {
        let weak = Arc::downgrade(&group.inner);
        self.net.lock().groups.insert((group.node(), group.id()), weak);
    }

    /// Loses everything that `from` sends to `to` from now on.
    pub fn cut(&self, from: NodeId, to: NodeId) {
        self.net.lock().cut.insert((from, to));
    }

    /// Cuts `node` off from `others`, both ways.
    pub fn isolate(&self, node: NodeId, others: &[NodeId]) {
        for other in others {
            self.cut(node, *other);
            self.cut(*other, node);
        }
    }

    /// Undoes all cuts.
    pub fn heal(&self) {
        self.net.lock().cut.clear();
    }

    fn find(&self, from: NodeId, to: NodeId, group: GroupId) -> Result<Group, TransportError> {
        let net = self.net.lock();
        let unreachable = |reason: &str| TransportError::Unreachable { node: to, reason: reason.to_owned() };
        if net.cut.contains(&(from, to)) {
            return Err(unreachable("cut off"));
        }
        let inner = net.groups.get(&(to, group)).and_then(Weak::upgrade);
        inner.map(|inner| Group { inner }).ok_or_else(|| unreachable("not running"))
    }
}

struct Side {
    net: InProcess,
    node: NodeId,
}

impl Side {
    /// An answer comes back only if the way back is open.
    fn answer(&self, to: NodeId, answer: Result<Bytes, crate::Error>) -> Result<Bytes, TransportError> {
        if self.net.net.lock().cut.contains(&(to, self.node)) {
            return Err(TransportError::Unreachable { node: to, reason: "cut off".to_owned() });
        }
        answer.map_err(|error| TransportError::Refused { node: to, reason: error.to_string() })
    }
}

impl Transport for Side {
    fn call(
        &self,
        to: NodeId,
        group: GroupId,
        request: Bytes,
    ) -> BoxFuture<'_, Result<Bytes, TransportError>> {
        Box::pin(async move {
            let group = self.net.find(self.node, to, group)?;
            let answer = group.handle(request).await;
            self.answer(to, answer)
        })
    }

    fn send_snapshot(
        &self,
        to: NodeId,
        group: GroupId,
        head: Bytes,
        pieces: mpsc::Receiver<Bytes>,
    ) -> BoxFuture<'_, Result<Bytes, TransportError>> {
        Box::pin(async move {
            let group = self.net.find(self.node, to, group)?;
            let answer = group.receive_snapshot(head, pieces).await;
            self.answer(to, answer)
        })
    }
}
